#include <weir/handshake.h>

#include "base/view.h"
#include "wire/base64.h"
#include "wire/http_rules.h"
#include "wire/sha1.h"
#include "wire/text.h"

void weir_handshake_accept_value(char out[WEIR_HANDSHAKE_ACCEPT_SIZE + 1], weir_view key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    uint8_t digest[WEIR__SHA1_SIZE];
    weir__sha1 sha1;
    weir__sha1_init(&sha1);
    weir__sha1_feed(&sha1, key.data, key.size);
    weir__sha1_feed(&sha1, guid, sizeof guid - 1);
    weir__sha1_end(&sha1, digest);
    weir__base64_encode(out, digest, sizeof digest);
}

static bool is_extension_offered(const weir_handshake_request *request, weir_view name)
{
    weir_http_cursor cursor = {0};
    weir_extension offered;
    while (weir_extension_head_next(&offered, &request->head, &cursor) > 0)
        if (weir__view_same(offered.name, name))
            return true;
    return false;
}

static bool are_extensions_offered(const weir_handshake_request *request, const char *value)
{
    weir_view rest = weir_view_of(value);
    weir_extension extension;
    while (weir_extension_next(&extension, &rest) > 0)
        if (!is_extension_offered(request, extension.name))
            return false;
    return weir__extensions_are_sendable(value);
}

static bool acceptance_is_sendable(const weir_handshake_request *request,
                                   const weir_handshake_acceptance *acceptance)
{
    const char *subprotocol = acceptance->subprotocol;
    if (request->key.data == NULL)
        return false;
    if (subprotocol != NULL && !weir_handshake_choose_subprotocol(request, &subprotocol, 1))
        return false;
    if (acceptance->extensions != NULL && !are_extensions_offered(request, acceptance->extensions))
        return false;
    return weir__http_headers_check(acceptance->headers, acceptance->header_count,
                                    weir__handshake_own_fields);
}

int weir_handshake_response_write(char *out, size_t capacity, const weir_handshake_request *request,
                                  const weir_handshake_acceptance *acceptance)
{
    static const weir_handshake_acceptance nothing = {0};
    if (acceptance == NULL)
        acceptance = &nothing;
    if (!acceptance_is_sendable(request, acceptance))
        return WEIR_EINVAL;

    char accept[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    weir_handshake_accept_value(accept, request->key);
    weir__text text = {.out = out, .capacity = capacity};
    weir__text_put_string(&text, "HTTP/1.1 101 Switching Protocols\r\n");
    weir__text_put_field(&text, "Upgrade", "websocket");
    weir__text_put_field(&text, "Connection", "Upgrade");
    weir__text_put_field(&text, "Sec-WebSocket-Accept", accept);
    if (acceptance->subprotocol != NULL)
        weir__text_put_field(&text, "Sec-WebSocket-Protocol", acceptance->subprotocol);
    if (acceptance->extensions != NULL)
        weir__text_put_field(&text, "Sec-WebSocket-Extensions", acceptance->extensions);
    weir__http_headers_put(&text, acceptance->headers, acceptance->header_count);
    weir__text_put_string(&text, "\r\n");
    return weir__text_end(&text);
}

int weir_handshake_refusal_write(char *out, size_t capacity, const weir_handshake_refusal *refusal)
{
    char body[WEIR_HANDSHAKE_REFUSAL_ROOM / 2];
    weir__text text = {.out = body, .capacity = sizeof body};
    if (refusal->http_status == 0 || refusal->fault.rule == NULL)
        return WEIR_EINVAL;
    weir__text_put_string(&text, weir_http_reason(refusal->http_status));
    weir__text_put_string(&text, " (");
    weir__text_put_string(&text, refusal->fault.rule);
    weir__text_put_string(&text, ")\n");
    int body_size = weir__text_end(&text);
    if (body_size < 0)
        return body_size;
    return weir_http_response_write(out, capacity,
                                    &(weir_http_answer){.status = refusal->http_status,
                                                        .headers = refusal->headers,
                                                        .header_count = refusal->header_count,
                                                        .body = body,
                                                        .body_size = (size_t)body_size,
                                                        .no_body = refusal->no_body});
}
