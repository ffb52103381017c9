/** @file
 * weir/upgrade.h - how to serve, and the upgrade hook, which decides on each request (RFC 6455
 * 4.2). weir/server.h includes it. */
#ifndef WEIR_UPGRADE_H
#define WEIR_UPGRADE_H

#include <weir/base.h>
#include <weir/handler.h>
#include <weir/http.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

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
