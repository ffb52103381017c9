/* What does one message to many sessions cost? weir_broadcast() to 1,000 sessions of a loop,
 * beside a loop of plain send() of the same bytes to as many raw sockets, in turns. The peers stand
 * in another process, which reads all. Only this process's CPU is counted.
 *
 *     bench_broadcast [epoll|io_uring]      default: both. Exits 1 when a bar is missed. */
#include <weir/weir.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PEERS   1000
#define ROUNDS  201
#define PAYLOAD 64
#define HEAD    2
#define SIZE    (HEAD + PAYLOAD)

static void need(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "does not work: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- the peers: connect to both ports, ask one for WebSocket, and read all that comes --- */

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

static _Noreturn void run_peers(unsigned raw_port, unsigned port)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static char bytes[65536];
    struct epoll_event events[64];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < 2 * PEERS; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        event.data.fd = connect_to(i < PEERS ? raw_port : port);
        if (i >= PEERS)
            need(write(event.data.fd, request, sizeof request - 1) > 0, "asking");
        need(epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event) == 0, "epoll_ctl");
    }
    for (;;) {
        int count = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < count; i++)
            if (recv(events[i].data.fd, bytes, sizeof bytes, MSG_DONTWAIT) == 0)
                _exit(0);
    }
}

/* --- the two ways --- */

static weir_session *sessions[PEERS];
static size_t session_count;
static int raw_fds[PEERS];
static uint8_t payload[PAYLOAD];

static double cpu_us(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int note_open(weir_session *session, void *arg)
{
    (void)arg;
    sessions[session_count++] = session;
    return WEIR_OK;
}

static int ignore(weir_session *session, weir_frame *frame, void *arg)
{
    (void)session, (void)frame, (void)arg;
    return WEIR_OK;
}

static double time_raw(void)
{
    uint8_t bytes[SIZE] = {0x81, PAYLOAD};
    double start = cpu_us();
    memcpy(bytes + HEAD, payload, PAYLOAD);
    for (size_t i = 0; i < PEERS; i++)
        need(send(raw_fds[i], bytes, SIZE, MSG_NOSIGNAL | MSG_DONTWAIT) == SIZE, "send");
    return (cpu_us() - start) / PEERS;
}

static double time_broadcast(void)
{
    size_t taken;
    double start = cpu_us();
    weir_frame frame = weir_frame_by_type(true, WEIR_FRAME_TEXT, payload, PAYLOAD);
    need(weir_broadcast(&taken, sessions, PEERS, &frame) == WEIR_OK && taken == PEERS, "taken");
    need(weir_sleep(0) == WEIR_OK, "a turn");
    return (cpu_us() - start) / PEERS;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int listen_raw(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(fd >= 0 && bind(fd, (const struct sockaddr *)&address, size) == 0 &&
             listen(fd, PEERS) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0,
         "listening");
    *port = ntohs(address.sin_port);
    return fd;
}

struct contest {
    const char *backend;
    double bar;
    bool held;
};

static void measure(struct contest *contest)
{
    static double raw[ROUNDS], ratios[ROUNDS], own[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        raw[i] = time_raw();
        need(weir_sleep(3) == WEIR_OK, "the peers' time");
        own[i] = time_broadcast();
        need(weir_sleep(3) == WEIR_OK, "the peers' time");
        ratios[i] = own[i] / raw[i];
    }
    qsort(raw, ROUNDS, sizeof *raw, compare);
    qsort(own, ROUNDS, sizeof *own, compare);
    qsort(ratios, ROUNDS, sizeof *ratios, compare);
    double ratio = ratios[ROUNDS / 2];
    contest->held = ratio <= contest->bar;
    printf("%-9s %d sessions, %d B: send() %.3f us, weir_broadcast() %.3f us a delivery, n=%d, "
           "ratio %.3f  bar %.2f: %s\n",
           contest->backend, PEERS, PAYLOAD, raw[ROUNDS / 2], own[ROUNDS / 2], ROUNDS, ratio,
           contest->bar, contest->held ? "held" : "missed");
}

static int run(void *arg)
{
    struct contest *contest = arg;
    weir_server *server;
    unsigned raw_port;
    int listener = listen_raw(&raw_port);
    const weir_serve_options options = {
        .url = "ws://127.0.0.1:0", .on_open = note_open, .on_message = ignore};
    need(weir_server_start(&server, weir_scope_current(), &options) == WEIR_OK, "a server");
    unsigned port = (unsigned)atoi(strrchr(weir_server_url(server), ':') + 1);
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        run_peers(raw_port, port);
    for (size_t i = 0; i < PEERS; i++)
        need((raw_fds[i] = accept(listener, NULL, NULL)) >= 0, "accept");
    session_count = 0;
    while (session_count < PEERS)
        need(weir_sleep(1) == WEIR_OK, "sessions");
    measure(contest);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    for (size_t i = 0; i < PEERS; i++)
        (void)close(raw_fds[i]);
    (void)close(listener);
    weir_server_free(server);
    return WEIR_OK;
}

static bool hold(const char *name, enum weir_backend backend, double bar)
{
    struct contest contest = {.backend = name, .bar = bar};
    const weir_loop_options options = {.backend = backend};
    weir_loop *loop;
    int status = weir_loop_new(&loop, &options);
    if (status == WEIR_ENOTSUP) {
        printf("%-9s is not there\n", name);
        return true;
    }
    need(status == WEIR_OK && weir_loop_run(loop, "broadcast", run, &contest) == WEIR_OK, "a loop");
    weir_loop_free(loop);
    return contest.held;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "";
    bool held = true;
    if (strcmp(only, "io_uring") != 0)
        held &= hold("epoll", WEIR_BACKEND_EPOLL, 1.05);
    if (strcmp(only, "epoll") != 0)
        held &= hold("io_uring", WEIR_BACKEND_IO_URING, 0.80);
    return held ? 0 : 1;
}
