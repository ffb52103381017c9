/* A client: resolve, connect, shake hands. Straight-line code in the caller's coroutine, each phase
 * under its deadline. */
#include "net/connect.h"
#include "rt/loop.h"
#include "ws/opening/location.h"
#include "ws/session/session.h"

#include <string.h>
#include <weir/client.h>
#include <weir/handshake.h>

#define DEFAULT_TIMEOUT_MS 10000
#define HEAD_SIZE_MAX      ((size_t)65536)
#define READ_SIZE          ((size_t)1024)

/* One attempt. */
struct attempt {
    const weir_connect_options *options;
    weir_connect_failure *failure;
    weir_loop *loop;
    weir_url url;
    weir_handshake_offer offer;
    char host[WEIR_URL_HOST_HEADER_ROOM];
    char extensions[WEIR_DEFLATE_TEXT_ROOM];
    weir_stream *stream;
    weir_buffer in; /* the answer, and what came behind it */
    weir_http_field *fields;
    weir_handshake_response response; /* views into in */
    weir_deflate_terms deflate_terms; /* when deflates */
    bool deflates;                    /* permessage-deflate is agreed on */
    bool refused;                     /* by another status than 101; of its body some may miss */
};

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
    return value != 0 ? value : otherwise;
}

/* --- the request --- */

static int offer_extensions(struct attempt *attempt)
{
    const weir_deflate_options *deflate = &attempt->options->session.deflate;
    int status = weir__deflate_prepare(attempt->loop, deflate);
    if (status != WEIR_OK || !deflate->enabled)
        return status;
    status = weir_deflate_offer_write(attempt->extensions, sizeof attempt->extensions, deflate);
    if (status < 0)
        return status;
    attempt->offer.extensions = attempt->extensions;
    return WEIR_OK;
}

static int prepare(struct attempt *attempt)
{
    const weir_connect_options *options = attempt->options;
    if (options->url == NULL || options->max_head_size > HEAD_SIZE_MAX)
        return WEIR_EINVAL;
    int status =
        weir_url_parse(&attempt->url, options->url, strlen(options->url), &attempt->failure->fault);
    if (status != WEIR_OK)
        return status;
    if (attempt->url.scheme == WEIR_URL_WSS)
        return WEIR_ENOTSUP;
    int size = weir_url_host_header_write(attempt->host, sizeof attempt->host, &attempt->url);
    if (size < 0)
        return size;
    attempt->offer = (weir_handshake_offer){.host = attempt->host,
                                            .path = attempt->url.path,
                                            .query = attempt->url.query,
                                            .origin = options->origin,
                                            .subprotocols = options->subprotocols,
                                            .subprotocol_count = options->subprotocol_count,
                                            .headers = options->headers,
                                            .header_count = options->header_count};
    status = offer_extensions(attempt);
    if (status != WEIR_OK)
        return status;
    weir_loop_random(attempt->offer.nonce, sizeof attempt->offer.nonce, attempt->loop);
    size = weir_handshake_request_write(NULL, 0, &attempt->offer);
    return size < 0 ? size : WEIR_OK;
}

static int send_request(struct attempt *attempt)
{
    weir_buffer out = {.allocator = weir__loop_allocator(attempt->loop)};
    int size = weir_handshake_request_write(NULL, 0, &attempt->offer);
    char *to = size < 0 ? NULL : (char *)weir_buffer_reserve(&out, (size_t)size + 1);
    int status = size < 0 ? size : WEIR_ENOMEM;
    if (to != NULL)
        status = weir_handshake_request_write(to, (size_t)size + 1, &attempt->offer);
    if (status > 0)
        status = weir_stream_write(attempt->stream, to, (size_t)status);
    weir_buffer_fini(&out);
    return status;
}

/* --- the answer --- */

static int read_more(struct attempt *attempt)
{
    size_t got = 0;
    uint8_t *to = weir_buffer_reserve(&attempt->in, READ_SIZE);
    if (to == NULL)
        return WEIR_ENOMEM;
    int status = weir_stream_read(attempt->stream, to, READ_SIZE, &got);
    attempt->in.size += got;
    return status == WEIR_CLOSED ? WEIR_ELOST : status;
}

/* As much of a refusal's body as is kept and comes by itself; its absence is no failure. */
static void read_body(struct attempt *attempt)
{
    weir_connect_failure *failure = attempt->failure;
    size_t head = attempt->response.head.size;
    size_t wanted = sizeof failure->body - 1;
    if (attempt->response.content_length >= 0 &&
        (uint64_t)attempt->response.content_length < wanted)
        wanted = (size_t)attempt->response.content_length;
    while (attempt->in.size - head < wanted && read_more(attempt) == WEIR_OK)
        continue;
    size_t size = attempt->in.size - head < wanted ? attempt->in.size - head : wanted;
    memcpy(failure->body, attempt->in.data + head, size);
    failure->body[size] = '\0';
}

/* What was offered and taken must fit. */
static int accept_extensions(struct attempt *attempt)
{
    if (attempt->offer.extensions == NULL)
        return WEIR_OK;
    int agreed = weir_deflate_answer_parse(&attempt->deflate_terms, &attempt->response.head,
                                           attempt->in.data, &attempt->options->session.deflate,
                                           &attempt->failure->fault);
    attempt->deflates = agreed > 0;
    return agreed < 0 ? agreed : WEIR_OK;
}

static int read_answer(struct attempt *attempt)
{
    weir_http_scan scan = {.size_max = attempt->options->max_head_size};
    attempt->response.head.fields = attempt->fields;
    attempt->response.head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT;
    for (;;) {
        int status = read_more(attempt);
        if (status != WEIR_OK)
            return status;
        status = weir_handshake_response_parse(&attempt->response, attempt->in.data,
                                               attempt->in.size, &scan, &attempt->offer);
        if (status == 0)
            continue;
        attempt->failure->fault = attempt->response.fault;
        attempt->failure->http_status = attempt->response.head.status;
        attempt->refused = status == WEIR_EREFUSED;
        if (attempt->refused)
            read_body(attempt);
        return status > 0 ? accept_extensions(attempt) : status;
    }
}

static int shake_hands(void *arg)
{
    struct attempt *attempt = arg;
    int status = send_request(attempt);
    return status == WEIR_OK ? read_answer(attempt) : status;
}

static int connect_stream(void *arg)
{
    struct attempt *attempt = arg;
    weir_address addresses[WEIR__LOCATION_MAX];
    size_t count = 0;
    int status = weir__addresses_of_url(addresses, &count, &attempt->url);
    if (status != WEIR_OK)
        return status;
    status = weir__connect_any(addresses, count,
                               or_default(attempt->options->connect_timeout_ms, DEFAULT_TIMEOUT_MS),
                               &attempt->stream);
    if (status != WEIR_OK)
        return status;
    attempt->stream = weir__stream_layered(attempt->stream);
    return attempt->stream != NULL ? WEIR_OK : WEIR_ENOMEM;
}

/* --- the session --- */

static int copy_subprotocol(weir_session *session, weir_view name)
{
    if (name.data == NULL)
        return WEIR_OK;
    session->subprotocol = weir__loop_alloc(session->loop, name.size + 1);
    if (session->subprotocol == NULL)
        return WEIR_ENOMEM;
    memcpy(session->subprotocol, name.data, name.size);
    session->subprotocol[name.size] = '\0';
    return WEIR_OK;
}

/* What came behind the answer is the session's. */
static int put_back_frames(struct attempt *attempt)
{
    size_t head = attempt->response.head.size;
    return weir__stream_put_back(attempt->stream, attempt->in.data + head, attempt->in.size - head);
}

static int open_session(struct attempt *attempt, weir_scope *scope, weir_session **out)
{
    weir_session *session;
    struct weir__session_terms terms;
    const struct weir__session_plan plan = {&terms, &attempt->options->session, .owns_terms = true};
    int status = put_back_frames(attempt);
    if (status == WEIR_OK)
        status = weir__session_terms_init(&terms, attempt->loop, WEIR_ROLE_CLIENT, false,
                                          &attempt->options->session);
    if (status == WEIR_OK)
        status = weir__session_new(&session, attempt->loop, &plan);
    if (status != WEIR_OK)
        return status;
    status = copy_subprotocol(session, attempt->response.subprotocol);
    if (status == WEIR_OK && attempt->deflates)
        status = weir__session_deflate(session, WEIR_ROLE_CLIENT,
                                       &attempt->options->session.deflate, &attempt->deflate_terms);
    if (status != WEIR_OK) {
        weir__session_discard(session);
        return status;
    }
    weir_stream *stream = attempt->stream;
    attempt->stream = NULL;
    session->handed_out = true;
    status = weir__session_open(session, scope, stream, NULL);
    if (status == WEIR_OK)
        *out = session;
    return status;
}

static int run_attempt(struct attempt *attempt, weir_scope *scope, weir_session **out)
{
    const weir_connect_options *options = attempt->options;
    int status = prepare(attempt);
    if (status != WEIR_OK)
        return status;
    attempt->fields =
        weir__loop_alloc(attempt->loop, WEIR_HTTP_FIELDS_DEFAULT * sizeof *attempt->fields);
    if (attempt->fields == NULL)
        return WEIR_ENOMEM;
    status = weir_with_deadline(or_default(options->connect_timeout_ms, DEFAULT_TIMEOUT_MS),
                                connect_stream, attempt);
    if (status == WEIR_OK)
        status = weir_with_deadline(or_default(options->handshake_timeout_ms, DEFAULT_TIMEOUT_MS),
                                    shake_hands, attempt);
    if (status == WEIR_ETIMEDOUT && attempt->refused) /* only the body was late */
        status = WEIR_EREFUSED;
    /* This may run inside a callback of the back-end, and the back-end may have more events of this
     * stream at hand. The handler has to run before them. */
    if (status == WEIR_OK)
        status = weir_yield();
    if (status == WEIR_OK)
        status = open_session(attempt, scope, out);
    return status;
}

int weir_client_open(weir_session **out, weir_scope *scope, const weir_connect_options *options)
{
    weir_connect_failure unseen;
    if (out == NULL || scope == NULL || options == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (weir_scope_current() == NULL)
        return WEIR_ESTATE;
    struct attempt *attempt = weir__loop_alloc(scope->loop, sizeof *attempt);
    if (attempt == NULL)
        return WEIR_ENOMEM;
    memset(attempt, 0, sizeof *attempt);
    attempt->options = options;
    attempt->failure = options->failure != NULL ? options->failure : &unseen;
    attempt->loop = scope->loop;
    attempt->in.allocator = weir__loop_allocator(scope->loop);
    memset(attempt->failure, 0, sizeof *attempt->failure);
    int status = run_attempt(attempt, scope, out);
    attempt->failure->status = status;
    if (attempt->stream != NULL)
        weir_stream_close(attempt->stream);
    weir_buffer_fini(&attempt->in);
    if (attempt->fields != NULL)
        weir__loop_free(scope->loop, attempt->fields,
                        WEIR_HTTP_FIELDS_DEFAULT * sizeof *attempt->fields);
    weir__loop_free(scope->loop, attempt, sizeof *attempt);
    return status;
}

/* --- blocking --- */

struct call {
    const weir_connect_options *options;
    weir_route route;
};

static int open_and_serve(void *arg)
{
    struct call *call = arg;
    weir_session *session;
    int status = weir_client_open(&session, weir_scope_current(), call->options);
    if (status != WEIR_OK)
        return status;
    status = weir__session_serve(session, &call->route);
    int joined = weir_session_join(session);
    if (status == WEIR_OK)
        status = joined == WEIR_CANCELLED ? WEIR_CANCELLED : session->active->handler_status;
    weir_session_free(session);
    return status;
}

int weir_connect(const weir_connect_options *options)
{
    weir_loop *loop;
    if (options == NULL || options->handler == NULL)
        return WEIR_EINVAL;
    struct call call = {options, {.handler = options->handler, .arg = options->arg}};
    int status = weir_loop_new(&loop, &options->loop);
    if (status != WEIR_OK)
        return status;
    status = weir_loop_run(loop, "connect", open_and_serve, &call);
    weir_loop_free(loop);
    return status;
}
