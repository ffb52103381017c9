/* What can be asked of a session, and set while it runs. */
#include "ws/session/session.h"

/* What the user has a pointer into stays active as long as the session. */
static struct weir__active *expose(weir_session *session)
{
    if (weir__session_activate_for_call(session) != WEIR_OK)
        return NULL;
    session->active->exposed = true;
    return session->active;
}

weir_channel *weir_session_incoming(weir_session *session)
{
    struct weir__active *active = expose(session);
    return active != NULL ? &active->inlet.incoming : NULL;
}

weir_channel *weir_session_outgoing(weir_session *session)
{
    struct weir__active *active = expose(session);
    return active != NULL ? &active->outlet.outgoing : NULL;
}

weir_scope *weir_session_scope(weir_session *session)
{
    struct weir__active *active = expose(session);
    return active != NULL ? &active->scope : NULL;
}

weir_deferred *weir_session_close_reason(weir_session *session)
{
    struct weir__active *active = expose(session);
    if (active == NULL)
        return NULL;
    if (active->close_reason == NULL &&
        weir_deferred_new(&active->close_reason, session->loop) == WEIR_OK && session->end != NULL)
        (void)weir_deferred_complete(active->close_reason,
                                     weir__session_end_status(session, WEIR_OK), session->end);
    return active->close_reason;
}

void weir_session_end_get(weir_end *out, const weir_session *session)
{
    *out = session->end != NULL ? *session->end : (weir_end){.kind = WEIR_END_NONE};
}

void *weir_session_user(weir_session *session)
{
    return session->user_size > 0 ? session->user : NULL;
}

weir_loop *weir_session_loop(const weir_session *session)
{
    return session->loop;
}

/* --- the endpoint's --- */

/* Its endpoint, in room while it is parked. */
static weir_endpoint *endpoint_of(const weir_session *session, weir_endpoint *room)
{
    if (session->active != NULL)
        return &session->active->endpoint;
    weir__endpoint_unpark(room, &session->terms->limits.endpoint, weir__session_tail(session),
                          session->loop->now_ms);
    return room;
}

/* Keeps what was changed in the endpoint of a parked session. */
static void keep_parked(const weir_session *session, weir_endpoint *endpoint)
{
    if (session->active == NULL)
        (void)weir__endpoint_park(endpoint, weir__session_tail(session));
}

uint64_t weir_session_max_frame_size(const weir_session *session)
{
    weir_endpoint room;
    return weir__endpoint_max_frame_size(endpoint_of(session, &room));
}

void weir_session_set_max_frame_size(weir_session *session, uint64_t bytes)
{
    weir_endpoint room;
    weir_endpoint *endpoint = endpoint_of(session, &room);
    weir_endpoint_set_limits(endpoint, bytes, weir__endpoint_max_message_size(endpoint));
    keep_parked(session, endpoint);
}

bool weir_session_masking(const weir_session *session)
{
    weir_endpoint room;
    return weir_endpoint_masking(endpoint_of(session, &room));
}

void weir_session_set_masking(weir_session *session, bool masking)
{
    weir_endpoint room;
    weir_endpoint *endpoint = endpoint_of(session, &room);
    weir_endpoint_set_masking(endpoint, masking);
    keep_parked(session, endpoint);
}

void weir_session_set_ping(weir_session *session, uint64_t interval_ms, uint64_t timeout_ms)
{
    weir_endpoint room;
    if (session->raw)
        return;
    weir_endpoint *endpoint = endpoint_of(session, &room);
    weir_endpoint_set_ping(endpoint, interval_ms, timeout_ms, session->loop->now_ms);
    keep_parked(session, endpoint);
    if (session->active != NULL)
        weir__session_update(session);
    else if (session->end == NULL)
        weir__timer_set(session->loop, &session->timer, weir_endpoint_deadline(endpoint));
}

uint64_t weir_session_round_trip_ms(const weir_session *session)
{
    weir_endpoint room;
    return weir_endpoint_round_trip_ms(endpoint_of(session, &room));
}

size_t weir_session_queued_bytes(const weir_session *session)
{
    if (session->active != NULL)
        return weir__outlet_queued_bytes(&session->active->outlet);
    return session->stream == NULL ? 0 : weir__io_unsent(&session->stream->io);
}

/* --- what was agreed on --- */

const char *weir_session_subprotocol(const weir_session *session)
{
    return session->subprotocol;
}

const char *weir_session_path(const weir_session *session)
{
    if (session->path != NULL || session->route == NULL)
        return session->path;
    return weir__route_path(session->route);
}

bool weir_session_deflate_terms_get(weir_deflate_terms *out, const weir_session *session)
{
    if (session->deflates && out != NULL)
        *out = session->deflate_terms;
    return session->deflates;
}
