#include "wire/http_head.h"

#include "wire/chars.h"

/* Takes a line off the front, without its CRLF, which is known to be there. */
static weir_view take_line(weir_view *rest)
{
    size_t end = weir__view_find(*rest, '\n');
    weir_view line = weir__view_first(*rest, end - 1);
    *rest = weir__view_after(*rest, end + 1);
    return line;
}

static void split_fields(weir_http_head *head, weir_view rest, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_view line = take_line(&rest);
        size_t colon = weir__view_find(line, ':');
        head->fields[i].name = weir__view_first(line, colon);
        head->fields[i].value = weir__view_trim(weir__view_after(line, colon + 1));
    }
    head->field_count = count;
}

static weir_view whole_head(const char *bytes, const weir_http_scan *scan)
{
    return (weir_view){bytes + scan->start, scan->seen - scan->start};
}

void weir__http_request_split(weir_http_head *head, const char *bytes, const weir_http_scan *scan)
{
    weir_view rest = whole_head(bytes, scan);
    weir_view line = take_line(&rest);
    head->method = weir__view_first(line, weir__view_find(line, ' '));
    line = weir__view_after(line, head->method.size + 1);
    head->target = weir__view_first(line, weir__view_find(line, ' '));
    head->size = scan->seen;
    split_fields(head, rest, scan->field_count);
}

void weir__http_response_split(weir_http_head *head, const char *bytes, const weir_http_scan *scan)
{
    enum { CODE_AT = 9, REASON_AT = 13 }; /* "HTTP/1.1 101 Switching Protocols" */
    weir_view rest = whole_head(bytes, scan);
    weir_view line = take_line(&rest);
    const char *code = line.data + CODE_AT;
    head->status = (unsigned)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    head->reason = weir__view_after(line, line.size < REASON_AT ? line.size : REASON_AT);
    head->size = scan->seen;
    split_fields(head, rest, scan->field_count);
}

const weir_http_field *weir_http_field_find(const weir_http_head *head, const char *name,
                                            size_t from)
{
    weir_view wanted = weir_view_of(name);
    for (size_t i = from; i < head->field_count; i++)
        if (weir__view_same_nocase(head->fields[i].name, wanted))
            return &head->fields[i];
    return NULL;
}

/* Takes what is before the next comma off the front. */
static weir_view take_element(weir_view *rest)
{
    size_t comma = weir__view_find(*rest, ',');
    weir_view element = weir__view_trim(weir__view_first(*rest, comma));
    *rest = weir__view_after(*rest, comma < rest->size ? comma + 1 : comma);
    return element;
}

bool weir_http_list_next(weir_view *element, const weir_http_head *head, const char *name,
                         weir_http_cursor *cursor)
{
    for (;;) {
        while (cursor->rest.size > 0) {
            *element = take_element(&cursor->rest);
            if (element->size > 0)
                return true;
        }
        const weir_http_field *field = weir_http_field_find(head, name, cursor->field);
        if (field == NULL)
            return false;
        cursor->field = (size_t)(field - head->fields) + 1;
        cursor->rest = field->value;
    }
}
