/* rt/sys.h - every system call of the kernel back-ends, through one seam: a test can make any call
 * fail with a chosen errno, or cut it short. Results are those of the call, or -errno: errno is
 * read here and in sys.c, nowhere else. EINTR is retried here wherever every caller would retry.
 * Thread-safe, as the calls are. */
#ifndef WEIR_RT_SYS_H
#define WEIR_RT_SYS_H

#include <weir/base.h>

#include "rt/instrument.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum weir__sys_call {
    WEIR__SYS_SOCKET,
    WEIR__SYS_BIND,
    WEIR__SYS_LISTEN,
    WEIR__SYS_ACCEPT,
    WEIR__SYS_CONNECT,
    WEIR__SYS_RECV,
    WEIR__SYS_SEND,
    WEIR__SYS_SHUTDOWN,
    WEIR__SYS_SET_OPTION,
    WEIR__SYS_GET_OPTION,
    WEIR__SYS_GET_NAME,
    WEIR__SYS_EPOLL_CREATE,
    WEIR__SYS_EPOLL_CTL,
    WEIR__SYS_EPOLL_WAIT,
    WEIR__SYS_EVENTFD,
    WEIR__SYS_EVENTFD_WRITE,
    WEIR__SYS_EVENTFD_READ,
    WEIR__SYS_GETRANDOM,
    /* io_uring: the calls themselves, and then the operations in the ring, which fail
     * asynchronously. */
    WEIR__SYS_RING_SETUP,
    WEIR__SYS_RING_ENTER,
    WEIR__SYS_RING_REGISTER,
    WEIR__SYS_RING_ACCEPT,
    WEIR__SYS_RING_CONNECT,
    WEIR__SYS_RING_RECV,
    WEIR__SYS_RING_SEND,
    WEIR__SYS_RING_POLL,
    WEIR__SYS_RING_CANCEL,
    WEIR__SYS_COUNT
};

/* Fault injection by a test; NULL outside of tests. Set it while no other thread uses a loop.
 * Called before each call. Returns 0 to let it through, or the errno to fail with. size: how many
 * bytes the call may move; lowering it (not to 0) cuts the call short. NULL: the call moves
 * none. */
extern int (*weir__sys_inject)(enum weir__sys_call call, size_t *size);

int weir__sys_socket(int family, int type);
int weir__sys_bind(int fd, const struct sockaddr *address, socklen_t size);
int weir__sys_listen(int fd, int backlog);
int weir__sys_accept(int fd, int flags);
int weir__sys_connect(int fd, const struct sockaddr *address, socklen_t size);

/* The C library makes recv() and send() points of cancellation, which in a process of several
 * threads costs as much as all else that a small message needs. A thread that runs a loop may not
 * be cancelled, so the kernel is called directly. Sanitizers have to see the calls. */
#if defined(SYS_recvfrom) && defined(SYS_sendto) && !defined(WEIR__ASAN) && !defined(WEIR__TSAN)
#define WEIR__CALL_RECV(fd, out, size, flags)                                                      \
    syscall(SYS_recvfrom, fd, out, size, flags, (void *)NULL, (void *)NULL)
#define WEIR__CALL_SEND(fd, data, size, flags)                                                     \
    syscall(SYS_sendto, fd, data, size, flags, (void *)NULL, (size_t)0)
#else
#define WEIR__CALL_RECV recv
#define WEIR__CALL_SEND send
#endif

/* The next two, while a test injects faults. */
ssize_t weir__sys_recv_injected(int fd, void *out, size_t *size);
ssize_t weir__sys_send_injected(int fd, const void *data, size_t *size);

/* *size is what was asked for: a test that cuts the call short lowers it. Never blocks. Compiled
 * into its callers, as the next is: with fewer functions to return from after a system call a small
 * message takes less time, most likely because the processor predicts such returns badly
 * (docs/benchmarks.md). */
static inline ssize_t weir__sys_recv(int fd, void *out, size_t *size)
{
    ssize_t result;
    if (__builtin_expect(weir__sys_inject != NULL, 0))
        return weir__sys_recv_injected(fd, out, size);
    do {
        result = WEIR__CALL_RECV(fd, out, *size, MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}

/* Both never raise SIGPIPE and never block. When a test cuts it short, the first lowers *size, the
 * second message->msg_iovlen and a length in msg_iov. */
static inline ssize_t weir__sys_send(int fd, const void *data, size_t *size)
{
    ssize_t result;
    if (__builtin_expect(weir__sys_inject != NULL, 0))
        return weir__sys_send_injected(fd, data, size);
    do {
        result = WEIR__CALL_SEND(fd, data, *size, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : result;
}
ssize_t weir__sys_send_message(int fd, struct msghdr *message);
int weir__sys_shutdown(int fd, int how);
int weir__sys_set_option(int fd, int level, int name, const void *value, socklen_t size);
int weir__sys_get_option(int fd, int level, int name, void *value, socklen_t *size);
int weir__sys_get_name(int fd, bool peer, struct sockaddr *address, socklen_t *size);
void weir__sys_close(int fd);
int weir__sys_epoll_create(void);
int weir__sys_epoll_ctl(int epoll, int operation, int fd, uint32_t events, void *data);

/* Not retried after EINTR: a signal handler may have changed what the loop should do. */
int weir__sys_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms);
int weir__sys_eventfd(void);
int weir__sys_eventfd_write(int fd);

/* Sets its counter back to 0. -EAGAIN: it was. */
int weir__sys_eventfd_read(int fd);
ssize_t weir__sys_getrandom(void *out, size_t size);
uint64_t weir__sys_clock_ms(void);

#ifdef WEIR_HAVE_URING
struct io_uring;
struct io_uring_buf_reg;
struct io_uring_params;
struct io_uring_sqe;

int weir__sys_ring_setup(unsigned entries, struct io_uring *ring, struct io_uring_params *params);

/* Lets a ring that was set up disabled start. The calling thread is its one submitter from then
 * on. */
int weir__sys_ring_enable(struct io_uring *ring);
int weir__sys_ring_register_eventfd(struct io_uring *ring, int fd);
int weir__sys_ring_register_buffers(struct io_uring *ring, struct io_uring_buf_reg *reg);

/* Submits what is queued and, when wait is true, waits for a completion: at most timeout_ms; -1: no
 * limit; 0: fetches completions without waiting. Not retried after EINTR. */
int weir__sys_ring_enter(struct io_uring *ring, bool wait, int64_t timeout_ms);

/* To be called on each operation that was prepared: makes it fail when the test says so. */
void weir__sys_ring_prepared(struct io_uring_sqe *sqe, enum weir__sys_call call);
#endif

#endif
