/* A channel with a stackless end: the hooks of a kind, and the calls that are made for them. */
#include "rt/channel.h"
#include "rt/tokens.h"

struct item {
    uint32_t token;
    uint32_t weight;
};

struct hooked {
    weir_channel channel;
    uint32_t source;      /* how many items pull has at hand */
    uint32_t pushes;      /* how many items push takes before it cannot */
    uint32_t last_pushed; /* its token */
    int push_status;      /* what push returns for what it refuses; 0: it refuses nothing */
    bool push_closes;     /* it closes the channel when it takes */
    bool push_forgets;    /* it closes the channel and does not take */
    uint32_t fail_keep;   /* the n-th keep from now fails; 0: none */
    size_t bytes_max;
    unsigned pulled, pushed, kept, took;
};

static struct hooked hooked;
static int beside_status;

static void drop_item(weir_channel *channel, void *item)
{
    (void)channel;
    token_drop(&((struct item *)item)->token, NULL);
}

static int pull_item(weir_channel *channel, void *item)
{
    (void)channel;
    hooked.pulled++;
    if (hooked.source == 0)
        return WEIR_EAGAIN;
    hooked.source--;
    *(struct item *)item = (struct item){token_new(), 1};
    return WEIR_OK;
}

static int push_item(weir_channel *channel, void *item)
{
    hooked.pushed++;
    if (hooked.push_closes || hooked.push_forgets)
        weir_channel_close(channel, WEIR_OK);
    if (hooked.push_forgets || hooked.pushes == 0)
        return WEIR_EAGAIN;
    if (hooked.push_status != WEIR_OK)
        return hooked.push_status;
    hooked.pushes--;
    hooked.last_pushed = ((struct item *)item)->token;
    token_received(hooked.last_pushed);
    return WEIR_OK;
}

static int keep_item(weir_channel *channel, void *item)
{
    (void)channel;
    (void)item;
    hooked.kept++;
    if (hooked.fail_keep > 0 && --hooked.fail_keep == 0)
        return WEIR_ENOMEM;
    return WEIR_OK;
}

static bool admit_item(const weir_channel *channel, const void *item)
{
    return channel->bytes + ((const struct item *)item)->weight <= hooked.bytes_max;
}

static size_t weigh_item(const void *item)
{
    return ((const struct item *)item)->weight;
}

static void note_taking(weir_channel *channel)
{
    (void)channel;
    hooked.took++;
}

static const struct weir__channel_kind plain_kind = {.item_size = sizeof(struct item),
                                                     .drop = drop_item};
static const struct weir__channel_kind pull_kind = {
    .item_size = sizeof(struct item), .drop = drop_item, .pull = pull_item, .keep = keep_item};
static const struct weir__channel_kind push_kind = {
    .item_size = sizeof(struct item), .drop = drop_item, .push = push_item, .keep = keep_item};
static const struct weir__channel_kind heavy_kind = {.item_size = sizeof(struct item),
                                                     .drop = drop_item,
                                                     .keep = keep_item,
                                                     .admits = admit_item,
                                                     .weigh = weigh_item,
                                                     .took = note_taking};
static const struct weir__channel_kind forgetful_kind = {.item_size = sizeof(struct item),
                                                         .overflow = WEIR_OVERFLOW_DROP_OLDEST,
                                                         .drop = drop_item,
                                                         .admits = admit_item,
                                                         .weigh = weigh_item};

static weir_channel *open_hooked(const struct weir__channel_kind *kind, uint32_t capacity)
{
    hooked = (struct hooked){.bytes_max = 100};
    weir__channel_init(&hooked.channel, weir_loop_current(), kind, capacity);
    return &hooked.channel;
}

static int play(int (*run)(void *arg))
{
    tokens_reset();
    beside_status = 1;
    int status = rig_play(run, NULL);
    tokens_check_all_ended();
    return status;
}

static int send_weight(weir_channel *channel, uint32_t weight)
{
    struct item item = {token_new(), weight};
    return weir_channel_send(channel, &item);
}

static int receive(weir_channel *channel, uint32_t *token)
{
    struct item item;
    int status = weir_channel_receive(channel, &item);
    if (status == WEIR_OK)
        token_received(*token = item.token);
    return status;
}

static int send_beside(void *arg)
{
    beside_status = send_weight(&hooked.channel, (uint32_t)(uintptr_t)arg);
    return WEIR_OK;
}

static int receive_beside(void *arg)
{
    uint32_t token;
    (void)arg;
    beside_status = receive(&hooked.channel, &token);
    return WEIR_OK;
}

static void start(int (*run)(void *arg), uintptr_t arg)
{
    assert_int_equal(weir_go(weir_scope_current(), "beside", run, (void *)arg), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
}

static void let_others_run(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_yield(), WEIR_OK);
}

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
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELED);
    assert_int_equal(beside_status, WEIR_CANCELED);
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
    assert_int_equal(weir_channel_try_send(channel, &light), WEIR_EAGAIN); /* it does not overtake */
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
    weir_channel *channel = open_hooked(&forgetful_kind, 10);
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
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELED);
    assert_int_equal(beside_status, WEIR_CANCELED);
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
        cmocka_unit_test(an_item_that_cannot_be_kept_is_dropped_and_its_sender_told),
        cmocka_unit_test(a_receiver_passes_over_a_sender_whose_item_cannot_be_kept),
        cmocka_unit_test(a_queue_can_be_bounded_in_bytes),
        cmocka_unit_test(as_many_of_the_oldest_are_dropped_as_the_new_one_needs),
        cmocka_unit_test(a_sender_that_waits_by_itself_keeps_its_item_on_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
