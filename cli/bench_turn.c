#include "bench_turn.h"

#include "bench_open.h"
#include "bench_traffic.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define STREAM_INPUT_SIZE ((size_t)64 * 1024)
#define EVENTS_MAX        512
#define MILLISECOND       UINT64_C(1000000)
#define LOOK_NS           (MILLISECOND / 10)

static void take_input(bench_run *run, bench_connection *connection, size_t size)
{
    uint8_t *data = run->input;
    run->now_ns = bench_now_ns();
    if (connection->state == BENCH_UPGRADING)
        size = bench_upgrade(run, connection, &data, size);
    if (connection->state < BENCH_OPEN || run->failed != 0)
        return;
    bench_take(run, connection, data, size);
    if (run->failed != 0)
        return;
    if (connection->state == BENCH_CLOSED)
        bench_connect_next(run, connection);
    else
        bench_send(run, connection);
}

/* Makes epoll report again what it has reported. */
static void request_events_again(bench_run *run, bench_connection *connection)
{
    struct epoll_event event = {.events = BENCH_EVENTS, .data.ptr = connection};
    if (epoll_ctl(run->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
        bench_fail(run, CLI_EXIT_LOCAL, "epoll: %s", strerror(errno));
}

/* Reads until nothing is there, because epoll does not report again what is left unread. Streaming
 * connections take turns with the others, so that only the server can make those wait. */
static void read_input(bench_run *run, bench_connection *connection)
{
    const bool streams = connection->load == &run->loads[BENCH_STREAMING];
    const size_t room = streams ? STREAM_INPUT_SIZE : BENCH_INPUT_SIZE;
    while (run->failed == 0) {
        ssize_t got = recv(connection->fd, run->input, room, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got == 0)
            bench_fail(run, CLI_EXIT_ABNORMAL, "the server ended a connection");
        else if (got < 0)
            bench_fail(run, CLI_EXIT_ABNORMAL, "connection lost: %s", strerror(errno));
        else
            take_input(run, connection, (size_t)got);
        if (run->failed != 0 || (size_t)got < room || connection->state < BENCH_UPGRADING)
            return;
        if (streams) {
            request_events_again(run, connection);
            return;
        }
    }
}

static void handle(bench_run *run, bench_connection *connection, uint32_t events)
{
    if (connection->state == BENCH_CONNECTING) {
        run->now_ns = bench_now_ns();
        bench_connected(run, connection);
        if (connection->state == BENCH_OPEN)
            bench_send(run, connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->state >= BENCH_OPEN &&
        (connection->left > 0 || connection->pong_owed))
        bench_send(run, connection);
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
        connection->state > BENCH_CONNECTING)
        read_input(run, connection);
}

/* Waits with nanoseconds: a rate of messages is finer than epoll's milliseconds. */
static void wait_until(const bench_run *run, uint64_t until_ns)
{
    struct pollfd poll = {.fd = run->epoll, .events = POLLIN};
    uint64_t now_ns = bench_now_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec timeout = {.tv_nsec = (long)left_ns};
    (void)ppoll(&poll, 1, &timeout, NULL);
}

/* Looks for events for a while before it sleeps. A server that has to wake us is charged for that,
 * and on a virtual machine it can cost more than everything else that the server does. */
static int look(bench_run *run, struct epoll_event *events)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t now_ns = start_ns;
    int count;
    while ((count = epoll_wait(run->epoll, events, EVENTS_MAX, 0)) == 0 &&
           now_ns - start_ns < LOOK_NS)
        now_ns = bench_now_ns();
    run->looking_ns += now_ns - start_ns;
    return count;
}

void bench_turn(bench_run *run, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    bench_load *load = &run->loads[BENCH_MEASURED];
    bool paced = run->measuring && load->rate > 0;
    if (paced)
        wait_until(run, load->next_ns < until_ns ? load->next_ns : until_ns);
    uint64_t left_ns = until_ns > run->now_ns ? until_ns - run->now_ns : 0;
    int timeout_ms = paced ? 0 : (int)(left_ns / MILLISECOND) + 1;
    int count = paced ? 0 : look(run, events);
    if (count == 0)
        count = epoll_wait(run->epoll, events, EVENTS_MAX, timeout_ms);
    if (count < 0 && errno != EINTR)
        bench_fail(run, CLI_EXIT_LOCAL, "epoll: %s", strerror(errno));
    for (int i = 0; i < count && run->failed == 0; i++)
        handle(run, events[i].data.ptr, events[i].events);
    run->now_ns = bench_now_ns();
    if (paced)
        bench_pace(run, load);
}
