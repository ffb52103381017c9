/** @file
 * weir/client.h - WebSocket clients (RFC 6455 4.1): resolve, connect, shake hands, and hand out the session. */
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include <weir/base.h>
#include <weir/handler.h>
#include <weir/http.h>
#include <weir/loop.h>
#include <weir/session.h>

WEIR_BEGIN_DECLS

/** Why no session came about, for people: code branches on the status. */
typedef struct weir_connect_failure {
    int status;           /**< what the call returned */
    unsigned http_status; /**< the server's answer, 0: none came */
    weir_fault fault;     /**< the rule that the server's answer broke, if one */
    /** The start of the refusal's body as text, as far as it came in time; terminated by NUL. */
    char body[1024];
} weir_connect_failure;

/** How to connect. Only url has to be set. Borrows all that it points to. */
typedef struct weir_connect_options {
    const char *url;                 /**< ws://... or ws+unix:... */
    const weir_http_header *headers; /**< further fields of the request */
    size_t header_count;             /**< entries of headers */
    const char *const *subprotocols; /**< offered, most wanted first */
    size_t subprotocol_count;        /**< entries of subprotocols */
    const char *origin;              /**< NULL: none */
    uint64_t
        connect_timeout_ms; /**< for resolving and connecting; 0: 10,000; WEIR_UNLIMITED: none */
    uint64_t
        handshake_timeout_ms;     /**< for the opening handshake; 0: 10,000; WEIR_UNLIMITED: none */
    size_t max_head_size;         /**< bytes of the answer's head; 0: 8,192 */
    weir_session_options session; /**< of the session that comes about */
    weir_handler handler;         /**< weir_connect: runs on the session, as on a server */
    void *arg;                    /**< handed to the handler */
    weir_loop_options loop;       /**< weir_connect */
    weir_connect_failure *failure; /**< filled when no session came about; NULL: not of interest */
} weir_connect_options;

/** Connects, runs the handler on the session, closes it (as a server does after its handler) and waits for its end: blocks,
 * outside any loop. Returns what the handler returned, or why no session came about: WEIR_EREFUSED (failure->http_status
 * says with what), WEIR_ETIMEDOUT, WEIR_ERESOLVE, WEIR_EPROTOCOL, WEIR_ETOOBIG, WEIR_ELOST, WEIR_SYSTEM(ECONNREFUSED), ...,
 * WEIR_EINVAL, WEIR_ENOTSUP (wss), WEIR_ENOMEM. Thread-safe: each call has a loop of its own. */
WEIR_API int weir_connect(const weir_connect_options *options);

/** **Suspends.** Connects and shakes hands; the session is a child of scope, its handle the caller's until
 * weir_session_free(). options.handler and loop are not looked at. On failure *out is NULL. Errors as weir_connect(),
 * WEIR_CANCELLED, and WEIR_ESTATE outside a coroutine. */
WEIR_API WEIR_MUST_USE int weir_client_open(weir_session **out, weir_scope *scope,
                                            const weir_connect_options *options);

WEIR_END_DECLS
#endif
