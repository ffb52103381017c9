/* The closing handshake and the end of the stream (RFC 6455 7), in both roles, with the time as an
 * argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define CLOSE 0x88

static struct rig *open_with_close_timeout(enum weir_role role, uint64_t close_timeout_ms)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    weir_endpoint_options options = rig_options(rig, role, WEIR_DELIVER_MESSAGES);
    options.close_timeout_ms = close_timeout_ms;
    rig_reopen(rig, &options);
    return rig;
}

/* The peer closes first: the answer has its code. The server then ends TCP; the client waits for
 * that. */
static void peer_closes_first(enum weir_role role)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    assert_int_equal(rig_peer_text(rig, CLOSE, "\x03\xe9going"), WEIR_CLOSED);
    assert_string_equal(rig->events, "close");
    assert_string_equal(rig_sent(rig), "88:1001");
    weir_end end = rig_end(rig);
    assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
    assert_true(end.by_peer);
    assert_reason(&end.theirs, 1001, "going");
    assert_reason(&end.ours, 1001, "going");
    assert_reason(weir_end_reason(&end), 1001, "going");
    assert_true(weir_endpoint_input_ended(rig->endpoint));
    assert_true(weir_endpoint_output_ended(rig->endpoint));
    assert_wants(rig, role == WEIR_ROLE_SERVER ? WEIR_WANT_SHUTDOWN : 0);
    assert_true(weir_endpoint_deadline(rig->endpoint) == (role == WEIR_ROLE_SERVER ? 2000 : 6000));
    eof(rig, WEIR_OK);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_true(weir_endpoint_deadline(rig->endpoint) == WEIR_UNLIMITED);
    assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
    rig_free(rig);
}

static void server_answers_a_close_and_ends_the_stream_first(void **state)
{
    (void)state;
    peer_closes_first(WEIR_ROLE_SERVER);
}

static void client_answers_a_close_and_waits_for_the_servers_end(void **state)
{
    (void)state;
    peer_closes_first(WEIR_ROLE_CLIENT);
}

static void we_close_first(enum weir_role role)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    close_with(rig, 1000, "bye");
    assert_string_equal(rig_sent(rig), "88:1000");
    assert_wants(rig, 0);
    assert_end(rig, WEIR_END_NONE, WEIR_OK);
    assert_true(weir_endpoint_deadline(rig->endpoint) == 6000);
    assert_true(weir_endpoint_output_ended(rig->endpoint));
    assert_false(weir_endpoint_input_ended(rig->endpoint));
    rig->now = 2000;
    rig_peer_text(rig, 0x81, "late");
    assert_string_equal(rig->events, "81:late");
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_string_equal(rig->events, "81:late close");
    assert_string_equal(rig_sent(rig), "");
    weir_end end = rig_end(rig);
    assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
    assert_false(end.by_peer);
    assert_reason(&end.ours, 1000, "bye");
    assert_reason(&end.theirs, 1000, "");
    assert_wants(rig, role == WEIR_ROLE_SERVER ? WEIR_WANT_SHUTDOWN : 0);
    assert_true(weir_endpoint_deadline(rig->endpoint) == (role == WEIR_ROLE_SERVER ? 3000 : 7000));
    rig_free(rig);
}

static void after_the_servers_close_data_is_delivered_until_the_answer(void **state)
{
    (void)state;
    we_close_first(WEIR_ROLE_SERVER);
}

static void after_the_clients_close_data_is_delivered_until_the_answer(void **state)
{
    (void)state;
    we_close_first(WEIR_ROLE_CLIENT);
}

static void an_unanswered_close_times_out(enum weir_role role)
{
    struct rig *rig = open_with_close_timeout(role, 700);
    close_with(rig, 4000, NULL);
    tick_at(rig, 1699);
    assert_wants(rig, 0);
    tick_at(rig, 1700);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_CLOSE_TIMEOUT, WEIR_ETIMEDOUT);
    weir_end end = rig_end(rig);
    assert_int_equal(end.theirs.code, 0);
    assert_reason(weir_end_reason(&end), 4000, "");
    eof(rig, WEIR_OK);
    assert_end(rig, WEIR_END_CLOSE_TIMEOUT, WEIR_ETIMEDOUT);
    rig_free(rig);
}

static void servers_unanswered_close_times_out(void **state)
{
    (void)state;
    an_unanswered_close_times_out(WEIR_ROLE_SERVER);
}

static void clients_unanswered_close_times_out(void **state)
{
    (void)state;
    an_unanswered_close_times_out(WEIR_ROLE_CLIENT);
}

static void a_stream_that_does_not_end_is_closed_at_the_deadline(void **state)
{
    (void)state;
    static const struct {
        enum weir_role role;
        uint64_t close_timeout;
        uint64_t deadline;
    } cases[] = {{WEIR_ROLE_SERVER, 0, 2000},
                 {WEIR_ROLE_SERVER, 300, 1300},
                 {WEIR_ROLE_CLIENT, 0, 6000},
                 {WEIR_ROLE_CLIENT, 300, 1300},
                 {WEIR_ROLE_SERVER, WEIR_UNLIMITED, 2000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = open_with_close_timeout(cases[i].role, cases[i].close_timeout);
        rig_peer_text(rig, CLOSE, "");
        assert_true(weir_endpoint_deadline(rig->endpoint) == cases[i].deadline);
        tick_at(rig, cases[i].deadline - 1);
        assert_int_equal(weir_endpoint_wants(rig->endpoint) & WEIR_WANT_CLOSE, 0);
        tick_at(rig, cases[i].deadline);
        assert_wants(rig, WEIR_WANT_CLOSE);
        assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
        rig_free(rig);
    }
}

static void a_timeout_of_none_waits_for_ever(void **state)
{
    (void)state;
    struct rig *rig = open_with_close_timeout(WEIR_ROLE_SERVER, WEIR_UNLIMITED);
    close_with(rig, 1000, NULL);
    assert_true(weir_endpoint_deadline(rig->endpoint) == WEIR_UNLIMITED);
    tick_at(rig, WEIR_UNLIMITED - 1);
    assert_wants(rig, 0);
    rig_free(rig);
}

static void closes_that_cross_are_a_clean_end(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        close_with(rig, 1001, "ours");
        rig_peer_text(rig, CLOSE, "\x0f\xa0theirs");
        assert_string_equal(rig_sent(rig), "88:1001");
        weir_end end = rig_end(rig);
        assert_int_equal(end.kind, WEIR_END_CLEAN);
        assert_reason(&end.ours, 1001, "ours");
        assert_reason(&end.theirs, 4000, "theirs");
        assert_false(end.by_peer);
        rig_free(rig);
    }
}

static void an_empty_close_goes_both_ways(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    assert_int_equal(weir_endpoint_close(rig->endpoint, NULL, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "88:");
    rig_peer_text(rig, CLOSE, "");
    weir_end end = rig_end(rig);
    assert_int_equal(end.ours.code, WEIR_CLOSE_NO_STATUS);
    assert_int_equal(end.theirs.code, WEIR_CLOSE_NO_STATUS);
    rig_free(rig);
}

static void a_second_close_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    close_with(rig, 1000, "first");
    rig->out.size = 0;
    weir_close_reason reason = {.code = 1001};
    assert_int_equal(weir_endpoint_close(rig->endpoint, &reason, rig->now, &rig->out), WEIR_CLOSED);
    weir_frame text = weir_frame_text("x", 1);
    weir_frame close = weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xe8", 2);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &text, &rig->out), WEIR_CLOSED);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &close, &rig->out), WEIR_CLOSED);
    assert_int_equal(rig->out.size, 0);
    assert_reason(&(weir_close_reason){.code = rig_end(rig).ours.code}, 1000, "");
    rig_free(rig);
}

static void a_close_while_the_answer_is_owed_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_wants(rig, WEIR_WANT_FLUSH);
    assert_int_equal(weir_endpoint_close(rig->endpoint, NULL, rig->now, &rig->out), WEIR_CLOSED);
    assert_end(rig, WEIR_END_NONE, WEIR_OK);
    rig_free(rig);
}

static void frames_may_still_go_before_the_owed_close(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_false(weir_endpoint_output_ended(rig->endpoint));
    weir_frame text = weir_frame_text("last", 4);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &text, &rig->out), WEIR_OK);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "81:last 88:1000");
    rig_free(rig);
}

static void an_owed_close_that_cannot_be_written_times_out(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_true(weir_endpoint_deadline(rig->endpoint) == 6000);
    tick_at(rig, 6000);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_CLOSE_TIMEOUT, WEIR_ETIMEDOUT);
    rig_free(rig);
}

static void a_close_is_validated_before_it_is_sent(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    static const weir_close_reason bad[] = {{.code = 1005},
                                            {.code = 1006},
                                            {.code = 0},
                                            {.code = 1015},
                                            {.code = 2000},
                                            {.code = 5000},
                                            {.code = 1000, .message_size = 124},
                                            {.code = 1000, .message_size = 1, .message = "\xff"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_endpoint_close(rig->endpoint, &bad[i], rig->now, &rig->out),
                         WEIR_EINVAL);
    assert_int_equal(rig->out.size, 0);
    assert_false(weir_endpoint_output_ended(rig->endpoint));
    rig_free(rig);
}

static void a_sent_close_frame_begins_the_handshake_and_its_clock(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_frame close = weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xf5test", 6);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &close, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "88:1013");
    assert_true(weir_endpoint_deadline(rig->endpoint) == 0);
    tick_at(rig, 50000);
    assert_true(weir_endpoint_deadline(rig->endpoint) == 55000);
    weir_end end = rig_end(rig);
    assert_reason(&end.ours, 1013, "test");
    tick_at(rig, 55000);
    assert_end(rig, WEIR_END_CLOSE_TIMEOUT, WEIR_ETIMEDOUT);
    rig_free(rig);
}

static void a_malformed_close_frame_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    static const struct peer_frame bad[] = {FRAME(CLOSE, "\x03"), FRAME(CLOSE, "\x03\xed"),
                                            FRAME(CLOSE, "\x03\xe8\xff")};
    for (size_t i = 0; i < 3; i++) {
        weir_frame close = weir_frame_by_type(true, WEIR_FRAME_CLOSE, bad[i].payload, bad[i].size);
        assert_int_equal(weir_endpoint_send(rig->endpoint, &close, &rig->out), WEIR_EINVAL);
    }
    assert_int_equal(rig->out.size, 0);
    assert_false(weir_endpoint_output_ended(rig->endpoint));
    rig_free(rig);
}

static void a_ping_that_came_before_our_close_is_answered_before_it(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, 0x89, "p");
    close_with(rig, 1000, NULL);
    assert_string_equal(rig_sent(rig), "8a:p 88:1000");
    assert_wants(rig, 0);
    rig_peer_text(rig, 0x89, "after");
    assert_string_equal(rig->events, "ping ping");
    assert_wants(rig, 0);
    rig_free(rig);
}

static void a_ping_that_came_before_their_close_is_answered_before_ours(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, 0x89, "p");
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "8a:p 88:1000");
    rig_free(rig);
}

static void input_behind_a_close_is_discarded(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t bytes[] = "\x88\x02\x03\xe8\x81\x05Hello";
    weir_event event;
    uint8_t *rest;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, bytes, 11, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(event.kind, WEIR_EVENT_CLOSE);
    assert_int_equal(event.frame.size, 2);
    assert_int_equal(weir_endpoint_pending_input(&rest, rig->endpoint), 0);
    assert_null(rest);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_CLOSED);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, bytes, 11, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_CLOSED);
    rig_free(rig);
}

/* FRAMES: nothing is answered, but the state is kept. */
static void a_raw_session_answers_a_close_itself(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_FRAMES);
        assert_int_equal(rig_peer_text(rig, CLOSE,
                                       "\x03\xe8"
                                       "bye"),
                         WEIR_CLOSED);
        assert_string_equal(rig->events, "88:1000");
        assert_wants(rig, 0);
        assert_true(weir_endpoint_input_ended(rig->endpoint));
        assert_false(weir_endpoint_output_ended(rig->endpoint));
        assert_end(rig, WEIR_END_NONE, WEIR_OK);
        eof(rig, WEIR_OK);
        assert_wants(rig, 0);
        weir_frame text = weir_frame_text("last", 4);
        assert_int_equal(weir_endpoint_send(rig->endpoint, &text, &rig->out), WEIR_OK);
        weir_frame close = weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xe8", 2);
        assert_int_equal(weir_endpoint_send(rig->endpoint, &close, &rig->out), WEIR_OK);
        assert_string_equal(rig_sent(rig), "81:last 88:1000");
        assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
        assert_wants(rig, WEIR_WANT_CLOSE);
        assert_true(rig_end(rig).by_peer);
        rig_free(rig);
    }
}

static void a_raw_session_that_closes_first_ends_clean_with_the_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
    close_with(rig, 1000, NULL);
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    assert_string_equal(rig->events, "88:1000");
    assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
    assert_wants(rig, WEIR_WANT_SHUTDOWN);
    rig_free(rig);
}

static void a_raw_sessions_violation_is_answered_all_the_same(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_FRAMES);
    rig_peer_text(rig, 0x83, "");
    assert_string_equal(rig->events, "fault");
    assert_string_equal(rig_sent(rig), "88:1002");
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_answers_a_close_and_ends_the_stream_first),
        cmocka_unit_test(client_answers_a_close_and_waits_for_the_servers_end),
        cmocka_unit_test(after_the_servers_close_data_is_delivered_until_the_answer),
        cmocka_unit_test(after_the_clients_close_data_is_delivered_until_the_answer),
        cmocka_unit_test(servers_unanswered_close_times_out),
        cmocka_unit_test(clients_unanswered_close_times_out),
        cmocka_unit_test(a_stream_that_does_not_end_is_closed_at_the_deadline),
        cmocka_unit_test(a_timeout_of_none_waits_for_ever),
        cmocka_unit_test(closes_that_cross_are_a_clean_end),
        cmocka_unit_test(an_empty_close_goes_both_ways),
        cmocka_unit_test(a_second_close_is_refused),
        cmocka_unit_test(a_close_while_the_answer_is_owed_is_refused),
        cmocka_unit_test(frames_may_still_go_before_the_owed_close),
        cmocka_unit_test(an_owed_close_that_cannot_be_written_times_out),
        cmocka_unit_test(a_close_is_validated_before_it_is_sent),
        cmocka_unit_test(a_sent_close_frame_begins_the_handshake_and_its_clock),
        cmocka_unit_test(a_malformed_close_frame_is_refused),
        cmocka_unit_test(a_ping_that_came_before_our_close_is_answered_before_it),
        cmocka_unit_test(a_ping_that_came_before_their_close_is_answered_before_ours),
        cmocka_unit_test(input_behind_a_close_is_discarded),
        cmocka_unit_test(a_raw_session_answers_a_close_itself),
        cmocka_unit_test(a_raw_session_that_closes_first_ends_clean_with_the_answer),
        cmocka_unit_test(a_raw_sessions_violation_is_answered_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
