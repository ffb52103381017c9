/* Scopes and their children: nothing outlives its owner. */
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

static uint64_t ten = 10, twenty = 20, thirty = 30, an_hour = 3600000;
static int lost = WEIR_ELOST, closed = WEIR_CLOSED, cancelled = WEIR_CANCELLED, limit = WEIR_ELIMIT;

static void go(weir_scope *scope, int (*run)(void *arg), void *arg)
{
    assert_int_equal(weir_go(scope, "child", run, arg), WEIR_OK);
}

/* --- joining --- */

static int join_three(void *arg)
{
    weir_scope scope;
    (void)arg;
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_ptr_equal(weir_scope_current(), &scope);
    go(&scope, sleep_and_note, &thirty);
    go(&scope, sleep_and_note, &ten);
    go(&scope, sleep_and_note, &twenty);
    assert_int_equal(trail_size, 0);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(now_ms() - start_ms, 30);
    assert_ptr_not_equal(weir_scope_current(), &scope);
    return WEIR_OK;
}

static void joining_waits_until_all_have_ended(void **state)
{
    (void)state;
    static const int expected[] = {10, 20, 30};
    assert_int_equal(play(join_three), WEIR_OK);
    assert_int_equal(trail_size, 3);
    assert_memory_equal(trail, expected, sizeof expected);
}

static int join_nothing(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    return WEIR_OK;
}

static void an_empty_scope_is_joined_at_once(void **state)
{
    (void)state;
    assert_int_equal(play(join_nothing), WEIR_OK);
}

static int start_another(void *arg)
{
    int status = weir_sleep(10);
    if (status == WEIR_OK)
        go(arg, sleep_and_note, &twenty);
    return status;
}

static int join_growing(void *arg)
{
    weir_scope scope;
    (void)arg;
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, start_another, &scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(now_ms() - start_ms, 30);
    return WEIR_OK;
}

static void joining_waits_for_what_a_child_started_too(void **state)
{
    (void)state;
    assert_int_equal(play(join_growing), WEIR_OK);
    assert_int_equal(trail_size, 1);
}

/* --- failing --- */

static int fail_one(void *arg)
{
    weir_scope scope;
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, sleep_and_note, &an_hour);
    go(&scope, sleep_then_fail, arg);
    go(&scope, sleep_and_note, &an_hour);
    int status = weir_scope_join(&scope);
    assert_int_equal(now_ms() - start_ms, 10);
    return status;
}

static int fail_one_with_lost(void *arg)
{
    (void)arg;
    assert_int_equal(fail_one(&lost), WEIR_ELOST);
    return WEIR_OK;
}

static void a_child_that_fails_cancels_its_siblings_and_joining_says_why(void **state)
{
    (void)state;
    assert_int_equal(play(fail_one_with_lost), WEIR_OK);
    assert_int_equal(trail_size, 2);
    assert_int_equal(trail[0], WEIR_CANCELLED);
    assert_int_equal(trail[1], WEIR_CANCELLED);
}

static int fail_two(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, return_given, &limit);
    go(&scope, return_given, &lost);
    assert_int_equal(weir_scope_join(&scope), WEIR_ELIMIT);
    return WEIR_OK;
}

static void the_first_failure_is_the_one_that_joining_reports(void **state)
{
    (void)state;
    assert_int_equal(play(fail_two), WEIR_OK);
}

static int end_normally(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, return_given, &closed);
    go(&scope, return_given, &cancelled);
    go(&scope, sleep_and_note, &ten);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_false(weir_scope_is_cancelled(&scope));
    return WEIR_OK;
}

static void closed_and_cancelled_are_normal_ends_of_a_child(void **state)
{
    (void)state;
    assert_int_equal(play(end_normally), WEIR_OK);
    assert_int_equal(trail[0], 10);
}

static int open_inner_and_fail(void *arg)
{
    weir_scope inner;
    assert_int_equal(weir_scope_open(&inner), WEIR_OK);
    go(&inner, sleep_then_fail, arg);
    return weir_scope_join(&inner);
}

static int fail_below(void *arg)
{
    weir_scope outer;
    (void)arg;
    assert_int_equal(weir_scope_open(&outer), WEIR_OK);
    go(&outer, sleep_and_note, &an_hour);
    go(&outer, open_inner_and_fail, &lost);
    assert_int_equal(weir_scope_join(&outer), WEIR_ELOST);
    return WEIR_OK;
}

static void a_failure_goes_up_through_whoever_returns_it(void **state)
{
    (void)state;
    assert_int_equal(play(fail_below), WEIR_OK);
    assert_int_equal(trail[0], WEIR_CANCELLED);
}

static int handle_failure(void *arg)
{
    weir_scope outer, inner;
    (void)arg;
    assert_int_equal(weir_scope_open(&outer), WEIR_OK);
    go(&outer, sleep_and_note, &thirty);
    assert_int_equal(weir_scope_open(&inner), WEIR_OK);
    go(&inner, return_given, &lost);
    assert_int_equal(weir_scope_join(&inner), WEIR_ELOST);
    assert_false(weir_scope_is_cancelled(&outer));
    assert_int_equal(weir_scope_join(&outer), WEIR_OK);
    return WEIR_OK;
}

static void a_failure_that_is_handled_ends_with_its_scope(void **state)
{
    (void)state;
    assert_int_equal(play(handle_failure), WEIR_OK);
    assert_int_equal(trail[0], 30);
}

/* --- cancelling --- */

static int suspend_in_every_way(void *arg)
{
    weir_scope *scope = arg;
    uint64_t item = 0;
    weir_channel *channel = rig_channel(sizeof item, 1);
    assert_true(weir_scope_is_cancelled(scope));
    assert_int_equal(weir_sleep(0), WEIR_CANCELLED);
    assert_int_equal(weir_yield(), WEIR_CANCELLED);
    assert_int_equal(weir_channel_receive(channel, &item), WEIR_CANCELLED);
    assert_int_equal(weir_with_deadline(1, return_given, &lost), WEIR_CANCELLED);
    assert_int_equal(weir_scope_open(&(weir_scope){.loop = NULL}), WEIR_CANCELLED);
    assert_int_equal(weir_go(weir_scope_current(), "late", return_given, &lost), WEIR_CANCELLED);
    assert_int_equal(weir_channel_send(channel, &item), WEIR_OK); /* has no need to suspend */
    weir_channel_free(channel);
    return WEIR_OK;
}

static int sleep_and_go_on(void *arg)
{
    assert_int_equal(weir_sleep(an_hour), WEIR_CANCELLED);
    return suspend_in_every_way(arg);
}

static int cancel_child(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, sleep_and_go_on, &scope);
    assert_int_equal(weir_yield(), WEIR_OK);
    weir_scope_cancel(&scope);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(weir_sleep(1), WEIR_OK); /* the scope above is none of its business */
    return WEIR_OK;
}

static void after_a_cancel_every_call_that_would_suspend_says_so(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_child), WEIR_OK);
}

static int cancel_own(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, return_given, &lost); /* was started, so it runs; its failure counts */
    weir_scope_cancel(&scope);
    assert_int_equal(suspend_in_every_way(&scope), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_ELOST);
    return WEIR_OK;
}

static void the_owner_of_a_cancelled_scope_is_cancelled_until_it_joins(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_own), WEIR_OK);
}

static int nest(void *arg)
{
    int depth = *(int *)arg - 1;
    weir_scope scope;
    if (depth == 0)
        return sleep_and_note(&an_hour);
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    go(&scope, nest, &depth);
    go(&scope, sleep_and_note, &an_hour);
    status = weir_scope_join(&scope);
    note(depth);
    return status;
}

static int cancel_tower(void *arg)
{
    weir_scope scope;
    int depth = 6;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, nest, &depth);
    assert_int_equal(weir_sleep(5), WEIR_OK);
    assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 12);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
    return WEIR_OK;
}

static void cancelling_reaches_every_scope_below_and_they_end_from_within(void **state)
{
    (void)state;
    int last_depth = 0;
    size_t sleepers = 0;
    assert_int_equal(play(cancel_tower), WEIR_OK);
    for (size_t i = 0; i < trail_size; i++) {
        sleepers += trail[i] == WEIR_CANCELLED;
        if (trail[i] <= 0)
            continue;
        assert_int_equal(trail[i], last_depth + 1);
        last_depth = trail[i];
    }
    assert_int_equal(last_depth, 5);
    assert_int_equal(sleepers, 6);
}

static int cancel_parent(void *arg)
{
    weir_scope_cancel(arg);
    assert_int_equal(weir_sleep(1), WEIR_CANCELLED);
    return WEIR_OK;
}

static int be_cancelled_from_within(void *arg)
{
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    go(&scope, sleep_and_note, &an_hour);
    go(&scope, cancel_parent, &scope);
    assert_int_equal(weir_sleep(an_hour), WEIR_CANCELLED); /* the owner is inside as well */
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    return WEIR_OK;
}

static void a_child_may_cancel_the_scope_that_it_is_in(void **state)
{
    (void)state;
    assert_int_equal(play(be_cancelled_from_within), WEIR_OK);
    assert_int_equal(trail[0], WEIR_CANCELLED);
}

static int hold_out(void *arg)
{
    (void)arg;
    assert_int_equal(weir_sleep(an_hour), WEIR_CANCELLED);
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_sleep(an_hour), WEIR_CANCELLED);
    note(1);
    return WEIR_OK;
}

static int never_leave_early(void *arg)
{
    weir_scope outer, inner;
    (void)arg;
    assert_int_equal(weir_scope_open(&outer), WEIR_OK);
    assert_int_equal(weir_scope_open(&inner), WEIR_OK);
    go(&inner, hold_out, NULL);
    go(&inner, cancel_parent, &outer);
    assert_int_equal(weir_scope_join(&inner), WEIR_CANCELLED);
    assert_int_equal(trail_size, 1);
    assert_int_equal(weir_scope_join(&outer), WEIR_CANCELLED);
    return WEIR_OK;
}

static void a_cancelled_join_still_waits_for_the_children(void **state)
{
    (void)state;
    assert_int_equal(play(never_leave_early), WEIR_OK);
}

/* --- bad calls --- */

static int join_the_wrong_scope(void *arg)
{
    assert_int_equal(weir_scope_join(arg), WEIR_ESTATE);
    return WEIR_OK;
}

static int call_badly(void *arg)
{
    weir_scope outer, inner;
    (void)arg;
    assert_int_equal(weir_scope_open(NULL), WEIR_EINVAL);
    assert_int_equal(weir_scope_join(NULL), WEIR_ESTATE);
    assert_int_equal(weir_go(NULL, "none", return_given, &lost), WEIR_EINVAL);
    assert_int_equal(weir_go(weir_scope_current(), "none", NULL, NULL), WEIR_EINVAL);
    assert_int_equal(weir_with_deadline(1, NULL, NULL), WEIR_EINVAL);
    weir_scope_cancel(NULL);
    assert_int_equal(weir_scope_open(&outer), WEIR_OK);
    assert_int_equal(weir_scope_open(&inner), WEIR_OK);
    assert_int_equal(weir_scope_join(&outer), WEIR_ESTATE);
    go(&inner, join_the_wrong_scope, &inner);
    assert_int_equal(weir_scope_join(&inner), WEIR_OK);
    assert_int_equal(weir_scope_join(&inner), WEIR_ESTATE);
    assert_int_equal(weir_scope_join(&outer), WEIR_OK);
    return WEIR_OK;
}

static void scopes_nest_like_brackets_and_bad_calls_are_refused(void **state)
{
    (void)state;
    assert_int_equal(play(call_badly), WEIR_OK);
}

static void outside_a_coroutine_there_is_no_scope_to_open(void **state)
{
    (void)state;
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_ESTATE);
    assert_int_equal(weir_scope_join(&scope), WEIR_ESTATE);
    assert_int_equal(weir_sleep(1), WEIR_ESTATE);
    assert_int_equal(weir_yield(), WEIR_ESTATE);
    assert_int_equal(weir_with_deadline(1, return_given, &lost), WEIR_ESTATE);
    assert_null(weir_scope_current());
    assert_null(weir_loop_current());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_waits_until_all_have_ended),
        cmocka_unit_test(an_empty_scope_is_joined_at_once),
        cmocka_unit_test(joining_waits_for_what_a_child_started_too),
        cmocka_unit_test(a_child_that_fails_cancels_its_siblings_and_joining_says_why),
        cmocka_unit_test(the_first_failure_is_the_one_that_joining_reports),
        cmocka_unit_test(closed_and_cancelled_are_normal_ends_of_a_child),
        cmocka_unit_test(a_failure_goes_up_through_whoever_returns_it),
        cmocka_unit_test(a_failure_that_is_handled_ends_with_its_scope),
        cmocka_unit_test(after_a_cancel_every_call_that_would_suspend_says_so),
        cmocka_unit_test(the_owner_of_a_cancelled_scope_is_cancelled_until_it_joins),
        cmocka_unit_test(cancelling_reaches_every_scope_below_and_they_end_from_within),
        cmocka_unit_test(a_child_may_cancel_the_scope_that_it_is_in),
        cmocka_unit_test(a_cancelled_join_still_waits_for_the_children),
        cmocka_unit_test(scopes_nest_like_brackets_and_bad_calls_are_refused),
        cmocka_unit_test(outside_a_coroutine_there_is_no_scope_to_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
