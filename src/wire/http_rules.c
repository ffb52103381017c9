#include "wire/http_rules.h"

#include <weir/extension.h>

#include "wire/chars.h"

const char *const weir__handshake_own_fields[] = {
    "Connection",     "Upgrade",           "Host", "Origin", "Sec-WebSocket-*",
    "Content-Length", "Transfer-Encoding", NULL};

static bool is_own(weir_view name, const char *const *own)
{
    for (; *own != NULL; own++) {
        weir_view entry = weir_view_of(*own);
        bool prefix = entry.data[entry.size - 1] == '*';
        size_t size = prefix ? entry.size - 1 : entry.size;
        if (name.size < size || (!prefix && name.size > size))
            continue;
        if (weir__view_same_nocase(weir__view_first(name, size), weir__view_first(entry, size)))
            return true;
    }
    return false;
}

bool weir__http_headers_check(const weir_http_header *headers, size_t count, const char *const *own)
{
    for (size_t i = 0; i < count; i++) {
        weir_view name = weir_view_of(headers[i].name);
        if (!weir__view_is_token(name) || is_own(name, own) ||
            !weir__view_is_value(weir_view_of(headers[i].value)))
            return false;
    }
    return true;
}

void weir__http_headers_put(weir__text *text, const weir_http_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir__text_put_field(text, headers[i].name, headers[i].value);
}

const weir_http_field *weir__http_field_only(const weir_http_head *head, const char *name,
                                             bool *several)
{
    const weir_http_field *field = weir_http_field_find(head, name, 0);
    *several = field != NULL &&
               weir_http_field_find(head, name, (size_t)(field - head->fields) + 1) != NULL;
    return *several ? NULL : field;
}

bool weir__http_list_has(const weir_http_head *head, const char *name, const char *element)
{
    weir_http_cursor cursor = {0};
    weir_view found;
    while (weir_http_list_next(&found, head, name, &cursor))
        if (weir_view_equal_nocase(found, element))
            return true;
    return false;
}

int weir__extensions_check(const weir_http_head *head, weir_view *at)
{
    const weir_http_field *field = weir_http_field_find(head, "Sec-WebSocket-Extensions", 0);
    if (field == NULL)
        return WEIR_OK;
    weir_http_cursor cursor = {0};
    weir_extension extension;
    size_t count = 0;
    int more;
    while ((more = weir_extension_head_next(&extension, head, &cursor)) > 0)
        count++;
    *at = cursor.field > 0 ? head->fields[cursor.field - 1].value : field->value;
    return more < 0 || count == 0 ? WEIR_EPROTOCOL : WEIR_OK;
}

bool weir__extensions_are_sendable(const char *value)
{
    weir_view rest = weir_view_of(value);
    weir_extension extension;
    size_t count = 0;
    int more;
    while ((more = weir_extension_next(&extension, &rest)) > 0)
        count++;
    return more == 0 && count > 0 && weir__view_is_value(weir_view_of(value));
}
