/* weir bench: opens all connections, lets the clock run, closes them. */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_SIZE        ((size_t)512 * 1024)
#define STREAM_INPUT_SIZE ((size_t)64 * 1024)
#define EVENTS_MAX        512
#define OPENING_MAX       64 /* the listener's queue is not to overflow */
#define SETTLE_MS         200
#define PATIENCE_MS       10000
#define MILLISECOND       UINT64_C(1000000)
#define TURN_NS           (100 * MILLISECOND)
#define LOOK_NS           (MILLISECOND / 10)

void bench_fail(bench_run *run, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (run->failed != 0)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_complain(BENCH_NAME, "%s", text);
    run->failed = status;
}

/* --- a turn --- */

static void take_input(bench_run *run, bench_connection *connection, size_t size)
{
    uint8_t *data = run->input;
    run->now_ns = bench_now_ns();
    if (connection->state == BENCH_UPGRADING)
        size = bench_upgrade(run, connection, &data, size);
    if (connection->state < BENCH_OPEN || run->failed != 0)
        return;
    bench_take(run, connection, data, size);
    if (connection->state >= BENCH_OPEN && run->failed == 0)
        bench_send(run, connection);
}

/* Has epoll tell again what it has told. */
static void tell_again(bench_run *run, bench_connection *connection)
{
    struct epoll_event event = {.events = BENCH_EVENTS, .data.ptr = connection};
    if (epoll_ctl(run->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
        bench_fail(run, CLI_EXIT_LOCAL, "epoll: %s", strerror(errno));
}

/* Reads until nothing is there: what is left unread would not be told again. A stream takes turns with the others, so that it is the server that makes them wait, and not we. */
static void read_input(bench_run *run, bench_connection *connection)
{
    const bool streams = connection->load == &run->loads[BENCH_STREAMING];
    const size_t room = streams ? STREAM_INPUT_SIZE : INPUT_SIZE;
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
            tell_again(run, connection);
            return;
        }
    }
}

static void handle(bench_run *run, bench_connection *connection, uint32_t events)
{
    if (connection->state == BENCH_CONNECTING) {
        run->now_ns = bench_now_ns();
        bench_connected(run, connection);
        return;
    }
    if ((events & EPOLLOUT) != 0 && connection->state >= BENCH_OPEN &&
        (connection->left > 0 || connection->pong_owed))
        bench_send(run, connection);
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
        connection->state > BENCH_CONNECTING)
        read_input(run, connection);
}

/* One with nanoseconds: a rate of messages is finer than what epoll counts in. */
static void wait_until(const bench_run *run, uint64_t until_ns)
{
    struct pollfd poll = {.fd = run->epoll, .events = POLLIN};
    uint64_t now_ns = bench_now_ns();
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const struct timespec timeout = {.tv_nsec = (long)left_ns};
    (void)ppoll(&poll, 1, &timeout, NULL);
}

/* Looks for events for a while before it sleeps: a server that has to wake us up is charged for it, and on a virtual machine that can cost more than all else it does. */
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

static void turn(bench_run *run, uint64_t until_ns)
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

/* Gives up on a server that has been silent for too long. */
static bool is_patient(bench_run *run, uint64_t progress, uint64_t *seen, uint64_t *since_ns)
{
    if (progress != *seen) {
        *seen = progress;
        *since_ns = run->now_ns;
    }
    if (run->now_ns - *since_ns > PATIENCE_MS * MILLISECOND)
        bench_fail(run, CLI_EXIT_ABNORMAL, "the server does not answer");
    return run->failed == 0;
}

/* --- phases --- */

/* Every connection gets its first message back before anything is measured. */
static void open_all(bench_run *run)
{
    uint64_t since_ns = run->now_ns = bench_now_ns();
    uint64_t seen = 0;
    while (run->failed == 0 && (run->opened < run->connection_count || run->opening > 0)) {
        while (run->opened < run->connection_count && run->opening < OPENING_MAX &&
               run->failed == 0)
            bench_connect(run, &run->connections[run->opened++]);
        turn(run, run->now_ns + TURN_NS);
        (void)is_patient(run, run->opened - run->opening, &seen, &since_ns);
    }
}

static void settle(bench_run *run)
{
    uint64_t end_ns = run->now_ns + SETTLE_MS * MILLISECOND;
    while (run->failed == 0 && run->now_ns < end_ns)
        turn(run, end_ns);
}

static void measure_server(bench_run *run, bench_usage *out)
{
    if (run->pid != 0 && !bench_usage_of(run->pid, out))
        bench_fail(run, CLI_EXIT_FAILED, "there is no process %llu to measure",
                   (unsigned long long)run->pid);
}

static void start_load(bench_run *run, bench_load *load)
{
    load->next_ns = run->now_ns;
    for (size_t i = 0; i < load->connection_count && run->failed == 0; i++) {
        bench_connection *connection = &run->connections[load->first + i];
        if (!run->handshakes) {
            bench_send(run, connection);
        } else if (load->sent < load->quota) {
            load->sent++;
            bench_connect(run, connection);
        }
    }
}

static void let_the_clock_run(bench_run *run)
{
    const bench_load *load = &run->loads[BENCH_MEASURED];
    measure_server(run, &run->start);
    uint64_t thread_ns = bench_thread_ns();
    uint64_t looking_ns = run->looking_ns;
    uint64_t since_ns = run->start_ns = run->now_ns = bench_now_ns();
    uint64_t seen = 0;
    uint64_t end_ns = run->start_ns + run->seconds * 1000 * MILLISECOND;
    run->measuring = true;
    for (size_t i = 0; i < BENCH_LOADS; i++)
        start_load(run, &run->loads[i]);
    while (run->failed == 0 && run->now_ns < end_ns && load->answered < load->quota) {
        uint64_t until_ns = run->now_ns + TURN_NS;
        turn(run, until_ns < end_ns ? until_ns : end_ns);
        if (load->connection_count > 0 && load->rate == 0)
            (void)is_patient(run, load->answered, &seen, &since_ns);
    }
    run->measuring = false;
    run->end_ns = run->now_ns;
    thread_ns = bench_thread_ns() - thread_ns;
    looking_ns = run->looking_ns - looking_ns;
    run->busy_ns = thread_ns > looking_ns ? thread_ns - looking_ns : 0;
    measure_server(run, &run->end);
}

/* --- the whole --- */

static int prepare_deflate(bench_run *run)
{
    if (!run->deflate.enabled)
        return WEIR_OK;
    int status = weir_deflate_new(&run->codecs, NULL);
    if (status != WEIR_OK)
        return status;
    int size = weir_deflate_offer_write(run->offer, sizeof run->offer, &run->deflate);
    return size < 0 ? size : WEIR_OK;
}

static bool make_connections(bench_run *run)
{
    for (size_t i = 0; i < BENCH_LOADS; i++)
        run->connection_count += run->loads[i].connection_count;
    run->connections = calloc(run->connection_count, sizeof *run->connections);
    run->input = malloc(INPUT_SIZE);
    bool good = run->connections != NULL && run->input != NULL;
    size_t at = 0;
    for (size_t i = 0; i < BENCH_LOADS; i++) {
        bench_load *load = &run->loads[i];
        load->first = at;
        for (size_t k = 0; k < load->connection_count && good; k++, at++) {
            run->connections[at].load = load;
            run->connections[at].times_ns = calloc(load->depth, sizeof(uint64_t));
            good = run->connections[at].times_ns != NULL;
        }
    }
    int status = good ? prepare_deflate(run) : WEIR_ENOMEM;
    run->epoll = status == WEIR_OK ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (run->epoll < 0)
        bench_fail(run, CLI_EXIT_FAILED, "%s",
                   status == WEIR_OK ? strerror(errno) : weir_strerror(status));
    return run->epoll >= 0;
}

static void release_all(bench_run *run)
{
    for (size_t i = 0; i < run->connection_count && run->connections != NULL; i++) {
        bench_close(run, &run->connections[i]);
        free(run->connections[i].times_ns);
    }
    for (size_t i = 0; i < BENCH_LOADS; i++)
        bench_ring_fini(&run->loads[i].ring);
    weir_deflate_free(run->codecs);
    free(run->connections);
    free(run->input);
    if (run->epoll >= 0)
        (void)close(run->epoll);
}

int bench_run_all(bench_run *run)
{
    measure_server(run, &run->before);
    if (run->failed == 0 && make_connections(run)) {
        if (!run->handshakes) {
            open_all(run);
            settle(run);
        }
        measure_server(run, &run->open);
        if (run->failed == 0)
            let_the_clock_run(run);
    }
    release_all(run);
    return run->failed;
}
