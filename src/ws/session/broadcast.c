/* One message to many sessions of a loop: serialized once. */
#include "ws/flow/shared.h"
#include "ws/session/session.h"

/* Whether the bytes that all get can be this session's: no mask, no compression, no observer. */
static bool takes_shared(const weir_session *session)
{
    return session->stream != NULL && session->end == NULL && !session->deflates &&
           session->observer == NULL;
}

/* A parked session has nothing unsent, and neither side has closed. It stays parked when its
 * transport takes the frame whole. */
static int send_to_parked(weir_session *session, struct weir__shared *shared)
{
    const struct weir__endpoint_parked *parked = weir__session_tail(session);
    if (parked->masking)
        return WEIR_EAGAIN;
    const struct iovec piece = {shared->bytes, shared->size};
    int64_t size = weir__io_send(&session->stream->io, &piece, 1);
    if (size == (int64_t)shared->size)
        return WEIR_OK;
    if (!weir__session_activate_for_event(session)) /* which ends it, for want of memory */
        return WEIR_ENOMEM;
    return weir__outlet_continue_shared(&session->active->outlet, shared, size);
}

static int send_shared(weir_session *session, struct weir__shared *shared)
{
    int status = WEIR_EAGAIN;
    if (takes_shared(session))
        status = session->active == NULL
                     ? send_to_parked(session, shared)
                     : weir__outlet_send_shared(&session->active->outlet, shared);
    if (status != WEIR_EAGAIN)
        return status;
    weir_frame frame = weir__shared_frame(shared);
    status = weir_try_send(session, &frame);
    if (status == WEIR_EAGAIN)
        weir_frame_release(&frame);
    return status;
}

static bool is_whole_message(const weir_frame *frame)
{
    return (frame->type == WEIR_FRAME_TEXT || frame->type == WEIR_FRAME_BINARY) && frame->fin &&
           frame->rsv == 0 && (frame->size == 0 || frame->data != NULL);
}

int weir_broadcast(size_t *taken, weir_session *const *sessions, size_t count, weir_frame *frame)
{
    size_t sent = 0;
    if (taken != NULL)
        *taken = 0;
    if (frame == NULL || (sessions == NULL && count > 0))
        return WEIR_EINVAL;
    int status = is_whole_message(frame) ? WEIR_OK : WEIR_EINVAL;
    if (status == WEIR_OK && count > 0) {
        struct weir__shared *shared = weir__shared_new(sessions[0]->loop, frame);
        status = shared != NULL ? WEIR_OK : WEIR_ENOMEM;
        for (size_t i = 0; i < count && shared != NULL; i++)
            sent += send_shared(sessions[i], shared) == WEIR_OK ? 1 : 0;
        if (shared != NULL)
            weir__shared_release(shared);
    }
    weir_frame_release(frame);
    if (taken != NULL)
        *taken = sent;
    return status;
}
