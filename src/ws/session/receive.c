/* Receiving from a session: weir_receive() and what goes with it. */
#include "ws/session/session.h"

#include <string.h>

/* What was given into this variable before, and neither released nor sent on, is released now. */
static void take_back(weir_session *session, const weir_frame *frame)
{
    struct weir__frame_ref *cached = session->active != NULL ? session->active->inlet.cached : NULL;
    if (cached != NULL && cached->given_to == frame)
        weir__frame_ref_release(cached);
}

static int give(weir_session *session, weir_frame *frame, int status)
{
    if (status == WEIR_OK && session->active == NULL) { /* it went to rest before this one ran */
        status = weir__session_unpark_for_call(session);
        if (status != WEIR_OK)
            weir_frame_release(frame);
    }
    if (status != WEIR_OK) {
        *frame = (weir_frame){0};
        return status;
    }
    weir__frame_ref_remember(frame, &session->active->inlet.cached);
    return WEIR_OK;
}

/* By the short cut past the channel, where that has nothing. */
static inline int receive_now(weir_session *session, weir_frame *frame)
{
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    struct weir__inlet *inlet = &session->active->inlet;
    if (weir__channel_may_pull(&inlet->incoming)) {
        status = weir__inlet_pull(inlet, frame);
        if (status != WEIR_EAGAIN || !weir__channel_is_closed(&inlet->incoming))
            return status;
    }
    return weir__channel_receive_now(&inlet->incoming, frame);
}

static int receive(weir_session *session, weir_frame *frame)
{
    int status;
    while ((status = receive_now(session, frame)) == WEIR_EAGAIN) {
        status = weir__channel_wait(&session->active->inlet.incoming.receivers, frame, "receive");
        if (status != WEIR_EAGAIN)
            break;
    }
    return status;
}

/* The fast path of most messages: whole in the input, with a cached reference. False: this message
 * needs another path. */
static inline bool receive_whole(weir_session *session, weir_frame *frame)
{
    if (session->active == NULL)
        return false;
    struct weir__inlet *inlet = &session->active->inlet;
    if (inlet->buf == NULL || inlet->cached == NULL || inlet->held || inlet->watched)
        return false;
    if (inlet->cached->given_to != NULL)
        take_back(session, frame);
    if (inlet->cached == NULL || inlet->cached->given_to != NULL ||
        !weir__channel_may_pull(&inlet->incoming) ||
        weir__endpoint_input_drained(inlet->endpoint) ||
        weir__endpoint_take_whole(inlet->endpoint, frame) != WEIR__WHOLE)
        return false;
    if (frame->size > 0)
        weir__frame_ref_reuse(inlet->cached, frame, inlet->buf);
    return true;
}

static __attribute__((noinline)) int receive_any(weir_session *session, weir_frame *frame)
{
    take_back(session, frame);
    return give(session, frame, receive(session, frame));
}

int weir_receive(weir_session *session, weir_frame *frame)
{
    if (session == NULL || frame == NULL)
        return WEIR_EINVAL;
    return receive_whole(session, frame) ? WEIR_OK : receive_any(session, frame);
}

int weir_try_receive(weir_session *session, weir_frame *frame)
{
    if (session == NULL || frame == NULL)
        return WEIR_EINVAL;
    take_back(session, frame);
    return give(session, frame, receive_now(session, frame));
}

/* --- whole messages in memory of their own --- */

static int append(weir_buffer *joined, const weir_frame *frame, uint64_t size_max)
{
    if (frame->size > size_max || joined->size > size_max - frame->size)
        return WEIR_ETOOBIG;
    return weir_buffer_append(joined, frame->data, frame->size);
}

/* Gathers data frames until the last of a message; *type is that of the first. */
static int join_frames(weir_session *session, weir_buffer *joined, uint8_t *type)
{
    weir_frame frame;
    bool first = true;
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    uint64_t size_max = weir__endpoint_max_message_size(&session->active->endpoint);
    for (;;) {
        status = receive(session, &frame);
        if (status != WEIR_OK)
            return status;
        if (weir_frame_type_is_control((enum weir_frame_type)frame.type)) {
            weir_frame_release(&frame);
            continue;
        }
        if (first)
            *type = frame.type;
        first = false;
        bool fin = frame.fin;
        status = append(joined, &frame, size_max);
        weir_frame_release(&frame);
        if (status != WEIR_OK || fin)
            return status;
    }
}

int weir_receive_message(weir_session *session, weir_frame *frame)
{
    if (session == NULL || frame == NULL)
        return WEIR_EINVAL;
    take_back(session, frame);
    weir_buffer joined = {.allocator = weir__loop_allocator(session->loop)};
    uint8_t type = 0;
    int status = join_frames(session, &joined, &type);
    *frame = weir_frame_by_type(true, (enum weir_frame_type)type, joined.data, joined.size);
    if (status == WEIR_OK)
        status = weir__frame_ref_copy(frame, session->loop);
    weir_buffer_fini(&joined);
    return give(session, frame, status);
}
