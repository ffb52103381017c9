/* ws/opening/upgrade.h - one request for a WebSocket on its way to a decision, whichever version of
 * HTTP carries it.
 *
 * The carrier hands in a request that it has parsed. The route is looked up, and the user's hook,
 * which may suspend, runs on a coroutine. The result is the decision: accept, with what was agreed
 * on, or refuse with a status. The carrier writes it. Single-threaded. */
#ifndef WEIR_WS_OPENING_UPGRADE_H
#define WEIR_WS_OPENING_UPGRADE_H

#include "ws/opening/admission.h"

#include <weir/handshake.h>

#define WEIR__UPGRADE_HEADERS_MAX 32

struct weir_upgrade {
    struct weir__admission *admission; /* NULL: not begun */
    void (*decided)(weir_upgrade *upgrade);
    weir_handshake_request request; /* views into the carrier's memory; key: of HTTP/1.1 alone */
    weir_http_field *fields;        /* our own copy of the request's fields */
    const weir_route *route;        /* NULL: none serves the path */
    weir_session *session;          /* not open yet; NULL once the carrier has taken it */
    /* The hook. */
    weir_scope scope;
    weir__task task; /* queued: the hook has ended */
    int hook_status;
    bool hook_runs;
    /* The decision. */
    bool refused;
    unsigned http_status;      /* of a refusal */
    char *body;                /* of a refusal; NULL: the reason phrase */
    weir_http_header *headers; /* room for WEIR__UPGRADE_HEADERS_MAX; NULL until one is added */
    size_t header_count;
    const char *subprotocol; /* one that was offered: of the options, or own_subprotocol */
    char *own_subprotocol;
    weir_deflate_terms deflate_terms; /* when deflates */
    bool deflates;                    /* permessage-deflate is agreed on */
};

/* Decides on a request, which the carrier has put into upgrade->request (the rest is zeroed).
 * WEIR_OK: it is decided. WEIR_EAGAIN: the hook runs, and decided() is called when it has ended.
 * Errors: WEIR_ENOMEM, WEIR_CANCELLED: there is no decision. */
WEIR_MUST_USE int weir__upgrade_decide(weir_upgrade *upgrade, struct weir__admission *admission,
                                       void (*decided)(weir_upgrade *upgrade));

/* Cancels the hook: the connection is going. */
void weir__upgrade_cancel(weir_upgrade *upgrade);

/* The hook does not run. Frees the session too, unless the carrier has taken it. */
void weir__upgrade_fini(weir_upgrade *upgrade);

/* Refuses with a status and its reason phrase. */
void weir__upgrade_set_status(weir_upgrade *upgrade, unsigned http_status);

/* Tells the session what was agreed on. */
WEIR_MUST_USE int weir__upgrade_describe(const weir_upgrade *upgrade);

#endif
