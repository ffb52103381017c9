#include <weir/http.h>

#include "wire/chars.h"
#include "wire/http_rules.h"
#include "wire/text.h"

const char *weir_http_reason(unsigned status)
{
    static const struct {
        uint16_t status;
        const char *reason;
    } registry[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {511, "Network Authentication Required"},
    };
    for (size_t i = 0; i < sizeof registry / sizeof registry[0]; i++)
        if (registry[i].status == status)
            return registry[i].reason;
    return "";
}

static bool has_header(const weir_http_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++)
        if (weir_view_equal_nocase(weir_view_of(answer->headers[i].name), name))
            return true;
    return false;
}

/* RFC 9110 15.3.5, 15.3.6, 15.4.5: no content follows these. */
static bool is_bodiless(unsigned status)
{
    return status == 204 || status == 205 || status == 304;
}

static bool answer_is_sendable(const weir_http_answer *answer)
{
    static const char *const own[] = {"Connection", "Content-Length", "Transfer-Encoding", NULL};
    if (answer->status < 200 || answer->status > 599)
        return false;
    if (answer->reason != NULL && !weir__view_is_value(weir_view_of(answer->reason)))
        return false;
    if (answer->body_size > 0 && (answer->body == NULL || is_bodiless(answer->status)))
        return false;
    return weir__http_headers_check(answer->headers, answer->header_count, own);
}

static void put_fields(weir__text *text, const weir_http_answer *answer)
{
    bool upgrade = has_header(answer, "Upgrade");
    weir__text_put_field(text, "Connection", upgrade ? "close, Upgrade" : "close");
    if (answer->status != 204) { /* RFC 9110 8.6 */
        weir__text_put_string(text, "Content-Length: ");
        weir__text_put_number(text, answer->body_size);
        weir__text_put_string(text, "\r\n");
    }
    if (answer->body_size > 0 && !has_header(answer, "Content-Type"))
        weir__text_put_field(text, "Content-Type", "text/plain; charset=utf-8");
    weir__http_headers_put(text, answer->headers, answer->header_count);
}

int weir_http_response_write(char *out, size_t capacity, const weir_http_answer *answer)
{
    if (!answer_is_sendable(answer))
        return WEIR_EINVAL;
    weir__text text = {.out = out, .capacity = capacity};
    weir__text_put_string(&text, "HTTP/1.1 ");
    weir__text_put_number(&text, answer->status);
    weir__text_put_string(&text, " ");
    weir__text_put_string(&text, answer->reason != NULL ? answer->reason
                                                        : weir_http_reason(answer->status));
    weir__text_put_string(&text, "\r\n");
    put_fields(&text, answer);
    weir__text_put_string(&text, "\r\n");
    if (!answer->no_body)
        weir__text_put(&text, answer->body, answer->body_size);
    return weir__text_end(&text);
}
