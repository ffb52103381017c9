/* ctest: loops */
/* What is not allowed is refused and changes nothing: invalid arguments, calls in the wrong state,
 * turns that no coroutine waits for any more. */
#include "support/session_rig.h"

#include <weir/reader.h>
#include <weir/writer.h>

/* --- arguments --- */

static int frames_that_cannot_be_are_not_sent(void *arg)
{
    struct rig rig;
    static const uint8_t long_payload[126];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    weir_frame frame = weir_frame_ping("half", 4);
    frame.fin = false;
    assert_status(weir_send(rig.session, &frame), WEIR_EINVAL);
    assert_null(frame.data); /* taken nevertheless */
    assert_status(weir_send_ping(rig.session, long_payload, sizeof long_payload), WEIR_EINVAL);
    assert_status(weir_send_text(NULL, "nobody"), WEIR_EINVAL);
    assert_status(weir_try_send(rig.session, NULL), WEIR_EINVAL);
    assert_status(weir_flush(NULL), WEIR_EINVAL);
    assert_ok(weir_send_text(rig.session, "all is well"));
    rig_expect_frame(&rig, 0x81, "all is well", 11);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(frames_that_cannot_be_are_not_sent)

static int close_codes_that_may_not_be_sent_are_refused(void *arg)
{
    static const unsigned codes[] = {1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536};
    struct rig rig;
    char message[125];
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    memset(message, 'a', sizeof message - 1);
    message[124] = '\0';
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_status(weir_close(rig.session, codes[i], NULL), WEIR_EINVAL);
    assert_status(weir_close(rig.session, 1000, message), WEIR_EINVAL);
    assert_status(weir_close(rig.session, 1000, "\xff"), WEIR_EINVAL);
    assert_status(weir_close(NULL, 1000, NULL), WEIR_EINVAL);
    message[123] = '\0';
    assert_ok(weir_close(rig.session, 4999, message));
    rig_expect_close(&rig, 4999);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(close_codes_that_may_not_be_sent_are_refused)

static int receiving_needs_a_session_and_a_place(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_status(weir_receive(NULL, &frame), WEIR_EINVAL);
    assert_status(weir_receive(rig.session, NULL), WEIR_EINVAL);
    assert_status(weir_receive_message(rig.session, NULL), WEIR_EINVAL);
    assert_status(weir_receive_message(NULL, &frame), WEIR_EINVAL);
    rig_put_text(&rig, "here");
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "here", 4);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(receiving_needs_a_session_and_a_place)

static int joining_stops_at_the_message_limit(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.max_message_size = 10});
    rig_put_frame(&rig, 0x01, "123456", 6);
    rig_put_frame(&rig, 0x89, "", 0);
    rig_put_frame(&rig, 0x80, "78901", 5);
    assert_status(weir_receive_message(rig.session, &frame), WEIR_ETOOBIG);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(joining_stops_at_the_message_limit)

static int clients_need_a_place_to_go_to(void *arg)
{
    weir_session *session;
    weir_scope *scope = weir_scope_current();
    (void)arg;
    assert_status(weir_client_open(&session, scope, NULL), WEIR_EINVAL);
    assert_status(weir_client_open(NULL, scope, &(weir_connect_options){.url = "ws://a"}),
                  WEIR_EINVAL);
    assert_status(weir_client_open(&session, scope, &(weir_connect_options){0}), WEIR_EINVAL);
    assert_null(session);
    weir_connect_options options = {.url = "ws://127.0.0.1:9", .max_head_size = SIZE_MAX};
    assert_status(weir_client_open(&session, scope, &options), WEIR_EINVAL);
    options = (weir_connect_options){.url = "ws://127.0.0.1:9"};
    options.session.deflate.client_max_window_bits = 7;
    assert_status(weir_client_open(&session, scope, &options), WEIR_EINVAL);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(clients_need_a_place_to_go_to)

static void clients_need_a_coroutine(void **state)
{
    weir_session *session;
    weir_loop *loop;
    (void)state;
    assert_ok(weir_loop_new(&loop, NULL));
    weir_connect_options options = {.url = "ws://127.0.0.1:9"};
    assert_status(weir_client_open(&session, weir_loop_scope(loop), &options), WEIR_ESTATE);
    weir_loop_free(loop);
}

static int halves_need_a_stream(void *arg)
{
    weir_reader *reader;
    weir_writer *writer;
    weir_scope *scope = weir_scope_current();
    (void)arg;
    assert_status(weir_writer_start(NULL, scope, NULL, NULL), WEIR_EINVAL);
    assert_status(weir_writer_start(&writer, scope, NULL, NULL), WEIR_EINVAL);
    assert_status(weir_reader_start(&reader, scope, NULL, NULL), WEIR_EINVAL);
    assert_status(weir_writer_send(NULL, NULL), WEIR_EINVAL);
    assert_status(weir_writer_flush(NULL), WEIR_EINVAL);
    return WEIR_OK;
}
RUN(halves_need_a_stream)

/* --- messages in pieces --- */

static int messages_in_pieces_have_their_states(void *arg)
{
    struct rig rig;
    weir_message message = {0};
    weir_message other = {0};
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_status(weir_message_begin(NULL, rig.session, WEIR_FRAME_TEXT), WEIR_EINVAL);
    assert_status(weir_message_begin(&message, NULL, WEIR_FRAME_TEXT), WEIR_EINVAL);
    assert_status(weir_message_begin(&message, rig.session, WEIR_FRAME_PING), WEIR_EINVAL);
    assert_status(weir_message_write(&message, "a", 1), WEIR_ESTATE);
    assert_status(weir_message_end(&message), WEIR_ESTATE);
    assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT));
    assert_status(weir_message_begin(&other, rig.session, WEIR_FRAME_TEXT), WEIR_ESTATE);
    assert_ok(weir_message_write(&message, NULL, 0)); /* no frame of its own */
    assert_ok(weir_message_write(&message, "a", 1));
    assert_ok(weir_message_end(&message));
    rig_expect_frame(&rig, 0x01, "a", 1);
    rig_expect_frame(&rig, 0x80, "", 0);
    assert_ok(weir_close(rig.session, 1000, NULL));
    assert_status(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT), WEIR_CLOSED);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(messages_in_pieces_have_their_states)

static int send_one_text(void *arg)
{
    struct rig *rig = arg;
    return weir_send_text(rig->session, "other");
}

/* Begins a message. One coroutine is cancelled while it waits for its end, another one is not. */
static int a_sender_that_stops_waiting_for_its_turn_is_skipped(void *arg)
{
    struct rig rig;
    weir_message message;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_BINARY));
    assert_ok(weir_message_write(&message, "1", 1));
    weir_scope cancelled;
    assert_ok(weir_scope_open(&cancelled));
    assert_ok(weir_go(&cancelled, "cancelled", send_one_text, &rig));
    assert_ok(weir_go(weir_loop_scope(rig.loop), "other", send_one_text, &rig));
    assert_ok(weir_sleep(1)); /* both wait */
    weir_scope_cancel(&cancelled);
    assert_status(weir_scope_join(&cancelled), WEIR_CANCELLED);
    assert_ok(weir_message_end(&message));
    rig_expect_frame(&rig, 0x02, "1", 1);
    rig_expect_frame(&rig, 0x80, "", 0);
    rig_expect_frame(&rig, 0x81, "other", 5);
    assert_ok(weir_close(rig.session, 1000, NULL));
    rig_expect_close(&rig, 1000);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_sender_that_stops_waiting_for_its_turn_is_skipped)

/* --- places --- */

static int servers_listen_where_there_is_an_address(void *arg)
{
    weir_server *server;
    weir_session *client;
    weir_frame frame;
    weir_serve_options options = {.url = "ws://nowhere.invalid:0", .handler = rig_echo};
    (void)arg;
    assert_status(weir_server_start(&server, weir_scope_current(), &options), WEIR_ERESOLVE);
    options.url = "ws://localhost:0";
    assert_ok(weir_server_start(&server, weir_scope_current(), &options));
    weir_connect_options connect = {.url = weir_server_url(server)};
    assert_ok(weir_client_open(&client, weir_scope_current(), &connect));
    assert_ok(weir_send_text(client, "home"));
    assert_ok(weir_receive(client, &frame));
    assert_int_equal(frame.size, 4);
    weir_frame_release(&frame);
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(servers_listen_where_there_is_an_address)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_that_cannot_be_are_not_sent_),
        cmocka_unit_test(close_codes_that_may_not_be_sent_are_refused_),
        cmocka_unit_test(receiving_needs_a_session_and_a_place_),
        cmocka_unit_test(joining_stops_at_the_message_limit_),
        cmocka_unit_test(clients_need_a_place_to_go_to_),
        cmocka_unit_test(clients_need_a_coroutine),
        cmocka_unit_test(halves_need_a_stream_),
        cmocka_unit_test(messages_in_pieces_have_their_states_),
        cmocka_unit_test(a_sender_that_stops_waiting_for_its_turn_is_skipped_),
        cmocka_unit_test(servers_listen_where_there_is_an_address_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
