/* Receiving. Connections that have something are read in a row, and only then is it delivered.
 * Small echoes cost less so than with each read followed by the work on it, most likely because
 * neither drives the other's code out of the processor's cache. What is large is delivered at once,
 * while it is in the cache itself. */
#include "rt/loop_epoll.h"

#include "rt/backlog.h"
#include "rt/sys.h"

#include <errno.h>
#include <string.h>

/* Bytes of one connection a turn, for fairness: others come before the next. */
#define READ_MAX ((size_t)128 * 1024)
/* Bytes of one read to where a message is joined: they cause no work yet. */
#define PLACE_MAX    ((size_t)256 * 1024)
#define ROW_READ_MAX ((size_t)2 * 1024) /* a larger read ends a row */
#define ROW_ALIGN    ((size_t)64)

/* What was read of a connection that does not want it now. */
struct kept {
    struct weir__backlog bytes;
    int status; /* not WEIR_OK: the end that was found instead */
};

static bool wants_data(const weir__io *io)
{
    return (io->flags & (WEIR__IO_RECEIVING | WEIR__IO_ENDED | WEIR__IO_CLOSING)) ==
           WEIR__IO_RECEIVING;
}

static bool may_read(const weir__io *io)
{
    return wants_data(io) && (io->flags & WEIR__EPOLL_READABLE) != 0;
}

/* --- the buffer --- */

static weir__buf *read_buf_of(weir_loop *loop)
{
    struct weir__epoll *state = weir__epoll_of(loop);
    if (state->read_buf != NULL && state->read_buf->refs > 1) {
        weir__buf_unref(state->read_buf);
        state->read_buf = NULL;
    }
    if (state->read_buf == NULL)
        state->read_buf = weir__buf_take(loop);
    return state->read_buf;
}

/* --- one read --- */

static void end_receiving(weir__io *io, int status)
{
    io->flags |= WEIR__IO_ENDED;
    io->flags &= ~(uint32_t)WEIR__EPOLL_READABLE;
    io->on->on_end(io, status);
}

/* What the result of a read says of the next one. Less than asked for: the kernel has no more, and
 * announces when it has. */
static void note_result(weir__io *io, ssize_t size, size_t asked)
{
    if (size > 0 && (size_t)size < asked && (io->flags & WEIR__EPOLL_HUNG_UP) == 0)
        io->flags &= ~(uint32_t)WEIR__EPOLL_READABLE;
}

/* A read that found no data. Finding nothing is rare, because a read that is not filled says so
 * already. Should that have been wrong, the kernel would never announce more, so it is asked to
 * look again. Returns the status to end with; WEIR_OK: receiving goes on. */
static int end_of(weir__io *io, ssize_t result)
{
    if (result == 0)
        return WEIR_CLOSED;
    if (result != -EAGAIN)
        return WEIR_SYSTEM((int)-result);
    io->flags &= ~(uint32_t)(WEIR__EPOLL_READABLE | WEIR__EPOLL_HUNG_UP);
    return weir__epoll_look_again(io);
}

/* Where to read: to the place where a message is joined when much of it is still to come, else to
 * the buffer, which takes what follows, too. Returns how much. */
static size_t choose_room(weir__io *io, weir__buf *buf, uint8_t **data)
{
    size_t size = io->on->on_room != NULL ? io->on->on_room(io, data) : 0;
    io->flags &= ~(uint32_t)WEIR__EPOLL_PLACED;
    if (size >= buf->size) {
        io->flags |= WEIR__EPOLL_PLACED;
        return size < PLACE_MAX ? size : PLACE_MAX;
    }
    *data = buf->data; /* on_room may have named another */
    return buf->size;
}

/* One read. Returns its size; 0: there is no going on. */
static size_t read_once(weir__io *io)
{
    weir__buf *buf = read_buf_of(io->loop);
    if (buf == NULL) {
        end_receiving(io, WEIR_ENOMEM);
        return 0;
    }
    uint8_t *data = buf->data;
    size_t asked = choose_room(io, buf, &data);
    ssize_t size = weir__sys_recv(io->fd, data, &asked);
    note_result(io, size, asked);
    if (size > 0) {
        io->on->on_data(io, buf, data, (size_t)size);
        return (size_t)size;
    }
    int status = end_of(io, size);
    if (status != WEIR_OK)
        end_receiving(io, status);
    return 0;
}

/* Reads on after so many bytes in this turn. */
static void read_on(weir__io *io, size_t total)
{
    while (may_read(io)) {
        if (total >= READ_MAX) {
            weir__task_post_last(io->loop, &io->task);
            return;
        }
        size_t size = read_once(io);
        if (size == 0)
            return;
        total += size;
    }
}

/* --- what is not wanted yet --- */

static struct kept lost = {.status = WEIR_ENOMEM}; /* a stream has no gaps */

/* Its receiver has stopped since it was read. */
static void keep_unread(const struct weir__epoll_read *read, weir__buf *buf, int status)
{
    weir__io *io = read->io;
    struct kept *kept = weir__loop_alloc(io->loop, sizeof *kept);
    io->backend = kept != NULL ? kept : &lost;
    if (kept == NULL)
        return;
    *kept = (struct kept){.status = status};
    if (status == WEIR_OK)
        weir__backlog_keep(&kept->bytes, buf, read->data, (size_t)read->size);
}

static struct kept take_kept(weir__io *io)
{
    struct kept *kept = io->backend;
    struct kept taken = *kept;
    io->backend = NULL;
    if (kept != &lost)
        weir__loop_free(io->loop, kept, sizeof *kept);
    return taken;
}

void weir__epoll_drop_kept(weir__io *io)
{
    if (io->backend == NULL)
        return;
    struct kept kept = take_kept(io);
    weir__backlog_release(&kept.bytes);
}

static void deliver_kept(weir__io *io)
{
    struct kept kept = take_kept(io);
    if (kept.status != WEIR_OK)
        end_receiving(io, kept.status);
    else
        io->on->on_data(io, kept.bytes.buf, kept.bytes.data, kept.bytes.size);
    weir__backlog_release(&kept.bytes);
}

void weir__epoll_read(weir__io *io)
{
    if (io->backend != NULL && wants_data(io))
        deliver_kept(io);
    read_on(io, 0);
}

int weir__epoll_recv_start(weir__io *io)
{
    if (io->backend != NULL || may_read(io))
        weir__task_post(io->loop, &io->task);
    return WEIR_OK;
}

void weir__epoll_recv_stop(weir__io *io)
{
    weir__task_cancel(&io->task);
}

/* --- in a row --- */

static void deliver(const struct weir__epoll_read *read, weir__buf *buf)
{
    weir__io *io = read->io;
    uint8_t *place = NULL;
    if ((io->flags & (WEIR__IO_CLOSING | WEIR__IO_ENDED)) != 0)
        return;
    int status = read->size > 0 ? WEIR_OK : end_of(io, read->size);
    if (read->size <= 0 && status == WEIR_OK)
        return;
    if (!wants_data(io))
        keep_unread(read, buf, status);
    else if (status != WEIR_OK)
        end_receiving(io, status);
    else
        io->on->on_data(io, buf, read->data, (size_t)read->size);
    if (read->size > (ssize_t)ROW_READ_MAX && wants_data(io))
        (void)choose_room(io, buf, &place); /* for the next read, which may not ask */
}

void weir__epoll_deliver_row(struct weir__epoll *state)
{
    weir__buf *buf = state->read_buf;
    unsigned count = state->row_count;
    if (count == 0)
        return;
    state->row_count = 0;
    state->row_size = 0;
    state->read_buf = NULL; /* whatever is read meanwhile goes elsewhere */
    for (unsigned i = 0; i < count; i++)
        deliver(&state->row[i], buf);
    if (state->read_buf == NULL && buf->refs == 1)
        state->read_buf = buf;
    else
        weir__buf_unref(buf);
    const struct weir__epoll_read *last = &state->row[count - 1];
    if (last->size > 0)
        read_on(last->io, (size_t)last->size);
}

/* The buffer of the row, with room for one more read. NULL: no memory. */
static weir__buf *row_buf(struct weir__epoll *state, weir_loop *loop)
{
    if (state->row_count == WEIR__EPOLL_ROW ||
        (state->row_count > 0 && state->row_size > state->read_buf->size / 2))
        weir__epoll_deliver_row(state);
    return state->row_count > 0 ? state->read_buf : read_buf_of(loop);
}

void weir__epoll_read_in_row(weir__io *io)
{
    struct weir__epoll *state = weir__epoll_of(io->loop);
    if (!may_read(io))
        return;
    weir__buf *buf = row_buf(state, io->loop);
    if (buf == NULL || (io->flags & WEIR__EPOLL_PLACED) != 0) {
        weir__epoll_deliver_row(state);
        read_on(io, 0);
        return;
    }
    uint8_t *data = buf->data + state->row_size;
    size_t asked = buf->size - state->row_size;
    ssize_t size = weir__sys_recv(io->fd, data, &asked);
    note_result(io, size, asked);
    state->row[state->row_count++] = (struct weir__epoll_read){io, data, size};
    if (size > 0)
        state->row_size += ((size_t)size + ROW_ALIGN - 1) & ~(ROW_ALIGN - 1);
    /* One that has to read on is the last of its row. */
    if (size > (ssize_t)ROW_READ_MAX || may_read(io))
        weir__epoll_deliver_row(state);
}
