/* ctest: loops threads */
/* A loop as its users see it: how it is made, run, turned, embedded and ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/sys.h"
#include "support/failing_allocator.h"

#include <weir/channel.h>
#include <weir/loop.h>
#include <weir/sim.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static weir_loop *open_loop(void)
{
    weir_loop *loop;
    assert_int_equal(weir_loop_new(&loop, NULL), WEIR_OK);
    return loop;
}

static int return_given(void *arg)
{
    return *(int *)arg;
}

static int sleep_a_little(void *arg)
{
    int status = weir_sleep(20);
    if (status == WEIR_OK)
        ++*(int *)arg;
    return status;
}

static int sleep_for_an_hour(void *arg)
{
    int status = weir_sleep(3600000);
    *(int *)arg = status;
    return status;
}

/* --- making one --- */

static int make(const weir_loop_options *options)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, options);
    assert_true(status == WEIR_OK || loop == NULL);
    weir_loop_free(loop);
    return status;
}

static void the_environment_chooses_the_back_end(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    assert_string_equal(weir_loop_backend_name(loop), getenv("WEIR_LOOP"));
    weir_loop_free(loop);
}

static void an_option_goes_before_the_environment(void **state)
{
    (void)state;
    weir_loop *loop;
    const weir_loop_options epoll = {.backend = WEIR_BACKEND_EPOLL};
    const weir_loop_options uring = {.backend = WEIR_BACKEND_IO_URING};
    assert_int_equal(weir_loop_new(&loop, &epoll), WEIR_OK);
    assert_string_equal(weir_loop_backend_name(loop), "epoll");
    weir_loop_free(loop);
    int status = weir_loop_new(&loop, &uring);
    assert_true(status == WEIR_OK || status == WEIR_ENOTSUP);
    if (status == WEIR_OK)
        assert_string_equal(weir_loop_backend_name(loop), "io_uring");
    weir_loop_free(loop);
}

static void a_back_end_that_nobody_knows_is_refused(void **state)
{
    (void)state;
    char *before = strdup(getenv("WEIR_LOOP"));
    (void)setenv("WEIR_LOOP", "kqueue", 1);
    assert_int_equal(make(NULL), WEIR_EINVAL);
    (void)setenv("WEIR_LOOP", "", 1);
    assert_int_equal(make(NULL), WEIR_OK);
    (void)setenv("WEIR_LOOP", before, 1);
    free(before);
}

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_int_equal(weir_loop_new(NULL, NULL), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.backend = (enum weir_backend)99}), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.backend = WEIR_BACKEND_SIM}), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.read_buffer_size = 511}), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.read_buffer_size = 16777217}), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.stack_size = SIZE_MAX}), WEIR_EINVAL);
    assert_int_equal(make(&(weir_loop_options){.read_buffer_size = 512, .stack_size = 1}), WEIR_OK);
    weir_loop_free(NULL);
}

/* Each call that can fail while a loop is made and runs: the failure is reported, and nothing is
 * left. */
static bool live_with_memory(size_t fail_at)
{
    failing_allocator memory;
    weir_loop *loop;
    int zero = 0;
    failing_allocator_init(&memory, fail_at);
    const weir_loop_options options = {.read_buffer_size = 4096, .allocator = memory.allocator};
    int status = weir_loop_new(&loop, &options);
    if (status == WEIR_OK)
        status = weir_loop_run(loop, NULL, return_given, &zero);
    weir_loop_free(loop);
    assert_true(failing_allocator_is_clean(&memory));
    assert_int_equal(status, memory.failed ? WEIR_ENOMEM : WEIR_OK);
    return memory.failed;
}

static void no_memory_at_any_call_is_told_and_leaves_nothing(void **state)
{
    (void)state;
    size_t fail_at = 1;
    while (live_with_memory(fail_at))
        fail_at++;
    assert_true(fail_at > 1);
}

static struct {
    enum weir__sys_call call;
    size_t at, calls;
} blow;

static int inject(enum weir__sys_call call, size_t *size)
{
    (void)size;
    return call == blow.call && ++blow.calls == blow.at ? EMFILE : 0;
}

static void no_system_call_may_fail_unnoticed_while_a_loop_is_made(void **state)
{
    (void)state;
    static const enum weir__sys_call calls[] = {WEIR__SYS_EPOLL_CREATE, WEIR__SYS_EVENTFD,
                                                WEIR__SYS_EPOLL_CTL, WEIR__SYS_RING_SETUP,
                                                WEIR__SYS_RING_REGISTER};
    size_t injected = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t at = 1;; at++) {
            blow.call = calls[i];
            blow.at = at;
            blow.calls = 0;
            weir__sys_inject = inject;
            int status = make(NULL);
            weir__sys_inject = NULL;
            if (blow.calls < at)
                break;
            injected++;
            assert_int_equal(status, WEIR_SYSTEM(EMFILE));
        }
    assert_true(injected >= 2);
}

/* --- running --- */

static void running_returns_what_main_returned_or_the_first_failure(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    static int lost = WEIR_ELOST, closed = WEIR_CLOSED, seven = 7;
    assert_int_equal(weir_loop_run(loop, "main", return_given, &seven), 7);
    assert_int_equal(weir_loop_run(loop, "main", return_given, &closed), WEIR_CLOSED);
    assert_int_equal(weir_loop_run(loop, "main", return_given, &lost), WEIR_ELOST);
    assert_int_equal(weir_go(weir_loop_scope(loop), "beside", return_given, &lost), WEIR_OK);
    assert_int_equal(weir_loop_run(loop, "main", return_given, &seven), WEIR_ELOST);
    assert_int_equal(weir_loop_run(loop, "main", return_given, &seven), 7); /* as good as new */
    assert_int_equal(weir_loop_run(loop, "main", NULL, NULL), WEIR_EINVAL);
    assert_int_equal(weir_loop_run(NULL, "main", return_given, &seven), WEIR_EINVAL);
    weir_loop_free(loop);
}

static void running_waits_for_all_in_the_root_scope(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    static int zero;
    int slept = 0;
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_go(weir_loop_scope(loop), "beside", sleep_a_little, &slept), WEIR_OK);
    assert_int_equal(weir_loop_coroutine_count(loop), 5);
    assert_int_equal(weir_loop_run(loop, "main", return_given, &zero), WEIR_OK);
    assert_int_equal(slept, 5);
    assert_int_equal(weir_loop_coroutine_count(loop), 0);
    weir_loop_free(loop);
}

static int run_inside(void *arg)
{
    weir_loop *loop = arg;
    assert_ptr_equal(weir_loop_current(), loop);
    assert_int_equal(weir_loop_run(loop, "inner", return_given, NULL), WEIR_ESTATE);
    assert_int_equal(weir_loop_turn(loop, 0), WEIR_ESTATE);
    return WEIR_OK;
}

static int run_another(void *arg)
{
    int slept = 0;
    weir_loop *another = open_loop();
    assert_int_equal(weir_loop_run(another, "inner", sleep_a_little, &slept), WEIR_OK);
    assert_int_equal(slept, 1);
    weir_loop_free(another);
    assert_ptr_equal(weir_loop_current(), arg);
    return weir_sleep(1);
}

static void a_loop_is_not_run_from_within_but_another_may_be(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    assert_int_equal(weir_loop_run(loop, "main", run_inside, loop), WEIR_OK);
    assert_int_equal(weir_loop_run(loop, "main", run_another, loop), WEIR_OK);
    assert_null(weir_loop_current());
    weir_loop_free(loop);
}

static int outlast_clock(void *arg)
{
    uint64_t before_ms = weir_loop_now(weir_loop_current());
    assert_int_equal(weir_sleep(30), WEIR_OK);
    assert_true(weir_loop_now(weir_loop_current()) - before_ms >= 30);
    return *(int *)arg;
}

static void the_clock_goes_on(void **state)
{
    (void)state;
    static int zero;
    weir_loop *loop = open_loop();
    assert_int_equal(weir_loop_run(loop, "main", outlast_clock, &zero), WEIR_OK);
    weir_loop_free(loop);
}

/* Many that are always ready, and one that waits for time: it gets its turn. */
static int never_rest(void *arg)
{
    const bool *done = arg;
    while (!*done)
        if (weir_yield() != WEIR_OK)
            return WEIR_CANCELLED;
    return WEIR_OK;
}

static int rest(void *arg)
{
    bool *done = arg;
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(weir_go(&scope, "busy", never_rest, done), WEIR_OK);
    assert_int_equal(weir_sleep(5), WEIR_OK);
    *done = true;
    return weir_scope_join(&scope);
}

static void those_who_never_rest_do_not_lock_out_time(void **state)
{
    (void)state;
    bool done = false;
    weir_loop *loop = open_loop();
    assert_int_equal(weir_loop_run(loop, "main", rest, &done), WEIR_OK);
    weir_loop_free(loop);
}

/* --- ending --- */

static void freeing_cancels_what_still_lives_and_runs_it_to_its_end(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    int first = 1, second = 1;
    assert_int_equal(weir_go(weir_loop_scope(loop), "first", sleep_for_an_hour, &first), WEIR_OK);
    assert_int_equal(weir_loop_turn(loop, 0), 1);
    assert_int_equal(weir_go(weir_loop_scope(loop), "fresh", sleep_for_an_hour, &second), WEIR_OK);
    weir_loop_free(loop);
    assert_int_equal(first, WEIR_CANCELLED);
    assert_int_equal(second, WEIR_CANCELLED);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void what_was_posted_is_called_before_a_loop_goes(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    int called = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_loop_post(loop, count_up, &called), WEIR_OK);
    assert_int_equal(called, 0);
    weir_loop_free(loop);
    assert_int_equal(called, 3);
}

/* --- turning, and living in a foreign loop --- */

static void turning_returns_how_many_are_left(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    int slept = 0;
    assert_int_equal(weir_loop_turn(NULL, 0), WEIR_EINVAL);
    assert_int_equal(weir_loop_turn(loop, 0), 0);
    assert_int_equal(weir_loop_timeout(loop), -1);
    assert_int_equal(weir_go(weir_loop_scope(loop), "one", sleep_a_little, &slept), WEIR_OK);
    assert_int_equal(weir_go(weir_loop_scope(loop), "two", sleep_a_little, &slept), WEIR_OK);
    assert_int_equal(weir_loop_timeout(loop), 0); /* they are ready */
    assert_int_equal(weir_loop_turn(loop, 0), 2);
    assert_in_range(weir_loop_timeout(loop), 0, 21);
    while (weir_loop_turn(loop, 1000) > 0)
        ;
    assert_int_equal(slept, 2);
    assert_int_equal(weir_loop_timeout(loop), -1);
    weir_loop_free(loop);
}

static void a_turn_waits_no_longer_than_told(void **state)
{
    (void)state;
    weir_loop *loop = open_loop();
    int slept = 1;
    assert_int_equal(weir_go(weir_loop_scope(loop), "one", sleep_for_an_hour, &slept), WEIR_OK);
    uint64_t start_ms = weir__sys_clock_ms();
    assert_int_equal(weir_loop_turn(loop, 30), 1);
    uint64_t time_ms = weir__sys_clock_ms() - start_ms;
    assert_in_range(time_ms, 29, 5000);
    assert_int_equal(slept, 1);
    weir_loop_free(loop);
}

struct exchange {
    weir_loop *loop;
    weir_channel *channel;
    _Atomic unsigned posted;
    unsigned received;
};

enum { POSTERS = 3, POSTS = 300 };

static void deliver(void *arg)
{
    struct exchange *exchange = arg;
    int item = 1;
    assert_int_equal(weir_channel_try_send(exchange->channel, &item), WEIR_OK);
}

static void *post_some(void *arg)
{
    struct exchange *exchange = arg;
    for (int i = 0; i < POSTS; i++)
        if (weir_loop_post(exchange->loop, deliver, exchange) == WEIR_OK)
            atomic_fetch_add(&exchange->posted, 1);
    return NULL;
}

static int receive_all(void *arg)
{
    struct exchange *exchange = arg;
    int item;
    while (exchange->received < POSTERS * POSTS) {
        int status = weir_channel_receive(exchange->channel, &item);
        if (status != WEIR_OK)
            return status;
        exchange->received++;
    }
    return WEIR_OK;
}

static void open_exchange(struct exchange *exchange, pthread_t *threads)
{
    const weir_channel_options options = {.item_size = sizeof(int),
                                          .capacity = (size_t)POSTERS * POSTS};
    exchange->loop = open_loop();
    exchange->received = 0;
    atomic_init(&exchange->posted, 0);
    assert_int_equal(weir_channel_new(&exchange->channel, exchange->loop, &options), WEIR_OK);
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_some, exchange), 0);
}

static void close_exchange(struct exchange *exchange, const pthread_t *threads)
{
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&exchange->posted), POSTERS * POSTS);
    assert_int_equal(exchange->received, POSTERS * POSTS);
    weir_channel_free(exchange->channel);
    weir_loop_free(exchange->loop);
}

static void what_other_threads_post_reaches_waiting_coroutines(void **state)
{
    (void)state;
    struct exchange exchange;
    pthread_t threads[POSTERS];
    open_exchange(&exchange, threads);
    assert_int_equal(weir_loop_run(exchange.loop, "receiver", receive_all, &exchange), WEIR_OK);
    close_exchange(&exchange, threads);
}

static void a_foreign_loop_needs_the_descriptor_and_the_timeout_alone(void **state)
{
    (void)state;
    struct exchange exchange;
    pthread_t threads[POSTERS];
    int slept = 0;
    open_exchange(&exchange, threads);
    weir_scope *root = weir_loop_scope(exchange.loop);
    assert_int_equal(weir_go(root, "receiver", receive_all, &exchange), WEIR_OK);
    assert_int_equal(weir_go(root, "sleeper", sleep_a_little, &slept), WEIR_OK);
    int left = weir_loop_turn(exchange.loop, 0);
    while (left > 0) {
        struct pollfd watched = {.fd = weir_loop_fd(exchange.loop), .events = POLLIN};
        int64_t timeout_ms = weir_loop_timeout(exchange.loop);
        int ready = poll(&watched, 1, timeout_ms < 0 ? 20000 : (int)timeout_ms);
        assert_true(ready > 0 || (ready == 0 && timeout_ms >= 0)); /* else: a word was lost */
        left = weir_loop_turn(exchange.loop, 0);
    }
    assert_int_equal(left, 0);
    assert_int_equal(slept, 1);
    close_exchange(&exchange, threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_chooses_the_back_end),
        cmocka_unit_test(an_option_goes_before_the_environment),
        cmocka_unit_test(a_back_end_that_nobody_knows_is_refused),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(no_memory_at_any_call_is_told_and_leaves_nothing),
        cmocka_unit_test(no_system_call_may_fail_unnoticed_while_a_loop_is_made),
        cmocka_unit_test(running_returns_what_main_returned_or_the_first_failure),
        cmocka_unit_test(running_waits_for_all_in_the_root_scope),
        cmocka_unit_test(a_loop_is_not_run_from_within_but_another_may_be),
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(those_who_never_rest_do_not_lock_out_time),
        cmocka_unit_test(freeing_cancels_what_still_lives_and_runs_it_to_its_end),
        cmocka_unit_test(what_was_posted_is_called_before_a_loop_goes),
        cmocka_unit_test(turning_returns_how_many_are_left),
        cmocka_unit_test(a_turn_waits_no_longer_than_told),
        cmocka_unit_test(what_other_threads_post_reaches_waiting_coroutines),
        cmocka_unit_test(a_foreign_loop_needs_the_descriptor_and_the_timeout_alone),
    };
    weir_loop *loop;
    (void)setenv("WEIR_LOOP", "epoll", 0);
    int status = weir_loop_new(&loop, NULL);
    weir_loop_free(loop);
    if (status == WEIR_ENOTSUP) {
        puts("skipped: the loop that WEIR_LOOP asks for cannot be had here");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
