/* ctest: loops */
/* Pings of sessions: when they are sent, what counts as an answer, which session a missing one
 * ends; and the pinger and ponger of raw sessions. */
#include "support/session_rig.h"

static int ping_without_a_pong_ends_the_session_at_once(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 100, .ping_timeout_ms = 100});
    uint64_t start = weir_loop_now(rig.loop);
    assert_status(weir_receive(rig.session, &frame), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 200, 2);
    assert_true(rig_take_frame(&rig, &first, payload, sizeof payload) > 8);
    assert_int_equal(first, 0x89);
    size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x88);
    assert_int_equal(payload[0] << 8 | payload[1], 1011);
    assert_memory_equal(payload + 2, "Ping timeout", size - 2);
    assert_status(weir_session_join(rig.session), WEIR_ETIMEDOUT);
    rig_expect_ended(&rig, WEIR_END_PING_TIMEOUT, 1011, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(ping_without_a_pong_ends_the_session_at_once)

static int matching_pongs_keep_it_alive_and_others_do_not_count(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_CLIENT,
             &(weir_session_options){.ping_interval_ms = 20, .ping_timeout_ms = 20000});
    assert_int_equal(weir_session_round_trip_ms(rig.session), WEIR_UNLIMITED);
    for (int i = 0; i < 5; i++) {
        size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
        assert_int_equal(first, 0x89);
        assert_ok(weir_sleep(10));
        rig_put_frame(&rig, 0x8a, "no", 2);
        rig_put_frame(&rig, 0x8a, payload, size);
    }
    size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_in_range(weir_session_round_trip_ms(rig.session), 10, rig_is_real() ? 20000 : 12);
    weir_session_set_ping(rig.session, 20, 200); /* from the next ping on */
    rig_put_frame(&rig, 0x8a, payload, size);
    rig_take_frame(&rig, &first, payload, sizeof payload);
    rig_put_frame(&rig, 0x8a, "no", 2);
    assert_status(weir_session_join(rig.session), WEIR_ETIMEDOUT);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(matching_pongs_keep_it_alive_and_others_do_not_count)

static int payloads_are_tagged_hex_and_never_the_same(void *arg)
{
    struct rig rig;
    uint8_t first;
    char payloads[8][128];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 1, .ping_timeout_ms = 20000});
    for (int i = 0; i < 8; i++) {
        size_t size = rig_take_frame(&rig, &first, payloads[i], sizeof payloads[i] - 1);
        payloads[i][size] = '\0';
        assert_int_equal(first, 0x89);
        assert_int_equal(size, strlen("weir ping ") + 16);
        assert_memory_equal(payloads[i], "weir ping ", strlen("weir ping "));
        assert_int_equal(strspn(payloads[i] + strlen("weir ping "), "0123456789abcdef"), 16);
        for (int before = 0; before < i; before++)
            assert_string_not_equal(payloads[before], payloads[i]);
        rig_put_frame(&rig, 0x8a, payloads[i], size);
    }
    rig_close(&rig);
    return WEIR_OK;
}
RUN(payloads_are_tagged_hex_and_never_the_same)

static int pinging_is_switched_off_and_on_while_it_runs(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 10, .ping_timeout_ms = 10});
    weir_session_set_ping(rig.session, WEIR_UNLIMITED, 10);
    assert_ok(weir_sleep(100));
    assert_ok(weir_send_text(rig.session, "no ping before this"));
    rig_expect_frame(&rig, 0x81, "no ping before this", 19);
    weir_session_set_ping(rig.session, 10, 20000);
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pinging_is_switched_off_and_on_while_it_runs)

/* In virtual time alone: with a late kernel, the peer would seem too late. */
static int clock_stands_still_while_a_message_arrives(void *arg)
{
    struct rig rig;
    weir_end end;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 50, .ping_timeout_ms = 100});
    rig_put(&rig, "\x82\xc8\0\0\0\0", 6); /* 72 bytes, one each 60 ms, and no pong */
    for (int i = 0; i < 71; i++) {
        assert_ok(weir_sleep(60));
        rig_put(&rig, "x", 1);
    }
    weir_session_end_get(&end, rig.session);
    assert_int_equal(end.kind, WEIR_END_NONE);
    uint64_t start = weir_loop_now(rig.loop);
    assert_status(weir_session_join(rig.session), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 99, 62);
    rig_close(&rig);
    return WEIR_OK;
}

static void clock_stands_still_while_a_message_arrives_(void **state)
{
    (void)state;
    rig_run(clock_stands_still_while_a_message_arrives, NULL);
}

struct suspended {
    struct rig *rig;
    int status;
};

static int wait_for_frame(void *arg)
{
    struct suspended *self = arg;
    weir_frame frame;
    self->status = weir_receive(self->rig->session, &frame);
    return WEIR_OK;
}

static int send_for_ever(void *arg)
{
    static uint8_t payload[100000];
    struct suspended *self = arg;
    do
        self->status = weir_send_binary(self->rig->session, payload, sizeof payload);
    while (self->status == WEIR_OK);
    return WEIR_OK;
}

static int timeout_passes_a_stuck_queue_and_wakes_everybody(void *arg)
{
    struct rig rig;
    weir_scope scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){
                 .ping_interval_ms = 100, .ping_timeout_ms = 100, .high_water = 100000});
    struct suspended receiver = {&rig, WEIR_OK};
    struct suspended sender = {&rig, WEIR_OK};
    uint64_t start = weir_loop_now(rig.loop);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "receiver", wait_for_frame, &receiver));
    assert_ok(weir_go(&scope, "sender", send_for_ever, &sender));
    assert_ok(weir_scope_join(&scope)); /* the wire is never read */
    assert_status(receiver.status, WEIR_ETIMEDOUT);
    assert_status(sender.status, WEIR_CLOSED);
    assert_status(weir_session_join(rig.session), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 200, 2);
    rig_expect_ended(&rig, WEIR_END_PING_TIMEOUT, 1011, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(timeout_passes_a_stuck_queue_and_wakes_everybody)

static int own_slowness_is_not_the_peers_fault(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 10, .ping_timeout_ms = 20});
    for (int i = 0; i < 200; i++)
        rig_put_text(&rig, "unread"); /* more than queue: the session stops reading */
    assert_ok(weir_sleep(200));
    weir_end end;
    weir_session_end_get(&end, rig.session);
    assert_int_equal(end.kind, WEIR_END_NONE);
    for (int i = 0; i < 200; i++)
        rig_expect_received(&rig, WEIR_FRAME_TEXT, "unread", 6);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(own_slowness_is_not_the_peers_fault)

static int pinger_and_ponger_serve_a_raw_session(void *arg)
{
    struct rig rig;
    weir_channel *pongs;
    weir_channel *pings;
    weir_frame frame;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    assert_status(weir_pinger_start(NULL, rig.session, 10, 100), WEIR_EINVAL);
    assert_ok(weir_pinger_start(&pongs, rig.session, 10, rig_is_real() ? 500 : 100));
    assert_ok(weir_ponger_start(&pings, rig.session));
    for (int i = 0; i < 3; i++) {
        size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
        assert_int_equal(first, 0x89);
        rig_put_frame(&rig, 0x8a, payload, size);
        assert_ok(weir_receive(rig.session, &frame));
        assert_ok(weir_channel_send(pongs, &frame));
        frame = (weir_frame){0};
        rig_put_frame(&rig, 0x89, "yours", 5);
        assert_ok(weir_receive(rig.session, &frame));
        assert_ok(weir_channel_send(pings, &frame));
        frame = (weir_frame){0};
        rig_expect_frame(&rig, 0x8a, "yours", 5);
    }
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x88);
    assert_memory_equal(payload + 2, "Ping timeout", size - 2);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pinger_and_ponger_serve_a_raw_session)

/* While the queue has no room, the ponger keeps only the newest ping. */
static int ponger_answers_the_newest_ping_of_those_that_had_no_room(void *arg)
{
    static uint8_t plenty[8 << 20];
    struct rig rig;
    weir_channel *pings;
    weir_channel *again;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.outgoing_capacity = 1});
    assert_ok(weir_ponger_start(&pings, rig.session));
    assert_ok(weir_ponger_start(&again, rig.session));
    assert_ptr_equal(again, pings); /* one is enough */
    assert_ok(weir_send_binary(rig.session, plenty, sizeof plenty));
    assert_ok(weir_sleep(1));
    assert_ok(weir_send_text(rig.session, "queued"));
    weir_frame frames[] = {weir_frame_ping("old", 3), weir_frame_ping("newest", 6),
                           weir_frame_pong("no ping", 7)};
    for (int i = 0; i < 3; i++)
        assert_ok(weir_channel_send(pings, &frames[i]));
    rig_expect_frame(&rig, 0x82, plenty, sizeof plenty);
    rig_expect_frame(&rig, 0x81, "queued", 6);
    rig_expect_frame(&rig, 0x8a, "newest", 6);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(ponger_answers_the_newest_ping_of_those_that_had_no_room)

static int pong_that_is_owed_goes_with_its_session(void *arg)
{
    static uint8_t plenty[8 << 20];
    struct rig rig;
    weir_channel *pings;
    weir_channel *pongs;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.outgoing_capacity = 1});
    assert_status(weir_ponger_start(NULL, rig.session), WEIR_EINVAL);
    assert_ok(weir_ponger_start(&pings, rig.session));
    assert_ok(weir_send_binary(rig.session, plenty, sizeof plenty));
    assert_ok(weir_sleep(1));
    assert_ok(weir_send_text(rig.session, "queued"));
    weir_frame ping = weir_frame_ping("owed", 4);
    assert_ok(weir_channel_send(pings, &ping));
    weir_terminate(rig.session);
    assert_status(weir_session_join(rig.session), WEIR_CANCELLED);
    assert_status(weir_ponger_start(&pings, rig.session), WEIR_CLOSED);
    assert_status(weir_pinger_start(&pongs, rig.session, 10, 10), WEIR_CLOSED);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pong_that_is_owed_goes_with_its_session)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ping_without_a_pong_ends_the_session_at_once_),
        cmocka_unit_test(matching_pongs_keep_it_alive_and_others_do_not_count_),
        cmocka_unit_test(payloads_are_tagged_hex_and_never_the_same_),
        cmocka_unit_test(pinging_is_switched_off_and_on_while_it_runs_),
        cmocka_unit_test(clock_stands_still_while_a_message_arrives_),
        cmocka_unit_test(timeout_passes_a_stuck_queue_and_wakes_everybody_),
        cmocka_unit_test(own_slowness_is_not_the_peers_fault_),
        cmocka_unit_test(pinger_and_ponger_serve_a_raw_session_),
        cmocka_unit_test(ponger_answers_the_newest_ping_of_those_that_had_no_room_),
        cmocka_unit_test(pong_that_is_owed_goes_with_its_session_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
