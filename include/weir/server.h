/** @file
 * weir/server.h - WebSocket servers (RFC 6455 4.2): listen, accept, do the opening handshake, and
 * run a handler on each session (weir/handler.h). */
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
/** Servers on loops in threads of their own: see weir_service_new(). */
typedef struct weir_service weir_service;
/** A request that has not been answered yet: what the upgrade hook sees. */
typedef struct weir_upgrade weir_upgrade;

/** How to serve. url has to be set, and either a handler or routes. Borrows all that it points to
 * as long as the server or the service lives. */
typedef struct weir_serve_options {
    /** Where to listen: ws://HOST:PORT[/PATH] (port 0: a free one) or ws+unix:/socket[:/path]. A
     * path other than "/" is that of the one route below. */
    const char *url;
    weir_handler handler;            /**< of the one route without a table: as in weir_route */
    weir_message_handler on_message; /**< the same */
    /** Of the one route without a table: as in weir_route. */
    int (*on_open)(weir_session *session, void *arg);
    /** Of the one route without a table: as in weir_route. */
    void (*on_close)(weir_session *session, const weir_end *end, void *arg);
    void *arg; /**< handed to all of them */
    /** A table of routes instead. The first that fits the path serves. None fits: 404. */
    const weir_route *routes;
    size_t route_count; /**< entries of routes; 0: the one route above */
    /** The server's subprotocols, most wanted first. The first that the client offers is chosen. */
    const char *const *subprotocols;
    size_t subprotocol_count; /**< entries of subprotocols */
    /** The upgrade hook: sees each request before it is accepted. It may suspend. WEIR_OK accepts.
     * A negative status without weir_upgrade_refuse() refuses with 500. NULL: all are accepted. */
    int (*on_upgrade)(weir_upgrade *upgrade, void *arg);
    void *upgrade_arg;            /**< handed to on_upgrade */
    weir_session_options session; /**< of every session */
    /** Most time from the accepted connection to the answer. 0: 10,000 ms; WEIR_UNLIMITED: no
     * limit. When it passes, the connection ends. A client that has sent a part of its request gets
     * 408. */
    uint64_t handshake_timeout_ms;
    /** Most bytes of a request's head, at most 65,536; more gets 431. 0: 8,192. */
    size_t max_head_size;
    /** Most fields of a request's head, at most 1,000; more gets 431. 0: 100. */
    size_t max_head_fields;
    /** Most sessions and opening handshakes of one loop together. Further connections are not
     * accepted until there is room. 0 and WEIR_UNLIMITED: no limit but the number of
     * descriptors. */
    size_t max_sessions;
    unsigned threads; /**< weir_serve(), weir_service: loops, one a thread, at most 1,024; 0: 1 */
    weir_loop_options loop; /**< weir_serve(), weir_service: of each loop */
    /** Called in the calling thread once all loops listen. url has the port that was taken. */
    void (*on_listening)(const char *url, void *arg);
    void *listening_arg; /**< handed to on_listening */
} weir_serve_options;

/** Serves until something fails. Blocks the thread. Must be called outside any loop: it makes loops
 * and threads of its own. Thread-safe.
 *
 * Errors:
 * - WEIR_EINVAL: an option makes no sense;
 * - WEIR_ENOTSUP: wss, or something that is not built in;
 * - WEIR_ERESOLVE: the host is neither a numeric address nor localhost;
 * - WEIR_SYSTEM(EADDRINUSE), ...: the system could not listen;
 * - WEIR_ENOMEM.
 *
 * ```c
 * return weir_serve(&(weir_serve_options){.url = "ws://127.0.0.1:9001/echo", .handler = echo});
 * ``` */
WEIR_API int weir_serve(const weir_serve_options *options);

/** Makes a service: what weir_serve() does, in parts, so that it can be stopped. Does not serve
 * yet.
 *
 * Keeps what the options point to until weir_service_free(). Errors: as weir_serve(). */
WEIR_API WEIR_MUST_USE int weir_service_new(weir_service **out, const weir_serve_options *options);

/** Runs a service until it is stopped: in the calling thread and, with threads > 1, in further
 * ones. Blocks the thread.
 *
 * Returns WEIR_OK after weir_service_stop(). Errors: as weir_serve(); WEIR_ESTATE: the service runs
 * or has run. */
WEIR_API int weir_service_run(weir_service *service);

/** Stops a service: it accepts no more, closes every session with 1001, and weir_service_run()
 * returns when all of them have ended. Called before weir_service_run(), it makes that return soon.
 * Does not wait. Thread-safe and async-signal-safe. */
WEIR_API void weir_service_stop(weir_service *service);

/** Has every loop of a running service dumped (weir_loop_dump()), soon, each on its own thread.
 * Thread-safe and async-signal-safe.
 *
 * Give the same write and arg in every call. A loop serves two calls that come close together by
 * one dump, with the write of one call and perhaps the arg of the other.
 * Errors: WEIR_EINVAL: an argument is NULL. */
WEIR_API int weir_service_dump(weir_service *service,
                               void (*write)(const char *text, size_t size, void *arg), void *arg);

/** Frees a service (Takes). It must not run. NULL is allowed. */
WEIR_API void weir_service_free(weir_service *service);

/** Starts a server on the loop of a scope. Does not suspend. threads and loop are ignored.
 *
 * The server is a child of scope: cancelling the scope stops it. The handle is the caller's until
 * weir_server_free(). Errors: as weir_serve(); WEIR_CANCELLED: the scope is cancelled. */
WEIR_API WEIR_MUST_USE int weir_server_start(weir_server **out, weir_scope *scope,
                                             const weir_serve_options *options);

/** Stops a server: it accepts no more and closes all its sessions with 1001. It ends when they have
 * ended. Does not suspend. */
WEIR_API void weir_server_stop(weir_server *server);

/** Takes the handle back, and stops the server if it was not stopped. Does not suspend: sessions
 * may still be ending. NULL is allowed. */
WEIR_API void weir_server_free(weir_server *server);

/** Where the server listens, with the port that was taken: "ws://127.0.0.1:43211/echo". Lends the
 * string as long as the handle. */
WEIR_API const char *weir_server_url(const weir_server *server);

/** How many sessions have not ended yet. Connections in their opening handshake do not count. */
WEIR_API size_t weir_server_session_count(const weir_server *server);

/* --- what the upgrade hook sees of a request, and what it decides --- */

/** The path and the query of the request's target, and the Origin that a browser sends (RFC 6455
 * 10.2). Percent-encoding is as received. A view is absent when the request has no such part. Lend
 * the view until the hook returns. */
WEIR_API weir_view weir_upgrade_path(const weir_upgrade *upgrade);
WEIR_API weir_view weir_upgrade_query(const weir_upgrade *upgrade);
WEIR_API weir_view weir_upgrade_origin(const weir_upgrade *upgrade);

/** The value of the first field of that name. The case of names does not matter. Absent: there is
 * none. Lends the view until the hook returns. */
WEIR_API weir_view weir_upgrade_header(const weir_upgrade *upgrade, const char *name);

/** Chooses the subprotocol, which the client must have offered, instead of what the server's table
 * gives. NULL: none. Copies the name. Errors: WEIR_EINVAL: it was not offered. */
WEIR_API WEIR_MUST_USE int weir_upgrade_set_subprotocol(weir_upgrade *upgrade, const char *name);

/** Adds a field to the answer, whether it accepts or refuses. Copies name and value.
 * Errors: WEIR_EINVAL: malformed, or a field of the handshake itself; WEIR_ELIMIT: over 32 fields;
 * WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_upgrade_add_header(weir_upgrade *upgrade, const char *name,
                                                   const char *value);

/** Refuses the request with an HTTP status of 200..599 and a text as its body (NULL: the reason
 * phrase). Copies the text.
 * Errors: WEIR_EINVAL: another status; WEIR_ENOMEM: it is refused with the reason phrase. */
WEIR_API WEIR_MUST_USE int weir_upgrade_refuse(weir_upgrade *upgrade, unsigned http_status,
                                               const char *body);

/** The user's state of the session that the request may become: options.session.user_size bytes,
 * zeroed. NULL when that is 0. What the hook writes there weir_session_user() gives later. Lends it
 * until the hook returns. */
WEIR_API void *weir_upgrade_user(weir_upgrade *upgrade);

WEIR_END_DECLS
#endif
