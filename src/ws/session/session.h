/* ws/session/session.h - the inside of a session: what its parts share, and what each offers.
 *
 * The endpoint knows the protocol, the inlet reads, the outlet writes. A session ties them to a
 * stream, a timer and a scope. Its scope holds one job for the stream (the actor) and whatever the
 * user starts. The actor ends when the stream is closed. The session ends when its scope is empty.
 *
 * A session that on_message serves is parked while nothing goes on in it: then only the handle is
 * left (park.c). A call or an event that needs more activates it.
 *
 * The parts, each knowing only those before it: observe, end, lru, life, park, update, send,
 * message, receive, broadcast, close, settings, pingpong, compression, serve, start.
 * Single-threaded. */
#ifndef WEIR_WS_SESSION_SESSION_H
#define WEIR_WS_SESSION_SESSION_H

#include "net/stream.h"
#include "rt/channel.h"
#include "wire/endpoint.h"
#include "ws/flow/inlet.h"
#include "ws/flow/limits.h"
#include "ws/flow/outlet.h"

#include <weir/handler.h>
#include <weir/session.h>

/* A call of a coroutine that suspends inside a session and may outlive it there. It stands on that
 * coroutine's stack. The end of the session takes it out of the session's list and wakes it, if it
 * waits for that. */
struct weir__call {
    weir__node link;
    struct weir__wait *wait; /* NULL: woken by something else */
};

/* Something that lives in a session's memory as long as the session: a pinger, a ponger. */
struct weir__attachment {
    struct weir__attachment *next;
    size_t size;
    void (*drained)(struct weir__attachment *attachment); /* all output was sent; NULL: no matter */
    void (*fini)(struct weir__attachment *attachment);
};

/* A Close that waits for its place in the output. */
struct weir__pending_close {
    weir_close_reason reason; /* code 0: none is named */
    uint64_t deadline_ms;
    bool jumps; /* over what is queued */
};

/* What started a session, and is told when all has ended, just before the session is freed. */
struct weir__session_host {
    void (*finished)(struct weir__session_host *host);
};

/* What drives an active session: start.c has the one there is. Parts reach what stands above them
 * through it. */
struct weir__session_machine {
    const struct weir__outlet_events *outlet;
    const struct weir__inlet_events *inlet;
    const struct weir__job_ops *actor;
    void (*update)(weir__task *task);
    void (*pass_deadline)(weir__timer *timer);
    void (*serve)(weir_session *session); /* on_message: there may be input for it */
};

/* What follows from a session's options for as long as it lives. The sessions of a server share
 * them. */
struct weir__session_terms {
    struct weir__limits limits;
    const struct weir__session_machine *machine;
    struct weir__session_host *host; /* NULL: none */
};

/* What a session needs while something goes on in it. What is rare stands behind pointers: most
 * sessions pay for all of this as long as they live. */
struct weir__active {
    weir_session *session;
    /* Its own job is the actor, and in it: what stands in the scope above is the session's. */
    weir_scope scope;
    weir_endpoint endpoint;
    struct weir__inlet inlet;
    struct weir__outlet outlet;
    weir__task update; /* queued: go on with held input, and update, in a context of its own */
    weir__node calls;  /* of struct weir__call */
    weir_deferred *close_reason; /* NULL: it was not asked for */
    struct weir__pending_close *pending_close;
    struct weir__attachment *attachments;
    int handler_status; /* what the handler returned */
    uint8_t place;      /* when in_lru: there */
    bool in_lru : 1;    /* it could be parked, and will be when its place is needed */
    bool exposed : 1;   /* the user has a pointer into it: it stays active */
    bool end_is_allocated : 1;
    bool shut_down : 1; /* the write side */
    bool closing : 1;   /* the stream */
    bool busy : 1;      /* a handler runs */
    bool retired : 1;   /* on_message is not called any more */
    bool over : 1;      /* finished */
};

/* The handle, and all that a parked session is. */
struct weir_session {
    struct weir__active *active; /* NULL: parked, or dropped for want of memory */
    weir_loop *loop;
    weir_stream *stream;  /* NULL before it opens and after it closed */
    struct weir__job job; /* in the scope it was started in */
    weir__timer timer;    /* armed for the endpoint's deadline; then, for a handler that stays on */
    struct weir__dumpable dumpable;
    const struct weir__session_terms *terms;
    const weir_route *route; /* what serves it; NULL: a handle of the user's */
    weir_observer *observer; /* NULL: none */
    weir_end *end;           /* NULL until it is known; allocated, or one of a static table */
    char *subprotocol;       /* of the loop's memory, or NULL */
    char *path;              /* the same; also NULL where the route's is equal */
    uint32_t user_size;
    weir_deflate_terms deflate_terms; /* when deflates */
    bool deflates;                    /* permessage-deflate was agreed on */
    bool raw;
    bool may_park;
    bool owns_terms; /* they stand in its own block */
    bool handed_out; /* the user has a handle */
    /* The user's state. Behind it: the parked endpoint if the session may be parked, else its
     * struct weir__active; and then its own terms. */
    _Alignas(max_align_t) uint8_t user[];
};

/* The path that most of a route's sessions ask for: those need no copy of their own. */
static inline const char *weir__route_path(const weir_route *route)
{
    return route->path != NULL ? route->path : "/";
}

/* How long closing may take: of the handshake, and of a handler behind it. */
static inline uint64_t weir__session_close_timeout(const weir_session *session)
{
    return session->terms->limits.endpoint.close_timeout_ms;
}

/* --- end.c: how it ended --- */

/* Reports how it ended, once the endpoint knows. */
void weir__session_report_end(weir_session *session);

/* The same for a session that has no memory to say more. */
void weir__session_end_without_memory(weir_session *session);

/* What receivers get, once the end is known, and else another status. */
int weir__session_end_status(const weir_session *session, int otherwise);

/* --- life.c: made and freed --- */

struct weir__session_plan {
    const struct weir__session_terms *terms;
    const weir_session_options *options; /* of which user_size and observer are looked at */
    bool owns_terms;                     /* a copy, in its own block; else Keeps them */
    bool may_park;
};

/* Makes a session that has no stream yet. Errors: WEIR_EINVAL (user_size), WEIR_ENOMEM. */
WEIR_MUST_USE int weir__session_new(weir_session **out, weir_loop *loop,
                                    const struct weir__session_plan *plan);

/* Frees one that was never opened, or that is over. */
void weir__session_discard(weir_session *session);

/* What stands behind the user's state: see there. */
void *weir__session_tail(const weir_session *session);

/* What it needs active, in memory of sizeof(struct weir__active), but for the endpoint; and what
 * ties that to an open stream. */
void weir__active_init(struct weir__active *active, weir_session *session);
void weir__active_connect(struct weir__active *active, weir_stream *stream);

/* Calls on_close. */
void weir__session_notify_closed(weir_session *session);

/* Leaves the scope that it was started in, and its host. */
void weir__session_detach(weir_session *session);

/* --- calls that may outlive it --- */

/* The session is active, and stays so until the call ends. */
static inline void weir__call_begin(struct weir__call *call, weir_session *session)
{
    call->wait = NULL;
    weir__list_push(&session->active->calls, &call->link);
}

/* Whether the session has not ended since. If it has, it may be gone. */
static inline bool weir__call_goes_on(const struct weir__call *call)
{
    return !weir__list_is_empty(&call->link);
}

/* The same, for the last time. */
static inline bool weir__call_end(struct weir__call *call)
{
    bool goes_on = weir__call_goes_on(call);
    weir__list_remove(&call->link);
    return goes_on;
}

/* --- park.c --- */

/* Makes sure that it is active, for a call of the user's, until that suspends or returns. Errors:
 * WEIR_ENOMEM, WEIR_CANCELLED (it was dropped). */
WEIR_MUST_USE int weir__session_unpark_for_call(weir_session *session);
WEIR_MUST_USE static inline int weir__session_activate_for_call(weir_session *session)
{
    return session->active != NULL ? WEIR_OK : weir__session_unpark_for_call(session);
}

/* The same for something that happens to it: without memory it is dropped, and this says false. */
bool weir__session_unpark_for_event(weir_session *session);
static inline bool weir__session_activate_for_event(weir_session *session)
{
    return session->active != NULL || weir__session_unpark_for_event(session);
}

/* Parks it, now or when its place is needed, if nothing goes on in it. From the loop's context, at
 * the end of what happened to it: nothing may be running inside. */
void weir__session_park(weir_session *session);
static inline void weir__session_let_park(weir_session *session)
{
    if (session->may_park && session->active != NULL && !session->active->in_lru)
        weir__session_park(session);
}

/* Parks every session of a loop that may be: for their memory. */
void weir__sessions_park(weir_loop *loop);

/* --- update.c: what happens to it, and what follows --- */

extern const struct weir__io_events weir__session_stream_events;
extern const struct weir__outlet_events weir__session_outlet_events;
extern const struct weir__inlet_events weir__session_inlet_events;
void weir__session_update_task(weir__task *task);
void weir__session_pass_deadline(weir__timer *timer);

/* Looks at what the endpoint wants and does it: flush, half-close, close, report the end, set the
 * timer. To be called after every use of the endpoint. */
void weir__session_update(weir_session *session);

/* Feeds bytes that came behind the opening handshake. */
void weir__session_feed(weir_session *session, weir__buf *buf, uint8_t *data, size_t size);

/* --- send.c --- */

/* Waits until no other coroutine is inside a message, and makes sure that the session is active.
 * may_suspend false: WEIR_EAGAIN instead. On failure the session may be gone. */
WEIR_MUST_USE int weir__session_await_lock(weir_session *session, bool may_suspend);

/* As weir_send(), of a frame that borrows its bytes. */
WEIR_MUST_USE int weir__session_send_borrowed(weir_session *session, weir_frame frame);

/* --- close.c --- */

/* Begins to close it without the queue. ahead: its Close jumps over what is queued; else it goes
 * behind that. */
void weir__session_begin_close(weir_session *session, unsigned code, const char *message,
                               bool ahead);

/* --- observe.c --- */

/* Has its parts report each frame while it is observed. */
static inline void weir__session_watch(weir_session *session)
{
    struct weir__active *active = session->active;
    if (active != NULL)
        active->inlet.watched = active->outlet.watched = session->observer != NULL;
}

/* --- serve.c --- */

/* Runs the route of a session: its handler as a coroutine, or on_open and then on_message for what
 * comes. */
WEIR_MUST_USE int weir__session_serve(weir_session *session, const weir_route *route);

/* on_message: there may be input for it. From the loop's context. */
void weir__session_serve_messages(weir_session *session);

/* --- start.c --- */

/* Checks and converts options. Errors: WEIR_EINVAL. */
WEIR_MUST_USE int weir__session_terms_init(struct weir__session_terms *out, weir_loop *loop,
                                           enum weir_role role, bool raw,
                                           const weir_session_options *options);

/* Opens it: a child of scope that owns the stream from now on, with bytes that were read already.
 * first, if not NULL, is sent before anything else (the answer to the opening handshake). Takes the
 * stream; on failure session and stream are gone. */
WEIR_MUST_USE int weir__session_open(weir_session *session, weir_scope *scope, weir_stream *stream,
                                     const weir_buffer *first);

/* --- compression.c --- */

/* Makes sure that sessions of this loop can compress as the options say. Errors: WEIR_EINVAL,
 * WEIR_ENOTSUP (built without), WEIR_ENOMEM. */
WEIR_MUST_USE int weir__deflate_prepare(weir_loop *loop, const weir_deflate_options *options);

/* Has a session compress from now on; its loop was prepared. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE int weir__session_deflate(weir_session *session, enum weir_role role,
                                        const weir_deflate_options *options,
                                        const weir_deflate_terms *terms);

#endif
