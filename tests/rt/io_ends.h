/* tests/rt/io_ends.h - sockets of a loop that write down what happens to them, for tests of the
 * back-ends. */
#ifndef WEIR_TESTS_IO_ENDS_H
#define WEIR_TESTS_IO_ENDS_H

#include "rt/backend.h"
#include "rt/coroutine.h"
#include "rt/loop.h"
#include "rt/sys.h"
#include "support/descriptors.h"
#include "support/failing_allocator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 10000 /* nothing here takes longer, but a hang */
#define ENDS_MAX 1300
/* a status that is never reported */
#define NOT_YET 12345

enum event { ON_DATA, ON_END, ON_SENT, ON_DRAINED, ON_CONNECT, ON_ACCEPT, ON_CLOSED };

struct end {
    weir__io io;
    bool inside; /* a call of ours is on the stack: no callback may come */
    uint8_t *got;
    size_t got_size;
    size_t got_room;
    unsigned data_calls;
    int end_status;
    int connect_status;
    int sent_status;
    unsigned sent_calls;
    int drained_status;
    unsigned drained_calls;
    bool closed;
    bool echoes;
    const uint8_t *out; /* what is still to be sent */
    size_t out_size;
    void (*on_event)(struct end *end, enum event event);
    weir__buf *kept; /* of the last data */
    uint8_t *kept_data;
    size_t kept_size;
    bool keeps;
};

struct hall {
    weir__io io;
    struct end ends[ENDS_MAX];
    size_t count;
    bool receives; /* new ends start receiving */
    bool echoes;
    bool drops;
    bool closed;
    void (*on_event)(struct end *end, enum event event);
    void (*on_accept)(struct hall *hall);
    struct sockaddr_storage address;
    socklen_t size;
};

/* --- the world --- */

struct world {
    weir_loop *loop;
    failing_allocator memory;
    size_t descriptors;
    struct weir__job anchor; /* a turn waits only while somebody is there to wait for */
};

/* Whether the loop that WEIR_LOOP asks for can be had here. */
static inline bool loop_is_there(void)
{
    weir_loop *loop;
    if (weir_loop_new(&loop, NULL) != WEIR_OK)
        return false;
    weir_loop_free(loop);
    return true;
}

static inline void lift_anchor(struct weir__job *anchor)
{
    weir__scope_detach(anchor, WEIR_OK);
}

/* The n-th allocation fails; 0: none. Returns NULL, and tells why, when the loop cannot be made. */
static inline struct world *try_world(size_t fail_at, int *status)
{
    static const struct weir__job_ops ops = {.cancel = lift_anchor};
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    world->descriptors = count_descriptors();
    failing_allocator_init(&world->memory, fail_at);
    weir_loop_options options = {.allocator = world->memory.allocator};
    *status = weir_loop_new(&world->loop, &options);
    if (*status == WEIR_OK) {
        assert_int_equal(weir__scope_attach(weir_loop_scope(world->loop), &world->anchor, &ops),
                         WEIR_OK);
        return world;
    }
    assert_true(failing_allocator_is_clean(&world->memory));
    assert_int_equal(count_descriptors(), world->descriptors);
    free(world);
    return NULL;
}

static inline struct world *open_world(void)
{
    int status;
    struct world *world = try_world(0, &status);
    assert_non_null(world);
    return world;
}

static inline void close_world(struct world *world)
{
    weir_loop_free(world->loop); /* lifts the anchor */
    assert_true(failing_allocator_is_clean(&world->memory));
    assert_int_equal(count_descriptors(), world->descriptors);
    free(world);
}

static inline void turn(weir_loop *loop, int64_t timeout_ms)
{
    assert_true(weir_loop_turn(loop, timeout_ms) >= 0);
}

#define TURN_UNTIL(loop, condition)                                                                \
    do {                                                                                           \
        uint64_t limit_ms = weir__sys_clock_ms() + LIMIT_MS;                                       \
        while (!(condition)) {                                                                     \
            if (weir__sys_clock_ms() > limit_ms)                                                   \
                fail_msg("%s did not come true", #condition);                                      \
            turn(loop, 20);                                                                        \
        }                                                                                          \
    } while (0)

/* Turns for a while: for what must not happen. */
static inline void turn_for(weir_loop *loop, uint64_t time_ms)
{
    uint64_t end_ms = weir__sys_clock_ms() + time_ms;
    while (weir__sys_clock_ms() < end_ms)
        turn(loop, 5);
}

/* --- ends --- */

static inline void tell(struct end *end, enum event event)
{
    assert_false(end->inside);
    assert_false(end->closed);
    if (end->on_event != NULL)
        end->on_event(end, event);
}

static inline void push_out(struct end *end)
{
    while (end->out_size > 0 && (end->io.flags & WEIR__IO_CLOSING) == 0) {
        struct iovec piece = {(void *)(uintptr_t)end->out,
                              end->out_size < 262144 ? end->out_size : 262144};
        end->inside = true;
        int64_t taken = weir__io_send(&end->io, &piece, 1);
        end->inside = false;
        if (taken < 0) {
            end->sent_status = (int)taken;
            return;
        }
        end->out += taken;
        end->out_size -= (size_t)taken;
        if (weir__io_is_sending(&end->io))
            return;
    }
}

static inline void send_bytes(struct end *end, const void *data, size_t size)
{
    assert_int_equal(end->out_size, 0);
    end->out = data;
    end->out_size = size;
    push_out(end);
}

static inline void end_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    assert_true(size > 0);
    assert_true((io->flags & WEIR__IO_RECEIVING) != 0);
    assert_true(data >= buf->data && data + size <= buf->data + buf->size);
    if (end->got_size + size > end->got_room) {
        end->got_room = (end->got_size + size) * 2;
        end->got = realloc(end->got, end->got_room);
    }
    assert_non_null(end->got);
    memcpy(end->got + end->got_size, data, size);
    end->data_calls++;
    if (end->keeps) {
        if (end->kept != NULL)
            weir__buf_unref(end->kept);
        end->kept = weir__buf_ref(buf);
        end->kept_data = data;
        end->kept_size = size;
    }
    end->got_size += size;
    if (end->echoes && !weir__io_is_sending(io))
        send_bytes(end, end->got + end->got_size - size, size);
    tell(end, ON_DATA);
    if (end->keeps)
        return;
    memset(data, 0xee, size); /* the receiver may */
}

static inline void end_on_end(weir__io *io, int status)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    assert_true((io->flags & WEIR__IO_RECEIVING) != 0);
    assert_int_equal(end->end_status, NOT_YET);
    end->end_status = status;
    tell(end, ON_END);
}

static inline void end_on_sent(weir__io *io, int status, size_t size)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    assert_false(weir__io_is_sending(io));
    end->sent_calls++;
    end->sent_status = status;
    assert_true(size <= end->out_size);
    end->out += size;
    end->out_size -= size;
    tell(end, ON_SENT);
    if (status == WEIR_OK)
        push_out(end);
}

static inline void end_on_drained(weir__io *io, int status)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    end->drained_calls++;
    end->drained_status = status;
    tell(end, ON_DRAINED);
}

static inline void end_on_connect(weir__io *io, int status)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    assert_int_equal(end->connect_status, NOT_YET);
    end->connect_status = status;
    tell(end, ON_CONNECT);
}

static inline void end_on_closed(weir__io *io)
{
    struct end *end = WEIR__CONTAINER(io, struct end, io);
    tell(end, ON_CLOSED);
    end->closed = true;
}

static const struct weir__io_events end_events = {
    .on_data = end_on_data,
    .on_end = end_on_end,
    .on_sent = end_on_sent,
    .on_drained = end_on_drained,
    .on_connect = end_on_connect,
    .on_closed = end_on_closed,
};

static inline void init_end(struct end *end, weir_loop *loop)
{
    memset(end, 0, sizeof *end);
    end->end_status = end->connect_status = end->drained_status = NOT_YET;
    weir__io_init(&end->io, loop, &end_events);
}

static inline void start_receiving(struct end *end)
{
    end->inside = true;
    assert_int_equal(weir__io_recv_start(&end->io), WEIR_OK);
    end->inside = false;
}

static inline void close_end(struct end *end, bool reset)
{
    bool before = end->inside;
    end->inside = true;
    weir__io_close(&end->io, reset);
    end->inside = before;
}

static inline void free_end(struct end *end)
{
    if (end->kept != NULL)
        weir__buf_unref(end->kept);
    end->kept = NULL;
    free(end->got);
    end->got = NULL;
}

static inline void reap(struct end *end)
{
    close_end(end, false);
    TURN_UNTIL(end->io.loop, end->closed);
    free_end(end);
}

/* --- the hall: a listener and all that came in --- */

static inline void hall_on_accept(weir__io *io, struct weir__accepted *accepted)
{
    struct hall *hall = WEIR__CONTAINER(io, struct hall, io);
    assert_true((io->flags & WEIR__IO_ACCEPTING) != 0);
    if (hall->drops || hall->count == ENDS_MAX) {
        weir__accepted_drop(io->loop, accepted);
        return;
    }
    struct end *end = &hall->ends[hall->count];
    init_end(end, io->loop);
    end->on_event = hall->on_event;
    end->echoes = hall->echoes;
    if (weir__io_adopt(&end->io, accepted) != WEIR_OK)
        return;
    hall->count++;
    if (hall->receives)
        start_receiving(end);
    if (hall->on_accept != NULL)
        hall->on_accept(hall);
}

static inline void hall_on_closed(weir__io *io)
{
    WEIR__CONTAINER(io, struct hall, io)->closed = true;
}

static const struct weir__io_events hall_events = {
    .on_accept = hall_on_accept,
    .on_closed = hall_on_closed,
};

static inline socklen_t tcp4(struct sockaddr_storage *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memset(address, 0, sizeof *address);
    memcpy(address, &in, sizeof in);
    return sizeof in;
}

static inline socklen_t tcp6(struct sockaddr_storage *address)
{
    struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    memset(address, 0, sizeof *address);
    memcpy(address, &in, sizeof in);
    return sizeof in;
}

static inline socklen_t unix_path(struct sockaddr_storage *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "/tmp/weir-test-io-%ld.sock", (long)getpid());
    memset(address, 0, sizeof *address);
    memcpy(address, &un, sizeof un);
    return sizeof un;
}

static inline struct hall *open_hall_at(weir_loop *loop, const struct sockaddr_storage *address,
                                        socklen_t size)
{
    struct hall *hall = calloc(1, sizeof *hall);
    assert_non_null(hall);
    weir__io_init(&hall->io, loop, &hall_events);
    assert_int_equal(weir__io_listen(&hall->io, (const struct sockaddr *)address, size, false),
                     WEIR_OK);
    assert_int_equal(weir__io_local_address(&hall->io, &hall->address, &hall->size), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&hall->io), WEIR_OK);
    return hall;
}

static inline struct hall *open_hall(weir_loop *loop)
{
    struct sockaddr_storage address;
    socklen_t size = tcp4(&address);
    return open_hall_at(loop, &address, size);
}

static inline void close_hall(struct hall *hall)
{
    weir_loop *loop = hall->io.loop;
    weir__io_close(&hall->io, false);
    for (size_t i = 0; i < hall->count; i++)
        close_end(&hall->ends[i], false);
    TURN_UNTIL(loop, hall->closed);
    for (size_t i = 0; i < hall->count; i++) {
        TURN_UNTIL(loop, hall->ends[i].closed);
        free_end(&hall->ends[i]);
    }
    free(hall);
}

static inline void connect_end(struct end *end, struct hall *hall)
{
    init_end(end, hall->io.loop);
    end->inside = true;
    assert_int_equal(
        weir__io_connect(&end->io, (const struct sockaddr *)&hall->address, hall->size), WEIR_OK);
    end->inside = false;
}

/* Connects and waits for both sides to be there; returns the other one. */
static inline struct end *meet(struct end *end, struct hall *hall)
{
    size_t before = hall->count;
    connect_end(end, hall);
    TURN_UNTIL(hall->io.loop, end->connect_status != NOT_YET && hall->count > before);
    assert_int_equal(end->connect_status, WEIR_OK);
    return &hall->ends[before];
}

/* --- plain blocking sockets, for peers that misbehave --- */

static inline int plain_connect(struct hall *hall)
{
    int fd = socket(hall->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&hall->address, hall->size), 0);
    return fd;
}

/* Connects and waits for the other side. */
static inline struct end *plain_meet(int *fd, struct hall *hall)
{
    size_t before = hall->count;
    *fd = plain_connect(hall);
    TURN_UNTIL(hall->io.loop, hall->count > before);
    return &hall->ends[before];
}

/* Fills what the kernel has room for, behind the back of the loop. Returns how much that was. */
static inline size_t fill_up(const struct end *end)
{
    static const uint8_t zeros[65536];
    size_t total = 0;
    for (;;) {
        ssize_t size = send(end->io.fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0)
            return total;
        total += (size_t)size;
    }
}

static inline void plain_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    close(fd);
}

/* Bytes whose order can be checked anywhere. */
static inline uint8_t pattern_at(size_t position)
{
    return (uint8_t)(position * 31 + (position >> 8) * 7 + (position >> 16) * 3);
}

static inline uint8_t *make_pattern(size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern_at(i);
    return bytes;
}

static inline int set_up_world(void **state)
{
    *state = open_world();
    return 0;
}

static inline int tear_down_world(void **state)
{
    close_world(*state);
    return 0;
}

static inline weir_loop *loop_of(void **state)
{
    return ((struct world *)*state)->loop;
}

/* A test with a world of its own. */
#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up_world, tear_down_world)

/* Runs the tests of an array, or skips them where the loop cannot be had. */
#define RUN_FACTS(tests)                                                                           \
    (loop_is_there() ? cmocka_run_group_tests(tests, NULL, NULL)                                   \
                     : (puts("skipped: the loop that WEIR_LOOP asks for cannot be had here"), 77))

#endif
