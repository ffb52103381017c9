#include "support/cutting_transport.h"

#include "net/stream.h"
#include "rt/backlog.h"
#include "rt/loop.h"
#include "rt/sim_random.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_MAX   16
#define PAUSE_MS     1
#define LINGER_MS    5000 /* how long bytes of a closed stream may stay stuck */
#define LAST_DATA_MS 20   /* how long it is read on after a send failed: for what came before */

/* It stands between two ios. `top` is what its user has, `raw` is what it has taken over. It lives
 * until raw is closed, which may be later than top. */
struct cutting {
    weir_stream *raw;
    weir_loop *loop;
    weir__io *top; /* NULL: closed */
    struct weir__dice dice;
    weir__task update;
    weir__timer deadline; /* lingering, or reading on after a failure */
    bool lingers;         /* top is closed, and bytes are still passed on */

    /* Received. While next is in use, raw is not received from. */
    struct weir__backlog held;
    struct weir__backlog next;
    weir__timer read_pause;
    int end_status; /* how the read side of raw ended; WEIR_OK: it has not */

    /* Sent. raw may look at the ring's first bytes while a send to it is pending. */
    struct iovec waiting[PIECES_MAX]; /* what the pending send of top has left */
    int waiting_count;
    weir__timer write_pause;
    int error;         /* of a send; WEIR_OK: none */
    bool is_shut;      /* top takes no more */
    bool is_raw_shut;  /* ... and all is passed on */
    bool drains;       /* on_drained is owed when drain_at is reached */
    uint64_t drain_at; /* in bytes taken */
    size_t capacity;   /* at most sizeof ring */
    uint64_t taken;    /* bytes from top */
    uint64_t passed;   /* bytes to raw: taken - passed are in the ring */
    uint8_t ring[CUTTING_UNSENT_MAX];
};

/* --- chance --- */

static bool one_in(struct cutting *cutting, unsigned count)
{
    return weir__dice_between(&cutting->dice, 1, count) == 1;
}

/* How many of size bytes go in one piece: often few. */
static size_t cut(struct cutting *cutting, size_t size)
{
    static const size_t most[] = {1, 16, 1024, SIZE_MAX};
    size_t limit = most[weir__dice_between(&cutting->dice, 0, 3)];
    return (size_t)weir__dice_between(&cutting->dice, 1, size < limit ? size : limit);
}

/* Between two pieces: whether the second one comes later. */
static bool pauses(struct cutting *cutting, weir__timer *pause)
{
    if (one_in(cutting, 64))
        weir__timer_set_after(cutting->loop, pause, PAUSE_MS);
    else if (one_in(cutting, 4))
        weir__task_post(cutting->loop, &cutting->update);
    else
        return false;
    return true;
}

static void plan(struct cutting *cutting)
{
    weir__task_post(cutting->loop, &cutting->update);
}

/* --- receiving --- */

static bool wants_data(const struct cutting *cutting)
{
    return cutting->top != NULL &&
           (cutting->top->flags & (WEIR__IO_RECEIVING | WEIR__IO_ENDED)) == WEIR__IO_RECEIVING;
}

/* Without memory the two come one after the other. */
static void join(struct cutting *cutting)
{
    struct weir__backlog *held = &cutting->held;
    struct weir__backlog *next = &cutting->next;
    if (weir__backlog_is_empty(next))
        return;
    if (!weir__backlog_is_empty(held) &&
        weir__backlog_put_front(next, cutting->loop, held->data, held->size) != WEIR_OK)
        return;
    weir__backlog_release(held);
    *held = weir__backlog_take(next);
}

static void lend_piece(struct cutting *cutting)
{
    struct weir__backlog *held = &cutting->held;
    size_t size = cut(cutting, held->size);
    weir__buf *buf = weir__buf_ref(held->buf);
    uint8_t *data = held->data;
    held->data += size;
    held->size -= size;
    if (held->size == 0)
        weir__backlog_release(held);
    cutting->top->on->on_data(cutting->top, buf, data, size);
    weir__buf_unref(buf);
}

static void report_end(struct cutting *cutting)
{
    int status = cutting->end_status;
    if (status == WEIR_CLOSED && cutting->error != WEIR_OK)
        status = cutting->error;
    cutting->top->flags |= WEIR__IO_ENDED;
    cutting->top->on->on_end(cutting->top, status);
}

/* Has raw bring more, or its end. */
static void read_on(struct cutting *cutting)
{
    int status = weir__io_recv_start(&cutting->raw->io);
    if (status == WEIR_OK)
        return;
    cutting->end_status = status;
    plan(cutting);
}

static void deliver(struct cutting *cutting)
{
    while (wants_data(cutting) && !weir__timer_is_armed(&cutting->read_pause)) {
        join(cutting);
        if (!weir__backlog_is_empty(&cutting->held)) {
            lend_piece(cutting);
            if (cutting->top == NULL || pauses(cutting, &cutting->read_pause))
                return;
        } else if (cutting->end_status != WEIR_OK) {
            report_end(cutting);
        } else {
            read_on(cutting);
            return;
        }
    }
}

/* Waits a moment now and then for what may come behind it. */
static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct cutting *cutting = WEIR__CONTAINER(io, weir_stream, io)->owner;
    bool is_first = weir__backlog_is_empty(&cutting->held);
    weir__backlog_keep(is_first ? &cutting->held : &cutting->next, buf, data, size);
    if (is_first && one_in(cutting, 8)) {
        weir__timer_set_after(cutting->loop, &cutting->read_pause, PAUSE_MS);
        return;
    }
    weir__timer_cancel(&cutting->read_pause);
    weir__io_recv_stop(io);
    if (one_in(cutting, 4))
        plan(cutting);
    else
        deliver(cutting);
}

static void take_end(weir__io *io, int status)
{
    struct cutting *cutting = WEIR__CONTAINER(io, weir_stream, io)->owner;
    cutting->end_status = status;
    deliver(cutting);
}

static int start_receiving(weir__io *io)
{
    plan(io->backend);
    return WEIR_OK;
}

static void stop_receiving(weir__io *io)
{
    struct cutting *cutting = io->backend;
    weir__io_recv_stop(&cutting->raw->io);
}

/* --- sending --- */

static size_t held_back(const struct cutting *cutting)
{
    return (size_t)(cutting->taken - cutting->passed);
}

/* Nothing of it is needed any more: raw closes. */
static void close_raw(struct cutting *cutting, bool reset)
{
    if (cutting->lingers)
        cutting->loop->closing_count--;
    cutting->lingers = false;
    weir__task_cancel(&cutting->update);
    weir__timer_cancel(&cutting->read_pause);
    weir__timer_cancel(&cutting->write_pause);
    weir__timer_cancel(&cutting->deadline);
    weir__io_close(&cutting->raw->io, reset);
}

static void fail(struct cutting *cutting, int status)
{
    cutting->error = status;
    cutting->passed = cutting->taken;
    weir__timer_cancel(&cutting->write_pause);
    if (cutting->top != NULL)
        weir__timer_set_after(cutting->loop, &cutting->deadline, LAST_DATA_MS);
    plan(cutting);
}

static size_t put_bytes(struct cutting *cutting, const uint8_t *data, size_t size)
{
    size_t room = cutting->capacity - held_back(cutting);
    size_t put = size < room ? size : room;
    for (size_t i = 0; i < put; i++)
        cutting->ring[(cutting->taken + i) % sizeof cutting->ring] = data[i];
    cutting->taken += put;
    return put;
}

/* Lists what is left of the pieces as waiting. Returns how many bytes were taken. */
static size_t take_pieces(struct cutting *cutting, const struct iovec *pieces, int count)
{
    size_t sum = 0;
    int left = 0;
    for (int i = 0; i < count; i++) {
        struct iovec piece = pieces[i];
        size_t part = put_bytes(cutting, piece.iov_base, piece.iov_len);
        sum += part;
        if (part < piece.iov_len)
            cutting->waiting[left++] =
                (struct iovec){(uint8_t *)piece.iov_base + part, piece.iov_len - part};
    }
    cutting->waiting_count = left;
    return sum;
}

static int64_t send_pieces(weir__io *io, const struct iovec *pieces, int count)
{
    struct cutting *cutting = io->backend;
    if (cutting->error != WEIR_OK)
        return cutting->error;
    if (cutting->is_shut)
        return WEIR_SYSTEM(EPIPE);
    plan(cutting);
    return (int64_t)take_pieces(cutting, pieces, count);
}

/* One piece of the ring. */
static void pass_piece(struct cutting *cutting)
{
    size_t at = cutting->passed % sizeof cutting->ring;
    size_t end = sizeof cutting->ring - at;
    size_t most = held_back(cutting) < end ? held_back(cutting) : end;
    struct iovec piece = {cutting->ring + at, cut(cutting, most)};
    int64_t taken = weir__io_send(&cutting->raw->io, &piece, 1);
    if (taken < 0)
        fail(cutting, (int)taken);
    else
        cutting->passed += (uint64_t)taken;
}

static void pass_on(struct cutting *cutting)
{
    while (held_back(cutting) > 0 && !weir__io_is_sending(&cutting->raw->io) &&
           !weir__timer_is_armed(&cutting->write_pause)) {
        pass_piece(cutting);
        if (pauses(cutting, &cutting->write_pause))
            return;
    }
}

/* What has to wait for the ring's last byte. */
static void end_output(struct cutting *cutting)
{
    if (held_back(cutting) > 0 || weir__io_is_sending(&cutting->raw->io))
        return;
    if (cutting->is_shut && !cutting->is_raw_shut && cutting->error == WEIR_OK) {
        cutting->is_raw_shut = true;
        int status = weir__io_shutdown(&cutting->raw->io);
        if (status != WEIR_OK)
            fail(cutting, status);
    }
    if (cutting->lingers)
        close_raw(cutting, false);
}

/* A pending send goes on: takes more of its bytes, or lets its user try again. */
static void go_on_sending(struct cutting *cutting)
{
    struct iovec pieces[PIECES_MAX];
    size_t size = 0;
    if (cutting->top == NULL || cutting->waiting_count == 0 ||
        (cutting->error == WEIR_OK && held_back(cutting) > cutting->capacity / 2))
        return;
    int count = cutting->waiting_count;
    cutting->waiting_count = 0;
    if (cutting->error == WEIR_OK && !one_in(cutting, 4)) {
        memcpy(pieces, cutting->waiting, (size_t)count * sizeof *pieces);
        size = take_pieces(cutting, pieces, count);
        cutting->waiting_count = 0; /* the user sends it again */
        plan(cutting);
    }
    cutting->top->flags &= ~(uint32_t)WEIR__IO_SENDING;
    cutting->top->on->on_sent(cutting->top, cutting->error, size);
}

/* All is passed to raw: asks it, unless it still has an older question to answer. */
static void drain(struct cutting *cutting)
{
    weir__io *raw = &cutting->raw->io;
    if (cutting->top == NULL || !cutting->drains ||
        (cutting->error == WEIR_OK &&
         (cutting->passed < cutting->drain_at || (raw->flags & WEIR__IO_DRAINING) != 0)))
        return;
    cutting->drains = false;
    if (cutting->error != WEIR_OK || !weir__io_await_drained(raw))
        weir__io_report_drained(cutting->top, cutting->error);
}

static void take_drained(weir__io *io, int status)
{
    struct cutting *cutting = WEIR__CONTAINER(io, weir_stream, io)->owner;
    if (cutting->drains)
        plan(cutting);
    else if (cutting->top != NULL)
        weir__io_report_drained(cutting->top, status);
}

/* Each step may have a callback that closes top; then the next ones do nothing. */
static void update(weir__task *task)
{
    struct cutting *cutting = WEIR__CONTAINER(task, struct cutting, update);
    pass_on(cutting);
    end_output(cutting);
    go_on_sending(cutting);
    drain(cutting);
    deliver(cutting);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    struct cutting *cutting = WEIR__CONTAINER(io, weir_stream, io)->owner;
    if (status != WEIR_OK)
        fail(cutting, status);
    else
        cutting->passed += size;
    plan(cutting);
}

static size_t unsent(const weir__io *io)
{
    const struct cutting *cutting = io->backend;
    return held_back(cutting) + weir__io_unsent(&cutting->raw->io);
}

static void await_drained(weir__io *io)
{
    struct cutting *cutting = io->backend;
    cutting->drains = true;
    cutting->drain_at = cutting->taken;
    plan(cutting);
}

static int shut(weir__io *io)
{
    struct cutting *cutting = io->backend;
    if (cutting->error != WEIR_OK)
        return cutting->error;
    cutting->is_shut = true;
    plan(cutting);
    return WEIR_OK;
}

/* --- closing --- */

static void report_closed(weir__task *task)
{
    weir__io_report_closed(WEIR__CONTAINER(task, weir__io, task));
}

static void close_top(weir__io *io, bool reset)
{
    struct cutting *cutting = io->backend;
    cutting->top = NULL;
    io->backend = NULL;
    weir__task_post(io->loop, &io->task);
    weir__backlog_release(&cutting->held);
    weir__backlog_release(&cutting->next);
    weir__io_recv_stop(&cutting->raw->io);
    if (reset || (held_back(cutting) == 0 && !weir__io_is_sending(&cutting->raw->io))) {
        close_raw(cutting, reset);
        return;
    }
    cutting->lingers = true;
    cutting->loop->closing_count++; /* the loop waits for it */
    weir__timer_set_after(cutting->loop, &cutting->deadline, LINGER_MS);
    plan(cutting);
}

static void take_closed(weir__io *io)
{
    weir_stream *raw = WEIR__CONTAINER(io, weir_stream, io);
    struct cutting *cutting = raw->owner;
    weir__stream_free(raw);
    weir__loop_free(cutting->loop, cutting, sizeof *cutting);
}

static void pass_deadline(weir__timer *timer)
{
    struct cutting *cutting = WEIR__CONTAINER(timer, struct cutting, deadline);
    if (cutting->top == NULL) {
        close_raw(cutting, false);
        return;
    }
    weir__io_recv_stop(&cutting->raw->io);
    if (cutting->end_status == WEIR_OK)
        cutting->end_status = cutting->error;
    plan(cutting);
}

static void end_read_pause(weir__timer *timer)
{
    struct cutting *cutting = WEIR__CONTAINER(timer, struct cutting, read_pause);
    weir__io_recv_stop(&cutting->raw->io);
    plan(cutting);
}

static void end_write_pause(weir__timer *timer)
{
    plan(WEIR__CONTAINER(timer, struct cutting, write_pause));
}

/* --- what is passed down --- */

static int ask_address(weir__io *io, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    weir__io *raw = &((struct cutting *)io->backend)->raw->io;
    return peer ? weir__io_peer_address(raw, address, size)
                : weir__io_local_address(raw, address, size);
}

static int keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s)
{
    return weir__io_keep_alive(&((struct cutting *)io->backend)->raw->io, idle_s, interval_s);
}

/* --- making one --- */

static const struct weir__io_ops cutting_ops = {
    .recv_start = start_receiving,
    .recv_stop = stop_receiving,
    .send = send_pieces,
    .shutdown = shut,
    .close = close_top,
    .address = ask_address,
    .keep_alive = keep_alive,
    .unsent = unsent,
    .await_drained = await_drained,
};

static const struct weir__io_events raw_events = {
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_drained = take_drained,
    .on_closed = take_closed,
};

static void init(struct cutting *cutting, weir_stream *top, weir_stream *raw, unsigned seed)
{
    struct weir__stream_rest rest;
    memset(cutting, 0, offsetof(struct cutting, ring));
    cutting->raw = raw;
    cutting->loop = top->io.loop;
    cutting->top = &top->io;
    weir__dice_init(&cutting->dice, seed, 0);
    cutting->capacity = (size_t)1024 << weir__dice_between(&cutting->dice, 0, 4);
    weir__task_init(&cutting->update, update);
    weir__timer_init(&cutting->deadline, pass_deadline);
    weir__timer_init(&cutting->read_pause, end_read_pause);
    weir__timer_init(&cutting->write_pause, end_write_pause);
    weir__stream_take(raw, &raw_events, cutting, &rest);
    cutting->held = (struct weir__backlog){rest.buf, rest.data, rest.size};
    cutting->end_status = rest.end_status;
}

int cutting_stream_over(weir_stream **out, weir_stream *raw, unsigned seed)
{
    weir_loop *loop = weir_stream_loop(raw);
    weir_stream *top = weir__stream_new(loop);
    struct cutting *cutting = top != NULL ? weir__loop_alloc(loop, sizeof *cutting) : NULL;
    *out = NULL;
    if (cutting == NULL) {
        if (top != NULL)
            weir__stream_free(top);
        weir_stream_reset(raw);
        return WEIR_ENOMEM;
    }
    init(cutting, top, raw, seed);
    weir__io_open(&top->io, &cutting_ops, cutting);
    weir__task_init(&top->io.task, report_closed);
    *out = top;
    return WEIR_OK;
}

/* --- the choice --- */

static weir_stream *layer(weir_stream *raw)
{
    static atomic_uint seed = 1;
    weir_stream *stream;
    return cutting_stream_over(&stream, raw, atomic_fetch_add(&seed, 1)) == WEIR_OK ? stream : NULL;
}

void transport_choose(void)
{
    const char *name = getenv("WEIR_TEST_TRANSPORT");
    weir__stream_layer = name != NULL && strcmp(name, "cutting") == 0 ? layer : NULL;
}

bool transport_cuts(void)
{
    return weir__stream_layer != NULL;
}

weir_stream *transport_over(weir_stream *raw)
{
    return weir__stream_layer != NULL ? weir__stream_layer(raw) : raw;
}
