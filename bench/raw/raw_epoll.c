/* bench/raw/raw_epoll.c - the yardstick: sends back whatever comes, by one read and one write
 * through one buffer of 512 KiB. Bytes that the kernel does not take are kept for their connection.
 * It is not read until they are written. */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)512 * 1024)
#define EVENTS_MAX  512

struct connection {
    int fd;
    size_t size, at; /* of what is kept; size 0: nothing */
    char *kept;
};

static char buffer[BUFFER_SIZE];
static int epoll;

static void watch(struct connection *connection, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    need(epoll_ctl(epoll, operation, connection->fd, &event) == 0, "epoll_ctl");
}

static void end(struct connection *connection)
{
    close(connection->fd);
    free(connection->kept);
    free(connection);
}

static void keep(struct connection *connection, const char *data, size_t size)
{
    connection->kept = malloc(size);
    need(connection->kept != NULL, "memory");
    memcpy(connection->kept, data, size);
    connection->size = size;
    connection->at = 0;
    watch(connection, EPOLL_CTL_MOD, EPOLLOUT);
}

static void echo(struct connection *connection)
{
    ssize_t got = recv(connection->fd, buffer, BUFFER_SIZE, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    ssize_t sent = got > 0 ? send(connection->fd, buffer, (size_t)got, MSG_NOSIGNAL) : 0;
    if (got <= 0 || (sent < 0 && errno != EAGAIN))
        end(connection);
    else if (sent < got)
        keep(connection, buffer + (sent > 0 ? sent : 0), (size_t)(got - (sent > 0 ? sent : 0)));
}

static void write_kept(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->kept + connection->at,
                        connection->size - connection->at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return;
    if (sent < 0) {
        end(connection);
        return;
    }
    connection->at += (size_t)sent;
    if (connection->at < connection->size)
        return;
    free(connection->kept);
    connection->kept = NULL;
    connection->size = 0;
    watch(connection, EPOLL_CTL_MOD, EPOLLIN);
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        need(connection != NULL, "memory");
        set_no_delay(fd);
        connection->fd = fd;
        watch(connection, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(void)
{
    struct epoll_event events[EVENTS_MAX];
    struct connection listener = {.fd = listen_on_loopback(SOCK_NONBLOCK)};
    epoll = epoll_create1(0);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == &listener)
                accept_all(listener.fd);
            else if (connection->size > 0)
                write_kept(connection);
            else
                echo(connection);
        }
    }
}
