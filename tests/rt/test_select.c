/* weir_select(): several channels and a time. */
#include "rt/tokens.h"

#include "rt/timer.h"

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

/* --- what is ready --- */

static int choose_first(void *arg)
{
    uint32_t a, b;
    (void)arg;
    open_both(2);
    weir_select_case cases[] = {receive_case(left, &a), receive_case(right, &b)};
    assert_int_equal(token_send(right), WEIR_OK);
    assert_int_equal(weir_select(cases, 2, 0), 1);
    token_received(b);
    assert_int_equal(token_send(right), WEIR_OK);
    assert_int_equal(token_send(left), WEIR_OK);
    assert_int_equal(weir_select(cases, 2, 0), 0);
    assert_int_equal(cases[0].status, WEIR_OK);
    token_received(a);
    assert_int_equal(a, 2);
    assert_int_equal(weir_channel_count(right), 1);
    free_both();
    return WEIR_OK;
}

static void of_several_that_are_ready_the_first_in_order_wins(void **state)
{
    (void)state;
    assert_int_equal(play(choose_first), WEIR_OK);
}

static int choose_to_send(void *arg)
{
    uint32_t sent, got;
    (void)arg;
    open_both(1);
    weir_select_case cases[] = {receive_case(left, &got), send_case(right, &sent)};
    assert_int_equal(weir_select(cases, 2, 0), 1);
    assert_int_equal(weir_channel_count(right), 1);
    sent = token_new();
    assert_int_equal(weir_select(cases, 2, 0), WEIR_ETIMEDOUT);
    token_end(sent); /* it is still ours */
    free_both();
    return WEIR_OK;
}

static void a_send_case_takes_its_item_only_when_chosen(void **state)
{
    (void)state;
    assert_int_equal(play(choose_to_send), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 1);
}

static int see_the_end(void *arg)
{
    uint32_t sent, got;
    (void)arg;
    open_both(1);
    weir_channel_close(left, WEIR_ELOST);
    weir_select_case cases[] = {receive_case(left, &got), receive_case(right, &got)};
    assert_int_equal(weir_select(cases, 2, WEIR_UNLIMITED), 0);
    assert_int_equal(cases[0].status, WEIR_ELOST);
    cases[0] = send_case(left, &sent);
    assert_int_equal(weir_select(cases, 2, WEIR_UNLIMITED), 0);
    assert_int_equal(cases[0].status, WEIR_CLOSED);
    assert_int_equal(tokens.dropped_count, 1);
    weir_channel_cancel(right);
    assert_int_equal(weir_select(cases + 1, 1, WEIR_UNLIMITED), 0);
    assert_int_equal(cases[1].status, WEIR_CANCELLED);
    free_both();
    return WEIR_OK;
}

static void a_channel_that_ended_is_ready_and_says_how(void **state)
{
    (void)state;
    assert_int_equal(play(see_the_end), WEIR_OK);
}

/* --- waiting --- */

static int chosen_case;
static uint32_t got_token;

static int select_beside(void *arg)
{
    weir_select_case cases[] = {receive_case(left, &got_token), receive_case(right, &got_token)};
    chosen_case = weir_select(cases, 2, *(uint64_t *)arg);
    beside_status = chosen_case < 0 ? chosen_case : cases[chosen_case].status;
    if (beside_status == WEIR_OK)
        token_received(got_token);
    return WEIR_OK;
}

static uint64_t unlimited = WEIR_UNLIMITED;

static int wait_for_either(void *arg)
{
    (void)arg;
    open_both(1);
    start(select_beside, &unlimited);
    assert_int_equal(token_send(right), WEIR_OK);
    assert_int_equal(token_send(right), WEIR_OK); /* it waits there no longer: this one queues */
    assert_int_equal(token_send(left), WEIR_OK);
    let_others_run();
    assert_int_equal(chosen_case, 1);
    assert_int_equal(got_token, 0);
    assert_int_equal(weir_channel_count(left), 1);
    assert_int_equal(weir_channel_count(right), 1);
    free_both();
    return WEIR_OK;
}

static void the_first_that_becomes_ready_is_chosen_and_no_other_touched(void **state)
{
    (void)state;
    assert_int_equal(play(wait_for_either), WEIR_OK);
}

static int wait_and_end(void *arg)
{
    (void)arg;
    open_both(0);
    start(select_beside, &unlimited);
    weir_channel_close(right, WEIR_OK);
    let_others_run();
    assert_int_equal(chosen_case, 1);
    assert_int_equal(beside_status, WEIR_CLOSED);
    weir_channel_free(right);
    right = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    start(select_beside, &unlimited);
    weir_channel_free(left);
    let_others_run();
    assert_int_equal(chosen_case, 0);
    assert_int_equal(beside_status, WEIR_CANCELLED);
    weir_channel_free(right);
    return WEIR_OK;
}

static void a_channel_that_ends_wakes_a_select(void **state)
{
    (void)state;
    assert_int_equal(play(wait_and_end), WEIR_OK);
}

static int send_select_beside(void *arg)
{
    uint32_t a, b;
    (void)arg;
    weir_select_case cases[] = {send_case(left, &a), send_case(right, &b)};
    chosen_case = weir_select(cases, 2, WEIR_UNLIMITED);
    beside_status = chosen_case < 0 ? chosen_case : cases[chosen_case].status;
    if (chosen_case != 0)
        token_end(a);
    if (chosen_case != 1)
        token_end(b);
    return WEIR_OK;
}

static int wait_to_send(void *arg)
{
    uint32_t token;
    (void)arg;
    open_both(0);
    start(send_select_beside, NULL);
    assert_int_equal(token_receive(right, &token), WEIR_OK);
    assert_int_equal(token, 1);
    assert_int_equal(weir_channel_try_receive(left, &token), WEIR_EAGAIN);
    let_others_run();
    assert_int_equal(chosen_case, 1);
    assert_int_equal(beside_status, WEIR_OK);
    start(send_select_beside, NULL);
    weir_channel_close(left, WEIR_OK);
    assert_int_equal(tokens.dropped_count, 1);
    let_others_run();
    assert_int_equal(chosen_case, 0);
    assert_int_equal(beside_status, WEIR_CLOSED);
    free_both();
    return WEIR_OK;
}

static void a_select_that_sends_loses_the_item_of_the_chosen_case_alone(void **state)
{
    (void)state;
    assert_int_equal(play(wait_to_send), WEIR_OK);
}

/* Cancelled, and its channels gone before it has run. */
static void cancel_beside(int (*run)(void *arg), void *arg)
{
    weir_scope scope;
    open_both(0);
    beside_status = 1;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(run, arg);
    weir_scope_cancel(&scope);
    free_both();
    assert_int_equal(beside_status, 1);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_CANCELLED);
}

static int cancel_selecting(void *arg)
{
    (void)arg;
    cancel_beside(send_select_beside, NULL);
    cancel_beside(select_beside, &unlimited);
    return WEIR_OK;
}

static void a_cancelled_select_says_so_and_keeps_its_items(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_selecting), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 0);
    assert_int_equal(tokens.received_count, 0);
}

static int select_in_cancelled_scope(void *arg)
{
    weir_scope scope;
    uint32_t got;
    (void)arg;
    open_both(1);
    weir_select_case cases[] = {receive_case(left, &got), receive_case(right, &got)};
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_select(cases, 2, WEIR_UNLIMITED), WEIR_CANCELLED);
    assert_int_equal(weir_select(cases, 2, 5), WEIR_CANCELLED);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    free_both();
    return WEIR_OK;
}

static void in_a_cancelled_scope_a_select_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(play(select_in_cancelled_scope), WEIR_OK);
}

/* --- time --- */

static int wait_in_vain(void *arg)
{
    uint32_t got;
    (void)arg;
    open_both(1);
    weir_select_case cases[] = {receive_case(left, &got), receive_case(right, &got)};
    uint64_t start_ms = weir_loop_now(weir_loop_current());
    assert_int_equal(weir_select(cases, 2, 250), WEIR_ETIMEDOUT);
    assert_int_equal(weir_loop_now(weir_loop_current()) - start_ms, 250);
    assert_int_equal(weir_select(cases, 2, 0), WEIR_ETIMEDOUT);
    assert_int_equal(weir_loop_now(weir_loop_current()) - start_ms, 250);
    assert_int_equal(token_send(left), WEIR_OK);
    assert_int_equal(weir_select(cases, 2, 250), 0);
    token_received(got);
    free_both();
    return WEIR_OK;
}

static void a_select_waits_no_longer_than_asked(void **state)
{
    (void)state;
    assert_int_equal(play(wait_in_vain), WEIR_OK);
}

struct sending {
    weir__timer timer;
    int status;
};

static void send_from_timer(weir__timer *timer)
{
    WEIR__CONTAINER(timer, struct sending, timer)->status = token_try_send(left);
}

/* Both timers are due in the same tick: the one that sends fires first, and then the select has its
 * item, though it has not run yet. */
static int send_at_the_last_moment(void *arg)
{
    struct sending sending;
    uint32_t got;
    (void)arg;
    open_both(0);
    weir__timer_init(&sending.timer, send_from_timer);
    weir__timer_set_after(weir_loop_current(), &sending.timer, 50);
    weir_select_case cases[] = {receive_case(right, &got), receive_case(left, &got)};
    assert_int_equal(weir_select(cases, 2, 50), 1);
    assert_int_equal(sending.status, WEIR_OK);
    assert_int_equal(cases[1].status, WEIR_OK);
    token_received(got);
    free_both();
    return WEIR_OK;
}

static void an_item_that_comes_with_the_timeout_is_not_lost(void **state)
{
    (void)state;
    assert_int_equal(play(send_at_the_last_moment), WEIR_OK);
}

static void receive_from_timer(weir__timer *timer)
{
    uint32_t token;
    WEIR__CONTAINER(timer, struct sending, timer)->status = weir_channel_try_receive(left, &token);
    token_received(token);
}

static int receive_at_the_last_moment(void *arg)
{
    struct sending sending;
    uint32_t sent;
    (void)arg;
    open_both(0);
    weir__timer_init(&sending.timer, receive_from_timer);
    weir__timer_set_after(weir_loop_current(), &sending.timer, 50);
    weir_select_case one = send_case(left, &sent);
    assert_int_equal(weir_select(&one, 1, 50), 0);
    assert_int_equal(one.status, WEIR_OK);
    assert_int_equal(sending.status, WEIR_OK);
    free_both();
    return WEIR_OK;
}

static void an_item_that_goes_with_the_timeout_is_not_doubled(void **state)
{
    (void)state;
    assert_int_equal(play(receive_at_the_last_moment), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 0);
}

/* --- bad calls --- */

static int call_badly(void *arg)
{
    uint32_t got;
    weir_select_case cases[17];
    (void)arg;
    open_both(1);
    for (size_t i = 0; i < 17; i++)
        cases[i] = receive_case(left, &got);
    assert_int_equal(weir_select(NULL, 1, 0), WEIR_EINVAL);
    assert_int_equal(weir_select(cases, 0, 0), WEIR_EINVAL);
    assert_int_equal(weir_select(cases, 17, 0), WEIR_EINVAL);
    assert_int_equal(weir_select(cases, 16, 10), WEIR_ETIMEDOUT);
    cases[3].channel = NULL;
    assert_int_equal(weir_select(cases, 16, 0), WEIR_EINVAL);
    cases[3] = receive_case(left, NULL);
    assert_int_equal(weir_select(cases, 16, 0), WEIR_EINVAL);
    cases[3] = receive_case(left, &got);
    cases[3].kind = (enum weir_select_kind)0;
    assert_int_equal(weir_select(cases, 16, 0), WEIR_EINVAL);
    free_both();
    return WEIR_OK;
}

static void bad_cases_are_refused(void **state)
{
    (void)state;
    assert_int_equal(play(call_badly), WEIR_OK);
}

static void outside_a_coroutine_a_select_cannot_wait(void **state)
{
    (void)state;
    struct rig rig;
    weir_channel *channel;
    uint32_t item = 7;
    rig_open(&rig);
    const weir_channel_options options = {.item_size = sizeof item, .capacity = 1};
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_OK);
    weir_select_case one = receive_case(channel, &item);
    assert_int_equal(weir_select(&one, 1, 0), WEIR_ETIMEDOUT);
    assert_int_equal(weir_select(&one, 1, 10), WEIR_ESTATE);
    assert_int_equal(weir_channel_try_send(channel, &item), WEIR_OK);
    assert_int_equal(weir_select(&one, 1, 10), 0);
    weir_channel_free(channel);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_several_that_are_ready_the_first_in_order_wins),
        cmocka_unit_test(a_send_case_takes_its_item_only_when_chosen),
        cmocka_unit_test(a_channel_that_ended_is_ready_and_says_how),
        cmocka_unit_test(the_first_that_becomes_ready_is_chosen_and_no_other_touched),
        cmocka_unit_test(a_channel_that_ends_wakes_a_select),
        cmocka_unit_test(a_select_that_sends_loses_the_item_of_the_chosen_case_alone),
        cmocka_unit_test(a_cancelled_select_says_so_and_keeps_its_items),
        cmocka_unit_test(in_a_cancelled_scope_a_select_does_not_wait),
        cmocka_unit_test(a_select_waits_no_longer_than_asked),
        cmocka_unit_test(an_item_that_comes_with_the_timeout_is_not_lost),
        cmocka_unit_test(an_item_that_goes_with_the_timeout_is_not_doubled),
        cmocka_unit_test(bad_cases_are_refused),
        cmocka_unit_test(outside_a_coroutine_a_select_cannot_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
