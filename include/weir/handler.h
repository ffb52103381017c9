/** @file
 * weir/handler.h - what a program runs on a session: the two shapes of handler, and the route that
 * ties one to a path. Servers (weir/server.h) and clients (weir/client.h) take the same
 * handlers. */
#ifndef WEIR_HANDLER_H
#define WEIR_HANDLER_H

#include <weir/base.h>
#include <weir/close.h>
#include <weir/frame.h>
#include <weir/session.h>

WEIR_BEGIN_DECLS

/** The first shape: a coroutine for the whole life of a session. It may suspend.
 *
 * What it returns closes the session:
 * - WEIR_OK or WEIR_CLOSED: 1000;
 * - WEIR_CANCELLED: 1001;
 * - another negative status: 1011.
 *
 * When the connection has ended the handler may finish what it does, for at most close_timeout_ms.
 * Then it is cancelled. The session must not be used after the handler has returned. */
typedef int (*weir_handler)(weir_session *session, void *arg);

/** The second shape: a function that is called for each message, or for each piece
 * (options.pieces), one at a time and in order. It may suspend: it runs on a coroutine that is
 * borrowed from a pool. An idle session then has no stack, and is parked (weir/session.h).
 *
 * The frame is released after the function returns, unless it was sent on. What the function
 * returns:
 * - WEIR_OK: the session goes on;
 * - WEIR_CLOSED: it is closed with 1000;
 * - another negative status: it is closed with 1011.
 *
 * The function is cancelled as a weir_handler is. */
typedef int (*weir_message_handler)(weir_session *session, weir_frame *frame, void *arg);

/** What serves the sessions of one path. Set exactly one of handler and on_message. */
typedef struct weir_route {
    /** "/chat": exactly that path; "/chat/...": all paths that begin with "/chat/"; NULL: any
     * path. */
    const char *path;
    weir_handler handler;            /**< the first shape */
    weir_message_handler on_message; /**< the second shape */
    /** With on_message: called before the first message. It may suspend. A negative status closes
     * the session with 1011. NULL: nothing is called. */
    int (*on_open)(weir_session *session, void *arg);
    /** Called last, when the end is known. It must not suspend. NULL: nothing is called. */
    void (*on_close)(weir_session *session, const weir_end *end, void *arg);
    void *arg; /**< handed to all of them */
} weir_route;

WEIR_END_DECLS
#endif
