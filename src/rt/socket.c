#include "rt/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG          4096 /* the kernel lowers it to net.core.somaxconn */
#define KEEP_ALIVE_COUNT 3

static int status_of(int result)
{
    return result < 0 ? WEIR_SYSTEM(-result) : WEIR_OK;
}

static int set_int(int fd, int level, int name, int value)
{
    return status_of(weir__sys_set_option(fd, level, name, &value, sizeof value));
}

static bool is_tcp(int family)
{
    return family == AF_INET || family == AF_INET6;
}

int weir__socket_open(int *fd, int family, bool nonblocking)
{
    *fd = -1;
    int made =
        weir__sys_socket(family, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
    if (made < 0)
        return WEIR_SYSTEM(-made);
    int status = is_tcp(family) ? set_int(made, IPPROTO_TCP, TCP_NODELAY, 1) : WEIR_OK;
    if (status != WEIR_OK) {
        weir__sys_close(made);
        return status;
    }
    *fd = made;
    return WEIR_OK;
}

/* --- listening --- */

/* The path of a Unix socket address; NULL: it is another family, or an abstract or unnamed one. */
static const char *path_of(const struct sockaddr *address, socklen_t size)
{
    if (address->sa_family != AF_UNIX || size <= offsetof(struct sockaddr_un, sun_path))
        return NULL;
    const char *path = (const char *)address + offsetof(struct sockaddr_un, sun_path);
    return path[0] != '\0' ? path : NULL;
}

/* Whether the path is stale: no socket listens on it any more. Only a socket is ever taken for
 * stale. */
static bool is_stale(const char *path, const struct sockaddr *address, socklen_t size)
{
    struct stat info;
    int fd;
    if (lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    if (weir__socket_open(&fd, AF_UNIX, true) != WEIR_OK)
        return false;
    int result = weir__sys_connect(fd, address, size);
    weir__sys_close(fd);
    return result == -ECONNREFUSED;
}

static int bind_replacing(int fd, const struct sockaddr *address, socklen_t size)
{
    char path[sizeof(struct sockaddr_un) + 1] = {0}; /* sun_path may lack its terminator */
    int result = weir__sys_bind(fd, address, size);
    const char *found = path_of(address, size);
    if (result != -EADDRINUSE || found == NULL || size > sizeof(struct sockaddr_un))
        return status_of(result);
    memcpy(path, found, size - offsetof(struct sockaddr_un, sun_path));
    if (!is_stale(path, address, size) || unlink(path) != 0)
        return status_of(result);
    return status_of(weir__sys_bind(fd, address, size));
}

static int set_up_listener(int fd, const struct sockaddr *address, socklen_t size, bool share_port)
{
    int status = WEIR_OK;
    if (is_tcp(address->sa_family))
        status = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (status == WEIR_OK && share_port && is_tcp(address->sa_family))
        status = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (status == WEIR_OK)
        status = bind_replacing(fd, address, size);
    if (status == WEIR_OK)
        status = status_of(weir__sys_listen(fd, BACKLOG));
    return status;
}

int weir__socket_listen(int *fd, const struct sockaddr *address, socklen_t size,
                        struct weir__listen_options options)
{
    int status = weir__socket_open(fd, address->sa_family, options.nonblocking);
    if (status != WEIR_OK)
        return status;
    status = set_up_listener(*fd, address, size, options.share_port);
    if (status != WEIR_OK) {
        weir__sys_close(*fd);
        *fd = -1;
    }
    return status;
}

bool weir__socket_is_exhausted(int errno_value)
{
    return errno_value == EMFILE || errno_value == ENFILE || errno_value == ENOBUFS ||
           errno_value == ENOMEM;
}

/* --- connecting --- */

int weir__socket_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int result = weir__sys_connect(fd, address, size);
    if (result == -EINPROGRESS || result == -EALREADY)
        return WEIR_EAGAIN;
    /* Interrupted and tried again: it had come to its end meanwhile. */
    return result == -EISCONN ? WEIR_OK : status_of(result);
}

int weir__socket_connected(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    int result = weir__sys_get_option(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return status_of(result < 0 ? result : -error);
}

/* --- open sockets --- */

int weir__socket_address(int fd, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    *size = sizeof *address;
    return status_of(weir__sys_get_name(fd, peer, (struct sockaddr *)address, size));
}

ssize_t weir__socket_send_several(int fd, const struct iovec *pieces, int count)
{
    struct iovec
        copy[WEIR__SEND_PIECES_MAX]; /* sendmsg() wants them writable, and a test cuts them */
    struct msghdr message = {.msg_iov = copy, .msg_iovlen = (size_t)count};
    memcpy(copy, pieces, (size_t)count * sizeof *pieces);
    return weir__sys_send_message(fd, &message);
}

int weir__socket_shut(int fd)
{
    return status_of(weir__sys_shutdown(fd, SHUT_WR));
}

int weir__socket_keep_alive(int fd, unsigned idle_s, unsigned interval_s)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;
    int result = weir__sys_get_option(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    if (result < 0 || !is_tcp(domain))
        return status_of(result);
    int status = set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);
    if (status == WEIR_OK)
        status = set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval_s);
    if (status == WEIR_OK)
        status = set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_COUNT);
    if (status == WEIR_OK)
        status = set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    return status;
}

void weir__socket_close(int fd, bool reset)
{
    static const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        (void)weir__sys_set_option(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    weir__sys_close(fd);
}
