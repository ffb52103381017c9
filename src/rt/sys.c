#include "rt/sys.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#ifdef WEIR_HAVE_URING
#include <liburing.h>
#include <string.h>
#endif

int (*weir__sys_inject)(enum weir__sys_call call, size_t *size);

static int inject(enum weir__sys_call call, size_t *size)
{
    return __builtin_expect(weir__sys_inject != NULL, 0) ? weir__sys_inject(call, size) : 0;
}

/* Evaluates a call whose failure is -1, unless the test injects a fault. The result is that of the
 * call, or -errno. */
#define THROUGH_SEAM(result, call, size, expression)                                               \
    do {                                                                                           \
        int injected = inject(call, size);                                                         \
        (result) = injected != 0 ? -1 : (expression);                                              \
        if ((result) < 0)                                                                          \
            (result) = injected != 0 ? -injected : -errno;                                         \
    } while (0)

int weir__sys_socket(int family, int type)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_SOCKET, NULL, socket(family, type, 0));
    return result;
}

int weir__sys_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_BIND, NULL, bind(fd, address, size));
    return result;
}

int weir__sys_listen(int fd, int backlog)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_LISTEN, NULL, listen(fd, backlog));
    return result;
}

int weir__sys_accept(int fd, int flags)
{
    int result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_ACCEPT, NULL, accept4(fd, NULL, NULL, flags));
    } while (result == -EINTR);
    return result;
}

int weir__sys_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_CONNECT, NULL, connect(fd, address, size));
    } while (result == -EINTR);
    return result;
}

ssize_t weir__sys_recv_injected(int fd, void *out, size_t *size)
{
    ssize_t result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_RECV, size, WEIR__CALL_RECV(fd, out, *size, MSG_DONTWAIT));
    } while (result == -EINTR);
    return result;
}

ssize_t weir__sys_send_injected(int fd, const void *data, size_t *size)
{
    ssize_t result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_SEND, size,
                     WEIR__CALL_SEND(fd, data, *size, MSG_NOSIGNAL | MSG_DONTWAIT));
    } while (result == -EINTR);
    return result;
}

static size_t sum_of(const struct msghdr *message)
{
    size_t sum = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        sum += message->msg_iov[i].iov_len;
    return sum;
}

static void cut_message(struct msghdr *message, size_t size)
{
    size_t count = 0;
    while (size > 0) {
        struct iovec *piece = &message->msg_iov[count++];
        if (piece->iov_len > size)
            piece->iov_len = size;
        size -= piece->iov_len;
    }
    message->msg_iovlen = count;
}

ssize_t weir__sys_send_message(int fd, struct msghdr *message)
{
    ssize_t result;
    do {
        size_t size = weir__sys_inject != NULL ? sum_of(message) : 0;
        int injected = inject(WEIR__SYS_SEND, &size);
        if (injected != 0) {
            result = -injected;
            continue;
        }
        if (weir__sys_inject != NULL)
            cut_message(message, size);
        result = sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (result < 0)
            result = -errno;
    } while (result == -EINTR);
    return result;
}

int weir__sys_shutdown(int fd, int how)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_SHUTDOWN, NULL, shutdown(fd, how));
    return result;
}

int weir__sys_set_option(int fd, int level, int name, const void *value, socklen_t size)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_SET_OPTION, NULL, setsockopt(fd, level, name, value, size));
    return result;
}

int weir__sys_get_option(int fd, int level, int name, void *value, socklen_t *size)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_GET_OPTION, NULL, getsockopt(fd, level, name, value, size));
    return result;
}

int weir__sys_get_name(int fd, bool peer, struct sockaddr *address, socklen_t *size)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_GET_NAME, NULL,
                 peer ? getpeername(fd, address, size) : getsockname(fd, address, size));
    return result;
}

void weir__sys_close(int fd)
{
    (void)close(fd); /* Linux: the descriptor is gone whatever it says */
}

int weir__sys_epoll_create(void)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_EPOLL_CREATE, NULL, epoll_create1(EPOLL_CLOEXEC));
    return result;
}

int weir__sys_epoll_ctl(int epoll, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    int result;
    THROUGH_SEAM(result, WEIR__SYS_EPOLL_CTL, NULL, epoll_ctl(epoll, operation, fd, &event));
    return result;
}

int weir__sys_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_EPOLL_WAIT, NULL, epoll_wait(epoll, events, count, timeout_ms));
    return result;
}

int weir__sys_eventfd(void)
{
    int result;
    THROUGH_SEAM(result, WEIR__SYS_EVENTFD, NULL, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return result;
}

int weir__sys_eventfd_write(int fd)
{
    static const uint64_t one = 1;
    ssize_t result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_EVENTFD_WRITE, NULL, write(fd, &one, sizeof one));
    } while (result == -EINTR);
    return result < 0 ? (int)result : 0;
}

int weir__sys_eventfd_read(int fd)
{
    uint64_t count;
    ssize_t result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_EVENTFD_READ, NULL, read(fd, &count, sizeof count));
    } while (result == -EINTR);
    return result < 0 ? (int)result : 0;
}

ssize_t weir__sys_getrandom(void *out, size_t size)
{
    ssize_t result;
    do {
        THROUGH_SEAM(result, WEIR__SYS_GETRANDOM, &size, getrandom(out, size, 0));
    } while (result == -EINTR);
    return result;
}

uint64_t weir__sys_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#ifdef WEIR_HAVE_URING

int weir__sys_ring_setup(unsigned entries, struct io_uring *ring, struct io_uring_params *params)
{
    int injected = inject(WEIR__SYS_RING_SETUP, NULL);
    return injected != 0 ? -injected : io_uring_queue_init_params(entries, ring, params);
}

int weir__sys_ring_enable(struct io_uring *ring)
{
    /* liburing 2.3 declares io_uring_enable_rings() without exporting it. */
    int result;
    THROUGH_SEAM(
        result, WEIR__SYS_RING_REGISTER, NULL,
        (int)syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0));
    return result;
}

int weir__sys_ring_register_eventfd(struct io_uring *ring, int fd)
{
    int injected = inject(WEIR__SYS_RING_REGISTER, NULL);
    return injected != 0 ? -injected : io_uring_register_eventfd(ring, fd);
}

int weir__sys_ring_register_buffers(struct io_uring *ring, struct io_uring_buf_reg *reg)
{
    int injected = inject(WEIR__SYS_RING_REGISTER, NULL);
    return injected != 0 ? -injected : io_uring_register_buf_ring(ring, reg, 0);
}

int weir__sys_ring_enter(struct io_uring *ring, bool wait, int64_t timeout_ms)
{
    struct io_uring_cqe *first;
    int injected = inject(WEIR__SYS_RING_ENTER, NULL);
    if (injected != 0)
        return -injected;
    if (!wait)
        return io_uring_submit_and_get_events(ring);
    if (timeout_ms < 0)
        return io_uring_submit_and_wait(ring, 1);
    struct __kernel_timespec timeout = {.tv_sec = timeout_ms / 1000,
                                        .tv_nsec = timeout_ms % 1000 * 1000000};
    return io_uring_submit_and_wait_timeout(ring, &first, 1, &timeout, NULL);
}

/* Since Linux 6.11 a no-op ends as its submitter says. Its flags lie where those of a read do, its
 * result where the length does. */
#define NOP_INJECT_RESULT 1U

void weir__sys_ring_prepared(struct io_uring_sqe *sqe, enum weir__sys_call call)
{
    if (__builtin_expect(weir__sys_inject == NULL, 1))
        return;
    size_t size = sqe->len;
    int injected = weir__sys_inject(call, call == WEIR__SYS_RING_SEND ? &size : NULL);
    if (injected == 0) {
        if (size < sqe->len)
            sqe->flags &= (uint8_t)~IOSQE_CQE_SKIP_SUCCESS; /* a short send makes a completion */
        sqe->len = (uint32_t)size;
        return;
    }
    uint64_t user_data = sqe->user_data;
    uint8_t flags = sqe->flags & IOSQE_CQE_SKIP_SUCCESS;
    io_uring_prep_nop(sqe);
    sqe->flags = flags;
    sqe->user_data = user_data;
    sqe->rw_flags = NOP_INJECT_RESULT;
    sqe->len = (uint32_t)-injected;
}

#endif
