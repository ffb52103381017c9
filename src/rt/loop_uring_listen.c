/* Listening and connecting. */
#include "rt/loop_uring.h"

#include "rt/socket.h"

#include <errno.h>
#include <string.h>

#define ACCEPT_PAUSE_MS 50

/* A connection that came in after accept_stop. */
struct waiting {
    struct waiting *next;
    int fd;
};

struct listener {
    weir__io *io;
    weir__timer pause; /* armed: descriptors or memory had run out */
    struct waiting *first;
    struct waiting **end;
};

static bool is_accepting(const weir__io *io)
{
    return (io->flags & WEIR__IO_ACCEPTING) != 0;
}

/* --- accepting --- */

static void arm(weir__io *io)
{
    const struct listener *listener = io->backend;
    if (!is_accepting(io) || (io->flags & URING_IN_FLIGHT_ACCEPT) != 0 ||
        weir__timer_is_armed(&listener->pause))
        return;
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(io->loop));
    if (sqe == NULL) {
        weir__task_post_late(io->loop, &io->task);
        return;
    }
    io_uring_prep_multishot_accept(sqe, io->fd, NULL, NULL, SOCK_CLOEXEC);
    weir__uring_push(sqe, WEIR__SYS_RING_ACCEPT, URING_ACCEPT, io);
    io->flags |= URING_IN_FLIGHT_ACCEPT;
}

static void end_pause(weir__timer *timer)
{
    arm(WEIR__CONTAINER(timer, struct listener, pause)->io);
}

int weir__uring_listen(weir__io *io, const struct sockaddr *address, socklen_t size,
                       bool share_port)
{
    struct listener *listener = weir__loop_alloc(io->loop, sizeof *listener);
    if (listener == NULL)
        return WEIR_ENOMEM;
    int status = weir__socket_listen(&io->fd, address, size,
                                     (struct weir__listen_options){.share_port = share_port});
    if (status != WEIR_OK) {
        weir__loop_free(io->loop, listener, sizeof *listener);
        return status;
    }
    listener->io = io;
    weir__timer_init(&listener->pause, end_pause);
    listener->first = NULL;
    listener->end = &listener->first;
    io->backend = listener;
    return WEIR_OK;
}

int weir__uring_accept_start(weir__io *io)
{
    const struct listener *listener = io->backend;
    if (listener->first != NULL)
        weir__task_post(io->loop, &io->task);
    arm(io);
    return WEIR_OK;
}

void weir__uring_accept_stop(weir__io *io)
{
    struct listener *listener = io->backend;
    weir__timer_cancel(&listener->pause);
    if ((io->flags & URING_IN_FLIGHT_ACCEPT) != 0)
        weir__task_post_late(io->loop, &io->task);
}

static int forget_first(weir__io *io)
{
    struct listener *listener = io->backend;
    struct waiting *waiting = listener->first;
    int fd = waiting->fd;
    listener->first = waiting->next;
    if (listener->first == NULL)
        listener->end = &listener->first;
    weir__loop_free(io->loop, waiting, sizeof *waiting);
    return fd;
}

static void hand_over(weir__io *io, int fd)
{
    struct weir__accepted accepted = {.fd = fd};
    io->on->on_accept(io, &accepted);
}

/* Kept for the next accept_start; without memory to do so the connection is refused. */
static void keep_accepted(weir__io *io, int fd)
{
    struct listener *listener = io->backend;
    struct waiting *waiting = weir__loop_alloc(io->loop, sizeof *waiting);
    if (waiting == NULL) {
        weir__sys_close(fd);
        return;
    }
    *waiting = (struct waiting){.fd = fd};
    *listener->end = waiting;
    listener->end = &waiting->next;
}

void weir__uring_accept_update(weir__io *io)
{
    const struct listener *listener = io->backend;
    while (is_accepting(io) && listener->first != NULL)
        hand_over(io, forget_first(io));
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        return;
    if (!is_accepting(io) && (io->flags & URING_IN_FLIGHT_ACCEPT) != 0)
        weir__uring_stop(io, URING_ACCEPT);
    arm(io);
}

/* An error of one connection says nothing of the next. */
static void take_error(weir__io *io, int error)
{
    struct listener *listener = io->backend;
    if (is_accepting(io) && (weir__socket_is_exhausted(error) || error == EBADF || error == EINVAL))
        weir__timer_set_after(io->loop, &listener->pause, ACCEPT_PAUSE_MS);
}

static void take_fd(weir__io *io, int fd)
{
    const struct listener *listener = io->backend;
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        weir__sys_close(fd);
    else if (is_accepting(io) && listener->first == NULL)
        hand_over(io, fd);
    else
        keep_accepted(io, fd);
}

void weir__uring_on_accept(weir__io *io, const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_MORE) == 0)
        io->flags &= ~(uint32_t)(URING_IN_FLIGHT_ACCEPT | URING_STOPS);
    if (cqe->res >= 0)
        take_fd(io, cqe->res);
    else if ((io->flags & WEIR__IO_CLOSING) == 0)
        take_error(io, -cqe->res);
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        weir__uring_go_on_closing(io);
    else
        arm(io);
}

void weir__uring_listener_free(weir__io *io)
{
    struct listener *listener = io->backend;
    weir__timer_cancel(&listener->pause);
    while (listener->first != NULL)
        weir__sys_close(forget_first(io));
    weir__loop_free(io->loop, listener, sizeof *listener);
    io->backend = NULL;
}

/* --- connecting --- */

/* The kernel reads the address when the operation is submitted, or tried again. */
struct target {
    socklen_t size;
    struct sockaddr_storage address;
};

static int push_connect(weir__io *io)
{
    const struct target *target = io->backend;
    struct io_uring_sqe *sqe = weir__uring_sqe(weir__uring_of(io->loop));
    if (sqe == NULL)
        return WEIR_ENOMEM;
    io_uring_prep_connect(sqe, io->fd, (const struct sockaddr *)&target->address, target->size);
    weir__uring_push(sqe, WEIR__SYS_RING_CONNECT, URING_CONNECT, io);
    io->flags |= URING_IN_FLIGHT_CONNECT;
    return WEIR_OK;
}

static void free_target(weir__io *io)
{
    weir__loop_free(io->loop, io->backend, sizeof(struct target));
    io->backend = NULL;
}

int weir__uring_connect(weir__io *io, const struct sockaddr *address, socklen_t size)
{
    struct target *target = weir__loop_alloc(io->loop, sizeof *target);
    if (target == NULL)
        return WEIR_ENOMEM;
    target->size = size;
    memcpy(&target->address, address, size);
    io->backend = target;
    int status = weir__socket_open(&io->fd, address->sa_family, false);
    if (status == WEIR_OK)
        status = push_connect(io);
    if (status == WEIR_OK)
        return WEIR_OK;
    if (io->fd >= 0)
        weir__sys_close(io->fd);
    io->fd = -1;
    free_target(io);
    return status;
}

void weir__uring_on_connect(weir__io *io, int result)
{
    io->flags &= ~(uint32_t)URING_IN_FLIGHT_CONNECT;
    bool closing = (io->flags & WEIR__IO_CLOSING) != 0;
    if (result == -EINTR && !closing && push_connect(io) == WEIR_OK)
        return;
    free_target(io);
    if (closing) {
        weir__uring_go_on_closing(io);
        return;
    }
    io->flags &= ~(uint32_t)WEIR__IO_CONNECTING;
    /* Interrupted and tried again: it had come to its end meanwhile. */
    io->on->on_connect(io, result < 0 && result != -EISCONN ? WEIR_SYSTEM(-result) : WEIR_OK);
}
