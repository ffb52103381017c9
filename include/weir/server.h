/** @file
 * weir/server.h - WebSocket servers (RFC 6455 4.2): listen, accept, shake hands, run a handler a session.
 *
 * A handler has one of two shapes. handler: a coroutine for the session's whole life. on_message: a function called for each
 * message on a coroutine borrowed from a pool; it may suspend, and an idle session then owns no stack. Such a session rests
 * while nothing goes on in it: it gives what it does not need back to the loop. A call that finds no memory to wake it fails with
 * WEIR_ENOMEM and leaves it as it is; what would close it, and an event, then end it at once (WEIR_END_CANCELLED). */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include <weir/base.h>
#include <weir/handler.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/session.h>

WEIR_BEGIN_DECLS

/** A server on one loop: see weir_server_start(). */
typedef struct weir_server weir_server;
/** Servers on loops in threads of their own, to be stopped from elsewhere: see weir_service_new(). */
typedef struct weir_service weir_service;
/** A request that has not been answered yet: for the upgrade hook. */
typedef struct weir_upgrade weir_upgrade;

/** How to serve. url and either a handler or routes have to be set. Borrows all that it points to, as long as it serves. */
typedef struct weir_serve_options {
    /** Where to listen: ws://HOST:PORT[/PATH] (port 0: a free one) or ws+unix:/socket[:/path]. The path, if not "/", is
     * that of the one route below. */
    const char *url;
    weir_handler handler;            /**< one route without a table: as in weir_route */
    weir_message_handler on_message; /**< one route without a table */
    /** Of the one route without a table: as in weir_route. */
    int (*on_open)(weir_session *session, void *arg);
    /** Of the one route without a table: as in weir_route. */
    void (*on_close)(weir_session *session, const weir_end *end, void *arg);
    void *arg; /**< handed to all of them */
    /** A table instead: the first that fits serves; none fits: 404. Must stay valid. */
    const weir_route *routes;
    size_t route_count; /**< entries of routes; 0: the one route above */
    /** Chosen from in this order, when the client offers any. Must stay valid. */
    const char *const *subprotocols;
    size_t subprotocol_count; /**< entries of subprotocols */
    /** Sees each request before it is accepted; may suspend. Returns WEIR_OK to go on; a negative status without
     * weir_upgrade_refuse() refuses with 500. NULL: all are accepted. */
    int (*on_upgrade)(weir_upgrade *upgrade, void *arg);
    void *upgrade_arg;            /**< handed to on_upgrade */
    weir_session_options session; /**< of every session */
    /** From accepted connection to answer; 0: 10,000; WEIR_UNLIMITED: none. Over it: 408, to who has begun to ask. */
    uint64_t handshake_timeout_ms;
    size_t max_head_size; /**< bytes of a request's head; 0: 8,192; at most 65,536. Over it: 431 */
    size_t max_head_fields; /**< fields of it; 0: 100; at most 1,000. Over it: 431 */
    /** Sessions and handshakes of one loop together; further connections wait unaccepted. 0 and
     * WEIR_UNLIMITED: no limit but the number of descriptors. */
    size_t max_sessions;
    unsigned threads; /**< weir_serve and weir_service: loops, one a thread; 0: 1; at most 1,024 */
    weir_loop_options loop; /**< weir_serve and weir_service */
    /** Called once all listen, with the port that was taken. In the calling thread. */
    void (*on_listening)(const char *url, void *arg);
    void *listening_arg; /**< handed to on_listening */
} weir_serve_options;

/** Serves until something fails or the service is stopped: blocks, outside any loop. Makes its own loops and threads.
 * Errors: WEIR_EINVAL (options), WEIR_ENOTSUP (wss), WEIR_ERESOLVE, WEIR_SYSTEM(EADDRINUSE), ..., WEIR_ENOMEM. Thread-safe. */
WEIR_API int weir_serve(const weir_serve_options *options);

/** The same in parts, to be stopped from elsewhere. Keeps what the options point to until it is freed. Errors as weir_serve(). */
WEIR_API WEIR_MUST_USE int weir_service_new(weir_service **out, const weir_serve_options *options);

/** Runs it in the calling thread and, with threads > 1, in further ones, until it is stopped. Returns WEIR_OK after
 * weir_service_stop(). Errors: as weir_serve(), WEIR_ESTATE (it runs, or has run). */
WEIR_API int weir_service_run(weir_service *service);

/** Stops accepting, closes every session with 1001, and lets weir_service_run() return when all have ended. Also before run,
 * which then returns soon. Thread-safe and async-signal-safe: a signal handler may call it. */
WEIR_API void weir_service_stop(weir_service *service);

/** Has every loop of a running service dumped (weir_loop_dump), each on its own thread, soon. Thread-safe and
 * async-signal-safe. Always give the same write and arg: a call that finds another not yet served may have its writer called
 * with this arg. Errors: WEIR_EINVAL (NULL). */
WEIR_API int weir_service_dump(weir_service *service,
                               void (*write)(const char *text, size_t size, void *arg), void *arg);

/** Frees it (Takes). Not while it runs. NULL is allowed. */
WEIR_API void weir_service_free(weir_service *service);

/** Starts a server on the loop of a scope, as a child of it: cancelling the scope stops it. Ignores threads and loop. The
 * handle is the caller's until weir_server_free(). Errors: as weir_serve(), WEIR_CANCELLED. Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_server_start(weir_server **out, weir_scope *scope,
                                             const weir_serve_options *options);

/** Stops accepting and closes all its sessions with 1001; it ends when they have. Does not suspend. */
WEIR_API void weir_server_stop(weir_server *server);

/** Stops it if need be and gives up the handle (Takes). NULL is allowed. Does not suspend: its sessions may still be ending. */
WEIR_API void weir_server_free(weir_server *server);

/** Where it listens, with the port that was taken: "ws://127.0.0.1:43211/echo". Lends it as long as the handle. */
WEIR_API const char *weir_server_url(const weir_server *server);

/** Sessions that have not ended yet; connections in their opening handshake do not count. */
WEIR_API size_t weir_server_session_count(const weir_server *server);

/* --- the upgrade hook's view of a request --- */

/** The path and the query of the request's target, and the Origin that a browser sends along (RFC 6455 10.2).
 * Percent-encoding is as received. Absent views for what is not there. Lend until the hook returns. */
WEIR_API weir_view weir_upgrade_path(const weir_upgrade *upgrade);
WEIR_API weir_view weir_upgrade_query(const weir_upgrade *upgrade);
WEIR_API weir_view weir_upgrade_origin(const weir_upgrade *upgrade);

/** The value of the first field of that name (case does not matter); absent: none. Lends until the hook returns. */
WEIR_API weir_view weir_upgrade_header(const weir_upgrade *upgrade, const char *name);

/** Chooses the subprotocol (one that the client offers), instead of what the table would give; NULL: none. Errors:
 * WEIR_EINVAL when it was not offered. Copies. */
WEIR_API WEIR_MUST_USE int weir_upgrade_set_subprotocol(weir_upgrade *upgrade, const char *name);

/** Adds a field to the answer, be it acceptance or refusal. Copies. Errors: WEIR_EINVAL (malformed, or one that the handshake
 * owns), WEIR_ELIMIT (over 32), WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_upgrade_add_header(weir_upgrade *upgrade, const char *name,
                                                   const char *value);

/** Refuses: http_status 200..599, and a body of text (NULL: the reason phrase). Copies. Errors: WEIR_EINVAL, WEIR_ENOMEM; on
 * ENOMEM the refusal stands, with the phrase. */
WEIR_API WEIR_MUST_USE int weir_upgrade_refuse(weir_upgrade *upgrade, unsigned http_status,
                                               const char *body);

/** The user's state of the session that this may become (options.session.user_size bytes, zeroed; NULL when that is 0): what
 * the hook puts there weir_session_user() gives later. Lends it until the hook returns. */
WEIR_API void *weir_upgrade_user(weir_upgrade *upgrade);

WEIR_END_DECLS
#endif
