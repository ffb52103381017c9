/* ctest: loops */
/* Handlers of both shapes: they are called in turn, one message at a time; their status closes the
 * session; and all of them are cancelled when the peer is gone. */
#include "support/session_rig.h"

#include <stdio.h>
#include <weir/address.h>
#include <weir/stream.h>
#include <weir/url.h>

static void start_server(weir_server **server, weir_serve_options options)
{
    options.url = "ws://127.0.0.1:0";
    if (options.session.close_timeout_ms == 0)
        options.session.close_timeout_ms = 100;
    assert_ok(weir_server_start(server, weir_scope_current(), &options));
}

static weir_session *call(const weir_server *server)
{
    weir_session *client;
    weir_connect_options options = {.url = weir_server_url(server)};
    assert_ok(weir_client_open(&client, weir_scope_current(), &options));
    return client;
}

static void expect_close_code(weir_session *client, unsigned code)
{
    weir_end end;
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_end_get(&end, client);
    assert_int_equal(end.theirs.code, code);
    assert_int_equal(end.theirs.message_size, 0); /* internal texts are not sent */
    weir_session_free(client);
}

/* --- on_message --- */

/* What happened at the server, a letter each. */
static struct {
    char log[64];
    size_t size;
    bool inside;
    enum weir_end_kind end;
} story;

static void note(char letter)
{
    assert_true(story.size < sizeof story.log - 1);
    story.log[story.size++] = letter;
    story.log[story.size] = '\0';
}

static int open_slowly(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    note('(');
    int status = weir_sleep(20);
    note('o');
    return status;
}

static int answer_slowly(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    assert_false(story.inside);
    story.inside = true;
    note((char)frame->data[0]);
    int status = weir_sleep(5);
    assert_int_equal(frame->size, 1); /* valid until it returns */
    note((char)frame->data[0]);
    story.inside = false;
    if (status == WEIR_OK)
        status = weir_send(session, frame);
    return status == WEIR_CLOSED ? WEIR_OK : status; /* the peer does not read any more */
}

static void note_close(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    (void)arg;
    assert_false(story.inside);
    story.end = end->kind;
    note(')');
}

static int on_message_is_called_one_at_a_time_in_order(void *arg)
{
    weir_server *server;
    (void)arg;
    memset(&story, 0, sizeof story);
    start_server(&server, (weir_serve_options){.on_open = open_slowly,
                                               .on_message = answer_slowly,
                                               .on_close = note_close,
                                               .session.close_timeout_ms = 20000});
    weir_session *client = call(server);
    static const char *const letters[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++)
        assert_ok(weir_send_text(client, letters[i]));
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
    assert_eventually(story.size > 0 && story.log[story.size - 1] == ')');
    /* What came before the Close is still served. */
    assert_string_equal(story.log, "(oaabbccddee)");
    assert_int_equal(story.end, WEIR_END_CLEAN);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(on_message_is_called_one_at_a_time_in_order)

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

#define IDLE 20

static int idle_sessions_own_no_coroutine(void *arg)
{
    weir_server *server;
    weir_session *clients[IDLE];
    (void)arg;
    start_server(&server, (weir_serve_options){.on_message = echo_message});
    for (int i = 0; i < IDLE; i++)
        clients[i] = call(server);
    assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
    for (int i = 0; i < IDLE; i++) {
        assert_ok(weir_send_text(clients[i], "hello"));
        expect_text(clients[i], "hello");
    }
    assert_eventually(weir_loop_coroutine_count(weir_loop_current()) == 1);
    for (int i = 0; i < IDLE; i++) {
        assert_ok(weir_close(clients[i], 1000, NULL));
        assert_status(weir_session_join(clients[i]), WEIR_CLOSED);
        weir_session_free(clients[i]);
    }
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(idle_sessions_own_no_coroutine)

static void count_clean_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    assert_int_equal(end->kind, WEIR_END_CLEAN);
    ++*(int *)arg;
}

static int server_that_stops_ends_idle_on_message_sessions_cleanly(void *arg)
{
    weir_server *server;
    weir_end end;
    int ended = 0;
    (void)arg;
    start_server(&server, (weir_serve_options){.on_message = echo_message,
                                               .on_close = count_clean_end,
                                               .arg = &ended,
                                               .session.close_timeout_ms = 5000});
    weir_session *client = call(server);
    weir_server_stop(server);
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_end_get(&end, client);
    assert_true(end.by_peer);
    assert_int_equal(end.theirs.code, WEIR_CLOSE_GOING_AWAY);
    weir_session_free(client);
    assert_eventually(ended == 1);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(server_that_stops_ends_idle_on_message_sessions_cleanly)

static int return_what_is_asked(weir_session *session, weir_frame *frame, void *arg)
{
    static const struct {
        const char *name;
        int status;
    } answers[] = {
        {"closed", WEIR_CLOSED}, {"memory", WEIR_ENOMEM}, {"system", WEIR_SYSTEM(5)}, {"ok", 1}};
    (void)session;
    (void)arg;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (frame->size == strlen(answers[i].name) &&
            memcmp(frame->data, answers[i].name, frame->size) == 0)
            return answers[i].status;
    return weir_sleep(1000000);
}

static int result_of_on_message_closes(void *arg)
{
    static const struct {
        const char *text;
        unsigned code;
    } cases[] = {{"closed", 1000}, {"memory", 1011}, {"system", 1011}, {"sleep", 1001}};
    weir_server *server;
    (void)arg;
    start_server(&server, (weir_serve_options){.on_message = return_what_is_asked});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_session *client = call(server);
        assert_ok(weir_send_text(client, "ok")); /* goes on */
        assert_ok(weir_send_text(client, cases[i].text));
        if (cases[i].code == 1001) {
            assert_ok(weir_sleep(20));
            weir_server_stop(server);
        }
        expect_close_code(client, cases[i].code);
    }
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(result_of_on_message_closes)

static int refuse_to_open(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    note('(');
    return WEIR_ELIMIT;
}

static int on_open_that_fails_closes_with_1011(void *arg)
{
    weir_server *server;
    (void)arg;
    memset(&story, 0, sizeof story);
    start_server(&server, (weir_serve_options){.on_open = refuse_to_open,
                                               .on_message = answer_slowly,
                                               .on_close = note_close});
    weir_session *client = call(server);
    int status = weir_send_text(client, "never seen");
    assert_true(status == WEIR_OK || status == WEIR_CLOSED);
    expect_close_code(client, 1011);
    assert_eventually(story.size == 2);
    assert_string_equal(story.log, "()");
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(on_open_that_fails_closes_with_1011)

/* --- the peer is gone: any handler is cancelled --- */

static int running;

static int consume(weir_session *session)
{
    weir_frame frame;
    int status;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        weir_frame_release(&frame);
    return status;
}

static int produce(weir_session *session)
{
    static uint8_t payload[10000];
    int status;
    while ((status = weir_send_binary(session, payload, sizeof payload)) == WEIR_OK)
        continue;
    return status;
}

static int idle(weir_session *session)
{
    (void)session;
    return weir_sleep(1000000);
}

typedef int (*occupation)(weir_session *session);
static const occupation occupations[] = {consume, produce, idle};

#define OCCUPATIONS (sizeof occupations / sizeof *occupations)

static int occupy(weir_session *session, void *arg)
{
    running++;
    int status = (*(const occupation *)arg)(session);
    running--;
    return status;
}

static int occupy_by_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)frame;
    return occupy(session, arg);
}

static weir_stream *shake_hands(const weir_server *server)
{
    static const char head[] =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        "\x82\x80\0\0\0\0"; /* and an empty message */
    weir_url url;
    weir_address address;
    weir_stream *stream;
    const char *text = weir_server_url(server);
    assert_ok(weir_url_parse(&url, text, strlen(text), NULL));
    assert_ok(weir_address_tcp(&address, "127.0.0.1", url.port));
    assert_ok(weir_stream_connect(&stream, &address, 0));
    assert_ok(weir_stream_write(stream, head, sizeof head - 1));
    for (uint32_t last = 0; last != 0x0d0a0d0a;) {
        uint8_t byte;
        assert_ok(weir_stream_read_exactly(stream, &byte, 1));
        last = last << 8 | byte;
    }
    return stream;
}

static int handlers_are_cancelled_when_the_peer_is_gone(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < OCCUPATIONS * 4; i++) {
        weir_server *server;
        occupation work = occupations[i / 4];
        bool by_message = i % 4 >= 2;
        if (by_message && work == consume)
            continue; /* it is the library that receives */
        start_server(&server,
                     (weir_serve_options){.handler = by_message ? NULL : occupy,
                                          .on_message = by_message ? occupy_by_message : NULL,
                                          .arg = &work});
        weir_stream *peer = shake_hands(server);
        assert_eventually(running == 1);
        if (i % 2 == 0)
            weir_stream_reset(peer);
        else
            weir_stream_close(peer);
        assert_eventually(running == 0 && weir_server_session_count(server) == 0);
        assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(handlers_are_cancelled_when_the_peer_is_gone)

struct raw_occupation {
    weir_session *session;
    occupation work;
};

static int occupy_raw(void *arg)
{
    struct raw_occupation *self = arg;
    running++;
    (void)self->work(self->session);
    running--;
    return WEIR_OK;
}

static int coroutines_of_a_raw_session_are_cancelled_when_the_peer_is_gone(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < OCCUPATIONS * 2; i++) {
        struct rig rig;
        rig_open_raw(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.close_timeout_ms = 100});
        struct raw_occupation self = {rig.session, occupations[i / 2]};
        assert_ok(weir_go(weir_session_scope(rig.session), "occupied", occupy_raw, &self));
        assert_ok(weir_sleep(5));
        assert_int_equal(running, 1);
        if (i % 2 == 0)
            weir_stream_reset(rig.wire);
        else
            weir_stream_close(rig.wire);
        assert_int_not_equal(weir_session_join(rig.session), WEIR_OK);
        assert_int_equal(running, 0);
        weir_session_free(rig.session);
    }
    return WEIR_OK;
}
RUN(coroutines_of_a_raw_session_are_cancelled_when_the_peer_is_gone)

/* --- what a handler does after its peer has gone --- */

static int finish_slowly(weir_session *session, void *arg)
{
    weir_frame frame;
    int *finished = arg;
    int received = 0;
    assert_ok(weir_sleep(30)); /* meanwhile the peer connects, talks and closes */
    while (weir_receive(session, &frame) == WEIR_OK)
        received++;
    *finished = weir_sleep(30) == WEIR_OK ? received : -1;
    return WEIR_OK;
}

static int handler_may_finish_after_the_end(void *arg)
{
    weir_server *server;
    int finished = 0;
    (void)arg;
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0", .handler = finish_slowly, .arg = &finished};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_stream *peer = shake_hands(server);
    weir_stream_close(peer);
    assert_eventually(finished != 0);
    assert_int_equal(finished, 1);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(handler_may_finish_after_the_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_message_is_called_one_at_a_time_in_order_),
        cmocka_unit_test(idle_sessions_own_no_coroutine_),
        cmocka_unit_test(server_that_stops_ends_idle_on_message_sessions_cleanly_),
        cmocka_unit_test(result_of_on_message_closes_),
        cmocka_unit_test(on_open_that_fails_closes_with_1011_),
        cmocka_unit_test(handlers_are_cancelled_when_the_peer_is_gone_),
        cmocka_unit_test(coroutines_of_a_raw_session_are_cancelled_when_the_peer_is_gone_),
        cmocka_unit_test(handler_may_finish_after_the_end_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
