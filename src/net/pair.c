/* Two streams that are each other's peer, without a socket: an io whose operations move bytes in
 * memory. It behaves as a pair of Unix sockets does, with 64 KiB of room in either direction and
 * no buffer while nothing is on the way. */
#include "net/stream.h"
#include "rt/loop.h"

#include <errno.h>
#include <string.h>

#define ROOM_MAX  ((size_t)64 * 1024)
#define WAKE_ROOM (ROOM_MAX / 3) /* a sender is not woken for a sliver of room */
#define CHUNK_MIN ((size_t)1024)

/* What is on the way to an end: chunks linked by their next fields. All but the last are full. */
struct pair_end {
    weir__io *io; /* NULL: closed */
    weir__buf *first;
    weir__buf *last;
    size_t last_filled; /* bytes of the last chunk that are used */
    size_t held;        /* bytes on the way, at most ROOM_MAX */
    bool is_second;
    bool is_shut;     /* this end sends no more */
    bool has_eof;     /* the other end sends no more: end-of-file after what is held */
    bool is_reset;    /* the other end was reset */
    bool is_reported; /* ... and a call at this end has returned that */
};

struct pair {
    struct pair_end ends[2];
};

static struct pair_end *peer_of(struct pair_end *end)
{
    return end->is_second ? end - 1 : end + 1;
}

static struct pair *pair_of(struct pair_end *end)
{
    return WEIR__CONTAINER(end->is_second ? end - 1 : end, struct pair, ends);
}

/* --- the queue --- */

static void clear_queue(struct pair_end *end)
{
    while (end->first != NULL) {
        weir__buf *chunk = end->first;
        end->first = chunk->next;
        chunk->next = NULL;
        weir__buf_unref(chunk);
    }
    end->held = 0;
}

/* The oldest chunk, with its reference, and how much of it counts. */
static weir__buf *unqueue_chunk(struct pair_end *end, size_t *size)
{
    weir__buf *chunk = end->first;
    *size = chunk == end->last ? end->last_filled : chunk->size;
    end->first = chunk->next;
    chunk->next = NULL;
    end->held -= *size;
    return chunk;
}

/* Room in the last chunk, which is made if need be for `wanted` bytes; NULL: no memory. */
static uint8_t *reserve(struct pair_end *end, weir_loop *loop, size_t wanted, size_t *room)
{
    if (end->first == NULL || end->last_filled == end->last->size) {
        weir__buf *chunk = weir__buf_new(loop, wanted > CHUNK_MIN ? wanted : CHUNK_MIN);
        if (chunk == NULL)
            return NULL;
        if (end->first == NULL)
            end->first = chunk;
        else
            end->last->next = chunk;
        end->last = chunk;
        end->last_filled = 0;
    }
    *room = end->last->size - end->last_filled;
    return end->last->data + end->last_filled;
}

/* Puts as much as there is room for; returns how much that was. */
static size_t put_bytes(struct pair_end *end, weir_loop *loop, const uint8_t *data, size_t size)
{
    size_t most = ROOM_MAX - end->held;
    size_t left = size < most ? size : most;
    size_t put = 0;
    while (left > 0) {
        size_t part;
        uint8_t *to = reserve(end, loop, left, &part);
        if (to == NULL)
            break;
        part = part < left ? part : left;
        memcpy(to, data + put, part);
        end->last_filled += part;
        end->held += part;
        put += part;
        left -= part;
    }
    return put;
}

/* --- what is due at an end --- */

static bool can_send(struct pair_end *end)
{
    const struct pair_end *peer = peer_of(end);
    return weir__io_is_sending(end->io) &&
           (end->is_reset || peer->io == NULL || ROOM_MAX - peer->held >= WAKE_ROOM);
}

static bool can_receive(const struct pair_end *end)
{
    return (end->io->flags & (WEIR__IO_RECEIVING | WEIR__IO_ENDED)) == WEIR__IO_RECEIVING &&
           (end->is_reset || end->first != NULL || end->has_eof);
}

static void plan(struct pair_end *end)
{
    if (end->io != NULL && (can_send(end) || can_receive(end)))
        weir__task_post(end->io->loop, &end->io->task);
}

/* The first call that asks gets the reset; later ones get `after`. */
static int reset_status(struct pair_end *end, int after)
{
    if (end->is_reported)
        return after;
    end->is_reported = true;
    return WEIR_SYSTEM(ECONNRESET);
}

static void go_on_sending(struct pair_end *end)
{
    weir__io *io = end->io;
    int status = WEIR_OK;
    io->flags &= ~(uint32_t)WEIR__IO_SENDING;
    if (end->is_reset)
        status = reset_status(end, WEIR_SYSTEM(EPIPE));
    else if (peer_of(end)->io == NULL)
        status = WEIR_SYSTEM(EPIPE);
    io->on->on_sent(io, status, 0);
}

static void receive(struct pair_end *end)
{
    weir__io *io = end->io;
    if (!end->is_reset && end->first != NULL) {
        size_t size;
        weir__buf *chunk = unqueue_chunk(end, &size);
        plan(peer_of(end));
        io->on->on_data(io, chunk, chunk->data, size);
        weir__buf_unref(chunk);
        return;
    }
    int status = end->is_reset ? reset_status(end, WEIR_CLOSED) : WEIR_CLOSED;
    io->flags |= WEIR__IO_ENDED;
    io->on->on_end(io, status);
}

/* An io keeps its memory until on_closed, but after any callback it may be closed, and then its
 * end is gone. */
static void update(weir__task *task)
{
    weir__io *io = WEIR__CONTAINER(task, weir__io, task);
    if (io->backend != NULL && can_send(io->backend))
        go_on_sending(io->backend);
    if (io->backend != NULL && can_receive(io->backend))
        receive(io->backend);
    if (io->backend != NULL)
        plan(io->backend);
    else if (weir__list_is_empty(&task->link))
        weir__io_report_closed(io);
}

/* --- operations --- */

static int start_receiving(weir__io *io)
{
    plan(io->backend);
    return WEIR_OK;
}

static void stop_receiving(weir__io *io)
{
    (void)io; /* the flags say it */
}

static int64_t send_pieces(weir__io *io, const struct iovec *pieces, int count)
{
    struct pair_end *end = io->backend;
    struct pair_end *peer = peer_of(end);
    size_t taken = 0;
    size_t part = 0;
    int i = 0;
    if (end->is_reset)
        return reset_status(end, WEIR_SYSTEM(EPIPE));
    if (end->is_shut || peer->io == NULL)
        return WEIR_SYSTEM(EPIPE);
    for (; i < count; i++) {
        part = put_bytes(peer, io->loop, pieces[i].iov_base, pieces[i].iov_len);
        taken += part;
        if (part < pieces[i].iov_len)
            break;
    }
    bool has_room = ROOM_MAX - peer->held >= WAKE_ROOM;
    if (i < count && taken == 0 && has_room)
        return WEIR_ENOMEM;
    if (i < count && has_room) /* short of memory: the next try says so, if it still is */
        weir__task_post(io->loop, &io->task);
    plan(peer);
    return (int64_t)taken;
}

static int shut(weir__io *io)
{
    struct pair_end *end = io->backend;
    if (end->is_reset)
        return WEIR_SYSTEM(ENOTCONN);
    end->is_shut = true;
    peer_of(end)->has_eof = true;
    plan(peer_of(end));
    return WEIR_OK;
}

static void notify_peer(struct pair_end *peer, bool reset)
{
    if (reset && !peer->is_reset) {
        clear_queue(peer);
        peer->is_reset = true;
    }
    peer->has_eof = true;
    plan(peer);
}

/* As a Unix socket: bytes that were not read turn the end-of-file into a reset. */
static void close_io(weir__io *io, bool reset)
{
    struct pair_end *end = io->backend;
    struct pair_end *peer = peer_of(end);
    bool has_unread = end->first != NULL;
    clear_queue(end);
    end->io = NULL;
    io->backend = NULL;
    weir__task_post(io->loop, &io->task);
    if (peer->io != NULL) {
        notify_peer(peer, reset || has_unread);
        return;
    }
    struct pair *pair = pair_of(end);
    weir__loop_free(io->loop, pair, sizeof *pair);
}

static int ask_address(weir__io *io, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    (void)io;
    (void)peer;
    memset(address, 0, sizeof *address);
    address->ss_family = AF_UNIX;
    *size = sizeof address->ss_family;
    return WEIR_OK;
}

static int accept_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s)
{
    (void)io;
    (void)idle_s;
    (void)interval_s;
    return WEIR_OK;
}

static const struct weir__io_ops pair_ops = {
    .recv_start = start_receiving,
    .recv_stop = stop_receiving,
    .send = send_pieces,
    .shutdown = shut,
    .close = close_io,
    .address = ask_address,
    .keep_alive = accept_keep_alive,
};

/* --- making one --- */

static void open_end(weir_stream *stream, struct pair_end *end)
{
    end->io = &stream->io;
    weir__io_open(end->io, &pair_ops, end);
    weir__task_init(&end->io->task, update);
}

int weir_stream_pair(weir_stream **a, weir_stream **b, weir_loop *loop)
{
    if (a != NULL)
        *a = NULL;
    if (b != NULL)
        *b = NULL;
    if (loop == NULL || a == NULL || b == NULL)
        return WEIR_EINVAL;
    weir_stream *first = weir__stream_new(loop);
    weir_stream *second = weir__stream_new(loop);
    struct pair *pair = weir__loop_alloc(loop, sizeof *pair);
    if (first == NULL || second == NULL || pair == NULL)
        goto fail;
    memset(pair, 0, sizeof *pair);
    pair->ends[1].is_second = true;
    open_end(first, &pair->ends[0]);
    open_end(second, &pair->ends[1]);
    *a = first;
    *b = second;
    return WEIR_OK;
fail:
    if (pair != NULL)
        weir__loop_free(loop, pair, sizeof *pair);
    if (second != NULL)
        weir__stream_free(second);
    if (first != NULL)
        weir__stream_free(first);
    return WEIR_ENOMEM;
}
