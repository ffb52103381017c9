/* weir_with_deadline(): scopes that end in time. */
#include "rt/rt_rig.h"

static int trail[64];
static size_t trail_size;

static void note(int what)
{
    assert_in_range(trail_size, 0, 63);
    trail[trail_size++] = what;
}

static int play(int (*run)(void *arg))
{
    trail_size = 0;
    return rig_play(run, NULL);
}

static uint64_t now_ms(void)
{
    return weir_loop_now(weir_loop_current());
}

/* --- children of several kinds --- */

static int return_given(void *arg)
{
    return *(int *)arg;
}

static int sleep_and_note(void *arg)
{
    int status = weir_sleep(*(uint64_t *)arg);
    note(status == WEIR_OK ? (int)*(uint64_t *)arg : status);
    return status;
}

static int sleep_then_fail(void *arg)
{
    int status = weir_sleep(10);
    return status == WEIR_OK ? *(int *)arg : status;
}

static uint64_t thirty = 30, an_hour = 3600000;
static int lost = WEIR_ELOST, closed = WEIR_CLOSED, cancelled = WEIR_CANCELLED;

static void go(weir_scope *scope, int (*run)(void *arg), void *arg)
{
    assert_int_equal(weir_go(scope, "child", run, arg), WEIR_OK);
}

static int sleep_forever(void *arg)
{
    (void)arg;
    return weir_sleep(an_hour);
}

static int start_and_leave(void *arg)
{
    go(weir_scope_current(), sleep_and_note, arg);
    return WEIR_OK;
}

static int start_failing_and_leave(void *arg)
{
    go(weir_scope_current(), sleep_then_fail, arg);
    return WEIR_OK;
}

static int meet_deadlines(void *arg)
{
    (void)arg;
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_with_deadline(250, sleep_forever, NULL), WEIR_ETIMEDOUT);
    assert_int_equal(now_ms() - start_ms, 250);
    assert_int_equal(weir_with_deadline(250, return_given, &closed), WEIR_CLOSED);
    assert_int_equal(weir_with_deadline(250, return_given, &lost), WEIR_ELOST);
    assert_int_equal(weir_with_deadline(250, return_given, &cancelled), WEIR_CANCELLED);
    assert_int_equal(now_ms() - start_ms, 250);
    assert_int_equal(weir_with_deadline(250, start_and_leave, &thirty), WEIR_OK);
    assert_int_equal(now_ms() - start_ms, 280);
    assert_int_equal(weir_with_deadline(20, start_and_leave, &thirty), WEIR_ETIMEDOUT);
    assert_int_equal(now_ms() - start_ms, 300);
    assert_int_equal(weir_with_deadline(250, start_failing_and_leave, &lost), WEIR_ELOST);
    assert_int_equal(now_ms() - start_ms, 310);
    assert_int_equal(weir_sleep(1000), WEIR_OK); /* no deadline of before comes later */
    return WEIR_OK;
}

static void a_deadline_ends_the_body_and_all_that_it_started(void **state)
{
    (void)state;
    assert_int_equal(play(meet_deadlines), WEIR_OK);
    assert_int_equal(trail[0], 30);
    assert_int_equal(trail[1], WEIR_CANCELLED);
}

static int sleep_within_a_shorter(void *arg)
{
    assert_int_equal(weir_with_deadline(10, sleep_forever, NULL), WEIR_ETIMEDOUT);
    note(1);
    assert_int_equal(weir_with_deadline(1000, sleep_forever, NULL), WEIR_CANCELLED);
    note(2);
    (void)arg;
    return WEIR_CANCELLED;
}

static int nest_deadlines(void *arg)
{
    (void)arg;
    assert_int_equal(weir_with_deadline(100, sleep_within_a_shorter, NULL), WEIR_ETIMEDOUT);
    return WEIR_OK;
}

static void of_nested_deadlines_each_ends_its_own_body(void **state)
{
    (void)state;
    assert_int_equal(play(nest_deadlines), WEIR_OK);
    assert_int_equal(trail_size, 2);
}

static int time_out_beside(void *arg)
{
    note(weir_with_deadline(an_hour, sleep_forever, NULL));
    (void)arg;
    return WEIR_OK;
}

static int cancel_before_deadline(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, time_out_beside, NULL);
    assert_int_equal(weir_yield(), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    return WEIR_OK;
}

static void cancelled_before_its_deadline_is_cancelled_not_late(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_before_deadline), WEIR_OK);
    assert_int_equal(trail[0], WEIR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_ends_the_body_and_all_that_it_started),
        cmocka_unit_test(of_nested_deadlines_each_ends_its_own_body),
        cmocka_unit_test(cancelled_before_its_deadline_is_cancelled_not_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
