/* What 0 and WEIR_UNLIMITED stand for in the options of sessions, servers and clients: the default,
 * and none. In virtual time, where a day passes at once. */
#include "support/session_rig.h"

#include <errno.h>
#include <stdio.h>
#include <weir/reader.h>
#include <weir/url.h>
#include <weir/writer.h>

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

#define IN_VIRTUAL_TIME(body)                                                                      \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run(body, NULL);                                                                       \
    }

static enum weir_end_kind end_kind(const weir_session *session)
{
    weir_end end;
    weir_session_end_get(&end, session);
    return end.kind;
}

/* --- sessions --- */

static int times_of_zero_are_the_defaults(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){0});
    uint64_t start = weir_loop_now(rig.loop);
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    rig_expect_passed(start, 20000, 2);
    assert_status(weir_receive(rig.session, &frame), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 40000, 4);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(times_of_zero_are_the_defaults)

static int pings_are_set_to_the_default_by_zero(void *arg)
{
    struct rig rig;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.ping_interval_ms = WEIR_UNLIMITED});
    assert_ok(weir_sleep(DAY_MS));
    weir_session_set_ping(rig.session, 0, 0);
    uint64_t start = weir_loop_now(rig.loop);
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    rig_expect_passed(start, 20000, 2);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(pings_are_set_to_the_default_by_zero)

static int closing_handshake_has_five_seconds_or_all_the_time(void *arg)
{
    static const uint64_t timeouts[] = {0, WEIR_UNLIMITED};
    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        struct rig rig;
        rig_open(&rig, WEIR_ROLE_SERVER,
                 &(weir_session_options){.close_timeout_ms = timeouts[i],
                                         .ping_interval_ms = WEIR_UNLIMITED});
        assert_ok(weir_close(rig.session, WEIR_CLOSE_NORMAL, NULL));
        rig_expect_close(&rig, WEIR_CLOSE_NORMAL);
        assert_ok(weir_sleep(4900));
        assert_int_equal(end_kind(rig.session), WEIR_END_NONE);
        assert_ok(weir_sleep(timeouts[i] == 0 ? 200 : DAY_MS));
        assert_int_equal(end_kind(rig.session),
                         timeouts[i] == 0 ? WEIR_END_CLOSE_TIMEOUT : WEIR_END_NONE);
        rig_close(&rig);
    }
    return WEIR_OK;
}
IN_VIRTUAL_TIME(closing_handshake_has_five_seconds_or_all_the_time)

/* How many bytes a session takes while its peer does not read and there is room for frames. */
static size_t bytes_until_full(size_t high_water)
{
    static uint8_t payload[65536];
    struct rig rig;
    size_t sent = 0;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.high_water = high_water, .outgoing_capacity = 64});
    for (int i = 0; i < 64; i++) {
        weir_frame frame = weir_frame_binary(payload, sizeof payload);
        if (weir_try_send(rig.session, &frame) != WEIR_OK)
            break;
        sent += sizeof payload;
    }
    rig_close(&rig);
    return sent;
}

static int unsent_bytes_are_bounded_unless_they_must_not_be(void *arg)
{
    (void)arg;
    assert_in_range(bytes_until_full(0), 1 << 20, 3 << 20);
    assert_int_equal(bytes_until_full((size_t)WEIR_UNLIMITED), 4 << 20);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(unsent_bytes_are_bounded_unless_they_must_not_be)

/* A queue of frames always has a bound. */
static int queues_without_a_bound_are_refused(void *arg)
{
    static const size_t none = (size_t)WEIR_UNLIMITED;
    struct rig rig;
    weir_stream *end;
    weir_session *session;
    weir_reader *reader;
    weir_writer *writer;
    weir_scope *scope = weir_scope_current();
    (void)arg;
    for (int i = 0; i < 2; i++) {
        rig_open_streams(&rig, WEIR_ROLE_SERVER, &end);
        const weir_session_options options = {.incoming_capacity = i == 0 ? none : 0,
                                              .outgoing_capacity = i == 1 ? none : 0};
        assert_status(weir_session_start(&session, scope, end, WEIR_ROLE_SERVER, &options),
                      WEIR_EINVAL);
        rig_close(&rig);
    }
    rig_open_streams(&rig, WEIR_ROLE_SERVER, &end);
    assert_status(weir_reader_start(&reader, scope, end, &(weir_reader_options){.capacity = none}),
                  WEIR_EINVAL);
    assert_status(weir_writer_start(&writer, scope, end, &(weir_writer_options){.capacity = none}),
                  WEIR_EINVAL);
    weir_stream_close(end);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(queues_without_a_bound_are_refused)

/* --- reader and pinger --- */

static int reader_has_a_limit_unless_it_is_lifted(void *arg)
{
    struct rig rig;
    weir_stream *end;
    weir_reader *reader;
    (void)arg;
    rig_open_streams(&rig, WEIR_ROLE_SERVER, &end);
    assert_ok(weir_reader_start(&reader, weir_scope_current(), end, NULL));
    assert_int_equal(weir_reader_max_frame_size(reader), WEIR_MAX_SIZE_DEFAULT);
    weir_reader_set_max_frame_size(reader, WEIR_UNLIMITED);
    assert_int_equal(weir_reader_max_frame_size(reader), WEIR_UNLIMITED);
    weir_reader_set_max_frame_size(reader, 0);
    assert_int_equal(weir_reader_max_frame_size(reader), WEIR_MAX_SIZE_DEFAULT);
    weir_reader_free(reader);
    weir_stream_close(end);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(reader_has_a_limit_unless_it_is_lifted)

static int pinger_of_zeros_pings_after_20_s_and_waits_for_20_s(void *arg)
{
    struct rig rig;
    weir_channel *pongs;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_pinger_start(&pongs, rig.session, 0, 0));
    uint64_t start = weir_loop_now(rig.loop);
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    rig_expect_passed(start, 20000, 2);
    rig_expect_close(&rig, WEIR_CLOSE_INTERNAL_ERROR);
    rig_expect_passed(start, 40000, 4);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(pinger_of_zeros_pings_after_20_s_and_waits_for_20_s)

static int pinger_without_an_interval_never_pings(void *arg)
{
    struct rig rig;
    weir_channel *pongs;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_pinger_start(&pongs, rig.session, WEIR_UNLIMITED, 1));
    assert_ok(weir_sleep(DAY_MS));
    assert_ok(weir_send_text(rig.session, "no ping before this"));
    rig_expect_frame(&rig, 0x81, "no ping before this", 19);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(pinger_without_an_interval_never_pings)

static int pinger_without_a_timeout_waits_for_a_day(void *arg)
{
    struct rig rig;
    weir_channel *pongs;
    uint8_t first;
    uint8_t payload[128];
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_pinger_start(&pongs, rig.session, 10, WEIR_UNLIMITED));
    rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_int_equal(first, 0x89);
    assert_ok(weir_sleep(DAY_MS));
    assert_int_equal(end_kind(rig.session), WEIR_END_NONE);
    rig_close(&rig);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(pinger_without_a_timeout_waits_for_a_day)

/* --- server and client --- */

static weir_server *start_server(weir_serve_options options)
{
    weir_server *server;
    options.url = "ws://127.0.0.1:0";
    options.handler = rig_echo;
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    return server;
}

static weir_stream *connect_silently(const weir_server *server)
{
    weir_address address;
    weir_stream *stream;
    weir_url url;
    const char *text = weir_server_url(server);
    assert_ok(weir_url_parse(&url, text, strlen(text), NULL));
    assert_ok(weir_address_tcp(&address, "127.0.0.1", url.port));
    assert_ok(weir_stream_connect(&stream, &address, 0));
    return stream;
}

static int silent_connection_has_ten_seconds(void *arg)
{
    char byte;
    size_t got;
    (void)arg;
    weir_server *server = start_server((weir_serve_options){0});
    weir_stream *stream = connect_silently(server);
    uint64_t start = weir_loop_now(weir_loop_current());
    assert_status(weir_stream_read(stream, &byte, 1, &got), WEIR_SYSTEM(ECONNRESET));
    rig_expect_passed(start, 10000, 10);
    weir_stream_close(stream);
    weir_server_free(server);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(silent_connection_has_ten_seconds)

static int read_one_byte(void *arg)
{
    char byte;
    size_t got;
    return weir_stream_read(arg, &byte, 1, &got);
}

static int silent_connection_has_all_the_time(void *arg)
{
    (void)arg;
    weir_server *server =
        start_server((weir_serve_options){.handshake_timeout_ms = WEIR_UNLIMITED});
    weir_stream *stream = connect_silently(server);
    assert_status(weir_with_deadline(DAY_MS, read_one_byte, stream), WEIR_ETIMEDOUT);
    weir_stream_close(stream);
    weir_server_free(server);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(silent_connection_has_all_the_time)

static int number_of_sessions_has_no_limit_unless_it_is_set(void *arg)
{
    static const size_t limits[] = {0, (size_t)WEIR_UNLIMITED};
    enum { COUNT = 40 };
    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        weir_session *sessions[COUNT];
        weir_server *server = start_server((weir_serve_options){.max_sessions = limits[i]});
        for (size_t k = 0; k < COUNT; k++) {
            weir_connect_options options = {.url = weir_server_url(server)};
            assert_ok(weir_client_open(&sessions[k], weir_scope_current(), &options));
        }
        assert_int_equal(weir_server_session_count(server), COUNT);
        for (size_t k = 0; k < COUNT; k++)
            weir_session_free(sessions[k]);
        weir_server_free(server);
    }
    return WEIR_OK;
}
IN_VIRTUAL_TIME(number_of_sessions_has_no_limit_unless_it_is_set)

/* A head is held in memory, so that its size always has a limit. */
static int heads_without_a_limit_are_refused(void *arg)
{
    static const size_t none = (size_t)WEIR_UNLIMITED;
    weir_server *server;
    weir_session *session;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        const weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                            .handler = rig_echo,
                                            .max_head_size = i == 0 ? none : 0,
                                            .max_head_fields = i == 1 ? none : 0};
        assert_status(weir_server_start(&server, weir_scope_current(), &options), WEIR_EINVAL);
    }
    const weir_connect_options options = {.url = "ws://127.0.0.1:9", .max_head_size = none};
    assert_status(weir_client_open(&session, weir_scope_current(), &options), WEIR_EINVAL);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(heads_without_a_limit_are_refused)

/* Accepts a connection and answers nothing, until the scope ends. */
static int accept_and_be_silent(void *arg)
{
    weir_stream *stream;
    int status = weir_listener_accept(&stream, arg);
    if (status == WEIR_OK)
        status = weir_sleep(WEIR_UNLIMITED);
    weir_stream_close(stream);
    return status;
}

static weir_connect_options to(const weir_listener *listener, char *url, size_t size)
{
    weir_address address;
    assert_ok(weir_listener_address_get(&address, listener));
    snprintf(url, size, "ws://127.0.0.1:%u", weir_address_port(&address));
    return (weir_connect_options){.url = url};
}

static int open_session(void *arg)
{
    weir_session *session;
    int status = weir_client_open(&session, weir_scope_current(), arg);
    weir_session_free(session);
    return status;
}

static int client_waits_ten_seconds_or_all_the_time_for_an_answer(void *arg)
{
    char url[64];
    weir_scope scope;
    weir_address address;
    weir_listener *listener;
    (void)arg;
    assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
    assert_ok(weir_listener_open(&listener, weir_loop_current(), &address, false));
    assert_ok(weir_scope_open(&scope));
    weir_connect_options options = to(listener, url, sizeof url);
    uint64_t start = weir_loop_now(weir_loop_current());
    assert_ok(weir_go(&scope, "silent", accept_and_be_silent, listener));
    assert_status(open_session(&options), WEIR_ETIMEDOUT);
    rig_expect_passed(start, 10000, 10);
    options.connect_timeout_ms = WEIR_UNLIMITED;
    options.handshake_timeout_ms = WEIR_UNLIMITED;
    start = weir_loop_now(weir_loop_current());
    assert_ok(weir_go(&scope, "silent", accept_and_be_silent, listener));
    assert_status(weir_with_deadline(DAY_MS, open_session, &options), WEIR_ETIMEDOUT);
    rig_expect_passed(start, DAY_MS, 10);
    weir_scope_cancel(&scope);
    (void)weir_scope_join(&scope);
    weir_listener_close(listener);
    return WEIR_OK;
}
IN_VIRTUAL_TIME(client_waits_ten_seconds_or_all_the_time_for_an_answer)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_of_zero_are_the_defaults_),
        cmocka_unit_test(pings_are_set_to_the_default_by_zero_),
        cmocka_unit_test(closing_handshake_has_five_seconds_or_all_the_time_),
        cmocka_unit_test(unsent_bytes_are_bounded_unless_they_must_not_be_),
        cmocka_unit_test(queues_without_a_bound_are_refused_),
        cmocka_unit_test(reader_has_a_limit_unless_it_is_lifted_),
        cmocka_unit_test(pinger_of_zeros_pings_after_20_s_and_waits_for_20_s_),
        cmocka_unit_test(pinger_without_an_interval_never_pings_),
        cmocka_unit_test(pinger_without_a_timeout_waits_for_a_day_),
        cmocka_unit_test(silent_connection_has_ten_seconds_),
        cmocka_unit_test(silent_connection_has_all_the_time_),
        cmocka_unit_test(number_of_sessions_has_no_limit_unless_it_is_set_),
        cmocka_unit_test(heads_without_a_limit_are_refused_),
        cmocka_unit_test(client_waits_ten_seconds_or_all_the_time_for_an_answer_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
