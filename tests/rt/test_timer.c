/* The timer wheel, beside a model that simply looks at all timers. */
#include "rt/rt_rig.h"

#include "rt/timer.h"

#include <unistd.h>

#define TIMERS  64
#define STEPS   400
#define SEEDS   400
#define A_DAY   UINT64_C(86400000)
#define A_YEAR  (365 * A_DAY)
#define CROWD   100000
#define FAR_OFF 20000

struct timer {
    weir__timer timer;
    struct world *world;
    uint64_t due_ms; /* the tick at which it has to fire; UINT64_MAX: not armed */
};

struct world {
    struct weir__wheel wheel;
    struct dice dice;
    struct timer timers[TIMERS];
    size_t fired;
    bool calm; /* callbacks leave other timers alone */
};

static uint64_t earliest(const struct world *world)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < TIMERS; i++)
        if (world->timers[i].due_ms < first)
            first = world->timers[i].due_ms;
    return first;
}

static uint64_t some_deadline(struct world *world)
{
    static const uint64_t reaches[] = {
        2, 64, 70, 4096, 5000, 300000, A_DAY, 100 * A_DAY, A_YEAR, 500 * A_YEAR, UINT64_MAX / 2};
    uint64_t now = world->wheel.now_ms;
    uint32_t kind = roll_below(&world->dice, 16);
    if (kind == 0)
        return UINT64_MAX;
    if (kind == 1)
        return UINT64_MAX - 1 - roll_below(&world->dice, 3);
    if (kind == 2)
        return now - roll(&world->dice) % (now + 1);
    uint64_t reach = reaches[roll_below(&world->dice, sizeof reaches / sizeof *reaches)];
    return now + roll(&world->dice) % reach;
}

static void set_some(struct world *world)
{
    struct timer *timer = &world->timers[roll_below(&world->dice, TIMERS)];
    uint64_t deadline = some_deadline(world);
    uint64_t now = world->wheel.now_ms;
    weir__wheel_set(&world->wheel, &timer->timer, deadline);
    timer->due_ms = deadline > now ? deadline : now + 1;
    assert_int_equal(weir__timer_is_armed(&timer->timer), deadline != UINT64_MAX);
}

static void cancel_some(struct world *world)
{
    struct timer *timer = &world->timers[roll_below(&world->dice, TIMERS)];
    weir__timer_cancel(&timer->timer);
    timer->due_ms = UINT64_MAX;
    assert_false(weir__timer_is_armed(&timer->timer));
}

/* Exactly on time, and nothing that was due earlier is still there. */
static void fire(weir__timer *fired)
{
    struct timer *timer = WEIR__CONTAINER(fired, struct timer, timer);
    struct world *world = timer->world;
    assert_false(weir__timer_is_armed(fired));
    assert_true(timer->due_ms == world->wheel.now_ms);
    assert_true(timer->due_ms == earliest(world));
    timer->due_ms = UINT64_MAX;
    world->fired++;
    if (world->calm)
        return;
    for (uint32_t i = roll_below(&world->dice, 3); i > 0; i--)
        cancel_some(world);
    if (roll_below(&world->dice, 2) == 0)
        set_some(world);
}

static void check_next(struct world *world)
{
    uint64_t next = weir__wheel_next(&world->wheel);
    uint64_t first = earliest(world);
    assert_true(next > world->wheel.now_ms);
    assert_true(next <= first);
    assert_int_equal(next == UINT64_MAX, first == UINT64_MAX);
}

static void advance_some(struct world *world)
{
    static const uint64_t reaches[] = {2,       2,         50,         100,         5000,
                                       1000000, 3 * A_DAY, 2 * A_YEAR, 900 * A_YEAR};
    uint64_t reach = reaches[roll_below(&world->dice, sizeof reaches / sizeof *reaches)];
    uint64_t to = world->wheel.now_ms + roll(&world->dice) % reach;
    /* Sometimes to the very tick that the wheel names, as a loop does. */
    if (roll_below(&world->dice, 3) == 0 && weir__wheel_next(&world->wheel) < UINT64_MAX / 4)
        to = weir__wheel_next(&world->wheel);
    world->fired = 0;
    size_t fired = weir__wheel_advance(&world->wheel, to, SIZE_MAX);
    assert_int_equal(fired, world->fired);
    assert_true(world->wheel.now_ms == to);
    assert_true(earliest(world) > to);
}

static void init_world(struct world *world, uint64_t seed)
{
    *world = (struct world){.dice = {seed}};
    weir__wheel_init(&world->wheel, roll(&world->dice) >> (8 + roll_below(&world->dice, 56)));
    for (size_t i = 0; i < TIMERS; i++) {
        weir__timer_init(&world->timers[i].timer, fire);
        world->timers[i].world = world;
        world->timers[i].due_ms = UINT64_MAX;
    }
}

static void agrees_with_a_sorted_model_over_many_seeds(void **state)
{
    (void)state;
    struct world world;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        init_world(&world, seed);
        world.calm = seed % 4 == 0;
        for (int step = 0; step < STEPS; step++) {
            uint32_t kind = roll_below(&world.dice, 8);
            if (kind < 4)
                set_some(&world);
            else if (kind < 5)
                cancel_some(&world);
            else
                advance_some(&world);
            check_next(&world);
        }
    }
}

/* --- edges --- */

struct note {
    weir__timer timer;
    unsigned fired;
};

static void note_firing(weir__timer *timer)
{
    WEIR__CONTAINER(timer, struct note, timer)->fired++;
}

static void a_deadline_of_never_does_not_arm(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note note = {0};
    weir__wheel_init(&wheel, 1000);
    weir__timer_init(&note.timer, note_firing);
    weir__wheel_set(&wheel, &note.timer, 2000);
    weir__wheel_set(&wheel, &note.timer, UINT64_MAX);
    assert_false(weir__timer_is_armed(&note.timer));
    assert_true(weir__wheel_next(&wheel) == UINT64_MAX);
    assert_int_equal(weir__wheel_advance(&wheel, UINT64_MAX - 1, SIZE_MAX), 0);
    assert_int_equal(note.fired, 0);
}

static void the_last_moment_of_all_can_be_a_deadline(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note note = {0};
    weir__wheel_init(&wheel, 7);
    weir__timer_init(&note.timer, note_firing);
    weir__wheel_set(&wheel, &note.timer, UINT64_MAX - 1);
    assert_int_equal(weir__wheel_advance(&wheel, UINT64_MAX - 2, SIZE_MAX), 0);
    assert_int_equal(weir__wheel_advance(&wheel, UINT64_MAX - 1, SIZE_MAX), 1);
    assert_int_equal(note.fired, 1);
}

static void a_passed_deadline_fires_at_the_next_tick(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note note = {0};
    weir__wheel_init(&wheel, 1000);
    weir__timer_init(&note.timer, note_firing);
    weir__wheel_set(&wheel, &note.timer, 1000);
    assert_int_equal(weir__wheel_next(&wheel), 1001);
    assert_int_equal(weir__wheel_advance(&wheel, 1000, SIZE_MAX), 0);
    assert_int_equal(weir__wheel_advance(&wheel, 1001, SIZE_MAX), 1);
    weir__wheel_set(&wheel, &note.timer, 0);
    assert_int_equal(weir__wheel_advance(&wheel, 1002, SIZE_MAX), 1);
}

static void a_clock_that_goes_back_is_not_followed(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note note = {0};
    weir__wheel_init(&wheel, 1000);
    weir__timer_init(&note.timer, note_firing);
    weir__wheel_set(&wheel, &note.timer, 1500);
    assert_int_equal(weir__wheel_advance(&wheel, 10, SIZE_MAX), 0);
    assert_int_equal(wheel.now_ms, 1000);
    assert_int_equal(weir__wheel_advance(&wheel, 1500, SIZE_MAX), 1);
}

static void free_it(weir__timer *timer)
{
    free(WEIR__CONTAINER(timer, struct note, timer));
}

static void a_callback_may_free_its_timer(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    weir__wheel_init(&wheel, 0);
    for (uint64_t i = 0; i < 100; i++) {
        struct note *note = malloc(sizeof *note);
        assert_non_null(note);
        weir__timer_init(&note->timer, free_it);
        weir__wheel_set(&wheel, &note->timer, i * 97);
    }
    assert_int_equal(weir__wheel_advance(&wheel, 100000, SIZE_MAX), 100);
}

static struct weir__wheel repeat_wheel;

static void fire_again(weir__timer *timer)
{
    note_firing(timer);
    weir__wheel_set(&repeat_wheel, timer, repeat_wheel.now_ms + 10);
}

static void what_a_callback_sets_fires_in_the_same_advance(void **state)
{
    (void)state;
    struct note note = {0};
    weir__wheel_init(&repeat_wheel, 0);
    weir__timer_init(&note.timer, fire_again);
    weir__wheel_set(&repeat_wheel, &note.timer, 10);
    assert_int_equal(weir__wheel_advance(&repeat_wheel, 1005, SIZE_MAX), 100);
    assert_int_equal(weir__wheel_next(&repeat_wheel), 1010);
}

/* --- cost --- */

/* A tick that finds nothing to do changes nothing in the wheel, so the ticks that change something
 * are counted. */
static void a_crowd_of_armed_timers_costs_nothing_a_tick(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note *notes = calloc(CROWD, sizeof *notes);
    assert_non_null(notes);
    weir__wheel_init(&wheel, 12345);
    for (size_t i = 0; i < CROWD; i++) {
        weir__timer_init(&notes[i].timer, note_firing);
        weir__wheel_set(&wheel, &notes[i].timer, 12345 + FAR_OFF + i % FAR_OFF);
    }
    unsigned working_ticks = 0;
    for (uint64_t tick = 1; tick < FAR_OFF; tick++) {
        uint64_t before[WEIR__WHEEL_LEVELS];
        memcpy(before, wheel.occupied, sizeof before);
        assert_int_equal(weir__wheel_advance(&wheel, 12345 + tick, SIZE_MAX), 0);
        working_ticks += memcmp(before, wheel.occupied, sizeof before) != 0;
    }
    /* Only the slots of 4,096 ticks on the way are opened, and below them, in the last of these,
     * slots of 64. */
    assert_in_range(working_ticks, 1, FAR_OFF / 4096 + 64);
    size_t fired = weir__wheel_advance(&wheel, 12345 + 2 * FAR_OFF, SIZE_MAX);
    assert_int_equal(fired, CROWD);
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(notes[i].fired, 1);
    free(notes);
}

/* As a loop does with a far timer: it sleeps till the tick that the wheel names, and is not woken
 * for every tick. */
static void a_far_deadline_is_reached_in_few_wakeups(void **state)
{
    (void)state;
    struct weir__wheel wheel;
    struct note note = {0};
    weir__wheel_init(&wheel, 99);
    weir__timer_init(&note.timer, note_firing);
    weir__wheel_set(&wheel, &note.timer, 99 + 30 * A_YEAR + 4711);
    unsigned wakeups = 0;
    while (note.fired == 0) {
        weir__wheel_advance(&wheel, weir__wheel_next(&wheel), SIZE_MAX);
        wakeups++;
    }
    assert_in_range(wakeups, 1, WEIR__WHEEL_LEVELS);
    assert_true(wheel.now_ms == 99 + 30 * A_YEAR + 4711);
}

static void advancing_stops_between_two_deadlines_when_enough_have_fired(void **state)
{
    (void)state;
    enum { PAIRS = 50 };
    struct weir__wheel wheel;
    struct note notes[2 * PAIRS] = {0};
    weir__wheel_init(&wheel, 0);
    for (size_t i = 0; i < 2 * PAIRS; i++) {
        weir__timer_init(&notes[i].timer, note_firing);
        weir__wheel_set(&wheel, &notes[i].timer, 100 + i / 2 * 77);
    }
    for (size_t fired = 0; fired < 2 * PAIRS;) {
        size_t now = weir__wheel_advance(&wheel, 100000, 3);
        assert_int_equal(now, fired + 4 <= 2 * PAIRS ? 4 : 2 * PAIRS - fired);
        fired += now;
        for (size_t i = 0; i < 2 * PAIRS; i++)
            assert_int_equal(notes[i].fired, i < fired);
        if (fired < 2 * PAIRS)
            assert_true(wheel.now_ms < weir__wheel_next(&wheel));
    }
    assert_int_equal(weir__wheel_advance(&wheel, 100000, 3), 0);
    assert_true(wheel.now_ms == 100000);
}

/* --- on a loop --- */

/* Of many that are due a turn fires some, and does not wait before the next. The simulated world is
 * never late, so the kernel's clock is used. */
static void timers_that_are_due_at_once_do_not_lock_out_the_rest(void **state)
{
    (void)state;
    enum { MANY = 2000, A_TICK = 10, AT_MOST = 300 };
    static struct note notes[MANY];
    weir_loop *loop;
    unsigned fired = 0;
    unsigned turns = 0;
    assert_int_equal(weir_loop_new(&loop, NULL), WEIR_OK);
    for (unsigned i = 0; i < MANY; i++) {
        weir__timer_init(&notes[i].timer, note_firing);
        weir__timer_set_after(loop, &notes[i].timer, 1 + i / A_TICK);
    }
    usleep((MANY / A_TICK + 50) * 1000);
    for (; fired < MANY; turns++) {
        unsigned before = fired;
        (void)weir_loop_turn(loop, -1);
        while (fired < MANY && notes[fired].fired != 0)
            fired++;
        assert_in_range(fired - before, 1, AT_MOST);
    }
    assert_true(turns >= MANY / AT_MOST);
    weir_loop_free(loop);
}

static void a_delay_beyond_all_time_is_never(void **state)
{
    (void)state;
    struct rig rig;
    struct note note = {0};
    rig_open(&rig);
    weir__timer_init(&note.timer, note_firing);
    weir__timer_set_after(rig.loop, &note.timer, UINT64_MAX - 5);
    assert_false(weir__timer_is_armed(&note.timer));
    weir__timer_set_after(rig.loop, &note.timer, A_YEAR);
    assert_true(note.timer.deadline_ms == weir_loop_now(rig.loop) + A_YEAR);
    weir__timer_cancel(&note.timer);
    weir__timer_set(rig.loop, &note.timer, weir_loop_now(rig.loop) + 5);
    assert_int_equal(weir_loop_timeout(rig.loop), 5);
    assert_int_equal(weir_loop_turn(rig.loop, -1), 0);
    assert_int_equal(note.fired, 1);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_sorted_model_over_many_seeds),
        cmocka_unit_test(a_deadline_of_never_does_not_arm),
        cmocka_unit_test(the_last_moment_of_all_can_be_a_deadline),
        cmocka_unit_test(a_passed_deadline_fires_at_the_next_tick),
        cmocka_unit_test(a_clock_that_goes_back_is_not_followed),
        cmocka_unit_test(a_callback_may_free_its_timer),
        cmocka_unit_test(what_a_callback_sets_fires_in_the_same_advance),
        cmocka_unit_test(advancing_stops_between_two_deadlines_when_enough_have_fired),
        cmocka_unit_test(timers_that_are_due_at_once_do_not_lock_out_the_rest),
        cmocka_unit_test(a_crowd_of_armed_timers_costs_nothing_a_tick),
        cmocka_unit_test(a_far_deadline_is_reached_in_few_wakeups),
        cmocka_unit_test(a_delay_beyond_all_time_is_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
