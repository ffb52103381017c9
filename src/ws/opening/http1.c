/* A connection between accept and session: reads the head of its request, has the request
 * decided, writes the answer. It has no stack; the upgrade hook alone runs on a coroutine. After
 * a refusal the write side is shut and the read side drained for a moment, so that the answer is
 * not lost to a reset. */
#include "ws/opening/http1.h"

#include "ws/opening/upgrade.h"

#include <string.h>

#define LINGER_MS 1000

enum pending_state {
    PENDING_AWAIT_HEAD,
    PENDING_DECIDING,  /* the upgrade hook runs */
    PENDING_ANSWERING, /* with a refusal */
    PENDING_LINGERING, /* answered: the peer's end is awaited, shortly */
    PENDING_CLOSING,   /* the stream closes */
    PENDING_CLOSED,    /* it has; the hook still runs */
};

struct pending {
    struct weir__job job;
    struct weir__admission *admission;
    weir_stream *stream;
    enum pending_state state;
    weir__timer timer;
    weir_buffer head; /* as received, and what came behind it */
    weir_http_scan scan;
    weir_buffer answer;
    size_t answered;
    weir_upgrade upgrade;
};

static weir_loop *loop_of(const struct pending *pending)
{
    return pending->admission->scope->loop;
}

static struct pending *pending_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void free_pending(struct pending *pending)
{
    weir_loop *loop = loop_of(pending);
    struct weir__admission *admission = pending->admission;
    weir__timer_cancel(&pending->timer);
    weir__upgrade_fini(&pending->upgrade);
    weir_buffer_fini(&pending->head);
    weir_buffer_fini(&pending->answer);
    weir__scope_detach(&pending->job, WEIR_OK);
    weir__loop_free(loop, pending, sizeof *pending);
    weir__admission_end(admission);
}

static void close_pending(struct pending *pending, bool reset)
{
    if (pending->state == PENDING_CLOSING)
        return;
    pending->state = PENDING_CLOSING;
    weir__timer_cancel(&pending->timer);
    weir__upgrade_cancel(&pending->upgrade);
    weir__io_close(&pending->stream->io, reset);
}

/* --- answering a refusal --- */

static void linger(struct pending *pending)
{
    pending->state = PENDING_LINGERING;
    if (weir__io_shutdown(&pending->stream->io) != WEIR_OK) {
        close_pending(pending, false);
        return;
    }
    weir__timer_set_after(loop_of(pending), &pending->timer, LINGER_MS);
}

static void send_answer(struct pending *pending)
{
    while (pending->answered < pending->answer.size && !weir__io_is_sending(&pending->stream->io)) {
        struct iovec piece = {pending->answer.data + pending->answered,
                              pending->answer.size - pending->answered};
        int64_t size = weir__io_send(&pending->stream->io, &piece, 1);
        if (size < 0) {
            close_pending(pending, true);
            return;
        }
        pending->answered += (size_t)size;
    }
    if (pending->answered == pending->answer.size && pending->state == PENDING_ANSWERING)
        linger(pending);
}

/* size: of what was written behind the answer buffer's end, or why it could not be. */
static void send_refusal(struct pending *pending, int size)
{
    if (size < 0) {
        close_pending(pending, true);
        return;
    }
    pending->answer.size = (size_t)size;
    pending->state = PENDING_ANSWERING;
    if (weir__io_recv_start(&pending->stream->io) != WEIR_OK) {
        close_pending(pending, true);
        return;
    }
    send_answer(pending);
}

/* A request that is none. */
static void refuse_bad_request(struct pending *pending, const weir_handshake_refusal *refusal)
{
    char *to = (char *)weir_buffer_reserve(&pending->answer, WEIR_HANDSHAKE_REFUSAL_ROOM);
    send_refusal(pending, to == NULL ? WEIR_ENOMEM
                                     : weir_handshake_refusal_write(to, WEIR_HANDSHAKE_REFUSAL_ROOM,
                                                                    refusal));
}

/* As snprintf does with NULL: how much room the answer takes, and then the answer. */
static int write_refusal(const weir_upgrade *upgrade, weir_buffer *out)
{
    const char *body =
        upgrade->body != NULL ? upgrade->body : weir_http_reason(upgrade->http_status);
    bool bodiless =
        upgrade->http_status == 204 || upgrade->http_status == 205 || upgrade->http_status == 304;
    weir_http_answer answer = {.status = upgrade->http_status,
                               .headers = upgrade->headers,
                               .header_count = upgrade->header_count,
                               .body = body,
                               .body_size = bodiless ? 0 : strlen(body)};
    int size = weir_http_response_write(NULL, 0, &answer);
    if (size < 0)
        return size;
    char *to = (char *)weir_buffer_reserve(out, (size_t)size + 1);
    return to == NULL ? WEIR_ENOMEM : weir_http_response_write(to, (size_t)size + 1, &answer);
}

/* --- accepting --- */

static int write_acceptance(const weir_upgrade *upgrade, weir_buffer *out)
{
    char extensions[WEIR_DEFLATE_TEXT_ROOM];
    int size = weir_deflate_answer_write(extensions, sizeof extensions, &upgrade->deflate_terms);
    if (size < 0)
        return size;
    weir_handshake_acceptance acceptance = {.subprotocol = upgrade->subprotocol,
                                            .extensions = upgrade->deflates ? extensions : NULL,
                                            .headers = upgrade->headers,
                                            .header_count = upgrade->header_count};
    size = weir_handshake_response_write(NULL, 0, &upgrade->request, &acceptance);
    if (size < 0)
        return size;
    char *to = (char *)weir_buffer_reserve(out, (size_t)size + 1);
    if (to == NULL)
        return WEIR_ENOMEM;
    size = weir_handshake_response_write(to, (size_t)size + 1, &upgrade->request, &acceptance);
    if (size < 0)
        return size;
    out->size += (size_t)size;
    return WEIR_OK;
}

/* What came behind the head of the request. *out NULL: nothing. */
static int copy_rest(weir__buf **out, const struct pending *pending)
{
    size_t head_size = pending->upgrade.request.head.size;
    size_t size = pending->head.size - head_size;
    *out = NULL;
    if (size == 0)
        return WEIR_OK;
    *out = weir__buf_new(loop_of(pending), size);
    if (*out == NULL)
        return WEIR_ENOMEM;
    memcpy((*out)->data, pending->head.data + head_size, size);
    return WEIR_OK;
}

static void become_session(struct pending *pending)
{
    weir_session *session = pending->upgrade.session;
    const weir_route *route = pending->upgrade.route;
    weir_stream *stream = pending->stream;
    weir__buf *rest;
    if (copy_rest(&rest, pending) != WEIR_OK) {
        close_pending(pending, true);
        return;
    }
    weir_buffer first = pending->answer;
    pending->answer = (weir_buffer){.allocator = first.allocator};
    pending->upgrade.session = NULL;
    weir__io_recv_stop(&stream->io);
    int opened = weir__admission_open(pending->admission, session, stream, &first);
    free_pending(pending);
    weir_buffer_fini(&first);
    if (opened == WEIR_OK && weir__session_serve(session, route) == WEIR_OK && rest != NULL)
        weir__session_feed(session, rest, rest->data, rest->size);
    if (rest != NULL)
        weir__buf_unref(rest);
}

static void accept_request(struct pending *pending)
{
    int status = write_acceptance(&pending->upgrade, &pending->answer);
    if (status == WEIR_OK)
        status = weir__upgrade_describe(&pending->upgrade);
    if (status == WEIR_OK) {
        become_session(pending);
        return;
    }
    weir__upgrade_set_status(&pending->upgrade, 500);
    send_refusal(pending, write_refusal(&pending->upgrade, &pending->answer));
}

/* --- deciding --- */

static void answer(struct pending *pending)
{
    if (pending->upgrade.refused)
        send_refusal(pending, write_refusal(&pending->upgrade, &pending->answer));
    else
        accept_request(pending);
}

static void take_decision(weir_upgrade *upgrade)
{
    struct pending *pending = WEIR__CONTAINER(upgrade, struct pending, upgrade);
    if (pending->state == PENDING_CLOSED)
        free_pending(pending);
    else if (pending->state != PENDING_CLOSING)
        answer(pending);
}

static void decide(struct pending *pending)
{
    int status = weir__upgrade_decide(&pending->upgrade, pending->admission, take_decision);
    if (status == WEIR_OK) {
        answer(pending);
    } else if (status == WEIR_EAGAIN) {
        pending->state = PENDING_DECIDING;
        weir__io_recv_stop(&pending->stream->io);
    } else {
        close_pending(pending, true);
    }
}

/* --- reading the head --- */

static void read_head(struct pending *pending)
{
    weir_handshake_refusal refusal = {0};
    const struct weir__admission *admission = pending->admission;
    weir_handshake_request *request = &pending->upgrade.request;
    request->head.fields = admission->fields;
    request->head.field_capacity = admission->options.max_head_fields;
    int size = weir_handshake_request_parse(request, pending->head.data, pending->head.size,
                                            &pending->scan, &refusal);
    if (size > 0)
        decide(pending);
    else if (size < 0)
        refuse_bad_request(pending, &refusal);
}

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct pending *pending = pending_of(io);
    (void)buf;
    if (pending->state != PENDING_AWAIT_HEAD)
        return; /* drained, so that the answer gets through */
    if (weir_buffer_append(&pending->head, data, size) != WEIR_OK)
        close_pending(pending, true);
    else
        read_head(pending);
}

static void take_end(weir__io *io, int status)
{
    struct pending *pending = pending_of(io);
    if (pending->state == PENDING_ANSWERING && status == WEIR_CLOSED)
        return; /* it may still read the answer */
    close_pending(pending, status != WEIR_CLOSED);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    struct pending *pending = pending_of(io);
    if (pending->state != PENDING_ANSWERING)
        return;
    if (status != WEIR_OK) {
        close_pending(pending, true);
        return;
    }
    pending->answered += size;
    send_answer(pending);
}

static void take_closed(weir__io *io)
{
    struct pending *pending = pending_of(io);
    weir__stream_free(pending->stream);
    pending->stream = NULL;
    pending->state = PENDING_CLOSED;
    if (!pending->upgrade.hook_runs)
        free_pending(pending);
}

static const struct weir__io_events pending_events = {
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_closed = take_closed,
};

/* RFC 9110 15.5.9: a client that has begun its request gets a 408. One that has sent nothing, or
 * that does not read our answer, gets no more time. */
static void pass_deadline(weir__timer *timer)
{
    static const weir_handshake_refusal late = {
        .http_status = 408,
        .fault = {WEIR_EPROTOCOL, 0, "RFC 9110 15.5.9: the request took too long"},
    };
    struct pending *pending = WEIR__CONTAINER(timer, struct pending, timer);
    if (pending->state != PENDING_AWAIT_HEAD || pending->head.size == 0) {
        close_pending(pending, true);
        return;
    }
    weir__timer_set_after(loop_of(pending), &pending->timer, LINGER_MS);
    refuse_bad_request(pending, &late);
}

static void cancel_pending(struct weir__job *job)
{
    struct pending *pending = WEIR__CONTAINER(job, struct pending, job);
    if (pending->state == PENDING_AWAIT_HEAD)
        close_pending(pending, false);
}

static const struct weir__job_ops pending_ops = {cancel_pending};

void weir__http1_start(struct weir__admission *admission, weir_stream *stream)
{
    weir_loop *loop = admission->scope->loop;
    struct weir__stream_rest rest;
    struct pending *pending = weir__loop_alloc(loop, sizeof *pending);
    if (pending == NULL) {
        weir_stream_reset(stream);
        return;
    }
    memset(pending, 0, sizeof *pending);
    if (weir__scope_attach(admission->scope, &pending->job, &pending_ops) != WEIR_OK) {
        weir__loop_free(loop, pending, sizeof *pending);
        weir_stream_reset(stream);
        return;
    }
    weir__admission_begin(admission);
    pending->admission = admission;
    pending->stream = stream;
    pending->head.allocator = pending->answer.allocator = weir__loop_allocator(loop);
    pending->scan.size_max = admission->options.max_head_size;
    weir__timer_init(&pending->timer, pass_deadline);
    weir__stream_take(stream, &pending_events, pending, &rest);
    weir__timer_set_after(loop, &pending->timer, admission->options.handshake_timeout_ms);
    if (weir__io_recv_start(&stream->io) != WEIR_OK)
        close_pending(pending, true);
}
