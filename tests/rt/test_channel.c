/* Channels as their users see them. Items are tokens: each is received or dropped, once, on every
 * path. */
#include "rt/tokens.h"

static weir_channel *pipe_; /* the channel under test, for what runs beside the main coroutine */
static int beside_status;   /* what a call beside came to */
static bool beside_is_over;

static int play(int (*run)(void *arg))
{
    tokens_reset();
    pipe_ = NULL;
    beside_status = 1;
    beside_is_over = false;
    int status = rig_play(run, NULL);
    tokens_check_all_ended();
    return status;
}

static int send_beside(void *arg)
{
    (void)arg;
    beside_status = token_send(pipe_);
    beside_is_over = true;
    return WEIR_OK;
}

static int receive_beside(void *arg)
{
    uint32_t token;
    (void)arg;
    beside_status = token_receive(pipe_, &token);
    beside_is_over = true;
    return WEIR_OK;
}

static void start(int (*run)(void *arg))
{
    assert_int_equal(weir_go(weir_scope_current(), "beside", run, NULL), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
}

static void let_others_run(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_yield(), WEIR_OK);
}

/* --- making --- */

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    weir_channel *channel;
    rig_open(&rig);
    weir_channel_options options = {.item_size = 4, .capacity = 1};
    assert_int_equal(weir_channel_new(NULL, rig.loop, &options), WEIR_EINVAL);
    assert_int_equal(weir_channel_new(&channel, NULL, &options), WEIR_EINVAL);
    assert_int_equal(weir_channel_new(&channel, rig.loop, NULL), WEIR_EINVAL);
    options.item_size = 0;
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_EINVAL);
    options.item_size = 257;
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_EINVAL);
    options.item_size = 4;
    options.capacity = SIZE_MAX;
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_EINVAL);
    options.capacity = 1;
    options.overflow = (enum weir_overflow)3;
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_EINVAL);
    assert_null(channel);
    uint32_t item = 0;
    assert_int_equal(weir_channel_send(NULL, &item), WEIR_EINVAL);
    assert_int_equal(weir_channel_try_send(NULL, &item), WEIR_EINVAL);
    assert_int_equal(weir_channel_receive(NULL, &item), WEIR_EINVAL);
    assert_int_equal(weir_channel_try_receive(NULL, &item), WEIR_EINVAL);
    weir_channel_close(NULL, WEIR_OK);
    weir_channel_cancel(NULL);
    weir_channel_free(NULL);
    rig_close(&rig);
}

static int carry_largest_items(void *arg)
{
    uint8_t sent[256], received[256];
    (void)arg;
    weir_channel *channel = rig_channel(sizeof sent, 2);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)i;
    assert_int_equal(weir_channel_send(channel, sent), WEIR_OK);
    assert_int_equal(weir_channel_receive(channel, received), WEIR_OK);
    assert_memory_equal(sent, received, sizeof sent);
    assert_int_equal(weir_channel_send(channel, NULL), WEIR_EINVAL);
    assert_int_equal(weir_channel_receive(channel, NULL), WEIR_EINVAL);
    weir_channel_free(channel);
    return WEIR_OK;
}

static void items_may_have_256_bytes(void **state)
{
    (void)state;
    assert_int_equal(play(carry_largest_items), WEIR_OK);
}

/* --- order and capacity --- */

static int fill_and_empty(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = token_channel(5, WEIR_OVERFLOW_SUSPEND);
    uint32_t next = 0;
    for (uint32_t round = 0; round < 19; round++) {
        size_t before = weir_channel_count(channel);
        while (token_try_send(channel) == WEIR_OK)
            continue;
        tokens.count--; /* the one that was left with us is made again */
        tokens.ended[tokens.count] = 0;
        assert_true(weir_channel_count(channel) == 5 && before <= 5);
        for (uint32_t i = 0; i <= round % 5; i++) {
            assert_int_equal(token_receive(channel, &token), WEIR_OK);
            assert_int_equal(token, next++);
        }
    }
    weir_channel_free(channel);
    return WEIR_OK;
}

static void items_come_in_the_order_sent_and_no_more_than_fit(void **state)
{
    (void)state;
    assert_int_equal(play(fill_and_empty), WEIR_OK);
    assert_true(tokens.dropped_count > 0);
}

static int meet(void *arg)
{
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(token_try_send(pipe_), WEIR_EAGAIN);
    start(send_beside);
    assert_false(beside_is_over);
    assert_int_equal(weir_channel_count(pipe_), 0);
    assert_int_equal(token_receive(pipe_, &token), WEIR_OK);
    assert_int_equal(token, 1);
    let_others_run();
    assert_true(beside_is_over);
    assert_int_equal(beside_status, WEIR_OK);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void without_capacity_a_sender_waits_for_its_receiver(void **state)
{
    (void)state;
    assert_int_equal(play(meet), WEIR_OK);
}

static int hand_to_waiting(void *arg)
{
    (void)arg;
    pipe_ = token_channel(4, WEIR_OVERFLOW_SUSPEND);
    start(receive_beside);
    assert_int_equal(token_try_send(pipe_), WEIR_OK);
    assert_int_equal(weir_channel_count(pipe_), 0);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void a_waiting_receiver_gets_the_item_past_the_queue(void **state)
{
    (void)state;
    assert_int_equal(play(hand_to_waiting), WEIR_OK);
}

static int wait_for_room(void *arg)
{
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    start(send_beside);
    assert_false(beside_is_over);
    assert_int_equal(token_receive(pipe_, &token), WEIR_OK);
    assert_int_equal(weir_channel_count(pipe_), 2);
    let_others_run();
    assert_int_equal(beside_status, WEIR_OK);
    for (uint32_t i = 1; i < 3; i++) {
        assert_int_equal(token_receive(pipe_, &token), WEIR_OK);
        assert_int_equal(token, i);
    }
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void a_sender_waits_while_the_queue_is_full(void **state)
{
    (void)state;
    assert_int_equal(play(wait_for_room), WEIR_OK);
}

/* --- many at both ends --- */

enum { PRODUCERS = 8, CONSUMERS = 5, EACH = 200 };

struct crowd {
    weir_channel *channel;
    size_t capacity;
    uint32_t consumers;
    uint32_t producers_left;
    uint32_t last[PRODUCERS]; /* item last received of each producer, counted from 1 */
    uint32_t received;
};

struct producer {
    struct crowd *crowd;
    uint32_t number;
};

static int produce(void *arg)
{
    struct producer *producer = arg;
    for (uint32_t i = 1; i <= EACH; i++) {
        uint32_t item[2] = {producer->number, i};
        assert_int_equal(weir_channel_send(producer->crowd->channel, item), WEIR_OK);
        if (i % 7 == producer->number)
            assert_int_equal(weir_yield(), WEIR_OK);
    }
    if (--producer->crowd->producers_left == 0)
        weir_channel_close(producer->crowd->channel, WEIR_OK);
    return WEIR_OK;
}

static int consume(void *arg)
{
    struct crowd *crowd = arg;
    uint32_t item[2];
    int status;
    while ((status = weir_channel_receive(crowd->channel, item)) == WEIR_OK) {
        if (crowd->consumers == 1)
            assert_int_equal(item[1], crowd->last[item[0]] + 1);
        crowd->last[item[0]] = item[1];
        crowd->received++;
        if (crowd->received % 11 == 0)
            assert_int_equal(weir_yield(), WEIR_OK);
    }
    assert_int_equal(status, WEIR_CLOSED);
    return status;
}

static int run_crowd(void *arg)
{
    struct crowd *crowd = arg;
    struct producer producers[PRODUCERS];
    weir_scope scope;
    crowd->channel = rig_channel(2 * sizeof(uint32_t), crowd->capacity);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){crowd, i};
        assert_int_equal(weir_go(&scope, "producer", produce, &producers[i]), WEIR_OK);
    }
    for (uint32_t i = 0; i < crowd->consumers; i++)
        assert_int_equal(weir_go(&scope, "consumer", consume, crowd), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(crowd->received, PRODUCERS * EACH);
    weir_channel_free(crowd->channel);
    return WEIR_OK;
}

static void nothing_is_lost_between_many_senders_and_many_receivers(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < 10; capacity++) {
        struct crowd many = {
            .capacity = capacity, .consumers = CONSUMERS, .producers_left = PRODUCERS};
        struct crowd one = {.capacity = capacity, .consumers = 1, .producers_left = PRODUCERS};
        assert_int_equal(rig_play(run_crowd, &many), WEIR_OK);
        assert_int_equal(rig_play(run_crowd, &one), WEIR_OK);
    }
}

/* --- full queues --- */

static int overflow_and_fail(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = token_channel(2, WEIR_OVERFLOW_FAIL);
    assert_int_equal(token_send(channel), WEIR_OK);
    assert_int_equal(token_send(channel), WEIR_OK);
    assert_int_equal(token_send(channel), WEIR_ELIMIT);
    assert_true(weir_channel_is_closed(channel));
    assert_int_equal(tokens.dropped_count, 1);
    assert_int_equal(token_send(channel), WEIR_CLOSED);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(token_receive(channel, &token), WEIR_OK);
        assert_int_equal(token, i);
    }
    assert_int_equal(token_receive(channel, &token), WEIR_ELIMIT);
    weir_channel_free(channel);
    return WEIR_OK;
}

static void a_full_queue_that_may_not_wait_fails_and_closes(void **state)
{
    (void)state;
    assert_int_equal(play(overflow_and_fail), WEIR_OK);
}

static int overflow_and_drop(void *arg)
{
    uint32_t token;
    (void)arg;
    weir_channel *channel = token_channel(3, WEIR_OVERFLOW_DROP_OLDEST);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(i % 2 == 0 ? token_send(channel) : token_try_send(channel), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 7);
    for (uint32_t i = 7; i < 10; i++) {
        assert_int_equal(token_receive(channel, &token), WEIR_OK);
        assert_int_equal(token, i);
    }
    weir_channel_free(channel);
    return WEIR_OK;
}

static void a_full_queue_that_may_forget_drops_the_oldest(void **state)
{
    (void)state;
    assert_int_equal(play(overflow_and_drop), WEIR_OK);
}

static int forget_without_queue(void *arg)
{
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_DROP_OLDEST);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 1);
    start(receive_beside);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    let_others_run();
    assert_int_equal(tokens.received_count, 1);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void without_a_queue_an_item_that_nobody_waits_for_is_forgotten(void **state)
{
    (void)state;
    assert_int_equal(play(forget_without_queue), WEIR_OK);
}

/* --- outside coroutines, and without memory --- */

static void outside_a_coroutine_what_would_suspend_fails(void **state)
{
    (void)state;
    struct rig rig;
    weir_channel *channel;
    uint32_t token;
    tokens_reset();
    rig_open(&rig);
    const weir_channel_options options = {
        .item_size = sizeof token, .capacity = 1, .drop = token_drop};
    assert_int_equal(weir_channel_new(&channel, rig.loop, &options), WEIR_OK);
    assert_int_equal(token_receive(channel, &token), WEIR_ESTATE);
    assert_int_equal(weir_channel_try_receive(channel, &token), WEIR_EAGAIN);
    assert_int_equal(token_send(channel), WEIR_OK);
    assert_int_equal(token_send(channel), WEIR_ESTATE);
    assert_int_equal(tokens.dropped_count, 1);
    assert_int_equal(token_try_send(channel), WEIR_EAGAIN);
    assert_int_equal(token_receive(channel, &token), WEIR_OK);
    weir_channel_free(channel);
    tokens_check_all_ended();
    rig_close(&rig);
}

static int use_without_memory(void *arg)
{
    struct rig *rig = arg;
    weir_channel *channel;
    uint32_t token;
    const weir_channel_options options = {
        .item_size = sizeof token, .capacity = 100, .drop = token_drop};
    int status = weir_channel_new(&channel, rig->loop, &options);
    if (status != WEIR_OK) {
        assert_null(channel);
        return status;
    }
    status = token_send(channel);
    if (status == WEIR_OK)
        status = token_receive(channel, &token);
    weir_channel_free(channel);
    return status;
}

static void oom_at_each_allocation_is_an_error_that_leaves_nothing(void **state)
{
    (void)state;
    int status = WEIR_ENOMEM;
    size_t failed = 0;
    for (size_t n = 1; status != WEIR_OK; n++) {
        struct rig rig;
        tokens_reset();
        rig_open(&rig);
        rig.memory.fail_at = rig.memory.calls + n;
        status = weir_loop_run(rig.loop, "main", use_without_memory, &rig);
        assert_true(status == WEIR_OK || status == WEIR_ENOMEM);
        failed += status != WEIR_OK;
        rig_close(&rig);
        tokens_check_all_ended();
    }
    assert_int_equal(failed, 2); /* the channel, its queue */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(items_may_have_256_bytes),
        cmocka_unit_test(items_come_in_the_order_sent_and_no_more_than_fit),
        cmocka_unit_test(without_capacity_a_sender_waits_for_its_receiver),
        cmocka_unit_test(a_waiting_receiver_gets_the_item_past_the_queue),
        cmocka_unit_test(a_sender_waits_while_the_queue_is_full),
        cmocka_unit_test(nothing_is_lost_between_many_senders_and_many_receivers),
        cmocka_unit_test(a_full_queue_that_may_not_wait_fails_and_closes),
        cmocka_unit_test(a_full_queue_that_may_forget_drops_the_oldest),
        cmocka_unit_test(without_a_queue_an_item_that_nobody_waits_for_is_forgotten),
        cmocka_unit_test(outside_a_coroutine_what_would_suspend_fails),
        cmocka_unit_test(oom_at_each_allocation_is_an_error_that_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
