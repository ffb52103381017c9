/* A simulated world with counted memory, and sockets that write down what happened to them: for the
 * tests of the simulated back-end. */
#ifndef WEIR_TESTS_RT_SIM_WORLD_H
#define WEIR_TESTS_RT_SIM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/backend.h"
#include "rt/coroutine.h"
#include "rt/loop.h"

#include <weir/sim.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SOCK_GOT_MAX 512

struct world {
    weir_loop *loop;
    size_t bytes;            /* allocated now */
    size_t calls;            /* allocations asked for so far */
    size_t fail_at;          /* which of them fails, counted from 1; 0: none */
    struct weir__job anchor; /* in the root scope: a loop without children does not wait */
};

struct sock {
    weir__io io;
    struct world *world;
    uint8_t got[SOCK_GOT_MAX]; /* the first bytes received */
    size_t got_size;           /* of all received */
    size_t data_count;
    uint64_t data_ms;
    bool connected, ended, closed;
    int connect_status, end_status, sent_status;
    uint64_t connect_ms, end_ms;
    size_t sent_size, sent_count;
    struct sock *accept_into; /* (listener) where connections go, one after another */
    size_t accept_room;       /* (listener) how many fit; the rest is dropped */
    size_t accept_count;
    weir__buf *kept; /* what keep_data kept */
    uint8_t *kept_data;
    size_t kept_size;
    bool keep_data;
};

static inline void *count_resize(void *block, size_t old_size, size_t new_size, void *arg)
{
    struct world *world = arg;
    if (new_size > old_size && ++world->calls == world->fail_at)
        return NULL;
    world->bytes += new_size - old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    void *result = realloc(block, new_size);
    assert_non_null(result);
    return result;
}

static inline void world_weigh_anchor(struct weir__job *job)
{
    weir__scope_detach(job, WEIR_CANCELLED);
}

static inline int world_try_open(struct world *world, const weir_sim_options *sim, size_t fail_at)
{
    static const struct weir__job_ops ops = {.cancel = world_weigh_anchor};
    *world = (struct world){.fail_at = fail_at};
    const weir_loop_options options = {.backend = WEIR_BACKEND_SIM,
                                       .read_buffer_size = 4096,
                                       .allocator = {count_resize, world},
                                       .sim = sim};
    int status = weir_loop_new(&world->loop, &options);
    if (status == WEIR_OK)
        status = weir__scope_attach(weir_loop_scope(world->loop), &world->anchor, &ops);
    return status;
}

static inline void world_open(struct world *world, const weir_sim_options *sim)
{
    assert_int_equal(world_try_open(world, sim, 0), WEIR_OK);
}

static inline weir_sim_stats world_stats(struct world *world)
{
    weir_sim_stats stats;
    assert_int_equal(weir_sim_stats_get(&stats, world->loop), WEIR_OK);
    return stats;
}

/* Lets everything happen that can. */
static inline void world_settle(struct world *world)
{
    int status;
    do
        status = weir_loop_turn(world->loop, -1);
    while (status >= 0);
    assert_int_equal(status, WEIR_EDEADLOCK);
}

/* Ends a world in which all sockets were closed: nothing is left. */
static inline void world_close(struct world *world)
{
    world_settle(world);
    assert_int_equal(world_stats(world).open_ends, 0);
    weir_loop_free(world->loop);
    assert_int_equal(world->bytes, 0);
}

/* --- sockets --- */

static inline struct sock *sock_of(weir__io *io)
{
    return WEIR__CONTAINER(io, struct sock, io);
}

static inline void sock_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct sock *sock = sock_of(io);
    assert_false(sock->ended);
    assert_true(size > 0);
    assert_true(data >= buf->data && data + size <= buf->data + buf->size);
    if (sock->got_size < SOCK_GOT_MAX) {
        size_t room = SOCK_GOT_MAX - sock->got_size;
        memcpy(sock->got + sock->got_size, data, size < room ? size : room);
    }
    sock->got_size += size;
    sock->data_count++;
    sock->data_ms = weir_loop_now(sock->world->loop);
    if (sock->keep_data && sock->kept == NULL) {
        sock->kept = weir__buf_ref(buf);
        sock->kept_data = data;
        sock->kept_size = size;
    }
}

static inline void sock_on_end(weir__io *io, int status)
{
    struct sock *sock = sock_of(io);
    assert_false(sock->ended);
    sock->ended = true;
    sock->end_status = status;
    sock->end_ms = weir_loop_now(sock->world->loop);
}

static inline void sock_on_sent(weir__io *io, int status, size_t size)
{
    struct sock *sock = sock_of(io);
    assert_false(weir__io_is_sending(io));
    sock->sent_status = status;
    sock->sent_size += size;
    sock->sent_count++;
}

static inline void sock_on_connect(weir__io *io, int status)
{
    struct sock *sock = sock_of(io);
    assert_false(sock->connected);
    sock->connected = true;
    sock->connect_status = status;
    sock->connect_ms = weir_loop_now(sock->world->loop);
}

static inline void sock_on_closed(weir__io *io)
{
    assert_false(sock_of(io)->closed);
    sock_of(io)->closed = true;
}

static inline void sock_init(struct sock *sock, struct world *world);

static inline void sock_on_accept(weir__io *io, struct weir__accepted *accepted)
{
    struct sock *sock = sock_of(io);
    assert_int_equal(accepted->fd, -1);
    if (sock->accept_count++ >= sock->accept_room) {
        weir__accepted_drop(sock->world->loop, accepted);
        return;
    }
    struct sock *into = sock->accept_into++;
    sock_init(into, sock->world);
    assert_int_equal(weir__io_adopt(&into->io, accepted), WEIR_OK);
    assert_int_equal(weir__io_recv_start(&into->io), WEIR_OK);
}

static const struct weir__io_events sock_events = {
    .on_data = sock_on_data,
    .on_end = sock_on_end,
    .on_sent = sock_on_sent,
    .on_connect = sock_on_connect,
    .on_accept = sock_on_accept,
    .on_closed = sock_on_closed,
};

static inline void sock_init(struct sock *sock, struct world *world)
{
    memset(sock, 0, sizeof *sock);
    sock->world = world;
    weir__io_init(&sock->io, world->loop, &sock_events);
}

static inline void sock_close(struct sock *sock)
{
    weir__io_close(&sock->io, false);
    world_settle(sock->world);
    assert_true(sock->closed);
}

static inline int64_t sock_send(struct sock *sock, const void *bytes, size_t size)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    return weir__io_send(&sock->io, &piece, 1);
}

/* --- addresses and pairs --- */

static inline struct sockaddr_in ipv4(const char *host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, host, &address.sin_addr), 1);
    return address;
}

static inline int sock_connect(struct sock *sock, const struct sockaddr_in *address)
{
    return weir__io_connect(&sock->io, (const struct sockaddr *)address, sizeof *address);
}

static inline int sock_listen(struct sock *sock, const struct sockaddr_in *address, bool share_port)
{
    return weir__io_listen(&sock->io, (const struct sockaddr *)address, sizeof *address,
                           share_port);
}

/* A listener on 10.0.0.1:80, which accepts into room sockets. */
static inline void serve(struct sock *listener, struct world *world, struct sock *into, size_t room)
{
    const struct sockaddr_in address = ipv4("10.0.0.1", 80);
    sock_init(listener, world);
    listener->accept_into = into;
    listener->accept_room = room;
    assert_int_equal(sock_listen(listener, &address, false), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&listener->io), WEIR_OK);
}

/* A client of it. */
static inline void call(struct sock *client, struct world *world)
{
    const struct sockaddr_in address = ipv4("10.0.0.1", 80);
    sock_init(client, world);
    assert_int_equal(sock_connect(client, &address), WEIR_OK);
}

struct pair {
    struct sock listener, client, server;
};

/* Two connected ends that both receive. */
static inline void pair_open(struct pair *pair, struct world *world)
{
    serve(&pair->listener, world, &pair->server, 1);
    call(&pair->client, world);
    world_settle(world);
    assert_true(pair->client.connected);
    assert_int_equal(pair->client.connect_status, WEIR_OK);
    assert_int_equal(pair->listener.accept_count, 1);
    assert_int_equal(weir__io_recv_start(&pair->client.io), WEIR_OK);
}

static inline void pair_close(struct pair *pair)
{
    struct sock *all[] = {&pair->listener, &pair->client, &pair->server};
    for (size_t i = 0; i < 3; i++)
        if (!all[i]->closed)
            sock_close(all[i]);
}

#endif
