/* Sending. A small send is copied and goes out with the turn's one submission, tried without
 * waiting. Only a failure makes a completion, so that in steady state a message costs no system
 * call of its own and no completion. A large send, and one that comes when the kernel has no room,
 * is written directly; a poll reports when there is room again. */
#include "rt/loop_uring.h"

#include "rt/socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define COPY_MAX   ((size_t)16 * 1024) /* copying more costs more than the call that it saves */
#define EXTRA_STEP ((size_t)1024)      /* extra state is made in multiples of this */
/* how long the last bytes of a closed connection may stay stuck */
#define LINGER_MS 5000

/* --- extra state --- */

static size_t size_of(const struct weir__uring_extra *extra)
{
    return sizeof *extra + extra->room;
}

struct weir__uring_extra *weir__uring_extra_of(weir__io *io, size_t room)
{
    if (io->backend != NULL)
        return io->backend;
    if (room > 0)
        room =
            (sizeof(struct weir__uring_extra) + room + EXTRA_STEP - 1) / EXTRA_STEP * EXTRA_STEP -
            sizeof(struct weir__uring_extra);
    struct weir__uring_extra *extra = weir__loop_alloc(io->loop, sizeof *extra + room);
    if (extra == NULL)
        return NULL;
    memset(extra, 0, sizeof *extra);
    weir__list_init(&extra->link);
    extra->io = io;
    extra->loop = io->loop;
    extra->fd = -1;
    extra->room = (uint32_t)room;
    io->backend = extra;
    return extra;
}

static void free_extra(struct weir__uring_extra *extra)
{
    weir__uring_drop_kept(extra);
    weir__list_remove(&extra->link);
    weir__loop_free(extra->loop, extra, size_of(extra));
}

void weir__uring_extra_release(weir__io *io)
{
    struct weir__uring_extra *extra = io->backend;
    if (extra == NULL || extra->first != NULL || extra->state != EXTRA_IDLE)
        return;
    free_extra(extra);
    io->backend = NULL;
}

/* Nothing to send any more. */
static void make_idle(struct weir__uring_extra *extra)
{
    weir__list_remove(&extra->link);
    extra->state = EXTRA_IDLE;
    extra->size = extra->done = 0;
}

/* The copied bytes are out, or lost. */
static void note_drained(weir__io *io)
{
    if ((io->flags & WEIR__IO_DRAINING) == 0)
        return;
    io->flags |= URING_DRAINED_PENDING;
    weir__task_post(io->loop, &io->task);
}

size_t weir__uring_unsent(const weir__io *io)
{
    const struct weir__uring_extra *extra = io->backend;
    return extra != NULL ? extra->size - extra->done : 0;
}

/* The bytes go out with the next submission. A send that succeeds has no completion, so the loop
 * must not wait for one in that call. What is owed was asked for, and cancelled, before. */
void weir__uring_await_drained(weir__io *io)
{
    weir__uring_of(io->loop)->drain_awaited = true;
    io->flags &= ~(uint32_t)URING_DRAINED_PENDING;
}

static struct iovec rest_of(struct weir__uring_extra *extra)
{
    return (struct iovec){.iov_base = extra->data + extra->done,
                          .iov_len = extra->size - extra->done};
}

/* --- waiting for room --- */

static void arm_writable(weir__io *io)
{
    if ((io->flags & (URING_IN_FLIGHT_WRITABLE | WEIR__IO_CLOSING)) != 0)
        return;
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(io->loop));
    if (sqe == NULL) {
        weir__uring_break(io, ENOBUFS);
        return;
    }
    io_uring_prep_poll_add(sqe, io->fd, POLLOUT);
    weir__uring_push(sqe, WEIR__SYS_RING_POLL, URING_WRITABLE, io);
    io->flags |= URING_IN_FLIGHT_WRITABLE;
}

static void get_stuck(struct weir__uring_extra *extra)
{
    weir__list_remove(&extra->link);
    extra->state = EXTRA_STUCK;
    arm_writable(extra->io);
}

/* Writes the copied bytes. WEIR_OK: all of them; WEIR_EAGAIN: those that are left wait for room. */
static int write_copied(struct weir__uring_extra *extra, int fd)
{
    struct iovec rest = rest_of(extra);
    int64_t taken = weir__socket_send(fd, &rest, 1);
    if (taken < 0)
        return (int)taken;
    extra->done += (uint32_t)taken;
    return extra->done == extra->size ? WEIR_OK : WEIR_EAGAIN;
}

/* --- sending --- */

static bool copy_pieces(weir__io *io, const struct iovec *pieces, int count, size_t total)
{
    if (total > COPY_MAX)
        return false;
    struct weir__uring_extra *extra = weir__uring_extra_of(io, total);
    if (extra == NULL || extra->room - extra->size < total)
        return false;
    for (int i = 0; i < count; i++) {
        memcpy(extra->data + extra->size, pieces[i].iov_base, pieces[i].iov_len);
        extra->size += (uint32_t)pieces[i].iov_len;
    }
    if (extra->state == EXTRA_QUEUED)
        return true;
    struct weir__uring *uring = weir__uring_of(io->loop);
    extra->state = EXTRA_QUEUED;
    weir__list_push(&uring->queued, &extra->link);
    if (uring->notify_fd >= 0)
        weir__task_post_flush(io->loop, &uring->submit);
    return true;
}

/* Writes what is queued and then the pieces, in one call. Returns how many bytes of the pieces were
 * taken. */
static int64_t send_directly(weir__io *io, const struct iovec *pieces, int count)
{
    struct iovec all[WEIR__SEND_PIECES_MAX];
    struct weir__uring_extra *extra = io->backend;
    int before = extra != NULL && extra->state == EXTRA_QUEUED ? 1 : 0;
    if (before != 0)
        all[0] = rest_of(extra);
    memcpy(all + before, pieces, (size_t)count * sizeof *pieces);
    int64_t taken = weir__socket_send(io->fd, all, before + count);
    if (taken < 0 || before == 0)
        return taken;
    size_t old = all[0].iov_len < (size_t)taken ? all[0].iov_len : (size_t)taken;
    extra->done += (uint32_t)old;
    if (extra->done < extra->size) {
        get_stuck(extra);
        return 0;
    }
    make_idle(extra);
    weir__uring_extra_release(io);
    note_drained(io);
    return taken - (int64_t)old;
}

int64_t weir__uring_send(weir__io *io, const struct iovec *pieces, int count)
{
    const struct weir__uring_extra *extra = io->backend;
    if (weir__uring_errno(io) != 0)
        return WEIR_SYSTEM(weir__uring_errno(io));
    if (extra != NULL && (extra->state == EXTRA_STUCK || extra->state == EXTRA_SUBMITTED))
        return 0;
    size_t total = weir__socket_sum(pieces, count);
    if (copy_pieces(io, pieces, count, total))
        return (int64_t)total;
    int64_t taken = send_directly(io, pieces, count);
    if (taken < 0)
        weir__uring_break(io, weir_status_errno((int)taken));
    else if ((size_t)taken < total)
        arm_writable(io);
    return taken;
}

int weir__uring_shut(weir__io *io)
{
    struct weir__uring_extra *extra = io->backend;
    if (weir__uring_errno(io) != 0)
        return WEIR_SYSTEM(weir__uring_errno(io));
    if (extra != NULL && extra->state == EXTRA_QUEUED) {
        int status = write_copied(extra, io->fd);
        if (status == WEIR_EAGAIN) {
            get_stuck(extra);
        } else {
            make_idle(extra);
            weir__uring_extra_release(io);
            note_drained(io);
            extra = NULL;
            if (status != WEIR_OK)
                return status;
        }
    }
    if (extra != NULL && extra->state != EXTRA_IDLE) {
        io->flags |= URING_SHUTS;
        return WEIR_OK;
    }
    return weir__socket_shut(io->fd);
}

/* --- submission --- */

void weir__uring_flush(struct weir__uring *uring)
{
    weir__node *node;
    while ((node = weir__list_first(&uring->queued)) != NULL) {
        struct weir__uring_extra *extra = WEIR__CONTAINER(node, struct weir__uring_extra, link);
        struct io_uring_sqe *sqe = weir__uring_sqe(uring);
        if (sqe == NULL)
            return;
        struct iovec rest = rest_of(extra);
        io_uring_prep_send(sqe, extra->io->fd, rest.iov_base, rest.iov_len,
                           MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
        weir__uring_push(sqe, WEIR__SYS_RING_SEND, URING_EXTRA, extra);
        extra->state = EXTRA_SUBMITTED;
        weir__list_remove(&extra->link);
        weir__list_push(&uring->submitted, &extra->link);
    }
}

/* What waited for a submission, or for copied bytes that were stuck, goes on. */
static void go_on(weir__io *io)
{
    weir__uring_extra_release(io);
    if ((io->flags & (WEIR__IO_CLOSING | URING_SHUTS | WEIR__IO_SENDING | WEIR__IO_DRAINING)) == 0)
        return;
    if ((io->flags & WEIR__IO_CLOSING) != 0) {
        weir__uring_go_on_closing(io);
        return;
    }
    if ((io->flags & URING_SHUTS) != 0) {
        io->flags &= ~(uint32_t)URING_SHUTS;
        int status = weir__socket_shut(io->fd);
        if (status != WEIR_OK)
            weir__uring_break(io, weir_status_errno(status));
    }
    note_drained(io);
    if ((io->flags & WEIR__IO_SENDING) != 0) {
        io->flags |= URING_SENT_PENDING;
        weir__task_post(io->loop, &io->task);
    }
}

/* The kernel did not take all of the copied bytes: it had no room, or the connection is broken. */
static void take_failure(struct weir__uring_extra *extra, int result)
{
    weir__io *io = extra->io;
    if (result >= 0 || result == -EAGAIN || result == -EINTR) {
        extra->done += result > 0 ? (uint32_t)result : 0;
        if (extra->done < extra->size) {
            get_stuck(extra);
            if ((io->flags & WEIR__IO_CLOSING) != 0)
                weir__uring_go_on_closing(io);
            return;
        }
    } else {
        weir__uring_break(io, -result);
    }
    make_idle(extra);
    go_on(io);
}

/* A send was tried while it was submitted, so its failure is among the completions now, and what
 * did not fail is done. Exceptions:
 *   - the kernel did not come to all submissions;
 *   - it holds completions back. */
void weir__uring_finish_submission(struct weir__uring *uring)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    weir__node *node;
    if (weir__list_is_empty(&uring->submitted))
        return;
    /* Looked at first: a failure queues a poll, which says nothing of the others. */
    bool all = io_uring_sq_ready(&uring->ring) == 0 && !io_uring_cq_has_overflow(&uring->ring);
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        if ((cqe->user_data & WEIR__URING_OP_MASK) != URING_EXTRA)
            continue;
        void *extra = (void *)(uintptr_t)(cqe->user_data & ~WEIR__URING_OP_MASK);
        cqe->user_data = URING_CANCEL; /* done with, whenever it is dispatched */
        take_failure(extra, cqe->res);
    }
    while (all && (node = weir__list_first(&uring->submitted)) != NULL) {
        struct weir__uring_extra *extra = WEIR__CONTAINER(node, struct weir__uring_extra, link);
        make_idle(extra);
        go_on(extra->io);
    }
}

static void report_drained(weir__io *io)
{
    int error = weir__uring_errno(io);
    io->flags &= ~(uint32_t)URING_DRAINED_PENDING;
    weir__io_report_drained(io, error != 0 ? WEIR_SYSTEM(error) : WEIR_OK);
}

void weir__uring_send_update(weir__io *io)
{
    if ((io->flags & URING_DRAINED_PENDING) != 0)
        report_drained(io);
    if ((io->flags & (URING_SENT_PENDING | WEIR__IO_CLOSING)) != URING_SENT_PENDING)
        return;
    io->flags &= ~(uint32_t)(URING_SENT_PENDING | WEIR__IO_SENDING);
    io->on->on_sent(io, WEIR_OK, 0);
}

void weir__uring_on_writable(weir__io *io, int result)
{
    struct weir__uring_extra *extra = io->backend;
    io->flags &= ~(uint32_t)URING_IN_FLIGHT_WRITABLE;
    if ((io->flags & WEIR__IO_CLOSING) != 0) {
        weir__uring_go_on_closing(io);
        return;
    }
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -ECANCELED)
        weir__uring_break(io, -result);
    if (extra != NULL && extra->state == EXTRA_STUCK) {
        int status = weir__uring_errno(io) != 0 ? WEIR_OK : write_copied(extra, io->fd);
        if (status == WEIR_EAGAIN) {
            get_stuck(extra);
            return;
        }
        if (status != WEIR_OK)
            weir__uring_break(io, weir_status_errno(status));
        make_idle(extra);
    }
    go_on(io);
}

/* --- the end --- */

void weir__uring_extra_close(weir__io *io)
{
    struct weir__uring_extra *extra = io->backend;
    if (extra == NULL)
        return;
    weir__uring_drop_kept(extra);
    bool wanted = (io->flags & URING_RESETS) == 0 && weir__uring_errno(io) == 0;
    if (extra->state == EXTRA_QUEUED) {
        if (wanted && write_copied(extra, io->fd) == WEIR_EAGAIN)
            get_stuck(extra);
        else
            make_idle(extra);
    } else if (extra->state == EXTRA_STUCK && !wanted) {
        make_idle(extra);
    }
    weir__uring_extra_release(io);
}

static void discard_lingering(struct weir__uring_extra *extra)
{
    weir__timer_cancel(&extra->linger_timer);
    weir__sys_close(extra->fd);
    free_extra(extra);
}

static bool arm_linger(struct weir__uring_extra *extra)
{
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(extra->loop));
    if (sqe == NULL)
        return false;
    io_uring_prep_poll_add(sqe, extra->fd, POLLOUT);
    weir__uring_push(sqe, WEIR__SYS_RING_POLL, URING_LINGERING, extra);
    return true;
}

/* The poll in flight refers to the extra state. Shutting down makes it end at once, and no byte
 * goes out any more. */
static void end_lingering(weir__timer *timer)
{
    struct weir__uring_extra *extra =
        WEIR__CONTAINER(timer, struct weir__uring_extra, linger_timer);
    (void)weir__sys_shutdown(extra->fd, SHUT_RDWR);
    weir__timer_set_after(extra->loop, timer, LINGER_MS);
}

void weir__uring_on_lingering(struct weir__uring_extra *extra, int result)
{
    int status = result < 0 ? WEIR_SYSTEM(-result) : write_copied(extra, extra->fd);
    if (status != WEIR_EAGAIN || !arm_linger(extra))
        discard_lingering(extra);
}

static void begin_lingering(weir__io *io, struct weir__uring_extra *extra)
{
    io->backend = NULL;
    extra->io = NULL;
    extra->fd = io->fd;
    extra->state = EXTRA_LINGERING;
    weir__list_push(&weir__uring_of(extra->loop)->lingering, &extra->link);
    weir__timer_init(&extra->linger_timer, end_lingering);
    weir__timer_set_after(extra->loop, &extra->linger_timer, LINGER_MS);
    if (!arm_linger(extra))
        discard_lingering(extra);
}

void weir__uring_release(weir__io *io)
{
    struct weir__uring_extra *extra = io->backend;
    if (extra != NULL && extra->state == EXTRA_SUBMITTED)
        return;
    bool wanted = (io->flags & URING_RESETS) == 0 && weir__uring_errno(io) == 0;
    if (extra != NULL && extra->state == EXTRA_STUCK && wanted) {
        begin_lingering(io, extra);
    } else {
        if (extra != NULL)
            free_extra(extra);
        io->backend = NULL;
        weir__socket_close(io->fd, (io->flags & URING_RESETS) != 0);
    }
    io->fd = -1;
}

void weir__uring_lingering_fini(struct weir__uring *uring)
{
    weir__node *node;
    while ((node = weir__list_first(&uring->lingering)) != NULL)
        discard_lingering(WEIR__CONTAINER(node, struct weir__uring_extra, link));
}
