#include "support/victim.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_S     30
#define INHERITED_MAX 1024

struct victim_memory {
    _Atomic size_t live;
    _Atomic size_t peak;
    _Atomic size_t largest;
    size_t marked; /* the attackers' alone */
};

/* --- what it allocates --- */

static void raise_to(_Atomic size_t *most, size_t value)
{
    if (value > atomic_load(most))
        atomic_store(most, value);
}

static void *resize(void *block, size_t old_size, size_t new_size, void *arg)
{
    struct victim_memory *memory = arg;
    if (new_size > 0) {
        block = realloc(block, new_size);
        if (block == NULL)
            return NULL;
    } else {
        free(block);
        block = NULL;
    }
    size_t live = atomic_load(&memory->live) - old_size + new_size;
    atomic_store(&memory->live, live);
    raise_to(&memory->peak, live);
    raise_to(&memory->largest, new_size);
    return block;
}

size_t victim_bytes(const struct victim *victim)
{
    return atomic_load(&victim->memory->live);
}

void victim_mark(struct victim *victim)
{
    victim->memory->marked = victim_bytes(victim);
    atomic_store(&victim->memory->peak, victim->memory->marked);
    atomic_store(&victim->memory->largest, 0);
}

size_t victim_growth(const struct victim *victim)
{
    size_t peak = atomic_load(&victim->memory->peak);
    return peak > victim->memory->marked ? peak - victim->memory->marked : 0;
}

size_t victim_largest(const struct victim *victim)
{
    return atomic_load(&victim->memory->largest);
}

/* --- the process --- */

int victim_echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status;
}

int victim_echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

struct lifeline {
    weir_service *service;
    int fd;
};

static void *wait_for_the_end(void *arg)
{
    struct lifeline *lifeline = arg;
    char byte;
    while (read(lifeline->fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    weir_service_stop(lifeline->service);
    return NULL;
}

static void print_port(const char *url, void *arg)
{
    int fd = *(int *)arg;
    unsigned port = (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
    if (write(fd, &port, sizeof port) != sizeof port)
        abort();
    close(fd);
}

static int serve(weir_serve_options options, struct victim_memory *memory, int lifeline_fd)
{
    struct lifeline lifeline = {.fd = lifeline_fd};
    pthread_t thread;
    options.url = "ws://127.0.0.1:0";
    options.loop.allocator = (weir_allocator){resize, memory};
    options.on_listening = print_port;
    int status = weir_service_new(&lifeline.service, &options);
    if (status == WEIR_OK && pthread_create(&thread, NULL, wait_for_the_end, &lifeline) == 0) {
        status = weir_service_run(lifeline.service);
        pthread_join(thread, NULL);
        weir_service_free(lifeline.service);
    }
    size_t left = atomic_load(&memory->live);
    if (status != WEIR_OK || left != 0)
        fprintf(stderr, "victim: %s, %zu bytes left\n", weir_strerror(status), left);
    return status == WEIR_OK && left == 0 ? 0 : 1;
}

/* Closes what the attackers have open: it would count, and keep other servers from ending. */
static void close_others(int keep, int keep_too)
{
    for (int fd = STDERR_FILENO + 1; fd < INHERITED_MAX; fd++)
        if (fd != keep && fd != keep_too)
            close(fd);
}

void victim_start(struct victim *victim, const weir_serve_options *options, unsigned descriptors)
{
    int said[2];
    int lifeline[2];
    victim->memory = mmap(NULL, sizeof *victim->memory, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(victim->memory != MAP_FAILED);
    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(lifeline), 0);
    fflush(NULL);
    victim->process = fork();
    assert_true(victim->process >= 0);
    if (victim->process == 0) {
        weir_serve_options own = *options;
        close_others(said[1], lifeline[0]);
        if (descriptors > 0)
            (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){descriptors, descriptors});
        own.listening_arg = &said[1];
        _exit(serve(own, victim->memory, lifeline[0]));
    }
    close(said[1]);
    close(lifeline[0]);
    victim->lifeline = lifeline[1];
    assert_int_equal(read(said[0], &victim->port, sizeof victim->port), sizeof victim->port);
    close(said[0]);
}

void victim_stop(struct victim *victim)
{
    int status;
    close(victim->lifeline);
    assert_int_equal(waitpid(victim->process, &status, 0), victim->process);
    assert_int_equal(status, 0);
    munmap(victim->memory, sizeof *victim->memory);
}

/* --- what the kernel reports of it --- */

static FILE *open_proc(const struct victim *victim, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)victim->process, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

size_t victim_descriptors(const struct victim *victim)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)victim->process);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

uint64_t victim_cpu_ms(const struct victim *victim)
{
    unsigned long user;
    unsigned long kernel;
    FILE *file = open_proc(victim, "stat");
    assert_int_equal(fscanf(file,
                            "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                            &user, &kernel),
                     2);
    fclose(file);
    return (uint64_t)(user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

size_t victim_resident_kib(const struct victim *victim)
{
    unsigned long pages;
    FILE *file = open_proc(victim, "statm");
    assert_int_equal(fscanf(file, "%*u %lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* --- attackers --- */

const char attacker_request[] =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void set_option(int fd, int level, int name, const void *value, socklen_t size)
{
    assert_int_equal(setsockopt(fd, level, name, value, size), 0);
}

int attacker_try_connect(const struct victim *victim)
{
    struct timeval linger_timer = {.tv_sec = TIMEOUT_S};
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)victim->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_option(fd, SOL_SOCKET, SO_RCVTIMEO, &linger_timer, sizeof linger_timer);
    set_option(fd, SOL_SOCKET, SO_SNDTIMEO, &linger_timer, sizeof linger_timer);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int attacker_connect(const struct victim *victim)
{
    int fd = attacker_try_connect(victim);
    if (fd < 0)
        print_error("cannot connect: %s\n", strerror(errno));
    assert_true(fd >= 0);
    return fd;
}

static bool take_all(int fd, void *out, size_t size)
{
    ssize_t got = size > 0 ? recv(fd, out, size, MSG_WAITALL) : 0;
    if (got < 0 && errno == EAGAIN)
        print_error("nothing came for %d s\n", TIMEOUT_S);
    assert_false(got < 0 && errno == EAGAIN);
    return got == (ssize_t)size;
}

static void take_head(int fd)
{
    char head[1024];
    size_t size = 0;
    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        assert_true(size < sizeof head);
        assert_true(take_all(fd, head + size, 1));
        size++;
    }
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
}

void attacker_finish_opening(int fd)
{
    attacker_send(fd, attacker_request, strlen(attacker_request));
    take_head(fd);
}

int attacker_open(const struct victim *victim)
{
    int fd = attacker_connect(victim);
    attacker_finish_opening(fd);
    return fd;
}

size_t attacker_push(int fd, const void *data, size_t size, int wait_ms)
{
    const uint8_t *from = data;
    size_t sent = 0;
    while (sent < size) {
        ssize_t now = send(fd, from + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now >= 0) {
            sent += (size_t)now;
            continue;
        }
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (errno != EAGAIN || poll(&ready, 1, wait_ms) != 1)
            break;
    }
    return sent;
}

void attacker_send(int fd, const void *data, size_t size)
{
    assert_int_equal(attacker_push(fd, data, size, TIMEOUT_S * 1000), size);
}

size_t attacker_frame(uint8_t *out, uint8_t first, const void *payload, uint64_t size)
{
    int length_size = size < 126 ? 0 : size < 65536 ? 2 : 8;
    size_t at = 2;
    out[0] = first;
    out[1] = (uint8_t)(0x80 | (size < 126 ? size : length_size == 2 ? 126 : 127));
    for (int i = length_size - 1; i >= 0; i--)
        out[at++] = (uint8_t)(size >> (8 * i));
    memset(out + at, 0, 4);
    at += 4;
    if (payload == NULL)
        return at;
    memcpy(out + at, payload, size);
    return at + size;
}

void attacker_send_frame(int fd, uint8_t first, const void *payload, uint64_t size)
{
    uint8_t *frame = malloc(14 + (payload != NULL ? size : 0));
    assert_non_null(frame);
    attacker_send(fd, frame, attacker_frame(frame, first, payload, size));
    free(frame);
}

int64_t attacker_take_frame(int fd, uint8_t *first, void *payload, size_t room)
{
    uint8_t head[2];
    uint8_t longer[8];
    if (!take_all(fd, head, 2))
        return -1;
    *first = head[0];
    uint64_t size = head[1];
    assert_true(size < 128); /* a server masks nothing */
    size_t length_size = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (!take_all(fd, longer, length_size))
        return -1;
    for (size_t i = 0; i < length_size; i++)
        size = (i == 0 ? 0 : size << 8) | longer[i];
    assert_true(size <= room);
    return take_all(fd, payload, size) ? (int64_t)size : -1;
}

void attacker_expect_echo(int fd, const char *text)
{
    char got[256];
    uint8_t first;
    size_t size = strlen(text);
    attacker_send_frame(fd, 0x81, text, size);
    assert_int_equal(attacker_take_frame(fd, &first, got, sizeof got), size);
    assert_int_equal(first, 0x81);
    assert_memory_equal(got, text, size);
}

void attacker_expect_close(int fd, unsigned code)
{
    static uint8_t payload[1 << 21];
    uint8_t first = 0;
    int64_t size = 0;
    while (first != 0x88 && size >= 0)
        size = attacker_take_frame(fd, &first, payload, sizeof payload);
    assert_true(size >= 2);
    assert_int_equal(payload[0] << 8 | payload[1], code);
}

size_t attacker_read_all(int fd, char *out, size_t room)
{
    size_t size = 0;
    while (size < room - 1) {
        ssize_t got = recv(fd, out + size, room - 1 - size, 0);
        assert_false(got < 0 && errno == EAGAIN);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    out[size] = '\0';
    return size;
}

uint64_t attacker_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void attacker_sleep_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}
