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

/* Waits until no other coroutine is in the middle of a message; it is awake then. On failure the session may be gone. */
static int wait_for_lock(weir_session *session, bool may_suspend)
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
    int status =
        data ? wait_for_lock(session, may_suspend) : weir__session_activate_for_call(session);
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

/* Whether a frame may go past the message lock and the channel: it is whole, and nothing is before it. */
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

static int send_borrowed(weir_session *session, weir_frame frame)
{
    if (session == NULL || !is_acceptable(&frame))
        return WEIR_EINVAL;
    return send_frame(session, &frame, true);
}

int weir_send_text(weir_session *session, const char *text)
{
    return text == NULL ? WEIR_EINVAL : send_borrowed(session, weir_frame_text(text, strlen(text)));
}

int weir_send_binary(weir_session *session, const void *data, size_t size)
{
    return send_borrowed(session, weir_frame_binary(data, size));
}

int weir_send_ping(weir_session *session, const void *data, size_t size)
{
    return send_borrowed(session, weir_frame_ping(data, size));
}

int weir_flush(weir_session *session)
{
    if (session == NULL)
        return WEIR_EINVAL;
    struct weir__active *active = session->active;
    if (active == NULL) /* at rest, all is out */
        return weir__session_end_status(session, WEIR_OK);
    if (active->outlet.io == NULL)
        return weir__session_end_status(session, WEIR_CLOSED);
    return weir__outlet_flush(&active->outlet);
}

/* --- messages in pieces --- */

int weir_message_begin(weir_message *message, weir_session *session, enum weir_frame_type type)
{
    if (message == NULL || session == NULL ||
        (type != WEIR_FRAME_TEXT && type != WEIR_FRAME_BINARY))
        return WEIR_EINVAL;
    const struct weir__active *active = session->active;
    const void *me = weir__coroutine_current();
    if (me == NULL || (active != NULL && active->outlet.lock.holder == me))
        return WEIR_ESTATE;
    int status = wait_for_lock(session, true);
    if (status == WEIR_OK && weir_channel_is_closed(&session->active->outlet.outgoing))
        status = WEIR_CLOSED;
    *message = (weir_message){.session = session, .type = (uint8_t)type, .open = status == WEIR_OK};
    if (status == WEIR_OK)
        session->active->outlet.lock.holder = me;
    return status;
}

static weir_frame fragment_of(const weir_message *message, bool fin, const void *data, size_t size)
{
    weir_frame frame = weir_frame_by_type(fin, (enum weir_frame_type)message->type, data, size);
    frame.compress = message->compress;
    return frame;
}

int weir_message_write(weir_message *message, const void *data, size_t size)
{
    if (message == NULL || !message->open)
        return WEIR_ESTATE;
    if (size == 0)
        return WEIR_OK;
    return send_borrowed(message->session, fragment_of(message, false, data, size));
}

int weir_message_end(weir_message *message)
{
    if (message == NULL || !message->open)
        return WEIR_ESTATE;
    weir_session *session = message->session;
    struct weir__call call;
    message->open = false;
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    weir__call_begin(&call, session);
    status = send_borrowed(session, fragment_of(message, true, NULL, 0));
    if (weir__call_end(&call) && status != WEIR_OK &&
        session->active->outlet.lock.holder == weir__coroutine_current())
        weir__message_lock_open(&session->active->outlet.lock);
    return status;
}

/* --- closing --- */

struct closing {
    weir_session *session;
    weir_frame frame;
    struct weir__call call;
};

static int close_in_order(void *arg)
{
    struct closing *closing = arg;
    int status = weir_send(closing->session, &closing->frame);
    if (status != WEIR_OK)
        return status;
    return weir__call_goes_on(&closing->call) ? weir_flush(closing->session) : WEIR_CLOSED;
}

/* Whether nothing can be said any more. */
static bool has_closed(const weir_session *session)
{
    const struct weir__active *active = session->active;
    return active == NULL
               ? session->end != NULL
               : active->outlet.io == NULL || weir_endpoint_output_ended(&active->endpoint);
}

/* Of one that finds it closed: that it ended so is what was wanted. */
static int status_of_closed(const weir_session *session)
{
    int status = weir__session_end_status(session, WEIR_OK);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

int weir_close(weir_session *session, unsigned code, const char *message)
{
    weir_close_reason reason;
    struct closing closing = {.session = session};
    if (session == NULL)
        return WEIR_EINVAL;
    int status = code == 0 ? WEIR_OK : weir_close_reason_init(&reason, code, message);
    if (status != WEIR_OK || (code != 0 && !weir_close_code_is_sendable(code)))
        return WEIR_EINVAL;
    if (session->end == NULL && !weir__session_activate_for_event(session))
        return WEIR_ENOMEM;
    if (has_closed(session))
        return status_of_closed(session);
    status = weir_frame_close(&closing.frame, code == 0 ? NULL : &reason,
                              weir__loop_allocator(session->loop));
    weir__call_begin(&closing.call, session);
    if (status == WEIR_OK)
        status = weir_with_deadline(weir__session_close_timeout(session), close_in_order, &closing);
    weir_frame_release(&closing.frame);
    /* Out of time, memory, or cancelled: the Close goes ahead of what is queued. A queue that only takes nothing any more comes first. */
    if (weir__call_end(&closing.call) && status != WEIR_OK && !has_closed(session))
        weir__session_begin_close(session, code, message, status != WEIR_CLOSED);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}
