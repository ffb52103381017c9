/* How the end of a session is told: once, to the close reason and to the observer. */
#include "ws/session/session.h"

#include "ws/session/end.h"

#include <string.h>

/* For the moment when there is no memory to say more. */
static weir_end plain_ends[] = {
    [WEIR_END_NONE] = {.kind = WEIR_END_NONE},
    [WEIR_END_CLEAN] = {.kind = WEIR_END_CLEAN, .status = WEIR_CLOSED},
    [WEIR_END_LOST] = {.kind = WEIR_END_LOST, .status = WEIR_ELOST},
    [WEIR_END_PING_TIMEOUT] = {.kind = WEIR_END_PING_TIMEOUT, .status = WEIR_ETIMEDOUT},
    [WEIR_END_CLOSE_TIMEOUT] = {.kind = WEIR_END_CLOSE_TIMEOUT, .status = WEIR_ETIMEDOUT},
    [WEIR_END_PROTOCOL] = {.kind = WEIR_END_PROTOCOL, .status = WEIR_EPROTOCOL},
    [WEIR_END_TOO_BIG] = {.kind = WEIR_END_TOO_BIG, .status = WEIR_ETOOBIG},
    [WEIR_END_CANCELLED] = {.kind = WEIR_END_CANCELLED, .status = WEIR_CANCELLED},
    [WEIR_END_IO] = {.kind = WEIR_END_IO, .status = WEIR_ELOST},
};

int weir__end_status(const weir_end *end)
{
    switch (end->kind) {
    case WEIR_END_NONE:
        return WEIR_OK;
    case WEIR_END_CLEAN:
        return WEIR_CLOSED;
    case WEIR_END_LOST:
        return WEIR_ELOST;
    case WEIR_END_PING_TIMEOUT:
    case WEIR_END_CLOSE_TIMEOUT:
        return WEIR_ETIMEDOUT;
    case WEIR_END_PROTOCOL:
        return end->fault.status != WEIR_OK ? end->fault.status : WEIR_EPROTOCOL;
    case WEIR_END_TOO_BIG:
        return WEIR_ETOOBIG;
    case WEIR_END_CANCELLED:
        return WEIR_CANCELLED;
    case WEIR_END_IO:
        return end->status != WEIR_OK ? end->status : WEIR_ELOST;
    }
    return WEIR_ELOST;
}

int weir__session_end_status(const weir_session *session, int otherwise)
{
    return session->end != NULL ? weir__end_status(session->end) : otherwise;
}

static void notify_observer(weir_session *session)
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
    weir_endpoint_end_get(&end, &active->endpoint);
    session->end = weir__loop_alloc(session->loop, sizeof end);
    active->end_is_allocated = session->end != NULL;
    if (active->end_is_allocated)
        *session->end = end;
    else
        session->end = &plain_ends[end.kind];
    if (active->close_reason != NULL)
        (void)weir_deferred_complete(active->close_reason, weir__end_status(session->end),
                                     session->end);
    notify_observer(session);
}

void weir__session_end_without_memory(weir_session *session)
{
    session->end = &plain_ends[WEIR_END_CANCELLED];
    notify_observer(session);
}
