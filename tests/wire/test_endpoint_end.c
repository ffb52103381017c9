/* Ends other than by two Close frames: end-of-file, errors of the stream, faults of the peer, and
 * weir_endpoint_terminate(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define CLOSE 0x88

static void an_end_of_file_without_close_is_lost(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        eof(rig, WEIR_OK);
        assert_end(rig, WEIR_END_LOST, WEIR_ELOST);
        assert_wants(rig, WEIR_WANT_CLOSE);
        weir_end end = rig_end(rig);
        assert_int_equal(weir_end_reason(&end)->code, 1006);
        assert_true(weir_endpoint_output_ended(rig->endpoint));
        weir_event event;
        assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_CLOSED);
        weir_frame text = weir_frame_text("x", 1);
        assert_int_equal(weir_endpoint_send(rig->endpoint, &text, &rig->out), WEIR_CLOSED);
        assert_int_equal(weir_endpoint_close(rig->endpoint, NULL, rig->now, &rig->out),
                         WEIR_CLOSED);
        assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
        assert_int_equal(rig->out.size, 0);
        rig_free(rig);
    }
}

static void an_error_of_the_stream_is_kept_as_the_end(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    eof(rig, WEIR_SYSTEM(104));
    assert_end(rig, WEIR_END_IO, WEIR_SYSTEM(104));
    assert_wants(rig, WEIR_WANT_CLOSE);
    eof(rig, WEIR_SYSTEM(32));
    assert_end(rig, WEIR_END_IO, WEIR_SYSTEM(104));
    rig_free(rig);
}

static void an_end_of_file_in_answer_to_our_close_is_lost_but_our_reason_stands(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    close_with(rig, 1000, "bye");
    eof(rig, WEIR_OK);
    assert_end(rig, WEIR_END_LOST, WEIR_ELOST);
    weir_end end = rig_end(rig);
    assert_reason(weir_end_reason(&end), 1000, "bye");
    rig_free(rig);
}

static void a_half_closed_peer_still_gets_the_answer_to_its_close(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        rig->no_flush = true;
        rig_peer_text(rig, CLOSE, "\x03\xe8");
        eof(rig, WEIR_OK);
        assert_wants(rig, WEIR_WANT_FLUSH);
        assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
        assert_string_equal(rig_sent(rig), "88:1000");
        assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
        assert_wants(rig, WEIR_WANT_CLOSE);
        rig_free(rig);
    }
}

static void an_error_while_the_answer_is_owed_ends_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    eof(rig, WEIR_SYSTEM(104));
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_IO, WEIR_SYSTEM(104));
    weir_end end = rig_end(rig);
    assert_reason(weir_end_reason(&end), 1000, "");
    rig_free(rig);
}

/* After a fault: a Close with the mapped code and the rule; then the stream is ended, in either
 * role, and drained. */
static void a_fault_closes(enum weir_role role)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    assert_int_equal(rig_peer_text(rig, 0x83, ""), WEIR_CLOSED);
    assert_string_equal(rig->events, "fault");
    assert_wants(rig, WEIR_WANT_FLUSH);
    weir_end end = rig_end(rig);
    assert_int_equal(end.kind, WEIR_END_PROTOCOL);
    assert_int_equal(end.status, WEIR_EPROTOCOL);
    assert_int_equal(end.fault.status, WEIR_EPROTOCOL);
    assert_int_equal(end.fault.offset, 0);
    assert_string_equal(end.fault.rule, "5.2: reserved opcode");
    assert_int_equal(end.ours.code, 0);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    end = rig_end(rig);
    assert_reason(&end.ours, 1002, "5.2: reserved opcode");
    assert_string_equal(rig_sent(rig), "88:1002");
    assert_wants(rig, WEIR_WANT_SHUTDOWN);
    assert_true(weir_endpoint_output_ended(rig->endpoint));
    assert_true(weir_endpoint_deadline(rig->endpoint) == 2000);
    rig_peer_text(rig, 0x81, "ignored");
    assert_string_equal(rig->events, "fault");
    tick_at(rig, 2000);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_PROTOCOL, WEIR_EPROTOCOL);
    rig_free(rig);
}

static void server_answers_a_fault_with_its_rule_and_drains_shortly(void **state)
{
    (void)state;
    a_fault_closes(WEIR_ROLE_SERVER);
}

static void client_answers_a_fault_with_its_rule_and_drains_shortly(void **state)
{
    (void)state;
    a_fault_closes(WEIR_ROLE_CLIENT);
}

static void a_fault_after_our_close_sends_no_second_one(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    close_with(rig, 1000, "bye");
    rig->out.size = 0;
    rig_peer_text(rig, 0x83, "");
    assert_int_equal(rig->out.size, 0);
    assert_wants(rig, WEIR_WANT_SHUTDOWN);
    weir_end end = rig_end(rig);
    assert_int_equal(end.kind, WEIR_END_PROTOCOL);
    assert_string_equal(end.fault.rule, "5.2: reserved opcode");
    assert_reason(&end.ours, 1000, "bye");
    rig_free(rig);
}

static void a_fault_that_cannot_be_answered_times_out(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, 0x83, "");
    tick_at(rig, 6000);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_PROTOCOL, WEIR_EPROTOCOL);
    rig_free(rig);
}

static void a_half_closed_peer_still_gets_the_close_for_its_fault(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->no_flush = true;
    rig_peer_text(rig, 0x83, "");
    eof(rig, WEIR_OK);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "88:1002");
    assert_wants(rig, WEIR_WANT_CLOSE);
    rig_free(rig);
}

static void terminating_ends_at_once_without_a_close(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig_peer_text(rig, 0x01, "begun");
    weir_endpoint_terminate(rig->endpoint);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_CANCELLED, WEIR_CANCELLED);
    assert_true(weir_endpoint_input_ended(rig->endpoint));
    assert_true(weir_endpoint_output_ended(rig->endpoint));
    eof(rig, WEIR_OK);
    weir_endpoint_terminate(rig->endpoint);
    assert_end(rig, WEIR_END_CANCELLED, WEIR_CANCELLED);
    assert_string_equal(rig_sent(rig), "");
    rig_free(rig);
}

static void an_end_that_stands_is_not_overwritten(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig_peer_text(rig, CLOSE, "\x03\xe8");
    weir_endpoint_terminate(rig->endpoint);
    assert_wants(rig, WEIR_WANT_CLOSE);
    assert_end(rig, WEIR_END_CLEAN, WEIR_CLOSED);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_of_file_without_close_is_lost),
        cmocka_unit_test(an_error_of_the_stream_is_kept_as_the_end),
        cmocka_unit_test(an_end_of_file_in_answer_to_our_close_is_lost_but_our_reason_stands),
        cmocka_unit_test(a_half_closed_peer_still_gets_the_answer_to_its_close),
        cmocka_unit_test(an_error_while_the_answer_is_owed_ends_at_once),
        cmocka_unit_test(server_answers_a_fault_with_its_rule_and_drains_shortly),
        cmocka_unit_test(client_answers_a_fault_with_its_rule_and_drains_shortly),
        cmocka_unit_test(a_fault_after_our_close_sends_no_second_one),
        cmocka_unit_test(a_fault_that_cannot_be_answered_times_out),
        cmocka_unit_test(a_half_closed_peer_still_gets_the_close_for_its_fault),
        cmocka_unit_test(terminating_ends_at_once_without_a_close),
        cmocka_unit_test(an_end_that_stands_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
