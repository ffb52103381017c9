/* ctest: loops once */
/* Once a conversation has begun, messages that fit the read buffer allocate nothing, at either end.
 * It does not run under a sanitizer, where a loop keeps no memory for later. */
#include "support/session_rig.h"

#include <weir/server.h>

#define ROUNDS 500
#define DEPTH  16

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

/* Sends depth messages and receives them back. */
static void exchange(weir_session *client, size_t depth, size_t size)
{
    static uint8_t payload[4096];
    weir_frame frame;
    for (size_t i = 0; i < depth; i++)
        assert_ok(weir_send_binary(client, payload, size));
    for (size_t i = 0; i < depth; i++) {
        assert_ok(weir_receive(client, &frame));
        assert_int_equal(frame.size, size);
        weir_frame_release(&frame);
    }
}

static void expect_nothing_allocated(weir_serve_options options)
{
    static const size_t sizes[] = {0, 64, 4096};
    weir_server *server;
    weir_session *client;
    options.url = "ws://127.0.0.1:0";
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_connect_options connect = {.url = weir_server_url(server)};
    assert_ok(weir_client_open(&client, weir_scope_current(), &connect));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t depth = 1; depth <= DEPTH; depth *= DEPTH) {
            exchange(client, depth, sizes[i]);
            exchange(client, depth, sizes[i]);
            size_t before = rig_memory()->calls;
            for (size_t round = 0; round < ROUNDS; round++)
                exchange(client, depth, sizes[i]);
            assert_int_equal(rig_memory()->calls, before);
        }
    }
    weir_session_free(client);
    weir_server_free(server);
}

static int echo_by_coroutine(void *arg)
{
    (void)arg;
    expect_nothing_allocated((weir_serve_options){.handler = rig_echo});
    return WEIR_OK;
}

static void a_coroutine_echoes_without_allocating(void **state)
{
    (void)state;
    rig_run_real(echo_by_coroutine, NULL);
}

static int echo_by_on_message(void *arg)
{
    (void)arg;
    expect_nothing_allocated((weir_serve_options){.on_message = echo_message});
    return WEIR_OK;
}

static void on_message_echoes_without_allocating(void **state)
{
    (void)state;
    rig_run_real(echo_by_on_message, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_coroutine_echoes_without_allocating),
        cmocka_unit_test(on_message_echoes_without_allocating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
