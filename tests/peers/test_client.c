/* ctest: timeout=120 loops */
/* weir's client against the servers of python3-websockets and npm ws. Every test runs with both. */
#include "support/peer_process.h"
#include "support/session_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS   10
#define POLLS_MAX 3000 /* only a hang takes so long */
#define MEBIBYTE  ((size_t)1 << 20)
#define SHORT_MS  100 /* the deadlines that a test lets pass */

/* "a", then characters of two, three and four bytes */
#define TEXT "a\xc3\xa9\xe9\xbc\x8e\xf0\x9f\x98\x80"

static struct peer *peer; /* the one that is talked to */

#define CONVERSE(body)                                                                             \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run_real(body, NULL);                                                                  \
    }

/* --- opening and ending --- */

static int try_open(weir_session **session, const char *path, weir_connect_options options)
{
    char url[64];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", peer->port, path);
    options.url = url;
    return weir_client_open(session, weir_scope_current(), &options);
}

static weir_session *open_with(const char *path, weir_connect_options options)
{
    weir_session *session;
    assert_ok(try_open(&session, path, options));
    return session;
}

static weir_session *open_path(const char *path)
{
    return open_with(path, (weir_connect_options){.url = NULL});
}

static void close_session(weir_session *session)
{
    assert_ok(weir_close(session, 1000, NULL));
    assert_status(weir_session_join(session), WEIR_CLOSED);
    weir_session_free(session);
}

static void expect_no_more(weir_session *session, int status)
{
    weir_frame frame;
    assert_status(weir_receive(session, &frame), status);
}

/* The session ends, and its end is this. Frees it. theirs is 0 also when a Close came after the
 * session had stopped reading. */
static void expect_end(weir_session *session, int status, enum weir_end_kind kind, unsigned ours,
                       unsigned theirs)
{
    weir_end end;
    expect_no_more(session, status);
    assert_status(weir_session_join(session), status);
    weir_session_end_get(&end, session);
    assert_string_equal(weir_end_kind_name(end.kind), weir_end_kind_name(kind));
    assert_int_equal(end.ours.code, ours);
    assert_int_equal(end.theirs.code, theirs);
    weir_session_free(session);
}

/* The only message that a path sends, as a string. */
static void read_path(const char *path, char *out, size_t size)
{
    weir_frame frame;
    weir_session *session = open_path(path);
    assert_ok(weir_receive_message(session, &frame));
    snprintf(out, size, "%s", (const char *)frame.data);
    weir_frame_release(&frame);
    expect_no_more(session, WEIR_CLOSED);
    assert_status(weir_session_join(session), WEIR_CLOSED);
    weir_session_free(session);
}

/* The peer notices an end at a time of its own. */
static void expect_peer_saw(const char *code_and_reason)
{
    char last[256] = "";
    for (int i = 0; i < POLLS_MAX && strcmp(last, code_and_reason) != 0; i++) {
        if (i > 0)
            assert_ok(weir_sleep(POLL_MS));
        read_path("/last", last, sizeof last);
    }
    assert_string_equal(last, code_and_reason);
}

/* --- messages --- */

static int messages_of_every_size_come_back(void *arg)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 65535, 65536, MEBIBYTE};
    char *data = malloc(MEBIBYTE);
    weir_session *session = open_path("/echo");
    (void)arg;
    assert_non_null(data);
    for (size_t i = 0; i < MEBIBYTE; i++)
        data[i] = (char)('a' + i % 23);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        weir_frame text = weir_frame_text(data, sizes[i]);
        assert_ok(weir_send_binary(session, data, sizes[i]));
        assert_ok(weir_send(session, &text));
        expect_message(session, WEIR_FRAME_BINARY, data, sizes[i]);
        expect_message(session, WEIR_FRAME_TEXT, data, sizes[i]);
    }
    close_session(session);
    free(data);
    return WEIR_OK;
}
CONVERSE(messages_of_every_size_come_back)

static int fragments_sent_are_one_message_to_the_peer(void *arg)
{
    static const char piece[30000];
    static const char whole[3 * sizeof piece];
    weir_session *session = open_path("/echo");
    weir_message message;
    (void)arg;
    assert_ok(weir_message_begin(&message, session, WEIR_FRAME_TEXT));
    for (size_t i = 0; i < strlen(TEXT); i++) { /* cut inside its characters */
        assert_ok(weir_message_write(&message, &TEXT[i], 1));
        assert_ok(weir_send_ping(session, "between", 7));
    }
    assert_ok(weir_message_end(&message));
    expect_text(session, TEXT);
    assert_ok(weir_message_begin(&message, session, WEIR_FRAME_BINARY));
    for (int i = 0; i < 3; i++)
        assert_ok(weir_message_write(&message, piece, sizeof piece));
    assert_ok(weir_message_end(&message));
    expect_message(session, WEIR_FRAME_BINARY, whole, sizeof whole);
    close_session(session);
    return WEIR_OK;
}
CONVERSE(fragments_sent_are_one_message_to_the_peer)

static int fragments_of_the_peer_are_joined(void *arg)
{
    weir_session *session = open_path("/obey");
    (void)arg;
    assert_ok(weir_send_text(session, "fragments one two  " TEXT));
    expect_text(session, "onetwo" TEXT);
    close_session(session);
    return WEIR_OK;
}
CONVERSE(fragments_of_the_peer_are_joined)

static int fragments_of_the_peer_come_in_pieces_when_asked(void *arg)
{
    char text[64] = "";
    weir_frame frame;
    weir_session *session = open_with("/obey", (weir_connect_options){.session.pieces = true});
    (void)arg;
    assert_ok(weir_send_text(session, "fragments one two " TEXT));
    do {
        assert_ok(weir_receive(session, &frame));
        assert_int_equal(frame.type, WEIR_FRAME_TEXT);
        strncat(text, (const char *)frame.data, frame.size);
    } while (!frame.fin);
    weir_frame_release(&frame);
    assert_string_equal(text, "onetwo" TEXT);
    close_session(session);
    return WEIR_OK;
}
CONVERSE(fragments_of_the_peer_come_in_pieces_when_asked)

#define PIPELINED 10000

static int send_pipelined(void *arg)
{
    char text[16];
    for (int i = 0; i < PIPELINED; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_ok(weir_send_text(arg, text));
    }
    return WEIR_OK;
}

static int ten_thousand_pipelined_messages_come_back_in_order(void *arg)
{
    char text[16];
    weir_session *session = open_path("/echo");
    (void)arg;
    assert_ok(weir_go(weir_scope_current(), "sender", send_pipelined, session));
    for (int i = 0; i < PIPELINED; i++) {
        snprintf(text, sizeof text, "%d", i);
        expect_text(session, text);
    }
    close_session(session);
    return WEIR_OK;
}
CONVERSE(ten_thousand_pipelined_messages_come_back_in_order)

static int a_hundred_sessions_talk_at_once(void *arg)
{
    weir_session *sessions[100];
    char text[16];
    (void)arg;
    for (int i = 0; i < 100; i++) {
        sessions[i] = open_path("/echo");
        snprintf(text, sizeof text, "%d", i);
        assert_ok(weir_send_text(sessions[i], text));
    }
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%d", i);
        expect_text(sessions[i], text);
        close_session(sessions[i]);
    }
    return WEIR_OK;
}
CONVERSE(a_hundred_sessions_talk_at_once)

/* --- pings --- */

static int pings_of_the_peer_are_answered(void *arg)
{
    weir_session *session = open_path("/obey");
    (void)arg;
    assert_ok(weir_send_text(session, "ping are-you-there"));
    expect_text(session, "pong are-you-there");
    close_session(session);
    return WEIR_OK;
}
CONVERSE(pings_of_the_peer_are_answered)

static int pings_measure_the_round_trip_to_the_peer(void *arg)
{
    weir_session *session =
        open_with("/echo", (weir_connect_options){.session.ping_interval_ms = 1});
    (void)arg;
    for (int i = 0; weir_session_round_trip_ms(session) == WEIR_UNLIMITED; i++) {
        assert_true(i < POLLS_MAX);
        assert_ok(weir_sleep(POLL_MS));
    }
    assert_true(weir_session_round_trip_ms(session) < 20000);
    close_session(session);
    return WEIR_OK;
}
CONVERSE(pings_measure_the_round_trip_to_the_peer)

/* --- the opening handshake --- */

static int the_peer_chooses_the_subprotocol(void *arg)
{
    static const char *const offers[] = {"alpha", "beta"};
    (void)arg;
    weir_session *session =
        open_with("/echo", (weir_connect_options){.subprotocols = offers, .subprotocol_count = 2});
    assert_string_equal(weir_session_subprotocol(session), "beta");
    close_session(session);
    session =
        open_with("/echo", (weir_connect_options){.subprotocols = offers, .subprotocol_count = 1});
    assert_null(weir_session_subprotocol(session));
    close_session(session);
    return WEIR_OK;
}
CONVERSE(the_peer_chooses_the_subprotocol)

static int target_origin_and_fields_reach_the_peer(void *arg)
{
    static const weir_http_header headers[] = {{"X-One", "first"}, {"Cookie", "a=b; c=d"}};
    weir_frame frame;
    weir_session *session =
        open_with("/seen?what=this", (weir_connect_options){.headers = headers,
                                                            .header_count = 2,
                                                            .origin = "https://weir.example"});
    (void)arg;
    assert_ok(weir_receive_message(session, &frame));
    const char *seen = (const char *)frame.data;
    assert_ptr_equal(strstr(seen, "/seen?what=this\n"), seen);
    assert_non_null(strstr(seen, "\norigin: https://weir.example"));
    assert_non_null(strstr(seen, "\nx-one: first"));
    assert_non_null(strstr(seen, "\ncookie: a=b; c=d"));
    assert_non_null(strstr(seen, "\nhost: 127.0.0.1:"));
    weir_frame_release(&frame);
    expect_end(session, WEIR_CLOSED, WEIR_END_CLEAN, 1000, 1000);
    return WEIR_OK;
}
CONVERSE(target_origin_and_fields_reach_the_peer)

/* Both peers agree on permessage-deflate if it is offered. */
static int no_extension_is_offered_unasked(void *arg)
{
    char seen[4096];
    (void)arg;
    read_path("/seen", seen, sizeof seen);
    assert_non_null(strstr(seen, "\nsec-websocket-key: "));
    assert_null(strstr(seen, "sec-websocket-extensions"));
    return WEIR_OK;
}
CONVERSE(no_extension_is_offered_unasked)

static int a_refusal_has_status_and_body(void *arg)
{
    weir_session *session;
    weir_connect_failure failure;
    (void)arg;
    assert_status(try_open(&session, "/refuse", (weir_connect_options){.failure = &failure}),
                  WEIR_EREFUSED);
    assert_int_equal(failure.status, WEIR_EREFUSED);
    assert_int_equal(failure.http_status, 403);
    assert_string_equal(failure.body, "no entry");
    return WEIR_OK;
}
CONVERSE(a_refusal_has_status_and_body)

static int a_peer_that_does_not_answer_the_handshake_times_out(void *arg)
{
    weir_session *session;
    weir_connect_failure failure;
    (void)arg;
    peer_freeze(peer);
    assert_status(
        try_open(&session, "/echo",
                 (weir_connect_options){.handshake_timeout_ms = SHORT_MS, .failure = &failure}),
        WEIR_ETIMEDOUT);
    peer_thaw(peer);
    assert_int_equal(failure.status, WEIR_ETIMEDOUT);
    assert_int_equal(failure.http_status, 0);
    return WEIR_OK;
}
CONVERSE(a_peer_that_does_not_answer_the_handshake_times_out)

/* --- ends --- */

static int our_close_reaches_the_peer_with_code_and_reason(void *arg)
{
    static const struct {
        unsigned code;
        const char *reason;
        const char *seen;
    } cases[] = {{1000, NULL, "1000 "},
                 {1001, "bye", "1001 bye"},
                 {3000, TEXT, "3000 " TEXT},
                 {4999, "so long", "4999 so long"},
                 {0, NULL, "1005 "}};
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned code = cases[i].code != 0 ? cases[i].code : 1005;
        weir_session *session = open_path("/echo");
        assert_ok(weir_close(session, cases[i].code, cases[i].reason));
        expect_end(session, WEIR_CLOSED, WEIR_END_CLEAN, code, code);
        expect_peer_saw(cases[i].seen);
    }
    return WEIR_OK;
}
CONVERSE(our_close_reaches_the_peer_with_code_and_reason)

static int close_of_the_peer_is_reported_with_code_and_reason(void *arg)
{
    static const struct {
        const char *order;
        unsigned code;
        const char *reason;
    } cases[] = {{"close 1000", 1000, ""},
                 {"close 1011 it broke", 1011, "it broke"},
                 {"close 4000 " TEXT, 4000, TEXT},
                 {"close", 1005, ""}};
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_end end;
        weir_session *session = open_path("/obey");
        assert_ok(weir_send_text(session, cases[i].order));
        expect_no_more(session, WEIR_CLOSED);
        weir_session_end_get(&end, session);
        assert_true(end.by_peer);
        assert_int_equal(weir_end_reason(&end)->code, cases[i].code);
        assert_string_equal(weir_end_reason(&end)->message, cases[i].reason);
        assert_status(weir_send_text(session, "late"), WEIR_CLOSED);
        expect_end(session, WEIR_CLOSED, WEIR_END_CLEAN, cases[i].code, cases[i].code);
    }
    return WEIR_OK;
}
CONVERSE(close_of_the_peer_is_reported_with_code_and_reason)

static int a_connection_that_the_peer_drops_is_lost(void *arg)
{
    weir_session *session = open_path("/obey");
    (void)arg;
    assert_ok(weir_send_text(session, "abort"));
    expect_end(session, WEIR_ELOST, WEIR_END_LOST, 0, 0);
    return WEIR_OK;
}
CONVERSE(a_connection_that_the_peer_drops_is_lost)

static int a_connection_that_the_peer_resets_is_reported_as_that(void *arg)
{
    weir_session *session = open_path("/obey");
    (void)arg;
    assert_ok(weir_send_text(session, "reset"));
    expect_end(session, WEIR_SYSTEM(ECONNRESET), WEIR_END_IO, 0, 0);
    return WEIR_OK;
}
CONVERSE(a_connection_that_the_peer_resets_is_reported_as_that)

static int a_peer_that_breaks_the_protocol_is_sent_the_rule(void *arg)
{
    static const struct {
        const char *order;
        int status;
        unsigned code;
    } cases[] = {{"raw 8101ff", WEIR_EUTF8, 1007},             /* text that is not UTF-8 */
                 {"raw 81810102030460", WEIR_EPROTOCOL, 1002}, /* masked */
                 {"raw 8300", WEIR_EPROTOCOL, 1002},           /* an unknown opcode */
                 {"raw c100", WEIR_EPROTOCOL, 1002}};          /* compressed, unagreed */
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char seen[256];
        weir_end end;
        weir_session *session = open_path("/obey");
        assert_ok(weir_send_text(session, cases[i].order));
        expect_no_more(session, cases[i].status);
        weir_session_end_get(&end, session);
        snprintf(seen, sizeof seen, "%u %s", cases[i].code, end.ours.message);
        assert_non_null(end.fault.rule);
        assert_string_equal(end.ours.message, end.fault.rule);
        expect_end(session, cases[i].status, WEIR_END_PROTOCOL, cases[i].code, 0);
        expect_peer_saw(seen);
    }
    return WEIR_OK;
}
CONVERSE(a_peer_that_breaks_the_protocol_is_sent_the_rule)

static int a_message_over_the_limit_is_refused_with_1009(void *arg)
{
    weir_session *session =
        open_with("/obey", (weir_connect_options){.session.max_message_size = 6});
    (void)arg;
    assert_ok(weir_send_text(session, "fragments 123 456"));
    expect_text(session, "123456");
    assert_ok(weir_send_text(session, "fragments 123 4567"));
    expect_end(session, WEIR_ETOOBIG, WEIR_END_TOO_BIG, 1009, 0);
    return WEIR_OK;
}
CONVERSE(a_message_over_the_limit_is_refused_with_1009)

/* --- a peer that is stopped --- */

static int a_peer_that_answers_no_ping_is_dropped(void *arg)
{
    weir_session *session = open_path("/echo");
    (void)arg;
    peer_freeze(peer);
    weir_session_set_ping(session, 1, SHORT_MS);
    expect_end(session, WEIR_ETIMEDOUT, WEIR_END_PING_TIMEOUT, 1011, 0);
    peer_thaw(peer);
    return WEIR_OK;
}
CONVERSE(a_peer_that_answers_no_ping_is_dropped)

static int a_peer_that_answers_no_close_is_dropped(void *arg)
{
    weir_session *session =
        open_with("/echo", (weir_connect_options){.session.close_timeout_ms = SHORT_MS});
    (void)arg;
    peer_freeze(peer);
    assert_ok(weir_close(session, 1000, NULL));
    expect_end(session, WEIR_ETIMEDOUT, WEIR_END_CLOSE_TIMEOUT, 1000, 0);
    peer_thaw(peer);
    return WEIR_OK;
}
CONVERSE(a_peer_that_answers_no_close_is_dropped)

/* More than the kernel's buffers of both ends hold together. */
#define FLOOD_COUNT 512
#define FLOOD_SIZE  ((size_t)65536)

struct flood {
    weir_session *session;
    int sent;
};

static int send_flood(void *arg)
{
    struct flood *flood = arg;
    static char data[FLOOD_SIZE];
    for (; flood->sent < FLOOD_COUNT; flood->sent++) {
        memset(data, flood->sent, sizeof data);
        assert_ok(weir_send_binary(flood->session, data, sizeof data));
    }
    return WEIR_OK;
}

static void wait_until_it_stands(const struct flood *flood)
{
    for (int before = -1; before != flood->sent;) {
        before = flood->sent;
        assert_ok(weir_sleep(SHORT_MS));
    }
}

static int a_peer_that_does_not_read_makes_senders_wait(void *arg)
{
    struct flood flood = {.session = open_path("/echo")};
    weir_frame frame;
    (void)arg;
    peer_freeze(peer);
    assert_ok(weir_go(weir_scope_current(), "flood", send_flood, &flood));
    wait_until_it_stands(&flood);
    assert_true(flood.sent < FLOOD_COUNT);
    assert_true(weir_session_queued_bytes(flood.session) <= 2 * MEBIBYTE); /* mark and queue */
    peer_thaw(peer);
    for (int i = 0; i < FLOOD_COUNT; i++) {
        assert_ok(weir_receive(flood.session, &frame));
        assert_int_equal(frame.size, FLOOD_SIZE);
        assert_int_equal(frame.data[0], i & 0xff);
        assert_int_equal(frame.data[FLOOD_SIZE - 1], i & 0xff);
        weir_frame_release(&frame);
    }
    close_session(flood.session);
    return WEIR_OK;
}
CONVERSE(a_peer_that_does_not_read_makes_senders_wait)

/* --- all of it, with each peer --- */

static const struct CMUnitTest facts[] = {
    cmocka_unit_test(messages_of_every_size_come_back_),
    cmocka_unit_test(fragments_sent_are_one_message_to_the_peer_),
    cmocka_unit_test(fragments_of_the_peer_are_joined_),
    cmocka_unit_test(fragments_of_the_peer_come_in_pieces_when_asked_),
    cmocka_unit_test(ten_thousand_pipelined_messages_come_back_in_order_),
    cmocka_unit_test(a_hundred_sessions_talk_at_once_),
    cmocka_unit_test(pings_of_the_peer_are_answered_),
    cmocka_unit_test(pings_measure_the_round_trip_to_the_peer_),
    cmocka_unit_test(the_peer_chooses_the_subprotocol_),
    cmocka_unit_test(target_origin_and_fields_reach_the_peer_),
    cmocka_unit_test(no_extension_is_offered_unasked_),
    cmocka_unit_test(a_refusal_has_status_and_body_),
    cmocka_unit_test(a_peer_that_does_not_answer_the_handshake_times_out_),
    cmocka_unit_test(our_close_reaches_the_peer_with_code_and_reason_),
    cmocka_unit_test(close_of_the_peer_is_reported_with_code_and_reason_),
    cmocka_unit_test(a_connection_that_the_peer_drops_is_lost_),
    cmocka_unit_test(a_connection_that_the_peer_resets_is_reported_as_that_),
    cmocka_unit_test(a_peer_that_breaks_the_protocol_is_sent_the_rule_),
    cmocka_unit_test(a_message_over_the_limit_is_refused_with_1009_),
    cmocka_unit_test(a_peer_that_answers_no_ping_is_dropped_),
    cmocka_unit_test(a_peer_that_answers_no_close_is_dropped_),
    cmocka_unit_test(a_peer_that_does_not_read_makes_senders_wait_),
};

int main(void)
{
    static struct peer peers[] = {
        {.name = "python3-websockets",
         .interpreter = "/usr/bin/python3",
         .script = "peer_server.py"},
        {.name = "npm ws", .interpreter = "node", .script = "peer_server.mjs"},
    };
    bool all = true;
    int failed = 0;
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        peer = &peers[i];
        if (!peer_start(peer)) {
            all = false;
            continue;
        }
        failed +=
            _cmocka_run_group_tests(peer->name, facts, sizeof facts / sizeof *facts, NULL, NULL);
        if (peer_stop(peer) != 0)
            failed++;
    }
    return failed != 0 || all ? failed : 77;
}
