/* The back-end over io_uring: the ring, its turn, and the closing of an io. Needs Linux 6.1:
 * multishot receive into provided buffers and deferred task work. Where the kernel refuses them the
 * loop falls back to epoll. */
#include "rt/loop_uring.h"

#include "rt/socket.h"

#include <errno.h>
#include <string.h>

#define SQ_ENTRIES   1024
#define CQ_ENTRIES   8192
#define RECEIVED_MAX ((size_t)256 * 1024) /* about so many bytes a turn, for fairness */

/* --- the submission queue --- */

static int enter(struct weir__uring *uring, bool wait, int64_t timeout_ms)
{
    if (!uring->enabled) {
        int result = weir__sys_ring_enable(&uring->ring);
        if (result < 0)
            return result == -EINTR || result == -EAGAIN ? WEIR_OK : WEIR_SYSTEM(-result);
        uring->enabled = true;
    }
    int result = weir__sys_ring_enter(&uring->ring, wait, timeout_ms);
    /* Waited long enough, interrupted, or short of memory for the moment: the turn goes on with
     * what there is. */
    if (result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
        result == -EBUSY || result == -ENOMEM)
        return WEIR_OK;
    return WEIR_SYSTEM(-result);
}

int weir__uring_submit(struct weir__uring *uring)
{
    return enter(uring, false, 0);
}

struct io_uring_sqe *weir__uring_sqe(struct weir__uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (sqe == NULL && weir__uring_submit(uring) == WEIR_OK)
        sqe = io_uring_get_sqe(&uring->ring);
    if (uring->notify_fd >= 0)
        weir__task_post_flush(uring->loop, &uring->submit);
    return sqe;
}

void weir__uring_push(struct io_uring_sqe *sqe, enum weir__sys_call call, enum weir__uring_op op,
                      void *pointer)
{
    sqe->user_data = (uint64_t)(uintptr_t)pointer | (uint64_t)op;
    weir__sys_ring_prepared(sqe, call);
}

static void arm_wake(struct weir__uring *uring)
{
    struct io_uring_sqe *sqe = weir__uring_sqe(uring);
    if (sqe == NULL)
        return;
    io_uring_prep_poll_multishot(sqe, uring->kernel.wake_fd, EPOLLIN | EPOLLET);
    weir__uring_push(sqe, WEIR__SYS_RING_POLL, URING_WAKE, uring);
    uring->wake_armed = true;
}

static void on_wake(struct weir__uring *uring, uint32_t flags)
{
    weir__kernel_clear_wake(&uring->kernel);
    uring->wake_armed = (flags & IORING_CQE_F_MORE) != 0;
    if (!uring->wake_armed)
        arm_wake(uring);
}

/* --- an io's life --- */

static void update(weir__task *task)
{
    weir__io *io = WEIR__CONTAINER(task, weir__io, task);
    if (weir__uring_is_closed(io)) {
        weir__io_report_closed(io);
    } else if ((io->flags & WEIR__IO_CLOSING) != 0) {
        weir__uring_go_on_closing(io);
    } else if ((io->flags & WEIR__IO_LISTENING) != 0) {
        weir__uring_accept_update(io);
    } else {
        weir__uring_send_update(io);
        weir__uring_recv_update(io);
    }
}

/* By the operation and never by the descriptor: for that the kernel looks at every operation of the
 * ring, and the closing of many would take very long. */
static bool cancel(weir__io *io, enum weir__uring_op op)
{
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(io->loop));
    if (sqe == NULL)
        return false;
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)io | (uint64_t)op, 0);
    weir__uring_push(sqe, WEIR__SYS_RING_CANCEL, URING_CANCEL, io);
    io->flags |= URING_IN_FLIGHT_CANCEL;
    return true;
}

/* Cancels the next operation of a closing io that was not cancelled yet. Returns false when the
 * kernel takes no more entries now. */
static bool cancel_next(weir__io *io)
{
    static const struct {
        uint32_t in_flight;
        uint32_t cancelled;
        enum weir__uring_op op;
    } operations[] = {
        {URING_IN_FLIGHT_RECV, URING_STOPS, URING_RECV},
        {URING_IN_FLIGHT_ACCEPT, URING_STOPS, URING_ACCEPT},
        {URING_IN_FLIGHT_CONNECT, URING_CANCELS, URING_CONNECT},
        {URING_IN_FLIGHT_WRITABLE, URING_CANCELS, URING_WRITABLE},
    };
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        if ((io->flags & (operations[i].in_flight | operations[i].cancelled)) !=
            operations[i].in_flight)
            continue;
        if (!cancel(io, operations[i].op))
            return false;
        io->flags |= operations[i].cancelled;
        break;
    }
    return true;
}

void weir__uring_stop(weir__io *io, enum weir__uring_op op)
{
    if ((io->flags & (URING_STOPS | URING_IN_FLIGHT_CANCEL)) != 0)
        return;
    if (cancel(io, op))
        io->flags |= URING_STOPS;
    else
        weir__task_post_late(io->loop, &io->task);
}

/* A cancel that came to nothing is repeated, unless what it was meant for ends meanwhile. */
static void on_cancel(weir__io *io, int result)
{
    io->flags &= ~(uint32_t)URING_IN_FLIGHT_CANCEL;
    if (result < 0) {
        io->flags &= ~(uint32_t)(URING_STOPS | URING_CANCELS);
        weir__task_post_late(io->loop, &io->task);
    }
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        weir__uring_go_on_closing(io);
}

void weir__uring_go_on_closing(weir__io *io)
{
    if (weir__uring_is_closed(io))
        return;
    if ((io->flags & WEIR__URING_IN_FLIGHT) != 0) {
        if ((io->flags & URING_IN_FLIGHT_CANCEL) == 0 && !cancel_next(io))
            weir__task_post_late(io->loop, &io->task);
        return;
    }
    weir__uring_release(io);
    if (weir__uring_is_closed(io)) /* else its last bytes are still submitted */
        weir__task_post(io->loop, &io->task);
}

static void close_io(weir__io *io, bool reset)
{
    weir__task_cancel(&io->task);
    if (reset)
        io->flags |= URING_RESETS;
    if ((io->flags & WEIR__IO_LISTENING) != 0)
        weir__uring_listener_free(io);
    else if ((io->flags & URING_IN_FLIGHT_CONNECT) == 0)
        weir__uring_extra_close(io);
    weir__uring_go_on_closing(io);
}

void weir__uring_mark_broken(weir__io *io, int errno_value)
{
    if (weir__uring_errno(io) == 0)
        io->flags |= ((uint32_t)errno_value & 0xff) << WEIR__URING_ERRNO_SHIFT;
}

void weir__uring_break(weir__io *io, int errno_value)
{
    weir__uring_mark_broken(io, errno_value);
    (void)weir__sys_shutdown(io->fd, SHUT_RDWR);
}

static int adopt(weir__io *io, struct weir__accepted *accepted)
{
    io->fd = accepted->fd;
    accepted->fd = -1;
    weir__task_init(&io->task, update);
    return WEIR_OK;
}

static int listen_at(weir__io *io, const struct sockaddr *address, socklen_t size, bool share_port)
{
    weir__task_init(&io->task, update);
    return weir__uring_listen(io, address, size, share_port);
}

static int connect_to(weir__io *io, const struct sockaddr *address, socklen_t size)
{
    weir__task_init(&io->task, update);
    return weir__uring_connect(io, address, size);
}

/* --- the turn --- */

static void dispatch(struct weir__uring *uring, const struct io_uring_cqe *cqe)
{
    enum weir__uring_op op = (enum weir__uring_op)(cqe->user_data & WEIR__URING_OP_MASK);
    void *pointer = (void *)(uintptr_t)(cqe->user_data & ~WEIR__URING_OP_MASK);
    switch (op) {
    /* looked at by weir__uring_finish_submission() */
    case URING_EXTRA:
        break;
    case URING_CANCEL:
        if (pointer != NULL)
            on_cancel(pointer, cqe->res);
        break;
    case URING_WAKE:
        on_wake(uring, cqe->flags);
        break;
    case URING_ACCEPT:
        weir__uring_on_accept(pointer, cqe);
        break;
    case URING_CONNECT:
        weir__uring_on_connect(pointer, cqe->res);
        break;
    case URING_RECV:
        weir__uring_on_recv(uring, pointer, cqe);
        break;
    case URING_WRITABLE:
        weir__uring_on_writable(pointer, cqe->res);
        break;
    case URING_LINGERING:
        weir__uring_on_lingering(pointer, cqe->res);
        break;
    }
}

/* Dispatches only what is there now: what callbacks cause comes next turn. So does what follows too
 * many received bytes, so that what was sent meanwhile goes out first. */
static void dispatch_some(struct weir__uring *uring)
{
    struct io_uring_cqe *first;
    uring->received = 0;
    for (unsigned left = io_uring_cq_ready(&uring->ring); left > 0; left--) {
        if (uring->received >= RECEIVED_MAX) {
            if (uring->notify_fd >= 0)
                (void)weir__sys_eventfd_write(uring->notify_fd);
            return;
        }
        if (io_uring_peek_cqe(&uring->ring, &first) != 0)
            return;
        struct io_uring_cqe cqe = {
            .user_data = first->user_data, .res = first->res, .flags = first->flags};
        io_uring_cqe_seen(&uring->ring, first);
        dispatch(uring, &cqe);
    }
}

/* Whether the kernel has something for us to fetch, or we for it. */
static bool must_enter(const struct weir__uring *uring)
{
    unsigned flags = IO_URING_READ_ONCE(*uring->ring.sq.kflags);
    return io_uring_sq_ready(&uring->ring) > 0 ||
           (flags & (IORING_SQ_CQ_OVERFLOW | IORING_SQ_TASKRUN)) != 0;
}

static int poll_events(weir_loop *loop, int64_t timeout_ms)
{
    struct weir__uring *uring = weir__uring_of(loop);
    int status = WEIR_OK;
    /* before the ring is looked at: what comes later writes to it again */
    if (uring->notify_fd >= 0)
        (void)weir__sys_eventfd_read(uring->notify_fd);
    if (!uring->wake_armed)
        arm_wake(uring);
    weir__uring_flush(uring);
    bool wait = timeout_ms != 0 && uring->wake_armed && weir__list_is_empty(&uring->queued) &&
                io_uring_cq_ready(&uring->ring) == 0 && !uring->drain_awaited;
    if (wait || must_enter(uring))
        status = enter(uring, wait, timeout_ms);
    loop->now_ms = weir__sys_clock_ms();
    weir__uring_finish_submission(uring);
    if (weir__list_is_empty(&uring->submitted))
        uring->drain_awaited = false;
    dispatch_some(uring);
    return status;
}

/* Runs at the end of each turn that queued something, once a foreign loop is there. */
static void submit_now(weir__task *task)
{
    struct weir__uring *uring = WEIR__CONTAINER(task, struct weir__uring, submit);
    weir__uring_flush(uring);
    weir__task_cancel(task); /* flush queues it again */
    if (!must_enter(uring))
        return;
    if (weir__uring_submit(uring) != WEIR_OK || io_uring_sq_ready(&uring->ring) > 0 ||
        !weir__list_is_empty(&uring->queued))
        weir__task_post_flush(uring->loop, task);
    weir__uring_finish_submission(uring);
}

static int open_notify_fd(struct weir__uring *uring)
{
    int fd = weir__sys_eventfd();
    if (fd < 0)
        return WEIR_SYSTEM(-fd);
    int result = weir__sys_ring_register_eventfd(&uring->ring, fd);
    if (result >= 0) /* there may be something already */
        result = weir__sys_eventfd_write(fd);
    if (result < 0) {
        weir__sys_close(fd);
        return WEIR_SYSTEM(-result);
    }
    uring->notify_fd = fd;
    weir__task_post_flush(uring->loop, &uring->submit);
    return WEIR_OK;
}

static int poll_fd(weir_loop *loop)
{
    struct weir__uring *uring = weir__uring_of(loop);
    int status = uring->notify_fd >= 0 ? WEIR_OK : open_notify_fd(uring);
    return status == WEIR_OK ? uring->notify_fd : status;
}

/* --- opening and closing --- */

static void close_loop(weir_loop *loop)
{
    struct weir__uring *uring = weir__uring_of(loop);
    if (uring == NULL)
        return;
    weir__task_cancel(&uring->submit);
    if (uring->ring_is_open)
        io_uring_queue_exit(&uring->ring);
    weir__uring_lingering_fini(uring);
    weir__uring_bufs_fini(uring);
    weir__kernel_fini(&uring->kernel);
    if (uring->notify_fd >= 0)
        weir__sys_close(uring->notify_fd);
    weir__loop_free(loop, uring, sizeof *uring);
    loop->backend_state = NULL;
}

/* What a kernel answers that has no io_uring, or not all of it that is needed, or may not use
 * it. */
static int refusal(int result)
{
    switch (-result) {
    case ENOSYS:
    case EPERM:
    case EACCES:
    case EINVAL:
    case ENOMEM: /* of the memory that may be locked */
    case EOPNOTSUPP:
        return WEIR_ENOTSUP;
    default:
        return WEIR_SYSTEM(-result);
    }
}

/* Disabled until the first turn: the thread that runs it becomes the one submitter. Deferred task
 * work came with Linux 6.1, later than everything else that is used here, so it is the probe as
 * well. */
static int open_ring(struct weir__uring *uring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    int result = weir__sys_ring_setup(SQ_ENTRIES, &uring->ring, &params);
    if (result < 0)
        return refusal(result);
    uring->ring_is_open = true;
    if ((params.features & IORING_FEAT_NODROP) == 0 || (params.features & IORING_FEAT_EXT_ARG) == 0)
        return WEIR_ENOTSUP;
    return weir__uring_bufs_init(uring);
}

static int open_loop(weir_loop *loop, const weir_loop_options *options)
{
    (void)options;
    struct weir__uring *uring = weir__loop_alloc(loop, sizeof *uring);
    if (uring == NULL)
        return WEIR_ENOMEM;
    memset(uring, 0, sizeof *uring);
    uring->loop = loop;
    uring->notify_fd = -1;
    weir__task_init(&uring->submit, submit_now);
    weir__list_init(&uring->queued);
    weir__list_init(&uring->submitted);
    weir__list_init(&uring->lingering);
    loop->backend_state = uring;
    int status = weir__kernel_init(&uring->kernel);
    if (status == WEIR_OK)
        status = open_ring(uring);
    if (status != WEIR_OK)
        close_loop(loop);
    return status;
}

static const struct weir__io_ops socket_ops = {
    .recv_start = weir__uring_recv_start,
    .recv_stop = weir__uring_recv_stop,
    .send = weir__uring_send,
    .shutdown = weir__uring_shut,
    .close = close_io,
    .address = weir__kernel_address,
    .keep_alive = weir__kernel_keep_alive,
    .unsent = weir__uring_unsent,
    .await_drained = weir__uring_await_drained,
};

const struct weir__loop_ops weir__backend_uring = {
    .name = "io_uring",
    .open = open_loop,
    .close = close_loop,
    .fd = poll_fd,
    .poll = poll_events,
    .wake = weir__kernel_wake,
    .clock_ms = weir__kernel_clock_ms,
    .random = weir__kernel_random,
    .listen = listen_at,
    .accept_start = weir__uring_accept_start,
    .accept_stop = weir__uring_accept_stop,
    .adopt = adopt,
    .drop = weir__kernel_drop,
    .connect = connect_to,
    .sockets = &socket_ops,
};
