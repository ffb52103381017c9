/* Sending on a session: weir_send() and what goes with it. */
#include "ws/session/session.h"

#include <string.h>

static bool is_data(const weir_frame *frame)
{
    return !weir_frame_type_is_control((enum weir_frame_type)frame->type);
}

/* --- sending --- */

static bool is_acceptable(const weir_frame *frame)
{
    return (frame->size == 0 || frame->data != NULL) &&
           weir_frame_type_from_opcode(frame->type) >= 0;
}

int weir__session_await_lock(weir_session *session, bool may_suspend)
{
    int status;
    while ((status = weir__session_activate_for_call(session)) == WEIR_OK &&
           weir__message_lock_is_held(&session->active->outlet.lock) &&
           !weir_channel_is_closed(&session->active->outlet.outgoing)) {
        status = may_suspend ? weir__message_lock_wait(&session->active->outlet.lock) : WEIR_EAGAIN;
        if (status != WEIR_OK)
            break;
    }
    return status;
}

/* Takes the frame, unless it returns WEIR_EAGAIN. */
static int send_frame(weir_session *session, weir_frame *frame, bool may_suspend)
{
    bool data = is_data(frame);
    bool fin = frame->fin;
    int status = data ? weir__session_await_lock(session, may_suspend)
                      : weir__session_activate_for_call(session);
    if (status == WEIR_OK)
        status = weir__channel_send_now(&session->active->outlet.outgoing, frame);
    else if (may_suspend || status != WEIR_EAGAIN)
        weir_frame_release(frame);
    if (status == WEIR_OK && data)
        weir__message_lock_pass(&session->active->outlet.lock, weir__coroutine_current(), fin);
    if (status != WEIR_EAGAIN || !may_suspend)
        return status;
    /* Whoever takes it passes the lock for us: others may run before we do. */
    status = weir__channel_wait(&session->active->outlet.outgoing.senders, frame, "send");
    if (status != WEIR_OK)
        weir_frame_release(frame);
    return status;
}

/* Whether a frame may go past the message lock and the channel: it is a whole message, and none is
 * queued. */
static inline bool may_go_at_once(const weir_session *session, const weir_frame *frame)
{
    const struct weir__active *active = session->active;
    return frame->data != NULL && frame->fin && active != NULL &&
           active->outlet.lock.holder == NULL && weir__channel_may_push(&active->outlet.outgoing) &&
           active->outlet.io != NULL && weir__outlet_has_room(&active->outlet);
}

static __attribute__((noinline)) int send_in_order(weir_session *session, weir_frame *frame)
{
    weir_frame own = *frame;
    *frame = (weir_frame){0};
    if (is_acceptable(&own))
        return send_frame(session, &own, true);
    weir_frame_release(&own);
    return WEIR_EINVAL;
}

int weir_send(weir_session *session, weir_frame *frame)
{
    if (session == NULL || frame == NULL)
        return WEIR_EINVAL;
    if (!may_go_at_once(session, frame))
        return send_in_order(session, frame);
    return weir__outlet_send(&session->active->outlet, frame);
}

int weir_try_send(weir_session *session, weir_frame *frame)
{
    if (session == NULL || frame == NULL || !is_acceptable(frame))
        return WEIR_EINVAL;
    weir_frame own = *frame;
    int status = send_frame(session, &own, false);
    if (status != WEIR_EAGAIN)
        *frame = (weir_frame){0};
    return status;
}

int weir__session_send_borrowed(weir_session *session, weir_frame frame)
{
    if (session == NULL || !is_acceptable(&frame))
        return WEIR_EINVAL;
    return send_frame(session, &frame, true);
}

int weir_send_text(weir_session *session, const char *text)
{
    return text == NULL ? WEIR_EINVAL
                        : weir__session_send_borrowed(session, weir_frame_text(text, strlen(text)));
}

int weir_send_binary(weir_session *session, const void *data, size_t size)
{
    return weir__session_send_borrowed(session, weir_frame_binary(data, size));
}

int weir_send_ping(weir_session *session, const void *data, size_t size)
{
    return weir__session_send_borrowed(session, weir_frame_ping(data, size));
}

int weir_flush(weir_session *session)
{
    if (session == NULL)
        return WEIR_EINVAL;
    if (session->active == NULL &&
        (session->stream == NULL || weir__io_unsent(&session->stream->io) == 0))
        return weir__session_end_status(session, WEIR_OK);
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    if (session->active->outlet.io == NULL)
        return weir__session_end_status(session, WEIR_CLOSED);
    return weir__outlet_flush(&session->active->outlet);
}
