#include "rt/io.h"

#include "rt/backend.h"
#include "rt/loop.h"

#define PIECES_MAX 16

static bool has_flags(const weir__io *io, uint32_t flags)
{
    return (io->flags & flags) != 0;
}

static void clear_flags(weir__io *io, uint32_t flags)
{
    io->flags &= ~flags;
}

void weir__io_report_closed(weir__io *io)
{
    io->loop->closing_count--;
    if (io->on->on_closed != NULL)
        io->on->on_closed(io);
}

void weir__io_init(weir__io *io, weir_loop *loop, const struct weir__io_events *on)
{
    io->loop = loop;
    io->ops = loop->backend->sockets;
    io->on = on;
    weir__task_init(&io->task, NULL);
    io->backend = NULL;
    io->fd = -1;
    io->flags = 0;
}

void weir__io_open(weir__io *io, const struct weir__io_ops *ops, void *backend)
{
    io->ops = ops;
    io->backend = backend;
    io->flags = WEIR__IO_OPEN;
}

/* --- bytes --- */

int weir__io_recv_start(weir__io *io)
{
    if (!weir__io_is_connected(io))
        return WEIR_ESTATE;
    if (has_flags(io, WEIR__IO_ENDED))
        return WEIR_CLOSED;
    if (has_flags(io, WEIR__IO_RECEIVING))
        return WEIR_OK;
    io->flags |= WEIR__IO_RECEIVING;
    int status = io->ops->recv_start(io);
    if (status != WEIR_OK)
        clear_flags(io, WEIR__IO_RECEIVING);
    return status;
}

void weir__io_recv_stop(weir__io *io)
{
    if (!has_flags(io, WEIR__IO_RECEIVING))
        return;
    clear_flags(io, WEIR__IO_RECEIVING);
    io->ops->recv_stop(io);
}

int64_t weir__io_send(weir__io *io, const struct iovec *pieces, int count)
{
    if (count < 1 || count > PIECES_MAX)
        return WEIR_EINVAL;
    if (!weir__io_is_connected(io) || has_flags(io, WEIR__IO_SENDING))
        return WEIR_ESTATE;
    size_t total = pieces[0].iov_len;
    for (int i = 1; i < count; i++)
        if (__builtin_add_overflow(total, pieces[i].iov_len, &total))
            return WEIR_EINVAL;
    if (total == 0)
        return 0;
    int64_t taken = io->ops->send(io, pieces, count);
    if (taken >= 0 && (size_t)taken < total)
        io->flags |= WEIR__IO_SENDING;
    return taken;
}

bool weir__io_await_drained(weir__io *io)
{
    if (weir__io_unsent(io) == 0)
        return false;
    if (has_flags(io, WEIR__IO_DRAINING))
        return true;
    io->flags |= WEIR__IO_DRAINING;
    io->ops->await_drained(io);
    return true;
}

void weir__io_report_drained(weir__io *io, int status)
{
    if (!has_flags(io, WEIR__IO_DRAINING))
        return;
    clear_flags(io, WEIR__IO_DRAINING);
    io->on->on_drained(io, status);
}

int weir__io_shutdown(weir__io *io)
{
    if (!weir__io_is_connected(io) || has_flags(io, WEIR__IO_SENDING))
        return WEIR_ESTATE;
    return io->ops->shutdown(io);
}

/* --- addresses, closing, keep-alive --- */

static int ask_address(weir__io *io, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    if (!has_flags(io, WEIR__IO_OPEN) || has_flags(io, WEIR__IO_CLOSING))
        return WEIR_ESTATE;
    return io->ops->address(io, peer, address, size);
}

int weir__io_local_address(weir__io *io, struct sockaddr_storage *address, socklen_t *size)
{
    return ask_address(io, false, address, size);
}

int weir__io_peer_address(weir__io *io, struct sockaddr_storage *address, socklen_t *size)
{
    return ask_address(io, true, address, size);
}

static void report_unopened_closed(weir__task *task)
{
    weir__io *io = WEIR__CONTAINER(task, weir__io, task);
    weir__io_report_closed(io);
}

void weir__io_close(weir__io *io, bool reset)
{
    if (has_flags(io, WEIR__IO_CLOSING))
        return;
    bool open = has_flags(io, WEIR__IO_OPEN);
    io->flags |= WEIR__IO_CLOSING;
    io->loop->closing_count++;
    clear_flags(io, WEIR__IO_RECEIVING | WEIR__IO_SENDING | WEIR__IO_DRAINING | WEIR__IO_ACCEPTING |
                        WEIR__IO_CONNECTING);
    if (open) {
        io->ops->close(io, reset);
        return;
    }
    weir__task_init(&io->task, report_unopened_closed);
    weir__task_post(io->loop, &io->task);
}

int weir__io_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s)
{
    if (!weir__io_is_connected(io))
        return WEIR_ESTATE;
    if (idle_s == 0 || idle_s > INT16_MAX || interval_s == 0 || interval_s > INT16_MAX)
        return WEIR_EINVAL;
    return io->ops->keep_alive(io, idle_s, interval_s);
}
