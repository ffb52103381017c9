/** @file
 * weir/handler.h - what a program runs on a session: the two shapes of handler, and the route that ties one to a path.
 * Servers (weir/server.h) and clients (weir/client.h) take the same handlers. */
#ifndef WEIR_HANDLER_H
#define WEIR_HANDLER_H

#include <weir/base.h>
#include <weir/close.h>
#include <weir/frame.h>
#include <weir/session.h>

WEIR_BEGIN_DECLS

/** The straight-line shape: a coroutine for the whole session. What it returns closes the session: WEIR_OK or WEIR_CLOSED:
 * 1000; another negative status: 1011; cancelled: 1001. When its connection has ended it may finish what it does, for as
 * long as a closing handshake may take (close_timeout_ms); then it is cancelled. */
typedef int (*weir_handler)(weir_session *session, void *arg);

/** The message shape: called for each message (or piece), one at a time in order; the frame is released after it returns,
 * unless it was sent on. Returning a negative status closes the session with 1011 (WEIR_CLOSED: 1000). Cancelled as a
 * weir_handler is. */
typedef int (*weir_message_handler)(weir_session *session, weir_frame *frame, void *arg);

/** What serves the sessions of one path. Exactly one of handler and on_message. */
typedef struct weir_route {
    /** "/chat": exactly that; "/chat/...": everything below "/chat/"; NULL: any path. */
    const char *path;
    weir_handler handler;            /**< the straight-line shape */
    weir_message_handler on_message; /**< the message shape */
    /** With on_message: called first, may suspend; a negative status closes with 1011. NULL: nothing. */
    int (*on_open)(weir_session *session, void *arg);
    void (*on_close)(weir_session *session, const weir_end *end,
                     void *arg); /**< called last, must not suspend; NULL: nothing */
    void *arg;                   /**< handed to all of them */
} weir_route;

WEIR_END_DECLS
#endif
