/** @file
 * weir/client.h - WebSocket clients (RFC 6455 4.1): resolve the host, connect, do the opening
 * handshake, and hand out the session. */
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include <weir/base.h>
#include <weir/handler.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/session.h>

WEIR_BEGIN_DECLS

/** Why there is no session. For people: code branches on the status. */
typedef struct weir_connect_failure {
    int status;           /**< what the call returned */
    unsigned http_status; /**< the server's answer; 0: none came */
    weir_fault fault;     /**< the rule that the server's answer broke, if it broke one */
    /** The beginning of the refusal's body as text, as far as it came in time. A NUL ends it. */
    char body[1024];
} weir_connect_failure;

/** How to connect. Only url has to be set. Borrows all that it points to. */
typedef struct weir_connect_options {
    const char *url;                 /**< ws://... or ws+unix:... */
    const weir_http_header *headers; /**< further fields of the request */
    size_t header_count;             /**< entries of headers */
    const char *const *subprotocols; /**< offered to the server, most wanted first */
    size_t subprotocol_count;        /**< entries of subprotocols */
    const char *origin;              /**< value of the Origin field; NULL: none */
    /** Most time for resolving and connecting. 0: 10,000 ms; WEIR_UNLIMITED: no limit. */
    uint64_t connect_timeout_ms;
    /** Most time for the opening handshake. 0: 10,000 ms; WEIR_UNLIMITED: no limit. */
    uint64_t handshake_timeout_ms;
    /** Most bytes of the answer's head, at most 65,536; more gives WEIR_ETOOBIG. 0: 8,192. */
    size_t max_head_size;
    weir_session_options session;  /**< of the session */
    weir_handler handler;          /**< weir_connect(): runs on the session, as on a server */
    void *arg;                     /**< handed to the handler */
    weir_loop_options loop;        /**< weir_connect(): of its loop */
    weir_connect_failure *failure; /**< filled when there is no session; NULL: not asked for */
} weir_connect_options;

/** Connects, runs the handler on the session, closes the session as a server does after its
 * handler, and waits for its end. Blocks the thread. Must be called outside any loop. Thread-safe:
 * each call has a loop of its own.
 *
 * Returns what the handler returned, or why there was no session:
 * - WEIR_EREFUSED: the server answered with another status than 101, in failure->http_status;
 * - WEIR_ETIMEDOUT: a time passed;
 * - WEIR_ERESOLVE: the host name has no address;
 * - WEIR_SYSTEM(ECONNREFUSED), ...: the system could not connect;
 * - WEIR_EPROTOCOL, WEIR_ETOOBIG: the answer breaks a rule or a limit, see failure->fault;
 * - WEIR_ELOST: the server ended the connection instead of answering;
 * - WEIR_EINVAL: an option makes no sense; WEIR_ENOTSUP: wss; WEIR_ENOMEM. */
WEIR_API int weir_connect(const weir_connect_options *options);

/** **Suspends.** Connects and does the opening handshake.
 *
 * The session is a child of scope. The handle is the caller's until weir_session_free(). The
 * options handler, arg and loop are ignored. On failure *out is NULL.
 * Errors: as weir_connect(); WEIR_CANCELLED; WEIR_ESTATE: outside a coroutine. */
WEIR_API WEIR_MUST_USE int weir_client_open(weir_session **out, weir_scope *scope,
                                            const weir_connect_options *options);

WEIR_END_DECLS
#endif
