/* Messages that are sent in pieces. */
#include "ws/session/session.h"

int weir_message_begin(weir_message *message, weir_session *session, enum weir_frame_type type)
{
    if (message == NULL || session == NULL ||
        (type != WEIR_FRAME_TEXT && type != WEIR_FRAME_BINARY))
        return WEIR_EINVAL;
    const struct weir__active *active = session->active;
    const void *me = weir__coroutine_current();
    if (me == NULL || (active != NULL && active->outlet.lock.holder == me))
        return WEIR_ESTATE;
    int status = weir__session_await_lock(session, true);
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
    return weir__session_send_borrowed(message->session, fragment_of(message, false, data, size));
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
    status = weir__session_send_borrowed(session, fragment_of(message, true, NULL, 0));
    if (weir__call_end(&call) && status != WEIR_OK &&
        session->active->outlet.lock.holder == weir__coroutine_current())
        weir__message_lock_open(&session->active->outlet.lock);
    return status;
}
