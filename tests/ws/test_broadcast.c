/* ctest: loops timeout=120 */
/* weir_broadcast(): one message to many sessions, serialized once. */
#include "support/session_rig.h"

#include "ws/session/session.h"

#define CROWD    5
#define LARGE    ((size_t)300000)
#define SIZES    (sizeof sizes / sizeof *sizes)
#define PATIENCE 40 /* frames that no peer takes unread */

static const size_t sizes[] = {0, 1, 125, 126, 1023, 1024, 16384, 65535, 65536, LARGE};
static uint8_t large[LARGE];

static void fill_large(void)
{
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)(i / 251 + i);
}

static size_t broadcast(weir_session *const *sessions, size_t count, size_t size)
{
    size_t taken = 999;
    weir_frame frame = weir_frame_binary(large, size);
    assert_ok(weir_broadcast(&taken, sessions, count, &frame));
    assert_null(frame.data);
    return taken;
}

/* --- over streams: servers and clients, each with other needs --- */

static int each_session_sends_it_as_its_own(void *arg)
{
    struct rig rigs[CROWD];
    weir_session *sessions[CROWD];
    (void)arg;
    fill_large();
    for (size_t i = 0; i < CROWD; i++) {
        rig_open(&rigs[i], i % 2 == 0 ? WEIR_ROLE_SERVER : WEIR_ROLE_CLIENT, NULL);
        sessions[i] = rigs[i].session;
    }
    for (size_t at = 0; at < SIZES; at++) {
        if (sizes[at] > 65536)
            continue; /* nobody reads here meanwhile */
        assert_int_equal(broadcast(sessions, CROWD, sizes[at]), CROWD);
        for (size_t i = 0; i < CROWD; i++)
            rig_expect_frame(&rigs[i], 0x82, large, sizes[at]);
    }
    for (size_t i = 0; i < CROWD; i++)
        rig_close(&rigs[i]);
    return WEIR_OK;
}
RUN(each_session_sends_it_as_its_own)

static int it_stands_between_the_frames_before_and_behind_it(void *arg)
{
    struct rig rig;
    (void)arg;
    fill_large();
    for (size_t at = 0; at < SIZES - 1; at++) {
        rig_open(&rig, WEIR_ROLE_SERVER, NULL);
        assert_ok(weir_send_text(rig.session, "before"));
        assert_int_equal(broadcast(&rig.session, 1, sizes[at]), 1);
        assert_ok(weir_send_text(rig.session, "between"));
        assert_int_equal(broadcast(&rig.session, 1, sizes[at]), 1);
        rig_expect_frame(&rig, 0x81, "before", 6);
        rig_expect_frame(&rig, 0x82, large, sizes[at]);
        rig_expect_frame(&rig, 0x81, "between", 7);
        rig_expect_frame(&rig, 0x82, large, sizes[at]);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(it_stands_between_the_frames_before_and_behind_it)

/* A peer that does not read holds up itself alone, and gets all that was taken once it reads. */
static int a_peer_that_does_not_read_holds_up_nobody_else(void *arg)
{
    struct rig slow, quick;
    size_t sent_to_slow = 0;
    (void)arg;
    fill_large();
    rig_open(&slow, WEIR_ROLE_SERVER, NULL);
    rig_open(&quick, WEIR_ROLE_SERVER, NULL);
    weir_session *sessions[] = {slow.session, quick.session};
    for (int i = 0; i < PATIENCE; i++) {
        size_t taken = broadcast(sessions, 2, LARGE);
        assert_true(taken == 1 || taken == 2);
        sent_to_slow += taken - 1;
        rig_expect_frame(&quick, 0x82, large, LARGE);
    }
    assert_true(sent_to_slow > 0 && sent_to_slow < PATIENCE);
    assert_true(weir_session_queued_bytes(slow.session) > 0);
    for (size_t i = 0; i < sent_to_slow; i++)
        rig_expect_frame(&slow, 0x82, large, LARGE);
    assert_eventually(weir_session_queued_bytes(slow.session) == 0);
    rig_close(&slow);
    rig_close(&quick);
    return WEIR_OK;
}
RUN(a_peer_that_does_not_read_holds_up_nobody_else)

struct pieces {
    weir_session *session;
    bool go_on;
};

static int send_in_pieces(void *arg)
{
    struct pieces *pieces = arg;
    weir_message message;
    assert_ok(weir_message_begin(&message, pieces->session, WEIR_FRAME_TEXT));
    assert_ok(weir_message_write(&message, "a", 1));
    while (!pieces->go_on)
        assert_ok(weir_sleep(1));
    return weir_message_end(&message);
}

static int sessions_that_cannot_take_it_are_passed_over(void *arg)
{
    struct rig rigs[3];
    weir_session *sessions[3];
    weir_scope scope;
    (void)arg;
    fill_large();
    for (size_t i = 0; i < 3; i++) {
        rig_open(&rigs[i], WEIR_ROLE_SERVER, NULL);
        sessions[i] = rigs[i].session;
    }
    struct pieces pieces = {.session = sessions[0]};
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "pieces", send_in_pieces, &pieces));
    assert_ok(weir_yield());
    weir_terminate(sessions[1]);
    assert_int_equal(broadcast(sessions, 3, 5), 1);
    rig_expect_frame(&rigs[2], 0x82, large, 5);
    pieces.go_on = true;
    assert_ok(weir_scope_join(&scope));
    rig_expect_frame(&rigs[0], 0x01, "a", 1);
    rig_expect_frame(&rigs[0], 0x80, "", 0);
    assert_int_equal(broadcast(sessions, 3, 5), 2);
    rig_expect_frame(&rigs[0], 0x82, large, 5);
    for (size_t i = 0; i < 3; i++)
        rig_close(&rigs[i]);
    return WEIR_OK;
}
RUN(sessions_that_cannot_take_it_are_passed_over)

static void count_out(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session;
    if (frame->type == WEIR_FRAME_BINARY && frame->size == 5)
        ++*(unsigned *)arg;
}

static int observers_see_it(void *arg)
{
    struct rig rig;
    unsigned seen = 0;
    (void)arg;
    fill_large();
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(
        weir_session_observe(rig.session, &(weir_observer){.frame_out = count_out, .arg = &seen}));
    assert_int_equal(broadcast(&rig.session, 1, 5), 1);
    rig_expect_frame(&rig, 0x82, large, 5);
    assert_int_equal(seen, 1);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(observers_see_it)

static int what_is_no_message_is_refused(void *arg)
{
    struct rig rig;
    size_t taken = 9;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    weir_frame ping = weir_frame_ping("x", 1);
    assert_status(weir_broadcast(&taken, &rig.session, 1, &ping), WEIR_EINVAL);
    assert_int_equal(taken, 0);
    weir_frame piece = weir_frame_by_type(false, WEIR_FRAME_TEXT, "x", 1);
    assert_status(weir_broadcast(&taken, &rig.session, 1, &piece), WEIR_EINVAL);
    weir_frame text = weir_frame_text("x", 1);
    assert_status(weir_broadcast(&taken, NULL, 1, &text), WEIR_EINVAL);
    assert_status(weir_broadcast(&taken, &rig.session, 1, NULL), WEIR_EINVAL);
    text = weir_frame_text("x", 1);
    assert_ok(weir_broadcast(NULL, NULL, 0, &text));
    text = weir_frame_text("x", 1);
    rig_starve(true);
    assert_status(weir_broadcast(&taken, &rig.session, 1, &text), WEIR_ENOMEM);
    rig_starve(false);
    assert_int_equal(taken, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(what_is_no_message_is_refused)

/* --- parked sessions --- */

static weir_session *guests[CROWD];
static size_t guest_count;

static int note_open(weir_session *session, void *arg)
{
    (void)arg;
    guests[guest_count++] = session;
    return WEIR_OK;
}

static int ignore(weir_session *session, weir_frame *frame, void *arg)
{
    (void)session, (void)frame, (void)arg;
    return WEIR_OK;
}

static bool all_are_parked(void)
{
    if (guest_count < CROWD)
        return false;
    weir__sessions_park(weir_loop_current());
    for (size_t i = 0; i < CROWD; i++)
        if (guests[i]->active != NULL)
            return false;
    return true;
}

static int parked_sessions_stay_parked(void *arg)
{
    weir_server *server;
    weir_session *clients[CROWD];
    weir_frame frame;
    (void)arg;
    fill_large();
    guest_count = 0;
    assert_ok(weir_server_start(&server, weir_scope_current(),
                                &(weir_serve_options){.url = "ws://127.0.0.1:0",
                                                      .on_open = note_open,
                                                      .on_message = ignore}));
    const weir_connect_options options = {.url = weir_server_url(server)};
    for (size_t i = 0; i < CROWD; i++)
        assert_ok(weir_client_open(&clients[i], weir_scope_current(), &options));
    for (size_t at = 0; at < SIZES; at++) {
        assert_eventually(all_are_parked());
        assert_int_equal(broadcast(guests, CROWD, sizes[at]), CROWD);
        if (sizes[at] <= 1024) /* more may not fit into a socket at once */
            assert_true(all_are_parked());
        for (size_t i = 0; i < CROWD; i++) {
            assert_ok(weir_receive(clients[i], &frame));
            assert_int_equal(frame.size, sizes[at]);
            assert_memory_equal(frame.data, large, sizes[at]);
            weir_frame_release(&frame);
        }
    }
    for (size_t i = 0; i < CROWD; i++)
        weir_session_free(clients[i]);
    weir_server_free(server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(parked_sessions_stay_parked)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_session_sends_it_as_its_own_),
        cmocka_unit_test(it_stands_between_the_frames_before_and_behind_it_),
        cmocka_unit_test(a_peer_that_does_not_read_holds_up_nobody_else_),
        cmocka_unit_test(sessions_that_cannot_take_it_are_passed_over_),
        cmocka_unit_test(observers_see_it_),
        cmocka_unit_test(what_is_no_message_is_refused_),
        cmocka_unit_test(parked_sessions_stay_parked_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
