/* ws/server/server.h - the inside of a server on one loop. Its scope holds the listener, every
 * connection in its opening handshake, and every session. Single-threaded. */
#ifndef WEIR_WS_SERVER_SERVER_H
#define WEIR_WS_SERVER_SERVER_H

#include "net/listener.h"
#include "ws/opening/admission.h"

#include <weir/server.h>

struct weir_server {
    weir_scope scope;
    struct weir__admission admission;
    weir_listener *listener;    /* NULL once stopped */
    struct weir__job listening; /* in scope until stopped */
    char *url;                  /* in the loop's memory */
    weir__task deferred_free;   /* frees it when it has ended without a handle */
    bool handed_out;
    bool over;
};

#endif
