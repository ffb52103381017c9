/* Channels whose items are kept and weighed, and the calls for ends without a stack. */
#include "hooked.h"

/* --- keep --- */

static int fail_to_keep(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked(&heavy_kind, 1);
    hooked.fail_keep = 1;
    assert_int_equal(send_weight(channel, 1), WEIR_ENOMEM); /* into the queue */
    assert_int_equal(channel->bytes, 0);
    start(receive_beside, 0);
    hooked.fail_keep = 1;
    assert_int_equal(send_weight(channel, 1), WEIR_ENOMEM); /* to a receiver: it goes on waiting */
    assert_true(weir__channel_has_receiver(channel));
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    assert_int_equal(send_weight(channel, 1), WEIR_OK);
    start(send_beside, 1);
    hooked.fail_keep = 1;
    assert_int_equal(receive(channel, &token), WEIR_OK); /* from a suspended sender to the queue */
    let_others_run();
    assert_int_equal(beside_status, WEIR_ENOMEM);
    assert_int_equal(weir_channel_count(channel), 0);
    assert_int_equal(tokens.dropped_count, 3);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void an_item_that_cannot_be_kept_is_dropped_and_its_sender_told(void **state)
{
    (void)state;
    assert_int_equal(play(fail_to_keep), WEIR_OK);
}

static int fail_to_keep_one_of_two(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked(&heavy_kind, 0);
    start(send_beside, 1);
    start(send_beside, 2);
    hooked.fail_keep = 1;
    assert_int_equal(receive(channel, &token), WEIR_OK);
    assert_int_equal(token, 1);
    assert_int_equal(tokens.dropped_count, 1);
    let_others_run();
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_receiver_passes_over_a_sender_whose_item_cannot_be_kept(void **state)
{
    (void)state;
    assert_int_equal(play(fail_to_keep_one_of_two), WEIR_OK);
}

/* --- weight --- */

static int bound_bytes(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked(&heavy_kind, 10);
    assert_int_equal(send_weight(channel, 90), WEIR_OK);
    assert_int_equal(channel->bytes, 90);
    for (uint32_t i = 0; i < 4; i++)
        start(send_beside, 30);
    assert_int_equal(weir_channel_count(channel), 1);
    struct item light = {token_new(), 1};
    assert_int_equal(weir_channel_try_send(channel, &light),
                     WEIR_EAGAIN); /* it does not overtake */
    token_end(light.token);
    assert_int_equal(receive(channel, &token), WEIR_OK);
    assert_int_equal(weir_channel_count(channel), 3); /* all that fit now */
    assert_int_equal(channel->bytes, 90);
    assert_int_equal(hooked.took, 1);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(receive(channel, &token), WEIR_OK);
        assert_int_equal(token, i + 1);
    }
    assert_int_equal(hooked.took, 5);
    assert_int_equal(channel->bytes, 0);
    let_others_run();
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_queue_can_be_bounded_in_bytes(void **state)
{
    (void)state;
    assert_int_equal(play(bound_bytes), WEIR_OK);
}

static int forget_bytes(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked_with(&weighed_kind, 10, WEIR_OVERFLOW_DROP_OLDEST);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(send_weight(channel, 20), WEIR_OK);
    assert_int_equal(send_weight(channel, 50), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 3);
    assert_int_equal(channel->bytes, 90);
    assert_int_equal(send_weight(channel, 500), WEIR_OK); /* too heavy at all: it alone stays */
    assert_int_equal(weir_channel_count(channel), 1);
    assert_int_equal(receive(channel, &token), WEIR_OK);
    assert_int_equal(token, 6);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void as_many_of_the_oldest_are_dropped_as_the_new_one_needs(void **state)
{
    (void)state;
    assert_int_equal(play(forget_bytes), WEIR_OK);
}

/* --- the calls for stackless ends --- */

static int send_for_itself(void *arg)
{
    struct item item = {token_new(), 1};
    weir_channel *channel = arg;
    int status = weir__channel_send_now(channel, &item);
    if (status == WEIR_EAGAIN)
        status = weir__channel_wait(&channel->senders, &item, "own send");
    beside_status = status;
    if (status != WEIR_OK)
        token_end(item.token); /* still ours */
    return WEIR_OK;
}

static int wait_as_sender(void *arg)
{
    weir_scope scope;
    uint32_t token;
    (void)arg;
    weir_channel *channel = open_hooked(&plain_kind, 0);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "own", send_for_itself, channel), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
    assert_int_equal(receive(channel, &token), WEIR_OK);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    assert_int_equal(weir_go(&scope, "own", send_for_itself, channel), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
    weir_channel_close(channel, WEIR_OK);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CLOSED);
    weir__channel_fini(channel);
    channel = open_hooked(&plain_kind, 0);
    assert_int_equal(weir_go(&scope, "own", send_for_itself, channel), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_CANCELLED);
    weir__channel_fini(channel);
    return WEIR_OK;
}

static void a_sender_that_waits_by_itself_keeps_its_item_on_failure(void **state)
{
    (void)state;
    assert_int_equal(play(wait_as_sender), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_that_cannot_be_kept_is_dropped_and_its_sender_told),
        cmocka_unit_test(a_receiver_passes_over_a_sender_whose_item_cannot_be_kept),
        cmocka_unit_test(a_queue_can_be_bounded_in_bytes),
        cmocka_unit_test(as_many_of_the_oldest_are_dropped_as_the_new_one_needs),
        cmocka_unit_test(a_sender_that_waits_by_itself_keeps_its_item_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
