/* rt/backend.h - what a loop is made of: one table a back-end (epoll, io_uring, the simulated
 * world), and how sockets are opened on it. An open socket is a transport: see rt/io.h.
 * Single-threaded, but for wake. */
#ifndef WEIR_RT_BACKEND_H
#define WEIR_RT_BACKEND_H

#include "rt/io.h"

/* A connection that was accepted and has no owner yet. */
struct weir__accepted {
    int fd;              /* kernel back-ends: the descriptor; -1 in the simulated world */
    void *sim;           /* the simulated world's end of the connection */
    socklen_t peer_size; /* 0: not known yet, ask weir__io_peer_address() of its new owner */
    struct sockaddr_storage peer;
};

/* What a back-end is. The functions below check arguments, keep the flags of an io, and call
 * these. */
struct weir__loop_ops {
    const char *name;
    /* Sets loop->backend_state. */
    WEIR_MUST_USE int (*open)(weir_loop *loop, const weir_loop_options *options);
    void (*close)(weir_loop *loop); /* all ios are closed by now */
    int (*fd)(weir_loop *loop);     /* pollable descriptor, or WEIR_ENOTSUP */
    /* Waits for something at most timeout_ms (-1: no limit, 0: no wait), sets loop->now_ms and
     * dispatches callbacks. Must return soon after wake(). WEIR_EDEADLOCK: (simulated) timeout_ms
     * was -1 and nothing can ever happen. */
    WEIR_MUST_USE int (*poll)(weir_loop *loop, int64_t timeout_ms);
    void (*wake)(weir_loop *loop); /* thread-safe: makes a poll that waits return */
    uint64_t (*clock_ms)(weir_loop *loop);
    void (*random)(weir_loop *loop, void *out, size_t size);
    WEIR_MUST_USE int (*listen)(weir__io *io, const struct sockaddr *address, socklen_t size,
                                bool share_port);
    WEIR_MUST_USE int (*accept_start)(weir__io *io);
    void (*accept_stop)(weir__io *io);
    WEIR_MUST_USE int (*adopt)(weir__io *io, struct weir__accepted *accepted);
    void (*drop)(weir_loop *loop, struct weir__accepted *accepted);
    WEIR_MUST_USE int (*connect)(weir__io *io, const struct sockaddr *address, socklen_t size);
    const struct weir__io_ops *sockets; /* what its sockets are as transports, listeners included */
};

extern const struct weir__loop_ops weir__backend_epoll;
extern const struct weir__loop_ops weir__backend_sim;
#ifdef WEIR_HAVE_URING
extern const struct weir__loop_ops weir__backend_uring;
#endif

/* Opens the back-end that the options ask for, or else the environment variable WEIR_LOOP: io_uring
 * where the kernel allows it, epoll where not. Errors: WEIR_EINVAL, WEIR_ENOTSUP, WEIR_ENOMEM,
 * WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__backend_open(weir_loop *loop, const weir_loop_options *options);

/* Binds and listens. share_port sets SO_REUSEPORT. A stale path of a Unix socket is replaced.
 * Errors: WEIR_EINVAL, WEIR_ESTATE (opened before), WEIR_ENOMEM, WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__io_listen(weir__io *io, const struct sockaddr *address, socklen_t size,
                                  bool share_port);

/* Start and stop on_accept. Out of descriptors or memory: accepting pauses for a moment and goes on
 * by itself. */
WEIR_MUST_USE int weir__io_accept_start(weir__io *io);
void weir__io_accept_stop(weir__io *io);

/* Takes an accepted connection; on failure it is dropped. TCP_NODELAY is set. */
WEIR_MUST_USE int weir__io_adopt(weir__io *io, struct weir__accepted *accepted);
void weir__accepted_drop(weir_loop *loop, struct weir__accepted *accepted);

/* Starts connecting; on_connect says how it ended. weir__io_close() ends it early. */
WEIR_MUST_USE int weir__io_connect(weir__io *io, const struct sockaddr *address, socklen_t size);

#endif
