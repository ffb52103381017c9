/* The model's pinger and ponger, for raw sessions: each is a channel whose receiver is an actor
 * without a stack. The default session does the same inside its endpoint. */
#include "ws/session/session.h"

#include <stdio.h>
#include <string.h>

#define PING_TAG        "weir "
#define PING_NONCE_SIZE 8
#define PING_ROOM       (sizeof PING_TAG + (size_t)2 * PING_NONCE_SIZE)

static void drop_frame(weir_channel *channel, void *item)
{
    (void)channel;
    weir_frame_release(item);
}

/* Starts an actor of a session. Its memory lives as long as the session, its job ends with the
 * session's scope. */
static void *new_actor(weir_session *session, size_t size, struct weir__attachment kind)
{
    struct weir__attachment *attachment = weir__loop_alloc(session->loop, size);
    if (attachment == NULL)
        return NULL;
    memset(attachment, 0, size);
    *attachment = kind;
    attachment->size = size;
    attachment->next = session->active->attachments;
    session->active->attachments = attachment;
    return attachment;
}

/* --- pinger --- */

struct pinger {
    struct weir__attachment attachment;
    struct weir__job job;
    weir_channel pongs;
    weir_session *session;
    weir__timer timer;
    uint64_t interval_ms;
    uint64_t timeout_ms;
    bool waiting; /* for a pong */
    char payload[PING_ROOM];
};

static void stop_pinger(struct pinger *pinger)
{
    weir__timer_cancel(&pinger->timer);
    weir_channel_close(&pinger->pongs, WEIR_CLOSED);
    weir__scope_detach(&pinger->job, WEIR_OK);
}

static void cancel_pinger(struct weir__job *job)
{
    stop_pinger(WEIR__CONTAINER(job, struct pinger, job));
}

static const struct weir__job_ops pinger_ops = {cancel_pinger};

static void send_ping(struct pinger *pinger)
{
    uint8_t nonce[PING_NONCE_SIZE];
    weir_loop_random(nonce, sizeof nonce, pinger->session->loop);
    int size = snprintf(pinger->payload, sizeof pinger->payload, PING_TAG);
    for (size_t i = 0; i < sizeof nonce; i++)
        size += snprintf(pinger->payload + size, sizeof pinger->payload - (size_t)size, "%02x",
                         nonce[i]);
    weir_frame ping = weir_frame_ping(pinger->payload, (size_t)size);
    pinger->waiting = true;
    /* No room for it means that the peer does not read. The timeout runs all the same. */
    int status = weir__channel_send_now(&pinger->session->active->outlet.outgoing, &ping);
    if (status != WEIR_OK && status != WEIR_EAGAIN)
        stop_pinger(pinger);
    else
        weir__timer_set_after(pinger->session->loop, &pinger->timer, pinger->timeout_ms);
}

static void pass_pinger_time(weir__timer *timer)
{
    struct pinger *pinger = WEIR__CONTAINER(timer, struct pinger, timer);
    if (!pinger->waiting) {
        send_ping(pinger);
        return;
    }
    weir_session *session = pinger->session;
    stop_pinger(pinger);
    weir_close_now(session, WEIR_CLOSE_INTERNAL_ERROR, "Ping timeout");
}

static int push_pong(weir_channel *channel, void *item)
{
    struct pinger *pinger = WEIR__CONTAINER(channel, struct pinger, pongs);
    weir_frame *frame = item;
    size_t size = strlen(pinger->payload);
    if (pinger->waiting && frame->type == WEIR_FRAME_PONG && frame->size == size &&
        memcmp(frame->data, pinger->payload, size) == 0) {
        pinger->waiting = false;
        weir__timer_set_after(pinger->session->loop, &pinger->timer, pinger->interval_ms);
    }
    weir_frame_release(frame);
    return WEIR_OK;
}

static const struct weir__channel_kind pongs_kind = {
    .item_size = sizeof(weir_frame), .drop = drop_frame, .push = push_pong};

static void fini_pinger(struct weir__attachment *attachment)
{
    struct pinger *pinger = WEIR__CONTAINER(attachment, struct pinger, attachment);
    weir__timer_cancel(&pinger->timer);
    weir__channel_fini(&pinger->pongs);
}

int weir_pinger_start(weir_channel **pongs, weir_session *session, uint64_t interval_ms,
                      uint64_t timeout_ms)
{
    if (pongs == NULL || session == NULL)
        return WEIR_EINVAL;
    *pongs = NULL;
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    if (session->stream == NULL || session->active->scope.cancelled)
        return WEIR_CLOSED;
    struct pinger *pinger =
        new_actor(session, sizeof *pinger, (struct weir__attachment){.fini = fini_pinger});
    if (pinger == NULL)
        return WEIR_ENOMEM;
    pinger->session = session;
    pinger->interval_ms = interval_ms != 0 ? interval_ms : WEIR_PING_INTERVAL_DEFAULT_MS;
    pinger->timeout_ms = timeout_ms != 0 ? timeout_ms : WEIR_PING_TIMEOUT_DEFAULT_MS;
    weir__channel_init(&pinger->pongs, session->loop, &pongs_kind, 1, WEIR_OVERFLOW_SUSPEND);
    weir__timer_init(&pinger->timer, pass_pinger_time);
    weir__timer_set_after(session->loop, &pinger->timer, pinger->interval_ms);
    *pongs = &pinger->pongs;
    return weir__scope_attach(&session->active->scope, &pinger->job, &pinger_ops);
}

/* --- ponger --- */

struct ponger {
    struct weir__attachment attachment;
    struct weir__job job;
    weir_channel pings;
    weir_session *session;
    weir_frame owed; /* the newest pong that had no room; release NULL and size 0: none */
    bool owes;
};

static void stop_ponger(struct ponger *ponger)
{
    weir_channel_close(&ponger->pings, WEIR_CLOSED);
    weir__scope_detach(&ponger->job, WEIR_OK);
}

static void cancel_ponger(struct weir__job *job)
{
    stop_ponger(WEIR__CONTAINER(job, struct ponger, job));
}

static const struct weir__job_ops ponger_ops = {cancel_ponger};

/* Sends a pong if there is room; else keeps it in the place of an older one. Takes frame. */
static void send_pong(struct ponger *ponger, weir_frame *frame)
{
    weir_channel *outgoing = &ponger->session->active->outlet.outgoing;
    int status = weir__channel_send_now(outgoing, frame);
    if (status != WEIR_EAGAIN)
        return;
    if (ponger->owes)
        weir_frame_release(&ponger->owed);
    ponger->owes = weir__frame_ref_keep(frame, ponger->session->loop) == WEIR_OK;
    if (ponger->owes)
        ponger->owed = *frame;
    else
        weir_frame_release(frame);
}

static void fini_ponger(struct weir__attachment *attachment);

/* NULL: it has none. */
static struct ponger *ponger_of(const weir_session *session)
{
    struct weir__attachment *attachment = session->active->attachments;
    while (attachment != NULL && attachment->fini != fini_ponger)
        attachment = attachment->next;
    return attachment == NULL ? NULL : WEIR__CONTAINER(attachment, struct ponger, attachment);
}

/* All output was sent: there is room for the pong that is owed. */
static void retry_pong(struct weir__attachment *attachment)
{
    struct ponger *ponger = WEIR__CONTAINER(attachment, struct ponger, attachment);
    if (!ponger->owes)
        return;
    weir_frame frame = ponger->owed;
    ponger->owes = false;
    send_pong(ponger, &frame);
}

static int push_ping(weir_channel *channel, void *item)
{
    struct ponger *ponger = WEIR__CONTAINER(channel, struct ponger, pings);
    weir_frame *frame = item;
    if (frame->type != WEIR_FRAME_PING) {
        weir_frame_release(frame);
        return WEIR_OK;
    }
    frame->type = WEIR_FRAME_PONG;
    send_pong(ponger, frame);
    return WEIR_OK;
}

static const struct weir__channel_kind pings_kind = {
    .item_size = sizeof(weir_frame), .drop = drop_frame, .push = push_ping};

static void fini_ponger(struct weir__attachment *attachment)
{
    struct ponger *ponger = WEIR__CONTAINER(attachment, struct ponger, attachment);
    if (ponger->owes)
        weir_frame_release(&ponger->owed);
    weir__channel_fini(&ponger->pings);
}

int weir_ponger_start(weir_channel **pings, weir_session *session)
{
    if (pings == NULL || session == NULL)
        return WEIR_EINVAL;
    *pings = NULL;
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    if (session->stream == NULL || session->active->scope.cancelled)
        return WEIR_CLOSED;
    struct ponger *ponger = ponger_of(session);
    if (ponger != NULL) {
        *pings = &ponger->pings;
        return WEIR_OK;
    }
    ponger = new_actor(session, sizeof *ponger,
                       (struct weir__attachment){.drained = retry_pong, .fini = fini_ponger});
    if (ponger == NULL)
        return WEIR_ENOMEM;
    ponger->session = session;
    weir__channel_init(&ponger->pings, session->loop, &pings_kind, 1, WEIR_OVERFLOW_SUSPEND);
    *pings = &ponger->pings;
    return weir__scope_attach(&session->active->scope, &ponger->job, &ponger_ops);
}
