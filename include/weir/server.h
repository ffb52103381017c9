/** @file
 * weir/server.h - WebSocket servers (RFC 6455 4.2): listen, accept, do the opening handshake, and
 * run a handler on each session (weir/handler.h). */
#ifndef WEIR_SERVER_H
#define WEIR_SERVER_H

#include <weir/base.h>
#include <weir/session.h>
#include <weir/upgrade.h>

WEIR_BEGIN_DECLS

/** A server on one loop: see weir_server_start(). */
typedef struct weir_server weir_server;
/** Servers on loops in threads of their own: see weir_service_new(). */
typedef struct weir_service weir_service;
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

WEIR_END_DECLS
#endif
