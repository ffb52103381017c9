/* ctest: loops timeout=120 */
/* Coroutines that wait in a session of another coroutine. However it ends, each call returns that
 * end, and none uses the session again, which may be freed. */
#include "support/session_rig.h"

#include "ws/server/server.h"

#include <weir/address.h>

#define NOT_YET 12345 /* a status that nothing reports */
#define BIG     ((size_t)2000000)

static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static uint8_t big[BIG];

/* A session of a server whose peer reads nothing, and is a stream of the test's. */
struct stage {
    weir_server *server;
    weir_stream *wire;
    weir_session *session; /* NULL: it has ended */
    weir_message message;
    bool holds_lock;   /* the handler has to stop between two pieces */
    bool ready;        /* the handler has got as far as it gets */
    bool handler_ends; /* the handler has to end */
    unsigned ended;
    int finish_status; /* of the handler's last piece */
};

static int handle(weir_session *session, void *arg)
{
    struct stage *stage = arg;
    stage->session = session;
    if (stage->holds_lock) {
        assert_ok(weir_message_begin(&stage->message, session, WEIR_FRAME_TEXT));
        assert_ok(weir_message_write(&stage->message, "first piece", 11));
    }
    stage->ready = true;
    int status = WEIR_OK;
    while (!stage->handler_ends && status == WEIR_OK)
        status = weir_sleep(1);
    if (stage->holds_lock)
        stage->finish_status = weir_message_end(&stage->message);
    return status;
}

static void note_close(weir_session *session, const weir_end *end, void *arg)
{
    struct stage *stage = arg;
    (void)session, (void)end;
    stage->session = NULL;
    stage->ended++;
}

static void open_stage(struct stage *stage, bool holds_lock, enum weir_overflow overflow)
{
    weir_address address;
    *stage = (struct stage){.holds_lock = holds_lock, .finish_status = NOT_YET};
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0",
        .handler = handle,
        .on_close = note_close,
        .arg = stage,
        .session = {.high_water = 1000,
                    .outgoing_capacity = 1,
                    .outgoing_overflow = overflow,
                    .close_timeout_ms = 60000,
                    .ping_interval_ms = WEIR_UNLIMITED},
    };
    assert_ok(weir_server_start(&stage->server, weir_scope_current(), &options));
    assert_ok(weir_listener_address_get(&address, stage->server->listener));
    assert_ok(weir_stream_connect(&stage->wire, &address, 0));
    assert_ok(weir_stream_write(stage->wire, request, sizeof request - 1));
    assert_eventually(stage->ready);
}

static void close_stage(struct stage *stage)
{
    weir_stream_close(stage->wire);
    stage->handler_ends = true;
    assert_eventually(stage->ended == 1);
    weir_server_free(stage->server);
}

/* --- the calls that wait --- */

struct guest {
    struct stage *stage;
    int (*call)(struct stage *stage);
    int status;
};

static int send_text(struct stage *stage)
{
    return weir_send_text(stage->session, "from another coroutine");
}

static int begin_message(struct stage *stage)
{
    weir_message message;
    return weir_message_begin(&message, stage->session, WEIR_FRAME_BINARY);
}

static int close_session(struct stage *stage)
{
    return weir_close(stage->session, WEIR_CLOSE_NORMAL, NULL);
}

/* The queue holds one frame, so that the second piece or the end of the message waits for a
 * place. */
static int send_pieces(struct stage *stage)
{
    weir_message message;
    int status = weir_message_begin(&message, stage->session, WEIR_FRAME_BINARY);
    while (status == WEIR_OK)
        status = weir_message_write(&message, big, 2000);
    return status;
}

static int end_message(struct stage *stage)
{
    weir_message message;
    int status = weir_message_begin(&message, stage->session, WEIR_FRAME_BINARY);
    if (status == WEIR_OK)
        status = weir_message_write(&message, "x", 1);
    return status == WEIR_OK ? weir_message_end(&message) : status;
}

static int flush(struct stage *stage)
{
    return weir_flush(stage->session);
}

static int receive(struct stage *stage)
{
    weir_frame frame;
    return weir_receive(stage->session, &frame);
}

static int receive_message(struct stage *stage)
{
    weir_frame frame;
    return weir_receive_message(stage->session, &frame);
}

static int join(struct stage *stage)
{
    return weir_session_join(stage->session);
}

static int select_incoming(struct stage *stage)
{
    weir_frame frame;
    weir_select_case one = {.channel = weir_session_incoming(stage->session),
                            .kind = WEIR_SELECT_RECEIVE,
                            .item = &frame};
    int chosen = weir_select(&one, 1, UINT64_MAX);
    return chosen >= 0 ? one.status : chosen;
}

static int run_guest(void *arg)
{
    struct guest *guest = arg;
    guest->status = guest->call(guest->stage);
    return WEIR_OK;
}

/* --- the ways to end --- */

static void reset_by_peer(struct stage *stage)
{
    weir_stream_reset(stage->wire);
    stage->wire = NULL;
}

static void terminate(struct stage *stage)
{
    weir_terminate(stage->session);
}

static void stop_server(struct stage *stage)
{
    weir_server_stop(stage->server);
    weir_terminate(stage->session);
}

static void close_outgoing(struct stage *stage)
{
    weir_channel_close(weir_session_outgoing(stage->session), WEIR_CLOSED);
    weir_terminate(stage->session);
}

static const struct {
    const char *name;
    int (*call)(struct stage *stage);
    bool locked; /* while the handler is between two pieces; false: while the output is full */
    bool sends;
} calls[] = {
    {"weir_send, another message", send_text, true, true},
    {"weir_message_begin, another message", begin_message, true, true},
    {"weir_send, full", send_text, false, true},
    {"weir_message_write, full", send_pieces, false, true},
    {"weir_message_end, full", end_message, false, true},
    {"weir_close, full", close_session, false, true},
    {"weir_flush", flush, false, false},
    {"weir_receive", receive, true, false},
    {"weir_receive_message", receive_message, true, false},
    {"weir_session_join", join, true, false},
    {"weir_select", select_incoming, true, false},
};

static const struct {
    const char *name;
    void (*end)(struct stage *stage);
    bool cancels; /* ended by this end */
} ends[] = {
    {"reset by the peer", reset_by_peer, false},
    {"terminated", terminate, true},
    {"server stopped", stop_server, true},
    {"channel closed", close_outgoing, true},
};

/* More than the kernel takes, and then as many as may queue: still no place after a while. */
static void fill_output(struct stage *stage)
{
    for (int refusals = 0; refusals < 3;) {
        weir_frame frame = weir_frame_binary(big, BIG);
        int status = weir_try_send(stage->session, &frame);
        assert_true(status == WEIR_OK || status == WEIR_EAGAIN);
        refusals = status == WEIR_OK ? 0 : refusals + 1;
        assert_ok(weir_sleep(2));
    }
}

static void expect_guest_gets_the_end(size_t call, size_t end)
{
    struct stage stage;
    weir_scope scope;
    open_stage(&stage, calls[call].locked, WEIR_OVERFLOW_SUSPEND);
    if (!calls[call].locked)
        fill_output(&stage);
    /* Three: the second and the third wait behind the first where one can have it at a time. */
    struct guest guests[3];
    unsigned count = calls[call].call == close_session ? 1 : 3;
    assert_ok(weir_scope_open(&scope));
    for (unsigned i = 0; i < count; i++) {
        guests[i] = (struct guest){&stage, calls[call].call, NOT_YET};
        assert_ok(weir_go(&scope, "guest", run_guest, &guests[i]));
    }
    assert_ok(weir_sleep(20));
    for (unsigned i = 0; i < count; i++)
        if (guests[i].status != NOT_YET)
            fail_msg("%s, %u: does not wait: %s", calls[call].name, i,
                     weir_status_name(guests[i].status));
    uint64_t start = weir_loop_now(weir_loop_current());
    ends[end].end(&stage);
    assert_ok(weir_sleep(5));
    stage.handler_ends = true; /* only then is the session freed */
    assert_ok(weir_scope_join(&scope));
    rig_expect_passed(start, 0, 100);
    for (unsigned i = 0; i < count; i++) {
        int status = guests[i].status;
        bool right = calls[call].call == close_session ? status <= WEIR_OK
                     : calls[call].sends               ? status == WEIR_CLOSED
                     : ends[end].cancels               ? status == WEIR_CANCELLED
                                                       : status != WEIR_OK && status != WEIR_CLOSED;
        if (!right)
            fail_msg("%s, %s: guest %u got %s", calls[call].name, ends[end].name, i,
                     weir_status_name(status));
    }
    close_stage(&stage);
}

static int every_waiter_in_a_session_gets_its_end(void *arg)
{
    (void)arg;
    for (size_t call = 0; call < sizeof calls / sizeof *calls; call++)
        for (size_t end = 0; end < sizeof ends / sizeof *ends; end++)
            expect_guest_gets_the_end(call, end);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(every_waiter_in_a_session_gets_its_end)

/* --- the message lock by itself --- */

/* A queue that fails when it is full closes the channel, so the lock will never be opened again. */
static int a_queue_that_overflows_wakes_those_who_wait_for_a_message(void *arg)
{
    struct stage stage;
    weir_scope scope;
    (void)arg;
    open_stage(&stage, true, WEIR_OVERFLOW_FAIL);
    struct guest guest = {&stage, send_text, NOT_YET};
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "guest", run_guest, &guest));
    assert_ok(weir_sleep(20));
    assert_int_equal(guest.status, NOT_YET);
    int status = WEIR_OK;
    for (int i = 0; i < 100000 && status == WEIR_OK; i++)
        status = weir_send_ping(stage.session, big, 125);
    assert_status(status, WEIR_ELIMIT);
    assert_ok(weir_scope_join(&scope));
    assert_status(guest.status, WEIR_CLOSED);
    weir_terminate(stage.session);
    close_stage(&stage);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_queue_that_overflows_wakes_those_who_wait_for_a_message)

static int a_waiter_that_was_woken_and_has_not_run_gets_the_end(void *arg)
{
    struct rig rig;
    weir_message message;
    weir_scope scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    struct stage stage = {.session = rig.session};
    struct guest guests[2] = {{&stage, send_text, NOT_YET}, {&stage, begin_message, NOT_YET}};
    assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT));
    assert_ok(weir_scope_open(&scope));
    for (int i = 0; i < 2; i++)
        assert_ok(weir_go(&scope, "guest", run_guest, &guests[i]));
    assert_ok(weir_yield());
    assert_ok(weir_message_end(&message)); /* wakes both */
    weir_channel_close(weir_session_outgoing(rig.session), WEIR_CLOSED);
    assert_ok(weir_scope_join(&scope));
    for (int i = 0; i < 2; i++)
        assert_status(guests[i].status, WEIR_CLOSED);
    rig_expect_frame(&rig, 0x81, "", 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_waiter_that_was_woken_and_has_not_run_gets_the_end)

static int a_waiter_that_is_cancelled_leaves_the_lock_to_others(void *arg)
{
    struct rig rig;
    weir_message message;
    weir_scope cancelled, scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    struct stage stage = {.session = rig.session};
    struct guest first = {&stage, send_text, NOT_YET};
    struct guest second = {&stage, send_text, NOT_YET};
    assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT));
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_scope_open(&cancelled));
    assert_ok(weir_go(&cancelled, "first", run_guest, &first));
    assert_ok(weir_go(&scope, "second", run_guest, &second));
    assert_ok(weir_yield());
    weir_scope_cancel(&cancelled);
    assert_status(weir_scope_join(&cancelled), WEIR_CANCELLED);
    assert_status(first.status, WEIR_CANCELLED);
    assert_ok(weir_message_end(&message));
    assert_ok(weir_scope_join(&scope));
    assert_ok(second.status);
    rig_expect_frame(&rig, 0x81, "", 0);
    rig_expect_frame(&rig, 0x81, "from another coroutine", 22);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_waiter_that_is_cancelled_leaves_the_lock_to_others)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_waiter_in_a_session_gets_its_end_),
        cmocka_unit_test(a_queue_that_overflows_wakes_those_who_wait_for_a_message_),
        cmocka_unit_test(a_waiter_that_was_woken_and_has_not_run_gets_the_end_),
        cmocka_unit_test(a_waiter_that_is_cancelled_leaves_the_lock_to_others_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
