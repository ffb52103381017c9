/* ctest: loops */
/* A session served by on_message is parked between two messages. No call shows that. Without memory
 * to unpark, it ends cleanly. */
#include "support/session_rig.h"

#include "ws/session/session.h"

/* The server's side of the one conversation. */
static struct {
    weir_session *session;
    unsigned opened;
    unsigned closed;
    enum weir_end_kind end;
    uint64_t offset; /* where the input broke a rule */
    unsigned seen;   /* ends that the observer got */
} host;

static int note_open(weir_session *session, void *arg)
{
    (void)arg;
    host.session = session;
    host.opened++;
    return WEIR_OK;
}

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

static void note_close(weir_session *session, const weir_end *end, void *arg)
{
    weir_end seen;
    (void)arg;
    assert_ptr_equal(session, host.session);
    weir_session_end_get(&seen, session);
    assert_int_equal(seen.kind, end->kind);
    host.end = end->kind;
    host.offset = end->fault.offset;
    host.session = NULL;
    host.closed++;
}

static void note_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    (void)end;
    (void)arg;
    host.seen++;
}

/* --- whether it is parked --- */

struct text {
    char data[4096];
    size_t size;
};

static void append(const char *data, size_t size, void *arg)
{
    struct text *text = arg;
    assert_true(text->size + size < sizeof text->data);
    memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

static bool is_parked(void)
{
    struct text text = {.size = 0};
    weir__sessions_park(weir_loop_current());
    weir_loop_dump(weir_loop_current(), append, &text);
    return strstr(text.data, "parked") != NULL;
}

/* --- the conversation --- */

struct talk {
    weir_server *server;
    weir_session *client;
};

static void expect_echo(struct talk *talk, const char *text)
{
    assert_ok(weir_send_text(talk->client, text));
    expect_text(talk->client, text);
}

static void begin(struct talk *talk, weir_session_options options)
{
    memset(&host, 0, sizeof host);
    if (options.close_timeout_ms == 0)
        options.close_timeout_ms = 1000;
    weir_session_options observed = options;
    observed.observer.ended = note_end;
    observed.user_size = 8;
    assert_ok(weir_server_start(&talk->server, weir_scope_current(),
                                &(weir_serve_options){.url = "ws://127.0.0.1:0",
                                                      .on_open = note_open,
                                                      .on_message = echo_message,
                                                      .on_close = note_close,
                                                      .session = observed}));
    weir_connect_options connect = {.url = weir_server_url(talk->server), .session = options};
    assert_ok(weir_client_open(&talk->client, weir_scope_current(), &connect));
    expect_echo(talk, "hello");
    assert_eventually(is_parked());
}

static void end(struct talk *talk)
{
    weir_session_free(talk->client);
    weir_server_free(talk->server);
}

/* Expects this end at both peers. */
static void expect_end(struct talk *talk, enum weir_end_kind kind, unsigned code)
{
    weir_end seen;
    assert_int_not_equal(weir_session_join(talk->client), WEIR_OK);
    weir_session_end_get(&seen, talk->client);
    assert_int_equal(seen.theirs.code, code);
    assert_eventually(host.closed == 1);
    assert_int_equal(host.end, kind);
    assert_int_equal(host.seen, 1);
    assert_int_equal(weir_server_session_count(talk->server), 0);
    end(talk);
}

static int it_is_parked_between_messages(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){0});
    for (int i = 0; i < 20; i++) {
        expect_echo(&talk, "once more");
        assert_eventually(is_parked());
    }
    assert_int_equal(weir_loop_coroutine_count(weir_loop_current()), 1);
    assert_ok(weir_close(talk.client, 1000, NULL));
    expect_end(&talk, WEIR_END_CLEAN, 1000);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(it_is_parked_between_messages)

static int in_the_middle_of_a_message_it_is_not_parked(void *arg)
{
    struct talk talk;
    weir_message message;
    (void)arg;
    begin(&talk, (weir_session_options){0});
    assert_ok(weir_message_begin(&message, talk.client, WEIR_FRAME_TEXT));
    assert_ok(weir_message_write(&message, "in ", 3));
    assert_eventually(!is_parked());
    assert_ok(weir_sleep(20));
    assert_false(is_parked());
    assert_ok(weir_message_write(&message, "pieces", 6));
    assert_ok(weir_message_end(&message));
    expect_text(talk.client, "in pieces");
    assert_eventually(is_parked());
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(in_the_middle_of_a_message_it_is_not_parked)

static int what_it_sends_by_itself_arrives(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){0});
    for (int i = 0; i < 3; i++) {
        assert_ok(weir_send_text(host.session, "news"));
        expect_text(talk.client, "news");
        assert_eventually(is_parked());
    }
    weir_message message;
    assert_ok(weir_message_begin(&message, host.session, WEIR_FRAME_TEXT));
    assert_ok(weir_message_write(&message, "a ", 2));
    assert_ok(weir_flush(host.session));
    assert_ok(weir_sleep(20));
    assert_false(is_parked());
    assert_ok(weir_message_write(&message, "story", 5));
    assert_ok(weir_message_end(&message));
    expect_text(talk.client, "a story");
    assert_eventually(is_parked());
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(what_it_sends_by_itself_arrives)

static int settings_are_read_and_kept(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){.ping_interval_ms = WEIR_UNLIMITED});
    weir_session *session = host.session;
    assert_int_equal(weir_session_queued_bytes(session), 0);
    assert_ok(weir_flush(session));
    assert_ptr_equal(weir_session_loop(session), weir_loop_current());
    assert_string_equal(weir_session_path(session), "/");
    assert_null(weir_session_subprotocol(session));
    memcpy(weir_session_user(session), "1234567", 8);
    assert_int_equal(weir_session_max_frame_size(session), 1 << 20);
    weir_session_set_max_frame_size(session, 9);
    assert_false(weir_session_masking(session));
    weir_session_set_masking(session, true);
    assert_true(weir_session_masking(session));
    weir_session_set_masking(session, false);
    assert_true(weir_session_round_trip_ms(session) == WEIR_UNLIMITED);
    weir_session_set_ping(session, 1, 5000);
    assert_true(is_parked());
    assert_eventually(weir_session_round_trip_ms(session) != WEIR_UNLIMITED);
    weir_session_set_ping(session, WEIR_UNLIMITED, 0);
    assert_eventually(is_parked());
    assert_true(weir_session_round_trip_ms(session) != WEIR_UNLIMITED);
    expect_echo(&talk, "still yes");
    assert_eventually(is_parked());
    assert_int_equal(weir_session_max_frame_size(session), 9);
    assert_string_equal(weir_session_user(session), "1234567");
    assert_ok(weir_send_text(talk.client, "too large!"));
    expect_end(&talk, WEIR_END_TOO_BIG, 1009);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(settings_are_read_and_kept)

/* The place where a rule was broken counts from the first byte, not from the last parking. */
static int offsets_count_on(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){0});
    assert_ok(weir_send_text(talk.client, "\xff"));
    assert_int_not_equal(weir_session_join(talk.client), WEIR_OK);
    assert_eventually(host.closed == 1);
    assert_int_equal(host.end, WEIR_END_PROTOCOL);
    assert_int_equal(host.offset, (6 + strlen("hello")) + 6);
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(offsets_count_on)

static int pings_unpark_it_and_it_is_parked_again(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){.ping_interval_ms = 10, .ping_timeout_ms = 20000});
    assert_eventually(host.session == NULL ||
                      weir_session_round_trip_ms(host.session) != WEIR_UNLIMITED);
    assert_eventually(is_parked());
    assert_int_equal(host.closed, 0);
    expect_echo(&talk, "alive");
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(pings_unpark_it_and_it_is_parked_again)

/* --- ends while it is parked --- */

static int it_ends_while_parked(void *arg)
{
    struct talk talk;
    (void)arg;
    begin(&talk, (weir_session_options){0});
    assert_ok(weir_close(host.session, 4000, "enough"));
    expect_end(&talk, WEIR_END_CLEAN, 4000);
    begin(&talk, (weir_session_options){0});
    weir_close_now(host.session, WEIR_CLOSE_GOING_AWAY, NULL);
    expect_end(&talk, WEIR_END_CLEAN, 1001);
    begin(&talk, (weir_session_options){0});
    weir_server_stop(talk.server);
    expect_end(&talk, WEIR_END_CLEAN, 1001);
    begin(&talk, (weir_session_options){0});
    weir_terminate(host.session);
    expect_end(&talk, WEIR_END_CANCELLED, 0);
    begin(&talk, (weir_session_options){0});
    weir_terminate(talk.client);
    expect_end(&talk, WEIR_END_IO, 0);
    return WEIR_OK;
}

static void it_ends_while_parked_(void **state)
{
    (void)state;
    rig_run_real(it_ends_while_parked, NULL);
}

/* --- what the program has of it --- */

static int a_borrowed_part_keeps_it_active(void *arg)
{
    struct talk talk;
    void *end_of_it = NULL;
    (void)arg;
    for (int which = 0; which < 4; which++) {
        begin(&talk, (weir_session_options){0});
        weir_deferred *reason = NULL;
        if (which == 0)
            assert_non_null(weir_session_incoming(host.session));
        else if (which == 1)
            assert_non_null(weir_session_outgoing(host.session));
        else if (which == 2)
            assert_false(weir_scope_is_cancelled(weir_session_scope(host.session)));
        else
            assert_non_null(reason = weir_session_close_reason(host.session));
        expect_echo(&talk, "stays");
        assert_ok(weir_sleep(20));
        assert_false(is_parked());
        assert_ok(weir_close(talk.client, 1000, NULL));
        if (reason != NULL) {
            assert_status(weir_deferred_await(reason, &end_of_it), WEIR_CLOSED);
            assert_int_equal(((const weir_end *)end_of_it)->kind, WEIR_END_CLEAN);
        }
        expect_end(&talk, WEIR_END_CLEAN, 1000);
    }
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_borrowed_part_keeps_it_active)

static int receive_one(void *arg)
{
    weir_frame *frame = arg;
    return weir_receive_message(host.session, frame);
}

/* A coroutine that receives comes before on_message. */
static int it_may_be_received_from(void *arg)
{
    struct talk talk;
    weir_frame frame = {0};
    (void)arg;
    begin(&talk, (weir_session_options){0});
    assert_status(weir_try_receive(host.session, &frame), WEIR_EAGAIN);
    assert_eventually(is_parked());
    assert_ok(weir_go(weir_scope_current(), "receiver", receive_one, &frame));
    assert_ok(weir_sleep(20));
    assert_false(is_parked());
    assert_ok(weir_send_text(talk.client, "for you"));
    assert_eventually(frame.data != NULL);
    assert_string_equal((const char *)frame.data, "for you");
    weir_frame_release(&frame);
    expect_echo(&talk, "and back to normal");
    assert_eventually(is_parked());
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(it_may_be_received_from)

#ifdef WEIR_HAVE_DEFLATE
static int compression_goes_on_where_it_was(void *arg)
{
    struct talk talk;
    weir_deflate_terms terms;
    (void)arg;
    begin(&talk, (weir_session_options){.deflate = {.enabled = true,
                                                    .compress_min = 1,
                                                    .server_context_takeover = true,
                                                    .client_context_takeover = true}});
    for (int i = 0; i < 10; i++) {
        expect_echo(&talk, "the same again, and the same again");
        assert_eventually(is_parked());
    }
    assert_true(weir_session_deflate_terms_get(&terms, host.session));
    assert_false(terms.server_no_context_takeover);
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(compression_goes_on_where_it_was)
#endif

/* --- without memory --- */

/* The loop has no memory from here until give_memory(). */
static void take_memory(void)
{
    failing_allocator *memory = (failing_allocator *)(uintptr_t)rig_memory();
    weir__pool_fini(&weir_loop_current()->pool);
    memory->fail_at = memory->calls + 1;
    memory->fail_after = true;
}

static void give_memory(void)
{
    failing_allocator *memory = (failing_allocator *)(uintptr_t)rig_memory();
    memory->fail_at = 0;
    memory->fail_after = false;
}

static weir_session_options compressed(void)
{
    weir_session_options options = {0};
#ifdef WEIR_HAVE_DEFLATE
    options.deflate = (weir_deflate_options){.enabled = true};
#endif
    return options;
}

/* A call that only asks returns that, and nothing is lost. */
static int a_call_that_cannot_wake_it_fails(void *arg)
{
    struct talk talk;
    weir_frame frame = {0};
    weir_message message;
    weir_channel *channel;
    (void)arg;
    begin(&talk, compressed());
    take_memory();
    assert_status(weir_send_text(host.session, "refused"), WEIR_ENOMEM);
    frame = weir_frame_text("refused", 7);
    assert_status(weir_try_send(host.session, &frame), WEIR_ENOMEM);
    assert_status(weir_receive(host.session, &frame), WEIR_ENOMEM);
    assert_status(weir_try_receive(host.session, &frame), WEIR_ENOMEM);
    assert_status(weir_receive_message(host.session, &frame), WEIR_ENOMEM);
    assert_status(weir_message_begin(&message, host.session, WEIR_FRAME_TEXT), WEIR_ENOMEM);
    assert_status(weir_session_join(host.session), WEIR_ENOMEM);
    assert_status(weir_pinger_start(&channel, host.session, 1000, 1000), WEIR_ENOMEM);
    assert_status(weir_ponger_start(&channel, host.session), WEIR_ENOMEM);
    assert_null(weir_session_incoming(host.session));
    assert_null(weir_session_outgoing(host.session));
    assert_null(weir_session_close_reason(host.session));
    assert_null(weir_session_scope(host.session));
    weir_session_set_max_frame_size(host.session, 100);
    weir_session_set_ping(host.session, 100000, 0);
    assert_int_equal(weir_session_max_frame_size(host.session), 100);
    give_memory();
    assert_true(is_parked());
    expect_echo(&talk, "nothing happened");
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(a_call_that_cannot_wake_it_fails)

/* A message was begun but none of it was sent, and the session is parked. */
static int the_end_of_a_message_that_nobody_began(void *arg)
{
    struct talk talk;
    weir_message message;
    (void)arg;
    begin(&talk, compressed());
    assert_ok(weir_message_begin(&message, host.session, WEIR_FRAME_TEXT));
    assert_ok(weir_send_text(host.session, "in between"));
    expect_text(talk.client, "in between");
    assert_eventually(is_parked());
    take_memory();
    assert_status(weir_message_end(&message), WEIR_ENOMEM);
    give_memory();
    expect_echo(&talk, "nothing happened");
    end(&talk);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(the_end_of_a_message_that_nobody_began)

static void end_by_close(struct talk *talk)
{
    (void)talk;
    assert_status(weir_close(host.session, 1000, NULL), WEIR_ENOMEM);
    assert_status(weir_close(host.session, 1000, NULL), WEIR_CANCELLED);
    assert_status(weir_send_text(host.session, "late"), WEIR_CANCELLED);
    assert_status(weir_flush(host.session), WEIR_CANCELLED);
    assert_int_equal(weir_session_queued_bytes(host.session), 0);
}

static void end_by_close_now(struct talk *talk)
{
    weir_end seen;
    (void)talk;
    weir_close_now(host.session, 1001, NULL);
    weir_session_end_get(&seen, host.session);
    assert_int_equal(seen.kind, WEIR_END_CANCELLED);
    weir_terminate(host.session); /* twice is once */
}

static void end_by_terminate(struct talk *talk)
{
    (void)talk;
    weir_terminate(host.session);
}

static void end_by_stop(struct talk *talk)
{
    weir_server_stop(talk->server);
}

static void end_by_ping(struct talk *talk)
{
    (void)talk;
    weir_session_set_ping(host.session, 1, 5000);
    while (host.seen == 0)
        assert_ok(weir_sleep(1));
}

/* By input that cannot be taken. */
static void end_by_data(struct talk *talk)
{
    give_memory();
    assert_ok(weir_send_text(talk->client, "no memory")); /* goes out at the end of this turn */
    take_memory();
    while (host.seen == 0)
        assert_ok(weir_sleep(1));
}

/* An event that has to be answered ends it. */
static int without_memory_it_is_dropped(void *arg)
{
    static void (*const ends[])(struct talk * talk) = {
        end_by_close, end_by_close_now, end_by_terminate, end_by_stop, end_by_ping, end_by_data};
    (void)arg;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct talk talk;
        begin(&talk, compressed());
        take_memory();
        ends[i](&talk);
        give_memory();
        expect_end(&talk, WEIR_END_CANCELLED, 0);
    }
    return WEIR_OK;
}

static void without_memory_it_is_dropped_(void **state)
{
    (void)state;
    rig_run_real(without_memory_it_is_dropped, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_parked_between_messages_),
        cmocka_unit_test(in_the_middle_of_a_message_it_is_not_parked_),
        cmocka_unit_test(what_it_sends_by_itself_arrives_),
        cmocka_unit_test(settings_are_read_and_kept_),
        cmocka_unit_test(offsets_count_on_),
        cmocka_unit_test(pings_unpark_it_and_it_is_parked_again_),
        cmocka_unit_test(it_ends_while_parked_),
        cmocka_unit_test(a_borrowed_part_keeps_it_active_),
        cmocka_unit_test(it_may_be_received_from_),
#ifdef WEIR_HAVE_DEFLATE
        cmocka_unit_test(compression_goes_on_where_it_was_),
#endif
        cmocka_unit_test(a_call_that_cannot_wake_it_fails_),
        cmocka_unit_test(the_end_of_a_message_that_nobody_began_),
        cmocka_unit_test(without_memory_it_is_dropped_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
