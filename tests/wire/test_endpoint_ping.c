/* Pings by time: only a matching pong counts, and delays on this side do not count against the
 * peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define PONG 0x8A

static struct rig *open_with_ping(enum weir_role role, uint64_t interval_ms, uint64_t timeout_ms)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    weir_endpoint_options options = rig_options(rig, role, WEIR_DELIVER_MESSAGES);
    options.ping_interval_ms = interval_ms;
    options.ping_timeout_ms = timeout_ms;
    rig_reopen(rig, &options);
    return rig;
}

static uint64_t deadline(const struct rig *rig)
{
    return weir_endpoint_deadline(rig->endpoint);
}

/* The payload of the one ping in the output. */
static size_t take_ping(struct rig *rig, char payload[128])
{
    assert_true(strncmp(rig_sent(rig), "89:", 3) == 0);
    /* The log has escapes, for spaces too: they are decoded here. */
    size_t size = 0;
    for (const char *at = rig->sent + 3; *at != 0; at++) {
        unsigned value = (unsigned char)*at;
        if (*at == '\\') {
            assert_int_equal(sscanf(at + 1, "%2x", &value), 1);
            at += 2;
        }
        payload[size++] = (char)value;
    }
    return size;
}

static void a_ping_goes_out_after_each_pause(enum weir_role role)
{
    struct rig *rig = open_with_ping(role, 500, 200);
    char payload[128];
    assert_true(deadline(rig) == 1500);
    tick_at(rig, 1499);
    assert_int_equal(rig->out.size, 0);
    tick_at(rig, 1500);
    size_t size = take_ping(rig, payload);
    assert_true(size > 16 && size <= 125);
    assert_true(deadline(rig) == 1700);
    rig->now = 1530;
    assert_true(weir_endpoint_round_trip_ms(rig->endpoint) == WEIR_UNLIMITED);
    rig_peer(rig, PONG, payload, size);
    assert_string_equal(rig->events, "pong");
    assert_true(weir_endpoint_round_trip_ms(rig->endpoint) == 30);
    assert_true(deadline(rig) == 2030);
    tick_at(rig, 2030);
    char second[128];
    assert_int_equal(take_ping(rig, second), size);
    assert_memory_not_equal(payload, second, size);
    rig_free(rig);
}

static void server_pings_after_each_pause_and_measures_the_round_trip(void **state)
{
    (void)state;
    a_ping_goes_out_after_each_pause(WEIR_ROLE_SERVER);
}

static void client_pings_after_each_pause_and_measures_the_round_trip(void **state)
{
    (void)state;
    a_ping_goes_out_after_each_pause(WEIR_ROLE_CLIENT);
}

static void without_an_interval_no_ping_is_sent(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, WEIR_UNLIMITED, 0);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    tick_at(rig, 1000000);
    assert_int_equal(rig->out.size, 0);
    rig_free(rig);
}

static void interval_and_timeout_are_20_seconds_by_default(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 0, 0);
    assert_true(deadline(rig) == 21000);
    tick_at(rig, 21000);
    assert_true(rig->out.size > 0);
    assert_true(deadline(rig) == 41000);
    rig_free(rig);
}

static void without_a_timeout_a_pong_is_waited_for_without_limit(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, WEIR_UNLIMITED);
    char payload[128];
    tick_at(rig, 1500);
    size_t size = take_ping(rig, payload);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    weir_endpoint_hold(rig->endpoint, true, 2000);
    weir_endpoint_hold(rig->endpoint, false, 2000);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    tick_at(rig, WEIR_UNLIMITED - 2000);
    assert_int_equal(rig_end(rig).kind, WEIR_END_NONE);
    rig->now = 90000;
    rig_peer(rig, PONG, payload, size);
    assert_true(deadline(rig) == 90500);
    rig_free(rig);
}

static void a_missing_pong_ends_at_once_with_1011(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = open_with_ping((enum weir_role)role, 500, 200);
        tick_at(rig, 1500);
        rig->out.size = 0;
        tick_at(rig, 1699);
        assert_int_equal(weir_endpoint_wants(rig->endpoint), 0);
        tick_at(rig, 1700);
        assert_string_equal(rig_sent(rig), "88:1011");
        assert_int_equal(weir_endpoint_wants(rig->endpoint), WEIR_WANT_CLOSE);
        weir_end end = rig_end(rig);
        assert_int_equal(end.kind, WEIR_END_PING_TIMEOUT);
        assert_int_equal(end.status, WEIR_ETIMEDOUT);
        assert_int_equal(end.ours.code, 1011);
        assert_string_equal(end.ours.message, "Ping timeout");
        assert_null(end.fault.rule);
        assert_true(weir_endpoint_input_ended(rig->endpoint));
        assert_true(weir_endpoint_output_ended(rig->endpoint));
        assert_true(deadline(rig) == WEIR_UNLIMITED);
        rig_free(rig);
    }
}

/* The driver itself did not run: its process was stopped, or the machine slept. */
static void a_tick_that_is_far_too_late_gives_each_ping_its_time_again_once(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 90000);
    assert_true(deadline(rig) == 90200); /* one ping, however many pauses have passed */
    tick_at(rig, 91200);
    assert_int_equal(rig_end(rig).kind, WEIR_END_NONE);
    assert_true(deadline(rig) == 91400);
    tick_at(rig, 99000);
    assert_int_equal(rig_end(rig).kind, WEIR_END_PING_TIMEOUT);
    rig_free(rig);
}

static void a_tick_that_is_a_little_late_gives_no_time(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    tick_at(rig, 2699);
    assert_int_equal(rig_end(rig).kind, WEIR_END_PING_TIMEOUT);
    rig_free(rig);
}

static void a_stuck_output_does_not_stop_the_clock(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1500, NULL), WEIR_OK);
    assert_true(deadline(rig) == 1700);
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1700, NULL), WEIR_OK);
    assert_int_equal(rig->out.size, 0);
    assert_int_equal(rig_end(rig).kind, WEIR_END_PING_TIMEOUT);
    rig_free(rig);
}

static void a_ping_that_met_a_busy_output_goes_out_as_soon_as_it_can(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    char payload[128];
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1500, NULL), WEIR_OK);
    assert_int_equal(weir_endpoint_wants(rig->endpoint), WEIR_WANT_FLUSH);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, 1600, &rig->out), WEIR_OK);
    assert_int_equal(weir_endpoint_wants(rig->endpoint), 0);
    assert_true(deadline(rig) == 1800); /* the peer has its whole time */
    size_t size = take_ping(rig, payload);
    rig->now = 1650;
    rig_peer(rig, PONG, payload, size);
    assert_true(weir_endpoint_round_trip_ms(rig->endpoint) == 50);
    assert_true(deadline(rig) == 2150);
    rig_free(rig);
}

static void other_pongs_do_not_count(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    char payload[128];
    rig_peer_text(rig, PONG, "early");
    assert_true(deadline(rig) == 1500);
    tick_at(rig, 1500);
    size_t size = take_ping(rig, payload);
    rig->now = 1600;
    rig_peer_text(rig, PONG, "");
    rig_peer_text(rig, PONG, "weir ping 0000000000000000");
    payload[size - 1] ^= 1;
    rig_peer(rig, PONG, payload, size);
    payload[size - 1] ^= 1;
    rig_peer(rig, PONG, payload, size - 1);
    assert_string_equal(rig->events, "");
    assert_true(deadline(rig) == 1700);
    rig_peer(rig, PONG, payload, size);
    assert_string_equal(rig->events, "pong");
    rig_peer(rig, PONG, payload, size);
    assert_string_equal(rig->events, "pong");
    rig_free(rig);
}

static void a_pong_cut_over_inputs_counts(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk < 12; chunk += 5) {
        struct rig *rig = open_with_ping(WEIR_ROLE_CLIENT, 500, 200);
        char payload[128];
        uint8_t bytes[160];
        tick_at(rig, 1500);
        size_t size = take_ping(rig, payload);
        struct peer_frame pong = FRAME_OF(PONG, payload, size);
        rig_feed_chunks(rig, bytes, peer_write(bytes, &pong, false), chunk);
        assert_string_equal(rig->events, "pong");
        rig_free(rig);
    }
}

static void each_bytes_of_a_message_move_the_deadline(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = open_with_ping((enum weir_role)role, 500, 200);
        tick_at(rig, 1500);
        rig->now = 1690;
        rig_peer_text(rig, 0x81, "small");
        assert_true(deadline(rig) == 1890);
        rig->now = 1800;
        struct peer_frame large = FRAME(0x82, "a message that comes slowly");
        uint8_t bytes[64];
        size_t size = peer_write(bytes, &large, role == WEIR_ROLE_SERVER);
        for (size_t at = 0; at < size; at++) {
            rig->now += 150;
            rig_feed(rig, bytes + at, 1);
        }
        assert_true(deadline(rig) == rig->now + 200);
        rig->now += 100;
        rig_peer_text(rig, 0x89, "a ping is no message");
        assert_true(deadline(rig) == rig->now + 100);
        rig_free(rig);
    }
}

static void the_clock_stands_still_while_we_hold_the_reader_back(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    weir_endpoint_hold(rig->endpoint, true, 1550);
    weir_endpoint_hold(rig->endpoint, true, 1600);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    tick_at(rig, 90000);
    assert_int_equal(rig_end(rig).kind, WEIR_END_NONE);
    weir_endpoint_hold(rig->endpoint, false, 90000);
    assert_true(deadline(rig) == 90150);
    tick_at(rig, 90150);
    assert_int_equal(rig_end(rig).kind, WEIR_END_PING_TIMEOUT);
    rig_free(rig);
}

static void a_ping_sent_while_held_has_its_whole_time_afterwards(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    weir_endpoint_hold(rig->endpoint, true, 1000);
    assert_true(deadline(rig) == 1500);
    tick_at(rig, 1500);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    weir_endpoint_hold(rig->endpoint, false, 5000);
    assert_true(deadline(rig) == 5200);
    rig_free(rig);
}

static void a_deadline_that_has_passed_when_the_hold_begins_is_not_lost(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    weir_endpoint_hold(rig->endpoint, true, 1800);
    weir_endpoint_hold(rig->endpoint, false, 2000);
    assert_true(deadline(rig) == 2001);
    rig_free(rig);
}

static void bytes_of_a_message_that_were_held_back_give_the_whole_time(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    weir_endpoint_hold(rig->endpoint, true, 1650);
    rig_peer_text(rig, 0x81, "x");
    weir_endpoint_hold(rig->endpoint, false, 3000);
    assert_true(deadline(rig) == 3200);
    rig_free(rig);
}

static void the_period_can_be_changed_while_it_runs(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    weir_endpoint_set_ping(rig->endpoint, 50, 100, 1200);
    assert_true(deadline(rig) == 1250);
    tick_at(rig, 1250);
    assert_true(deadline(rig) == 1350);
    weir_endpoint_set_ping(rig->endpoint, 700, 300, 1300);
    assert_true(deadline(rig) == 1350);
    weir_endpoint_set_ping(rig->endpoint, WEIR_UNLIMITED, 0, 1300);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    weir_endpoint_set_ping(rig->endpoint, 0, 0, 1400);
    assert_true(deadline(rig) == 21400);
    weir_endpoint_set_ping(rig->endpoint, 700, 300, 2000);
    assert_true(deadline(rig) == 2700);
    rig_free(rig);
}

static void pinging_ends_with_the_closing_handshake(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    rig->out.size = 0;
    assert_int_equal(weir_endpoint_close(rig->endpoint, NULL, 1600, &rig->out), WEIR_OK);
    assert_true(deadline(rig) == 6600);
    rig->out.size = 0;
    weir_endpoint_set_ping(rig->endpoint, 10, 10, 1700);
    weir_endpoint_hold(rig->endpoint, true, 1700);
    tick_at(rig, 2000);
    assert_int_equal(rig->out.size, 0);
    assert_true(deadline(rig) == 6600);
    rig_free(rig);
}

static void a_raw_session_is_not_pinged_for(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
    weir_endpoint_options options = rig_options(rig, WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
    options.ping_interval_ms = 500;
    rig_reopen(rig, &options);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    tick_at(rig, 1500);
    assert_int_equal(rig->out.size, 0);
    weir_endpoint_set_delivery(rig->endpoint, WEIR_DELIVER_MESSAGES);
    assert_true(deadline(rig) == 2000);
    tick_at(rig, 2000);
    assert_true(rig->out.size > 0);
    rig_free(rig);
}

/* A raw session sees the pong itself: the endpoint cannot wait for it. */
static void a_session_that_becomes_raw_waits_for_no_pong(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, 500, 200);
    tick_at(rig, 1500);
    weir_endpoint_set_delivery(rig->endpoint, WEIR_DELIVER_PIECES);
    assert_true(deadline(rig) == 1700);
    weir_endpoint_set_delivery(rig->endpoint, WEIR_DELIVER_FRAMES);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    tick_at(rig, 1700);
    assert_int_equal(rig_end(rig).kind, WEIR_END_NONE);
    rig_free(rig);
}

static void times_beyond_49_days_count_as_none(void **state)
{
    (void)state;
    struct rig *rig = open_with_ping(WEIR_ROLE_SERVER, UINT32_MAX - 1, 10);
    assert_true(deadline(rig) == 1000 + (uint64_t)UINT32_MAX - 1);
    weir_endpoint_set_ping(rig->endpoint, (uint64_t)UINT32_MAX + 20, 10, 1000);
    assert_true(deadline(rig) == WEIR_UNLIMITED);
    rig_free(rig);
}

static void pings_of_the_peer_that_pile_up_are_answered_once_with_the_newest(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        rig->no_flush = true;
        rig_peer_text(rig, 0x89, "first");
        rig_peer_text(rig, 0x89, "second, longer");
        rig_peer_text(rig, 0x89, "third");
        assert_string_equal(rig->events, "ping ping ping");
        assert_int_equal(weir_endpoint_wants(rig->endpoint), WEIR_WANT_FLUSH);
        assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
        assert_string_equal(rig_sent(rig), "8a:third");
        assert_int_equal(weir_endpoint_wants(rig->endpoint), 0);
        rig_peer_text(rig, 0x89, "fourth");
        rig_peer_text(rig, 0x89, "");
        assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
        assert_string_equal(rig_sent(rig), "8a:");
        rig_free(rig);
    }
}

static void a_pings_payload_is_lent_with_its_event(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t first[] = "\x89\x05He";
    uint8_t second[] = "llo";
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, first, 4, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, second, 3, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(event.kind, WEIR_EVENT_PING);
    assert_int_equal(event.frame.size, 5);
    assert_memory_equal(event.frame.data, "Hello", 5);
    assert_null(event.frame.release);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_pings_after_each_pause_and_measures_the_round_trip),
        cmocka_unit_test(client_pings_after_each_pause_and_measures_the_round_trip),
        cmocka_unit_test(without_an_interval_no_ping_is_sent),
        cmocka_unit_test(interval_and_timeout_are_20_seconds_by_default),
        cmocka_unit_test(without_a_timeout_a_pong_is_waited_for_without_limit),
        cmocka_unit_test(a_missing_pong_ends_at_once_with_1011),
        cmocka_unit_test(a_tick_that_is_far_too_late_gives_each_ping_its_time_again_once),
        cmocka_unit_test(a_tick_that_is_a_little_late_gives_no_time),
        cmocka_unit_test(a_stuck_output_does_not_stop_the_clock),
        cmocka_unit_test(a_ping_that_met_a_busy_output_goes_out_as_soon_as_it_can),
        cmocka_unit_test(other_pongs_do_not_count),
        cmocka_unit_test(a_pong_cut_over_inputs_counts),
        cmocka_unit_test(each_bytes_of_a_message_move_the_deadline),
        cmocka_unit_test(the_clock_stands_still_while_we_hold_the_reader_back),
        cmocka_unit_test(a_ping_sent_while_held_has_its_whole_time_afterwards),
        cmocka_unit_test(a_deadline_that_has_passed_when_the_hold_begins_is_not_lost),
        cmocka_unit_test(bytes_of_a_message_that_were_held_back_give_the_whole_time),
        cmocka_unit_test(the_period_can_be_changed_while_it_runs),
        cmocka_unit_test(pinging_ends_with_the_closing_handshake),
        cmocka_unit_test(a_raw_session_is_not_pinged_for),
        cmocka_unit_test(a_session_that_becomes_raw_waits_for_no_pong),
        cmocka_unit_test(times_beyond_49_days_count_as_none),
        cmocka_unit_test(pings_of_the_peer_that_pile_up_are_answered_once_with_the_newest),
        cmocka_unit_test(a_pings_payload_is_lent_with_its_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
