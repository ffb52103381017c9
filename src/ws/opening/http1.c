/* A connection between accept and session: reads the head of the request, has it decided, answers. An actor without a stack, but for the upgrade hook, which
 * may suspend. A refused connection is half-closed and drained for a moment, so that the answer is not lost to a reset. */
#include "ws/opening/upgrade.h"

#include <string.h>

#define LINGER_MS 1000

static weir_loop *loop_of(const struct weir__arrival *arrival)
{
    return arrival->server->scope.loop;
}

static struct weir__arrival *arrival_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void free_arrival(struct weir__arrival *arrival)
{
    weir_loop *loop = loop_of(arrival);
    weir_server *server = arrival->server;
    weir__timer_cancel(&arrival->timer);
    weir__upgrade_fini(&arrival->upgrade);
    weir_buffer_fini(&arrival->head);
    weir_buffer_fini(&arrival->answer);
    if (arrival->session != NULL)
        weir__session_discard(arrival->session);
    weir__scope_detach(&arrival->job, WEIR_OK);
    weir__loop_free(loop, arrival, sizeof *arrival);
    weir__server_arrival_gone(server);
}

static void close_arrival(struct weir__arrival *arrival, bool reset)
{
    if (arrival->state == ARRIVAL_CLOSING)
        return;
    bool deciding = arrival->state == ARRIVAL_DECIDING;
    arrival->state = ARRIVAL_CLOSING;
    weir__timer_cancel(&arrival->timer);
    if (deciding)
        weir_scope_cancel(&arrival->hook_scope);
    weir__io_close(&arrival->stream->io, reset);
}

/* --- answering a refusal --- */

static void linger(struct weir__arrival *arrival)
{
    arrival->state = ARRIVAL_LINGERING;
    if (weir__io_shutdown(&arrival->stream->io) != WEIR_OK) {
        close_arrival(arrival, false);
        return;
    }
    weir__timer_set_after(loop_of(arrival), &arrival->timer, LINGER_MS);
}

static void send_answer(struct weir__arrival *arrival)
{
    while (arrival->answered < arrival->answer.size && !weir__io_is_sending(&arrival->stream->io)) {
        struct iovec piece = {arrival->answer.data + arrival->answered,
                              arrival->answer.size - arrival->answered};
        int64_t size = weir__io_send(&arrival->stream->io, &piece, 1);
        if (size < 0) {
            close_arrival(arrival, true);
            return;
        }
        arrival->answered += (size_t)size;
    }
    if (arrival->answered == arrival->answer.size && arrival->state == ARRIVAL_ANSWERING)
        linger(arrival);
}

static void answer(struct weir__arrival *arrival, int size)
{
    if (size < 0) {
        close_arrival(arrival, true);
        return;
    }
    arrival->answer.size = (size_t)size;
    arrival->state = ARRIVAL_ANSWERING;
    if (weir__io_recv_start(&arrival->stream->io) != WEIR_OK) {
        close_arrival(arrival, true);
        return;
    }
    send_answer(arrival);
}

static void refuse_request(struct weir__arrival *arrival, const weir_handshake_refusal *refusal)
{
    char *to = (char *)weir_buffer_reserve(&arrival->answer, WEIR_HANDSHAKE_REFUSAL_ROOM);
    answer(arrival, to == NULL
                        ? WEIR_ENOMEM
                        : weir_handshake_refusal_write(to, WEIR_HANDSHAKE_REFUSAL_ROOM, refusal));
}

static void refuse_by_hook(struct weir__arrival *arrival)
{
    answer(arrival, weir__upgrade_write_refusal(&arrival->upgrade, &arrival->answer));
}

/* --- accepting --- */

static void accept_request(struct weir__arrival *arrival)
{
    int status = weir__upgrade_write_acceptance(&arrival->upgrade, &arrival->answer);
    if (status == WEIR_OK)
        status = weir__upgrade_describe(&arrival->upgrade, arrival->session);
    if (status != WEIR_OK) {
        weir__upgrade_set_status(&arrival->upgrade, 500);
        refuse_by_hook(arrival);
        return;
    }
    weir_server *server = arrival->server;
    weir_session *session = arrival->session;
    weir_stream *stream = arrival->stream;
    weir__buf *rest = NULL;
    size_t rest_size = arrival->head.size - arrival->upgrade.request.head.size;
    if (rest_size > 0) {
        rest = weir__buf_new(loop_of(arrival), rest_size);
        if (rest == NULL) {
            close_arrival(arrival, true);
            return;
        }
        memcpy(rest->data, arrival->head.data + arrival->upgrade.request.head.size, rest_size);
    }
    const weir_route *route = arrival->upgrade.route;
    weir_buffer first = arrival->answer;
    arrival->answer = (weir_buffer){.allocator = first.allocator};
    arrival->session = NULL;
    weir__io_recv_stop(&stream->io);
    int opened = weir__server_open_session(server, session, stream, &first);
    free_arrival(arrival);
    weir_buffer_fini(&first);
    if (opened == WEIR_OK && weir__session_serve(session, route) == WEIR_OK && rest != NULL)
        weir__session_feed(session, rest, rest->data, rest_size);
    if (rest != NULL)
        weir__buf_unref(rest);
}

static void decided(struct weir__arrival *arrival, int status)
{
    if (arrival->state == ARRIVAL_CLOSING)
        return;
    if (status != WEIR_OK && !arrival->upgrade.refused)
        weir__upgrade_set_status(&arrival->upgrade, arrival->hook_scope.cancelled ? 503 : 500);
    if (arrival->upgrade.refused)
        refuse_by_hook(arrival);
    else
        accept_request(arrival);
}

static int run_hook(void *arg)
{
    struct weir__arrival *arrival = arg;
    const weir_serve_options *options = &arrival->server->options;
    arrival->hook_status = options->on_upgrade(&arrival->upgrade, options->upgrade_arg);
    return WEIR_OK;
}

/* The hook's coroutine has ended. */
static void end_hook(weir_scope *scope)
{
    struct weir__arrival *arrival = WEIR__CONTAINER(scope, struct weir__arrival, hook_scope);
    weir__scope_detach(&scope->job, WEIR_OK);
    if (arrival->state == ARRIVAL_CLOSED)
        free_arrival(arrival);
    else
        weir__task_post(loop_of(arrival), &arrival->decided);
}

static void take_decision(weir__task *task)
{
    struct weir__arrival *arrival = WEIR__CONTAINER(task, struct weir__arrival, decided);
    decided(arrival, arrival->hook_status);
}

static void decide(struct weir__arrival *arrival)
{
    weir_server *server = arrival->server;
    int status = weir__upgrade_init(&arrival->upgrade, server, &arrival->session);
    if (status != WEIR_OK) {
        close_arrival(arrival, true);
        return;
    }
    if (arrival->upgrade.route == NULL)
        weir__upgrade_set_status(&arrival->upgrade, 404);
    if (arrival->upgrade.refused || server->options.on_upgrade == NULL) {
        decided(arrival, WEIR_OK);
        return;
    }
    arrival->state = ARRIVAL_DECIDING;
    weir__io_recv_stop(&arrival->stream->io);
    arrival->hook_status = WEIR_CANCELED;
    weir__scope_init(&arrival->hook_scope, loop_of(arrival), end_hook);
    status =
        weir__scope_attach(&server->scope, &arrival->hook_scope.job, arrival->hook_scope.job.ops);
    if (status == WEIR_OK &&
        weir_go(&arrival->hook_scope, "on_upgrade", run_hook, arrival) != WEIR_OK) {
        weir__scope_detach(&arrival->hook_scope.job, WEIR_OK);
        status = WEIR_ENOMEM;
    }
    if (status != WEIR_OK) {
        arrival->state = ARRIVAL_AWAIT_HEAD;
        close_arrival(arrival, true);
    }
}

/* --- reading the head --- */

static void read_head(struct weir__arrival *arrival)
{
    weir_handshake_refusal refusal = {0};
    weir_server *server = arrival->server;
    weir_handshake_request *request = &arrival->upgrade.request;
    request->head.fields = server->fields;
    request->head.field_capacity = server->options.max_head_fields;
    int size = weir_handshake_request_parse(request, arrival->head.data, arrival->head.size,
                                            &arrival->scan, &refusal);
    if (size > 0)
        decide(arrival);
    else if (size < 0)
        refuse_request(arrival, &refusal);
}

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct weir__arrival *arrival = arrival_of(io);
    (void)buf;
    if (arrival->state != ARRIVAL_AWAIT_HEAD)
        return; /* drained, so that the answer gets through */
    if (weir_buffer_append(&arrival->head, data, size) != WEIR_OK)
        close_arrival(arrival, true);
    else
        read_head(arrival);
}

static void take_end(weir__io *io, int status)
{
    struct weir__arrival *arrival = arrival_of(io);
    if (arrival->state == ARRIVAL_ANSWERING && status == WEIR_CLOSED)
        return; /* it may still read the answer */
    close_arrival(arrival, status != WEIR_CLOSED);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    struct weir__arrival *arrival = arrival_of(io);
    if (arrival->state != ARRIVAL_ANSWERING)
        return;
    if (status != WEIR_OK) {
        close_arrival(arrival, true);
        return;
    }
    arrival->answered += size;
    send_answer(arrival);
}

static void lose_stream(weir__io *io)
{
    struct weir__arrival *arrival = arrival_of(io);
    weir__stream_free(arrival->stream);
    arrival->stream = NULL;
    bool hook_runs = arrival->hook_scope.job.parent != NULL;
    arrival->state = ARRIVAL_CLOSED;
    weir__task_cancel(&arrival->decided);
    if (!hook_runs)
        free_arrival(arrival);
}

static const struct weir__io_events arrival_events = {
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
    struct weir__arrival *arrival = WEIR__CONTAINER(timer, struct weir__arrival, timer);
    if (arrival->state != ARRIVAL_AWAIT_HEAD || arrival->head.size == 0) {
        close_arrival(arrival, true);
        return;
    }
    weir__timer_set_after(loop_of(arrival), &arrival->timer, LINGER_MS);
    refuse_request(arrival, &late);
}

static void cancel_arrival(struct weir__job *job)
{
    struct weir__arrival *arrival = WEIR__CONTAINER(job, struct weir__arrival, job);
    if (arrival->state == ARRIVAL_AWAIT_HEAD)
        close_arrival(arrival, false);
}

static const struct weir__job_ops arrival_ops = {cancel_arrival};

void weir__server_arrive(weir_server *server, weir_stream *stream)
{
    weir_loop *loop = server->scope.loop;
    struct weir__stream_rest rest;
    struct weir__arrival *arrival = weir__loop_alloc(loop, sizeof *arrival);
    if (arrival == NULL) {
        weir_stream_reset(stream);
        return;
    }
    memset(arrival, 0, sizeof *arrival);
    if (weir__scope_attach(&server->scope, &arrival->job, &arrival_ops) != WEIR_OK) {
        weir__loop_free(loop, arrival, sizeof *arrival);
        weir_stream_reset(stream);
        return;
    }
    server->arrival_count++;
    arrival->server = server;
    arrival->stream = stream;
    arrival->head.allocator = arrival->answer.allocator = weir__loop_allocator(loop);
    arrival->scan.size_max = server->options.max_head_size;
    weir__timer_init(&arrival->timer, pass_deadline);
    weir__task_init(&arrival->decided, take_decision);
    weir__stream_take(stream, &arrival_events, arrival, &rest);
    weir__timer_set_after(loop, &arrival->timer, server->options.handshake_timeout_ms);
    if (weir__io_recv_start(&stream->io) != WEIR_OK)
        close_arrival(arrival, true);
}
