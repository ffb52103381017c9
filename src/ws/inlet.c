/* The receiving half of a session: from the endpoint's events to the incoming channel. A receiver that waits pulls straight from the input, so a message that
 * arrived whole is handed over as a view of the read buffer; without one, frames queue up to the channel's capacity, and then the stream is not read. */
#include "ws/session.h"

#include <string.h>

static weir_loop *loop_of(const weir_session *session)
{
    return session->scope.loop;
}

static weir_session *session_of(weir_channel *incoming)
{
    return WEIR__CONTAINER(incoming, weir_session, inlet.incoming);
}

/* --- the input --- */

static void note_frame(weir_session *session, const weir_frame *frame)
{
    if (session->observer.frame_in != NULL)
        session->observer.frame_in(session, frame, session->observer.context);
}

/* The input is eaten: the buffer is let go, and reading goes on. */
static void let_go(weir_session *session)
{
    struct weir__inlet *inlet = &session->inlet;
    weir__buf *buf = inlet->buf;
    inlet->buf = NULL;
    if (!inlet->held)
        return;
    inlet->held = false;
    weir__buf_unref(buf);
    weir_endpoint_hold(&session->endpoint, false, loop_of(session)->now_ms);
    if (session->stream == NULL || session->closing)
        return;
    int status = weir__io_recv_start(&session->stream->io);
    if (status != WEIR_OK) {
        weir_endpoint_eof(&session->endpoint, status, loop_of(session)->now_ms);
        weir__task_post(loop_of(session), &session->attend);
    }
}

static int lease(weir_session *session, weir_frame *frame)
{
    if (frame->release != NULL)
        return weir__lease_own(frame, loop_of(session));
    if (frame->size == 0)
        return WEIR_OK;
    return weir__lease_view(frame, loop_of(session), session->inlet.buf);
}

static int deliver(weir_session *session, weir_event *event, weir_frame *frame)
{
    *frame = event->frame;
    note_frame(session, frame);
    int status = lease(session, frame);
    if (status == WEIR_OK)
        return WEIR_OK;
    weir_frame_release(frame);
    weir_endpoint_terminate(&session->endpoint);
    weir__session_attend(session);
    return WEIR_EAGAIN;
}

/* The next frame out of the input. WEIR_EAGAIN: there is none now (the channel may have been closed meanwhile). */
static int next_frame(weir_session *session, weir_frame *frame)
{
    weir_event event;
    for (;;) {
        int status = weir_endpoint_next(&session->endpoint, &event);
        if (status == WEIR_EAGAIN || status == WEIR_CLOSED) {
            let_go(session);
            if (status == WEIR_CLOSED)
                weir__session_attend(session);
            return WEIR_EAGAIN;
        }
        if (status != WEIR_OK) {
            weir__session_attend(session);
            continue;
        }
        switch (event.kind) {
        case WEIR_EVENT_FRAME:
            return deliver(session, &event, frame);
        case WEIR_EVENT_PING:
        case WEIR_EVENT_PONG:
            note_frame(session, &event.frame);
            break;
        case WEIR_EVENT_CLOSE:
        case WEIR_EVENT_FAULT:
            break;
        }
        weir__session_attend(session);
    }
}

static bool has_input(const weir_session *session)
{
    uint8_t *rest;
    return session->inlet.buf != NULL && weir_endpoint_rest(&session->endpoint, &rest) > 0;
}

static void drop_input(weir_session *session)
{
    weir_frame frame;
    while (session->inlet.buf != NULL && next_frame(session, &frame) == WEIR_OK)
        weir_frame_release(&frame);
}

/* --- the channel --- */

/* A frame was taken, and perhaps nobody comes for the next: a ping or a Close in what is held must not wait for that. */
static void go_on_later(weir_channel *channel)
{
    weir_session *session = session_of(channel);
    if (session->inlet.held)
        weir__task_post(loop_of(session), &session->attend);
}

static int pull_frame(weir_channel *channel, void *item)
{
    weir_session *session = session_of(channel);
    if (session->inlet.buf == NULL)
        return WEIR_EAGAIN;
    int status = next_frame(session, item);
    if (status == WEIR_OK)
        go_on_later(channel);
    return status;
}

static void drop_frame(weir_channel *channel, void *item)
{
    (void)channel;
    weir_frame_release(item);
}

static int keep_frame(weir_channel *channel, void *item)
{
    return weir__lease_keep(item, channel->loop);
}

/* One frame may always queue; more only while their bytes stay under the mark. */
static bool admits_frame(const weir_channel *channel, const void *item)
{
    const weir_session *session = WEIR__CONTAINER(channel, weir_session, inlet.incoming);
    (void)item;
    return channel->count == 0 || channel->bytes < session->outlet.high_water;
}

#define INLET_KIND(policy)                                                                         \
    {                                                                                              \
        .item_size = sizeof(weir_frame), .overflow = (policy), .drop = drop_frame,                 \
        .pull = pull_frame, .keep = keep_frame, .admits = admits_frame,                            \
        .weigh = weir__frame_weight, .took = go_on_later                                           \
    }

const struct weir__channel_kind weir__inlet_kinds[3] = {
    [WEIR_OVERFLOW_SUSPEND] = INLET_KIND(WEIR_OVERFLOW_SUSPEND),
    [WEIR_OVERFLOW_FAIL] = INLET_KIND(WEIR_OVERFLOW_FAIL),
    [WEIR_OVERFLOW_DROP_OLDEST] = INLET_KIND(WEIR_OVERFLOW_DROP_OLDEST),
};

/* --- delivering --- */

/* Keeps what is not eaten: a small rest is copied, so that it does not pin a large buffer. */
static void hold(weir_session *session)
{
    struct weir__inlet *inlet = &session->inlet;
    uint8_t *rest;
    size_t size = weir_endpoint_rest(&session->endpoint, &rest);
    if (inlet->held)
        return;
    weir__buf *copy = size <= inlet->buf->size / 8 ? weir__buf_new(loop_of(session), size) : NULL;
    if (copy != NULL) {
        memcpy(copy->data, rest, size);
        weir_endpoint_move_rest(&session->endpoint, copy->data);
        inlet->buf = copy;
    } else {
        weir__buf_ref(inlet->buf);
    }
    inlet->held = true;
    weir_endpoint_hold(&session->endpoint, true, loop_of(session)->now_ms);
    if (session->stream != NULL && !session->closing)
        weir__io_recv_stop(&session->stream->io);
}

void weir__inlet_keep(weir_session *session, weir__buf *buf, uint8_t *data, size_t size)
{
    session->inlet.buf = buf;
    if (weir_endpoint_feed(&session->endpoint, data, size, loop_of(session)->now_ms) != WEIR_OK)
        return;
    hold(session);
    weir__task_post_late(loop_of(session), &session->attend);
}

static bool queue_is_full(const weir_session *session)
{
    const weir_channel *incoming = &session->inlet.incoming;
    return incoming->kind->overflow == WEIR_OVERFLOW_SUSPEND &&
           (incoming->count >= incoming->capacity || !admits_frame(incoming, NULL));
}

/* Nobody waits: a frame queues. Returns whether to go on. */
static bool queue_one(weir_session *session)
{
    weir_frame frame;
    if (queue_is_full(session)) {
        /* Once our Close is sent, the peer's has to be seen: what nobody receives is dropped. */
        if (!weir_endpoint_output_ended(&session->endpoint))
            return false;
        if (next_frame(session, &frame) == WEIR_OK)
            weir_frame_release(&frame);
        return true;
    }
    if (next_frame(session, &frame) != WEIR_OK)
        return session->inlet.buf != NULL;
    int status = weir__channel_send_now(&session->inlet.incoming, &frame);
    if (status == WEIR_ENOMEM || status == WEIR_ELIMIT) {
        weir_endpoint_terminate(&session->endpoint);
        weir__session_attend(session);
    }
    return true;
}

static bool serves_messages(const weir_session *session)
{
    return session->route != NULL && session->route->on_message != NULL;
}

void weir__inlet_run(weir_session *session)
{
    struct weir__inlet *inlet = &session->inlet;
    if (inlet->running)
        return;
    inlet->running = true;
    while (has_input(session)) {
        if (inlet->discards) {
            drop_input(session);
        } else if (weir__channel_has_receiver(&inlet->incoming)) {
            weir__channel_wake_receiver(&inlet->incoming);
        } else if (serves_messages(session) && !session->busy) {
            weir__session_serve_messages(session);
        } else if (!queue_one(session)) {
            break;
        }
    }
    if (has_input(session))
        hold(session);
    else
        let_go(session);
    inlet->running = false;
}

void weir__inlet_discard(weir_session *session)
{
    weir_frame frame;
    session->inlet.discards = true;
    while (session->inlet.incoming.count > 0 &&
           weir__channel_receive_now(&session->inlet.incoming, &frame) == WEIR_OK)
        weir_frame_release(&frame);
    if (session->inlet.held)
        drop_input(session);
}

void weir__inlet_release(weir_session *session)
{
    struct weir__inlet *inlet = &session->inlet;
    if (inlet->held)
        weir__buf_unref(inlet->buf);
    inlet->held = false;
    inlet->buf = NULL;
}
