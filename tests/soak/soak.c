/* Soak: soak SECONDS [SEED]. Servers and many clients in one process. For so long the clients
 * connect, talk and end, with sizes, compression, ends and cancels at random.
 *
 * After each minute (if there are less than three: after each third) all sessions have to be gone.
 * The memory in use may then be at most 2 % more after the last minute than after the second, and
 * the same descriptors have to be open. Prints the series.
 *
 * It is no part of the suite: `make soak SECONDS=600`. */
#include "support/descriptors.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/address.h>
#include <weir/client.h>
#include <weir/server.h>
#include <weir/stream.h>
#include <weir/url.h>

#define MEMBERS     100
#define SIZE_MOST   ((size_t)1 << 20)
#define MINUTES_MAX 10000
#define LINE_MS     10000
#define GROWTH_MOST 1.02

static struct {
    weir_server *servers[3]; /* each compresses in its own way, or not at all */
    uint64_t seed;
    uint64_t minute_ms;
    size_t minutes;
    unsigned paused;
    bool lull; /* no client connects until it is over */
    bool over;
    size_t allocated; /* bytes that the loop has from us */
    uint64_t random;
    unsigned long visits;
    unsigned long messages;
    unsigned long failed;         /* no session came about */
    double resident[MINUTES_MAX]; /* KiB, after each minute */
    size_t descriptors[MINUTES_MAX];
    uint8_t payload[SIZE_MOST];
} soak;

static unsigned roll(unsigned sides)
{
    soak.random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (soak.random ^ soak.random >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (unsigned)((mixed ^ mixed >> 31) % sides);
}

/* For statuses that cannot be an error here. */
static void demand(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "soak: %s\n", what);
    exit(EXIT_FAILURE);
}

/* --- memory that is counted: all of it has to be freed --- */

static void *resize(void *block, size_t old_size, size_t new_size, void *arg)
{
    void *moved = NULL;
    (void)arg;
    if (new_size == 0)
        free(block);
    else
        moved = realloc(block, new_size);
    if (moved != NULL || new_size == 0)
        soak.allocated += new_size - old_size;
    return moved;
}

/* --- the servers --- */

static int answer(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    soak.messages++;
    switch (roll(200)) {
    case 0:
        weir_terminate(session);
        return WEIR_OK;
    case 1:
        weir_close_now(session, 1001, "enough");
        return WEIR_OK;
    case 2:
        return WEIR_ELIMIT;
    case 3:
        weir_scope_cancel(weir_session_scope(session));
        return WEIR_OK;
    default:
        return weir_send(session, frame);
    }
}

static int answer_all(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = answer(session, &frame, arg)) != WEIR_OK)
            break;
    return status;
}

static weir_deflate_options deflate_of(unsigned kind)
{
    return (weir_deflate_options){.enabled = kind > 0,
                                  .compress_min = 1,
                                  .server_context_takeover = kind > 1,
                                  .client_context_takeover = kind > 1};
}

static void start_servers(void)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                      .session.deflate = deflate_of(kind)};
        options.handler = kind == 1 ? NULL : answer_all;
        options.on_message = kind == 1 ? answer : NULL;
        int status = weir_server_start(&soak.servers[kind], weir_scope_current(), &options);
        demand(status == WEIR_OK, weir_strerror(status));
    }
}

/* --- the clients --- */

static size_t roll_size(void)
{
    switch (roll(20)) {
    case 0:
        return roll(SIZE_MOST);
    case 1:
    case 2:
    case 3:
        return roll(100000);
    default:
        return roll(1000);
    }
}

/* Some messages there and back, as whole frames, in pieces, or several at a time. */
static int converse(weir_session *session)
{
    weir_frame frame = {0};
    int status = WEIR_OK;
    for (unsigned left = roll(20); status == WEIR_OK && left > 0; left--) {
        unsigned count = roll(10) == 0 ? 20 : 1;
        for (unsigned i = 0; status == WEIR_OK && i < count; i++) {
            size_t size = count == 1 ? roll_size() : roll(1000);
            size_t at = roll((unsigned)(SIZE_MOST - size));
            status = weir_send_binary(session, soak.payload + at, size);
        }
        for (unsigned i = 0; status == WEIR_OK && i < count; i++)
            status = weir_receive(session, &frame);
    }
    weir_frame_release(&frame);
    return status;
}

static void end_session(weir_session *session)
{
    switch (roll(5)) {
    case 0: /* breaks a rule: the server closes with 1002 */
        weir_session_set_masking(session, false);
        (void)!weir_send_text(session, "no mask");
        (void)!weir_session_join(session);
        break;
    case 1:
        weir_terminate(session);
        break;
    case 2: /* as it is */
        break;
    default:
        (void)weir_close(session, 1000, "bye");
        (void)!weir_session_join(session);
    }
}

static int visit(void *arg)
{
    weir_session *session;
    (void)arg;
    unsigned kind = roll(3);
    weir_connect_options options = {.url = weir_server_url(soak.servers[kind]),
                                    .session.deflate = deflate_of(roll(2) == 0 ? kind : roll(3))};
    if (roll(10) == 0)
        options.session.ping_interval_ms = 1 + roll(10);
    if (weir_client_open(&session, weir_scope_current(), &options) != WEIR_OK) {
        soak.failed++;
        return WEIR_OK;
    }
    (void)converse(session);
    end_session(session);
    weir_session_free(session);
    return WEIR_OK;
}

/* A peer that stops anywhere in its handshake. */
static int stop_short(void *arg)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                               "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85";
    const char *text = weir_server_url(soak.servers[roll(3)]);
    weir_url url;
    weir_address address;
    weir_stream *stream;
    (void)arg;
    demand(weir_url_parse(&url, text, strlen(text), NULL) == WEIR_OK &&
               weir_address_tcp(&address, "127.0.0.1", url.port) == WEIR_OK,
           "the server's URL is none");
    if (weir_stream_connect(&stream, &address, 0) != WEIR_OK) {
        soak.failed++;
        return WEIR_OK;
    }
    if (weir_stream_write(stream, head, 1 + roll(sizeof head - 1)) == WEIR_OK)
        (void)weir_sleep(roll(20));
    if (roll(2) == 0)
        weir_stream_reset(stream);
    else
        weir_stream_close(stream);
    return WEIR_OK;
}

/* A client that connects again and again. Now and then it is cancelled in the middle of a call. */
static int come_and_go(void *arg)
{
    (void)arg;
    while (!soak.over) {
        int (*what)(void *) = roll(10) == 0 ? stop_short : visit;
        soak.visits++;
        if (roll(4) == 0)
            (void)weir_with_deadline(roll(30), what, NULL);
        else
            (void)what(NULL);
        (void)weir_sleep(roll(400));
        soak.paused++;
        while (soak.lull)
            (void)weir_sleep(10);
        soak.paused--;
    }
    return WEIR_OK;
}

/* --- the series --- */

static double read_resident(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    demand(file != NULL && fscanf(file, "%*u %lu", &pages) == 1, "/proc/self/statm");
    (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void print_line(const char *when)
{
    printf("%s  %8.0f KiB  %4zu descriptors  %8lu visits  %9lu messages  %lu without a session\n",
           when, read_resident(), count_descriptors(), soak.visits, soak.messages, soak.failed);
    (void)fflush(stdout);
}

static bool all_have_left(void)
{
    size_t sessions = 0;
    for (unsigned kind = 0; kind < 3; kind++)
        sessions += weir_server_session_count(soak.servers[kind]);
    return soak.paused == MEMBERS && sessions == 0;
}

/* The memory in use without any session. What the C library keeps for later is not counted. */
static void take_stock(size_t minute)
{
    soak.lull = true;
    for (unsigned waited_ms = 0; !all_have_left(); waited_ms += 10) {
        demand(waited_ms < 60000, "not all have left");
        (void)weir_sleep(10);
    }
    (void)weir_sleep(100); /* closed sockets are released */
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
    soak.resident[minute] = read_resident();
    soak.descriptors[minute] = count_descriptors();
    print_line("all left");
    soak.lull = false;
}

static void watch(size_t minute)
{
    for (uint64_t left_ms = soak.minute_ms; left_ms > 0;) {
        uint64_t part_ms = left_ms < LINE_MS ? left_ms : LINE_MS;
        (void)weir_sleep(part_ms);
        left_ms -= part_ms;
        print_line("        ");
    }
    take_stock(minute);
}

static int run(void *arg)
{
    weir_scope scope;
    (void)arg;
    start_servers();
    demand(weir_scope_open(&scope) == WEIR_OK, "no scope");
    for (unsigned i = 0; i < MEMBERS; i++)
        demand(weir_go(&scope, "member", come_and_go, NULL) == WEIR_OK, "no member");
    for (size_t minute = 0; minute < soak.minutes; minute++)
        watch(minute);
    soak.over = true;
    (void)weir_scope_join(&scope);
    for (unsigned kind = 0; kind < 3; kind++)
        weir_server_free(soak.servers[kind]);
    return WEIR_OK;
}

/* --- the verdict --- */

static void judge(void)
{
    size_t last = soak.minutes - 1;
    double growth = soak.resident[last] / soak.resident[1];
    printf("memory after the last minute: %.4f of that after the second\n", growth);
    demand(soak.messages > 100 * soak.minutes, "next to nothing has happened");
    demand(soak.descriptors[last] == soak.descriptors[1], "descriptors are left open");
    demand(growth <= GROWTH_MOST, "memory grows");
}

static void prepare(int argc, char **argv)
{
    uint64_t seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (seconds < 3 || seconds > UINT64_C(60) * MINUTES_MAX) {
        fprintf(stderr, "usage: %s SECONDS [SEED]\n", argv[0]);
        exit(2);
    }
    soak.minute_ms = seconds < 180 ? seconds * 1000 / 3 : 60000;
    soak.minutes = seconds < 180 ? 3 : (size_t)(seconds / 60);
    soak.seed = soak.random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (size_t i = 0; i < SIZE_MOST; i++) /* half noise, half the same again and again */
        soak.payload[i] = (uint8_t)(i / 4096 % 2 == 0 ? roll(256) : i % 50);
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    const weir_loop_options options = {.allocator.resize = resize};
    prepare(argc, argv);
    size_t descriptors = count_descriptors();
    int status = weir_loop_new(&loop, &options);
    if (status == WEIR_ENOTSUP) {
        printf("skipped: this loop is not to be had here\n");
        return EXIT_SUCCESS;
    }
    demand(status == WEIR_OK, weir_strerror(status));
    printf("%s, %u clients, seed %llu\n", weir_loop_backend_name(loop), MEMBERS,
           (unsigned long long)soak.seed);
    status = weir_loop_run(loop, "soak", run, NULL);
    demand(status == WEIR_OK, weir_strerror(status));
    demand(weir_loop_coroutine_count(loop) == 0, "coroutines are left");
    weir_loop_free(loop);
    demand(count_descriptors() == descriptors, "descriptors are left open");
    demand(soak.allocated == 0, "memory is left behind");
    judge();
    return EXIT_SUCCESS;
}
