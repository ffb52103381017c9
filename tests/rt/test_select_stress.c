/* weir_select() by many at once, against what must hold of every channel. */
#include "rt/timer.h"
#include "rt/tokens.h"

static weir_channel *left, *right;
static int beside_status;

static int play(int (*run)(void *arg))
{
    tokens_reset();
    beside_status = 1;
    int status = rig_play(run, NULL);
    tokens_check_all_ended();
    return status;
}

static void open_both(size_t capacity)
{
    left = token_channel(capacity, WEIR_OVERFLOW_SUSPEND);
    right = token_channel(capacity, WEIR_OVERFLOW_SUSPEND);
}

static void free_both(void)
{
    weir_channel_free(left);
    weir_channel_free(right);
}

static weir_select_case receive_case(weir_channel *channel, uint32_t *token)
{
    return (weir_select_case){.kind = WEIR_SELECT_RECEIVE, .channel = channel, .item = token};
}

static weir_select_case send_case(weir_channel *channel, uint32_t *token)
{
    *token = token_new();
    return (weir_select_case){.kind = WEIR_SELECT_SEND, .channel = channel, .item = token};
}

static void start(int (*run)(void *arg), void *arg)
{
    assert_int_equal(weir_go(weir_scope_current(), "beside", run, arg), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
}

static void let_others_run(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_yield(), WEIR_OK);
}

/* --- stress --- */

enum { CHANNELS = 4, WORKERS = 8, OPERATIONS = 60, STRESS_SEEDS = 250 };

struct stress {
    struct dice dice;
    weir_channel *channels[CHANNELS];
    weir_scope *workers;
};

static weir_channel *any_channel(struct stress *stress)
{
    return stress->channels[roll_below(&stress->dice, CHANNELS)];
}

static void select_some(struct stress *stress)
{
    weir_select_case cases[6];
    uint32_t items[6];
    uint32_t count = 1 + roll_below(&stress->dice, 6);
    for (uint32_t i = 0; i < count; i++)
        cases[i] = roll_below(&stress->dice, 2) == 0 ? send_case(any_channel(stress), &items[i])
                                                     : receive_case(any_channel(stress), &items[i]);
    static const uint64_t times[] = {0, 1, 5, 40};
    int chosen = weir_select(cases, count, times[roll_below(&stress->dice, 4)]);
    for (int i = 0; i < (int)count; i++) {
        if (cases[i].kind == WEIR_SELECT_SEND && i != chosen)
            token_end(items[i]);
        if (cases[i].kind == WEIR_SELECT_RECEIVE && i == chosen && cases[i].status == WEIR_OK)
            token_received(items[i]);
    }
}

static void operate(struct stress *stress)
{
    uint32_t token;
    int status;
    switch (roll_below(&stress->dice, 10)) {
    case 0:
    case 1:
        (void)token_send(any_channel(stress));
        break;
    case 2:
    case 3:
        (void)token_receive(any_channel(stress), &token);
        break;
    case 4:
        (void)token_try_send(any_channel(stress));
        break;
    case 5:
        status = weir_channel_try_receive(any_channel(stress), &token);
        if (status == WEIR_OK)
            token_received(token);
        break;
    case 6:
        (void)weir_sleep(roll_below(&stress->dice, 4));
        break;
    default:
        select_some(stress);
        break;
    }
}

static int work(void *arg)
{
    struct stress *stress = arg;
    for (int i = 0; i < OPERATIONS; i++) {
        operate(stress);
        if (weir_scope_is_cancelled(stress->workers) && roll_below(&stress->dice, 4) == 0)
            break;
    }
    return WEIR_OK;
}

/* Ends channels, now and then, and all of it in the end. */
static int disturb(void *arg)
{
    struct stress *stress = arg;
    (void)weir_sleep(roll_below(&stress->dice, 60));
    uint32_t kind = roll_below(&stress->dice, 4);
    if (kind == 0)
        weir_channel_close(any_channel(stress), WEIR_OK);
    else if (kind == 1)
        weir_channel_cancel(any_channel(stress));
    (void)weir_sleep(roll_below(&stress->dice, 200));
    weir_scope_cancel(stress->workers);
    return WEIR_OK;
}

static int run_stress(void *arg)
{
    struct stress stress = {.dice = {*(uint64_t *)arg}};
    weir_scope workers;
    for (size_t i = 0; i < CHANNELS; i++)
        stress.channels[i] =
            token_channel(roll_below(&stress.dice, 4),
                          (enum weir_overflow)(i == 3 ? roll_below(&stress.dice, 3) : 0));
    stress.workers = &workers;
    assert_int_equal(weir_scope_open(&workers), WEIR_OK);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(weir_go(&workers, "worker", work, &stress), WEIR_OK);
    assert_int_equal(weir_go(weir_loop_scope(weir_loop_current()), "disturb", disturb, &stress),
                     WEIR_OK);
    int status = weir_scope_join(&workers);
    assert_true(status == WEIR_OK || status == WEIR_CANCELLED);
    weir_scope_cancel(&workers); /* nothing: it is over, but disturb() may still do the same */
    while (weir_loop_coroutine_count(weir_loop_current()) > 1)
        assert_int_equal(weir_sleep(10), WEIR_OK);
    for (size_t i = 0; i < CHANNELS; i++)
        weir_channel_free(stress.channels[i]);
    return WEIR_OK;
}

static void no_item_is_lost_or_doubled_whatever_happens(void **state)
{
    (void)state;
    uint32_t received = 0, dropped = 0;
    for (uint64_t seed = 0; seed < STRESS_SEEDS; seed++) {
        tokens_reset();
        assert_int_equal(rig_play(run_stress, &seed), WEIR_OK);
        tokens_check_all_ended();
        received += tokens.received_count;
        dropped += tokens.dropped_count;
    }
    assert_true(received > STRESS_SEEDS * 20 && dropped > STRESS_SEEDS * 2);
}

/* --- both ends of one channel --- */

/* Two that would send or receive, whichever comes: one does the one, the other the other. */
static int swap_beside(void *arg)
{
    uint32_t sent, got;
    int *chosen = arg;
    weir_select_case cases[] = {send_case(left, &sent), receive_case(left, &got)};
    *chosen = weir_select(cases, 2, WEIR_UNLIMITED);
    assert_in_range(*chosen, 0, 1);
    assert_int_equal(cases[*chosen].status, WEIR_OK);
    if (*chosen == 1) {
        token_received(got);
        token_end(sent);
    }
    return WEIR_OK;
}

static int swap(void *arg)
{
    int first = -1, second = -1;
    (void)arg;
    open_both(0);
    start(swap_beside, &first);
    start(swap_beside, &second);
    let_others_run();
    assert_int_equal(first + second, 1);
    first = -1;
    start(swap_beside, &first);
    assert_int_equal(token_send(left), WEIR_OK); /* meets its receiving case */
    let_others_run();
    assert_int_equal(first, 1);
    first = -1;
    uint32_t token;
    start(swap_beside, &first);
    assert_int_equal(token_receive(left, &token), WEIR_OK);
    let_others_run();
    assert_int_equal(first, 0);
    free_both();
    return WEIR_OK;
}

static void selects_at_both_ends_of_a_channel_find_each_other(void **state)
{
    (void)state;
    assert_int_equal(play(swap), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selects_at_both_ends_of_a_channel_find_each_other),
        cmocka_unit_test(no_item_is_lost_or_doubled_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
