/* The back-end over epoll. A connection is registered once, edge-triggered, for everything. What
 * the kernel said last is kept in its flags, so that in steady state a message costs one recv, one
 * send and its share of an epoll_wait. Listeners are level-triggered. */
#include "rt/loop_epoll.h"

#include "rt/socket.h"
#include "rt/sys.h"

#include <errno.h>
#include <string.h>

#define ACCEPTS_MAX     64 /* of one listener a turn */
#define ACCEPT_PAUSE_MS 50

struct listener {
    weir__io *io;
    weir__timer pause; /* armed: descriptors or memory had run out */
};

static bool is_watched(const weir__io *io)
{
    return (io->flags & WEIR__EPOLL_WATCHED) != 0;
}

static int watch(weir__io *io, uint32_t events)
{
    int result =
        weir__sys_epoll_ctl(weir__epoll_of(io->loop)->fd, EPOLL_CTL_ADD, io->fd, events, io);
    if (result < 0)
        return WEIR_SYSTEM(-result);
    io->flags |= WEIR__EPOLL_WATCHED;
    return WEIR_OK;
}

/* close() alone would do, but for a descriptor that a forked child still has. */
static void unwatch(weir__io *io)
{
    if (is_watched(io))
        (void)weir__sys_epoll_ctl(weir__epoll_of(io->loop)->fd, EPOLL_CTL_DEL, io->fd, 0, NULL);
    io->flags &= ~(uint32_t)WEIR__EPOLL_WATCHED;
}

#define CONNECTION_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

int weir__epoll_look_again(weir__io *io)
{
    int result = weir__sys_epoll_ctl(weir__epoll_of(io->loop)->fd, EPOLL_CTL_MOD, io->fd,
                                     CONNECTION_EVENTS, io);
    return result < 0 ? WEIR_SYSTEM(-result) : WEIR_OK;
}

/* --- callbacks that come outside of poll --- */

static void update(weir__task *task)
{
    weir__io *io = WEIR__CONTAINER(task, weir__io, task);
    if ((io->flags & WEIR__IO_CLOSING) == 0)
        weir__epoll_read(io);
    else
        weir__io_report_closed(io);
}

/* --- sending --- */

static int64_t send_pieces(weir__io *io, const struct iovec *pieces, int count)
{
    int64_t taken = weir__socket_send(io->fd, pieces, count);
    if (taken < 0 || (size_t)taken == weir__socket_sum(pieces, count))
        return taken;
    int status = weir__epoll_look_again(io);
    return status != WEIR_OK ? status : taken;
}

static void go_on_sending(weir__io *io)
{
    io->flags &= ~(uint32_t)WEIR__IO_SENDING;
    io->on->on_sent(io, WEIR_OK, 0);
}

static int shut(weir__io *io)
{
    return weir__socket_shut(io->fd);
}

/* --- listening --- */

static void pause_accepting(weir__io *io)
{
    struct listener *listener = io->backend;
    unwatch(io);
    weir__timer_set_after(io->loop, &listener->pause, ACCEPT_PAUSE_MS);
}

static void end_pause(weir__timer *timer)
{
    weir__io *io = WEIR__CONTAINER(timer, struct listener, pause)->io;
    if (watch(io, EPOLLIN) != WEIR_OK)
        pause_accepting(io);
}

/* Whether there may be more to accept. An error of one connection says nothing of the next. */
static bool accept_one(weir__io *io)
{
    int fd = weir__sys_accept(io->fd, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        struct weir__accepted accepted = {.fd = fd};
        io->on->on_accept(io, &accepted);
        return true;
    }
    if (fd == -EAGAIN)
        return false;
    if (weir__socket_is_exhausted(-fd) || fd == -EBADF || fd == -EINVAL) {
        pause_accepting(io);
        return false;
    }
    return true;
}

static void accept_some(weir__io *io)
{
    for (int i = 0; i < ACCEPTS_MAX && (io->flags & WEIR__IO_ACCEPTING) != 0; i++)
        if (!accept_one(io))
            return;
}

static int listen_at(weir__io *io, const struct sockaddr *address, socklen_t size, bool share_port)
{
    struct listener *listener = weir__loop_alloc(io->loop, sizeof *listener);
    if (listener == NULL)
        return WEIR_ENOMEM;
    int status = weir__socket_listen(
        &io->fd, address, size,
        (struct weir__listen_options){.share_port = share_port, .nonblocking = true});
    if (status != WEIR_OK) {
        weir__loop_free(io->loop, listener, sizeof *listener);
        return status;
    }
    listener->io = io;
    weir__timer_init(&listener->pause, end_pause);
    io->backend = listener;
    weir__task_init(&io->task, update);
    return WEIR_OK;
}

static int start_accepting(weir__io *io)
{
    return watch(io, EPOLLIN);
}

static void stop_accepting(weir__io *io)
{
    struct listener *listener = io->backend;
    weir__timer_cancel(&listener->pause);
    unwatch(io);
}

/* --- connections --- */

static int take_socket(weir__io *io, int fd)
{
    io->fd = fd;
    weir__task_init(&io->task, update);
    int status = watch(io, CONNECTION_EVENTS);
    if (status != WEIR_OK) {
        weir__sys_close(fd);
        io->fd = -1;
    }
    return status;
}

static int adopt(weir__io *io, struct weir__accepted *accepted)
{
    int fd = accepted->fd;
    accepted->fd = -1;
    return take_socket(io, fd);
}

/* A connection that is made at once is reported by the first event, too. */
static int start_connecting(weir__io *io, const struct sockaddr *address, socklen_t size)
{
    int fd;
    int status = weir__socket_open(&fd, address->sa_family, true);
    if (status != WEIR_OK)
        return status;
    status = weir__socket_connect(fd, address, size);
    if (status != WEIR_OK && status != WEIR_EAGAIN) {
        weir__sys_close(fd);
        return status;
    }
    return take_socket(io, fd);
}

static void finish_connecting(weir__io *io)
{
    io->flags &= ~(uint32_t)WEIR__IO_CONNECTING;
    io->on->on_connect(io, weir__socket_connected(io->fd));
}

static void close_io(weir__io *io, bool reset)
{
    if ((io->flags & WEIR__IO_LISTENING) == 0) {
        weir__epoll_drop_kept(io);
    } else {
        struct listener *listener = io->backend;
        weir__timer_cancel(&listener->pause);
        weir__loop_free(io->loop, listener, sizeof *listener);
        io->backend = NULL;
    }
    unwatch(io);
    weir__socket_close(io->fd, reset);
    io->fd = -1;
    weir__task_cancel(&io->task);
    weir__task_post(io->loop, &io->task);
}

/* --- the loop --- */

static void dispatch_connection(weir__io *io, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        io->flags |= WEIR__EPOLL_READABLE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        io->flags |= WEIR__EPOLL_HUNG_UP;
    bool writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    if (writable && (io->flags & WEIR__IO_CONNECTING) != 0)
        finish_connecting(io);
    if (writable && (io->flags & WEIR__IO_SENDING) != 0)
        go_on_sending(io);
    if (weir__list_is_empty(&io->task.link)) /* else it reads when its turn comes */
        weir__epoll_read_in_row(io);
}

/* An io that was closed earlier in the batch is still there: its on_closed comes later. */
static void dispatch(struct weir__epoll *state, const struct epoll_event *event)
{
    if (event->data.ptr == state) {
        weir__kernel_clear_wake(&state->kernel);
        return;
    }
    weir__io *io = event->data.ptr;
    if ((io->flags & WEIR__IO_CLOSING) != 0)
        return;
    if ((io->flags & WEIR__IO_LISTENING) != 0)
        accept_some(io);
    else
        dispatch_connection(io, event->events);
}

static int poll_events(weir_loop *loop, int64_t timeout_ms)
{
    struct weir__epoll *state = weir__epoll_of(loop);
    int wait_ms = timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX;
    int count = weir__sys_epoll_wait(state->fd, state->events, WEIR__EPOLL_EVENTS, wait_ms);
    loop->now_ms = weir__sys_clock_ms();
    if (count < 0)
        return count == -EINTR ? WEIR_OK : WEIR_SYSTEM(-count);
    for (int i = 0; i < count; i++)
        dispatch(state, &state->events[i]);
    weir__epoll_deliver_row(state);
    return WEIR_OK;
}

static int poll_fd(weir_loop *loop)
{
    return weir__epoll_of(loop)->fd;
}

static void close_loop(weir_loop *loop)
{
    struct weir__epoll *state = weir__epoll_of(loop);
    if (state == NULL)
        return;
    if (state->read_buf != NULL)
        weir__buf_unref(state->read_buf);
    weir__kernel_fini(&state->kernel);
    if (state->fd >= 0)
        weir__sys_close(state->fd);
    weir__loop_free(loop, state, sizeof *state);
    loop->backend_state = NULL;
}

static int open_epoll(struct weir__epoll *state)
{
    state->fd = weir__sys_epoll_create();
    if (state->fd < 0)
        return WEIR_SYSTEM(-state->fd);
    int result = weir__sys_epoll_ctl(state->fd, EPOLL_CTL_ADD, state->kernel.wake_fd,
                                     EPOLLIN | EPOLLET, state);
    return result < 0 ? WEIR_SYSTEM(-result) : WEIR_OK;
}

static int open_loop(weir_loop *loop, const weir_loop_options *options)
{
    (void)options;
    struct weir__epoll *state = weir__loop_alloc(loop, sizeof *state);
    if (state == NULL)
        return WEIR_ENOMEM;
    memset(state, 0, sizeof *state);
    state->fd = -1;
    loop->backend_state = state;
    int status = weir__kernel_init(&state->kernel);
    if (status == WEIR_OK)
        status = open_epoll(state);
    if (status != WEIR_OK)
        close_loop(loop);
    return status;
}

static const struct weir__io_ops socket_ops = {
    .recv_start = weir__epoll_recv_start,
    .recv_stop = weir__epoll_recv_stop,
    .send = send_pieces,
    .shutdown = shut,
    .close = close_io,
    .address = weir__kernel_address,
    .keep_alive = weir__kernel_keep_alive,
};

const struct weir__loop_ops weir__backend_epoll = {
    .name = "epoll",
    .open = open_loop,
    .close = close_loop,
    .fd = poll_fd,
    .poll = poll_events,
    .wake = weir__kernel_wake,
    .clock_ms = weir__kernel_clock_ms,
    .random = weir__kernel_random,
    .listen = listen_at,
    .accept_start = start_accepting,
    .accept_stop = stop_accepting,
    .adopt = adopt,
    .drop = weir__kernel_drop,
    .connect = start_connecting,
    .sockets = &socket_ops,
};
