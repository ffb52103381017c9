/* Receiving: one multishot operation a connection into buffers that all connections of the loop
 * share. A connection that fills its buffers would take all of them at once, and all others would
 * wait: it gets one buffer at a time. */
#include "rt/loop_uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define BUF_GROUP     0
#define BUF_RING_SIZE (WEIR__URING_BUFS * sizeof(struct io_uring_buf))

/* --- the ring of buffers --- */

/* Gives the kernel the buffer of an id, or another one when bytes of it are kept. */
static void give_buf(struct weir__uring *uring, unsigned id)
{
    weir__buf *buf = uring->bufs[id];
    if (buf != NULL && buf->refs > 1) {
        weir__buf_unref(buf);
        uring->buf_count--;
        buf = NULL;
    }
    if (buf == NULL) {
        buf = weir__buf_take(uring->loop);
        uring->bufs[id] = buf;
        if (buf == NULL)
            return;
        uring->buf_count++;
    }
    io_uring_buf_ring_add(uring->buf_ring, buf->data, buf->size, (unsigned short)id,
                          io_uring_buf_ring_mask(WEIR__URING_BUFS), 0);
    io_uring_buf_ring_advance(uring->buf_ring, 1);
}

static void replace_missing_bufs(struct weir__uring *uring)
{
    for (unsigned id = 0; id < WEIR__URING_BUFS && uring->buf_count < WEIR__URING_BUFS; id++)
        if (uring->bufs[id] == NULL)
            give_buf(uring, id);
}

int weir__uring_bufs_init(struct weir__uring *uring)
{
    void *memory =
        mmap(NULL, BUF_RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return WEIR_ENOMEM;
    uring->buf_ring = memory;
    struct io_uring_buf_reg reg = {
        .ring_addr = (uint64_t)(uintptr_t)memory,
        .ring_entries = WEIR__URING_BUFS,
        .bgid = BUF_GROUP,
    };
    int result = weir__sys_ring_register_buffers(&uring->ring, &reg);
    if (result < 0)
        return result == -EINVAL ? WEIR_ENOTSUP : WEIR_SYSTEM(-result);
    io_uring_buf_ring_init(uring->buf_ring);
    replace_missing_bufs(uring);
    return uring->buf_count == WEIR__URING_BUFS ? WEIR_OK : WEIR_ENOMEM;
}

/* Not to the loop's list of free buffers: when opening failed, that is not emptied any more. */
void weir__uring_bufs_fini(struct weir__uring *uring)
{
    for (unsigned id = 0; id < WEIR__URING_BUFS; id++) {
        weir__buf *buf = uring->bufs[id];
        if (buf != NULL && buf->refs > 1)
            weir__buf_unref(buf);
        else if (buf != NULL)
            weir__loop_free(uring->loop, buf, sizeof *buf + buf->size);
    }
    if (uring->buf_ring != NULL)
        (void)munmap(uring->buf_ring, BUF_RING_SIZE);
}

/* --- what is not wanted yet --- */

static struct weir__uring_kept *first_kept(const weir__io *io)
{
    const struct weir__uring_extra *extra = io->backend;
    return extra != NULL ? extra->first : NULL;
}

static int keep_unread(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct weir__uring_extra *extra = weir__uring_extra_of(io, 0);
    struct weir__uring_kept *kept = extra != NULL ? weir__loop_alloc(io->loop, sizeof *kept) : NULL;
    if (kept == NULL)
        return WEIR_ENOMEM;
    kept->next = NULL;
    weir__backlog_keep(&kept->bytes, buf, data, size);
    if (extra->first == NULL)
        extra->first = kept;
    else
        extra->last->next = kept;
    extra->last = kept;
    return WEIR_OK;
}

/* The oldest; the caller has its reference. */
static struct weir__backlog take_first(struct weir__uring_extra *extra)
{
    struct weir__uring_kept *kept = extra->first;
    struct weir__backlog bytes = kept->bytes;
    extra->first = kept->next;
    weir__loop_free(extra->loop, kept, sizeof *kept);
    return bytes;
}

void weir__uring_drop_kept(struct weir__uring_extra *extra)
{
    while (extra->first != NULL) {
        struct weir__backlog bytes = take_first(extra);
        weir__backlog_release(&bytes);
    }
}

/* --- receiving --- */

static bool wants_data(const weir__io *io)
{
    return (io->flags & (WEIR__IO_RECEIVING | WEIR__IO_ENDED | WEIR__IO_CLOSING)) ==
           WEIR__IO_RECEIVING;
}

static int end_status(int error)
{
    if (error == 0)
        return WEIR_CLOSED;
    return error == ENOMEM ? WEIR_ENOMEM : WEIR_SYSTEM(error);
}

static void end_receiving(weir__io *io)
{
    if (!wants_data(io) || first_kept(io) != NULL) {
        io->flags |= URING_END_PENDING;
        return;
    }
    io->flags &= ~(uint32_t)URING_END_PENDING;
    io->flags |= WEIR__IO_ENDED;
    io->on->on_end(io, end_status(weir__uring_errno(io)));
}

static void fail_receiving(weir__io *io, int errno_value)
{
    weir__uring_mark_broken(io, errno_value);
    end_receiving(io);
}

static bool streams(const weir__io *io)
{
    return (io->flags & WEIR__URING_STREAM_MASK) != 0;
}

/* Nothing is armed before all that was kept has been delivered, so bytes stay in order. */
static void arm(weir__io *io)
{
    if (!wants_data(io) || first_kept(io) != NULL ||
        (io->flags & (URING_IN_FLIGHT_RECV | URING_END_PENDING)) != 0)
        return;
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(io->loop));
    if (sqe == NULL) {
        weir__task_post_late(io->loop, &io->task);
        return;
    }
    if (streams(io))
        io_uring_prep_recv(sqe, io->fd, NULL, 0, 0);
    else
        io_uring_prep_recv_multishot(sqe, io->fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUF_GROUP;
    weir__uring_push(sqe, WEIR__SYS_RING_RECV, URING_RECV, io);
    io->flags |= URING_IN_FLIGHT_RECV;
}

int weir__uring_recv_start(weir__io *io)
{
    if (first_kept(io) != NULL || (io->flags & URING_END_PENDING) != 0)
        weir__task_post(io->loop, &io->task);
    else
        arm(io);
    return WEIR_OK;
}

/* The operation is cancelled at the end of the turn: often receiving is started again before. */
void weir__uring_recv_stop(weir__io *io)
{
    if ((io->flags & URING_IN_FLIGHT_RECV) != 0)
        weir__task_post_late(io->loop, &io->task);
}

static void deliver_kept(weir__io *io)
{
    while (wants_data(io) && first_kept(io) != NULL) {
        struct weir__backlog bytes = take_first(io->backend);
        io->on->on_data(io, bytes.buf, bytes.data, bytes.size);
        weir__backlog_release(&bytes);
    }
    weir__uring_extra_release(io);
}

void weir__uring_recv_update(weir__io *io)
{
    if (first_kept(io) != NULL)
        deliver_kept(io);
    if ((io->flags & URING_END_PENDING) != 0 && wants_data(io))
        end_receiving(io);
    if (!wants_data(io) &&
        (io->flags & (URING_IN_FLIGHT_RECV | WEIR__IO_CLOSING)) == URING_IN_FLIGHT_RECV)
        weir__uring_stop(io, URING_RECV);
    arm(io);
}

/* What a read says of those to come: one that fills its buffer makes a stream, and some that are
 * small end it. */
static void judge_pace(weir__io *io, size_t size, size_t room)
{
    bool streamed = streams(io);
    if (size == room)
        io->flags |= WEIR__URING_STREAM_MASK;
    else if (streamed && size <= room / 8)
        io->flags -= URING_STREAM;
    if (size == room && !streamed && (io->flags & URING_IN_FLIGHT_RECV) != 0)
        weir__uring_stop(io, URING_RECV); /* of the many, so that one at a time is armed */
}

static void take_data(struct weir__uring *uring, weir__io *io, unsigned id, size_t size)
{
    weir__buf *buf = uring->bufs[id];
    uring->received += size;
    judge_pace(io, size, buf->size);
    if ((io->flags & WEIR__IO_CLOSING) == 0) {
        if (wants_data(io) && first_kept(io) == NULL)
            io->on->on_data(io, buf, buf->data, size);
        else if (keep_unread(io, buf, buf->data, size) != WEIR_OK)
            fail_receiving(io, ENOMEM);
    }
    give_buf(uring, id);
}

static void take_error(struct weir__uring *uring, weir__io *io, int error)
{
    switch (error) {
    /* They are given back as they are read. Missing are those that there was no memory for. */
    case ENOBUFS:
        replace_missing_bufs(uring);
        if (uring->buf_count == 0)
            fail_receiving(io, ENOMEM);
        break;
    case ECANCELED:
    case EINTR:
    case EAGAIN:
        break;
    default:
        fail_receiving(io, error);
        break;
    }
}

void weir__uring_on_recv(struct weir__uring *uring, weir__io *io, const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        io->flags &= ~(uint32_t)(URING_IN_FLIGHT_RECV | URING_STOPS);
    unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    if (cqe->res <= 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0)
        give_buf(uring, id); /* some kernels take one for the end-of-file */
    if (cqe->res > 0)
        take_data(uring, io, id, (size_t)cqe->res);
    else if ((io->flags & WEIR__IO_CLOSING) == 0 && cqe->res == 0)
        end_receiving(io);
    else if ((io->flags & WEIR__IO_CLOSING) == 0)
        take_error(uring, io, -cqe->res);
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        weir__uring_go_on_closing(io);
    else
        arm(io);
}
