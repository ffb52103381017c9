/* A channel with a stackless end: what its pull and push hooks do. */
#include "hooked.h"

/* --- pull --- */

static int pull_when_empty(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked(&pull_kind, 4);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    hooked.source = 1;
    assert_int_equal(receive(channel, &token), WEIR_OK);
    assert_int_equal(token, 0);
    assert_int_equal(hooked.pulled, 0);
    assert_int_equal(receive(channel, &token), WEIR_OK);
    assert_int_equal(hooked.pulled, 1);
    struct item item;
    assert_int_equal(weir_channel_try_receive(channel, &item), WEIR_EAGAIN);
    assert_int_equal(hooked.pulled, 2);
    weir_channel_close(channel, WEIR_OK);
    hooked.source = 1;
    assert_int_equal(receive(channel, &token), WEIR_CLOSED);
    assert_int_equal(hooked.pulled, 2);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void pull_is_asked_only_when_nothing_is_queued_and_nothing_closed(void **state)
{
    (void)state;
    assert_int_equal(play(pull_when_empty), WEIR_OK);
}

static int wake_for_pull(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&pull_kind, 4);
    weir__channel_wake_receiver(channel); /* nobody waits */
    start(receive_beside, 0);
    assert_true(weir__channel_has_receiver(channel));
    weir__channel_wake_receiver(channel); /* in vain: it waits again */
    let_others_run();
    assert_true(weir__channel_has_receiver(channel));
    assert_int_equal(beside_status, 1);
    hooked.source = 1;
    weir__channel_wake_receiver(channel);
    let_others_run();
    assert_false(weir__channel_has_receiver(channel));
    assert_int_equal(beside_status, WEIR_OK);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_woken_receiver_pulls_or_waits_again(void **state)
{
    (void)state;
    assert_int_equal(play(wake_for_pull), WEIR_OK);
}

static int cancel_woken_puller(void *arg)
{
    weir_scope scope;
    (void)arg;
    weir_channel *channel = open_hooked(&pull_kind, 4);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(receive_beside, 0);
    weir__channel_wake_receiver(channel);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_CANCELLED);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_receiver_woken_in_vain_and_cancelled_ends(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_woken_puller), WEIR_OK);
}

static bool ran_at_once;

static void wake_from_the_loop(weir__timer *timer)
{
    (void)timer;
    hooked.source = 1;
    weir__channel_wake_receiver(&hooked.channel);
    ran_at_once = beside_status == WEIR_OK;
}

static int wake_in_loop(void *arg)
{
    weir__timer timer;
    (void)arg;
    weir_channel *channel = open_hooked(&pull_kind, 4);
    start(receive_beside, 0);
    weir__timer_init(&timer, wake_from_the_loop);
    weir__timer_set_after(weir_loop_current(), &timer, 5);
    assert_int_equal(weir_sleep(10), WEIR_OK);
    assert_true(ran_at_once);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void from_the_loop_a_receiver_runs_at_once(void **state)
{
    (void)state;
    assert_int_equal(play(wake_in_loop), WEIR_OK);
}

static int select_pull(void *arg)
{
    (void)arg;
    struct item item;
    weir_channel *channel = &hooked.channel;
    weir_select_case one = {.kind = WEIR_SELECT_RECEIVE, .channel = channel, .item = &item};
    int chosen = weir_select(&one, 1, WEIR_UNLIMITED);
    assert_int_equal(chosen, 0);
    assert_int_equal(one.status, WEIR_OK);
    token_received(item.token);
    beside_status = WEIR_OK;
    return WEIR_OK;
}

static int wake_selecting(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&pull_kind, 4);
    start(select_pull, 0);
    weir__channel_wake_receiver(channel);
    let_others_run();
    assert_int_equal(beside_status, 1);
    hooked.source = 1;
    weir__channel_wake_receiver(channel);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_select_is_woken_for_a_pull_too(void **state)
{
    (void)state;
    assert_int_equal(play(wake_selecting), WEIR_OK);
}

/* --- push --- */

static int push_first(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 2);
    hooked.pushes = 2;
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    assert_int_equal(tokens.received_count, 2);
    assert_int_equal(hooked.kept, 0);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    assert_int_equal(hooked.kept, 1);
    assert_int_equal(weir_channel_count(channel), 1);
    hooked.pushes = 1;
    assert_int_equal(send_weight(channel, 1), WEIR_OK); /* behind what queues */
    assert_int_equal(hooked.pushed, 3);
    assert_int_equal(weir_channel_count(channel), 2);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void push_is_offered_an_item_before_it_queues(void **state)
{
    (void)state;
    assert_int_equal(play(push_first), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 2);
}

static int push_refuses(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 2);
    hooked.pushes = 1;
    hooked.push_status = WEIR_ETOOBIG;
    assert_int_equal(send_weight(channel, 1), WEIR_ETOOBIG);
    assert_int_equal(tokens.dropped_count, 1);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void what_push_refuses_is_dropped_and_the_sender_told(void **state)
{
    (void)state;
    assert_int_equal(play(push_refuses), WEIR_OK);
}

static int drain(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 2);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    start(send_beside, 1);
    start(send_beside, 1);
    weir__channel_drain(channel);
    assert_int_equal(tokens.received_count, 0);
    for (uint32_t i = 0; i < 4; i++) {
        hooked.pushes = 1;
        weir__channel_drain(channel);
        assert_int_equal(tokens.received_count, i + 1);
        assert_int_equal(hooked.last_pushed, i);
    }
    assert_int_equal(weir_channel_count(channel), 0);
    weir__channel_drain(channel);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void draining_moves_queue_then_senders_in_order(void **state)
{
    (void)state;
    assert_int_equal(play(drain), WEIR_OK);
}

static int drain_without_queue(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 0);
    start(send_beside, 1);
    start(send_beside, 1);
    hooked.pushes = 9;
    weir__channel_drain(channel);
    assert_int_equal(tokens.received_count, 2);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void draining_takes_from_suspended_senders_directly(void **state)
{
    (void)state;
    assert_int_equal(play(drain_without_queue), WEIR_OK);
}

static int drain_refusing(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 1);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    start(send_beside, 1);
    hooked.pushes = 9;
    hooked.push_status = WEIR_CLOSED;
    weir__channel_drain(channel);
    assert_int_equal(tokens.dropped_count, 2);
    assert_int_equal(weir_channel_count(channel), 0);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK); /* it had its place in the queue by then */
    assert_int_equal(hooked.pushed, 3);
    weir__channel_fini(channel);
    channel = open_hooked(&push_kind, 0);
    start(send_beside, 1);
    hooked.pushes = 9;
    hooked.push_status = WEIR_ETOOBIG;
    weir__channel_drain(channel);
    let_others_run();
    assert_int_equal(beside_status, WEIR_ETOOBIG);
    assert_int_equal(tokens.dropped_count, 3);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void draining_drops_what_push_refuses(void **state)
{
    (void)state;
    assert_int_equal(play(drain_refusing), WEIR_OK);
}

static int close_inside_push(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 0);
    start(send_beside, 1);
    int first = beside_status;
    hooked.pushes = 1;
    hooked.push_closes = true;
    weir__channel_drain(channel);
    assert_int_equal(tokens.received_count, 1);
    assert_int_equal(tokens.dropped_count, 0);
    let_others_run();
    assert_int_equal(first, 1);
    assert_int_equal(beside_status, WEIR_OK);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void an_item_that_closes_the_channel_as_it_goes_is_not_dropped(void **state)
{
    (void)state;
    assert_int_equal(play(close_inside_push), WEIR_OK);
}

static int close_and_forget(void *arg)
{
    (void)arg;
    weir_channel *channel = open_hooked(&push_kind, 0);
    start(send_beside, 1);
    hooked.push_forgets = true;
    weir__channel_drain(channel);
    assert_int_equal(tokens.dropped_count, 1);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CLOSED);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_push_that_closes_and_does_not_take_has_the_item_dropped(void **state)
{
    (void)state;
    assert_int_equal(play(close_and_forget), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pull_is_asked_only_when_nothing_is_queued_and_nothing_closed),
        cmocka_unit_test(a_woken_receiver_pulls_or_waits_again),
        cmocka_unit_test(a_receiver_woken_in_vain_and_cancelled_ends),
        cmocka_unit_test(from_the_loop_a_receiver_runs_at_once),
        cmocka_unit_test(a_select_is_woken_for_a_pull_too),
        cmocka_unit_test(push_is_offered_an_item_before_it_queues),
        cmocka_unit_test(what_push_refuses_is_dropped_and_the_sender_told),
        cmocka_unit_test(draining_moves_queue_then_senders_in_order),
        cmocka_unit_test(draining_takes_from_suspended_senders_directly),
        cmocka_unit_test(draining_drops_what_push_refuses),
        cmocka_unit_test(an_item_that_closes_the_channel_as_it_goes_is_not_dropped),
        cmocka_unit_test(a_push_that_closes_and_does_not_take_has_the_item_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
