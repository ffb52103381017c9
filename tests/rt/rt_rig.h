/* A loop in a simulated world with counted memory, for the tests of the runtime's own rooms: what
 * runs in it is as repeatable as a plain function. */
#ifndef WEIR_TESTS_RT_RT_RIG_H
#define WEIR_TESTS_RT_RT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/coroutine.h"
#include "support/failing_allocator.h"

#include <weir/channel.h>
#include <weir/sim.h>

#include <stdlib.h>
#include <string.h>

struct rig {
    failing_allocator memory;
    weir_loop *loop;
};

static inline int rig_try_open(struct rig *rig, size_t fail_at)
{
    static const weir_sim_options world = {.seed = 1};
    failing_allocator_init(&rig->memory, fail_at);
    const weir_loop_options options = {.backend = WEIR_BACKEND_SIM,
                                       .read_buffer_size = 4096,
                                       .allocator = rig->memory.allocator,
                                       .sim = &world};
    return weir_loop_new(&rig->loop, &options);
}

static inline void rig_open(struct rig *rig)
{
    assert_int_equal(rig_try_open(rig, 0), WEIR_OK);
}

/* Nothing may be left behind: no coroutine, no byte. */
static inline void rig_close(struct rig *rig)
{
    assert_int_equal(weir_loop_coroutine_count(rig->loop), 0);
    weir_loop_free(rig->loop);
    assert_true(failing_allocator_is_clean(&rig->memory));
}

/* One scenario: run(arg) as the main coroutine of a world of its own. Returns what weir_loop_run()
 * returned. */
static inline int rig_play(int (*run)(void *arg), void *arg)
{
    struct rig rig;
    rig_open(&rig);
    int status = weir_loop_run(rig.loop, "main", run, arg);
    rig_close(&rig);
    return status;
}

static inline weir_channel *rig_channel(size_t item_size, size_t capacity)
{
    weir_channel *channel;
    const weir_channel_options options = {.item_size = item_size, .capacity = capacity};
    assert_int_equal(weir_channel_new(&channel, weir_loop_current(), &options), WEIR_OK);
    return channel;
}

/* --- numbers that look random and are the same each time --- */

struct dice {
    uint64_t state;
};

static inline uint64_t roll(struct dice *dice)
{
    uint64_t word = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

/* 0..limit - 1 */
static inline uint32_t roll_below(struct dice *dice, uint32_t limit)
{
    return (uint32_t)(roll(dice) % limit);
}

#endif
