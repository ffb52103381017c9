/* ctest: loops timeout=120 */
/* Sessions that end at a difficult moment: both ends close at once, the connection is reset in each
 * state, a large message is in flight when one of them closes. */
#include "support/session_rig.h"

#include "ws/server/server.h"

#include <errno.h>
#include <stdio.h>
#include <weir/address.h>

#define LARGE ((size_t)3000000) /* more than the kernel takes while the peer does not read */

static uint8_t large[LARGE];

static weir_session_options long_timeout_options(void)
{
    return (weir_session_options){.ping_interval_ms = WEIR_UNLIMITED,
                                  .max_frame_size = WEIR_UNLIMITED,
                                  .max_message_size = WEIR_UNLIMITED};
}

/* --- both at once --- */

struct closer {
    weir_session *session;
    unsigned code;
};

static int say_last_and_close(void *arg)
{
    const struct closer *closer = arg;
    assert_ok(weir_send_text(closer->session, "last"));
    assert_ok(weir_close(closer->session, closer->code, NULL));
    return WEIR_OK;
}

static void expect_last_and_end(const struct closer *closer, const struct closer *other)
{
    weir_frame frame;
    weir_end end;
    assert_ok(weir_receive(closer->session, &frame));
    assert_int_equal(frame.size, 4);
    weir_frame_release(&frame);
    assert_status(weir_receive(closer->session, &frame), WEIR_CLOSED);
    assert_status(weir_session_join(closer->session), WEIR_CLOSED);
    weir_session_end_get(&end, closer->session);
    assert_int_equal(end.kind, WEIR_END_CLEAN);
    assert_int_equal(end.ours.code, closer->code);
    assert_int_equal(end.theirs.code, other->code);
    assert_false(end.by_peer);
}

/* Neither can have seen the other's Close when it sends its own. */
static int both_ends_that_close_at_once_end_clean(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_session *peer;
        weir_scope scope;
        rig_open(&rig, (enum weir_role)role, NULL);
        rig_open_peer(&rig, &peer, NULL);
        struct closer closers[2] = {{rig.session, 3001}, {peer, 3002}};
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "one", say_last_and_close, &closers[0]));
        assert_ok(weir_go(&scope, "other", say_last_and_close, &closers[1]));
        expect_last_and_end(&closers[0], &closers[1]);
        expect_last_and_end(&closers[1], &closers[0]);
        assert_ok(weir_scope_join(&scope));
        weir_session_free(peer);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(both_ends_that_close_at_once_end_clean)

static int a_close_that_crosses_ours_gets_no_second_one(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_frame(&rig, 0x88, "\x0b\xb9", 2); /* in flight before ours is read */
    assert_ok(weir_close(rig.session, 3002, NULL));
    rig_expect_close(&rig, 3002);
    rig_expect_end(&rig);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 3002, 3001);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_close_that_crosses_ours_gets_no_second_one)

/* --- reset in each state of a session --- */

static void fill_output(struct rig *rig)
{
    weir_frame frame = weir_frame_binary(large, LARGE);
    assert_ok(weir_try_send(rig->session, &frame));
    assert_ok(weir_sleep(20));
}

static void be_idle(struct rig *rig)
{
    (void)rig;
}

static void be_in_a_head(struct rig *rig)
{
    rig_put(rig, "\x82", 1);
}

static void be_in_a_frame(struct rig *rig)
{
    bool server = !weir_session_masking(rig->session);
    rig_put(rig, server ? "\x82\x85\0\0\0\0ab" : "\x82\x05\x61\x62", server ? 8 : 4);
}

static void be_between_fragments(struct rig *rig)
{
    rig_put_frame(rig, 0x02, "first", 5);
}

static void have_sent_close(struct rig *rig)
{
    assert_ok(weir_close(rig->session, 3001, NULL));
}

static void have_much_to_send(struct rig *rig)
{
    fill_output(rig);
}

/* Its answer has no place in the output. */
static void owe_a_close(struct rig *rig)
{
    weir_frame frame;
    fill_output(rig);
    rig_put_frame(rig, 0x88, "\x0b\xba", 2);
    int status = WEIR_EAGAIN;
    while (status == WEIR_EAGAIN) {
        status = weir_try_receive(rig->session, &frame);
        assert_ok(weir_sleep(1));
    }
    assert_status(status, WEIR_CLOSED);
}

static void have_closed_both_ways(struct rig *rig)
{
    rig_put_frame(rig, 0x88, "\x0b\xba", 2);
    rig_expect_close(rig, 3002);
}

static const struct {
    const char *what;
    void (*enter)(struct rig *rig);
    enum weir_end_kind kind;
    unsigned ours;
    unsigned theirs;
    bool writes; /* it may be a write that finds out */
} states[] = {
    {"idle", be_idle, WEIR_END_IO, 0, 0, false},
    {"in the head of a frame", be_in_a_head, WEIR_END_IO, 0, 0, false},
    {"in a frame", be_in_a_frame, WEIR_END_IO, 0, 0, false},
    {"between fragments", be_between_fragments, WEIR_END_IO, 0, 0, false},
    {"much to send", have_much_to_send, WEIR_END_IO, 0, 0, true},
    {"Close sent", have_sent_close, WEIR_END_IO, 3001, 0, false},
    {"Close owed", owe_a_close, WEIR_END_IO, 0, 3002, true},
    {"closed both ways", have_closed_both_ways, WEIR_END_CLEAN, 3002, 3002, false},
};

static void reset_in_state(enum weir_role role, size_t i)
{
    struct rig rig;
    weir_end end;
    weir_session_options options = long_timeout_options();
    rig_open(&rig, role, &options);
    states[i].enter(&rig);
    assert_ok(weir_sleep(5));
    weir_stream_reset(rig.wire);
    int status = weir_session_join(rig.session);
    weir_session_end_get(&end, rig.session);
    if (end.kind != states[i].kind || end.ours.code != states[i].ours ||
        end.theirs.code != states[i].theirs)
        fail_msg("%s: %s, ours %u, theirs %u", states[i].what, weir_end_kind_name(end.kind),
                 end.ours.code, end.theirs.code);
    if (end.kind == WEIR_END_CLEAN)
        assert_status(status, WEIR_CLOSED);
    else if (!states[i].writes || status != WEIR_SYSTEM(EPIPE))
        assert_status(status, WEIR_SYSTEM(ECONNRESET));
    assert_status(weir_send_text(rig.session, "?"), WEIR_CLOSED);
    weir_session_free(rig.session);
}

static int a_reset_in_each_state_is_reported_or_comes_too_late(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++)
        for (size_t i = 0; i < sizeof states / sizeof *states; i++)
            reset_in_state((enum weir_role)role, i);
    return WEIR_OK;
}
RUN(a_reset_in_each_state_is_reported_or_comes_too_late)

/* --- reset in the opening handshake --- */

struct hook {
    unsigned asked;
    unsigned closed;
};

static int think(weir_upgrade *upgrade, void *arg)
{
    (void)upgrade;
    struct hook *hook = arg;
    hook->asked++;
    return weir_sleep(50);
}

static void count_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    struct hook *hook = arg;
    assert_int_not_equal(end->kind, WEIR_END_NONE);
    hook->closed++;
}

static void expect_service(const weir_server *server)
{
    weir_session *client;
    weir_frame frame;
    assert_ok(weir_client_open(&client, weir_scope_current(),
                               &(weir_connect_options){.url = weir_server_url(server)}));
    assert_ok(weir_send_text(client, "hello"));
    assert_ok(weir_receive(client, &frame));
    weir_frame_release(&frame);
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
}

#define REQUEST                                                                                    \
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static int a_client_that_resets_while_it_shakes_hands_leaves_nothing(void *arg)
{
    static const size_t sizes[] = {0, 1, 40, sizeof REQUEST - 2, sizeof REQUEST - 1};
    weir_server *server;
    weir_address address;
    weir_stream *stream;
    (void)arg;
    for (int hooked = 0; hooked < 2; hooked++) {
        struct hook hook = {0};
        weir_serve_options options = {
            .url = "ws://127.0.0.1:0", .handler = rig_echo, .on_close = count_end, .arg = &hook};
        options.on_upgrade = hooked ? think : NULL;
        options.upgrade_arg = &hook;
        assert_ok(weir_server_start(&server, weir_scope_current(), &options));
        assert_ok(weir_listener_address_get(&address, server->listener));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            assert_ok(weir_stream_connect(&stream, &address, 0));
            assert_eventually(server->admission.pending_count == 1);
            assert_ok(weir_stream_write(stream, REQUEST, sizes[i]));
            if (sizes[i] == sizeof REQUEST - 1 && hooked)
                assert_eventually(hook.asked == 1);
            weir_stream_reset(stream);
            assert_eventually(server->admission.pending_count == 0 &&
                              server->admission.session_count == 0);
        }
        expect_service(server);
        assert_eventually(server->admission.session_count == 0 && hook.closed >= 1);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_client_that_resets_while_it_shakes_hands_leaves_nothing)

struct breaker {
    weir_listener *listener;
    const char *answer;
};

static int answer_and_reset(void *arg)
{
    const struct breaker *breaker = arg;
    weir_stream *stream;
    uint8_t byte;
    size_t got;
    assert_ok(weir_listener_accept(&stream, breaker->listener));
    assert_ok(weir_stream_read(stream, &byte, 1, &got));
    assert_ok(weir_stream_write(stream, breaker->answer, strlen(breaker->answer)));
    assert_ok(weir_sleep(20));
    weir_stream_reset(stream);
    return WEIR_OK;
}

static int a_server_that_resets_while_it_shakes_hands_is_reported_as_that(void *arg)
{
    static const char *const answers[] = {"", "H", "HTTP/1.1 101 Switching Protocols\r\nUpgr"};
    weir_address address;
    weir_session *client;
    char url[64];
    (void)arg;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct breaker breaker = {.answer = answers[i]};
        weir_scope scope;
        assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
        assert_ok(weir_listener_open(&breaker.listener, weir_loop_current(), &address, false));
        assert_ok(weir_listener_address_get(&address, breaker.listener));
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "breaker", answer_and_reset, &breaker));
        snprintf(url, sizeof url, "ws://127.0.0.1:%u/", weir_address_port(&address));
        assert_status(
            weir_client_open(&client, weir_scope_current(), &(weir_connect_options){.url = url}),
            WEIR_SYSTEM(ECONNRESET));
        assert_null(client);
        assert_ok(weir_scope_join(&scope));
        weir_listener_close(breaker.listener);
        assert_ok(weir_sleep(10)); /* io_uring closes a listener when its accept has completed */
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_server_that_resets_while_it_shakes_hands_is_reported_as_that)

/* --- a large message in flight --- */

static void open_sending(struct rig *rig, enum weir_role role)
{
    weir_session_options options = long_timeout_options();
    rig_open(rig, role, &options);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)(i / 251 + i);
    fill_output(rig);
}

static void expect_large(struct rig *rig)
{
    static uint8_t got[LARGE];
    uint8_t first;
    assert_int_equal(rig_take_frame(rig, &first, got, LARGE), LARGE);
    assert_int_equal(first, 0x82);
    assert_memory_equal(got, large, LARGE);
}

static int close_session(void *arg)
{
    const struct rig *rig = arg;
    assert_ok(weir_close(rig->session, 3001, "enough"));
    return WEIR_OK;
}

static int own_close_waits_for_the_large_message_before_it(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_scope scope;
        open_sending(&rig, (enum weir_role)role);
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "close", close_session, &rig));
        assert_ok(weir_sleep(5));
        expect_large(&rig);
        rig_expect_close(&rig, 3001);
        assert_ok(weir_scope_join(&scope));
        rig_put_frame(&rig, 0x88, "\x0b\xb9", 2);
        rig_expect_ended(&rig, WEIR_END_CLEAN, 3001, 3001);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(own_close_waits_for_the_large_message_before_it)

static int send_until_closed(void *arg)
{
    const struct rig *rig = arg;
    int status = WEIR_OK;
    while (status == WEIR_OK)
        status = weir_send_text(rig->session, "behind it");
    assert_status(status, WEIR_CLOSED);
    return WEIR_OK;
}

/* The message that has begun ends whole. Senders that wait behind it get the end, and what is
 * queued behind it is not sent. */
static void expect_close_behind_large(struct rig *rig, unsigned code,
                                      void (*close)(struct rig *rig))
{
    weir_scope scope;
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "sender", send_until_closed, rig));
    assert_ok(weir_sleep(5));
    close(rig);
    assert_ok(weir_sleep(5));
    expect_large(rig);
    rig_expect_close(rig, code);
    assert_ok(weir_scope_join(&scope));
}

static void put_close(struct rig *rig)
{
    rig_put_frame(rig, 0x88, "\x0b\xba", 2);
}

static int peers_close_is_answered_behind_the_large_message_that_has_begun(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        open_sending(&rig, (enum weir_role)role);
        expect_close_behind_large(&rig, 3002, put_close);
        rig_expect_ended(&rig, WEIR_END_CLEAN, 3002, 3002);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(peers_close_is_answered_behind_the_large_message_that_has_begun)

static void go_away(struct rig *rig)
{
    weir_close_now(rig->session, WEIR_CLOSE_GOING_AWAY, NULL);
}

static int close_now_ends_the_large_message_that_has_begun(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        open_sending(&rig, (enum weir_role)role);
        expect_close_behind_large(&rig, 1001, go_away);
        rig_put_frame(&rig, 0x88, "\x03\xe9", 2);
        rig_expect_ended(&rig, WEIR_END_CLEAN, 1001, 1001);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(close_now_ends_the_large_message_that_has_begun)

static int send_and_go_away(weir_session *session, void *arg)
{
    (void)arg;
    weir_frame frame = weir_frame_binary(large, 100000);
    assert_ok(weir_try_send(session, &frame));
    weir_close_now(session, WEIR_CLOSE_GOING_AWAY, NULL);
    return WEIR_OK;
}

static int a_server_that_goes_away_at_once_has_shaken_hands(void *arg)
{
    weir_server *server;
    weir_session *client;
    weir_frame frame;
    (void)arg;
    weir_serve_options options = {.url = "ws://127.0.0.1:0", .handler = send_and_go_away};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    assert_ok(weir_client_open(&client, weir_scope_current(),
                               &(weir_connect_options){.url = weir_server_url(server)}));
    assert_ok(weir_receive(client, &frame));
    assert_int_equal(frame.size, 100000);
    weir_frame_release(&frame);
    assert_status(weir_receive(client, &frame), WEIR_CLOSED);
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_server_that_goes_away_at_once_has_shaken_hands)

/* Reads all that comes. Returns how it ended. */
static int drain_wire(struct rig *rig, size_t *sum)
{
    static uint8_t bytes[65536];
    size_t got;
    int status;
    *sum = 0;
    while ((status = weir_stream_read(rig->wire, bytes, sizeof bytes, &got)) == WEIR_OK)
        *sum += got;
    return status;
}

static int terminating_cuts_the_large_message_off_and_the_peer_sees_it(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        size_t sum;
        open_sending(&rig, (enum weir_role)role);
        weir_terminate(rig.session);
        rig_expect_ended(&rig, WEIR_END_CANCELLED, 0, 0);
        assert_status(drain_wire(&rig, &sum), WEIR_SYSTEM(ECONNRESET));
        assert_true(sum < LARGE);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(terminating_cuts_the_large_message_off_and_the_peer_sees_it)

static int close_session_in_vain(void *arg)
{
    const struct rig *rig = arg;
    assert_status(weir_close(rig->session, 3001, NULL), WEIR_ETIMEDOUT);
    return WEIR_OK;
}

static int a_close_behind_what_the_peer_does_not_read_times_out(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_scope scope;
        size_t sum;
        weir_session_options options = long_timeout_options();
        options.close_timeout_ms = 50;
        rig_open(&rig, (enum weir_role)role, &options);
        fill_output(&rig);
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "close", close_session_in_vain, &rig));
        assert_ok(weir_scope_join(&scope));
        (void)!weir_session_join(rig.session);
        int status = drain_wire(&rig, &sum);
        assert_true(status == WEIR_CLOSED || status == WEIR_SYSTEM(ECONNRESET));
        assert_true(sum < LARGE);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(a_close_behind_what_the_peer_does_not_read_times_out)

/* A message in pieces is never ended: the Close is sent in place of its last pieces. */
static int a_close_inside_a_message_in_pieces_ends_it(void *arg)
{
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_session *peer;
        weir_message message;
        weir_scope scope;
        weir_frame frame;
        rig_open(&rig, (enum weir_role)role, NULL);
        rig_open_peer(&rig, &peer, NULL);
        assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT));
        assert_ok(weir_message_write(&message, "the first part", 14));
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "close", close_session, &rig));
        assert_ok(weir_scope_join(&scope));
        assert_status(weir_message_write(&message, "and", 3), WEIR_CLOSED);
        assert_status(weir_message_end(&message), WEIR_CLOSED);
        assert_status(weir_receive(peer, &frame), WEIR_CLOSED);
        rig_expect_ended(&rig, WEIR_END_CLEAN, 3001, 3001);
        assert_status(weir_session_join(peer), WEIR_CLOSED);
        weir_session_free(peer);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(a_close_inside_a_message_in_pieces_ends_it)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_that_close_at_once_end_clean_),
        cmocka_unit_test(a_close_that_crosses_ours_gets_no_second_one_),
        cmocka_unit_test(a_reset_in_each_state_is_reported_or_comes_too_late_),
        cmocka_unit_test(a_client_that_resets_while_it_shakes_hands_leaves_nothing_),
        cmocka_unit_test(a_server_that_resets_while_it_shakes_hands_is_reported_as_that_),
        cmocka_unit_test(own_close_waits_for_the_large_message_before_it_),
        cmocka_unit_test(peers_close_is_answered_behind_the_large_message_that_has_begun_),
        cmocka_unit_test(close_now_ends_the_large_message_that_has_begun_),
        cmocka_unit_test(a_server_that_goes_away_at_once_has_shaken_hands_),
        cmocka_unit_test(terminating_cuts_the_large_message_off_and_the_peer_sees_it_),
        cmocka_unit_test(a_close_behind_what_the_peer_does_not_read_times_out_),
        cmocka_unit_test(a_close_inside_a_message_in_pieces_ends_it_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
