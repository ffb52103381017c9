/* Where the tests of net take place: a loop with counted memory, on the kernel (WEIR_LOOP says
 * how) or in the simulated world. What a test leaves behind, bytes or descriptors, fails it. */
#ifndef WEIR_TESTS_NET_PLACE_H
#define WEIR_TESTS_NET_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/connect.h"
#include "net/listener.h"
#include "rt/coroutine.h"
#include "support/descriptors.h"
#include "support/failing_allocator.h"

#include <weir/sim.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    failing_allocator memory;
    weir_loop *loop;
    size_t descriptors; /* open before */
    bool is_sim;
};

static inline int place_open_with(struct place *place, const weir_sim_options *sim, size_t fail_at)
{
    memset(place, 0, sizeof *place);
    place->is_sim = sim != NULL;
    place->descriptors = count_descriptors();
    failing_allocator_init(&place->memory, fail_at);
    const weir_loop_options options = {.backend =
                                           sim != NULL ? WEIR_BACKEND_SIM : WEIR_BACKEND_DEFAULT,
                                       .stack_size = (size_t)256 * 1024,
                                       .read_buffer_size = 16384,
                                       .allocator = place->memory.allocator,
                                       .sim = sim};
    return weir_loop_new(&place->loop, &options);
}

/* fail_at: the allocation that fails. */
static inline int place_try_open(struct place *place, bool is_sim, size_t fail_at)
{
    static const weir_sim_options quick = {.seed = 1};
    return place_open_with(place, is_sim ? &quick : NULL, fail_at);
}

/* Ends a place: nothing is left. */
static inline void place_close(struct place *place)
{
    weir_loop_free(place->loop);
    assert_true(failing_allocator_is_clean(&place->memory));
    assert_int_equal(count_descriptors(), place->descriptors);
}

static inline int place_set_up(void **state, bool is_sim)
{
    struct place *place = malloc(sizeof *place);
    assert_non_null(place);
    assert_int_equal(place_try_open(place, is_sim, 0), WEIR_OK);
    *state = place;
    return 0;
}

static inline int set_up_kernel(void **state)
{
    return place_set_up(state, false);
}

static inline int set_up_sim(void **state)
{
    return place_set_up(state, true);
}

static inline int tear_down(void **state)
{
    struct place *place = *state;
    place_close(place);
    free(place);
    return 0;
}

#define ON_KERNEL(test)                                                                            \
    {                                                                                              \
#test, test, set_up_kernel, tear_down, NULL                                                \
    }
#define IN_SIM(test)                                                                               \
    {                                                                                              \
#test " (sim)", test, set_up_sim, tear_down, NULL                                          \
    }
#define ON_BOTH(test) ON_KERNEL(test), IN_SIM(test)

/* Runs a coroutine, and the loop until all has ended. */
static inline void place_run(struct place *place, int (*run)(void *arg), void *arg)
{
    assert_int_equal(weir_loop_run(place->loop, "test", run, arg), WEIR_OK);
}

static inline weir_address tcp(const char *host, uint16_t port)
{
    weir_address address;
    assert_int_equal(weir_address_tcp(&address, host, port), WEIR_OK);
    return address;
}

/* A listener at a free port, and where it is. */
static inline weir_listener *listen_at(weir_address *address)
{
    weir_listener *listener;
    assert_int_equal(weir_listener_open(&listener, weir_loop_current(), address, false), WEIR_OK);
    assert_int_equal(weir_listener_address_get(address, listener), WEIR_OK);
    return listener;
}

/* Two streams with the kernel (or the simulated world) between them. */
static inline void connect_both(weir_stream **client, weir_stream **server)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&address);
    assert_int_equal(weir_stream_connect(client, &address, 5000), WEIR_OK);
    assert_int_equal(weir_listener_accept(server, listener), WEIR_OK);
    weir_listener_close(listener);
}

static inline void write_text(weir_stream *stream, const char *text)
{
    assert_int_equal(weir_stream_write(stream, text, strlen(text)), WEIR_OK);
}

static inline void expect_text(weir_stream *stream, const char *text)
{
    char got[256];
    assert_true(strlen(text) < sizeof got);
    assert_int_equal(weir_stream_read_exactly(stream, got, strlen(text)), WEIR_OK);
    assert_memory_equal(got, text, strlen(text));
}

static inline int read_once(weir_stream *stream)
{
    char got[256];
    size_t size;
    return weir_stream_read(stream, got, sizeof got, &size);
}

/* --- conversations over every kind of stream --- */

/* How the two ends of a test come about. */
typedef void (*join_ends)(weir_stream **a, weir_stream **b);

static inline void join_by_pair(weir_stream **a, weir_stream **b)
{
    assert_int_equal(weir_stream_pair(a, b, weir_loop_current()), WEIR_OK);
}

/* Runs a conversation over each of them. */
struct talk {
    int (*run)(weir_stream *a, weir_stream *b);
};

static inline int run_talk(void *arg)
{
    const struct talk *talk = arg;
    static const join_ends ways[] = {connect_both, join_by_pair};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        weir_stream *a, *b;
        ways[i](&a, &b);
        int status = talk->run(a, b);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static inline void talk(void **state, int (*run)(weir_stream *a, weir_stream *b))
{
    struct talk talk = {run};
    place_run(*state, run_talk, &talk);
}

static inline void close_both(weir_stream *a, weir_stream *b)
{
    weir_stream_close(a);
    weir_stream_close(b);
}

#endif
