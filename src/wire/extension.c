#include <weir/extension.h>

#include "wire/chars.h"
#include "wire/text.h"

/* Blanks may stand around each element: RFC 6455 uses the ABNF of RFC 2616, with its implied
 * *LWS (2.1 there). */
static void skip_blanks(weir_view *rest)
{
    while (rest->size > 0 && weir__is_blank(rest->data[0]))
        *rest = weir__view_after(*rest, 1);
}

/* Consumes a character if it is next. */
static bool take_char(weir_view *rest, char c)
{
    if (rest->size == 0 || rest->data[0] != c)
        return false;
    *rest = weir__view_after(*rest, 1);
    return true;
}

static bool take_token(weir_view *rest, weir_view *token)
{
    size_t size = 0;
    while (size < rest->size && weir__is_token_char(rest->data[size]))
        size++;
    *token = weir__view_first(*rest, size);
    *rest = weir__view_after(*rest, size);
    return size > 0;
}

/* A quoted string behind its first quote; unescaped it has to be a token (RFC 6455 9.1). */
static bool take_quoted(weir_view *rest, weir_view *content)
{
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '"') {
        if (rest->data[size] == '\\')
            size++;
        if (size == rest->size || !weir__is_token_char(rest->data[size]))
            return false;
        size++;
    }
    if (size == rest->size || size == 0)
        return false;
    *content = weir__view_first(*rest, size);
    *rest = weir__view_after(*rest, size + 1);
    return true;
}

/* A parameter behind its semicolon. */
static bool take_param(weir_view *rest, weir_extension_param *out)
{
    *out = (weir_extension_param){0};
    skip_blanks(rest);
    if (!take_token(rest, &out->name))
        return false;
    skip_blanks(rest);
    if (!take_char(rest, '='))
        return true;
    skip_blanks(rest);
    out->quoted = take_char(rest, '"');
    return out->quoted ? take_quoted(rest, &out->value) : take_token(rest, &out->value);
}

int weir_extension_param_next(weir_extension_param *out, weir_view *rest)
{
    skip_blanks(rest);
    if (rest->size == 0)
        return 0;
    return take_char(rest, ';') && take_param(rest, out) ? 1 : WEIR_EPROTOCOL;
}

int weir_extension_next(weir_extension *out, weir_view *rest)
{
    weir_extension_param ignored;
    do
        skip_blanks(rest);
    while (take_char(rest, ','));
    if (rest->size == 0)
        return 0;
    if (!take_token(rest, &out->name))
        return WEIR_EPROTOCOL;

    weir_view params = *rest;
    for (skip_blanks(rest); take_char(rest, ';'); skip_blanks(rest))
        if (!take_param(rest, &ignored))
            return WEIR_EPROTOCOL;
    out->params = weir__view_trim(weir__view_first(params, params.size - rest->size));
    return rest->size == 0 || rest->data[0] == ',' ? 1 : WEIR_EPROTOCOL;
}

int weir_extension_head_next(weir_extension *out, const weir_http_head *head,
                             weir_http_cursor *cursor)
{
    for (;;) {
        int more = weir_extension_next(out, &cursor->rest);
        if (more != 0)
            return more;
        const weir_http_field *field =
            weir_http_field_find(head, "Sec-WebSocket-Extensions", cursor->field);
        if (field == NULL)
            return 0;
        cursor->field = (size_t)(field - head->fields) + 1;
        cursor->rest = field->value;
    }
}

int weir_extension_param_number(const weir_extension_param *param, int max)
{
    int number = 0;
    size_t digits = 0;
    for (size_t i = 0; i < param->value.size; i++) {
        char c = param->value.data[i];
        if (c == '\\' && param->quoted)
            continue;
        if (!weir__is_digit(c) || (digits > 0 && number == 0))
            return WEIR_EPROTOCOL;
        int digit = c - '0';
        if (number > (max - digit) / 10)
            return WEIR_EPROTOCOL;
        number = number * 10 + digit;
        digits++;
    }
    return digits > 0 && number <= max ? number : WEIR_EPROTOCOL;
}

static bool put_offer(weir__text *text, const weir_extension_offer *offer)
{
    if (!weir__view_is_token(weir_view_of(offer->name)))
        return false;
    weir__text_put_string(text, offer->name);
    for (size_t i = 0; i < offer->setting_count; i++) {
        const weir_extension_setting *setting = &offer->settings[i];
        if (!weir__view_is_token(weir_view_of(setting->name)))
            return false;
        weir__text_put_string(text, "; ");
        weir__text_put_string(text, setting->name);
        if (setting->value == NULL)
            continue;
        if (!weir__view_is_token(weir_view_of(setting->value)))
            return false;
        weir__text_put_string(text, "=");
        weir__text_put_string(text, setting->value);
    }
    return true;
}

int weir_extension_write(char *out, size_t capacity, const weir_extension_offer *offers,
                         size_t count)
{
    weir__text text = {.out = out, .capacity = capacity};
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            weir__text_put_string(&text, ", ");
        if (!put_offer(&text, &offers[i]))
            return WEIR_EINVAL;
    }
    return weir__text_end(&text);
}
