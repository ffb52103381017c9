/* rt/loop_epoll.h - the inside of the epoll back-end, for src/rt/loop_epoll*.c alone.
 * Single-threaded. */
#ifndef WEIR_RT_LOOP_EPOLL_H
#define WEIR_RT_LOOP_EPOLL_H

#include "rt/kernel.h"
#include "rt/loop.h"

#include <sys/epoll.h>

#define WEIR__EPOLL_EVENTS 256 /* of one epoll_wait */
#define WEIR__EPOLL_ROW    64  /* reads before the first is delivered */

/* Back-end flags of an io. */
enum weir__epoll_flag {
    WEIR__EPOLL_READABLE = WEIR__IO_BACKEND << 0, /* a read may find something */
    WEIR__EPOLL_HUNG_UP = WEIR__IO_BACKEND
                          << 1, /* ... and must go on until it finds the end or an error */
    WEIR__EPOLL_WATCHED = WEIR__IO_BACKEND << 2, /* in the epoll set */
    WEIR__EPOLL_PLACED = WEIR__IO_BACKEND << 3,  /* on_room named a place for what came last */
};

/* What a read found. */
struct weir__epoll_read {
    weir__io *io;
    uint8_t *data;
    ssize_t size; /* 0: the end; less: -errno */
};

struct weir__epoll {
    struct weir__kernel kernel;
    int fd;
    /* The same for every read, unless bytes of it were kept; NULL: none yet. What was read in a row
     * stands at its front. */
    weir__buf *read_buf;
    size_t row_size; /* how much of it */
    unsigned row_count;
    struct weir__epoll_read row[WEIR__EPOLL_ROW];
    struct epoll_event events[WEIR__EPOLL_EVENTS];
};

static inline struct weir__epoll *weir__epoll_of(const weir_loop *loop)
{
    return loop->backend_state;
}

/* Has the kernel look at the socket again: it announces an edge once, and the last announcement may
 * have come too early. */
WEIR_MUST_USE int weir__epoll_look_again(weir__io *io);

/* Reads what there is, up to a turn's share of it. */
void weir__epoll_read(weir__io *io);

/* Reads once, and delivers that later, with what else is read in a row. Only while events are
 * dispatched. */
void weir__epoll_read_in_row(weir__io *io);
void weir__epoll_deliver_row(struct weir__epoll *state);

/* Of the table of a back-end. */
WEIR_MUST_USE int weir__epoll_recv_start(weir__io *io);
void weir__epoll_recv_stop(weir__io *io);

/* Frees what was read and not wanted any more. */
void weir__epoll_drop_kept(weir__io *io);

#endif
