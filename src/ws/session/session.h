/* ws/session/session.h - the inside of a session: who drives what. The endpoint knows the protocol; the inlet reads; the outlet writes; all that ties
 * them to a stream, a timer and a scope. Single-threaded.
 *
 * The session's scope holds one job for the stream (the actor) and whatever the user starts. The actor ends when the stream is closed;
 * the session ends when its scope is empty.
 *
 * A session that is served by on_message is at rest while nothing goes on in it: then all of that is gone but for what the handle itself holds
 * (rest.c). Whoever needs more rouses it. */
#ifndef WEIR_WS_SESSION_SESSION_H
#define WEIR_WS_SESSION_SESSION_H

#include "net/stream.h"
#include "rt/channel.h"
#include "wire/endpoint.h"
#include "ws/flow/inlet.h"
#include "ws/flow/outlet.h"

#include <weir/server.h>
#include <weir/session.h>

#define WEIR__DEFAULT_CAPACITY   8
#define WEIR__DEFAULT_HIGH_WATER (1024 * 1024)

/* A call of a coroutine that suspends inside a session and may outlive it there. It stands on that coroutine's stack. The end of the session
 * takes it out of the session's list and wakes it, if it waits for that. */
struct weir__call {
    weir__node link;
    struct weir__wait *wait; /* NULL: woken by something else */
};

/* Something that lives in a session's memory as long as the session: a pinger, a ponger. */
struct weir__attachment {
    struct weir__attachment *next;
    size_t size;
    void (*fini)(struct weir__attachment *attachment);
};

/* A Close that waits for its place in the output. */
struct weir__pending_close {
    weir_close_reason reason; /* code 0: none is named */
    uint64_t deadline_ms;
};

/* Who started a session, and is told when all has ended, just before it is freed. */
struct weir__session_host {
    void (*finished)(struct weir__session_host *host);
};

/* What follows from a session's options, for as long as it lives. Those of a server are the same for all its sessions. */
struct weir__session_terms {
    weir_endpoint_options endpoint;
    struct weir__session_host *host; /* NULL: none */
    uint32_t incoming_capacity;
    uint32_t outgoing_capacity;
    uint32_t high_water;
    uint8_t incoming_overflow; /* enum weir_overflow */
    uint8_t outgoing_overflow; /* the same */
};

/* What a session needs while something goes on in it. What is rare stands behind pointers: most sessions pay for all of this as long as they live. */
struct weir__active {
    weir_session *session;
    /* Its own job is the actor, and in it: what stands in the scope above is the session's. */
    weir_scope scope;
    weir_endpoint endpoint;
    struct weir__inlet inlet;
    struct weir__outlet outlet;
    weir__task update; /* queued: go on with held input and attend, in a context of its own */
    weir__node calls;  /* of struct weir__call */
    weir_deferred *close_reason;               /* NULL: nobody has asked for it */
    struct weir__pending_close *pending_close; /* behind a large payload, or all that is queued */
    struct weir__attachment *attachments;
    int handler_status; /* what the handler returned */
    uint8_t place;      /* while drowsy: among those */
    bool in_lru : 1;    /* it may go to rest, and will when others need its place */
    bool exposed : 1;   /* the user has a pointer into it: it stays */
    bool end_is_allocated : 1;
    bool shut_down : 1; /* the write side */
    bool closing : 1;   /* the stream */
    bool busy : 1;      /* a handler runs */
    bool retired : 1;   /* on_message is not called any more */
    bool over : 1;      /* finished */
};

/* The handle, and what a session at rest is. */
struct weir_session {
    struct weir__active *active; /* NULL: at rest, or dropped for want of memory */
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
    /* Then the endpoint's rest, if it may rest, else what it needs awake; then the terms that it owns. */
    _Alignas(max_align_t) uint8_t user[];
};

/* What a session is, besides its options. */
struct weir__session_plan {
    enum weir_role role;
    bool raw;
    bool may_park;
    const struct weir__session_terms
        *terms; /* Keeps them as long as the session; NULL: made of the session's options */
};

bool weir__session_options_are_valid(const weir_session_options *options);

/* The endpoint's options that follow from a session's. */
void weir__session_endpoint_options(weir_endpoint_options *out, weir_loop *loop,
                                    enum weir_role role, bool raw,
                                    const weir_session_options *options);

/* All that follows from them. */
void weir__session_terms_init(struct weir__session_terms *out, weir_loop *loop, enum weir_role role,
                              bool raw, const weir_session_options *options);

/* The limit of bytes that options ask for (0: the default). Beyond 4 GiB it is none. */
static inline uint32_t weir__high_water(size_t bytes)
{
    if (bytes == 0)
        return WEIR__DEFAULT_HIGH_WATER;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* The path that its sessions mostly ask for: those need no copy of their own. */
static inline const char *weir__route_path(const weir_route *route)
{
    return route->path != NULL ? route->path : "/";
}

/* How long closing may take: of the handshake, and of a handler behind it. */
static inline uint64_t weir__session_close_timeout(const weir_session *session)
{
    return session->terms->endpoint.close_timeout_ms;
}

/* --- at rest --- */

/* Makes sure that it is awake, for a call of the user's: until that suspends or returns. Errors: WEIR_ENOMEM, WEIR_CANCELLED (it was dropped). */
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

/* What it needs awake, in memory of sizeof(struct weir__active), but for the endpoint; and what ties that to an open stream. */
void weir__active_init(struct weir__active *active, weir_session *session);
void weir__active_connect(struct weir__active *active, weir_stream *stream);

/* What stands behind the user's state: see there. */
void *weir__session_tail(const weir_session *session);

/* Lets it go to rest, now or when its turn comes, if nothing goes on in it. From the loop's context, at the end of what happened to it: nobody may be inside. */
void weir__session_park(weir_session *session);
static inline void weir__session_let_park(weir_session *session)
{
    if (session->may_park && session->active != NULL && !session->active->in_lru)
        weir__session_park(session);
}

/* It ends: it is not to go to rest any more. */
void weir__session_keep_active(weir_session *session);

/* Has all of a loop rest that may. */
void weir__sessions_park(weir_loop *loop);

/* --- life --- */

/* Has its rooms tell of each frame while somebody observes. */
static inline void weir__session_watch(weir_session *session)
{
    struct weir__active *active = session->active;
    if (active != NULL)
        active->inlet.watched = active->outlet.watched = session->observer != NULL;
}

/* Makes a session that has no stream yet. Errors: WEIR_EINVAL (options), WEIR_ENOMEM. */
WEIR_MUST_USE int weir__session_new(weir_session **out, weir_loop *loop,
                                    const struct weir__session_plan *plan,
                                    const weir_session_options *options);

/* Frees one that was never opened. */
void weir__session_discard(weir_session *session);

/* Opens it: a child of scope that owns the stream from now on, with bytes that were read already. first, if not NULL, is sent before anything
 * else (the answer to the opening handshake). Takes the stream and rest; on failure session and stream are gone. */
WEIR_MUST_USE int weir__session_open(weir_session *session, weir_scope *scope, weir_stream *stream,
                                     const weir_buffer *first);

/* Calls on_close. */
void weir__session_tell_closed(weir_session *session);

/* Leaves the scope that it was started in, and its host. */
void weir__session_detach(weir_session *session);

/* What happens to it. */
extern const struct weir__io_events weir__session_stream_events;
extern const struct weir__outlet_events weir__session_outlet_events;
extern const struct weir__inlet_events weir__session_inlet_events;
void weir__session_update_task(weir__task *task);
void weir__session_pass_deadline(weir__timer *timer);

/* Feeds bytes that came behind the opening handshake. */
void weir__session_feed(weir_session *session, weir__buf *buf, uint8_t *data, size_t size);

/* Looks at what the endpoint wants and does it: flush, half-close, close, report the end, set the timer. To be called after every use of the endpoint. */
void weir__session_update(weir_session *session);

/* Tells how it ended, once the endpoint knows. */
void weir__session_report_end(weir_session *session);

/* What receivers get, once the end is known, and else another status. */
int weir__session_end_status(const weir_session *session, int otherwise);

/* Begins to close it without the queue: ahead: its Close jumps over what is queued; else it goes behind that. */
void weir__session_begin_close(weir_session *session, unsigned code, const char *message,
                               bool ahead);

/* Closes the stream without more ado; reset: unsent bytes are discarded. */
void weir__session_close_stream(weir_session *session, bool reset);

/* Runs the route of a session: its handler as a coroutine, or on_open and then on_message for what comes. */
WEIR_MUST_USE int weir__session_serve(weir_session *session, const weir_route *route);

/* on_message: there may be input for it. From the loop's context. */
void weir__session_serve_messages(weir_session *session);

/* Frees pingers and pongers, at the very end. Sends the pong that had no room before. */
void weir__session_free_attachments(weir_session *session);
void weir__session_retry_pong(weir_session *session);

/* --- calls that may outlive it --- */

/* The session is awake, and stays so until the call ends. */
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

/* --- compression --- */

/* Makes sure that sessions of this loop can compress as the options say. Errors: WEIR_EINVAL, WEIR_ENOTSUP (built without), WEIR_ENOMEM. */
WEIR_MUST_USE int weir__deflate_prepare(weir_loop *loop, const weir_deflate_options *options);

/* Has a session compress from now on; its loop was prepared. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE int weir__session_deflate(weir_session *session, enum weir_role role,
                                        const weir_deflate_options *options,
                                        const weir_deflate_terms *terms);

#endif
