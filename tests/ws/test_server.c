/* ctest: loops */
/* Servers and clients together: routes, the upgrade hook, refusals, both shapes of handler, a
 * client's errors. In the simulated world and over real sockets. */
#include "support/session_rig.h"

#include <errno.h>
#include <stdio.h>
#include <weir/address.h>
#include <weir/stream.h>
#include <weir/url.h>

/* --- handlers --- */

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

static int open_client(weir_session **client, const weir_server *server, const char *path)
{
    char url[256];
    const char *base = weir_server_url(server);
    const char *end = strchr(base + 5, '/');
    snprintf(url, sizeof url, "%.*s%s", (int)(end - base), base, path);
    return weir_client_open(client, weir_scope_current(), &(weir_connect_options){.url = url});
}

static void expect_echo(weir_session *client, const char *text)
{
    weir_frame frame;
    assert_ok(weir_send_text(client, text));
    assert_ok(weir_receive(client, &frame));
    assert_int_equal(frame.size, strlen(text));
    assert_memory_equal(frame.data, text, frame.size);
    weir_frame_release(&frame);
}

static void close_client(weir_session *client)
{
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
}

/* --- cases --- */

static int both_shapes_of_handler_echo(void *arg)
{
    (void)arg;
    for (int shape = 0; shape < 2; shape++) {
        weir_server *server;
        weir_session *client;
        weir_serve_options options = {.url = "ws://127.0.0.1:0/echo"};
        if (shape == 0)
            options.handler = rig_echo;
        else
            options.on_message = echo_message;
        assert_ok(weir_server_start(&server, weir_scope_current(), &options));
        assert_ok(open_client(&client, server, "/echo"));
        for (int i = 0; i < 50; i++)
            expect_echo(client, "one after the other");
        assert_int_equal(weir_server_session_count(server), 1);
        if (shape == 1) /* an idle session has no stack */
            assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
        close_client(client);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(both_shapes_of_handler_echo)

static int name_of_path(weir_session *session, void *arg)
{
    (void)arg;
    return weir_send_text(session, weir_session_path(session));
}

static int say_arg(weir_session *session, void *arg)
{
    return weir_send_text(session, arg);
}

static int routes_choose_by_path(void *arg)
{
    static const weir_route routes[] = {
        {.path = "/exact", .handler = say_arg, .arg = "exact"},
        {.path = "/tree/...", .handler = name_of_path},
    };
    static const struct {
        const char *path;
        const char *answer;
    } cases[] = {{"/exact", "exact"},
                 {"/tree/a/b", "/tree/a/b"},
                 {"/tree/", "/tree/"},
                 {"/exact/not", NULL},
                 {"/", NULL}};
    weir_server *server;
    (void)arg;
    weir_serve_options options = {.url = "ws://127.0.0.1:0", .routes = routes, .route_count = 2};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_session *client;
        weir_frame frame;
        int status = open_client(&client, server, cases[i].path);
        if (cases[i].answer == NULL) {
            assert_status(status, WEIR_EREFUSED);
            continue;
        }
        assert_ok(status);
        assert_ok(weir_receive_message(client, &frame));
        assert_string_equal((const char *)frame.data, cases[i].answer);
        weir_frame_release(&frame);
        assert_status(weir_receive(client, &frame), WEIR_CLOSED);
        assert_status(weir_session_join(client), WEIR_CLOSED);
        weir_session_free(client);
    }
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(routes_choose_by_path)

static int decide(weir_upgrade *upgrade, void *arg)
{
    (void)arg;
    assert_ok(weir_sleep(5)); /* a hook may suspend */
    weir_view token = weir_upgrade_header(upgrade, "authorization");
    assert_true(weir_view_equal(weir_upgrade_path(upgrade), "/secret"));
    assert_true(weir_view_equal(weir_upgrade_query(upgrade), "a=1"));
    assert_true(token.data == NULL ||
                weir_view_equal(weir_upgrade_origin(upgrade), "https://a.example"));
    assert_true(token.data != NULL || weir_upgrade_origin(upgrade).data == NULL);
    assert_ok(weir_upgrade_add_header(upgrade, "X-Weir", "here"));
    assert_status(weir_upgrade_add_header(upgrade, "Bad\r\n", "x"), WEIR_EINVAL);
    assert_status(weir_upgrade_add_header(upgrade, "Upgrade", "x"), WEIR_EINVAL);
    if (token.data == NULL)
        return weir_upgrade_refuse(upgrade, 401, "who are you?");
    if (!weir_view_equal(token, "open sesame"))
        return WEIR_EINVAL; /* a plain failure is a 500 */
    assert_status(weir_upgrade_set_subprotocol(upgrade, "never-offered"), WEIR_EINVAL);
    assert_ok(weir_upgrade_set_subprotocol(upgrade, "b"));
    *(int *)weir_upgrade_user(upgrade) = 42;
    return WEIR_OK;
}

static int check_user(weir_session *session, void *arg)
{
    (void)arg;
    assert_int_equal(*(int *)weir_session_user(session), 42);
    assert_string_equal(weir_session_subprotocol(session), "b");
    return rig_echo(session, NULL);
}

static int upgrade_hook_accepts_and_refuses(void *arg)
{
    static const char *const offered[] = {"a", "b"};
    static const weir_http_header good[] = {{"Authorization", "open sesame"}};
    static const weir_http_header bad[] = {{"Authorization", "?"}};
    weir_server *server;
    weir_session *client;
    char url[256];
    weir_connect_failure failure;
    (void)arg;
    weir_serve_options options = {.url = "ws://127.0.0.1:0/secret",
                                  .handler = check_user,
                                  .on_upgrade = decide,
                                  .session.user_size = sizeof(int)};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    snprintf(url, sizeof url, "%s?a=1", weir_server_url(server));
    weir_connect_options connect = {.url = url, .failure = &failure};
    assert_status(weir_client_open(&client, weir_scope_current(), &connect), WEIR_EREFUSED);
    assert_int_equal(failure.http_status, 401);
    assert_string_equal(failure.body, "who are you?");
    connect.origin = "https://a.example";
    connect.headers = bad;
    connect.header_count = 1;
    assert_status(weir_client_open(&client, weir_scope_current(), &connect), WEIR_EREFUSED);
    assert_int_equal(failure.http_status, 500);
    connect.headers = good;
    connect.subprotocols = offered;
    connect.subprotocol_count = 2;
    assert_ok(weir_client_open(&client, weir_scope_current(), &connect));
    assert_string_equal(weir_session_subprotocol(client), "b");
    expect_echo(client, "inside");
    close_client(client);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(upgrade_hook_accepts_and_refuses)

static int fail_at_once(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return WEIR_ENOMEM;
}

static int return_at_once(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return WEIR_OK;
}

static int say_cancelled(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return WEIR_CANCELLED;
}

static int wait_for_ever(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return weir_sleep(1000000);
}

static int result_of_the_handler_closes(void *arg)
{
    static const struct {
        weir_handler handler;
        unsigned code;
    } cases[] = {
        {return_at_once, 1000}, {fail_at_once, 1011}, {say_cancelled, 1001}, {wait_for_ever, 1001}};
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_server *server;
        weir_session *client;
        weir_end end;
        assert_ok(weir_server_start(
            &server, weir_scope_current(),
            &(weir_serve_options){.url = "ws://127.0.0.1:0", .handler = cases[i].handler}));
        assert_ok(open_client(&client, server, "/"));
        if (cases[i].handler == wait_for_ever)
            weir_server_stop(server);
        assert_status(weir_session_join(client), WEIR_CLOSED);
        weir_session_end_get(&end, client);
        assert_int_equal(end.theirs.code, cases[i].code);
        assert_int_equal(end.theirs.message_size, 0);
        assert_true(end.by_peer);
        weir_session_free(client);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(result_of_the_handler_closes)

static int opened;
static int closed;

static int note_open(weir_session *session, void *arg)
{
    (void)arg;
    opened++;
    return weir_send_text(session, "welcome");
}

static void note_close(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    (void)arg;
    assert_int_equal(end->kind, WEIR_END_CLEAN);
    closed++;
}

static int sleepy_echo(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    int status = weir_sleep(2); /* it may suspend; the next message waits for it */
    return status == WEIR_OK ? weir_send(session, frame) : status;
}

static int on_open_on_message_and_on_close_come_in_turn(void *arg)
{
    weir_server *server;
    weir_session *client;
    weir_frame frame;
    char text[16];
    (void)arg;
    opened = closed = 0;
    weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                  .on_message = sleepy_echo,
                                  .on_open = note_open,
                                  .on_close = note_close};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    assert_ok(open_client(&client, server, "/"));
    assert_ok(weir_receive(client, &frame));
    assert_memory_equal(frame.data, "welcome", 7);
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_ok(weir_send_text(client, text));
    }
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_ok(weir_receive(client, &frame));
        assert_memory_equal(frame.data, text, frame.size);
    }
    weir_frame_release(&frame);
    close_client(client);
    weir_server_stop(server);
    assert_ok(weir_sleep(10));
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(on_open_on_message_and_on_close_come_in_turn)

/* --- at the level of bytes --- */

static weir_stream *connect_bytes(const weir_server *server)
{
    weir_url url;
    weir_address address;
    weir_stream *stream;
    const char *text = weir_server_url(server);
    assert_ok(weir_url_parse(&url, text, strlen(text), NULL));
    assert_ok(weir_address_tcp(&address, "127.0.0.1", url.port));
    assert_ok(weir_stream_connect(&stream, &address, 0));
    return stream;
}

static size_t read_all(weir_stream *stream, char *out, size_t room)
{
    size_t size = 0;
    size_t got;
    while (size < room - 1 &&
           weir_stream_read(stream, out + size, room - 1 - size, &got) == WEIR_OK)
        size += got;
    out[size] = '\0';
    return size;
}

#define HEAD                                                                                       \
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"                   \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int frame_right_behind_the_handshake_is_served(void *arg)
{
    static const char answer[] = "HTTP/1.1 101 ";
    weir_server *server;
    char out[1024];
    (void)arg;
    assert_ok(
        weir_server_start(&server, weir_scope_current(),
                          &(weir_serve_options){.url = "ws://127.0.0.1:0", .handler = rig_echo}));
    weir_stream *stream = connect_bytes(server);
    static const char request[] = HEAD "\r\n\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
    assert_ok(weir_stream_write(stream, request, sizeof request - 1));
    size_t size = read_all(stream, out, sizeof out);
    assert_memory_equal(out, answer, sizeof answer - 1);
    assert_non_null(strstr(out, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_memory_equal(out + size - 8, "\x81\x02hi\x88\x02\x03\xe8", 8);
    weir_stream_close(stream);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(frame_right_behind_the_handshake_is_served)

static int trickled_request_is_served(void *arg)
{
    weir_server *server;
    char out[1024];
    static const char request[] = HEAD "\r\n";
    (void)arg;
    assert_ok(weir_server_start(&server, weir_scope_current(),
                                &(weir_serve_options){.url = "ws://127.0.0.1:0",
                                                      .handler = return_at_once,
                                                      .session.close_timeout_ms = 20}));
    weir_stream *stream = connect_bytes(server);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        assert_ok(weir_stream_write(stream, request + i, 1));
        assert_ok(weir_yield());
    }
    assert_true(read_all(stream, out, sizeof out) > 4);
    assert_non_null(strstr(out, " 101 "));
    weir_stream_close(stream);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(trickled_request_is_served)

static int bad_requests_get_their_status(void *arg)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {"\x16\x03\x01\x02\x00\x01\x00", " 400 "},
        {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", " 405 "},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", " 426 "},
        {"GET /no HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
         " 404 "},
    };
    weir_server *server;
    char out[2048];
    (void)arg;
    weir_route route = {.path = "/", .handler = rig_echo};
    assert_ok(weir_server_start(
        &server, weir_scope_current(),
        &(weir_serve_options){.url = "ws://127.0.0.1:0", .routes = &route, .route_count = 1}));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_stream *stream = connect_bytes(server);
        assert_ok(weir_stream_write(stream, cases[i].request, strlen(cases[i].request)));
        read_all(stream, out, sizeof out);
        assert_non_null(strstr(out, cases[i].status));
        assert_non_null(strstr(out, "\r\nConnection: close"));
        weir_stream_close(stream);
    }
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(bad_requests_get_their_status)

static int silent_connection_is_dropped_at_the_deadline(void *arg)
{
    weir_server *server;
    char out[64];
    (void)arg;
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0", .handler = rig_echo, .handshake_timeout_ms = 50};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_stream *stream = connect_bytes(server);
    uint64_t start = weir_loop_now(weir_loop_current());
    assert_int_equal(read_all(stream, out, sizeof out), 0);
    assert_in_range(weir_loop_now(weir_loop_current()) - start, 40, 1000);
    weir_stream_close(stream);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(silent_connection_is_dropped_at_the_deadline)

static int sessions_over_the_limit_wait(void *arg)
{
    weir_server *server;
    weir_session *first;
    weir_session *second;
    (void)arg;
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0", .handler = rig_echo, .max_sessions = 1};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    assert_ok(open_client(&first, server, "/"));
    weir_connect_options connect = {.url = weir_server_url(server), .handshake_timeout_ms = 50};
    assert_status(weir_client_open(&second, weir_scope_current(), &connect), WEIR_ETIMEDOUT);
    close_client(first);
    assert_ok(open_client(&second, server, "/"));
    expect_echo(second, "now");
    close_client(second);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(sessions_over_the_limit_wait)

/* --- a client's errors --- */

static int answer_with(void *arg)
{
    struct {
        weir_listener *listener;
        const char *answer;
    } *self = arg;
    weir_stream *stream;
    char request[1024];
    size_t got;
    assert_ok(weir_listener_accept(&stream, self->listener));
    assert_ok(weir_stream_read(stream, request, sizeof request, &got));
    if (self->answer != NULL)
        assert_ok(weir_stream_write(stream, self->answer, strlen(self->answer)));
    else
        assert_ok(weir_sleep(200));
    weir_stream_close(stream);
    return WEIR_OK;
}

static int client_reports_what_went_wrong(void *arg)
{
    static const struct {
        const char *answer;
        int status;
        unsigned http_status;
    } cases[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", WEIR_EREFUSED, 403},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: x\r\n\r\n",
         WEIR_EPROTOCOL, 101},
        {"SSH-2.0-x\r\n", WEIR_EPROTOCOL, 0},
        {"", WEIR_ELOST, 0},
        {NULL, WEIR_ETIMEDOUT, 0},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_address address;
        struct {
            weir_listener *listener;
            const char *answer;
        } self = {.answer = cases[i].answer};
        weir_session *client;
        weir_connect_failure failure;
        char url[64];
        assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
        assert_ok(weir_listener_open(&self.listener, weir_loop_current(), &address, false));
        assert_ok(weir_listener_address_get(&address, self.listener));
        assert_ok(weir_go(weir_scope_current(), "answer", answer_with, &self));
        snprintf(url, sizeof url, "ws://127.0.0.1:%u/", weir_address_port(&address));
        weir_connect_options connect = {
            .url = url, .handshake_timeout_ms = 100, .failure = &failure};
        assert_status(weir_client_open(&client, weir_scope_current(), &connect), cases[i].status);
        assert_null(client);
        assert_int_equal(failure.status, cases[i].status);
        assert_int_equal(failure.http_status, cases[i].http_status);
        assert_true((failure.fault.rule != NULL) == (cases[i].status == WEIR_EPROTOCOL));
        assert_ok(weir_sleep(150));
        weir_listener_close(self.listener);
        assert_ok(weir_sleep(10)); /* io_uring closes a listener when its accept has completed */
        if (i == 0) {
            assert_string_equal(failure.body, "no");
            assert_status(weir_client_open(&client, weir_scope_current(), &connect),
                          WEIR_SYSTEM(ECONNREFUSED));
        }
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(client_reports_what_went_wrong)

static int bad_options_are_refused(void *arg)
{
    weir_server *server;
    weir_session *client;
    (void)arg;
    weir_scope *scope = weir_scope_current();
    assert_status(
        weir_server_start(&server, scope, &(weir_serve_options){.url = "ws://127.0.0.1:0"}),
        WEIR_EINVAL);
    assert_status(weir_server_start(&server, scope, &(weir_serve_options){.handler = rig_echo}),
                  WEIR_EINVAL);
    assert_status(weir_server_start(&server, scope,
                                    &(weir_serve_options){.url = "http://x", .handler = rig_echo}),
                  WEIR_EINVAL);
    assert_status(
        weir_server_start(&server, scope,
                          &(weir_serve_options){.url = "wss://127.0.0.1:0", .handler = rig_echo}),
        WEIR_ENOTSUP);
    assert_status(weir_server_start(&server, scope,
                                    &(weir_serve_options){.url = "ws://127.0.0.1:0",
                                                          .handler = rig_echo,
                                                          .max_head_size = 70000}),
                  WEIR_EINVAL);
    assert_status(weir_client_open(&client, scope, &(weir_connect_options){.url = "ftp://x"}),
                  WEIR_EINVAL);
    assert_status(
        weir_client_open(&client, scope, &(weir_connect_options){.url = "wss://127.0.0.1"}),
        WEIR_ENOTSUP);
    assert_status(
        weir_client_open(&client, scope,
                         &(weir_connect_options){.url = "ws://127.0.0.1:1", .origin = "a\r\nb"}),
        WEIR_EINVAL);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(bad_options_are_refused)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_shapes_of_handler_echo_),
        cmocka_unit_test(routes_choose_by_path_),
        cmocka_unit_test(upgrade_hook_accepts_and_refuses_),
        cmocka_unit_test(result_of_the_handler_closes_),
        cmocka_unit_test(on_open_on_message_and_on_close_come_in_turn_),
        cmocka_unit_test(frame_right_behind_the_handshake_is_served_),
        cmocka_unit_test(trickled_request_is_served_),
        cmocka_unit_test(bad_requests_get_their_status_),
        cmocka_unit_test(silent_connection_is_dropped_at_the_deadline_),
        cmocka_unit_test(sessions_over_the_limit_wait_),
        cmocka_unit_test(client_reports_what_went_wrong_),
        cmocka_unit_test(bad_options_are_refused_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
