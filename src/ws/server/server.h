/* ws/server/server.h - the inside of a server on one loop, and of the connections that have no session yet. Single-threaded.
 *
 * The server's scope holds every arrival (a connection in its opening handshake) and every session. */
#ifndef WEIR_WS_SERVER_SERVER_H
#define WEIR_WS_SERVER_SERVER_H

#include "net/listener.h"
#include "ws/opening/location.h"
#include "ws/session/session.h"

#include <weir/handshake.h>
#include <weir/server.h>
#include <weir/url.h>

struct weir_server {
    weir_scope scope;
    struct weir__session_host host;   /* of all its sessions */
    weir_serve_options options;       /* a copy; limits filled in */
    struct weir__session_terms terms; /* of all its sessions */
    weir_route single;                /* the route without a table */
    char *single_path;                /* its path, in the loop's memory */
    const weir_route *routes;
    size_t route_count;
    weir_listener *listener;    /* NULL once stopped */
    struct weir__job listening; /* in scope until stopped */
    weir_http_field *fields;    /* room to parse one head: options.max_head_fields */
    char *url;                  /* in the loop's memory */
    weir__task deferred_free;   /* frees it when it has ended without a handle */
    size_t session_count;
    size_t pending_count;
    bool handed_out;
    bool over;
};

/* A stream that was accepted. Takes it. */
void weir__server_take_connection(weir_server *server, weir_stream *stream);

/* The route that serves a path; NULL: none. */
const weir_route *weir__server_route(const weir_server *server, weir_view path);

/* Opens the session of an arrival. Takes the session and the stream. */
WEIR_MUST_USE int weir__server_open_session(weir_server *server, weir_session *session,
                                            weir_stream *stream, const weir_buffer *first);

/* An arrival has gone: accepting may go on. */
void weir__server_pending_ended(weir_server *server);

#endif
