/* The life of a session: made, opened, driven, ended. What is received stands in inlet.c, what is sent in outlet.c and send.c. */
#include "ws/session.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A pong is appended behind at most this much. */
#define CONTROL_ROOM ((size_t)16 * 1024)

static weir_loop *loop_of(const weir_session *session)
{
    return session->scope.loop;
}

/* --- ending --- */

static void stop_channels(weir_session *session)
{
    if (weir_endpoint_output_ended(&session->endpoint) &&
        !weir_channel_is_closed(&session->outlet.outgoing)) {
        weir_channel_close(&session->outlet.outgoing, WEIR_CLOSED);
        weir__channel_drain(&session->outlet.outgoing);
        weir__session_open_turnstile(session);
        /* The answer to our Close may be in the input that is held. */
        if (session->inlet.held)
            weir__task_post(loop_of(session), &session->attend);
    }
    if (weir_endpoint_input_ended(&session->endpoint))
        weir_channel_close(&session->inlet.incoming,
                           session->end_known ? session->end_status : WEIR_CLOSED);
}

void weir__session_close_stream(weir_session *session, bool reset)
{
    if (session->closing || session->stream == NULL)
        return;
    session->closing = true;
    session->inlet.io = NULL;
    if (!session->inlet.held)
        weir__io_recv_stop(&session->stream->io);
    weir__timer_cancel(&session->timer);
    weir__outlet_stop(&session->outlet, session->end_known ? session->end_status : WEIR_ELOST);
    weir__io_close(&session->stream->io, reset);
}

/* The Close of one who goes away. Errors: WEIR_ENOMEM. */
static int append_leaving(weir_session *session, weir_buffer *to)
{
    struct weir__leaving *leaving = session->leaving;
    if (to == NULL)
        return WEIR_ENOMEM;
    if (leaving == NULL)
        return WEIR_OK;
    session->leaving = NULL;
    session->outlet.leaves = false;
    const weir_close_reason *reason = leaving->reason.code == 0 ? NULL : &leaving->reason;
    int status = weir_endpoint_close(&session->endpoint, reason, loop_of(session)->now_ms, to);
    weir__loop_free(loop_of(session), leaving, sizeof *leaving);
    return status == WEIR_ENOMEM ? status : WEIR_OK;
}

static void append_control(struct weir__outlet *outlet, weir_buffer *to)
{
    weir_session *session = WEIR__CONTAINER(outlet, weir_session, outlet);
    int status = append_leaving(session, to);
    if (status == WEIR_OK)
        status = weir_endpoint_flush(&session->endpoint, loop_of(session)->now_ms, to);
    if (status == WEIR_OK)
        return;
    weir_endpoint_terminate(&session->endpoint);
    weir__task_post(loop_of(session), &session->attend);
}

/* The output that the endpoint itself owes. Behind little other output it is simply appended, each pong by itself; behind much it waits for its place between two
 * frames, and then only the newest ping is answered. */
static void flush_endpoint(weir_session *session)
{
    struct weir__outlet *outlet = &session->outlet;
    if (outlet->io == NULL)
        return;
    if (weir__outlet_is_between_frames(outlet) && weir__outlet_unsent(outlet) < CONTROL_ROOM)
        append_control(outlet, weir__outlet_buffer(outlet));
    weir__outlet_pump_late(outlet);
}

static void leave(weir_session *session)
{
    struct weir__outlet *outlet = &session->outlet;
    if (session->leaving == NULL || outlet->io == NULL || !weir__outlet_is_between_frames(outlet) ||
        (!outlet->leaves && outlet->outgoing.count > 0))
        return;
    if (append_leaving(session, weir__outlet_buffer(outlet)) != WEIR_OK)
        weir_endpoint_terminate(&session->endpoint);
    weir__outlet_pump_late(outlet);
}

static void arm_timer(weir_session *session)
{
    uint64_t deadline_ms = weir_endpoint_deadline(&session->endpoint);
    if (session->leaving != NULL && session->leaving->deadline_ms < deadline_ms)
        deadline_ms = session->leaving->deadline_ms;
    if (deadline_ms == WEIR_UNLIMITED)
        weir__timer_cancel(&session->timer);
    else if (!weir__timer_is_armed(&session->timer) || session->timer.deadline_ms != deadline_ms)
        weir__timer_set(loop_of(session), &session->timer, deadline_ms);
}

void weir__session_attend(weir_session *session)
{
    if (session->stream == NULL || session->closing)
        return;
    if (session->leaving == NULL && weir__endpoint_is_at_ease(&session->endpoint)) {
        arm_timer(session);
        return;
    }
    leave(session);
    if (weir_endpoint_wants(&session->endpoint) & WEIR_WANT_FLUSH)
        flush_endpoint(session);
    unsigned wants = weir_endpoint_wants(&session->endpoint);
    weir__session_report_end(session);
    stop_channels(session);
    if (wants & WEIR_WANT_CLOSE) {
        if (session->outlet.io != NULL && weir__outlet_unsent(&session->outlet) > 0 &&
            !session->outlet.pumping)
            weir__outlet_pump(&session->outlet);
        weir__session_close_stream(session,
                                   session->end_known && session->end->kind == WEIR_END_CANCELED);
        return;
    }
    if ((wants & WEIR_WANT_SHUTDOWN) && !session->shut_down &&
        weir__outlet_unsent(&session->outlet) == 0 && !weir__outlet_is_stuck(&session->outlet)) {
        session->shut_down = true;
        int status = weir__io_shutdown(&session->stream->io);
        if (status != WEIR_OK) {
            weir_endpoint_eof(&session->endpoint, status, loop_of(session)->now_ms);
            weir__task_post(loop_of(session), &session->attend);
        }
    }
    arm_timer(session);
}

/* --- what happens on the stream --- */

static weir_session *session_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

void weir__session_feed(weir_session *session, weir__buf *buf, uint8_t *data, size_t size)
{
    if (session->closing || size == 0)
        return;
    weir__inlet_feed(&session->inlet, buf, data, size);
    weir__session_attend(session);
    weir__outlet_pump(&session->outlet);
}

static size_t offer_room(weir__io *io, uint8_t **room)
{
    return weir__inlet_room(&session_of(io)->inlet, room);
}

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    weir__session_feed(session_of(io), buf, data, size);
}

static void take_end(weir__io *io, int status)
{
    weir_session *session = session_of(io);
    weir_endpoint_eof(&session->endpoint, status == WEIR_CLOSED ? WEIR_OK : status,
                      loop_of(session)->now_ms);
    weir__session_attend(session);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    weir_session *session = session_of(io);
    weir__outlet_on_sent(&session->outlet, status, size);
    weir__session_attend(session);
}

static void lose_stream(weir__io *io)
{
    weir_session *session = session_of(io);
    weir_stream *stream = session->stream;
    session->stream = NULL;
    weir__stream_free(stream);
    weir__inlet_release(&session->inlet);
    weir__outlet_release(&session->outlet);
    if (!session->end_known) {
        weir_endpoint_terminate(&session->endpoint);
        weir__session_report_end(session);
    }
    stop_channels(session);
    weir__list_remove(&session->dumpable.link);
    /* Whatever else was started in the session ends with it; a handler may finish what it does, for a while. */
    if (!session->busy)
        weir_scope_cancel(&session->scope);
    else if (weir__session_close_timeout(session) != WEIR_UNLIMITED)
        weir__timer_set_after(loop_of(session), &session->timer,
                              weir__session_close_timeout(session));
    weir__scope_detach(&session->actor, WEIR_OK);
}

static const struct weir__io_events stream_events = {
    .on_room = offer_room,
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_closed = lose_stream,
};

static void note_sent(struct weir__outlet *outlet, const weir_frame *frame)
{
    weir_session *session = WEIR__CONTAINER(outlet, weir_session, outlet);
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->frame_out != NULL)
        observer->frame_out(session, frame, observer->context);
    if (weir_endpoint_output_ended(&session->endpoint))
        weir__task_post(loop_of(session), &session->attend);
}

static void note_drained(struct weir__outlet *outlet)
{
    weir_session *session = WEIR__CONTAINER(outlet, weir_session, outlet);
    weir__session_attend(session);
    weir__session_retry_pong(session);
}

static void note_failed(struct weir__outlet *outlet, int status)
{
    weir_session *session = WEIR__CONTAINER(outlet, weir_session, outlet);
    weir_endpoint_eof(&session->endpoint, status, loop_of(session)->now_ms);
    weir__task_post(loop_of(session), &session->attend);
}

static const struct weir__outlet_events outlet_events = {note_sent, append_control, note_drained,
                                                         note_failed};

static void attend_now(weir__task *task)
{
    weir_session *session = WEIR__CONTAINER(task, weir_session, attend);
    weir__inlet_go_on(&session->inlet);
    weir__session_attend(session);
}

static weir_session *session_of_inlet(struct weir__inlet *inlet)
{
    return WEIR__CONTAINER(inlet, weir_session, inlet);
}

static void note_arrived(struct weir__inlet *inlet, const weir_frame *frame)
{
    weir_session *session = session_of_inlet(inlet);
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->frame_in != NULL)
        observer->frame_in(session, frame, observer->context);
}

static void attend(struct weir__inlet *inlet)
{
    weir__session_attend(session_of_inlet(inlet));
}

static void attend_later(struct weir__inlet *inlet)
{
    weir__task_post(inlet->incoming.loop, &session_of_inlet(inlet)->attend);
}

static bool serve_input(struct weir__inlet *inlet)
{
    weir_session *session = session_of_inlet(inlet);
    if (session->route == NULL || session->route->on_message == NULL || session->busy)
        return false;
    weir__session_serve_messages(session);
    return true;
}

static const struct weir__inlet_events inlet_events = {note_arrived, attend, attend_later,
                                                       serve_input};

static void pass_deadline(weir__timer *timer)
{
    weir_session *session = WEIR__CONTAINER(timer, weir_session, timer);
    struct weir__outlet *outlet = &session->outlet;
    if (session->stream == NULL) {
        weir_scope_cancel(&session->scope); /* a handler that stays on after its connection */
        return;
    }
    bool ready = outlet->io != NULL && weir__outlet_is_between_frames(outlet) &&
                 !weir__outlet_is_stuck(outlet);
    if (weir_endpoint_tick(&session->endpoint, loop_of(session)->now_ms,
                           ready ? weir__outlet_buffer(outlet) : NULL) != WEIR_OK)
        weir_endpoint_terminate(&session->endpoint);
    if (ready)
        weir__outlet_pump_late(outlet);
    /* A Close that cannot even be queued, because the peer does not read what is before it. */
    if (session->leaving != NULL && session->leaving->deadline_ms <= loop_of(session)->now_ms)
        weir_endpoint_terminate(&session->endpoint);
    weir__session_attend(session);
}

/* --- made and freed --- */

/* Where the endpoint's options stand in the block of a session that has its own. */
static size_t options_offset(size_t user_size)
{
    const size_t alignment = _Alignof(max_align_t);
    return (sizeof(weir_session) + user_size + alignment - 1) / alignment * alignment;
}

static size_t session_size(size_t user_size, bool owns_options)
{
    return owns_options ? options_offset(user_size) + sizeof(weir_endpoint_options)
                        : sizeof(weir_session) + user_size;
}

/* A session of a server shares the endpoint's options with all others; one of its own keeps them itself. */
static int init_endpoint(weir_session *session, const struct weir__session_plan *plan,
                         const weir_session_options *options)
{
    weir_loop *loop = loop_of(session);
    const weir_endpoint_options *shared = plan->endpoint;
    if (session->owns_options) {
        void *room = (uint8_t *)session + options_offset(session->user_size);
        weir__session_endpoint_options(room, loop, plan->role, plan->raw, options);
        shared = room;
    }
    return weir__endpoint_init(&session->endpoint, shared, loop->now_ms);
}

static void free_session(weir_session *session)
{
    weir_loop *loop = loop_of(session);
    if (session->observer != NULL)
        weir__loop_free(loop, session->observer, sizeof *session->observer);
    weir__loop_free(loop, session, session_size(session->user_size, session->owns_options));
}

static void end_scope(weir_scope *scope);

static void init_rooms(weir_session *session, const weir_session_options *options)
{
    weir_loop *loop = loop_of(session);
    struct weir__outlet_options outlet = {
        .loop = loop,
        .kind = &weir__outlet_kinds[options->outgoing_overflow],
        .capacity = (uint32_t)(options->outgoing_capacity != 0 ? options->outgoing_capacity
                                                               : WEIR__DEFAULT_CAPACITY),
        .high_water = weir__high_water(options->high_water),
    };
    weir__outlet_init(&session->outlet, &session->endpoint, &outlet_events, &outlet);
    struct weir__inlet_options inlet = {
        .loop = loop,
        .overflow = options->incoming_overflow,
        .capacity = (uint32_t)(options->incoming_capacity != 0 ? options->incoming_capacity
                                                               : WEIR__DEFAULT_CAPACITY),
        .high_water = outlet.high_water,
    };
    weir__inlet_init(&session->inlet, &session->endpoint, &inlet_events, &inlet);
    weir__session_watch(session);
    weir__list_init(&session->turnstile.waiting);
    weir__timer_init(&session->timer, pass_deadline);
    weir__task_init(&session->attend, attend_now);
    weir__list_init(&session->dumpable.link);
    weir__deferred_init(&session->close_reason, loop);
    weir__deferred_init(&session->finished, loop);
}

int weir__session_new(weir_session **out, weir_loop *loop, const struct weir__session_plan *plan,
                      const weir_session_options *options)
{
    static const weir_session_options defaults;
    *out = NULL;
    if (options == NULL)
        options = &defaults;
    if (!weir__session_options_are_valid(options))
        return WEIR_EINVAL;
    size_t size = session_size(options->user_size, plan->endpoint == NULL);
    weir_session *session = weir__loop_alloc(loop, size);
    if (session == NULL)
        return WEIR_ENOMEM;
    memset(session, 0, size);
    weir__scope_init(&session->scope, loop, end_scope);
    session->raw = plan->raw;
    session->owns_options = plan->endpoint == NULL;
    session->user_size = (uint32_t)options->user_size;
    int status = weir_session_observe(session, &options->observer);
    if (status == WEIR_OK)
        status = init_endpoint(session, plan, options);
    if (status != WEIR_OK) {
        free_session(session);
        return status;
    }
    init_rooms(session, options);
    *out = session;
    return WEIR_OK;
}

static void free_text(weir_loop *loop, char *text)
{
    if (text != NULL)
        weir__loop_free(loop, text, strlen(text) + 1);
}

void weir__session_discard(weir_session *session)
{
    weir_loop *loop = loop_of(session);
    weir__task_cancel(&session->attend);
    weir__timer_cancel(&session->timer);
    weir__session_free_attachments(session);
    weir__outlet_fini(&session->outlet);
    weir__inlet_fini(&session->inlet);
    weir__endpoint_fini(&session->endpoint);
    weir__deferred_fini(&session->close_reason);
    weir__deferred_fini(&session->finished);
    if (session->leaving != NULL)
        weir__loop_free(loop, session->leaving, sizeof *session->leaving);
    if (session->end_is_allocated)
        weir__loop_free(loop, session->end, sizeof *session->end);
    free_text(loop, session->subprotocol);
    free_text(loop, session->path);
    free_session(session);
}

/* All that lived in the session has ended: its stream, its handler, whatever they started. */
static void end_scope(weir_scope *scope)
{
    weir_session *session = WEIR__CONTAINER(scope, weir_session, scope);
    if (session->stream != NULL || session->over || scope->child_count > 0)
        return;
    session->over = true;
    weir__timer_cancel(&session->timer);
    if (session->route != NULL && session->route->on_close != NULL)
        session->route->on_close(session, session->end, session->route->arg);
    (void)weir_deferred_complete(&session->finished, session->end_status, NULL);
    weir__scope_detach(&session->scope.job, WEIR_OK);
    if (session->host != NULL)
        session->host->finished(session->host);
    if (!session->handed_out)
        weir__session_discard(session);
}

static void cancel_actor(struct weir__job *job)
{
    weir_going_away(WEIR__CONTAINER(job, weir_session, actor), WEIR_CLOSE_GOING_AWAY, NULL);
}

static const struct weir__job_ops actor_ops = {cancel_actor};

static size_t describe(struct weir__dumpable *self, char *out, size_t size);

static int append_first(weir_session *session, const weir_buffer *first)
{
    weir_buffer *to = weir__outlet_buffer(&session->outlet);
    return to == NULL ? WEIR_ENOMEM : weir_buffer_append(to, first->data, first->size);
}

int weir__session_open(weir_session *session, weir_scope *scope, weir_stream *stream,
                       const weir_buffer *first)
{
    struct weir__stream_rest rest;
    int status = first != NULL ? append_first(session, first) : WEIR_OK;
    if (status == WEIR_OK)
        status = weir__scope_attach(scope, &session->scope.job, session->scope.job.ops);
    if (status != WEIR_OK) {
        weir_stream_close(stream);
        weir__session_discard(session);
        return status;
    }
    int attached = weir__scope_attach(&session->scope, &session->actor, &actor_ops);
    assert(attached == WEIR_OK); /* a new scope is not cancelled */
    (void)attached;
    session->stream = stream;
    weir__stream_take(stream, &stream_events, session, &rest);
    session->outlet.io = &stream->io;
    session->inlet.io = &stream->io;
    session->dumpable.describe = describe;
    weir__list_push(&loop_of(session)->dumpables, &session->dumpable.link);
    if (first != NULL)
        weir__outlet_pump_late(&session->outlet);
    status = weir__io_recv_start(&stream->io);
    if (status != WEIR_OK)
        weir_endpoint_eof(&session->endpoint, status, loop_of(session)->now_ms);
    if (rest.buf != NULL) {
        weir__inlet_keep(&session->inlet, rest.buf, rest.data, rest.size);
        weir__task_post_late(loop_of(session), &session->attend);
    }
    if (rest.end_status != WEIR_OK)
        weir_endpoint_eof(&session->endpoint,
                          rest.end_status == WEIR_CLOSED ? WEIR_OK : rest.end_status,
                          loop_of(session)->now_ms);
    weir__session_attend(session);
    return WEIR_OK;
}

static int start(weir_session **out, weir_scope *scope, weir_stream *stream, enum weir_role role,
                 bool raw, const weir_session_options *options)
{
    if (out == NULL || stream == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options != NULL && options->deflate.enabled) {
        weir_stream_close(stream);
        return WEIR_EINVAL;
    }
    if (!weir__stream_is_takeable(stream)) {
        weir_stream_close(stream);
        return WEIR_ESTATE;
    }
    weir_session *session = NULL;
    struct weir__session_plan plan = {.role = role, .raw = raw};
    int status =
        scope == NULL ? WEIR_EINVAL : weir__session_new(&session, scope->loop, &plan, options);
    if (status != WEIR_OK) {
        weir_stream_close(stream);
        return status;
    }
    session->handed_out = true;
    status = weir__session_open(session, scope, stream, NULL);
    if (status == WEIR_OK)
        *out = session;
    return status;
}

int weir_session_start(weir_session **out, weir_scope *scope, weir_stream *stream,
                       enum weir_role role, const weir_session_options *options)
{
    return start(out, scope, stream, role, false, options);
}

int weir_raw_session_start(weir_session **out, weir_scope *scope, weir_stream *stream,
                           enum weir_role role, const weir_session_options *options)
{
    return start(out, scope, stream, role, true, options);
}

void weir_session_free(weir_session *session)
{
    if (session == NULL)
        return;
    session->handed_out = false;
    if (session->over)
        weir__session_discard(session);
    else
        weir_terminate(session);
}

int weir_session_join(weir_session *session)
{
    return weir_deferred_await(&session->finished, NULL);
}

/* --- the dump --- */

static size_t describe(struct weir__dumpable *self, char *out, size_t size)
{
    weir_session *session = WEIR__CONTAINER(self, weir_session, dumpable);
    int length = snprintf(
        out, size, "  session %p%s: incoming %zu, outgoing %zu, unsent %zu bytes%s%s",
        (void *)session, session->raw ? " (raw)" : "", weir_channel_count(&session->inlet.incoming),
        weir_channel_count(&session->outlet.outgoing), weir__outlet_unsent(&session->outlet),
        session->inlet.held ? ", not reading" : "", session->end_known ? ", ended" : "");
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}
