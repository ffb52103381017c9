/* ws/opening/admission.h - what a server lets in: its limits, its routes, and how many connections
 * and sessions there are. Knows no listener and no version of HTTP. Single-threaded. */
#ifndef WEIR_WS_OPENING_ADMISSION_H
#define WEIR_WS_OPENING_ADMISSION_H

#include "ws/session/session.h"

#include <weir/http.h>
#include <weir/upgrade.h>

struct weir__admission {
    weir_scope *scope;                /* of all connections and sessions */
    struct weir__session_host host;   /* of all sessions */
    weir_serve_options options;       /* a copy; limits filled in */
    struct weir__session_terms terms; /* of all sessions */
    weir_route single;                /* the route without a table */
    char *single_path;                /* its path, in the loop's memory */
    const weir_route *routes;
    size_t route_count;
    weir_http_field *fields; /* room to parse one head: options.max_head_fields */
    size_t session_count;
    size_t pending_count;                             /* connections in their opening handshake */
    void (*freed)(struct weir__admission *admission); /* there may be room again */
};

/* Checks and converts the options, once. path: the one that a server without a table serves.
 * Borrows what the options point to as long as it serves. Errors: WEIR_EINVAL, WEIR_ENOTSUP,
 * WEIR_ENOMEM. */
WEIR_MUST_USE int weir__admission_init(struct weir__admission *admission, weir_scope *scope,
                                       const weir_serve_options *options, weir_view path);
void weir__admission_fini(struct weir__admission *admission);

bool weir__admission_has_room(const struct weir__admission *admission);

/* A connection begins or ends its opening handshake. */
void weir__admission_begin(struct weir__admission *admission);
void weir__admission_end(struct weir__admission *admission);

/* The route that serves a path; NULL: none. */
const weir_route *weir__admission_route(const struct weir__admission *admission, weir_view path);

/* Opens the session of a connection. Takes the session and the stream. first: the answer to the
 * opening handshake. Errors: WEIR_CANCELLED, WEIR_ENOMEM. */
WEIR_MUST_USE int weir__admission_open(struct weir__admission *admission, weir_session *session,
                                       weir_stream *stream, const weir_buffer *first);

#endif
