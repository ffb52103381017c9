/* ctest: timeout=120 loops */
/* Vectors of the session model (docs/model.md) that are conversations of two sessions: a server's
 * and a client's, or a raw one's. */
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>

/* A server that echoes, and a client of it. */
struct call {
    weir_server *server;
    weir_session *client;
};

static void place_call(struct call *call, const weir_session_options *options)
{
    weir_serve_options serve = {
        .url = "ws://127.0.0.1:0", .handler = rig_echo, .session = *options};
    assert_ok(weir_server_start(&call->server, weir_scope_current(), &serve));
    weir_connect_options connect = {.url = weir_server_url(call->server), .session = *options};
    assert_ok(weir_client_open(&call->client, weir_scope_current(), &connect));
}

static void hang_up(struct call *call)
{
    assert_ok(weir_close(call->client, 1000, "OK"));
    assert_status(weir_session_join(call->client), WEIR_CLOSED);
    weir_session_free(call->client);
    weir_server_free(call->server);
}

static void expect_kind(weir_session *session, enum weir_end_kind kind)
{
    weir_end end;
    weir_session_end_get(&end, session);
    assert_string_equal(weir_end_kind_name(end.kind), weir_end_kind_name(kind));
}

/* --- 12: only what a raw session sends goes out --- */

static int raw_echo_ends_without_a_close(void *arg)
{
    struct rig rig;
    weir_frame frame;
    weir_frame copy;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_text(&rig, "Hello");
    assert_ok(weir_receive(rig.session, &frame));
    assert_ok(weir_frame_copy(&copy, &frame, NULL));
    weir_frame_release(&frame);
    assert_ok(weir_send(rig.session, &copy));
    assert_ok(weir_flush(rig.session));
    uint8_t bytes[7];
    assert_ok(weir_stream_read_exactly(rig.wire, bytes, sizeof bytes));
    assert_memory_equal(bytes, "\x81\x05Hello", 7);
    weir_terminate(rig.session);
    size_t got;
    assert_int_not_equal(weir_stream_read(rig.wire, bytes, 1, &got), WEIR_OK);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(raw_echo_ends_without_a_close)

/* --- 17 --- */

#define LARGE ((size_t)20 * 1024 * 1024)

static int twenty_mebibytes_of_noise_come_back(void *arg)
{
    struct call call;
    uint8_t *noise = test_malloc(LARGE);
    (void)arg;
    weir_loop_random(noise, LARGE, weir_loop_current());
    place_call(&call, &(weir_session_options){.max_frame_size = WEIR_UNLIMITED,
                                              .max_message_size = WEIR_UNLIMITED});
    weir_frame frame = weir_frame_binary(noise, LARGE);
    assert_ok(weir_send(call.client, &frame));
    expect_message(call.client, WEIR_FRAME_BINARY, noise, LARGE);
    hang_up(&call);
    test_free(noise);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(twenty_mebibytes_of_noise_come_back)

/* --- 19, 39 --- */

static void watch_frame(weir_session *session, const weir_frame *frame, void *count)
{
    (void)session;
    (void)frame;
    ++*(int *)count;
}

static int conversation_is_the_same_when_watched(void *arg)
{
    static uint8_t large[300000];
    (void)arg;
    for (int watched = 0; watched < 2; watched++) {
        struct call call;
        int seen = 0;
        weir_session_options options = {0};
        if (watched)
            options.observer = (weir_observer){watch_frame, watch_frame, NULL, &seen};
        place_call(&call, &options);
        assert_ok(weir_send_text(call.client, "HELLO"));
        assert_ok(weir_send_text(call.client, "WORLD"));
        expect_text(call.client, "HELLO");
        expect_text(call.client, "WORLD");
        assert_ok(weir_send_text(call.client, ""));
        expect_text(call.client, "");
        assert_ok(weir_send_binary(call.client, large, sizeof large));
        expect_message(call.client, WEIR_FRAME_BINARY, large, sizeof large);
        hang_up(&call);
        assert_true(watched ? seen >= 16 : seen == 0);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(conversation_is_the_same_when_watched)

static int message_over_the_clients_limit_is_reported(void *arg)
{
    struct call call;
    weir_frame frame;
    (void)arg;
    place_call(&call, &(weir_session_options){0});
    weir_session_set_max_frame_size(call.client, 10);
    assert_ok(weir_send_text(call.client, "eleven char"));
    assert_status(weir_receive(call.client, &frame), WEIR_ETOOBIG);
    assert_status(weir_session_join(call.client), WEIR_ETOOBIG);
    expect_kind(call.client, WEIR_END_TOO_BIG);
    weir_session_free(call.client);
    weir_server_free(call.server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(message_over_the_clients_limit_is_reported)

static int hold_a_session(void *arg)
{
    struct call *call = arg;
    weir_connect_options connect = {.url = weir_server_url(call->server)};
    assert_ok(weir_client_open(&call->client, weir_scope_current(), &connect));
    return weir_sleep(1000000);
}

static int cancelled_scope_completes_the_close_reason(void *arg)
{
    struct call call;
    weir_scope scope;
    (void)arg;
    weir_serve_options serve = {.url = "ws://127.0.0.1:0", .handler = rig_echo};
    assert_ok(weir_server_start(&call.server, weir_scope_current(), &serve));
    call.client = NULL;
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "holder", hold_a_session, &call));
    assert_eventually(call.client != NULL);
    weir_scope_cancel(&scope);
    (void)weir_scope_join(&scope);
    weir_end end;
    weir_session_end_get(&end, call.client);
    assert_int_equal(end.kind, WEIR_END_CLEAN);
    assert_int_equal(end.ours.code, 1001);
    weir_session_free(call.client);
    weir_server_free(call.server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(cancelled_scope_completes_the_close_reason)

/* --- 24 --- */

static int pinged_peers_live_until_they_close(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 20, .ping_timeout_ms = 120000});
    for (int i = 0; i < 5; i++) {
        size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
        assert_int_equal(first, 0x89);
        assert_true(size > 0);
        rig_put_frame(&rig, 0x8a, payload, size);
    }
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    do
        rig_take_frame(&rig, &first, payload, sizeof payload);
    while (first == 0x89); /* one more may have been in flight */
    assert_int_equal(first, 0x88);
    assert_memory_equal(payload, "\x03\xe8", 2);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pinged_peers_live_until_they_close)

/* --- 25, 26 --- */

struct texts {
    weir_session *session;
    int count;
    bool by_length; /* else numbered */
};

static const char *text_of(const struct texts *texts, int number, char room[160])
{
    if (!texts->by_length) {
        snprintf(room, 160, "%d", number);
        return room;
    }
    memset(room, 'a' + number % 26, (size_t)number);
    room[number] = '\0';
    return room;
}

static int produce(void *arg)
{
    const struct texts *texts = arg;
    char room[160];
    for (int i = 1; i <= texts->count; i++)
        assert_ok(weir_send_text(texts->session, text_of(texts, i, room)));
    return weir_close(texts->session, 1000, NULL);
}

/* From either role to the other: all messages, whole and in order, and nothing else; then the
 * end. */
static void pass_texts(struct texts texts)
{
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_session *peer;
        weir_scope scope;
        weir_frame frame;
        char room[160];
        rig_open(&rig, (enum weir_role)role, NULL);
        rig_open_peer(&rig, &peer, NULL);
        texts.session = rig.session;
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "producer", produce, &texts));
        for (int i = 1; i <= texts.count; i++)
            expect_text(peer, text_of(&texts, i, room));
        assert_status(weir_receive(peer, &frame), WEIR_CLOSED);
        assert_ok(weir_scope_join(&scope));
        rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
        weir_session_free(peer);
        weir_session_free(rig.session);
    }
}

static int texts_of_1_to_125_bytes_pass_either_way(void *arg)
{
    (void)arg;
    pass_texts((struct texts){.count = 125, .by_length = true});
    return WEIR_OK;
}
RUN(texts_of_1_to_125_bytes_pass_either_way)

static int hundred_thousand_frames_stay_in_order(void *arg)
{
    (void)arg;
    pass_texts((struct texts){.count = 100000});
    return WEIR_OK;
}
RUN(hundred_thousand_frames_stay_in_order)

/* --- 28: the peer that closes first --- */

static int send_until_refused(void *arg)
{
    weir_session *session = arg;
    int status;
    while ((status = weir_send_text(session, "still there?")) == WEIR_OK)
        (void)weir_sleep(1);
    assert_status(status, WEIR_CLOSED);
    return WEIR_OK;
}

static int drain(void *arg)
{
    weir_frame frame;
    while (weir_receive(arg, &frame) == WEIR_OK)
        weir_frame_release(&frame);
    return WEIR_OK;
}

static int peer_that_closes_first_stops_receiver_and_sender(void *arg)
{
    struct rig rig;
    weir_session *client;
    weir_scope scope;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_open_peer(&rig, &client, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "sender", send_until_refused, rig.session));
    assert_ok(weir_go(&scope, "drain", drain, client));
    assert_ok(weir_sleep(5));
    assert_ok(weir_close(client, 1001, "Completed."));
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    assert_ok(weir_scope_join(&scope));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_end end;
    weir_session_end_get(&end, client);
    assert_int_equal(end.theirs.code, 1001);
    assert_string_equal(end.theirs.message, "Completed.");
    weir_session_free(client);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(peer_that_closes_first_stops_receiver_and_sender)

/* --- 32 to 36: two sessions end together --- */

static void expect_all_ends_shut(weir_session *session)
{
    weir_frame frame;
    assert_status(weir_send_text(session, "?"), WEIR_CLOSED);
    assert_int_not_equal(weir_receive(session, &frame), WEIR_OK);
    assert_true(weir_channel_is_closed(weir_session_incoming(session)));
    assert_true(weir_channel_is_closed(weir_session_outgoing(session)));
}

static int close_reason_is_the_same_at_both_ends(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_session *peer;
        void *value;
        rig_open(&rig, (enum weir_role)role, NULL);
        rig_open_peer(&rig, &peer, NULL);
        assert_ok(weir_close(rig.session, 1013, "test1"));
        assert_status(weir_deferred_await(weir_session_close_reason(peer), &value), WEIR_CLOSED);
        assert_true(((const weir_end *)value)->by_peer);
        assert_string_equal(weir_end_reason(value)->message, "test1");
        assert_status(weir_deferred_await(weir_session_close_reason(rig.session), &value),
                      WEIR_CLOSED);
        assert_false(((const weir_end *)value)->by_peer);
        assert_string_equal(weir_end_reason(value)->message, "test1");
        assert_int_equal(((const weir_end *)value)->theirs.code, 1013);
        assert_status(weir_session_join(peer), WEIR_CLOSED);
        assert_status(weir_session_join(rig.session), WEIR_CLOSED);
        expect_all_ends_shut(peer);
        expect_all_ends_shut(rig.session);
        weir_session_free(peer);
        weir_session_free(rig.session);
    }
    return WEIR_OK;
}
RUN(close_reason_is_the_same_at_both_ends)

static int raw_session_pings_and_closes_by_hand(void *arg)
{
    struct rig rig;
    weir_session *peer;
    weir_frame frame;
    char text[32];
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_CLIENT, NULL);
    rig_open_peer(&rig, &peer, NULL);
    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof text, "ping %d", i);
        assert_ok(weir_send_ping(rig.session, text, strlen(text)));
    }
    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof text, "ping %d", i);
        rig_expect_received(&rig, WEIR_FRAME_PONG, text, strlen(text));
    }
    assert_ok(weir_close(rig.session, 1000, NULL));
    assert_status(weir_send_text(rig.session, "?"), WEIR_CLOSED);
    rig_expect_received(&rig, WEIR_FRAME_CLOSE, "\x03\xe8", 2);
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    assert_status(weir_session_join(peer), WEIR_CLOSED);
    assert_status(weir_session_join(rig.session), WEIR_CLOSED);
    weir_session_free(peer);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(raw_session_pings_and_closes_by_hand)

static int start_two(void *arg)
{
    struct rig *rig = arg;
    rig_open(rig, WEIR_ROLE_SERVER, NULL);
    return weir_session_join(rig->session) == WEIR_OK ? WEIR_ENOMEM : WEIR_OK;
}

static int cancelled_session_ends_its_peer(void *arg)
{
    struct rig rig = {0};
    weir_session *peer;
    weir_scope scope;
    weir_frame frame;
    (void)arg;
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "server", start_two, &rig));
    assert_eventually(rig.session != NULL);
    rig_open_peer(&rig, &peer, NULL);
    weir_scope_cancel(weir_session_scope(rig.session));
    /* The scope that both are in was not cancelled: only the session ends. */
    assert_status(weir_receive(peer, &frame), WEIR_CLOSED);
    assert_status(weir_session_join(peer), WEIR_CLOSED);
    assert_ok(weir_scope_join(&scope));
    weir_end end;
    weir_session_end_get(&end, peer);
    assert_int_equal(end.theirs.code, 1001);
    weir_session_free(peer);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(cancelled_session_ends_its_peer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_echo_ends_without_a_close_),
        cmocka_unit_test(twenty_mebibytes_of_noise_come_back_),
        cmocka_unit_test(conversation_is_the_same_when_watched_),
        cmocka_unit_test(message_over_the_clients_limit_is_reported_),
        cmocka_unit_test(cancelled_scope_completes_the_close_reason_),
        cmocka_unit_test(pinged_peers_live_until_they_close_),
        cmocka_unit_test(texts_of_1_to_125_bytes_pass_either_way_),
        cmocka_unit_test(hundred_thousand_frames_stay_in_order_),
        cmocka_unit_test(peer_that_closes_first_stops_receiver_and_sender_),
        cmocka_unit_test(close_reason_is_the_same_at_both_ends_),
        cmocka_unit_test(raw_session_pings_and_closes_by_hand_),
        cmocka_unit_test(cancelled_session_ends_its_peer_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
