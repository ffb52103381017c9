/* A session at rest: served by on_message, and nothing goes on in it. What it needs awake is given back to the loop, and made anew for the next event
 * or call; its handle, its stream and its timer stay where they are, and so does the user's state.
 *
 * That costs some hundreds of instructions, which those that are at work all the time need not pay: the last sessions of a loop that came to have
 * nothing to do are drowsy, still awake. Each next one sends the first of them to rest. */
#include "rt/loop.h"
#include "ws/session/end.h"
#include "ws/session/session.h"

#include <string.h>

/* Few where the pool keeps nothing either, so that a use of what is gone is seen. */
#define LRU_MAX (WEIR__POOL_KEEPS ? 256 : 2)

struct lru {
    struct weir__loop_data data;
    weir_loop *loop;
    unsigned next; /* whose turn it is to rest */
    weir_session *sessions[LRU_MAX];
};

static const char kind[] = "drowsy sessions";

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
    return outlet->output == NULL && !outlet->pumping && !outlet->close_jumps &&
           weir__list_is_empty(&outlet->late.link) && !weir__outlet_is_stuck(outlet) &&
           is_unused(&outlet->outgoing);
}

/* Nothing runs in it but the actor, and the user has nothing of it but the handle. */
static bool is_alone(const struct weir__active *active)
{
    return !active->busy && !active->exposed && active->outlet.lock.holder == NULL &&
           weir__list_is_empty(&active->calls) &&
           weir__list_is_empty(&active->outlet.lock.waiting) && active->attachments == NULL &&
           active->scope.child_count == 1 && !active->scope.cancelled;
}

static bool may_park_now(const weir_session *session)
{
    const struct weir__active *active = session->active;
    return session->stream != NULL && session->end == NULL && !active->closing &&
           !active->retired && active->pending_close == NULL &&
           weir__list_is_empty(&active->update.link) && is_alone(active) &&
           inlet_is_idle(&active->inlet) && outlet_is_idle(&active->outlet);
}

static void park(weir_session *session)
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

/* --- drowsy --- */

static void fini_lru(struct weir__loop_data *data)
{
    struct lru *lru = WEIR__CONTAINER(data, struct lru, data);
    weir__loop_free(lru->loop, lru, sizeof *lru);
}

static struct lru *lru_of(const weir_loop *loop)
{
    struct weir__loop_data *data = weir__loop_data_find(loop, kind);
    return data == NULL ? NULL : WEIR__CONTAINER(data, struct lru, data);
}

/* NULL: no memory to keep any awake. */
static struct lru *attach_lru(weir_loop *loop)
{
    struct lru *lru = weir__loop_alloc(loop, sizeof *lru);
    if (lru == NULL)
        return NULL;
    memset(lru, 0, sizeof *lru);
    lru->data = (struct weir__loop_data){.kind = kind, .fini = fini_lru};
    lru->loop = loop;
    weir__loop_attach(loop, &lru->data);
    return lru;
}

static void vacate(struct lru *lru, unsigned place)
{
    weir_session *session = lru->sessions[place];
    lru->sessions[place] = NULL;
    if (session == NULL)
        return;
    session->active->in_lru = false;
    park(session);
}

void weir__session_park(weir_session *session)
{
    if (!may_park_now(session))
        return;
    struct lru *lru = lru_of(session->loop);
    if (lru == NULL)
        lru = attach_lru(session->loop);
    if (lru == NULL) {
        park(session);
        return;
    }
    unsigned place = lru->next++ % LRU_MAX;
    vacate(lru, place);
    lru->sessions[place] = session;
    session->active->in_lru = true;
    session->active->place = (uint8_t)place;
}

void weir__session_keep_active(weir_session *session)
{
    struct weir__active *active = session->active;
    if (active->in_lru)
        lru_of(session->loop)->sessions[active->place] = NULL;
    active->in_lru = false;
}

void weir__sessions_park(weir_loop *loop)
{
    struct lru *lru = lru_of(loop);
    for (unsigned place = 0; lru != NULL && place < LRU_MAX; place++)
        vacate(lru, place);
}

/* --- without memory to get up --- */

static void lose_stream(weir__io *io)
{
    weir_stream *stream = WEIR__CONTAINER(io, weir_stream, io);
    weir_session *session = stream->owner;
    struct weir__endpoint_parked *rest = weir__session_tail(session);
    session->stream = NULL;
    weir__stream_free(stream);
    weir__list_remove(&session->dumpable.link);
    if (rest->codec != NULL)
        rest->codec->ops->free(rest->codec);
    rest->codec = NULL;
    weir__session_tell_closed(session);
    weir__session_detach(session);
    weir__session_discard(session);
}

static const struct weir__io_events dropped_events = {.on_closed = lose_stream};

/* Closes it without what being awake takes. */
static void drop(weir_session *session)
{
    session->stream->io.on = &dropped_events;
    weir__timer_cancel(&session->timer);
    weir__end_without_memory(session);
    weir__io_close(&session->stream->io, true);
}

/* --- up again --- */

/* Out of its rest. NULL: no memory. */
static struct weir__active *unpark(weir_session *session)
{
    struct weir__active *active = weir__loop_alloc(session->loop, sizeof *active);
    if (active == NULL) { /* others may have what it takes */
        weir__sessions_park(session->loop);
        active = weir__loop_alloc(session->loop, sizeof *active);
    }
    if (active == NULL)
        return NULL;
    weir__active_init(active, session);
    weir__endpoint_unpark(&active->endpoint, &session->terms->endpoint, weir__session_tail(session),
                          session->loop->now_ms);
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
    weir__task_post(session->loop, &active->update); /* which lets it rest again */
    return WEIR_OK;
}

bool weir__session_unpark_for_event(weir_session *session)
{
    if (session->end == NULL && unpark(session) == NULL)
        drop(session);
    return session->active != NULL;
}
