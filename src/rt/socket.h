/* rt/socket.h - making and setting up sockets, the same for both kernel back-ends. No loop, no
 * events. Results are statuses; -1 is no descriptor. Thread-safe. */
#ifndef WEIR_RT_SOCKET_H
#define WEIR_RT_SOCKET_H

#include "rt/sys.h"

#include <sys/socket.h>
#include <sys/uio.h>

/* The most pieces that one send takes. */
#define WEIR__SEND_PIECES_MAX 17

struct weir__listen_options {
    bool share_port;
    bool nonblocking;
};

/* Binds and listens; *fd is the caller's to close. Accepted sockets inherit TCP_NODELAY. A stale
 * path of a Unix socket is replaced. */
WEIR_MUST_USE int weir__socket_listen(int *fd, const struct sockaddr *address, socklen_t size,
                                      struct weir__listen_options options);

/* A stream socket to connect with, TCP_NODELAY set. */
WEIR_MUST_USE int weir__socket_open(int *fd, int family, bool nonblocking);

/* WEIR_EAGAIN: it goes on, and the socket becomes writable when it is done. */
WEIR_MUST_USE int weir__socket_connect(int fd, const struct sockaddr *address, socklen_t size);

/* What became of it. */
WEIR_MUST_USE int weir__socket_connected(int fd);

WEIR_MUST_USE int weir__socket_address(int fd, bool peer, struct sockaddr_storage *address,
                                       socklen_t *size);

/* At least one piece. */
static inline size_t weir__socket_sum(const struct iovec *pieces, int count)
{
    size_t sum = pieces[0].iov_len;
    for (int i = 1; i < count; i++)
        sum += pieces[i].iov_len;
    return sum;
}

/* For the next, of more than one piece: the result of the call, or -errno. */
ssize_t weir__socket_send_several(int fd, const struct iovec *pieces, int count);

/* How many bytes the kernel took at once, or a status. Taking none because there is no room is 0,
 * not an error. */
WEIR_MUST_USE static inline int64_t weir__socket_send(int fd, const struct iovec *pieces, int count)
{
    size_t size = pieces[0].iov_len;
    ssize_t taken = count == 1 ? weir__sys_send(fd, pieces[0].iov_base, &size)
                               : weir__socket_send_several(fd, pieces, count);
    if (taken == -EAGAIN || taken == -EWOULDBLOCK)
        return 0;
    return taken < 0 ? WEIR_SYSTEM((int)-taken) : (int64_t)taken;
}

WEIR_MUST_USE int weir__socket_shut(int fd);
WEIR_MUST_USE int weir__socket_keep_alive(int fd, unsigned idle_s, unsigned interval_s);

/* reset: unsent bytes are discarded and the peer gets RST. */
void weir__socket_close(int fd, bool reset);

/* Whether accept() failed for lack of descriptors or memory: to be tried again in a while, not at
 * once. */
bool weir__socket_is_exhausted(int errno_value);

#endif
