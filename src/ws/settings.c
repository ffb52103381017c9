/* What can be asked of a session, and set while it runs. */
#include "ws/session.h"

weir_channel *weir_session_incoming(weir_session *session)
{
    return &session->inlet.incoming;
}

weir_channel *weir_session_outgoing(weir_session *session)
{
    return &session->outlet.outgoing;
}

weir_deferred *weir_session_close_reason(weir_session *session)
{
    return &session->close_reason;
}

void weir_session_end(const weir_session *session, weir_end *out)
{
    *out = session->end_known ? *session->end : (weir_end){.kind = WEIR_END_NONE};
}

weir_scope *weir_session_scope(weir_session *session)
{
    return &session->scope;
}

void *weir_session_user(weir_session *session)
{
    return session->user_size > 0 ? session->user : NULL;
}

weir_loop *weir_session_loop(const weir_session *session)
{
    return session->scope.loop;
}

uint64_t weir_session_max_frame_size(const weir_session *session)
{
    return weir__endpoint_max_frame_size(&session->endpoint);
}

void weir_session_set_max_frame_size(weir_session *session, uint64_t bytes)
{
    weir_endpoint_set_limits(&session->endpoint, bytes,
                             weir__endpoint_max_message_size(&session->endpoint));
}

bool weir_session_masking(const weir_session *session)
{
    return weir_endpoint_masking(&session->endpoint);
}

void weir_session_set_masking(weir_session *session, bool masking)
{
    weir_endpoint_set_masking(&session->endpoint, masking);
}

void weir_session_set_ping(weir_session *session, uint64_t interval_ms, uint64_t timeout_ms)
{
    if (session->raw)
        return;
    if (interval_ms == 0)
        interval_ms = WEIR__DEFAULT_PING_MS;
    weir_endpoint_set_ping(&session->endpoint, interval_ms == WEIR_UNLIMITED ? 0 : interval_ms,
                           timeout_ms, session->scope.loop->now_ms);
    weir__session_attend(session);
}

uint64_t weir_session_round_trip_ms(const weir_session *session)
{
    return weir_endpoint_round_trip_ms(&session->endpoint);
}

size_t weir_session_queued_bytes(const weir_session *session)
{
    return weir__outlet_unsent(&session->outlet) + session->outlet.outgoing.bytes;
}

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

bool weir_session_deflate_terms(const weir_session *session, weir_deflate_terms *out)
{
    if (session->deflates && out != NULL)
        *out = session->deflate_terms;
    return session->deflates;
}

static bool watches(const weir_observer *observer)
{
    return observer != NULL &&
           (observer->frame_in != NULL || observer->frame_out != NULL || observer->ended != NULL);
}

int weir_session_observe(weir_session *session, const weir_observer *observer)
{
    weir_loop *loop = session->scope.loop;
    if (watches(observer)) {
        if (session->observer == NULL)
            session->observer = weir__loop_alloc(loop, sizeof *session->observer);
        if (session->observer == NULL)
            return WEIR_ENOMEM;
        *session->observer = *observer;
    } else if (session->observer != NULL) {
        weir__loop_free(loop, session->observer, sizeof *session->observer);
        session->observer = NULL;
    }
    weir__session_watch(session);
    return WEIR_OK;
}
