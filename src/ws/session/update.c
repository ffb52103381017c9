/* An active session: what happens on its stream, its timer and its scope, and what follows. */
#include "ws/session/session.h"

#include <string.h>

/* A pong is appended behind at most this much. */
#define CONTROL_ROOM ((size_t)16 * 1024)
/* Up to this much output that answers an input waits for the end of the turn. All sessions' little
 * outputs are then sent one after the other: small echoes cost some 4 % less (docs/benchmarks.md).
 * More output goes at once, so that its memory is soon free for the next session. */
#define LITTLE_OUTPUT ((size_t)4 * 1024)

/* --- ending --- */

static void stop_channels(weir_session *session)
{
    struct weir__active *active = session->active;
    if (weir_endpoint_output_ended(&active->endpoint) &&
        !weir_channel_is_closed(&active->outlet.outgoing)) {
        weir_channel_close(&active->outlet.outgoing, WEIR_CLOSED);
        weir__channel_drain(&active->outlet.outgoing);
        /* The answer to our Close may be in the input that is held. */
        if (active->inlet.held)
            weir__task_post(session->loop, &active->update);
    }
    if (weir_endpoint_input_ended(&active->endpoint))
        weir_channel_close(&active->inlet.incoming, weir__session_end_status(session, WEIR_CLOSED));
}

/* reset: unsent bytes are discarded. */
static void close_stream(weir_session *session, bool reset)
{
    struct weir__active *active = session->active;
    if (active->closing || session->stream == NULL)
        return;
    active->closing = true;
    active->inlet.io = NULL;
    if (!active->inlet.held)
        weir__io_recv_stop(&session->stream->io);
    weir__timer_cancel(&session->timer);
    weir__outlet_stop(&active->outlet, weir__session_end_status(session, WEIR_ELOST));
    weir__io_close(&session->stream->io, reset);
}

/* Errors: WEIR_ENOMEM. */
static int append_pending_close(weir_session *session, weir_buffer *to)
{
    struct weir__active *active = session->active;
    struct weir__pending_close *pending_close = active->pending_close;
    if (to == NULL)
        return WEIR_ENOMEM;
    if (pending_close == NULL)
        return WEIR_OK;
    active->pending_close = NULL;
    const weir_close_reason *reason =
        pending_close->reason.code == 0 ? NULL : &pending_close->reason;
    int status = weir_endpoint_close(&active->endpoint, reason, session->loop->now_ms, to);
    weir__loop_free(session->loop, pending_close, sizeof *pending_close);
    return status == WEIR_ENOMEM ? status : WEIR_OK;
}

static weir_session *session_of_outlet(struct weir__outlet *outlet)
{
    return WEIR__CONTAINER(outlet, struct weir__active, outlet)->session;
}

static void append_control(struct weir__outlet *outlet, weir_buffer *to)
{
    weir_session *session = session_of_outlet(outlet);
    int status = append_pending_close(session, to);
    if (status == WEIR_OK)
        status = weir_endpoint_flush(&session->active->endpoint, session->loop->now_ms, to);
    if (status == WEIR_OK)
        return;
    weir_endpoint_terminate(&session->active->endpoint);
    weir__task_post(session->loop, &session->active->update);
}

/* The output that the endpoint itself owes. Behind little other output it is simply appended, each
 * pong by itself. Behind much it waits for its place between two frames, and then only the newest
 * ping is answered. */
static void flush_endpoint(weir_session *session)
{
    struct weir__outlet *outlet = &session->active->outlet;
    if (outlet->io == NULL)
        return;
    if (weir__outlet_unsent(outlet) < CONTROL_ROOM && !weir__outlet_has_payload(outlet))
        append_control(outlet, weir__outlet_buffer(outlet));
    weir__outlet_pump_late(outlet);
}

static void try_pending_close(weir_session *session)
{
    struct weir__outlet *outlet = &session->active->outlet;
    const struct weir__pending_close *pending_close = session->active->pending_close;
    if (pending_close == NULL || outlet->io == NULL ||
        (!pending_close->jumps && outlet->outgoing.count > 0))
        return;
    if (append_pending_close(session, weir__outlet_buffer(outlet)) != WEIR_OK)
        weir_endpoint_terminate(&session->active->endpoint);
    weir__outlet_pump_late(outlet);
}

static __attribute__((noinline)) void arm_timer(weir_session *session)
{
    const struct weir__pending_close *pending_close = session->active->pending_close;
    uint64_t deadline_ms = weir_endpoint_deadline(&session->active->endpoint);
    if (pending_close != NULL && pending_close->deadline_ms < deadline_ms)
        deadline_ms = pending_close->deadline_ms;
    if (deadline_ms == WEIR_UNLIMITED)
        weir__timer_cancel(&session->timer);
    else if (!weir__timer_is_armed(&session->timer) || session->timer.deadline_ms != deadline_ms)
        weir__timer_set(session->loop, &session->timer, deadline_ms);
}

/* Our side of the connection ends, once all output is out. */
static void shut_down(weir_session *session)
{
    struct weir__active *active = session->active;
    if (active->shut_down || weir__outlet_unsent(&active->outlet) > 0 ||
        weir__outlet_is_stuck(&active->outlet))
        return;
    active->shut_down = true;
    int status = weir__io_shutdown(&session->stream->io);
    if (status != WEIR_OK) {
        weir_endpoint_eof(&active->endpoint, status, session->loop->now_ms);
        weir__task_post(session->loop, &active->update);
    }
}

/* Something is wanted, or has ended. */
static __attribute__((noinline)) void update_fully(weir_session *session)
{
    struct weir__active *active = session->active;
    try_pending_close(session);
    if (weir_endpoint_wants(&active->endpoint) & WEIR_WANT_FLUSH)
        flush_endpoint(session);
    unsigned wants = weir_endpoint_wants(&active->endpoint);
    weir__session_report_end(session);
    stop_channels(session);
    if (wants & WEIR_WANT_CLOSE) {
        if (active->outlet.io != NULL && weir__outlet_unsent(&active->outlet) > 0 &&
            !active->outlet.pumping)
            weir__outlet_pump(&active->outlet);
        close_stream(session, session->end != NULL && session->end->kind == WEIR_END_CANCELLED);
        return;
    }
    if (wants & WEIR_WANT_SHUTDOWN)
        shut_down(session);
    arm_timer(session);
}

void weir__session_update(weir_session *session)
{
    const struct weir__active *active = session->active;
    if (session->stream == NULL || active->closing)
        return;
    if (active->pending_close != NULL || !weir__endpoint_is_idle(&active->endpoint))
        update_fully(session);
    else if (session->timer.deadline_ms != weir__endpoint_deadline(&active->endpoint) ||
             !weir__timer_is_armed(&session->timer))
        arm_timer(session);
}

/* --- what happens on the stream --- */

static weir_session *session_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static inline void feed(weir_session *session, weir__buf *buf, uint8_t *data, size_t size)
{
    struct weir__active *active = session->active;
    if (active->closing || size == 0)
        return;
    weir__inlet_feed(&active->inlet, buf, data, size);
    weir__session_update(session);
    if (weir__outlet_unsent(&active->outlet) > LITTLE_OUTPUT)
        weir__outlet_pump(&active->outlet);
}

void weir__session_feed(weir_session *session, weir__buf *buf, uint8_t *data, size_t size)
{
    feed(session, buf, data, size);
    weir__session_let_park(session);
}

static size_t offer_room(weir__io *io, uint8_t **room)
{
    const weir_session *session = session_of(io);
    return session->active != NULL ? weir__inlet_room(&session->active->inlet, room) : 0;
}

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    weir_session *session = session_of(io);
    if (!weir__session_activate_for_event(session))
        return;
    feed(session, buf, data, size);
    weir__session_let_park(session);
}

static void take_end(weir__io *io, int status)
{
    weir_session *session = session_of(io);
    if (!weir__session_activate_for_event(session))
        return;
    weir_endpoint_eof(&session->active->endpoint, status == WEIR_CLOSED ? WEIR_OK : status,
                      session->loop->now_ms);
    weir__session_update(session);
}

/* While a send is pending the session is not parked: it is active here. */
static void take_sent(weir__io *io, int status, size_t size)
{
    weir_session *session = session_of(io);
    weir__outlet_on_sent(&session->active->outlet, status, size);
    weir__session_update(session);
    weir__session_let_park(session);
}

static void take_drained(weir__io *io, int status)
{
    weir_session *session = session_of(io);
    weir__outlet_on_drained(&session->active->outlet, status);
    weir__session_let_park(session);
}

/* The session was active when it closed the stream, and still is. */
static void take_closed(weir__io *io)
{
    weir_session *session = session_of(io);
    struct weir__active *active = session->active;
    weir_stream *stream = session->stream;
    session->stream = NULL;
    weir__stream_free(stream);
    weir__inlet_release(&active->inlet);
    weir__outlet_release(&active->outlet);
    if (session->end == NULL) {
        weir_endpoint_terminate(&active->endpoint);
        weir__session_report_end(session);
    }
    stop_channels(session);
    weir__list_remove(&session->dumpable.link);
    /* Everything else that was started in the session ends with the stream. A running handler may
     * finish, within the close timeout. */
    if (!active->busy)
        weir_scope_cancel(&active->scope);
    else if (weir__session_close_timeout(session) != WEIR_UNLIMITED)
        weir__timer_set_after(session->loop, &session->timer, weir__session_close_timeout(session));
    weir__scope_detach(&active->scope.job, WEIR_OK);
}

const struct weir__io_events weir__session_stream_events = {
    .on_room = offer_room,
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_drained = take_drained,
    .on_closed = take_closed,
};

/* --- events of the outlet and the inlet --- */

static void note_sent(struct weir__outlet *outlet, const weir_frame *frame)
{
    weir_session *session = session_of_outlet(outlet);
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->frame_out != NULL)
        observer->frame_out(session, frame, observer->arg);
    if (weir_endpoint_output_ended(&session->active->endpoint))
        weir__task_post(session->loop, &session->active->update);
}

static void note_drained(struct weir__outlet *outlet)
{
    weir_session *session = session_of_outlet(outlet);
    const struct weir__active *active = session->active;
    if (active->pending_close != NULL || !weir__endpoint_is_idle(&active->endpoint))
        weir__session_update(session);
    struct weir__attachment *next = active->attachments;
    while (next != NULL) {
        struct weir__attachment *attachment = next;
        next = attachment->next;
        if (attachment->drained != NULL)
            attachment->drained(attachment);
    }
}

static void note_failed(struct weir__outlet *outlet, int status)
{
    weir_session *session = session_of_outlet(outlet);
    weir_endpoint_eof(&session->active->endpoint, status, session->loop->now_ms);
    weir__task_post(session->loop, &session->active->update);
}

static void note_pumped(struct weir__outlet *outlet)
{
    weir__session_let_park(session_of_outlet(outlet));
}

const struct weir__outlet_events weir__session_outlet_events = {
    .sent = note_sent,
    .control = append_control,
    .drained = note_drained,
    .failed = note_failed,
    .pumped = note_pumped,
};

static weir_session *session_of_inlet(struct weir__inlet *inlet)
{
    return WEIR__CONTAINER(inlet, struct weir__active, inlet)->session;
}

static void note_arrived(struct weir__inlet *inlet, const weir_frame *frame)
{
    weir_session *session = session_of_inlet(inlet);
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->frame_in != NULL)
        observer->frame_in(session, frame, observer->arg);
}

static void update(struct weir__inlet *inlet)
{
    weir__session_update(session_of_inlet(inlet));
}

static void update_later(struct weir__inlet *inlet)
{
    weir__task_post(inlet->incoming.loop,
                    &WEIR__CONTAINER(inlet, struct weir__active, inlet)->update);
}

static bool serve_input(struct weir__inlet *inlet)
{
    weir_session *session = session_of_inlet(inlet);
    if (session->route == NULL || session->route->on_message == NULL || session->active->busy)
        return false;
    session->terms->machine->serve(session);
    return true;
}

const struct weir__inlet_events weir__session_inlet_events = {note_arrived, update, update_later,
                                                              serve_input};

/* --- later, and in time --- */

void weir__session_update_task(weir__task *task)
{
    struct weir__active *active = WEIR__CONTAINER(task, struct weir__active, update);
    weir__inlet_go_on(&active->inlet);
    weir__session_update(active->session);
    weir__session_let_park(active->session);
}

void weir__session_pass_deadline(weir__timer *timer)
{
    weir_session *session = WEIR__CONTAINER(timer, weir_session, timer);
    if (!weir__session_activate_for_event(session))
        return;
    struct weir__active *active = session->active;
    struct weir__outlet *outlet = &active->outlet;
    uint64_t now_ms = session->loop->now_ms;
    if (session->stream == NULL) {
        weir_scope_cancel(&active->scope); /* a handler that stays on after its connection */
        return;
    }
    bool ready = outlet->io != NULL && !weir__outlet_is_stuck(outlet);
    if (weir_endpoint_tick(&active->endpoint, now_ms, ready ? weir__outlet_buffer(outlet) : NULL) !=
        WEIR_OK)
        weir_endpoint_terminate(&active->endpoint);
    if (ready)
        weir__outlet_pump_late(outlet);
    /* The Close could not even be queued: the peer does not read what is before it. */
    if (active->pending_close != NULL && active->pending_close->deadline_ms <= now_ms)
        weir_endpoint_terminate(&active->endpoint);
    weir__session_update(session);
}
