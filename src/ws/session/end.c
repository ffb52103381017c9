/* How the end of a session is reported: once, to the close reason and to the observer. */
#include "wire/close.h"
#include "ws/session/session.h"

#include <string.h>

/* The end when there is no memory for a better description. What it points to is not written to. */
static void set_plain_end(weir_session *session, enum weir_end_kind kind)
{
    session->end = (weir_end *)(uintptr_t)weir__end_plain(kind);
}

int weir__session_end_status(const weir_session *session, int otherwise)
{
    return session->end != NULL ? session->end->status : otherwise;
}

static void notify_observer(weir_session *session)
{
    const weir_observer *observer = session->observer;
    if (observer != NULL && observer->ended != NULL)
        observer->ended(session, session->end, observer->arg);
}

void weir__session_report_end(weir_session *session)
{
    weir_end end;
    struct weir__active *active = session->active;
    if (session->end != NULL || active->endpoint.end_kind == WEIR_END_NONE)
        return;
    weir_endpoint_end_get(&end, &active->endpoint);
    session->end = weir__loop_alloc(session->loop, sizeof end);
    active->end_is_allocated = session->end != NULL;
    if (active->end_is_allocated)
        *session->end = end;
    else
        set_plain_end(session, end.kind);
    if (active->close_reason != NULL)
        (void)weir_deferred_complete(active->close_reason, session->end->status, session->end);
    notify_observer(session);
}

void weir__session_end_without_memory(weir_session *session)
{
    set_plain_end(session, WEIR_END_CANCELLED);
    notify_observer(session);
}
