#include <weir/handshake.h>

#include "wire/authority.h"
#include "wire/base64.h"
#include "wire/chars.h"
#include "wire/http_rules.h"
#include "wire/text.h"

static bool is_target_sendable(const weir_handshake_offer *offer)
{
    weir_view path = offer->path;
    weir_view query = offer->query;
    if (path.size > 0 && (path.data[0] != '/' || weir__view_find(path, '?') < path.size))
        return false;
    return weir__view_is_visible(path) && weir__view_find(path, '#') == path.size &&
           weir__view_is_visible(query) && weir__view_find(query, '#') == query.size;
}

/* RFC 6455 4.1: tokens, each of them once. */
static bool are_subprotocols_sendable(const weir_handshake_offer *offer)
{
    for (size_t i = 0; i < offer->subprotocol_count; i++) {
        weir_view name = weir_view_of(offer->subprotocols[i]);
        if (!weir__view_is_token(name))
            return false;
        for (size_t before = 0; before < i; before++)
            if (weir_view_equal(name, offer->subprotocols[before]))
                return false;
    }
    return true;
}

static bool offer_is_sendable(const weir_handshake_offer *offer)
{
    weir__authority authority;
    weir_fault ignored;
    if (weir__authority_parse(&authority, weir_view_of(offer->host), &ignored) != WEIR_OK)
        return false;
    if (offer->origin != NULL && !weir__view_is_value(weir_view_of(offer->origin)))
        return false;
    if (offer->extensions != NULL && !weir__extensions_are_sendable(offer->extensions))
        return false;
    return is_target_sendable(offer) && are_subprotocols_sendable(offer) &&
           weir__http_headers_check(offer->headers, offer->header_count,
                                    weir__handshake_own_fields);
}

static void put_request_line(weir__text *text, const weir_handshake_offer *offer)
{
    weir__text_put_string(text, "GET ");
    weir__text_put_view(text, offer->path.size > 0 ? offer->path : weir_view_of("/"));
    if (offer->query.size > 0) { /* an empty one is left out, RFC 6455 3 */
        weir__text_put_string(text, "?");
        weir__text_put_view(text, offer->query);
    }
    weir__text_put_string(text, " HTTP/1.1\r\n");
}

static void put_subprotocols(weir__text *text, const weir_handshake_offer *offer)
{
    for (size_t i = 0; i < offer->subprotocol_count; i++) {
        weir__text_put_string(text, i == 0 ? "Sec-WebSocket-Protocol: " : ", ");
        weir__text_put_string(text, offer->subprotocols[i]);
    }
    if (offer->subprotocol_count > 0)
        weir__text_put_string(text, "\r\n");
}

int weir_handshake_request_write(char *out, size_t capacity, const weir_handshake_offer *offer)
{
    if (!offer_is_sendable(offer))
        return WEIR_EINVAL;
    char key[WEIR_HANDSHAKE_KEY_SIZE + 1];
    weir__base64_encode(key, offer->nonce, sizeof offer->nonce);
    weir__text text = {.out = out, .capacity = capacity};
    put_request_line(&text, offer);
    weir__text_put_field(&text, "Host", offer->host);
    weir__text_put_field(&text, "Upgrade", "websocket");
    weir__text_put_field(&text, "Connection", "Upgrade");
    weir__text_put_field(&text, "Sec-WebSocket-Key", key);
    weir__text_put_field(&text, "Sec-WebSocket-Version", "13");
    if (offer->origin != NULL)
        weir__text_put_field(&text, "Origin", offer->origin);
    put_subprotocols(&text, offer);
    if (offer->extensions != NULL)
        weir__text_put_field(&text, "Sec-WebSocket-Extensions", offer->extensions);
    weir__http_headers_put(&text, offer->headers, offer->header_count);
    weir__text_put_string(&text, "\r\n");
    return weir__text_end(&text);
}
