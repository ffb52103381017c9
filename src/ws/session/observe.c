/* How a session is watched without being changed. */
#include "ws/session/session.h"

static bool watches(const weir_observer *observer)
{
    return observer != NULL &&
           (observer->frame_in != NULL || observer->frame_out != NULL || observer->ended != NULL);
}

int weir_session_observe(weir_session *session, const weir_observer *observer)
{
    weir_loop *loop = session->loop;
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
