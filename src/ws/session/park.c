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
#define DROWSY_MAX (WEIR__POOL_KEEPS ? 256 : 2)

struct drowsy {
    struct weir__resident resident;
    weir_loop *loop;
    unsigned next; /* whose turn it is to rest */
    weir_session *sessions[DROWSY_MAX];
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
           (inlet->lent == NULL || inlet->lent->lent_to == NULL) && is_unused(&inlet->incoming);
}

static bool outlet_is_idle(const struct weir__outlet *outlet)
{
    return outlet->output == NULL && !outlet->pumping && !outlet->leaves &&
           weir__list_is_empty(&outlet->late.link) && !weir__outlet_is_stuck(outlet) &&
           is_unused(&outlet->outgoing);
}

/* Nothing runs in it but the actor, and the user has nothing of it but the handle. */
static bool is_alone(const struct weir__awake *awake)
{
    return !awake->busy && !awake->lent_out && awake->outlet.lock.holder == NULL &&
           weir__list_is_empty(&awake->calls) && weir__list_is_empty(&awake->outlet.lock.waiting) &&
           awake->attachments == NULL && awake->scope.child_count == 1 && !awake->scope.cancelled;
}

static bool may_rest_now(const weir_session *session)
{
    const struct weir__awake *awake = session->awake;
    return session->stream != NULL && session->end == NULL && !awake->closing && !awake->retired &&
           awake->leaving == NULL && weir__list_is_empty(&awake->attend.link) && is_alone(awake) &&
           inlet_is_idle(&awake->inlet) && outlet_is_idle(&awake->outlet);
}

static void lay_down(weir_session *session)
{
    struct weir__awake *awake = session->awake;
    if (!may_rest_now(session) ||
        !weir__endpoint_lay_down(&awake->endpoint, weir__session_tail(session)))
        return;
    weir__outlet_fini(&awake->outlet);
    weir__inlet_fini(&awake->inlet);
    session->awake = NULL;
    weir__loop_free(session->loop, awake, sizeof *awake);
}

/* --- drowsy --- */

static void fini_drowsy(struct weir__resident *resident)
{
    struct drowsy *drowsy = WEIR__CONTAINER(resident, struct drowsy, resident);
    weir__loop_free(drowsy->loop, drowsy, sizeof *drowsy);
}

static struct drowsy *drowsy_of(const weir_loop *loop)
{
    struct weir__resident *resident = weir__loop_resident(loop, kind);
    return resident == NULL ? NULL : WEIR__CONTAINER(resident, struct drowsy, resident);
}

/* NULL: no memory to keep any awake. */
static struct drowsy *settle_drowsy(weir_loop *loop)
{
    struct drowsy *drowsy = weir__loop_alloc(loop, sizeof *drowsy);
    if (drowsy == NULL)
        return NULL;
    memset(drowsy, 0, sizeof *drowsy);
    drowsy->resident = (struct weir__resident){.kind = kind, .fini = fini_drowsy};
    drowsy->loop = loop;
    weir__loop_settle(loop, &drowsy->resident);
    return drowsy;
}

static void vacate(struct drowsy *drowsy, unsigned place)
{
    weir_session *session = drowsy->sessions[place];
    drowsy->sessions[place] = NULL;
    if (session == NULL)
        return;
    session->awake->drowsy = false;
    lay_down(session);
}

void weir__session_rest(weir_session *session)
{
    if (!may_rest_now(session))
        return;
    struct drowsy *drowsy = drowsy_of(session->loop);
    if (drowsy == NULL)
        drowsy = settle_drowsy(session->loop);
    if (drowsy == NULL) {
        lay_down(session);
        return;
    }
    unsigned place = drowsy->next++ % DROWSY_MAX;
    vacate(drowsy, place);
    drowsy->sessions[place] = session;
    session->awake->drowsy = true;
    session->awake->place = (uint8_t)place;
}

void weir__session_stay(weir_session *session)
{
    struct weir__awake *awake = session->awake;
    if (awake->drowsy)
        drowsy_of(session->loop)->sessions[awake->place] = NULL;
    awake->drowsy = false;
}

void weir__sessions_rest(weir_loop *loop)
{
    struct drowsy *drowsy = drowsy_of(loop);
    for (unsigned place = 0; drowsy != NULL && place < DROWSY_MAX; place++)
        vacate(drowsy, place);
}

/* --- without memory to get up --- */

static void lose_stream(weir__io *io)
{
    weir_stream *stream = WEIR__CONTAINER(io, weir_stream, io);
    weir_session *session = stream->owner;
    struct weir__endpoint_rest *rest = weir__session_tail(session);
    session->stream = NULL;
    weir__stream_free(stream);
    weir__list_remove(&session->dumpable.link);
    if (rest->codec != NULL)
        rest->codec->ops->free(rest->codec);
    rest->codec = NULL;
    weir__session_tell_closed(session);
    weir__session_depart(session);
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
static struct weir__awake *get_up(weir_session *session)
{
    struct weir__awake *awake = weir__loop_alloc(session->loop, sizeof *awake);
    if (awake == NULL) { /* others may have what it takes */
        weir__sessions_rest(session->loop);
        awake = weir__loop_alloc(session->loop, sizeof *awake);
    }
    if (awake == NULL)
        return NULL;
    weir__awake_init(awake, session);
    weir__endpoint_take_up(&awake->endpoint, &session->terms->endpoint, weir__session_tail(session),
                           session->loop->now_ms);
    weir__awake_connect(awake, session->stream);
    return awake;
}

int weir__session_get_up_for_call(weir_session *session)
{
    if (session->end != NULL)
        return WEIR_CANCELED;
    struct weir__awake *awake = get_up(session);
    if (awake == NULL)
        return WEIR_ENOMEM;
    weir__task_post(session->loop, &awake->attend); /* which lets it rest again */
    return WEIR_OK;
}

bool weir__session_get_up_for_event(weir_session *session)
{
    if (session->end == NULL && get_up(session) == NULL)
        drop(session);
    return session->awake != NULL;
}
