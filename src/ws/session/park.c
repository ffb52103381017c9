/* A session that is parked: on_message serves it, and nothing goes on in it.
 *
 * Its struct weir__active is freed, and made anew for the next event or call. Its handle, its
 * stream, its timer and the user's state stay where they are. */
#include "ws/session/lru.h"
#include "ws/session/session.h"

static bool is_unused(const weir_channel *channel)
{
    return channel->count == 0 && !weir__channel_is_closed(channel) &&
           weir__list_is_empty(&channel->receivers) && weir__list_is_empty(&channel->senders);
}

static bool inlet_is_idle(const struct weir__inlet *inlet)
{
    return inlet->buf == NULL && !inlet->held && !inlet->discards && !inlet->running &&
           (inlet->cached == NULL || inlet->cached->given_to == NULL) &&
           is_unused(&inlet->incoming);
}

static bool outlet_is_idle(const struct weir__outlet *outlet)
{
    return outlet->output == NULL && !outlet->pumping && weir__list_is_empty(&outlet->late.link) &&
           !weir__flush_is_awaited(&outlet->flush) && !weir__outlet_is_stuck(outlet) &&
           is_unused(&outlet->outgoing);
}

/* Nothing runs in it but the actor, and the user has no pointer into it but the handle. */
static bool is_alone(const struct weir__active *active)
{
    return !active->busy && !active->exposed && active->outlet.lock.holder == NULL &&
           weir__list_is_empty(&active->calls) && active->outlet.lock.waiting == NULL &&
           active->attachments == NULL && active->scope.child_count == 1 &&
           !active->scope.cancelled;
}

static bool may_park_now(const weir_session *session)
{
    const struct weir__active *active = session->active;
    return session->stream != NULL && session->end == NULL && !active->closing &&
           !active->retired && active->pending_close == NULL &&
           weir__list_is_empty(&active->update.link) && is_alone(active) &&
           inlet_is_idle(&active->inlet) && outlet_is_idle(&active->outlet);
}

static void park_now(weir_session *session)
{
    struct weir__active *active = session->active;
    if (!may_park_now(session) ||
        !weir__endpoint_park(&active->endpoint, weir__session_tail(session)))
        return;
    weir__outlet_fini(&active->outlet);
    weir__inlet_fini(&active->inlet);
    session->active = NULL;
    weir__loop_free(session->loop, active, sizeof *active);
}

void weir__session_park(weir_session *session)
{
    if (!may_park_now(session))
        return;
    weir_session *oldest = weir__lru_put(session);
    if (oldest != NULL)
        park_now(oldest);
}

void weir__sessions_park(weir_loop *loop)
{
    weir_session *session;
    while ((session = weir__lru_pop(loop)) != NULL)
        park_now(session);
}

/* --- no memory to unpark --- */

static void take_closed(weir__io *io)
{
    weir_stream *stream = WEIR__CONTAINER(io, weir_stream, io);
    weir_session *session = stream->owner;
    struct weir__endpoint_parked *parked = weir__session_tail(session);
    session->stream = NULL;
    weir__stream_free(stream);
    weir__list_remove(&session->dumpable.link);
    if (parked->codec != NULL)
        parked->codec->ops->free(parked->codec);
    parked->codec = NULL;
    weir__session_notify_closed(session);
    weir__session_detach(session);
    weir__session_discard(session);
}

static const struct weir__io_events dropped_events = {.on_closed = take_closed};

/* Closes it without what an active one needs. */
static void drop(weir_session *session)
{
    session->stream->io.on = &dropped_events;
    weir__timer_cancel(&session->timer);
    weir__session_end_without_memory(session);
    weir__io_close(&session->stream->io, true);
}

/* --- unparked --- */

/* NULL: no memory. */
static struct weir__active *unpark(weir_session *session)
{
    struct weir__active *active = weir__loop_alloc(session->loop, sizeof *active);
    if (active == NULL) { /* other sessions may free enough */
        weir__sessions_park(session->loop);
        active = weir__loop_alloc(session->loop, sizeof *active);
    }
    if (active == NULL)
        return NULL;
    weir__active_init(active, session);
    weir__endpoint_unpark(&active->endpoint, &session->terms->limits.endpoint,
                          weir__session_tail(session), session->loop->now_ms);
    weir__active_connect(active, session->stream);
    return active;
}

int weir__session_unpark_for_call(weir_session *session)
{
    if (session->end != NULL)
        return WEIR_CANCELLED;
    struct weir__active *active = unpark(session);
    if (active == NULL)
        return WEIR_ENOMEM;
    weir__task_post(session->loop, &active->update); /* which parks it again */
    return WEIR_OK;
}

bool weir__session_unpark_for_event(weir_session *session)
{
    if (session->end == NULL && unpark(session) == NULL)
        drop(session);
    return session->active != NULL;
}
