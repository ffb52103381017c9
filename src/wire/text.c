#include "wire/text.h"

#include <limits.h>
#include <string.h>

#include "wire/chars.h"

weir_view weir_view_of(const char *text)
{
    return (weir_view){text, text != NULL ? strlen(text) : 0};
}

bool weir_view_equal(weir_view view, const char *text)
{
    return view.data != NULL && text != NULL && weir__view_same(view, weir_view_of(text));
}

bool weir_view_equal_nocase(weir_view view, const char *text)
{
    return view.data != NULL && text != NULL && weir__view_same_nocase(view, weir_view_of(text));
}

weir_view weir__view_first(weir_view view, size_t size)
{
    return (weir_view){view.data, size};
}

weir_view weir__view_after(weir_view view, size_t size)
{
    return (weir_view){view.data + size, view.size - size};
}

weir_view weir__view_trim(weir_view view)
{
    while (view.size > 0 && weir__is_blank(view.data[0]))
        view = weir__view_after(view, 1);
    while (view.size > 0 && weir__is_blank(view.data[view.size - 1]))
        view.size--;
    return view;
}

size_t weir__view_find(weir_view view, char c)
{
    const char *found = view.size > 0 ? memchr(view.data, c, view.size) : NULL;
    return found != NULL ? (size_t)(found - view.data) : view.size;
}

bool weir__view_same(weir_view a, weir_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool weir__view_same_nocase(weir_view a, weir_view b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (weir__to_lower(a.data[i]) != weir__to_lower(b.data[i]))
            return false;
    return true;
}

bool weir__view_is_token(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_token_char(view.data[i]))
            return false;
    return view.size > 0;
}

bool weir__view_is_value(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_value_char(view.data[i]))
            return false;
    return view.data != NULL && weir__view_trim(view).size == view.size;
}

bool weir__view_is_visible(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_visible(view.data[i]))
            return false;
    return true;
}

void weir__text_put(weir__text *text, const void *data, size_t size)
{
    if (size > SIZE_MAX - text->size) {
        text->size = SIZE_MAX;
        return;
    }
    size_t end = text->size + size;
    if (size > 0 && text->out != NULL && end <= text->capacity)
        memcpy(text->out + text->size, data, size);
    text->size = end;
}

void weir__text_put_view(weir__text *text, weir_view view)
{
    weir__text_put(text, view.data, view.size);
}

void weir__text_put_string(weir__text *text, const char *string)
{
    weir__text_put(text, string, strlen(string));
}

void weir__text_put_number(weir__text *text, uint64_t number)
{
    char digits[20]; /* of UINT64_MAX */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    weir__text_put(text, digits + at, sizeof digits - at);
}

void weir__text_put_field(weir__text *text, const char *name, const char *value)
{
    weir__text_put_string(text, name);
    weir__text_put_string(text, ": ");
    weir__text_put_string(text, value);
    weir__text_put_string(text, "\r\n");
}

int weir__text_end(weir__text *text)
{
    if (text->size > INT_MAX)
        return WEIR_ETOOBIG;
    if (text->out != NULL) {
        if (text->size >= text->capacity)
            return WEIR_ETOOBIG;
        text->out[text->size] = '\0';
    }
    return (int)text->size;
}
