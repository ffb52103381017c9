/* Values that exist once. */
#include "rt/rt_rig.h"

static weir_deferred *deferred;
static int answer = 42;

struct waiting {
    int status;
    void *value;
};

static int await_value(void *arg)
{
    struct waiting *waiting = arg;
    waiting->status = weir_deferred_await(deferred, &waiting->value);
    return WEIR_OK;
}

static void make(void)
{
    assert_int_equal(weir_deferred_new(&deferred, weir_loop_current()), WEIR_OK);
    assert_false(weir_deferred_is_complete(deferred));
}

static void start(weir_scope *scope, struct waiting *waiting, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        waiting[i] = (struct waiting){.status = 1};
        assert_int_equal(weir_go(scope, "waiting", await_value, &waiting[i]), WEIR_OK);
    }
    assert_int_equal(weir_yield(), WEIR_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(waiting[i].status, 1);
}

static int complete_for_three(void *arg)
{
    struct waiting waiting[3];
    weir_scope scope;
    (void)arg;
    make();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(&scope, waiting, 3);
    assert_int_equal(weir_deferred_complete(deferred, WEIR_ELOST, &answer), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waiting[i].status, WEIR_ELOST);
        assert_ptr_equal(waiting[i].value, &answer);
    }
    weir_deferred_free(deferred);
    return WEIR_OK;
}

static void all_who_await_it_get_status_and_value(void **state)
{
    (void)state;
    assert_int_equal(rig_play(complete_for_three, NULL), WEIR_OK);
}

static int complete_twice(void *arg)
{
    void *value = NULL;
    (void)arg;
    make();
    assert_int_equal(weir_deferred_complete(deferred, WEIR_OK, &answer), WEIR_OK);
    assert_true(weir_deferred_is_complete(deferred));
    assert_int_equal(weir_deferred_complete(deferred, WEIR_ELOST, NULL), WEIR_ESTATE);
    assert_int_equal(weir_deferred_await(deferred, &value), WEIR_OK);
    assert_ptr_equal(value, &answer);
    assert_int_equal(weir_deferred_await(deferred, NULL), WEIR_OK);
    weir_deferred_free(deferred);
    return WEIR_OK;
}

static void the_first_completion_counts_and_is_there_for_late_comers(void **state)
{
    (void)state;
    assert_int_equal(rig_play(complete_twice, NULL), WEIR_OK);
}

static int complete_and_free(void *arg)
{
    struct waiting waiting;
    weir_scope scope;
    (void)arg;
    make();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(&scope, &waiting, 1);
    assert_int_equal(weir_deferred_complete(deferred, WEIR_OK, &answer), WEIR_OK);
    weir_deferred_free(deferred); /* before the one who waits has run */
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(waiting.status, WEIR_OK);
    assert_ptr_equal(waiting.value, &answer);
    return WEIR_OK;
}

static void it_may_be_freed_as_soon_as_it_is_complete(void **state)
{
    (void)state;
    assert_int_equal(rig_play(complete_and_free, NULL), WEIR_OK);
}

static int free_awaited(void *arg)
{
    struct waiting waiting[2];
    weir_scope scope;
    (void)arg;
    make();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(&scope, waiting, 2);
    weir_deferred_free(deferred);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(waiting[0].status, WEIR_CANCELLED);
    assert_int_equal(waiting[1].status, WEIR_CANCELLED);
    return WEIR_OK;
}

static void who_awaits_what_is_freed_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(rig_play(free_awaited, NULL), WEIR_OK);
}

static int cancel_awaiting(void *arg)
{
    struct waiting waiting[2];
    weir_scope scope, doomed;
    (void)arg;
    make();
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(&scope, &waiting[0], 1);
    assert_int_equal(weir_scope_open(&doomed), WEIR_OK);
    start(&doomed, &waiting[1], 1);
    weir_scope_cancel(&doomed);
    assert_int_equal(weir_deferred_await(deferred, NULL), WEIR_CANCELLED);
    assert_int_equal(weir_deferred_complete(deferred, WEIR_OK, &answer), WEIR_OK);
    assert_int_equal(weir_deferred_await(deferred, NULL), WEIR_OK); /* need not wait */
    assert_int_equal(weir_scope_join(&doomed), WEIR_CANCELLED);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(waiting[0].status, WEIR_OK);
    assert_int_equal(waiting[1].status, WEIR_CANCELLED);
    assert_null(waiting[1].value);
    weir_deferred_free(deferred);
    return WEIR_OK;
}

static void a_cancelled_await_leaves_the_others_waiting(void **state)
{
    (void)state;
    assert_int_equal(rig_play(cancel_awaiting, NULL), WEIR_OK);
}

static void bad_calls_and_a_lack_of_memory_are_told(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig);
    assert_int_equal(weir_deferred_new(NULL, rig.loop), WEIR_EINVAL);
    assert_int_equal(weir_deferred_new(&deferred, NULL), WEIR_EINVAL);
    assert_int_equal(weir_deferred_complete(NULL, WEIR_OK, NULL), WEIR_EINVAL);
    assert_int_equal(weir_deferred_await(NULL, NULL), WEIR_EINVAL);
    weir_deferred_free(NULL);
    rig.memory.fail_at = rig.memory.calls + 1;
    assert_int_equal(weir_deferred_new(&deferred, rig.loop), WEIR_ENOMEM);
    assert_null(deferred);
    assert_int_equal(weir_deferred_new(&deferred, rig.loop), WEIR_OK);
    assert_int_equal(weir_deferred_await(deferred, NULL), WEIR_ESTATE);
    weir_deferred_free(deferred);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_who_await_it_get_status_and_value),
        cmocka_unit_test(the_first_completion_counts_and_is_there_for_late_comers),
        cmocka_unit_test(it_may_be_freed_as_soon_as_it_is_complete),
        cmocka_unit_test(who_awaits_what_is_freed_is_cancelled),
        cmocka_unit_test(a_cancelled_await_leaves_the_others_waiting),
        cmocka_unit_test(bad_calls_and_a_lack_of_memory_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
