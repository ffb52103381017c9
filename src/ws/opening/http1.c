/* A connection between accept and session: reads the head of the request, has it decided, answers. An actor without a stack, but for the upgrade hook, which
 * may suspend. A refused connection is half-closed and drained for a moment, so that the answer is not lost to a reset. */
#include "ws/opening/upgrade.h"

#include <string.h>

#define LINGER_MS 1000

static weir_loop *loop_of(const struct weir__pending *pending)
{
    return pending->server->scope.loop;
}

static struct weir__pending *pending_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void free_pending(struct weir__pending *pending)
{
    weir_loop *loop = loop_of(pending);
    weir_server *server = pending->server;
    weir__timer_cancel(&pending->timer);
    weir__upgrade_fini(&pending->upgrade);
    weir_buffer_fini(&pending->head);
    weir_buffer_fini(&pending->answer);
    if (pending->session != NULL)
        weir__session_discard(pending->session);
    weir__scope_detach(&pending->job, WEIR_OK);
    weir__loop_free(loop, pending, sizeof *pending);
    weir__server_pending_ended(server);
}

static void close_pending(struct weir__pending *pending, bool reset)
{
    if (pending->state == PENDING_CLOSING)
        return;
    bool deciding = pending->state == PENDING_DECIDING;
    pending->state = PENDING_CLOSING;
    weir__timer_cancel(&pending->timer);
    if (deciding)
        weir_scope_cancel(&pending->hook_scope);
    weir__io_close(&pending->stream->io, reset);
}

/* --- answering a refusal --- */

static void linger(struct weir__pending *pending)
{
    pending->state = PENDING_LINGERING;
    if (weir__io_shutdown(&pending->stream->io) != WEIR_OK) {
        close_pending(pending, false);
        return;
    }
    weir__timer_set_after(loop_of(pending), &pending->timer, LINGER_MS);
}

static void send_answer(struct weir__pending *pending)
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

static void answer(struct weir__pending *pending, int size)
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

static void refuse_request(struct weir__pending *pending, const weir_handshake_refusal *refusal)
{
    char *to = (char *)weir_buffer_reserve(&pending->answer, WEIR_HANDSHAKE_REFUSAL_ROOM);
    answer(pending, to == NULL
                        ? WEIR_ENOMEM
                        : weir_handshake_refusal_write(to, WEIR_HANDSHAKE_REFUSAL_ROOM, refusal));
}

static void refuse_by_hook(struct weir__pending *pending)
{
    answer(pending, weir__upgrade_write_refusal(&pending->upgrade, &pending->answer));
}

/* --- accepting --- */

static void accept_request(struct weir__pending *pending)
{
    int status = weir__upgrade_write_acceptance(&pending->upgrade, &pending->answer);
    if (status == WEIR_OK)
        status = weir__upgrade_describe(&pending->upgrade, pending->session);
    if (status != WEIR_OK) {
        weir__upgrade_set_status(&pending->upgrade, 500);
        refuse_by_hook(pending);
        return;
    }
    weir_server *server = pending->server;
    weir_session *session = pending->session;
    weir_stream *stream = pending->stream;
    weir__buf *rest = NULL;
    size_t rest_size = pending->head.size - pending->upgrade.request.head.size;
    if (rest_size > 0) {
        rest = weir__buf_new(loop_of(pending), rest_size);
        if (rest == NULL) {
            close_pending(pending, true);
            return;
        }
        memcpy(rest->data, pending->head.data + pending->upgrade.request.head.size, rest_size);
    }
    const weir_route *route = pending->upgrade.route;
    weir_buffer first = pending->answer;
    pending->answer = (weir_buffer){.allocator = first.allocator};
    pending->session = NULL;
    weir__io_recv_stop(&stream->io);
    int opened = weir__server_open_session(server, session, stream, &first);
    free_pending(pending);
    weir_buffer_fini(&first);
    if (opened == WEIR_OK && weir__session_serve(session, route) == WEIR_OK && rest != NULL)
        weir__session_feed(session, rest, rest->data, rest_size);
    if (rest != NULL)
        weir__buf_unref(rest);
}

static void decided(struct weir__pending *pending, int status)
{
    if (pending->state == PENDING_CLOSING)
        return;
    if (status != WEIR_OK && !pending->upgrade.refused)
        weir__upgrade_set_status(&pending->upgrade, pending->hook_scope.cancelled ? 503 : 500);
    if (pending->upgrade.refused)
        refuse_by_hook(pending);
    else
        accept_request(pending);
}

static int run_hook(void *arg)
{
    struct weir__pending *pending = arg;
    const weir_serve_options *options = &pending->server->options;
    pending->hook_status = options->on_upgrade(&pending->upgrade, options->upgrade_arg);
    return WEIR_OK;
}

/* The hook's coroutine has ended. */
static void end_hook(weir_scope *scope)
{
    struct weir__pending *pending = WEIR__CONTAINER(scope, struct weir__pending, hook_scope);
    weir__scope_detach(&scope->job, WEIR_OK);
    if (pending->state == PENDING_CLOSED)
        free_pending(pending);
    else
        weir__task_post(loop_of(pending), &pending->decided);
}

static void take_decision(weir__task *task)
{
    struct weir__pending *pending = WEIR__CONTAINER(task, struct weir__pending, decided);
    decided(pending, pending->hook_status);
}

static void decide(struct weir__pending *pending)
{
    weir_server *server = pending->server;
    int status = weir__upgrade_init(&pending->upgrade, server, &pending->session);
    if (status != WEIR_OK) {
        close_pending(pending, true);
        return;
    }
    if (pending->upgrade.route == NULL)
        weir__upgrade_set_status(&pending->upgrade, 404);
    if (pending->upgrade.refused || server->options.on_upgrade == NULL) {
        decided(pending, WEIR_OK);
        return;
    }
    pending->state = PENDING_DECIDING;
    weir__io_recv_stop(&pending->stream->io);
    pending->hook_status = WEIR_CANCELLED;
    weir__scope_init(&pending->hook_scope, loop_of(pending), end_hook);
    status =
        weir__scope_attach(&server->scope, &pending->hook_scope.job, pending->hook_scope.job.ops);
    if (status == WEIR_OK &&
        weir_go(&pending->hook_scope, "on_upgrade", run_hook, pending) != WEIR_OK) {
        weir__scope_detach(&pending->hook_scope.job, WEIR_OK);
        status = WEIR_ENOMEM;
    }
    if (status != WEIR_OK) {
        pending->state = PENDING_AWAIT_HEAD;
        close_pending(pending, true);
    }
}

/* --- reading the head --- */

static void read_head(struct weir__pending *pending)
{
    weir_handshake_refusal refusal = {0};
    weir_server *server = pending->server;
    weir_handshake_request *request = &pending->upgrade.request;
    request->head.fields = server->fields;
    request->head.field_capacity = server->options.max_head_fields;
    int size = weir_handshake_request_parse(request, pending->head.data, pending->head.size,
                                            &pending->scan, &refusal);
    if (size > 0)
        decide(pending);
    else if (size < 0)
        refuse_request(pending, &refusal);
}

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct weir__pending *pending = pending_of(io);
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
    struct weir__pending *pending = pending_of(io);
    if (pending->state == PENDING_ANSWERING && status == WEIR_CLOSED)
        return; /* it may still read the answer */
    close_pending(pending, status != WEIR_CLOSED);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    struct weir__pending *pending = pending_of(io);
    if (pending->state != PENDING_ANSWERING)
        return;
    if (status != WEIR_OK) {
        close_pending(pending, true);
        return;
    }
    pending->answered += size;
    send_answer(pending);
}

static void lose_stream(weir__io *io)
{
    struct weir__pending *pending = pending_of(io);
    weir__stream_free(pending->stream);
    pending->stream = NULL;
    bool hook_runs = pending->hook_scope.job.parent != NULL;
    pending->state = PENDING_CLOSED;
    weir__task_cancel(&pending->decided);
    if (!hook_runs)
        free_pending(pending);
}

static const struct weir__io_events pending_events = {
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_closed = lose_stream,
};

/* RFC 9110 15.5.9: who has begun to ask is told; who said nothing, or does not take our answer, is not waited for again. */
static void pass_deadline(weir__timer *timer)
{
    static const weir_handshake_refusal late = {
        .http_status = 408,
        .fault = {WEIR_EPROTOCOL, 0, "RFC 9110 15.5.9: the request took too long"},
    };
    struct weir__pending *pending = WEIR__CONTAINER(timer, struct weir__pending, timer);
    if (pending->state != PENDING_AWAIT_HEAD || pending->head.size == 0) {
        close_pending(pending, true);
        return;
    }
    weir__timer_set_after(loop_of(pending), &pending->timer, LINGER_MS);
    refuse_request(pending, &late);
}

static void cancel_pending(struct weir__job *job)
{
    struct weir__pending *pending = WEIR__CONTAINER(job, struct weir__pending, job);
    if (pending->state == PENDING_AWAIT_HEAD)
        close_pending(pending, false);
}

static const struct weir__job_ops pending_ops = {cancel_pending};

void weir__server_take_connection(weir_server *server, weir_stream *stream)
{
    weir_loop *loop = server->scope.loop;
    struct weir__stream_rest rest;
    struct weir__pending *pending = weir__loop_alloc(loop, sizeof *pending);
    if (pending == NULL) {
        weir_stream_reset(stream);
        return;
    }
    memset(pending, 0, sizeof *pending);
    if (weir__scope_attach(&server->scope, &pending->job, &pending_ops) != WEIR_OK) {
        weir__loop_free(loop, pending, sizeof *pending);
        weir_stream_reset(stream);
        return;
    }
    server->pending_count++;
    pending->server = server;
    pending->stream = stream;
    pending->head.allocator = pending->answer.allocator = weir__loop_allocator(loop);
    pending->scan.size_max = server->options.max_head_size;
    weir__timer_init(&pending->timer, pass_deadline);
    weir__task_init(&pending->decided, take_decision);
    weir__stream_take(stream, &pending_events, pending, &rest);
    weir__timer_set_after(loop, &pending->timer, server->options.handshake_timeout_ms);
    if (weir__io_recv_start(&stream->io) != WEIR_OK)
        close_pending(pending, true);
}
