/* How this side ends a session: at once, ahead of what is queued, or behind it. */
#include "ws/session/session.h"

#include <string.h>

void weir_terminate(weir_session *session)
{
    if (!weir__session_activate_for_event(session) || session->active->over)
        return;
    weir_endpoint_terminate(&session->active->endpoint);
    weir__inlet_discard(&session->active->inlet);
    weir__session_update(session);
}

void weir__session_begin_close(weir_session *session, unsigned code, const char *message,
                               bool ahead)
{
    if (!weir__session_activate_for_event(session))
        return;
    struct weir__active *active = session->active;
    uint64_t now_ms = session->loop->now_ms;
    if (session->stream == NULL || active->closing || active->pending_close != NULL)
        return;
    struct weir__pending_close *pending_close =
        weir__loop_alloc(session->loop, sizeof *pending_close);
    if (pending_close == NULL) {
        weir_terminate(session);
        return;
    }
    memset(pending_close, 0, sizeof *pending_close);
    if (code != 0 && weir_close_reason_init(&pending_close->reason, code, message) != WEIR_OK)
        pending_close->reason.code = WEIR_CLOSE_INTERNAL_ERROR;
    uint64_t timeout_ms = weir__session_close_timeout(session);
    pending_close->deadline_ms =
        timeout_ms < WEIR_UNLIMITED - now_ms ? now_ms + timeout_ms : WEIR_UNLIMITED;
    active->pending_close = pending_close;
    pending_close->jumps = ahead;
    weir__session_update(session);
}

void weir_close_now(weir_session *session, unsigned code, const char *message)
{
    weir__session_begin_close(session, code, message, true);
}

/* --- behind what was sent --- */

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

/* Whether nothing can be sent any more. */
static bool has_closed(const weir_session *session)
{
    const struct weir__active *active = session->active;
    return active == NULL
               ? session->end != NULL
               : active->outlet.io == NULL || weir_endpoint_output_ended(&active->endpoint);
}

/* The result of a call that finds the session closed. A normal end is a success: it is what the
 * call is for. */
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
    /* No time, no memory, or cancelled: the Close goes ahead of what is queued. The queue was just
     * closed (WEIR_CLOSED): the Close goes behind it. */
    if (weir__call_end(&closing.call) && status != WEIR_OK && !has_closed(session))
        weir__session_begin_close(session, code, message, status != WEIR_CLOSED);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}
