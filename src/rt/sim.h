/* rt/sim.h - the inside of the simulated world, for src/rt/sim*.c alone: its clock, its connections
 * and listeners.
 *
 * A connection is one block of memory with two ends. Each direction is a queue at the receiving
 * end. What happens next at an end stands in its node in the heap. Nothing is ever scanned.
 * Single-threaded but for `woken`. */
#ifndef WEIR_RT_SIM_H
#define WEIR_RT_SIM_H

#include "rt/backend.h"
#include "rt/loop.h"
#include "rt/sim_address.h"
#include "rt/sim_heap.h"
#include "rt/sim_queue.h"
#include "rt/sim_random.h"

#include <weir/sim.h>

#include <stdatomic.h>

#define WEIR__SIM_NEVER   UINT64_MAX
#define WEIR__SIM_BUCKETS 256

/* How many connections may wait at a listener. */
#define WEIR__SIM_BACKLOG 4096

enum weir__sim_flag {
    SIM_SERVER = 1 << 0, /* ends[1]: the end that was connected to */
    SIM_ARRIVING =
        1 << 1, /* (server) the request to connect is on its way: the end is not used yet */
    SIM_QUEUED = 1 << 2,     /* (server) at the listener, or accepted and without an owner */
    SIM_CONNECTING = 1 << 3, /* (client) on_connect will come */
    SIM_REFUSED = 1 << 4,    /* (client) ... and its status will be refused */
    SIM_UNANSWERED = 1 << 5, /* (client) ... and its status will be timed out */
    SIM_RECEIVING = 1 << 6,  /* between recv_start and recv_stop */
    SIM_ENDED = 1 << 7,      /* on_end was called */
    SIM_SENDING = 1 << 8,    /* on_sent will come */
    SIM_SHUT = 1 << 9,       /* this end has sent its end-of-file */
    SIM_RESET = 1 << 10,     /* the connection is reset, as this end sees it */
    /* ... and was not reported yet: the first call that looks gets ECONNRESET */
    SIM_ERROR = 1 << 11,
    SIM_GONE = 1 << 12, /* closed, or never came into being */
};

/* A send whose bytes are taken later, from the caller's memory. */
struct weir__sim_late {
    int count;
    struct iovec pieces[];
};

struct weir__sim_end {
    struct weir__sim_node node;
    weir__io *io;                 /* NULL: no owner */
    struct weir__sim_queue queue; /* bytes to this end */
    struct weir__sim_late *late;
    /* When the end-of-file sent to this end arrives. It counts once the queue is empty. */
    uint64_t eof_ms;
    uint64_t reset_ms; /* when a reset sent to this end arrives; it overtakes bytes */
    uint64_t wake_ms;  /* when the pending connect or send goes on */
    uint32_t flags;
    uint32_t tries; /* (server) requests to connect that found the backlog full */
};

struct weir__sim_link {
    struct weir__sim_end ends[2];      /* client, server */
    struct weir__sim_address *address; /* the server's */
    struct weir__sim_link *next;       /* at the listener */
    uint32_t id;
    uint16_t client_port;
};

struct weir__sim_listener {
    struct weir__sim_node node;
    weir__io *io;
    struct weir__sim_address *address;
    struct weir__sim_listener *next; /* in its bucket */
    struct weir__sim_link *first;    /* connections that were not accepted yet */
    struct weir__sim_link *last;
    uint32_t count;
    uint32_t id;
    uint64_t paused_ms; /* no accepting before this: descriptors ran out */
    bool share_port;
    bool accepting;
};

struct weir__sim {
    weir_loop *loop;
    weir_sim_options options;
    uint64_t now_ms;
    uint64_t round; /* of polls: what is caused in one happens in a later one */
    uint64_t idle_steps;
    struct weir__dice faults;
    struct weir__dice order;
    struct weir__dice user;
    struct weir__sim_heap heap;
    struct weir__sim_listener *listeners[WEIR__SIM_BUCKETS];
    struct weir__sim_listener
        *accepting; /* the one whose on_accept runs now, unless it was closed meanwhile */
    weir__buf *read_buf;
    weir_sim_stats stats;
    uint32_t next_id;
    uint32_t share_turn;
    uint16_t next_port;
    atomic_bool woken; /* set by any thread */
};

static inline struct weir__sim *weir__sim_of(const weir_loop *loop)
{
    return loop->backend_state;
}

static inline struct weir__sim_link *weir__sim_link_of(struct weir__sim_end *end)
{
    struct weir__sim_end *client = (end->flags & SIM_SERVER) != 0 ? end - 1 : end;
    return WEIR__CONTAINER(client, struct weir__sim_link, ends);
}

static inline struct weir__sim_end *weir__sim_peer_of(struct weir__sim_end *end)
{
    return (end->flags & SIM_SERVER) != 0 ? end - 1 : end + 1;
}

/* --- sim.c: clock, dice, digest --- */

/* The kinds of events in the digest. */
enum weir__sim_event {
    SIM_ON_ARRIVE = 1,
    SIM_ON_ACCEPT,
    SIM_ON_CONNECT,
    SIM_ON_DATA,
    SIM_ON_END,
    SIM_ON_SENT,
    SIM_ON_FAULT,
};

/* Folds something that happened into the digest. id: of a connection's end or a listener; value: a
 * size or a status. */
void weir__sim_note(struct weir__sim *sim, enum weir__sim_event event, uint64_t id, int64_t value);
void weir__sim_note_bytes(struct weir__sim *sim, const uint8_t *bytes, size_t size);

/* Whether a fault with this chance is injected now. A fault that is injected is counted, also in
 * *kind (of sim->stats). */
bool weir__sim_injects(struct weir__sim *sim, uint32_t ppm, uint64_t *kind);

/* Whether a read or write is cut now. */
bool weir__sim_cuts(struct weir__sim *sim, uint32_t ppm);

/* A system call that may fail: WEIR_OK, or what it returns. An interrupted one is tried again, and
 * so only counted. */
WEIR_MUST_USE int weir__sim_fail(struct weir__sim *sim);

/* A time on the way, in ms; and now plus one. */
uint64_t weir__sim_latency(struct weir__sim *sim);
uint64_t weir__sim_later(struct weir__sim *sim);

/* Has a node dispatched at due_ms, in an order among its like that the seed decides.
 * WEIR__SIM_NEVER: not at all. */
void weir__sim_plan(struct weir__sim *sim, struct weir__sim_node *node, uint64_t due_ms);

/* --- sim_link.c: both ends of connections --- */

WEIR_MUST_USE int weir__sim_connect(weir__io *io, const struct sockaddr *address, socklen_t size);
WEIR_MUST_USE int weir__sim_adopt(weir__io *io, struct weir__accepted *accepted);

/* Closes an end, with or without an owner, and frees what is not needed any more: the end is not to
 * be touched again. */
void weir__sim_end_close(struct weir__sim *sim, struct weir__sim_end *end, bool reset);

uint64_t weir__sim_end_id(struct weir__sim_end *end);

/* Sets the node of an end to whatever happens next there. */
void weir__sim_end_plan(struct weir__sim *sim, struct weir__sim_end *end);

/* Lets a reset that has arrived take effect. */
void weir__sim_end_update(struct weir__sim *sim, struct weir__sim_end *end);

/* Has a reset arrive at an end at at_ms (the earliest of several counts). */
void weir__sim_end_reset_at(struct weir__sim *sim, struct weir__sim_end *end, uint64_t at_ms);

/* Breaks a connection at both ends: a fault. */
void weir__sim_end_break(struct weir__sim *sim, struct weir__sim_end *end);

/* The status of a reset connection: ECONNRESET to the first call that asks, then `after`. */
WEIR_MUST_USE int weir__sim_end_error(struct weir__sim_end *end, int after);

/* What is due at an end. */
void weir__sim_end_dispatch(struct weir__sim *sim, struct weir__sim_end *end);

/* --- sim_data.c: bytes and ends of file --- */

WEIR_MUST_USE int weir__sim_recv_start(weir__io *io);
void weir__sim_recv_stop(weir__io *io);
WEIR_MUST_USE int64_t weir__sim_send(weir__io *io, const struct iovec *pieces, int count);
WEIR_MUST_USE int weir__sim_shutdown(weir__io *io);

/* Something is due on the read side, or on the write side. */
void weir__sim_receive(struct weir__sim *sim, struct weir__sim_end *end);
void weir__sim_go_on_sending(struct weir__sim *sim, struct weir__sim_end *end);

/* Wakes the sender that waits for room in the queue of this end, when there is enough. */
void weir__sim_room_made(struct weir__sim *sim, struct weir__sim_end *end);
void weir__sim_late_free(struct weir__sim *sim, struct weir__sim_end *end);

/* --- sim_listener.c --- */

WEIR_MUST_USE int weir__sim_listen(weir__io *io, const struct sockaddr *address, socklen_t size,
                                   bool share_port);
WEIR_MUST_USE int weir__sim_accept_start(weir__io *io);
void weir__sim_accept_stop(weir__io *io);
void weir__sim_listener_close(struct weir__sim *sim, struct weir__sim_listener *listener);
void weir__sim_listener_dispatch(struct weir__sim *sim, struct weir__sim_listener *listener);

/* The listener that gets a connection to this address: one at the very address before one at the
 * wildcard, sharers in turn. NULL: none. */
struct weir__sim_listener *weir__sim_listener_find(struct weir__sim *sim,
                                                   const struct sockaddr_storage *address,
                                                   socklen_t size);

/* Queues a connection for on_accept; false: the backlog is full. */
bool weir__sim_listener_queue(struct weir__sim *sim, struct weir__sim_listener *listener,
                              struct weir__sim_link *link);

/* --- sim_names.c: which end has which address --- */

WEIR_MUST_USE int weir__sim_io_address(weir__io *io, bool peer, struct sockaddr_storage *address,
                                       socklen_t *size);
/* The address of the client's end. */
void weir__sim_client_address(const struct weir__sim_link *link, struct sockaddr_storage *address,
                              socklen_t *size);

#endif
