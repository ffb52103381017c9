/* What do coroutines cost?
 *
 * Three groups are measured:
 * - a switch beside an indirect call and swapcontext();
 * - spawn and join, a channel's hand-over and a deadline, beside a switch;
 * - a timer among 100,000 beside malloc() and free().
 *
 * Each line: name, unit, rounds, median, p99, ratio to the first of its group, bar. */
#include "measure.h"

#include "rt/coroutine.h"

#include <weir/channel.h>

#include <stdbool.h>
#include <ucontext.h>

#define STACK_SIZE   65536
#define TIMERS_ARMED 100000

static bool failed;

static void check(bool worked, const char *what)
{
    if (worked || failed)
        return;
    failed = true;
    fprintf(stderr, "does not work: %s\n", what);
}

/* --- the machine: to another stack and back is two switches --- */

struct pair {
    struct weir__fiber here;
    struct weir__fiber there;
    ucontext_t slow_here;
    ucontext_t slow_there;
    uint64_t visits;
    void (*volatile call)(struct pair *pair);
};

static struct pair pair;

static void visit(struct pair *self)
{
    self->visits++;
}

static void run_calls(void *context, size_t count)
{
    struct pair *self = context;
    for (size_t i = 0; i < count; i++)
        self->call(self);
}

static void live_there(void *arg)
{
    struct pair *self = arg;
    for (;;) {
        self->visits++;
        weir__fiber_switch(&self->there, &self->here);
    }
}

static void run_switches(void *context, size_t count)
{
    struct pair *self = context;
    for (size_t i = 0; i < count; i += 2)
        weir__fiber_switch(&self->here, &self->there);
}

static void live_slowly_there(void)
{
    for (;;) {
        pair.visits++;
        (void)swapcontext(&pair.slow_there, &pair.slow_here);
    }
}

static void run_swapcontext(void *context, size_t count)
{
    struct pair *self = context;
    for (size_t i = 0; i < count; i += 2)
        (void)swapcontext(&self->slow_here, &self->slow_there);
}

static void measure_switches(void)
{
    static _Alignas(64) uint8_t stack[STACK_SIZE], slow_stack[STACK_SIZE];
    static struct contestant all[] = {
        {"switch by swapcontext()", run_swapcontext, &pair, 1000, 0, {0}, 0},
        {"indirect call", run_calls, &pair, 100000, 0, {0}, 0},
        {"switch", run_switches, &pair, 20000, 5, {0}, 0},
    };
    pair.call = visit;
    weir__fiber_init_main(&pair.here);
    weir__fiber_start(&pair.there, stack, sizeof stack, live_there, &pair);
    (void)getcontext(&pair.slow_there);
    pair.slow_there.uc_stack.ss_sp = slow_stack;
    pair.slow_there.uc_stack.ss_size = sizeof slow_stack;
    makecontext(&pair.slow_there, live_slowly_there, 0);
    measure_contest(all, sizeof all / sizeof *all);
    weir__fiber_fini(&pair.there);
    check(pair.visits == (MEASURE_ROUNDS + 1) * UINT64_C(110500), "a switch");
}

/* --- the runtime, measured in a coroutine --- */

static void run_yields(void *context, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++)
        check(weir_yield() == WEIR_OK, "yield");
}

static int count_up(void *arg)
{
    ++*(uint64_t *)arg;
    return WEIR_OK;
}

static void spawn_and_join(void *context, size_t count, size_t batch)
{
    uint64_t ended = 0;
    (void)context;
    for (size_t i = 0; i < count; i += batch) {
        weir_scope scope;
        check(weir_scope_open(&scope) == WEIR_OK, "opening a scope");
        for (size_t k = 0; k < batch; k++)
            check(weir_go(&scope, "counter", count_up, &ended) == WEIR_OK, "spawn");
        check(weir_scope_join(&scope) == WEIR_OK, "join");
    }
    check(ended == count, "spawn and join");
}

static void run_spawns(void *context, size_t count)
{
    spawn_and_join(context, count, 1);
}

static void run_spawns_by_hundred(void *context, size_t count)
{
    spawn_and_join(context, count, 100);
}

static void run_deadlines(void *context, size_t count)
{
    uint64_t bodies = 0;
    (void)context;
    for (size_t i = 0; i < count; i++)
        check(weir_with_deadline(10000, count_up, &bodies) == WEIR_OK, "deadline");
    check(bodies == count, "deadline");
}

struct conveyor {
    weir_channel *channel;
    size_t count;
};

static int send_all(void *arg)
{
    struct conveyor *conveyor = arg;
    for (uint64_t i = 0; i < conveyor->count; i++) {
        int status = weir_channel_send(conveyor->channel, &i);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void convey(size_t capacity, size_t count)
{
    struct conveyor conveyor = {.count = count};
    const weir_channel_options options = {.item_size = sizeof(uint64_t), .capacity = capacity};
    uint64_t item;
    weir_scope scope;
    check(weir_channel_new(&conveyor.channel, weir_loop_current(), &options) == WEIR_OK, "channel");
    check(weir_scope_open(&scope) == WEIR_OK, "opening a scope");
    check(weir_go(&scope, "sender", send_all, &conveyor) == WEIR_OK, "spawn");
    for (uint64_t i = 0; i < count; i++)
        check(weir_channel_receive(conveyor.channel, &item) == WEIR_OK && item == i, "receive");
    check(weir_scope_join(&scope) == WEIR_OK, "send");
    weir_channel_free(conveyor.channel);
}

static void run_rendezvous(void *context, size_t count)
{
    (void)context;
    convey(0, count);
}

static void run_queue(void *context, size_t count)
{
    (void)context;
    convey(8, count);
}

static int measure_coroutines(void *arg)
{
    static struct contestant all[] = {
        {"yield, alone", run_yields, NULL, 5000, 0, {0}, 0},
        {"spawn + join", run_spawns, NULL, 2000, 60, {0}, 0},
        {"spawn + join, 100 at once", run_spawns_by_hundred, NULL, 2000, 60, {0}, 0},
        {"deadline around a call", run_deadlines, NULL, 5000, 0, {0}, 0},
        {"hand-over by a channel without queue", run_rendezvous, NULL, 5000, 25, {0}, 0},
        {"hand-over by a channel of 8", run_queue, NULL, 5000, 25, {0}, 0},
    };
    (void)arg;
    measure_contest(all, sizeof all / sizeof *all);
    return WEIR_OK;
}

/* --- timers --- */

static void ring(weir__timer *timer)
{
    (void)timer;
}

/* Spread over ten minutes, and the same in each run. */
static uint64_t next_delay_ms(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return 1 + (*state >> 33) % 600000;
}

struct clockwork {
    struct weir__wheel wheel;
    weir__timer *armed;
    weir__timer timer;
    uint64_t state;
};

static void run_timer(void *context, size_t count)
{
    struct clockwork *clockwork = context;
    for (size_t i = 0; i < count; i++) {
        weir__wheel_set(&clockwork->wheel, &clockwork->timer,
                        clockwork->wheel.now_ms + next_delay_ms(&clockwork->state));
        weir__timer_cancel(&clockwork->timer);
    }
}

/* Moves a timer that is armed, as a busy session does. */
static void run_moves(void *context, size_t count)
{
    struct clockwork *clockwork = context;
    for (size_t i = 0; i < count; i++) {
        uint64_t delay_ms = next_delay_ms(&clockwork->state);
        weir__wheel_set(&clockwork->wheel, &clockwork->armed[clockwork->state % TIMERS_ARMED],
                        clockwork->wheel.now_ms + delay_ms);
    }
}

static void run_malloc(void *context, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        void *volatile block = malloc(sizeof(weir__timer));
        check(block != NULL, "malloc()");
        free(block);
    }
}

static void measure_timers(void)
{
    static struct clockwork clockwork;
    static struct contestant all[] = {
        {"malloc() and free()", run_malloc, NULL, 10000, 0, {0}, 0},
        {"timer set + cancelled, 100,000 armed", run_timer, &clockwork, 10000, 20, {0}, 0},
        {"timer moved, any of 100,000", run_moves, &clockwork, 10000, 0, {0}, 0},
    };
    clockwork.armed = calloc(TIMERS_ARMED, sizeof *clockwork.armed);
    check(clockwork.armed != NULL, "memory for the timers");
    if (clockwork.armed == NULL)
        return;
    weir__wheel_init(&clockwork.wheel, 1000000);
    weir__timer_init(&clockwork.timer, ring);
    for (size_t i = 0; i < TIMERS_ARMED; i++) {
        weir__timer_init(&clockwork.armed[i], ring);
        weir__wheel_set(&clockwork.wheel, &clockwork.armed[i],
                        clockwork.wheel.now_ms + next_delay_ms(&clockwork.state));
    }
    measure_contest(all, sizeof all / sizeof *all);
    size_t rung = weir__wheel_advance(&clockwork.wheel, clockwork.wheel.now_ms + 600000, SIZE_MAX);
    check(rung == TIMERS_ARMED, "timers");
    free(clockwork.armed);
}

int main(void)
{
    weir_loop *loop;
    measure_switches();
    if (weir_loop_new(&loop, NULL) != WEIR_OK)
        return 1;
    check(weir_loop_run(loop, "main", measure_coroutines, NULL) == WEIR_OK, "the loop");
    weir_loop_free(loop);
    measure_timers();
    return failed ? 1 : 0;
}
