/* rt/io.h - sockets as the loop sees them, and the contract of a back-end. No bytes are interpreted here, no coroutine waits here:
 * everything is a callback in the loop's context. net builds streams and listeners on it. Single-threaded.
 *
 * Life of a weir__io: zeroed memory of its owner -> weir__io_init -> listen | connect | adopt -> ... -> weir__io_close -> on_closed,
 * after which the memory is the owner's again. No callback comes from inside a call of these functions: all come later, from the
 * loop's turn (so a caller's state is never changed under it). */
#ifndef WEIR_RT_IO_H
#define WEIR_RT_IO_H

#include "rt/buf.h"
#include "rt/list.h"
#include "rt/task.h"

#include <sys/socket.h>
#include <sys/uio.h>

typedef struct weir__io weir__io;

/* A connection that was accepted and has no owner yet. */
struct weir__accepted {
    int fd;              /* kernel back-ends: the descriptor; -1 in the simulated world */
    void *sim;           /* the simulated world's end of the connection */
    socklen_t peer_size; /* 0: not known yet, ask weir__io_peer_address() of its new owner */
    struct sockaddr_storage peer;
};

/* What happens on an io. Each owner has one static table; entries that cannot happen may be NULL. */
struct weir__io_events {
    /* Where the bytes that come next may be read to: *room, up to as many as it returns; 0: to a buffer of the loop. NULL: always that. A back-end need not ask. */
    size_t (*on_room)(weir__io *io, uint8_t **room);
    /* Bytes arrived: data[0..size) lies in buf, or where on_room said, lent for the call; weir__buf_ref(buf) keeps what lies in it. The receiver may change the
     * bytes (it unmasks in place). Comes only between recv_start and recv_stop. */
    void (*on_data)(weir__io *io, weir__buf *buf, uint8_t *data, size_t size);
    /* The receiving side ended: WEIR_CLOSED: end-of-file; else an error (WEIR_SYSTEM(ECONNRESET), ...). Once, after all data, and
     * only between recv_start and recv_stop. */
    void (*on_end)(weir__io *io, int status);
    /* The send that was pending went on: size more bytes were taken (possibly 0: try again), or status is an error. */
    void (*on_sent)(weir__io *io, int status, size_t size);
    /* connect() came to an end. */
    void (*on_connect)(weir__io *io, int status);
    /* A connection came in; the owner calls weir__io_adopt() or weir__accepted_drop(). */
    void (*on_accept)(weir__io *io, struct weir__accepted *accepted);
    /* weir__io_close() is complete. */
    void (*on_closed)(weir__io *io);
};

enum weir__io_flag {
    WEIR__IO_RECEIVING = 1 << 0, /* between recv_start and recv_stop */
    WEIR__IO_ENDED = 1 << 1,     /* on_end was called */
    WEIR__IO_SENDING = 1 << 2,   /* a send is pending: on_sent will come */
    WEIR__IO_ACCEPTING = 1 << 3,
    WEIR__IO_CONNECTING = 1 << 4,
    WEIR__IO_CLOSING = 1 << 5,
    WEIR__IO_OPEN = 1 << 6, /* listen, connect or adopt succeeded */
    WEIR__IO_LISTENING = 1 << 7,
    WEIR__IO_BACKEND = 1 << 8, /* this bit and those above belong to the back-end */
};

/* The back-end's own words are few on purpose: an idle session pays for them. */
struct weir__io {
    weir_loop *loop;
    const struct weir__backend *ops; /* the loop's back-end, or what else this stream is */
    const struct weir__io_events *on;
    weir__task task; /* the back-end's, for callbacks it owes */
    void *backend;   /* the back-end's own */
    int fd;          /* -1: none (simulated) */
    uint32_t flags;
};

void weir__io_init(weir__io *io, weir_loop *loop, const struct weir__io_events *on);

/* Binds and listens. share_port sets SO_REUSEPORT. A Unix socket path that nobody listens on any more is replaced. Errors: WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__io_listen(weir__io *io, const struct sockaddr *address, socklen_t size,
                                  bool share_port);

/* The bound address (the port that port 0 became). */
WEIR_MUST_USE int weir__io_local_address(weir__io *io, struct sockaddr_storage *address,
                                         socklen_t *size);
WEIR_MUST_USE int weir__io_peer_address(weir__io *io, struct sockaddr_storage *address,
                                        socklen_t *size);

/* Starts and stops on_accept. Out of descriptors or memory: accepting pauses for a moment and goes on by itself. */
WEIR_MUST_USE int weir__io_accept_start(weir__io *io);
void weir__io_accept_stop(weir__io *io);

/* Takes over an accepted connection: on failure it is dropped. TCP_NODELAY is set. */
WEIR_MUST_USE int weir__io_adopt(weir__io *io, struct weir__accepted *accepted);
void weir__accepted_drop(weir_loop *loop, struct weir__accepted *accepted);

/* Starts connecting; on_connect tells the rest. Giving up early is weir__io_close(). */
WEIR_MUST_USE int weir__io_connect(weir__io *io, const struct sockaddr *address, socklen_t size);

/* Starts and stops on_data/on_end. After stop, bytes stay in the kernel (or with the back-end) until the next start. */
WEIR_MUST_USE int weir__io_recv_start(weir__io *io);
void weir__io_recv_stop(weir__io *io);

/* Sends. Returns the number of bytes taken at once (0..total), or a negative status. When fewer than all were taken, a send is pending:
 * the bytes (and not the array) must stay where they are until on_sent tells how many more were taken, and only then may the next send be called.
 * At most 16 pieces. What was taken goes out, even after a close without reset; should that fail later, receiving ends with the error. */
WEIR_MUST_USE int64_t weir__io_send(weir__io *io, const struct iovec *pieces, int count);

/* Whether a send is pending. */
static inline bool weir__io_is_sending(const weir__io *io)
{
    return (io->flags & WEIR__IO_SENDING) != 0;
}

/* Shuts the write side down (half-close); not while a send is pending. */
WEIR_MUST_USE int weir__io_shutdown(weir__io *io);

/* Gives up whatever is pending and closes; on_closed comes later, once, and no other callback. reset: discard unsent bytes and send RST (SO_LINGER 0). */
void weir__io_close(weir__io *io, bool reset);

/* For back-ends: calls on_closed. Nothing of io may be touched afterwards. */
void weir__io_report_closed(weir__io *io);

/* TCP keep-alive after idle_s seconds, probed thrice at interval_s; harmless on other sockets. */
WEIR_MUST_USE int weir__io_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s);

/* What a back-end is. The functions above check arguments, keep the flags, and call these. */
struct weir__backend {
    const char *name;
    WEIR_MUST_USE int (*open)(weir_loop *loop,
                              const weir_loop_options *options); /* sets loop->backend_state */
    void (*close)(weir_loop *loop);                              /* all ios are closed by now */
    int (*fd)(weir_loop *loop); /* pollable descriptor, or WEIR_ENOTSUP */
    /* Waits for something at most timeout_ms (-1: no limit, 0: no wait), sets loop->now_ms, dispatches callbacks; must return soon after wake().
     * WEIR_EDEADLOCK: (simulated) timeout_ms was -1 and nothing can ever happen. */
    WEIR_MUST_USE int (*poll)(weir_loop *loop, int64_t timeout_ms);
    void (*wake)(weir_loop *loop); /* thread-safe: makes a poll that waits return */
    uint64_t (*clock_ms)(weir_loop *loop);
    void (*random)(weir_loop *loop, void *out, size_t size);
    WEIR_MUST_USE int (*listen)(weir__io *io, const struct sockaddr *address, socklen_t size,
                                bool share_port);
    WEIR_MUST_USE int (*address)(weir__io *io, bool peer, struct sockaddr_storage *address,
                                 socklen_t *size);
    WEIR_MUST_USE int (*accept_start)(weir__io *io);
    void (*accept_stop)(weir__io *io);
    WEIR_MUST_USE int (*adopt)(weir__io *io, struct weir__accepted *accepted);
    void (*drop)(weir_loop *loop, struct weir__accepted *accepted);
    WEIR_MUST_USE int (*connect)(weir__io *io, const struct sockaddr *address, socklen_t size);
    WEIR_MUST_USE int (*recv_start)(weir__io *io);
    void (*recv_stop)(weir__io *io);
    WEIR_MUST_USE int64_t (*send)(weir__io *io, const struct iovec *pieces, int count);
    WEIR_MUST_USE int (*shutdown)(weir__io *io);
    void (*close_io)(weir__io *io, bool reset);
    WEIR_MUST_USE int (*keep_alive)(weir__io *io, unsigned idle_s, unsigned interval_s);
};

extern const struct weir__backend weir__backend_epoll;
extern const struct weir__backend weir__backend_sim;
#ifdef WEIR_HAVE_URING
extern const struct weir__backend weir__backend_uring;
#endif

#endif
