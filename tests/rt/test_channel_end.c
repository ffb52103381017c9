/* How a channel ends: closed, cancelled, or its users cancelled. */
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

/* --- closing --- */

static int close_full(void *arg)
{
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    start(send_beside);
    weir_channel_close(pipe_, WEIR_OK);
    weir_channel_close(pipe_, WEIR_ELOST); /* the first counts */
    assert_true(weir_channel_is_closed(pipe_));
    let_others_run();
    assert_int_equal(beside_status, WEIR_CLOSED);
    assert_int_equal(tokens.dropped_count, 1);
    assert_int_equal(token_send(pipe_), WEIR_CLOSED);
    assert_int_equal(token_try_send(pipe_), WEIR_CLOSED);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(token_receive(pipe_, &token), WEIR_OK);
        assert_int_equal(token, i);
    }
    assert_int_equal(token_receive(pipe_, &token), WEIR_CLOSED);
    assert_int_equal(weir_channel_try_receive(pipe_, &token), WEIR_CLOSED);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void closing_lets_queued_items_out_and_wakes_senders(void **state)
{
    (void)state;
    assert_int_equal(play(close_full), WEIR_OK);
}

static int close_with_status(void *arg)
{
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    start(receive_beside);
    weir_channel_close(pipe_, WEIR_ELOST);
    let_others_run();
    assert_int_equal(beside_status, WEIR_ELOST);
    assert_int_equal(token_send(pipe_), WEIR_CLOSED);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void receivers_get_the_status_of_the_close(void **state)
{
    (void)state;
    assert_int_equal(play(close_with_status), WEIR_OK);
}

static int cancel_full(void *arg)
{
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    start(send_beside);
    weir_channel_cancel(pipe_);
    assert_int_equal(tokens.dropped_count, 3);
    assert_int_equal(weir_channel_count(pipe_), 0);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CANCELLED);
    assert_int_equal(token_send(pipe_), WEIR_CANCELLED);
    assert_int_equal(token_receive(pipe_, &token), WEIR_CANCELLED);
    weir_channel_close(pipe_, WEIR_OK);
    assert_int_equal(token_receive(pipe_, &token), WEIR_CANCELLED);
    weir_channel_cancel(pipe_);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void cancelling_drops_all_and_wakes_all(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_full), WEIR_OK);
}

static int cancel_after_close(void *arg)
{
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    weir_channel_close(pipe_, WEIR_OK);
    weir_channel_cancel(pipe_);
    assert_int_equal(token_receive(pipe_, &token), WEIR_CANCELLED);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void cancelling_a_closed_channel_still_drops_its_items(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_after_close), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 1);
}

static int cancel_with_receiver(void *arg)
{
    (void)arg;
    pipe_ = token_channel(2, WEIR_OVERFLOW_SUSPEND);
    start(receive_beside);
    weir_channel_cancel(pipe_);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CANCELLED);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void cancelling_wakes_a_receiver(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_with_receiver), WEIR_OK);
}

/* The coroutines that it wakes run only when it is gone. */
static int free_with_waiting(void *arg)
{
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    start(send_beside);
    weir_channel_free(pipe_);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CANCELLED);
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    start(receive_beside);
    weir_channel_free(pipe_);
    let_others_run();
    assert_int_equal(beside_status, WEIR_CANCELLED);
    return WEIR_OK;
}

static void freeing_wakes_whoever_waits_without_being_touched_again(void **state)
{
    (void)state;
    assert_int_equal(play(free_with_waiting), WEIR_OK);
    assert_int_equal(tokens.dropped_count, 1);
}

/* --- cancelled scopes --- */

static int cancel_sender(void *arg)
{
    weir_scope scope;
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(send_beside);
    weir_scope_cancel(&scope);
    assert_int_equal(tokens.dropped_count, 1);
    weir_channel_free(pipe_); /* before the sender has run */
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_CANCELLED);
    return WEIR_OK;
}

static void a_cancelled_senders_item_is_dropped_once(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_sender), WEIR_OK);
}

static int cancel_woken_receiver(void *arg)
{
    weir_scope scope;
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(receive_beside);
    assert_int_equal(token_send(pipe_), WEIR_OK);
    weir_scope_cancel(&scope); /* it has the item already, and has not run */
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_OK);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void cancelling_a_receiver_that_was_woken_loses_no_item(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_woken_receiver), WEIR_OK);
    assert_int_equal(tokens.received_count, 1);
}

static int cancel_woken_sender(void *arg)
{
    weir_scope scope;
    uint32_t token;
    (void)arg;
    pipe_ = token_channel(0, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    start(send_beside);
    assert_int_equal(token_receive(pipe_, &token), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(beside_status, WEIR_OK);
    weir_channel_free(pipe_);
    return WEIR_OK;
}

static void cancelling_a_sender_that_was_woken_doubles_no_item(void **state)
{
    (void)state;
    assert_int_equal(play(cancel_woken_sender), WEIR_OK);
}

static int use_in_cancelled_scope(void *arg)
{
    weir_scope scope;
    uint32_t token;
    (void)arg;
    weir_channel *channel = token_channel(1, WEIR_OVERFLOW_SUSPEND);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(token_receive(channel, &token), WEIR_CANCELLED);
    assert_int_equal(token_send(channel), WEIR_OK); /* it does not have to suspend */
    assert_int_equal(token_send(channel), WEIR_CANCELLED);
    assert_int_equal(tokens.dropped_count, 1);
    assert_int_equal(token_receive(channel, &token), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    weir_channel_free(channel);
    return WEIR_OK;
}

static void in_a_cancelled_scope_only_what_would_suspend_fails(void **state)
{
    (void)state;
    assert_int_equal(play(use_in_cancelled_scope), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closing_lets_queued_items_out_and_wakes_senders),
        cmocka_unit_test(receivers_get_the_status_of_the_close),
        cmocka_unit_test(cancelling_drops_all_and_wakes_all),
        cmocka_unit_test(cancelling_a_closed_channel_still_drops_its_items),
        cmocka_unit_test(cancelling_wakes_a_receiver),
        cmocka_unit_test(freeing_wakes_whoever_waits_without_being_touched_again),
        cmocka_unit_test(a_cancelled_senders_item_is_dropped_once),
        cmocka_unit_test(cancelling_a_receiver_that_was_woken_loses_no_item),
        cmocka_unit_test(cancelling_a_sender_that_was_woken_doubles_no_item),
        cmocka_unit_test(in_a_cancelled_scope_only_what_would_suspend_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
