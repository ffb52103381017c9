/* rt/loop_uring.h - the inside of the io_uring back-end, for src/rt/loop_uring*.c alone.
 * Single-threaded.
 *
 * All entries of a turn are queued in the ring and submitted by the one call that also waits. An io
 * has at most one operation of each kind in flight, so that a flag for each is all the
 * book-keeping. Memory beside the io exists only while it is needed (struct weir__uring_extra). */
#ifndef WEIR_RT_LOOP_URING_H
#define WEIR_RT_LOOP_URING_H

#include "rt/backlog.h"
#include "rt/kernel.h"
#include "rt/loop.h"
#include "rt/sys.h"

#include <liburing.h>

#define WEIR__URING_BUFS 64 /* receive buffers in the ring; a power of two */

/* Which operation a completion ends: the low bits of its user_data, beside a pointer. */
enum weir__uring_op {
    URING_CANCEL, /* pointer: weir__io, or NULL: it is not known whose */
    URING_WAKE,   /* pointer: struct weir__uring */
    URING_ACCEPT, /* pointer: weir__io, as in the next three */
    URING_CONNECT,
    URING_RECV,
    URING_WRITABLE,
    URING_EXTRA,     /* pointer: struct weir__uring_extra; comes only when the send went wrong */
    URING_LINGERING, /* pointer: struct weir__uring_extra without an io */
};
#define WEIR__URING_OP_MASK ((uint64_t)7)

/* Back-end flags of an io. */
enum weir__uring_flag {
    URING_IN_FLIGHT_ACCEPT = WEIR__IO_BACKEND << 0, /* in flight */
    URING_IN_FLIGHT_CONNECT = WEIR__IO_BACKEND << 1,
    URING_IN_FLIGHT_RECV = WEIR__IO_BACKEND << 2,
    URING_IN_FLIGHT_WRITABLE = WEIR__IO_BACKEND << 3,
    URING_IN_FLIGHT_CANCEL = WEIR__IO_BACKEND << 4,
    /* the accept or recv in flight is being cancelled */
    URING_STOPS = WEIR__IO_BACKEND << 5,
    URING_CANCELS = WEIR__IO_BACKEND << 6,      /* the connect or writable in flight is */
    URING_END_PENDING = WEIR__IO_BACKEND << 7,  /* on_end will come */
    URING_SENT_PENDING = WEIR__IO_BACKEND << 8, /* on_sent will come */
    URING_SHUTS = WEIR__IO_BACKEND << 9,        /* to be shut down when the copied bytes are out */
    URING_RESETS = WEIR__IO_BACKEND << 10,      /* to be closed by a reset */
    URING_DRAINED_PENDING = WEIR__IO_BACKEND << 11, /* on_drained will come */
    URING_STREAM = WEIR__IO_BACKEND << 12,          /* the lowest bit of a count: see below */
};
#define WEIR__URING_IN_FLIGHT                                                                      \
    (URING_IN_FLIGHT_ACCEPT | URING_IN_FLIGHT_CONNECT | URING_IN_FLIGHT_RECV |                     \
     URING_IN_FLIGHT_WRITABLE | URING_IN_FLIGHT_CANCEL)

/* How many more small reads it takes until a connection no longer counts as a stream; 0: it does
 * not. Three bits of the flags. */
#define WEIR__URING_STREAM_MASK ((uint32_t)7 * URING_STREAM)

/* The errno that a connection broke with stands in the top byte of its flags; 0: it works. */
#define WEIR__URING_ERRNO_SHIFT 24
_Static_assert(WEIR__URING_STREAM_MASK < UINT32_C(1) << WEIR__URING_ERRNO_SHIFT,
               "the flags reach into the errno");

/* Bytes that arrived after recv_stop. */
struct weir__uring_kept {
    struct weir__uring_kept *next;
    struct weir__backlog bytes;
};

enum weir__uring_extra_state {
    EXTRA_IDLE,      /* nothing to send */
    EXTRA_QUEUED,    /* goes out with the next submission; may still grow */
    EXTRA_SUBMITTED, /* tried by the kernel; a completion says if it failed */
    EXTRA_STUCK,     /* the kernel had no room: goes on when it has */
    EXTRA_LINGERING, /* stuck, and the io was closed meanwhile: owns the descriptor */
};

/* What a connection has only now and then:
 *   - small sends, copied so that the sender need not wait for the submission to know that they
 *     were taken;
 *   - bytes that were received and not wanted yet. */
struct weir__uring_extra {
    weir__node link; /* in one of the ring's lists, by state */
    weir__io *io;    /* NULL: lingering */
    weir_loop *loop;
    struct weir__uring_kept *first; /* kept data, in order */
    struct weir__uring_kept *last;
    weir__timer linger_timer; /* while lingering */
    int fd;                   /* while lingering */
    enum weir__uring_extra_state state;
    uint32_t room; /* bytes of data[] */
    uint32_t size; /* bytes to send */
    uint32_t done; /* of which the kernel took */
    uint8_t data[];
};

struct weir__uring {
    struct weir__kernel kernel;
    struct io_uring ring;
    weir_loop *loop;
    bool ring_is_open;
    bool enabled;       /* the ring belongs to this thread now */
    bool wake_armed;    /* the poll of wake_fd is in flight */
    bool drain_awaited; /* the next submission is to return at once */
    /* What another loop watches; -1: none does. The kernel writes to it when there is something to
     * fetch. The ring's own descriptor would not do: work that the kernel defers to our next entry
     * makes it readable without waking a poll of it. */
    int notify_fd;
    weir__task
        submit; /* under another loop nothing may stay unsubmitted after a turn: sees to it */
    struct io_uring_buf_ring *buf_ring;
    weir__buf *bufs[WEIR__URING_BUFS]; /* by buffer id; NULL: missing for lack of memory */
    unsigned buf_count;                /* those that are not missing */
    size_t received;                   /* bytes of this turn */
    weir__node queued;                 /* of struct weir__uring_extra, by state */
    weir__node submitted;
    weir__node lingering;
};

static inline struct weir__uring *weir__uring_of(const weir_loop *loop)
{
    return loop->backend_state;
}

/* Of a closing io: its descriptor is closed, and on_closed will come. */
static inline bool weir__uring_is_closed(const weir__io *io)
{
    return io->fd < 0;
}

static inline int weir__uring_errno(const weir__io *io)
{
    return (int)(io->flags >> WEIR__URING_ERRNO_SHIFT);
}

/* --- loop_uring.c --- */

/* An entry of the submission queue, to be prepared and then handed to weir__uring_push(); NULL: the
 * kernel takes no more now. */
struct io_uring_sqe *weir__uring_sqe(struct weir__uring *uring);
void weir__uring_push(struct io_uring_sqe *sqe, enum weir__sys_call call, enum weir__uring_op op,
                      void *pointer);

/* Submits without waiting. */
WEIR_MUST_USE int weir__uring_submit(struct weir__uring *uring);

/* Cancels the accept or recv in flight, unless that was done already. */
void weir__uring_stop(weir__io *io, enum weir__uring_op op);

/* Goes on with closing an io: to be called when an operation of a closing io has ended. */
void weir__uring_go_on_closing(weir__io *io);

/* The connection is broken: sends fail with errno_value from now on, and so ends receiving. */
void weir__uring_mark_broken(weir__io *io, int errno_value);

/* The same, and shuts the connection down, so that receiving ends. */
void weir__uring_break(weir__io *io, int errno_value);

/* --- loop_uring_recv.c --- */

WEIR_MUST_USE int weir__uring_bufs_init(struct weir__uring *uring);
void weir__uring_bufs_fini(struct weir__uring *uring);
WEIR_MUST_USE int weir__uring_recv_start(weir__io *io);
void weir__uring_recv_stop(weir__io *io);

/* Does what is pending on a connection's read side. */
void weir__uring_recv_update(weir__io *io);
void weir__uring_on_recv(struct weir__uring *uring, weir__io *io, const struct io_uring_cqe *cqe);
void weir__uring_drop_kept(struct weir__uring_extra *extra);

/* --- loop_uring_send.c --- */

/* The extra state of an io, made with room for bytes to send, or the one that is there already
 * (with whatever room); NULL: no memory. */
struct weir__uring_extra *weir__uring_extra_of(weir__io *io, size_t room);

/* Frees the extra state when it is not needed any more. */
void weir__uring_extra_release(weir__io *io);
WEIR_MUST_USE int64_t weir__uring_send(weir__io *io, const struct iovec *pieces, int count);
WEIR_MUST_USE int weir__uring_shut(weir__io *io);
size_t weir__uring_unsent(const weir__io *io);
void weir__uring_await_drained(weir__io *io);

/* Queues operations for all copied bytes. */
void weir__uring_flush(struct weir__uring *uring);

/* Finds out, after a submission, what became of them. */
void weir__uring_finish_submission(struct weir__uring *uring);

/* Does what is pending on a connection's write side. */
void weir__uring_send_update(weir__io *io);
void weir__uring_on_writable(weir__io *io, int result);
void weir__uring_on_lingering(struct weir__uring_extra *extra, int result);

/* The io is being closed: sends the copied bytes, if that can be done now. */
void weir__uring_extra_close(weir__io *io);

/* The io has nothing in flight any more: closes its descriptor, or leaves it to the lingering close
 * of the bytes that are stuck. */
void weir__uring_release(weir__io *io);
void weir__uring_lingering_fini(struct weir__uring *uring);

/* --- loop_uring_listen.c --- */

WEIR_MUST_USE int weir__uring_listen(weir__io *io, const struct sockaddr *address, socklen_t size,
                                     bool share_port);
WEIR_MUST_USE int weir__uring_accept_start(weir__io *io);
void weir__uring_accept_stop(weir__io *io);

/* Does what is pending on a listener. */
void weir__uring_accept_update(weir__io *io);
void weir__uring_on_accept(weir__io *io, const struct io_uring_cqe *cqe);

/* Frees what a listener has beside its io. */
void weir__uring_listener_free(weir__io *io);
WEIR_MUST_USE int weir__uring_connect(weir__io *io, const struct sockaddr *address, socklen_t size);
void weir__uring_on_connect(weir__io *io, int result);

#endif
