#include <weir/handshake.h>

#include <string.h>

#include "wire/base64.h"
#include "wire/chars.h"
#include "wire/http_head.h"
#include "wire/http_rules.h"

/* A response 101 that is whole, while the rules are applied to it. */
struct examination {
    weir_handshake_response *response;
    const weir_handshake_offer *offer;
    const char *bytes;
    size_t start; /* where the head begins in bytes: interim responses are before it */
};

/* at: the part of the head that breaks the rule; absent: something is missing, which is known at
 * the head's end. */
static int refuse_response(struct examination *e, weir_view at, const char *rule)
{
    size_t offset = at.data != NULL ? (size_t)(at.data - e->bytes) : e->response->head.size;
    e->response->fault = (weir_fault){WEIR_EPROTOCOL, offset, rule};
    return WEIR_EPROTOCOL;
}

/* The value of the only field of that name; absent when there is none. Several are refused by
 * the rule. */
static int take_only(struct examination *e, const char *name, weir_view *value, const char *rule)
{
    bool several;
    const weir_http_field *field = weir__http_field_only(&e->response->head, name, &several);
    *value = field != NULL ? field->value : (weir_view){0};
    return several ? refuse_response(e, *value, rule) : WEIR_OK;
}

static int check_http_version(struct examination *e)
{
    enum { MINOR_AT = 7 };
    weir_view minor = {e->bytes + e->start + MINOR_AT, 1};
    if (minor.data[0] != '1')
        return refuse_response(e, minor, "RFC 9110 15.2: 101 over HTTP/1.0");
    return WEIR_OK;
}

static int check_upgrade(struct examination *e)
{
    weir_view upgrade;
    int status = take_only(e, "Upgrade", &upgrade, "RFC 6455 4.1: several Upgrade fields");
    if (status != WEIR_OK)
        return status;
    if (!weir_view_equal_nocase(upgrade, "websocket"))
        return refuse_response(e, upgrade, "RFC 6455 4.1: Upgrade is not websocket");
    if (!weir__http_list_has(&e->response->head, "Connection", "upgrade"))
        return refuse_response(e, (weir_view){0}, "RFC 6455 4.1: Connection lacks upgrade");
    return WEIR_OK;
}

static int check_accept(struct examination *e)
{
    char key[WEIR_HANDSHAKE_KEY_SIZE + 1];
    char expected[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    weir_view accept;
    int status = take_only(e, "Sec-WebSocket-Accept", &accept,
                           "RFC 6455 11.3.3: several Sec-WebSocket-Accept fields");
    if (status != WEIR_OK)
        return status;
    if (accept.data == NULL)
        return refuse_response(e, accept, "RFC 6455 4.1: Sec-WebSocket-Accept is missing");
    weir__base64_encode(key, e->offer->nonce, sizeof e->offer->nonce);
    weir_handshake_accept_value(expected, weir_view_of(key));
    if (!weir_view_equal(accept, expected))
        return refuse_response(e, accept,
                               "RFC 6455 4.1: Sec-WebSocket-Accept does not answer our key");
    return WEIR_OK;
}

static bool is_subprotocol_offered(const weir_handshake_offer *offer, weir_view name)
{
    for (size_t i = 0; i < offer->subprotocol_count; i++)
        if (weir_view_equal(name, offer->subprotocols[i]))
            return true;
    return false;
}

static int check_subprotocol(struct examination *e)
{
    weir_view chosen;
    int status = take_only(e, "Sec-WebSocket-Protocol", &chosen,
                           "RFC 6455 11.3.4: several Sec-WebSocket-Protocol fields");
    if (status != WEIR_OK)
        return status;
    if (chosen.data != NULL && !is_subprotocol_offered(e->offer, chosen))
        return refuse_response(e, chosen, "RFC 6455 4.1: a subprotocol that was not offered");
    e->response->subprotocol = chosen;
    return WEIR_OK;
}

static bool is_extension_offered(const weir_handshake_offer *offer, weir_view name)
{
    weir_view rest = weir_view_of(offer->extensions);
    weir_extension offered;
    while (weir_extension_next(&offered, &rest) > 0)
        if (weir__view_same(offered.name, name))
            return true;
    return false;
}

static int check_extensions(struct examination *e)
{
    const weir_http_head *head = &e->response->head;
    weir_http_cursor cursor = {0};
    weir_extension chosen;
    weir_view at;
    if (weir__extensions_check(head, &at) != WEIR_OK)
        return refuse_response(e, at, "RFC 6455 9.1: malformed Sec-WebSocket-Extensions");
    while (weir_extension_head_next(&chosen, head, &cursor) > 0)
        if (!is_extension_offered(e->offer, chosen.name))
            return refuse_response(e, chosen.name,
                                   "RFC 6455 4.1: an extension that was not offered");
    return WEIR_OK;
}

static int examine_response(struct examination *e)
{
    static int (*const rules[])(struct examination *) = {
        check_http_version, check_upgrade, check_accept, check_subprotocol, check_extensions,
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int status = rules[i](e);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* The length of a refusal's body. A value that cannot be used counts as absent: the body then ends
 * with the connection. */
static int64_t find_content_length(const weir_http_head *head)
{
    bool several;
    const weir_http_field *field = weir__http_field_only(head, "Content-Length", &several);
    if (field == NULL || field->value.size == 0)
        return -1;
    int64_t length = 0;
    for (size_t i = 0; i < field->value.size; i++) {
        char c = field->value.data[i];
        if (!weir__is_digit(c) || length > (INT64_MAX - 9) / 10)
            return -1;
        length = length * 10 + (c - '0');
    }
    return length;
}

/* Scans up to the end of the final response's head and fills the head. Returns as the scanner. */
static int parse_final_head(weir_handshake_response *response, const weir__http_input *in,
                            weir_http_scan *scan)
{
    weir__http_error error = {0};
    for (;;) {
        int size = weir__http_response_scan(scan, in, &error);
        if (size <= 0) {
            response->fault = error.fault;
            return size;
        }
        weir__http_response_split(&response->head, in->bytes, scan);
        if (response->head.status >= 200 || response->head.status == 101)
            return size;
        weir__http_scan_restart(scan);
    }
}

int weir_handshake_response_parse(weir_handshake_response *response, const void *in, size_t size,
                                  weir_http_scan *scan, const weir_handshake_offer *offer)
{
    weir_http_scan only_scan = {0};
    weir__http_input input = {in, size, response->head.field_capacity};
    if (scan == NULL)
        scan = &only_scan;
    const weir_http_head empty = {.fields = response->head.fields,
                                  .field_capacity = response->head.field_capacity};
    *response = (weir_handshake_response){.head = empty, .content_length = -1};

    int head_size = parse_final_head(response, &input, scan);
    if (head_size <= 0) {
        response->head = empty;
        return head_size;
    }
    if (response->head.status != 101) {
        response->content_length = find_content_length(&response->head);
        return WEIR_EREFUSED;
    }
    int status = examine_response(&(struct examination){response, offer, in, scan->start});
    return status == WEIR_OK ? head_size : status;
}
