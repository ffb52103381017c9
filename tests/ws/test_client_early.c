/* ctest: loops */
/* Frames that come in the segment of the server's answer, or before the client's handler runs. All
 * of them are delivered in their order, and answered before a Close that stands behind them. In the
 * simulated world and over real sockets. */
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/address.h>
#include <weir/handshake.h>
#include <weir/head.h>
#include <weir/stream.h>

#define RUN(body)                                                                                  \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run_everywhere(body, NULL);                                                            \
    }

#define BIG 100000

/* The script of a server: what it sends in one piece with its answer, and what it has to read
 * then. */
struct script {
    weir_listener *listener;
    const uint8_t *frames;
    size_t frames_size;
    uint8_t received[256];
    size_t received_size;
};

static void answer_request(weir_buffer *out, weir_stream *stream)
{
    uint8_t request[4096];
    size_t size = 0;
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request parsed = {.head = {.fields = fields, .field_capacity = 100}};
    int status;
    do {
        size_t got;
        assert_ok(weir_stream_read(stream, request + size, sizeof request - size, &got));
        size += got;
        status = weir_handshake_request_parse(&parsed, request, size, NULL, NULL);
    } while (status == 0);
    assert_true(status > 0);
    int wanted = weir_handshake_response_write(NULL, 0, &parsed, NULL);
    assert_true(wanted > 0);
    char *to = (char *)weir_buffer_reserve(out, (size_t)wanted + 1);
    assert_int_equal(weir_handshake_response_write(to, (size_t)wanted + 1, &parsed, NULL), wanted);
    out->size += (size_t)wanted;
}

static int play_server(void *arg)
{
    struct script *script = arg;
    weir_stream *stream;
    weir_buffer out = {0};
    size_t got;
    assert_ok(weir_listener_accept(&stream, script->listener));
    answer_request(&out, stream);
    assert_ok(weir_buffer_append(&out, script->frames, script->frames_size));
    assert_ok(weir_stream_write(stream, out.data, out.size));
    weir_buffer_fini(&out);
    assert_ok(weir_stream_shutdown(stream));
    while (weir_stream_read(stream, script->received + script->received_size,
                            sizeof script->received - script->received_size, &got) == WEIR_OK)
        script->received_size += got;
    weir_stream_close(stream);
    return WEIR_OK;
}

/* Starts the server, and a client's session with it. */
static void open_client(struct script *script, weir_session **client)
{
    weir_address address;
    char url[64];
    assert_ok(weir_address_tcp(&address, "127.0.0.1", 0));
    assert_ok(weir_listener_open(&script->listener, weir_loop_current(), &address, false));
    assert_ok(weir_listener_address_get(&address, script->listener));
    assert_ok(weir_go(weir_scope_current(), "server", play_server, script));
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/", weir_address_port(&address));
    assert_ok(weir_client_open(client, weir_scope_current(), &(weir_connect_options){.url = url}));
}

static void end(struct script *script, weir_session *client)
{
    (void)!weir_session_join(client);
    weir_session_free(client);
    weir_listener_close(script->listener);
    assert_ok(weir_sleep(10)); /* io_uring closes a listener when its accept has completed */
}

static int frames_far_longer_than_a_read_keep_their_order(void *arg)
{
    (void)arg;
    weir_session *client;
    uint8_t *frames = malloc(2 * (BIG + 10));
    assert_non_null(frames);
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        weir_frame_head head = {.size = BIG, .opcode = WEIR_FRAME_BINARY, .fin = true};
        at += weir_frame_head_write(frames + at, &head);
        for (size_t k = 0; k < BIG; k++)
            frames[at++] = (uint8_t)(k / 256 + k + (size_t)i);
    }
    struct script script = {.frames = frames, .frames_size = at};
    open_client(&script, &client);
    for (int i = 0; i < 2; i++) {
        weir_frame frame;
        assert_ok(weir_receive(client, &frame));
        assert_int_equal(frame.size, BIG);
        for (size_t k = 0; k < BIG; k++)
            assert_int_equal(frame.data[k], (uint8_t)(k / 256 + k + (size_t)i));
        weir_frame_release(&frame);
    }
    weir_frame none;
    assert_status(weir_receive(client, &none), WEIR_ELOST);
    end(&script, client);
    free(frames);
    return WEIR_OK;
}
RUN(frames_far_longer_than_a_read_keep_their_order)

/* Checks the opcodes of the frames that the server received. Their payloads are short. */
static void expect_received(const struct script *script, const uint8_t *opcodes, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(at + 6 <= script->received_size);
        assert_int_equal(script->received[at] & 15, opcodes[i]);
        at += 6 + (script->received[at + 1] & 0x7Fu);
    }
    assert_int_equal(at, script->received_size);
}

static int echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status;
}

static const uint8_t good_then_close[] = {0x81, 1, 'a', 0x82, 1, 'b', 0x88, 2, 0x03, 0xE8};
static const uint8_t good_then_bad[] = {0x81, 1, 'a', 0x82, 1, 'b', 0xF1, 0};

/* Both in the same coroutine, as in a program that calls weir_client_open(). */
static int messages_are_answered_before_what_ends_the_session(void *arg)
{
    static const uint8_t received[] = {WEIR_FRAME_TEXT, WEIR_FRAME_BINARY, WEIR_FRAME_CLOSE};
    struct script scripts[] = {
        {.frames = good_then_close, .frames_size = sizeof good_then_close},
        {.frames = good_then_bad, .frames_size = sizeof good_then_bad},
    };
    static const int statuses[] = {WEIR_CLOSED, WEIR_EPROTOCOL};
    (void)arg;
    for (size_t i = 0; i < 2; i++) {
        weir_session *client;
        open_client(&scripts[i], &client);
        assert_status(echo(client, NULL), statuses[i]);
        end(&scripts[i], client);
        expect_received(&scripts[i], received, sizeof received);
    }
    return WEIR_OK;
}
RUN(messages_are_answered_before_what_ends_the_session)

static int a_close_is_answered_though_nobody_receives(void *arg)
{
    static const uint8_t received[] = {WEIR_FRAME_CLOSE};
    struct script script = {.frames = good_then_close, .frames_size = sizeof good_then_close};
    weir_session *client;
    (void)arg;
    open_client(&script, &client);
    end(&script, client);
    expect_received(&script, received, sizeof received);
    return WEIR_OK;
}
RUN(a_close_is_answered_though_nobody_receives)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_far_longer_than_a_read_keep_their_order_),
        cmocka_unit_test(messages_are_answered_before_what_ends_the_session_),
        cmocka_unit_test(a_close_is_answered_though_nobody_receives_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
