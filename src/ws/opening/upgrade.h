/* ws/opening/upgrade.h - one request for a WebSocket on its way to an answer, and the arrival that carries it. Single-threaded. */
#ifndef WEIR_WS_OPENING_UPGRADE_H
#define WEIR_WS_OPENING_UPGRADE_H

#include "ws/server/server.h"

#define WEIR__UPGRADE_HEADERS_MAX 32

struct weir_upgrade {
    weir_server *server;
    weir_handshake_request request; /* views into the arrival's head */
    const weir_route *route;        /* NULL: none serves the path */
    weir_session *session;          /* not open yet */
    const char *subprotocol;        /* one that was offered: of the options, or own_subprotocol */
    char *own_subprotocol;
    weir_deflate_terms deflate_terms; /* when deflates */
    bool deflates;                    /* permessage-deflate is agreed on */
    weir_http_field *fields;          /* our own copy of the request's fields */
    weir_http_header *headers; /* room for WEIR__UPGRADE_HEADERS_MAX; NULL until one is added */
    size_t header_count;
    char *body;
    unsigned http_status; /* of a refusal */
    bool refused;
};

enum weir__pending_state {
    PENDING_AWAIT_HEAD,
    PENDING_DECIDING,  /* the upgrade hook runs */
    PENDING_ANSWERING, /* with a refusal */
    PENDING_LINGERING, /* answered: the peer's end is awaited, shortly */
    PENDING_CLOSING,   /* the stream closes */
    PENDING_CLOSED,    /* it has; the hook still runs */
};

struct weir__pending {
    struct weir__job job;
    weir_server *server;
    weir_stream *stream;
    weir_session *session; /* made for the hook, opened on acceptance */
    enum weir__pending_state state;
    int hook_status;
    weir__timer timer;
    weir__task decided;
    weir_scope hook_scope;
    weir_buffer head; /* as received, and what came behind it */
    weir_http_scan scan;
    weir_buffer answer;
    size_t answered;
    weir_upgrade upgrade;
};

/* Prepares the decision on a request that was parsed; makes the session that it may become. On failure nothing is left behind but what fini releases. */
WEIR_MUST_USE int weir__upgrade_init(weir_upgrade *upgrade, weir_server *server,
                                     weir_session **session);
void weir__upgrade_fini(weir_upgrade *upgrade);

/* Refuses with a status and its reason phrase. */
void weir__upgrade_set_status(weir_upgrade *upgrade, unsigned http_status);

/* Write the answer; the refusal's returns its size, or a negative status. */
WEIR_MUST_USE int weir__upgrade_write_acceptance(weir_upgrade *upgrade, weir_buffer *out);
WEIR_MUST_USE int weir__upgrade_write_refusal(weir_upgrade *upgrade, weir_buffer *out);

/* Tells the session what was agreed on. */
WEIR_MUST_USE int weir__upgrade_describe(const weir_upgrade *upgrade, weir_session *session);

#endif
