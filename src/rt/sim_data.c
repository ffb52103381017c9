#include "rt/sim.h"

#include <errno.h>
#include <string.h>

static struct weir__sim_end *end_of(const weir__io *io)
{
    return WEIR__CONTAINER(io->backend, struct weir__sim_end, node);
}

/* A fault that is injected into a read or a write: WEIR_OK, or what the call returns. */
static int roll_faults(struct weir__sim *sim, struct weir__sim_end *end, int broken)
{
    if (weir__sim_injects(sim, sim->options.reset_ppm, &sim->stats.resets)) {
        weir__sim_end_break(sim, end);
        return weir__sim_end_error(end, broken);
    }
    return weir__sim_fail(sim);
}

/* --- receiving --- */

int weir__sim_recv_start(weir__io *io)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_end *end = end_of(io);
    end->flags |= SIM_RECEIVING;
    weir__sim_end_plan(sim, end);
    return WEIR_OK;
}

void weir__sim_recv_stop(weir__io *io)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_end *end = end_of(io);
    end->flags &= ~(uint32_t)SIM_RECEIVING;
    weir__sim_end_plan(sim, end);
}

static void finish_receiving(struct weir__sim *sim, struct weir__sim_end *end, int status)
{
    weir__io *io = end->io;
    end->flags |= SIM_ENDED;
    io->flags |= WEIR__IO_ENDED;
    weir__sim_end_plan(sim, end);
    weir__sim_note(sim, SIM_ON_END, weir__sim_end_id(end), status);
    io->on->on_end(io, status);
}

/* The buffer that reads go to: the same again unless bytes of it are kept. */
static weir__buf *read_buf_of(struct weir__sim *sim)
{
    if (sim->read_buf != NULL && sim->read_buf->refs > 1) {
        weir__buf_unref(sim->read_buf);
        sim->read_buf = NULL;
    }
    if (sim->read_buf == NULL)
        sim->read_buf = weir__buf_take(sim->loop);
    return sim->read_buf;
}

static void deliver(struct weir__sim *sim, struct weir__sim_end *end)
{
    weir__io *io = end->io;
    weir__buf *buf = read_buf_of(sim);
    if (buf == NULL) {
        finish_receiving(sim, end, WEIR_ENOMEM);
        return;
    }
    size_t size = weir__sim_queue_ready(&end->queue, sim->now_ms, buf->size);
    if (weir__sim_cuts(sim, sim->options.cut_read_ppm))
        size = weir__dice_between(&sim->faults, 1, size);
    weir__sim_queue_take(&end->queue, sim->loop, buf->data, size);
    weir__sim_room_made(sim, end);
    weir__sim_end_plan(sim, end);
    weir__sim_note(sim, SIM_ON_DATA, weir__sim_end_id(end), (int64_t)size);
    weir__sim_note_bytes(sim, buf->data, size);
    io->on->on_data(io, buf, buf->data, size);
}

void weir__sim_receive(struct weir__sim *sim, struct weir__sim_end *end)
{
    if ((end->flags & SIM_RESET) != 0) {
        finish_receiving(sim, end, weir__sim_end_error(end, WEIR_CLOSED));
        return;
    }
    int status = roll_faults(sim, end, WEIR_CLOSED);
    if (status != WEIR_OK)
        finish_receiving(sim, end, status);
    else if (weir__sim_queue_first_due(&end->queue) <= sim->now_ms)
        deliver(sim, end);
    else
        finish_receiving(sim, end, WEIR_CLOSED);
}

/* --- sending --- */

void weir__sim_room_made(struct weir__sim *sim, struct weir__sim_end *end)
{
    struct weir__sim_end *sender = weir__sim_peer_of(end);
    size_t most = sim->options.socket_buffer;
    if ((sender->flags & SIM_SENDING) == 0 || sender->wake_ms != WEIR__SIM_NEVER)
        return;
    /* As on Linux, a sender is not woken for a sliver of room. */
    if (end->queue.held > most - most / 3)
        return;
    sender->wake_ms = weir__sim_later(sim);
    weir__sim_end_plan(sim, sender);
}

void weir__sim_late_free(struct weir__sim *sim, struct weir__sim_end *end)
{
    if (end->late != NULL)
        weir__loop_free(sim->loop, end->late,
                        sizeof *end->late + (size_t)end->late->count * sizeof(struct iovec));
    end->late = NULL;
}

static size_t sum_of(const struct iovec *pieces, int count)
{
    size_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += pieces[i].iov_len;
    return sum;
}

/* How much of a write fits. What is sent to a closed end is lost, so it always does. */
static size_t room_for(struct weir__sim *sim, struct weir__sim_end *end, size_t size)
{
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    if ((peer->flags & SIM_GONE) != 0)
        return size;
    size_t most = sim->options.socket_buffer;
    size_t room = peer->queue.held < most ? most - peer->queue.held : 0;
    return size < room ? size : room;
}

static int put_bytes(struct weir__sim *sim, struct weir__sim_end *end, const struct iovec *pieces,
                     size_t size)
{
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    if (size == 0)
        return WEIR_OK;
    uint64_t due_ms = weir__sim_later(sim);
    if ((peer->flags & SIM_GONE) != 0) {
        /* No end is there: the answer is a reset. */
        weir__sim_end_reset_at(sim, end, due_ms + weir__sim_latency(sim));
        return WEIR_OK;
    }
    int status = weir__sim_queue_put(&peer->queue, sim->loop, pieces, size, due_ms);
    if (status == WEIR_OK)
        weir__sim_end_plan(sim, peer);
    return status;
}

static void await_sent(struct weir__sim *sim, struct weir__sim_end *end, uint64_t wake_ms)
{
    end->flags |= SIM_SENDING;
    end->wake_ms = wake_ms;
    weir__sim_end_plan(sim, end);
}

/* As epoll does: some bytes now; when there is room again, the caller tries those that are left. */
static int64_t send_now(struct weir__sim *sim, struct weir__sim_end *end,
                        const struct iovec *pieces, int count, bool cut)
{
    size_t total = sum_of(pieces, count);
    size_t size = room_for(sim, end, total);
    int status = roll_faults(sim, end, WEIR_SYSTEM(EPIPE));
    if (status != WEIR_OK)
        return status;
    if (cut)
        size = weir__dice_between(&sim->faults, 0, size);
    status = put_bytes(sim, end, pieces, size);
    if (status != WEIR_OK)
        return status;
    if (size < total)
        await_sent(sim, end, cut ? weir__sim_later(sim) : WEIR__SIM_NEVER);
    return (int64_t)size;
}

/* As io_uring does: nothing now; the bytes are taken later from where they lie. */
static int64_t send_late(struct weir__sim *sim, struct weir__sim_end *end,
                         const struct iovec *pieces, int count)
{
    size_t bytes = (size_t)count * sizeof *pieces;
    end->late = weir__loop_alloc(sim->loop, sizeof *end->late + bytes);
    if (end->late == NULL)
        return WEIR_ENOMEM;
    end->late->count = count;
    memcpy(end->late->pieces, pieces, bytes);
    await_sent(sim, end, weir__sim_later(sim));
    return 0;
}

static int check_writable(struct weir__sim_end *end)
{
    if ((end->flags & (SIM_CONNECTING | SIM_REFUSED | SIM_UNANSWERED)) != 0)
        return WEIR_SYSTEM(ENOTCONN);
    if ((end->flags & SIM_RESET) != 0)
        return weir__sim_end_error(end, WEIR_SYSTEM(EPIPE));
    if ((end->flags & SIM_SHUT) != 0)
        return WEIR_SYSTEM(EPIPE);
    return (end->flags & SIM_SENDING) == 0 ? WEIR_OK : WEIR_ESTATE;
}

int64_t weir__sim_send(weir__io *io, const struct iovec *pieces, int count)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_end *end = end_of(io);
    weir__sim_end_update(sim, end);
    int status = check_writable(end);
    if (status != WEIR_OK)
        return status;
    bool cut = weir__sim_cuts(sim, sim->options.cut_write_ppm);
    if (cut && weir__dice_next(&sim->faults) >> 63 != 0)
        return send_late(sim, end, pieces, count);
    return send_now(sim, end, pieces, count, cut);
}

static void finish_sending(struct weir__sim *sim, struct weir__sim_end *end, int status,
                           size_t size)
{
    weir__io *io = end->io;
    weir__sim_late_free(sim, end);
    end->flags &= ~(uint32_t)SIM_SENDING;
    end->wake_ms = WEIR__SIM_NEVER;
    io->flags &= ~(uint32_t)WEIR__IO_SENDING;
    weir__sim_end_plan(sim, end);
    weir__sim_note(sim, SIM_ON_SENT, weir__sim_end_id(end),
                   status != WEIR_OK ? status : (int64_t)size);
    io->on->on_sent(io, status, size);
}

static void take_late(struct weir__sim *sim, struct weir__sim_end *end)
{
    struct weir__sim_late *late = end->late;
    size_t size = room_for(sim, end, sum_of(late->pieces, late->count));
    if (size == 0) {
        end->wake_ms = WEIR__SIM_NEVER;
        weir__sim_end_plan(sim, end);
        return;
    }
    int status = roll_faults(sim, end, WEIR_SYSTEM(EPIPE));
    if (weir__sim_cuts(sim, sim->options.cut_write_ppm))
        size = weir__dice_between(&sim->faults, 1, size);
    if (status == WEIR_OK)
        status = put_bytes(sim, end, late->pieces, size);
    finish_sending(sim, end, status, status == WEIR_OK ? size : 0);
}

void weir__sim_go_on_sending(struct weir__sim *sim, struct weir__sim_end *end)
{
    if ((end->flags & SIM_RESET) != 0)
        finish_sending(sim, end, weir__sim_end_error(end, WEIR_SYSTEM(EPIPE)), 0);
    else if (end->late != NULL)
        take_late(sim, end);
    else
        finish_sending(sim, end, WEIR_OK, 0);
}

int weir__sim_shutdown(weir__io *io)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_end *end = end_of(io);
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    weir__sim_end_update(sim, end);
    if ((end->flags & (SIM_CONNECTING | SIM_REFUSED | SIM_UNANSWERED | SIM_RESET)) != 0)
        return WEIR_SYSTEM(ENOTCONN);
    if ((end->flags & SIM_SHUT) != 0)
        return WEIR_OK;
    end->flags |= SIM_SHUT;
    if ((peer->flags & SIM_GONE) != 0)
        return WEIR_OK;
    peer->eof_ms = weir__sim_later(sim);
    weir__sim_end_plan(sim, peer);
    return WEIR_OK;
}
