/* What runs on a session: the straight-line handler as a coroutine; or on_message, on a coroutine
 * that is borrowed for as long as there is input. */
#include "ws/session/session.h"

/* Sends the Close that the result of a handler asks for. Runs in the handler's own coroutine: it
 * may suspend, within the close timeout. */
static void close_after(weir_session *session, int status)
{
    if (status == WEIR_CANCELLED || weir_scope_is_cancelled(&session->active->scope))
        weir_close_now(session, WEIR_CLOSE_GOING_AWAY, NULL);
    else if (weir__status_is_failure(status))
        (void)weir_close(session, WEIR_CLOSE_INTERNAL_ERROR, NULL);
    else
        (void)weir_close(session, WEIR_CLOSE_NORMAL, NULL);
}

/* The handler has ended, so nothing receives any more: closes the session. If the stream is gone
 * too, everything else that was started in the session ends. */
static int retire(weir_session *session, int status)
{
    struct weir__frame_ref *cached = session->active->inlet.cached;
    session->active->handler_status = status;
    session->active->retired = true;
    if (cached != NULL && cached->given_to != NULL)
        weir__frame_ref_release(cached); /* the variable it was given into is gone */
    weir__inlet_discard(&session->active->inlet);
    close_after(session, status);
    session->active->busy = false;
    if (session->stream == NULL)
        weir_scope_cancel(&session->active->scope);
    return WEIR_OK;
}

static int run_handler(void *arg)
{
    weir_session *session = arg;
    return retire(session, session->route->handler(session, session->route->arg));
}

/* Serves what is there now. Returns how the messages ended: WEIR_EAGAIN: not yet. */
static int serve_pending(weir_session *session)
{
    const weir_route *route = session->route;
    for (;;) {
        weir_frame frame;
        int status = weir__channel_receive_now(&session->active->inlet.incoming, &frame);
        if (status != WEIR_OK)
            return status;
        status = route->on_message(session, &frame, route->arg);
        weir_frame_release(&frame);
        if (status < 0)
            return weir__status_is_failure(status) ? status : WEIR_CLOSED;
        if (session->active->scope.cancelled)
            return WEIR_CANCELLED;
    }
}

static int run_messages(void *arg)
{
    weir_session *session = arg;
    int status = serve_pending(session);
    if (status != WEIR_EAGAIN)
        return retire(session, status);
    struct weir__active *active = session->active;
    active->busy = false;
    if (session->stream == NULL)
        weir_scope_cancel(&active->scope);
    else if (!active->inlet.running) /* else the caller that runs it does the rest */
        weir__task_post(session->loop, &active->update);
    return WEIR_OK;
}

static int run_open(void *arg)
{
    weir_session *session = arg;
    int status = session->route->on_open(session, session->route->arg);
    return status >= 0 ? run_messages(session) : retire(session, status);
}

void weir__session_serve_messages(weir_session *session)
{
    if (session->active->busy || session->active->retired)
        return;
    session->active->busy = true;
    int status =
        weir__coroutine_start(&session->active->scope, "on_message", run_messages, session, true);
    if (status == WEIR_OK)
        return;
    session->active->busy = false;
    session->active->retired = true;
    /* Cancelled: our Close is in flight, and only the peer's Close counts any more. */
    if (status == WEIR_CANCELLED)
        weir__inlet_discard(&session->active->inlet);
    else
        weir_terminate(session);
}

int weir__session_serve(weir_session *session, const weir_route *route)
{
    int (*run)(void *arg) = route->handler != NULL ? run_handler : run_open;
    session->route = route;
    if (route->handler == NULL && route->on_open == NULL)
        return WEIR_OK;
    session->active->busy = true;
    int status =
        weir__coroutine_start(&session->active->scope,
                              route->handler != NULL ? "handler" : "on_open", run, session, true);
    if (status != WEIR_OK) {
        session->active->busy = false;
        session->active->retired = true;
        weir_terminate(session);
    }
    return status;
}
