/* ctest: loops */
/* Servers and clients that compress: what they agree on, that every message arrives, what an idle
 * session costs. In the simulated world and over real sockets. */
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/address.h>
#include <weir/handshake.h>

#ifdef WEIR_HAVE_DEFLATE

#define RUN(body)                                                                                  \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run_everywhere(body, NULL);                                                            \
    }

#define LARGE ((size_t)80000)

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

static weir_session *open_client(const weir_server *server, const weir_deflate_options *deflate)
{
    weir_session *client;
    weir_connect_options options = {.url = weir_server_url(server), .session.deflate = *deflate};
    assert_ok(weir_client_open(&client, weir_scope_current(), &options));
    return client;
}

static void close_client(weir_session *client)
{
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
}

static void fill(uint8_t *out, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(i / 7 * (i / 1000 + seed) % 251);
}

static void expect_echo(weir_session *client, const uint8_t *data, size_t size,
                        enum weir_compress compress)
{
    weir_frame frame = weir_frame_binary(data, size);
    frame.compress = (uint8_t)compress;
    assert_ok(weir_send(client, &frame));
    assert_ok(weir_receive_message(client, &frame));
    assert_int_equal(frame.type, WEIR_FRAME_BINARY);
    assert_int_equal(frame.size, size);
    if (size > 0)
        assert_memory_equal(frame.data, data, size);
    weir_frame_release(&frame);
}

/* --- every message arrives --- */

static void converse(weir_session *client)
{
    static const size_t sizes[] = {0, 1, 127, 128, 4000, 65536, LARGE, 5};
    uint8_t *data = malloc(LARGE);
    weir_frame frame;
    weir_message message;
    assert_non_null(data);
    for (unsigned i = 0; i < 3 * sizeof sizes / sizeof *sizes; i++) {
        fill(data, sizes[i / 3], i);
        expect_echo(client, data, sizes[i / 3], (enum weir_compress)(i % 3));
    }
    assert_ok(weir_message_begin(&message, client, WEIR_FRAME_TEXT));
    for (int i = 0; i < 200; i++)
        assert_ok(weir_message_write(&message, "in many pieces, ", 16));
    assert_ok(weir_message_end(&message));
    assert_ok(weir_receive_message(client, &frame));
    assert_int_equal(frame.type, WEIR_FRAME_TEXT);
    assert_int_equal(frame.size, 3200);
    assert_memory_equal(frame.data + 3184, "in many pieces, ", 16);
    weir_frame_release(&frame);
    free(data);
}

static int all_arrives_with_every_setting(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 8; i++) {
        weir_server *server;
        weir_deflate_options deflate = {.enabled = true,
                                        .server_context_takeover = i % 2 != 0,
                                        .client_context_takeover = i / 2 % 2 != 0,
                                        .server_max_window_bits = (uint8_t)(8 + i % 8),
                                        .compress_min = 1};
        weir_serve_options options = {.url = "ws://127.0.0.1:0", .session.deflate = deflate};
        if (i % 3 == 0)
            options.on_message = echo_message;
        else
            options.handler = rig_echo;
        options.session.pieces = i % 3 == 1;
        assert_ok(weir_server_start(&server, weir_scope_current(), &options));
        deflate.client_max_window_bits = (uint8_t)(15 - i % 8);
        weir_session *client = open_client(server, &deflate);
        weir_deflate_terms terms;
        assert_true(weir_session_deflate_terms_get(&terms, client));
        assert_int_equal(terms.server_no_context_takeover, !deflate.server_context_takeover);
        assert_int_equal(terms.client_no_context_takeover, !deflate.client_context_takeover);
        converse(client);
        close_client(client);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN(all_arrives_with_every_setting)

static int one_side_alone_does_not_compress(void *arg)
{
    (void)arg;
    for (int side = 0; side < 2; side++) {
        weir_server *server;
        weir_serve_options options = {
            .url = "ws://127.0.0.1:0", .handler = rig_echo, .session.deflate.enabled = side == 0};
        assert_ok(weir_server_start(&server, weir_scope_current(), &options));
        weir_session *client = open_client(server, &(weir_deflate_options){.enabled = side != 0});
        assert_false(weir_session_deflate_terms_get(NULL, client));
        converse(client);
        close_client(client);
        weir_server_free(server);
    }
    return WEIR_OK;
}
RUN(one_side_alone_does_not_compress)

/* --- what is sent is compressed, an idle session costs nothing --- */

static int hold_size(weir_session *session, void *arg)
{
    weir_frame frame;
    size_t *queued = arg;
    int status = weir_receive(session, &frame);
    if (status != WEIR_OK)
        return status;
    /* A large message is compressed when it is sent, not when it is written. */
    status = weir_send(session, &frame);
    *queued = weir_session_queued_bytes(session);
    return status == WEIR_OK ? weir_flush(session) : status;
}

static int a_large_message_shrinks_before_it_is_written(void *arg)
{
    weir_server *server;
    size_t queued = 0;
    uint8_t *data = calloc(LARGE, 1);
    (void)arg;
    assert_non_null(data);
    weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                  .handler = hold_size,
                                  .arg = &queued,
                                  .session.deflate.enabled = true};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_session *client = open_client(server, &(weir_deflate_options){.enabled = true});
    expect_echo(client, data, LARGE, WEIR_COMPRESS_DEFAULT);
    assert_true(queued > 0 && queued < LARGE / 100);
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
    weir_server_free(server);
    free(data);
    return WEIR_OK;
}
RUN(a_large_message_shrinks_before_it_is_written)

/* --- refused --- */

static int a_bomb_gets_1009(void *arg)
{
    weir_server *server;
    weir_end end;
    uint8_t *zeros = calloc(LARGE, 1);
    (void)arg;
    assert_non_null(zeros);
    weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                  .handler = rig_echo,
                                  .session = {.deflate.enabled = true, .max_message_size = 1000}};
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_session *client = open_client(server, &(weir_deflate_options){.enabled = true});
    weir_frame frame = weir_frame_binary(zeros, LARGE);
    assert_ok(weir_send(client, &frame));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_end_get(&end, client);
    assert_int_equal(end.theirs.code, 1009);
    weir_session_free(client);
    weir_server_free(server);
    free(zeros);
    return WEIR_OK;
}
RUN(a_bomb_gets_1009)

static int settings_out_of_range_are_refused(void *arg)
{
    static const weir_deflate_options wrong[] = {{.enabled = true, .server_max_window_bits = 16},
                                                 {.enabled = true, .level = 10},
                                                 {.memory_level = 10}};
    weir_server *server;
    weir_session *session;
    weir_stream *ends[2];
    (void)arg;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        weir_serve_options serve = {
            .url = "ws://127.0.0.1:0", .handler = rig_echo, .session.deflate = wrong[i]};
        weir_connect_options connect = {.url = "ws://127.0.0.1:1", .session.deflate = wrong[i]};
        assert_status(weir_server_start(&server, weir_scope_current(), &serve), WEIR_EINVAL);
        assert_status(weir_client_open(&session, weir_scope_current(), &connect), WEIR_EINVAL);
    }
    /* Without a handshake it is not known what was agreed on. */
    assert_ok(weir_stream_pair(&ends[0], &ends[1], weir_loop_current()));
    assert_status(weir_session_start(&session, weir_scope_current(), ends[0], WEIR_ROLE_SERVER,
                                     &(weir_session_options){.deflate.enabled = true}),
                  WEIR_EINVAL);
    weir_stream_close(ends[1]);
    return WEIR_OK;
}
RUN(settings_out_of_range_are_refused)

/* A server of plain bytes that answers one request with any extensions. */
struct stranger {
    weir_listener *listener;
    const char *extensions;
};

static int answer_strangely(void *arg)
{
    struct stranger *stranger = arg;
    weir_stream *stream;
    char head[2048];
    char answer[512];
    char byte;
    size_t size = 0;
    size_t got;
    weir_http_field fields[20];
    weir_handshake_request request = {.head = {.fields = fields, .field_capacity = 20}};
    assert_ok(weir_listener_accept(&stream, stranger->listener));
    int parsed = 0;
    while (parsed == 0) {
        assert_ok(weir_stream_read(stream, head + size, sizeof head - size, &got));
        size += got;
        parsed = weir_handshake_request_parse(&request, head, size, NULL, NULL);
    }
    assert_true(parsed > 0);
    int length = weir_handshake_response_write(
        answer, sizeof answer, &request,
        &(weir_handshake_acceptance){.extensions = stranger->extensions});
    assert_true(length > 0);
    assert_ok(weir_stream_write(stream, answer, (size_t)length));
    while (weir_stream_read(stream, &byte, 1, &got) == WEIR_OK)
        continue;
    weir_stream_close(stream);
    return WEIR_OK;
}

static int the_client_takes_no_answer_that_does_not_fit(void *arg)
{
    static const struct {
        const char *extensions;
        const char *rule; /* NULL: it fits */
    } cases[] = {
        {"permessage-deflate", "RFC 7692 7.1.1.1: server_no_context_takeover is not granted"},
        {"permessage-deflate; server_no_context_takeover", NULL},
        {"permessage-deflate; server_no_context_takeover; client_no_context_takeover", NULL},
        {"permessage-deflate; server_no_context_takeover; client_max_window_bits=16",
         "RFC 7692 7.1.2: a window that is not 8 to 15"},
        {"permessage-deflate; server_no_context_takeover; other",
         "RFC 7692 7: an unknown parameter"},
        {"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
         "RFC 7692 7: a parameter given twice"},
    };
    weir_address address;
    struct stranger stranger;
    char url[64];
    (void)arg;
    assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
    assert_ok(weir_listener_open(&stranger.listener, weir_loop_current(), &address, false));
    assert_ok(weir_listener_address_get(&address, stranger.listener));
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", (unsigned)weir_address_port(&address));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_scope scope;
        weir_session *client;
        weir_connect_failure failure;
        weir_connect_options options = {
            .url = url, .failure = &failure, .session.deflate.enabled = true};
        stranger.extensions = cases[i].extensions;
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "stranger", answer_strangely, &stranger));
        int status = weir_client_open(&client, &scope, &options);
        assert_status(status, cases[i].rule == NULL ? WEIR_OK : WEIR_EPROTOCOL);
        if (cases[i].rule != NULL) {
            assert_string_equal(failure.fault.rule, cases[i].rule);
            assert_int_equal(failure.fault.status, WEIR_EPROTOCOL);
            assert_int_equal(failure.http_status, 101);
            assert_true(failure.fault.offset > 100);
        } else {
            assert_true(weir_session_deflate_terms_get(NULL, client));
            weir_session_free(client);
        }
        assert_ok(weir_scope_join(&scope));
    }
    weir_listener_close(stranger.listener);
    return WEIR_OK;
}
RUN(the_client_takes_no_answer_that_does_not_fit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrives_with_every_setting_),
        cmocka_unit_test(one_side_alone_does_not_compress_),
        cmocka_unit_test(a_large_message_shrinks_before_it_is_written_),
        cmocka_unit_test(a_bomb_gets_1009_),
        cmocka_unit_test(settings_out_of_range_are_refused_),
        cmocka_unit_test(the_client_takes_no_answer_that_does_not_fit_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static int nothing(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return WEIR_OK;
}

static int asking_for_it_is_an_error(void *arg)
{
    weir_server *server;
    weir_session *client;
    (void)arg;
    weir_serve_options serve = {
        .url = "ws://127.0.0.1:0", .handler = nothing, .session.deflate.enabled = true};
    weir_connect_options connect = {.url = "ws://127.0.0.1:1", .session.deflate.enabled = true};
    assert_status(weir_server_start(&server, weir_scope_current(), &serve), WEIR_ENOTSUP);
    assert_status(weir_client_open(&client, weir_scope_current(), &connect), WEIR_ENOTSUP);
    return WEIR_OK;
}

static void without_zlib_asking_for_it_is_an_error(void **state)
{
    (void)state;
    rig_run_everywhere(asking_for_it_is_an_error, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_zlib_asking_for_it_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
