/* tests/support/peer_process.h - a server of another implementation, as a process of its own:
 * tests/peers/peer_server.*. */
#ifndef WEIR_TESTS_PEER_PROCESS_H
#define WEIR_TESTS_PEER_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

struct peer {
    const char *name;        /* for people */
    const char *interpreter; /* looked for in PATH when it has no slash */
    const char *script;      /* in tests/peers/ */
    pid_t process;
    int lifeline; /* its standard input: the peer ends when this is closed, or this process ends */
    unsigned port;
};

/* Starts it and waits until it serves. false: it cannot run here (the library or the interpreter is
 * missing), and has printed why. */
bool peer_start(struct peer *peer);

/* Ends it. Returns its exit status. */
int peer_stop(struct peer *peer);

/* Stops it and continues it by signals. A stopped peer is silent, while its kernel still takes
 * connections and bytes. */
void peer_freeze(struct peer *peer);
void peer_thaw(struct peer *peer);

#endif
