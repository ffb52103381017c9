/* tests/perf/workloads.c - fixed amounts of work, to be counted in instructions.
 * test_instructions.py runs it under `valgrind --tool=callgrind --instr-atstart=no`. Each workload
 * is done once uncounted, so that pools are filled, and once counted. Its dump has its name.
 * Without valgrind the same work is done uncounted. */
#include <rt/coroutine.h>
#include <rt/timer.h>

#include <weir/channel.h>
#include <weir/endpoint.h>
#include <weir/mask.h>
#include <weir/parser.h>
#include <weir/server.h>
#include <weir/utf8.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name)
#endif

#define BIG_SIZE     65536
#define PEERS        50
#define MESSAGE_SIZE 70 /* 64 bytes of text in a masked frame */

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "does not work: %s\n", what);
    exit(1);
}

/* --- wire --- */

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
static uint8_t room[2 * BIG_SIZE];

static void no_random(void *out, size_t size, void *arg)
{
    (void)arg;
    memset(out, 0, size);
}

/* Masked frames, one behind the other. The key is zero, so that they can be fed again and again. */
static size_t write_frames(size_t count, size_t size, uint8_t opcode)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        weir_frame_head head = {.size = size, .opcode = opcode, .fin = true, .masked = true};
        at += weir_frame_head_write(room + at, &head);
        memset(room + at, 'x', size);
        at += size;
    }
    return at;
}

static void echo(size_t times, size_t count, size_t size, uint8_t opcode)
{
    const weir_endpoint_options options = {.role = WEIR_ROLE_SERVER, .random = no_random};
    weir_endpoint *endpoint;
    weir_buffer out = {0};
    weir_event event;
    size_t echoed = 0;
    size_t total = write_frames(count, size, opcode);
    need(weir_endpoint_new(&endpoint, &options, 0) == WEIR_OK, "an endpoint");
    for (size_t i = 0; i < times; i++) {
        out.size = 0;
        need(weir_endpoint_feed(endpoint, room, total, 0) == WEIR_OK, "feeding");
        for (; weir_endpoint_next(endpoint, &event) == WEIR_OK; echoed++)
            need(weir_endpoint_send(endpoint, &event.frame, &out) == WEIR_OK, "sending");
    }
    need(echoed == times * count, "an echo");
    weir_endpoint_free(endpoint);
    weir_buffer_fini(&out);
}

static void echo_small(size_t count)
{
    echo(count / 500, 500, 64, WEIR_FRAME_TEXT);
}

static void echo_big(size_t count)
{
    echo(count, 1, BIG_SIZE, WEIR_FRAME_BINARY);
}

static void parse_heads(size_t count)
{
    weir_parser parser;
    weir_parser_event event;
    size_t eaten;
    (void)write_frames(1, 64, WEIR_FRAME_TEXT);
    for (size_t i = 0; i < count; i++) {
        weir_parser_init(&parser, WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
        need(weir_parser_feed(&parser, room, 70, &eaten, &event) == WEIR_OK, "a header");
    }
}

static void mask_small(size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir_mask(room, 64, key, 0);
}

static void mask_big(size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir_mask(room, BIG_SIZE, key, 0);
}

static void validate(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_utf8 utf8 = {0};
        need(weir_utf8_feed(&utf8, room, BIG_SIZE, NULL) == WEIR_OK, "UTF-8");
    }
}

static void validate_ascii(size_t count)
{
    memset(room, 'x', BIG_SIZE);
    validate(count);
}

static void validate_mixed(size_t count)
{
    static const char text[] = "plain, gr\xc3\xbc\xc3\x9f"
                               "e, \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 ";
    memset(room, 'x', BIG_SIZE);
    for (size_t at = 0; at + sizeof text < BIG_SIZE; at += sizeof text - 1)
        memcpy(room + at, text, sizeof text - 1);
    validate(count);
}

/* --- rt: these run in a coroutine --- */

static int yield_often(void *arg)
{
    for (size_t i = 0; i < *(size_t *)arg; i++)
        need(weir_yield() == WEIR_OK, "a yield");
    return WEIR_OK;
}

/* Two take turns: each yield is a switch to the other one. */
static void switch_often(size_t count)
{
    weir_scope scope;
    size_t half = count / 2;
    need(weir_scope_open(&scope) == WEIR_OK, "a scope");
    need(weir_go(&scope, "other", yield_often, &half) == WEIR_OK, "a coroutine");
    need(yield_often(&half) == WEIR_OK, "yielding");
    need(weir_scope_join(&scope) == WEIR_OK, "joining");
}

struct belt {
    weir_channel *channel;
    size_t count;
};

static int send_all(void *arg)
{
    struct belt *belt = arg;
    for (size_t i = 0; i < belt->count; i++)
        need(weir_channel_send(belt->channel, &i) == WEIR_OK, "sending on a channel");
    return WEIR_OK;
}

static void hand_over(size_t count, size_t capacity)
{
    const weir_channel_options options = {.item_size = sizeof(size_t), .capacity = capacity};
    struct belt belt = {.count = count};
    weir_scope scope;
    size_t item;
    need(weir_channel_new(&belt.channel, weir_loop_current(), &options) == WEIR_OK, "a channel");
    need(weir_scope_open(&scope) == WEIR_OK, "a scope");
    need(weir_go(&scope, "sender", send_all, &belt) == WEIR_OK, "a coroutine");
    for (size_t i = 0; i < count; i++)
        need(weir_channel_receive(belt.channel, &item) == WEIR_OK && item == i, "receiving");
    need(weir_scope_join(&scope) == WEIR_OK, "joining");
    weir_channel_free(belt.channel);
}

static void hand_over_directly(size_t count)
{
    hand_over(count, 0);
}

static void hand_over_by_eight(size_t count)
{
    hand_over(count, 8);
}

static int do_nothing(void *arg)
{
    (void)arg;
    return WEIR_OK;
}

static void spawn_and_join(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_scope scope;
        need(weir_scope_open(&scope) == WEIR_OK, "a scope");
        need(weir_go(&scope, "brief", do_nothing, NULL) == WEIR_OK, "a coroutine");
        need(weir_scope_join(&scope) == WEIR_OK, "joining");
    }
}

static void ring(weir__timer *timer)
{
    (void)timer;
}

static void set_timers(size_t count)
{
    static struct weir__wheel wheel;
    weir__timer timer;
    weir__wheel_init(&wheel, 1000);
    weir__timer_init(&timer, ring);
    for (size_t i = 0; i < count; i++) {
        weir__wheel_set(&wheel, &timer, 1001 + i * 7919 % 600000);
        weir__timer_cancel(&timer);
    }
}

/* --- ws: two sessions over a stream in memory --- */

static int echo_all(void *arg)
{
    weir_frame frame;
    int status;
    while ((status = weir_receive(arg, &frame)) == WEIR_OK)
        need(weir_send(arg, &frame) == WEIR_OK, "echoing");
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static void converse(size_t count)
{
    static const char text[] = "sixty-four bytes of text, which is what most messages are like.";
    weir_stream *ends[2];
    weir_session *sessions[2];
    weir_frame frame;
    weir_scope scope;
    need(weir_scope_open(&scope) == WEIR_OK, "a scope");
    need(weir_stream_pair(&ends[0], &ends[1], weir_loop_current()) == WEIR_OK, "streams");
    need(weir_session_start(&sessions[0], &scope, ends[0], WEIR_ROLE_SERVER, NULL) == WEIR_OK,
         "a server's session");
    need(weir_session_start(&sessions[1], &scope, ends[1], WEIR_ROLE_CLIENT, NULL) == WEIR_OK,
         "a client's session");
    need(weir_go(&scope, "echo", echo_all, sessions[0]) == WEIR_OK, "a coroutine");
    for (size_t i = 0; i < count; i++) {
        need(weir_send_text(sessions[1], text) == WEIR_OK, "asking");
        need(weir_receive(sessions[1], &frame) == WEIR_OK && frame.size == sizeof text - 1,
             "an answer");
    }
    weir_frame_release(&frame);
    need(weir_close(sessions[1], WEIR_CLOSE_NORMAL, NULL) == WEIR_OK, "closing");
    need(weir_scope_join(&scope) == WEIR_OK, "joining");
    weir_session_free(sessions[0]);
    weir_session_free(sessions[1]);
}

/* --- ws: a server on a loop of its own, and raw peers that send one message at a time --- */

static int echo_session(weir_session *session, void *arg)
{
    (void)arg;
    return echo_all(session);
}

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

static int connect_raw(const char *url)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, "a peer");
    need(write(fd, request, sizeof request - 1) == sizeof request - 1, "asking");
    return fd;
}

static void expect_answer(weir_loop *loop, int fd)
{
    char answer[512];
    ssize_t got;
    while ((got = recv(fd, answer, sizeof answer, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
        need(weir_loop_turn(loop, 1000) >= 0, "a turn");
    need(got > 0, "an answer");
}

static void fill_message(uint8_t message[MESSAGE_SIZE])
{
    static const uint8_t head[] = {0x81, 0xc0, 1, 2, 3, 4};
    memcpy(message, head, sizeof head);
    for (size_t i = sizeof head; i < MESSAGE_SIZE; i++)
        message[i] = (uint8_t)('a' ^ head[2 + (i - sizeof head) % 4]);
}

static struct {
    weir_loop *loop;
    weir_server *server;
    int fds[PEERS];
    uint8_t message[MESSAGE_SIZE];
} stage;

static void open_stage(const weir_serve_options *served)
{
    const weir_loop_options options = {.backend = WEIR_BACKEND_EPOLL};
    fill_message(stage.message);
    need(weir_loop_new(&stage.loop, &options) == WEIR_OK, "a loop");
    need(weir_server_start(&stage.server, weir_loop_scope(stage.loop), served) == WEIR_OK,
         "a server");
    for (size_t i = 0; i < PEERS; i++) {
        stage.fds[i] = connect_raw(weir_server_url(stage.server));
        expect_answer(stage.loop, stage.fds[i]);
    }
}

static void open_by_handler(void)
{
    open_stage(&(weir_serve_options){.url = "ws://127.0.0.1:0", .handler = echo_session});
}

static void open_by_on_message(void)
{
    open_stage(&(weir_serve_options){.url = "ws://127.0.0.1:0", .on_message = echo_message});
}

static void close_stage(void)
{
    for (size_t i = 0; i < PEERS; i++)
        (void)close(stage.fds[i]);
    weir_server_free(stage.server);
    weir_loop_free(stage.loop);
}

/* The peers' own calls are counted as well: some 60 instructions a message. */
static void reply(size_t count)
{
    for (size_t sent = 0; sent < count; sent += PEERS) {
        for (size_t i = 0; i < PEERS; i++)
            need(send(stage.fds[i], stage.message, MESSAGE_SIZE, 0) == MESSAGE_SIZE, "sending");
        for (size_t i = 0; i < PEERS; i++)
            expect_answer(stage.loop, stage.fds[i]);
    }
}

static const struct workload {
    const char *name; /* what the expected counts call it */
    void (*run)(size_t count);
    size_t count;
    void (*open)(void); /* what it needs, and is not counted; NULL: nothing */
    void (*close)(void);
} workloads[] = {
    {"wire: endpoint echoes 64 B text", echo_small, 10000, NULL, NULL},
    {"wire: endpoint echoes 64 KiB binary", echo_big, 20, NULL, NULL},
    {"wire: header of a frame", parse_heads, 10000, NULL, NULL},
    {"wire: mask 64 B", mask_small, 10000, NULL, NULL},
    {"wire: mask 64 KiB", mask_big, 20, NULL, NULL},
    {"wire: UTF-8, 64 KiB of ASCII", validate_ascii, 20, NULL, NULL},
    {"wire: UTF-8, 64 KiB of mixed text", validate_mixed, 20, NULL, NULL},
    {"rt: switch", switch_often, 20000, NULL, NULL},
    {"rt: hand-over without a queue", hand_over_directly, 10000, NULL, NULL},
    {"rt: hand-over by a channel of 8", hand_over_by_eight, 10000, NULL, NULL},
    {"rt: spawn and join", spawn_and_join, 5000, NULL, NULL},
    {"rt: timer set and cancelled", set_timers, 10000, NULL, NULL},
    {"ws: session echoes 64 B text, both ends", converse, 2000, NULL, NULL},
    {"ws: handler replies to 64 B text on epoll", reply, 2000, open_by_handler, close_stage},
    {"ws: on_message replies to 64 B text on epoll", reply, 2000, open_by_on_message, close_stage},
};

static int run_all(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        const struct workload *workload = &workloads[i];
        if (workload->open != NULL)
            workload->open();
        workload->run(workload->count);
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        workload->run(workload->count);
        CALLGRIND_DUMP_STATS_AT(workload->name);
        CALLGRIND_STOP_INSTRUMENTATION;
        if (workload->close != NULL)
            workload->close();
        printf("%zu %s\n", workload->count, workload->name);
    }
    return WEIR_OK;
}

int main(void)
{
    const weir_loop_options options = {.backend = WEIR_BACKEND_EPOLL};
    weir_loop *loop;
    need(weir_loop_new(&loop, &options) == WEIR_OK, "a loop");
    need(weir_loop_run(loop, "workloads", run_all, NULL) == WEIR_OK, "the workloads");
    weir_loop_free(loop);
    return 0;
}
