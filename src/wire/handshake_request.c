#include <weir/handshake.h>

#include "wire/authority.h"
#include "wire/base64.h"
#include "wire/chars.h"
#include "wire/http_head.h"
#include "wire/http_rules.h"

/* A head that is whole, while the rules are applied to it. */
struct examination {
    weir_handshake_request *request;
    const char *bytes;
    weir__http_error *error;
};

/* at: the part of the head that breaks the rule; absent: something is missing, which is known at
 * the head's end. */
static int refuse_request(struct examination *e, unsigned http_status, weir_view at,
                          const char *rule)
{
    size_t offset = at.data != NULL ? (size_t)(at.data - e->bytes) : e->request->head.size;
    return weir__http_refuse(e->error, http_status, offset, rule);
}

static weir_view field_value(const weir_http_field *field)
{
    return field != NULL ? field->value : (weir_view){0};
}

/* What follows "scheme://" if the scheme is one of ours, else the absent view. */
static weir_view after_scheme(weir_view target)
{
    static const char *const prefixes[] = {"http://", "https://", "ws://", "wss://"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        weir_view prefix = weir_view_of(prefixes[i]);
        if (target.size > prefix.size &&
            weir__view_same_nocase(weir__view_first(target, prefix.size), prefix))
            return weir__view_after(target, prefix.size);
    }
    return (weir_view){0};
}

/* RFC 9112 3.2.2: a server has to take the absolute form, and its host instead of the Host
 * field's. */
static int check_target(struct examination *e)
{
    weir_view target = e->request->head.target;
    if (target.data[0] == '/') {
        weir__target_split(target, &e->request->path, &e->request->query);
        return WEIR_OK;
    }
    weir_view rest = after_scheme(target);
    if (rest.data == NULL)
        return refuse_request(e, 400, target, "RFC 9112 3.2: neither a path nor an absolute URL");
    size_t end = weir__authority_size(rest);
    weir_fault ignored;
    weir__authority authority;
    if (weir__authority_parse(&authority, weir__view_first(rest, end), &ignored) != WEIR_OK)
        return refuse_request(e, 400, rest, "RFC 9112 3.2.2: malformed host in the target");
    e->request->host = weir__view_first(rest, end);
    weir__target_split(weir__view_after(rest, end), &e->request->path, &e->request->query);
    return WEIR_OK;
}

static int check_host(struct examination *e)
{
    bool several;
    weir_view host = field_value(weir__http_field_only(&e->request->head, "Host", &several));
    weir_fault ignored;
    weir__authority authority;
    if (several)
        return refuse_request(e, 400, host, "RFC 9112 3.2: several Host fields");
    if (host.data == NULL)
        return refuse_request(e, 400, host, "RFC 9112 3.2: Host is missing");
    if (weir__authority_parse(&authority, host, &ignored) != WEIR_OK)
        return refuse_request(e, 400, host, "RFC 9112 3.2: malformed Host");
    if (e->request->host.data == NULL)
        e->request->host = host;
    return WEIR_OK;
}

/* A body would be read as frames: request smuggling. */
static int check_body(struct examination *e)
{
    const weir_http_head *head = &e->request->head;
    weir_view coding = field_value(weir_http_field_find(head, "Transfer-Encoding", 0));
    if (coding.data != NULL)
        return refuse_request(e, 400, coding, "RFC 6455 4.1: Transfer-Encoding on a handshake");
    const weir_http_field *length = weir_http_field_find(head, "Content-Length", 0);
    while (length != NULL) {
        if (!weir_view_equal(length->value, "0"))
            return refuse_request(e, 400, length->value, "RFC 6455 4.1: a body on a handshake");
        length = weir_http_field_find(head, "Content-Length", (size_t)(length - head->fields) + 1);
    }
    return WEIR_OK;
}

static int check_origin(struct examination *e)
{
    bool several;
    e->request->origin = field_value(weir__http_field_only(&e->request->head, "Origin", &several));
    if (several)
        return refuse_request(e, 400, (weir_view){0}, "RFC 6454 7.3: several Origin fields");
    return WEIR_OK;
}

static int check_upgrade(struct examination *e)
{
    const weir_http_head *head = &e->request->head;
    if (!weir__http_list_has(head, "Connection", "upgrade"))
        return refuse_request(e, 426, (weir_view){0}, "RFC 6455 4.2.1: Connection lacks upgrade");
    if (!weir__http_list_has(head, "Upgrade", "websocket"))
        return refuse_request(e, 426, (weir_view){0}, "RFC 6455 4.2.1: Upgrade lacks websocket");
    return WEIR_OK;
}

static int check_version(struct examination *e)
{
    bool several;
    weir_view version =
        field_value(weir__http_field_only(&e->request->head, "Sec-WebSocket-Version", &several));
    if (several)
        return refuse_request(e, 400, version,
                              "RFC 6455 11.3.5: several Sec-WebSocket-Version fields");
    if (version.data == NULL)
        return refuse_request(e, 400, version, "RFC 6455 4.2.1: Sec-WebSocket-Version is missing");
    if (!weir_view_equal(version, "13"))
        return refuse_request(e, 426, version, "RFC 6455 4.4: the version is not 13");
    return WEIR_OK;
}

static int check_key(struct examination *e)
{
    bool several;
    uint8_t nonce[WEIR_HANDSHAKE_NONCE_SIZE];
    weir_view key =
        field_value(weir__http_field_only(&e->request->head, "Sec-WebSocket-Key", &several));
    if (several)
        return refuse_request(e, 400, key, "RFC 6455 11.3.1: several Sec-WebSocket-Key fields");
    if (key.data == NULL)
        return refuse_request(e, 400, key, "RFC 6455 4.2.1: Sec-WebSocket-Key is missing");
    if (weir__base64_decode(nonce, sizeof nonce, key.data, key.size) != (int)sizeof nonce)
        return refuse_request(e, 400, key, "RFC 6455 4.2.1: the key is not 16 bytes in base64");
    e->request->key = key;
    return WEIR_OK;
}

static int check_subprotocols(struct examination *e)
{
    const weir_http_head *head = &e->request->head;
    const weir_http_field *field = weir_http_field_find(head, "Sec-WebSocket-Protocol", 0);
    weir_http_cursor cursor = {0};
    weir_view name;
    size_t count = 0;
    for (; weir_handshake_subprotocol_next(&name, e->request, &cursor); count++)
        if (!weir__view_is_token(name))
            return refuse_request(e, 400, name, "RFC 6455 4.1: a subprotocol is not a token");
    if (field != NULL && count == 0)
        return refuse_request(e, 400, field->value,
                              "RFC 6455 11.3.4: empty Sec-WebSocket-Protocol");
    return WEIR_OK;
}

static int check_extensions(struct examination *e)
{
    weir_view at;
    if (weir__extensions_check(&e->request->head, &at) != WEIR_OK)
        return refuse_request(e, 400, at, "RFC 6455 9.1: malformed Sec-WebSocket-Extensions");
    return WEIR_OK;
}

static int examine_request(struct examination *e)
{
    static int (*const rules[])(struct examination *) = {
        check_target,  check_host, check_body,         check_origin,     check_upgrade,
        check_version, check_key,  check_subprotocols, check_extensions,
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        int status = rules[i](e);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void add_header(weir_handshake_refusal *refusal, const char *name, const char *value)
{
    refusal->headers[refusal->header_count++] = (weir_http_header){name, value};
}

static void fill_refusal(weir_handshake_refusal *refusal, const weir__http_error *error)
{
    *refusal = (weir_handshake_refusal){
        .fault = error->fault, .http_status = error->http_status, .no_body = error->head_request};
    if (error->http_status == 405)
        add_header(refusal, "Allow", "GET");
    if (error->http_status == 426) {
        add_header(refusal, "Upgrade", "websocket");
        add_header(refusal, "Sec-WebSocket-Version", "13");
    }
}

int weir_handshake_request_parse(weir_handshake_request *request, const void *in, size_t size,
                                 weir_http_scan *scan, weir_handshake_refusal *refusal)
{
    weir_http_scan only_scan = {0};
    weir__http_error error = {0};
    weir__http_input input = {in, size, request->head.field_capacity};
    if (scan == NULL)
        scan = &only_scan;
    *request = (weir_handshake_request){
        .head = {.fields = request->head.fields, .field_capacity = input.field_max}};

    int status = weir__http_request_scan(scan, &input, &error);
    if (status > 0) {
        int head_size = status;
        weir__http_request_split(&request->head, in, scan);
        status = examine_request(&(struct examination){request, in, &error});
        if (status == WEIR_OK)
            return head_size;
    }
    if (status < 0 && refusal != NULL)
        fill_refusal(refusal, &error);
    return status;
}

bool weir_handshake_subprotocol_next(weir_view *out, const weir_handshake_request *request,
                                     weir_http_cursor *cursor)
{
    return weir_http_list_next(out, &request->head, "Sec-WebSocket-Protocol", cursor);
}

static bool is_offered(const weir_handshake_request *request, const char *name)
{
    weir_http_cursor cursor = {0};
    weir_view offered;
    while (weir_handshake_subprotocol_next(&offered, request, &cursor))
        if (weir_view_equal(offered, name))
            return true;
    return false;
}

const char *weir_handshake_choose_subprotocol(const weir_handshake_request *request,
                                              const char *const *supported, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_offered(request, supported[i]))
            return supported[i];
    return NULL;
}
