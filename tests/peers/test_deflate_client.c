/* ctest: timeout=120 */
/* weir's client compresses with the servers of python3-websockets and npm ws. */
#include "support/peer_process.h"
#include "support/session_rig.h"

#include <stdio.h>

#ifdef WEIR_HAVE_DEFLATE

static struct peer *peer; /* the one that is talked to */

static void expect_echo(weir_session *session, enum weir_frame_type type, const void *data,
                        size_t size)
{
    weir_frame frame = weir_frame_by_type(true, type, data, size);
    assert_ok(weir_send(session, &frame));
    assert_ok(weir_receive_message(session, &frame));
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.size, size);
    assert_memory_equal(frame.data, data, size);
    weir_frame_release(&frame);
}

/* A record that resembles the one before. */
static void expect_record(weir_session *session, int number)
{
    char text[512];
    int size = snprintf(text, sizeof text,
                        "{\"id\":%d,\"name\":\"river\",\"flow\":[%d,%d],\"note\":\"%0200d\"}",
                        number, number * 7, number * 31, number);
    expect_echo(session, WEIR_FRAME_TEXT, text, (size_t)size);
}

static void expect_pieces(weir_session *session)
{
    weir_message message;
    weir_frame frame;
    assert_ok(weir_message_begin(&message, session, WEIR_FRAME_TEXT));
    for (int i = 0; i < 100; i++)
        assert_ok(weir_message_write(&message, "piece by piece ", 15));
    assert_ok(weir_message_end(&message));
    assert_ok(weir_receive_message(session, &frame));
    assert_int_equal(frame.size, 1500);
    assert_memory_equal(frame.data + 1485, "piece by piece ", 15);
    weir_frame_release(&frame);
}

/* Both servers grant what is asked for, and may bound the windows further. */
static int whatever_is_offered_all_comes_back(void *arg)
{
    static const weir_deflate_options offers[] = {
        {.enabled = true},
        {.enabled = true, .compress_min = 1, .level = 1, .memory_level = 1},
        {.enabled = true, .server_context_takeover = true, .client_context_takeover = true},
        {.enabled = true, .server_context_takeover = true, .client_max_window_bits = 9},
        {.enabled = true, .client_context_takeover = true, .server_max_window_bits = 10},
    };
    static char data[100000];
    char url[64];
    (void)arg;
    memset(data, 'w', sizeof data);
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/echo", peer->port);
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        weir_session *session;
        weir_deflate_terms terms;
        assert_ok(
            weir_client_open(&session, weir_scope_current(),
                             &(weir_connect_options){.url = url, .session.deflate = offers[i]}));
        assert_true(weir_session_deflate_terms_get(&terms, session));
        assert_int_equal(terms.server_no_context_takeover, !offers[i].server_context_takeover);
        for (size_t size = 0; size <= sizeof data; size = size * 10 + 1)
            expect_echo(session, WEIR_FRAME_BINARY, data, size);
        for (int number = 0; number < 30; number++)
            expect_record(session, number);
        expect_pieces(session);
        assert_ok(weir_close(session, 1000, NULL));
        assert_status(weir_session_join(session), WEIR_CLOSED);
        weir_session_free(session);
    }
    return WEIR_OK;
}

static void whatever_is_offered_all_comes_back_(void **state)
{
    (void)state;
    rig_run_real(whatever_is_offered_all_comes_back, NULL);
}

int main(void)
{
    static const struct CMUnitTest facts[] = {
        cmocka_unit_test(whatever_is_offered_all_comes_back_)};
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
        failed += _cmocka_run_group_tests(peer->name, facts, 1, NULL, NULL);
        if (peer_stop(peer) != 0)
            failed++;
    }
    return failed != 0 || all ? failed : 77;
}

#else

int main(void)
{
    puts("skipped: built without zlib");
    return 77;
}

#endif
