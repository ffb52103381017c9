/* ctest: loops */
/* How sessions end: closing by either end, loss, timeouts, violations, cancellation; and what every
 * waiter gets. */
#include "support/session_rig.h"

#include <errno.h>
#include <stdio.h>

static int peers_close_is_echoed_after_its_data(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_text(&rig, "last");
    rig_put_frame(&rig, 0x88, "\x03\xf5test", 6);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "last", 4);
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    assert_status(weir_send_text(rig.session, "late"), WEIR_CLOSED);
    rig_expect_frame(&rig, 0x88, "\x03\xf5test", 6);
    uint64_t start = weir_loop_now(rig.loop);
    rig_expect_end(&rig); /* a server ends the stream first, and at once */
    rig_expect_passed(start, 0, 5);
    weir_stream_close(rig.wire);
    assert_status(weir_session_join(rig.session), WEIR_CLOSED);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1013, 1013);
    weir_end end;
    weir_session_end_get(&end, rig.session);
    assert_true(end.by_peer);
    assert_string_equal(weir_end_reason(&end)->message, "test");
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(peers_close_is_echoed_after_its_data)

static int echo_all(void *arg)
{
    weir_frame frame;
    int status;
    while ((status = weir_receive(arg, &frame)) == WEIR_OK)
        assert_ok(weir_send(arg, &frame));
    return status;
}

/* Messages and a Close after them arrive at once, and are echoed faster than the output is sent. */
static void burst_is_echoed_before_the_close(size_t count, uint16_t size)
{
    static const uint8_t close[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    static uint8_t burst[64 * 1024];
    struct rig rig;
    uint8_t first;
    size_t end = 0;
    bool closed = false;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_go(weir_session_scope(rig.session), "echo", echo_all, rig.session));
    assert_ok(weir_yield());
    for (size_t i = 0; i < count; i++) {
        const uint8_t head[8] = {0x82, 0xfe, (uint8_t)(size >> 8), (uint8_t)size};
        memcpy(burst + end, head, sizeof head);
        memset(burst + end + sizeof head, (int)i, size);
        end += sizeof head + size;
    }
    memcpy(burst + end, close, sizeof close);
    rig_put(&rig, burst, end + sizeof close);
    for (size_t i = 0; i < count; i++) {
        size_t got = rig_take_frame(&rig, &first, burst, sizeof burst);
        /* A transport that has less room than the burst is as a peer that is slow to read: the
         * answer to the Close goes ahead of what it has not taken. */
        closed = transport_cuts() && first == 0x88;
        if (closed)
            break;
        assert_int_equal(got, size);
        assert_int_equal(first, 0x82);
        assert_int_equal(burst[size - 1], (uint8_t)i);
    }
    if (closed)
        assert_int_equal(burst[0] << 8 | burst[1], 1000);
    else
        rig_expect_close(&rig, 1000);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
    rig_close(&rig);
}

static int small_messages_of_a_burst_are_echoed_before_the_close(void *arg)
{
    (void)arg;
    burst_is_echoed_before_the_close(300, 200);
    return WEIR_OK;
}
RUN(small_messages_of_a_burst_are_echoed_before_the_close)

static int large_messages_of_a_burst_are_echoed_before_the_close(void *arg)
{
    (void)arg;
    burst_is_echoed_before_the_close(3, 20000);
    return WEIR_OK;
}
RUN(large_messages_of_a_burst_are_echoed_before_the_close)

static int empty_close_is_answered_empty(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_CLIENT, NULL);
    rig_put_frame(&rig, 0x88, "", 0);
    rig_expect_close(&rig, 0);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1005, 1005);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(empty_close_is_answered_empty)

static int own_close_travels_behind_the_data(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_send_text(rig.session, "first"));
    assert_ok(weir_close(rig.session, 1000, "done"));
    assert_status(weir_send_text(rig.session, "after"), WEIR_CLOSED);
    assert_ok(weir_close(rig.session, 1001, "again"));
    rig_expect_frame(&rig, 0x81, "first", 5);
    rig_expect_frame(&rig, 0x88,
                     "\x03\xe8"
                     "done",
                     6);
    rig_put_text(&rig, "still delivered");
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "still delivered", 15);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    rig_expect_end(&rig);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(own_close_travels_behind_the_data)

static int read_a_byte(void *arg)
{
    struct rig *rig = arg;
    uint8_t byte;
    size_t got;
    return weir_stream_read(rig->wire, &byte, 1, &got);
}

static int client_waits_for_the_server_to_end_the_stream(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_CLIENT, NULL);
    assert_ok(weir_close(rig.session, 1000, NULL));
    rig_expect_close(&rig, 1000);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
    assert_status(weir_with_deadline(100, read_a_byte, &rig), WEIR_ETIMEDOUT);
    weir_stream_close(rig.wire);
    assert_status(weir_session_join(rig.session), WEIR_CLOSED);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(client_waits_for_the_server_to_end_the_stream)

static int unread_data_does_not_hide_the_answer_to_our_close(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (int i = 0; i < 100; i++)
        rig_put_text(&rig, "unread");
    assert_ok(weir_close(rig.session, 1000, NULL));
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(unread_data_does_not_hide_the_answer_to_our_close)

static int close_without_an_answer_times_out(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.close_timeout_ms = 300});
    uint64_t start = weir_loop_now(rig.loop);
    assert_ok(weir_close(rig.session, 1000, NULL));
    assert_status(weir_receive(rig.session, &frame), WEIR_ETIMEDOUT);
    assert_status(weir_session_join(rig.session), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 300, 1100);
    rig_expect_ended(&rig, WEIR_END_CLOSE_TIMEOUT, 1000, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(close_without_an_answer_times_out)

static int end_of_file_without_close_is_a_loss(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_text(&rig, "before");
    rig_put(&rig, "\x81\x85", 2); /* and half a frame */
    weir_stream_close(rig.wire);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "before", 6);
    assert_status(weir_receive(rig.session, &frame), WEIR_ELOST);
    assert_status(weir_send_text(rig.session, "?"), WEIR_CLOSED);
    assert_status(weir_session_join(rig.session), WEIR_ELOST);
    rig_expect_ended(&rig, WEIR_END_LOST, 0, 0);
    weir_end end;
    weir_session_end_get(&end, rig.session);
    assert_int_equal(weir_end_reason(&end)->code, 1006);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(end_of_file_without_close_is_a_loss)

static int reset_is_reported_as_the_systems_error(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    weir_stream_reset(rig.wire);
    assert_status(weir_receive(rig.session, &frame), WEIR_SYSTEM(ECONNRESET));
    rig_expect_ended(&rig, WEIR_END_IO, 0, 0);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(reset_is_reported_as_the_systems_error)

static const struct {
    const char *what;
    uint8_t first;
    const char *payload;
    size_t size;
    unsigned code;
    int status;
    enum weir_end_kind kind;
} violations[] = {
    {"reserved bit", 0xC1, "x", 1, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"reserved opcode", 0x83, "x", 1, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"fragmented ping", 0x09, "x", 1, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"continuation of nothing", 0x80, "x", 1, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"text that is not UTF-8", 0x81, "\xff", 1, 1007, WEIR_EUTF8, WEIR_END_PROTOCOL},
    {"close of one byte", 0x88, "\x03", 1, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"close with code 59395", 0x88, "\xe8\x03", 2, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
    {"close with code 1005", 0x88, "\x03\xed", 2, 1002, WEIR_EPROTOCOL, WEIR_END_PROTOCOL},
};

static int violations_are_answered_and_named(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++)
        for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
            struct rig rig;
            weir_frame frame;
            weir_end end;
            rig_open(&rig, (enum weir_role)role, NULL);
            rig_put_text(&rig, "good");
            rig_put_frame(&rig, violations[i].first, violations[i].payload, violations[i].size);
            rig_expect_received(&rig, WEIR_FRAME_TEXT, "good", 4);
            assert_status(weir_receive(rig.session, &frame), violations[i].status);
            rig_expect_close(&rig, violations[i].code);
            weir_session_end_get(&end, rig.session);
            assert_int_equal(end.kind, violations[i].kind);
            assert_non_null(end.fault.rule);
            assert_true(end.fault.offset >= 6);
            rig_expect_end(&rig);
            rig_close(&rig);
        }
    return WEIR_OK;
}
RUN(violations_are_answered_and_named)

static int wrong_masking_is_refused_in_both_roles(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put(&rig, "\x81\x01x", 3);
    rig_expect_close(&rig, 1002);
    rig_close(&rig);
    rig_open(&rig, WEIR_ROLE_CLIENT, NULL);
    rig_put(&rig, "\x81\x81\x00\x00\x00\x00x", 7);
    rig_expect_close(&rig, 1002);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(wrong_masking_is_refused_in_both_roles)

static int frame_over_its_limit_is_refused_at_its_header(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.max_frame_size = 1023});
    rig_put(&rig, "\x82\xfe\x04\x00\x00\x00\x00\x00", 8); /* 1024, and none of them sent */
    assert_status(weir_receive(rig.session, &frame), WEIR_ETOOBIG);
    rig_expect_close(&rig, 1009);
    rig_expect_ended(&rig, WEIR_END_TOO_BIG, 1009, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(frame_over_its_limit_is_refused_at_its_header)

static int message_over_its_limit_is_refused_though_each_fragment_fits(void *arg)
{
    static uint8_t part[1024];
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.max_frame_size = 1025, .max_message_size = 1025});
    rig_put_frame(&rig, 0x02, part, sizeof part);
    rig_put_frame(&rig, 0x00, part, sizeof part);
    assert_status(weir_receive(rig.session, &frame), WEIR_ETOOBIG);
    rig_expect_close(&rig, 1009);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(message_over_its_limit_is_refused_though_each_fragment_fits)

static int limit_can_be_changed_while_it_runs(void *arg)
{
    static uint8_t payload[2000];
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_frame(&rig, 0x82, payload, sizeof payload);
    rig_expect_received(&rig, WEIR_FRAME_BINARY, payload, sizeof payload);
    assert_int_equal(weir_session_max_frame_size(rig.session), 1048576);
    weir_session_set_max_frame_size(rig.session, 1999);
    rig_put_frame(&rig, 0x82, payload, sizeof payload);
    rig_expect_close(&rig, 1009);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(limit_can_be_changed_while_it_runs)

static int wait_for_frame(void *arg)
{
    struct rig *rig = arg;
    weir_frame frame;
    assert_status(weir_receive(rig->session, &frame), WEIR_CANCELLED);
    return WEIR_OK;
}

static int wait_for_reason(void *arg)
{
    struct rig *rig = arg;
    void *value = NULL;
    assert_status(weir_deferred_await(weir_session_close_reason(rig->session), &value),
                  WEIR_CANCELLED);
    assert_int_equal(((const weir_end *)value)->kind, WEIR_END_CANCELLED);
    return WEIR_OK;
}

static int send_too_much(void *arg)
{
    struct rig *rig = arg;
    static uint8_t payload[100000];
    int status = WEIR_OK;
    while (status == WEIR_OK)
        status = weir_send_binary(rig->session, payload, sizeof payload);
    assert_status(status, WEIR_CLOSED);
    return WEIR_OK;
}

static int terminate_sends_no_close_and_wakes_everybody(void *arg)
{
    struct rig rig;
    weir_scope scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "receiver", wait_for_frame, &rig));
    assert_ok(weir_go(&scope, "reason", wait_for_reason, &rig));
    assert_ok(weir_go(&scope, "sender", send_too_much, &rig));
    assert_ok(weir_sleep(10));
    weir_terminate(rig.session);
    assert_ok(weir_scope_join(&scope));
    assert_status(weir_session_join(rig.session), WEIR_CANCELLED);
    assert_status(weir_flush(rig.session), WEIR_CANCELLED);
    rig_expect_ended(&rig, WEIR_END_CANCELLED, 0, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(terminate_sends_no_close_and_wakes_everybody)

static int close_to_a_peer_that_does_not_read_is_bounded(void *arg)
{
    static uint8_t payload[3000000];
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.close_timeout_ms = 200, .ping_interval_ms = WEIR_UNLIMITED});
    for (int i = 0; i < 2; i++) {
        weir_frame frame = weir_frame_binary(payload, sizeof payload);
        assert_ok(weir_try_send(rig.session, &frame));
    }
    uint64_t start = weir_loop_now(rig.loop);
    assert_status(weir_close(rig.session, 1000, NULL), WEIR_ETIMEDOUT);
    int status = weir_session_join(rig.session);
    assert_true(status == WEIR_ETIMEDOUT || status == WEIR_CANCELLED);
    rig_expect_passed(start, 200, 1300);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(close_to_a_peer_that_does_not_read_is_bounded)

static void go_away_past_the_queue(uint64_t close_timeout_ms)
{
    static uint8_t payload[500000];
    struct rig rig;
    uint8_t first;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.high_water = 1500000, .close_timeout_ms = close_timeout_ms});
    for (int i = 0; i < 6; i++) {
        weir_frame frame = weir_frame_binary(payload, sizeof payload);
        if (weir_try_send(rig.session, &frame) != WEIR_OK)
            break;
        assert_ok(weir_sleep(1));
    }
    weir_close_now(rig.session, WEIR_CLOSE_GOING_AWAY, "down");
    assert_ok(weir_sleep(10));
    int data = 0;
    do {
        rig_take_frame(&rig, &first, payload, sizeof payload);
        data += first == 0x82;
    } while (first == 0x82);
    assert_int_equal(first, 0x88);
    assert_in_range(data, 1, 4); /* not all that was queued */
    rig_put_frame(&rig, 0x88, "\x03\xe9", 2);
    assert_status(weir_session_join(rig.session), WEIR_CLOSED);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1001, 1001);
    rig_close(&rig);
}

static int close_now_overtakes_queued_data(void *arg)
{
    (void)arg;
    go_away_past_the_queue(0);
    go_away_past_the_queue(WEIR_UNLIMITED); /* waits without a limit */
    return WEIR_OK;
}
RUN(close_now_overtakes_queued_data)

static int cancelled_scope_closes_with_1001(void *arg)
{
    struct rig rig;
    weir_scope scope;
    (void)arg;
    assert_ok(weir_scope_open(&scope));
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.close_timeout_ms = 100});
    weir_scope_cancel(&scope);
    /* This coroutine is inside the scope: the wire is read after it. */
    weir_stream *wire = rig.wire;
    weir_session *session = rig.session;
    assert_status(weir_scope_join(&scope), WEIR_CANCELLED);
    weir_end end;
    weir_session_end_get(&end, session);
    assert_int_equal(end.ours.code, 1001);
    uint8_t bytes[4];
    assert_ok(weir_stream_read_exactly(wire, bytes, 4));
    assert_memory_equal(bytes, "\x88\x02\x03\xe9", 4);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(cancelled_scope_closes_with_1001)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_close_is_echoed_after_its_data_),
        cmocka_unit_test(small_messages_of_a_burst_are_echoed_before_the_close_),
        cmocka_unit_test(large_messages_of_a_burst_are_echoed_before_the_close_),
        cmocka_unit_test(empty_close_is_answered_empty_),
        cmocka_unit_test(own_close_travels_behind_the_data_),
        cmocka_unit_test(client_waits_for_the_server_to_end_the_stream_),
        cmocka_unit_test(unread_data_does_not_hide_the_answer_to_our_close_),
        cmocka_unit_test(close_without_an_answer_times_out_),
        cmocka_unit_test(end_of_file_without_close_is_a_loss_),
        cmocka_unit_test(reset_is_reported_as_the_systems_error_),
        cmocka_unit_test(violations_are_answered_and_named_),
        cmocka_unit_test(wrong_masking_is_refused_in_both_roles_),
        cmocka_unit_test(frame_over_its_limit_is_refused_at_its_header_),
        cmocka_unit_test(message_over_its_limit_is_refused_though_each_fragment_fits_),
        cmocka_unit_test(limit_can_be_changed_while_it_runs_),
        cmocka_unit_test(terminate_sends_no_close_and_wakes_everybody_),
        cmocka_unit_test(close_to_a_peer_that_does_not_read_is_bounded_),
        cmocka_unit_test(close_now_overtakes_queued_data_),
        cmocka_unit_test(cancelled_scope_closes_with_1001_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
