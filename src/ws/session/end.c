/* How the end of a session is told: once, to the close reason and to who watches. */
#include "ws/session/end.h"

#include "wire/close.h"
#include "ws/session/session.h"

#include <string.h>

/* For the moment when there is no memory to say more. What it points to is not written to. */
static void set_plain_end(weir_session *session, enum weir_end_kind kind)
{
    session->end = (weir_end *)(uintptr_t)weir__end_plain(kind);
}

int weir__session_end_status(const weir_session *session, int otherwise)
{
    return session->end != NULL ? session->end->status : otherwise;
}

static void tell_observer(weir_session *session)
{
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->ended != NULL)
        observer->ended(session, session->end, observer->context);
}

void weir__session_report_end(weir_session *session)
{
    weir_end end;
    struct weir__active *active = session->active;
    if (session->end != NULL || active->endpoint.end_kind == WEIR_END_NONE)
        return;
    weir_endpoint_end(&active->endpoint, &end);
    session->end = weir__loop_alloc(session->loop, sizeof end);
    active->end_is_allocated = session->end != NULL;
    if (active->end_is_allocated)
        *session->end = end;
    else
        set_plain_end(session, end.kind);
    if (active->close_reason != NULL)
        (void)weir_deferred_complete(active->close_reason, session->end->status, session->end);
    tell_observer(session);
}

void weir__end_without_memory(weir_session *session)
{
    set_plain_end(session, WEIR_END_CANCELLED);
    tell_observer(session);
}

/* --- ended by this side --- */

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
    active->outlet.close_jumps = ahead;
    weir__session_update(session);
}

void weir_close_now(weir_session *session, unsigned code, const char *message)
{
    weir__session_begin_close(session, code, message, true);
}
