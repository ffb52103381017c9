/* rt/io.h - a transport: one connection that bytes go in and out of, as a session or a stream above
 * sees it. A socket of the loop is one, and so is whatever else brings a struct weir__io_ops. No
 * bytes are interpreted here and no coroutine waits here: everything is a callback in the loop's
 * context. How a socket is opened stands in rt/backend.h. Single-threaded.
 *
 * Life of a weir__io:
 *   1. zeroed memory of its owner, and weir__io_init();
 *   2. opened: weir__io_listen(), weir__io_connect(), weir__io_adopt() or weir__io_open();
 *   3. weir__io_close();
 *   4. on_closed: the memory is the owner's again.
 * No callback comes from inside a call of these functions. All come later, from the loop's turn, so
 * that the state of a caller never changes under it. */
#ifndef WEIR_RT_IO_H
#define WEIR_RT_IO_H

#include "rt/buf.h"
#include "rt/list.h"
#include "rt/task.h"

#include <sys/socket.h>
#include <sys/uio.h>

typedef struct weir__io weir__io;
struct weir__accepted;

/* What happens on an io. Each owner has one static table. Entries that cannot happen may be
 * NULL. */
struct weir__io_events {
    /* Where the bytes that come next may be read to: *room, up to as many as it returns. 0: to a
     * buffer of the loop. NULL: always that. A transport need not ask. */
    size_t (*on_room)(weir__io *io, uint8_t **room);
    /* Bytes were received: data[0..size). Lends them for the call. They lie in buf, or where
     * on_room said; weir__buf_ref(buf) keeps what lies in buf. The receiver may change the bytes
     * (it unmasks in place). Comes only between recv_start and recv_stop. */
    void (*on_data)(weir__io *io, weir__buf *buf, uint8_t *data, size_t size);
    /* The read side ended. WEIR_CLOSED: end-of-file; else an error (WEIR_SYSTEM(ECONNRESET), ...).
     * Once, after all data, and only between recv_start and recv_stop. */
    void (*on_end)(weir__io *io, int status);
    /* The send that was pending went on: size more bytes were taken (0: try again), or status is an
     * error. */
    void (*on_sent)(weir__io *io, int status, size_t size);
    /* What weir__io_await_drained() asked for: the bytes were passed on, or, with an error as
     * status, were lost. */
    void (*on_drained)(weir__io *io, int status);
    /* weir__io_connect() came to an end. */
    void (*on_connect)(weir__io *io, int status);
    /* A connection came in. The owner calls weir__io_adopt() or weir__accepted_drop(). */
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
    WEIR__IO_OPEN = 1 << 6, /* it was opened, whichever way */
    WEIR__IO_LISTENING = 1 << 7,
    WEIR__IO_DRAINING = 1 << 8, /* on_drained was asked for */
    WEIR__IO_BACKEND = 1 << 9,  /* this bit and those above belong to the transport */
};

/* What a transport is. The functions below check arguments, keep the flags, and call these. */
struct weir__io_ops {
    WEIR_MUST_USE int (*recv_start)(weir__io *io);
    void (*recv_stop)(weir__io *io);
    WEIR_MUST_USE int64_t (*send)(weir__io *io, const struct iovec *pieces, int count);
    WEIR_MUST_USE int (*shutdown)(weir__io *io);
    void (*close)(weir__io *io, bool reset);
    WEIR_MUST_USE int (*address)(weir__io *io, bool peer, struct sockaddr_storage *address,
                                 socklen_t *size);
    WEIR_MUST_USE int (*keep_alive)(weir__io *io, unsigned idle_s, unsigned interval_s);
    /* NULL: it passes bytes on as it takes them, and nothing is ever unsent. */
    size_t (*unsent)(const weir__io *io);
    /* Has weir__io_report_drained() called once all that is unsent now has been passed on or is
     * lost. Called only while something is unsent. */
    void (*await_drained)(weir__io *io);
};

/* The transport has few fields of its own on purpose: an idle session pays for them. */
struct weir__io {
    weir_loop *loop;
    const struct weir__io_ops *ops; /* a socket of the loop, or what else this transport is */
    const struct weir__io_events *on;
    weir__task task; /* the transport's, for callbacks that it owes */
    void *backend;   /* the transport's own */
    int fd;          /* -1: none */
    uint32_t flags;
};

/* Keeps `on` until on_closed. The io is a socket of the loop, unless weir__io_open() makes it
 * another transport. */
void weir__io_init(weir__io *io, weir_loop *loop, const struct weir__io_events *on);

/* Opens an io that is no socket. Keeps ops, and what `backend` points to, until ops->close(). */
void weir__io_open(weir__io *io, const struct weir__io_ops *ops, void *backend);

/* The address of this end and of the other one. A listener's is the bound one, with the port that
 * port 0 became. Errors: WEIR_ESTATE (not open), WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__io_local_address(weir__io *io, struct sockaddr_storage *address,
                                         socklen_t *size);
WEIR_MUST_USE int weir__io_peer_address(weir__io *io, struct sockaddr_storage *address,
                                        socklen_t *size);

/* Start and stop on_data and on_end. After a stop, bytes stay in the kernel or with the transport
 * until the next start. */
WEIR_MUST_USE int weir__io_recv_start(weir__io *io);
void weir__io_recv_stop(weir__io *io);

/* Sends at most 16 pieces. Returns the number of bytes taken at once (0..total), or a negative
 * status. When fewer than all were taken, a send is pending:
 *   - the bytes (and not the array) must stay where they are until on_sent;
 *   - on_sent says how many more were taken, and only then may the next send be called.
 * What was taken goes out, even after a close without reset. Should that fail later, receiving ends
 * with the error. */
WEIR_MUST_USE int64_t weir__io_send(weir__io *io, const struct iovec *pieces, int count);

/* Whether a send is pending. */
static inline bool weir__io_is_sending(const weir__io *io)
{
    return (io->flags & WEIR__IO_SENDING) != 0;
}

/* Open, and nothing that forbids data is going on. */
static inline bool weir__io_is_connected(const weir__io *io)
{
    return (io->flags & (WEIR__IO_OPEN | WEIR__IO_CLOSING | WEIR__IO_CONNECTING |
                         WEIR__IO_LISTENING)) == WEIR__IO_OPEN;
}

/* Bytes that the transport has taken and not yet passed on: to the kernel, or to the other end
 * where there is no kernel between the two. */
static inline size_t weir__io_unsent(const weir__io *io)
{
    return io->ops->unsent != NULL && weir__io_is_connected(io) ? io->ops->unsent(io) : 0;
}

/* Asks for on_drained, once, when all that is unsent now has been passed on. Returns false, and
 * on_drained will not come, when nothing is unsent or the io is not connected. Bytes that are taken
 * later do not delay it. While one is awaited, another call changes nothing: ask again from
 * on_drained. */
WEIR_MUST_USE bool weir__io_await_drained(weir__io *io);

/* Has on_drained not come, if it was asked for. */
static inline void weir__io_cancel_drained(weir__io *io)
{
    io->flags &= ~(uint32_t)WEIR__IO_DRAINING;
}

/* Shuts the write side down (half-close); not while a send is pending. */
WEIR_MUST_USE int weir__io_shutdown(weir__io *io);

/* Drops whatever is pending and closes. on_closed comes later, once, and no other callback. reset:
 * unsent bytes are discarded and the peer gets a reset (SO_LINGER 0). */
void weir__io_close(weir__io *io, bool reset);

/* TCP keep-alive after idle_s seconds, probed three times at interval_s seconds. Harmless on other
 * transports. */
WEIR_MUST_USE int weir__io_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s);

/* For transports: calls on_drained, if it is still wanted. */
void weir__io_report_drained(weir__io *io, int status);

/* For transports: calls on_closed. Nothing of io may be touched afterwards. */
void weir__io_report_closed(weir__io *io);

#endif
