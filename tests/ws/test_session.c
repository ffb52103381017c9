/* ctest: loops */
/* Sessions at the level of bytes: what is received and sent. In memory, over simulated sockets and
 * over the kernel's. */
#include "support/session_rig.h"

#include <stdio.h>

static const struct {
    enum weir_role role;
} both[] = {{WEIR_ROLE_SERVER}, {WEIR_ROLE_CLIENT}};

#define ROLES (sizeof both / sizeof *both)

static int text_arrives_and_goes(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < ROLES; i++) {
        struct rig rig;
        rig_open(&rig, both[i].role, NULL);
        rig_put_text(&rig, "Hello");
        rig_expect_received(&rig, WEIR_FRAME_TEXT, "Hello", 5);
        assert_ok(weir_send_text(rig.session, "World"));
        rig_expect_frame(&rig, 0x81, "World", 5);
        assert_ok(weir_send_binary(rig.session, "\0\1", 2));
        rig_expect_frame(&rig, 0x82, "\0\1", 2);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(text_arrives_and_goes)

static int trying_to_receive_never_waits(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ptr_equal(weir_session_loop(rig.session), weir_loop_current());
    assert_status(weir_try_receive(rig.session, &frame), WEIR_EAGAIN);
    rig_put_text(&rig, "one");
    rig_put_text(&rig, "two");
    assert_eventually(weir_channel_count(weir_session_incoming(rig.session)) == 2);
    assert_ok(weir_try_receive(rig.session, &frame));
    assert_memory_equal(frame.data, "one", 3);
    assert_ok(weir_try_receive(rig.session, &frame)); /* what was in it is released */
    assert_memory_equal(frame.data, "two", 3);
    assert_status(weir_try_receive(rig.session, &frame), WEIR_EAGAIN);
    assert_status(weir_try_receive(NULL, &frame), WEIR_EINVAL);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    assert_eventually(weir_try_receive(rig.session, &frame) == WEIR_CLOSED);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(trying_to_receive_never_waits)

static int empty_text_is_a_message(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_text(&rig, "");
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "", 0);
    assert_ok(weir_send_text(rig.session, ""));
    rig_expect_frame(&rig, 0x81, "", 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(empty_text_is_a_message)

static int lengths_are_encoded_minimally_and_read(void *arg)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536, 0xc123, 0xcdef, 300000};
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *payload = test_malloc(sizes[i] + 1);
        for (size_t at = 0; at < sizes[i]; at++)
            payload[at] = (uint8_t)(at * 7 + i);
        weir_frame frame = weir_frame_binary(payload, sizes[i]);
        assert_ok(weir_send(rig.session, &frame));
        rig_expect_frame(&rig, 0x82, payload, sizes[i]);
        test_free(payload);
    }
    rig_close(&rig);
    return WEIR_OK;
}
RUN(lengths_are_encoded_minimally_and_read)

struct sender {
    struct rig *rig;
    const uint8_t *payload;
    size_t size;
};

static int put_binary(void *arg)
{
    struct sender *sender = arg;
    rig_put_frame(sender->rig, 0x82, sender->payload, sender->size);
    return WEIR_OK;
}

static int large_messages_arrive_whole(void *arg)
{
    static const size_t sizes[] = {65535, 65536, 200000, 1048576};
    struct rig rig;
    (void)arg;
    for (size_t role = 0; role < ROLES; role++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint8_t *payload = test_malloc(sizes[i]);
            for (size_t at = 0; at < sizes[i]; at++)
                payload[at] = (uint8_t)(at * 31 + at / 256);
            rig_open(&rig, both[role].role, NULL);
            struct sender sender = {&rig, payload, sizes[i]};
            assert_ok(weir_go(weir_scope_current(), "sender", put_binary, &sender));
            rig_expect_received(&rig, WEIR_FRAME_BINARY, payload, sizes[i]);
            rig_close(&rig);
            test_free(payload);
        }
    return WEIR_OK;
}
RUN(large_messages_arrive_whole)

static int fragments_are_joined_around_a_ping(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_frame(&rig, 0x01, "ABC", 3);
    rig_put_frame(&rig, 0x89, "?", 1);
    rig_put_frame(&rig, 0x00, "12", 2);
    rig_put_frame(&rig, 0x80, "3", 1);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "ABC123", 6);
    rig_expect_frame(&rig, 0x8a, "?", 1);
    weir_frame frame;
    assert_status(weir_receive(rig.session, &frame), WEIR_CLOSED);
    rig_expect_close(&rig, 1000);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(fragments_are_joined_around_a_ping)

static int pings_are_answered_in_order_without_a_receiver(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (char number = '1'; number <= '5'; number++)
        rig_put_frame(&rig, 0x89, &number, 1);
    for (char number = '1'; number <= '5'; number++)
        rig_expect_frame(&rig, 0x8a, &number, 1);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pings_are_answered_in_order_without_a_receiver)

static void count_pings(weir_session *session, const weir_frame *frame, void *count)
{
    (void)session;
    *(int *)count += frame->type == WEIR_FRAME_PING;
}

static int pong_goes_ahead_of_queued_data(void *arg)
{
    static uint8_t payload[2000000]; /* more than any of the streams holds */
    struct rig rig;
    uint8_t first;
    int pings = 0;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.high_water = 1000, .observer = {count_pings, .arg = &pings}});
    weir_frame large = weir_frame_binary(payload, sizeof payload);
    assert_ok(weir_try_send(rig.session, &large));
    for (int i = 0; i < 3; i++) {
        weir_frame text = weir_frame_text("queued", 6);
        assert_ok(weir_try_send(rig.session, &text));
    }
    assert_ok(weir_sleep(1));
    rig_put_frame(&rig, 0x89, "p", 1);
    rig_put_frame(&rig, 0x89, "q", 1); /* only the newest pending one is answered */
    assert_eventually(pings == 2);
    assert_int_equal(rig_take_frame(&rig, &first, payload, sizeof payload), sizeof payload);
    assert_int_equal(first, 0x82);
    rig_expect_frame(&rig, 0x8a, "q", 1);
    for (int i = 0; i < 3; i++)
        rig_expect_frame(&rig, 0x81, "queued", 6);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pong_goes_ahead_of_queued_data)

static int frame_kept_in_another_variable_stays_valid(void *arg)
{
    struct rig rig;
    weir_frame kept[3];
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (char number = '0'; number < '6'; number++)
        rig_put_frame(&rig, 0x81, &number, 1);
    for (int i = 0; i < 3; i++)
        assert_ok(weir_receive(rig.session, &kept[i]));
    for (int i = 0; i < 3; i++)
        assert_ok(weir_receive(rig.session, &frame)); /* each releases the one before */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kept[i].data[0], '0' + i);
        weir_frame_release(&kept[i]);
    }
    assert_int_equal(frame.data[0], '5');
    rig_close(&rig);
    weir_frame_release(&frame); /* also after the session is gone */
    return WEIR_OK;
}
RUN(frame_kept_in_another_variable_stays_valid)

static int sending_takes_the_frame_over(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (int i = 0; i < 3; i++) {
        rig_put_text(&rig, "echo");
        assert_ok(weir_receive(rig.session, &frame));
        assert_ok(weir_send(rig.session, &frame));
        assert_null(frame.data);
        rig_expect_frame(&rig, 0x81, "echo", 4);
    }
    rig_close(&rig);
    return WEIR_OK;
}
RUN(sending_takes_the_frame_over)

static int receive_message_joins_on_a_raw_session(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_frame(&rig, 0x01, "one ", 4);
    rig_put_frame(&rig, 0x89, "ping", 4);
    rig_put_frame(&rig, 0x80, "message", 7);
    assert_ok(weir_receive_message(rig.session, &frame));
    assert_true(frame.fin);
    assert_int_equal(frame.type, WEIR_FRAME_TEXT);
    assert_string_equal((const char *)frame.data, "one message");
    weir_frame_release(&frame);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(receive_message_joins_on_a_raw_session)

/* The bytes that were put come as one piece. A transport that cuts them makes several pieces. */
static void expect_pieces(struct rig *rig, const char *bytes, bool fin)
{
    weir_frame frame;
    size_t at = 0;
    do {
        assert_ok(weir_receive(rig->session, &frame));
        assert_true(transport_cuts() || frame.size == strlen(bytes));
        assert_true(frame.size <= strlen(bytes) - at);
        assert_memory_equal(frame.data, bytes + at, frame.size);
        at += frame.size;
        assert_int_equal(frame.fin, fin && bytes[at] == '\0');
        weir_frame_release(&frame);
    } while (bytes[at] != '\0');
}

static int pieces_arrive_as_they_come(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.pieces = true});
    rig_put(&rig, "\x81\x85\x00\x00\x00\x00He", 8);
    expect_pieces(&rig, "He", false);
    rig_put(&rig, "llo", 3);
    expect_pieces(&rig, "llo", true);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(pieces_arrive_as_they_come)

static int message_in_pieces_has_opcode_zero_after_the_first(void *arg)
{
    struct rig rig;
    weir_message message;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_message_begin(&message, rig.session, WEIR_FRAME_TEXT));
    assert_ok(weir_message_write(&message, "a", 1));
    assert_ok(weir_message_write(&message, "b", 1));
    assert_ok(weir_message_end(&message));
    rig_expect_frame(&rig, 0x01, "a", 1);
    rig_expect_frame(&rig, 0x00, "b", 1);
    rig_expect_frame(&rig, 0x80, "", 0);
    assert_status(weir_message_write(&message, "c", 1), WEIR_ESTATE);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(message_in_pieces_has_opcode_zero_after_the_first)

static int send_two_pieces(void *arg)
{
    struct rig *rig = arg;
    weir_message message;
    assert_ok(weir_message_begin(&message, rig->session, WEIR_FRAME_BINARY));
    assert_ok(weir_message_write(&message, "1", 1));
    assert_ok(weir_sleep(5));
    assert_ok(weir_message_write(&message, "2", 1));
    return weir_message_end(&message);
}

static int send_one_text(void *arg)
{
    struct rig *rig = arg;
    return weir_send_text(rig->session, "other");
}

static int senders_do_not_mix_their_fragments(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_go(weir_scope_current(), "first", send_two_pieces, &rig));
    assert_ok(weir_go(weir_scope_current(), "second", send_one_text, &rig));
    assert_ok(weir_go(weir_scope_current(), "third", send_two_pieces, &rig));
    rig_expect_frame(&rig, 0x02, "1", 1);
    rig_expect_frame(&rig, 0x00, "2", 1);
    rig_expect_frame(&rig, 0x80, "", 0);
    uint8_t first;
    uint8_t payload[16];
    size_t size = rig_take_frame(&rig, &first, payload, sizeof payload);
    assert_true((first == 0x81 && size == 5) || (first == 0x02 && size == 1));
    if (first == 0x81) {
        rig_expect_frame(&rig, 0x02, "1", 1);
        rig_expect_frame(&rig, 0x00, "2", 1);
        rig_expect_frame(&rig, 0x80, "", 0);
    } else {
        rig_expect_frame(&rig, 0x00, "2", 1);
        rig_expect_frame(&rig, 0x80, "", 0);
        rig_expect_frame(&rig, 0x81, "other", 5);
    }
    rig_close(&rig);
    return WEIR_OK;
}
RUN(senders_do_not_mix_their_fragments)

static int raw_session_shows_every_frame_and_answers_none(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    rig_put_frame(&rig, 0x01, "part", 4);
    rig_put_frame(&rig, 0x89, "ping", 4);
    rig_put_frame(&rig, 0x80, "end", 3);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    weir_frame frame;
    assert_ok(weir_receive(rig.session, &frame));
    assert_int_equal(frame.type, WEIR_FRAME_TEXT);
    assert_false(frame.fin);
    weir_frame_release(&frame);
    rig_expect_received(&rig, WEIR_FRAME_PING, "ping", 4);
    assert_ok(weir_receive(rig.session, &frame));
    assert_int_equal(frame.type, WEIR_FRAME_TEXT);
    assert_true(frame.fin);
    weir_frame_release(&frame);
    rig_expect_received(&rig, WEIR_FRAME_CLOSE, "\x03\xe8", 2);
    assert_ok(weir_send_text(rig.session, "still open"));
    rig_expect_frame(&rig, 0x81, "still open", 10);
    weir_terminate(rig.session);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(raw_session_shows_every_frame_and_answers_none)

static int masking_can_be_switched(void *arg)
{
    struct rig rig;
    uint8_t bytes[11];
    (void)arg;
    rig_open_raw(&rig, WEIR_ROLE_SERVER, NULL);
    assert_false(weir_session_masking(rig.session));
    weir_session_set_masking(rig.session, true);
    assert_ok(weir_send_text(rig.session, "Hello"));
    assert_ok(weir_stream_read_exactly(rig.wire, bytes, sizeof bytes));
    assert_int_equal(bytes[0], 0x81);
    assert_int_equal(bytes[1], 0x85);
    for (int i = 0; i < 5; i++)
        assert_int_equal(bytes[6 + i] ^ bytes[2 + i % 4], "Hello"[i]);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(masking_can_be_switched)

static int bad_frames_are_refused_without_harm(void *arg)
{
    static uint8_t long_ping[126];
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    weir_frame frame = weir_frame_ping(long_ping, sizeof long_ping);
    assert_status(weir_send(rig.session, &frame), WEIR_EINVAL);
    frame = (weir_frame){.type = 3, .fin = true};
    assert_status(weir_send(rig.session, &frame), WEIR_EINVAL);
    frame = (weir_frame){.type = WEIR_FRAME_TEXT, .size = 1, .fin = true};
    assert_status(weir_send(rig.session, &frame), WEIR_EINVAL);
    assert_status(weir_send(rig.session, NULL), WEIR_EINVAL);
    assert_status(weir_send_text(rig.session, NULL), WEIR_EINVAL);
    assert_ok(weir_send_text(rig.session, "fine"));
    rig_expect_frame(&rig, 0x81, "fine", 4);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(bad_frames_are_refused_without_harm)

struct watch {
    int in;
    int out;
    int ends;
};

static void count_in(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session;
    (void)frame;
    ((struct watch *)arg)->in++;
}

static void count_out(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session;
    (void)frame;
    ((struct watch *)arg)->out++;
}

static void count_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    assert_int_equal(end->kind, WEIR_END_CLEAN);
    ((struct watch *)arg)->ends++;
}

static int observer_sees_frames_pings_and_the_end(void *arg)
{
    struct watch watch = {0};
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_session_observe(rig.session,
                                   &(weir_observer){count_in, count_out, count_end, &watch}));
    rig_put_text(&rig, "one");
    rig_put_frame(&rig, 0x89, "ping", 4);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "one", 3);
    assert_ok(weir_send_text(rig.session, "two"));
    assert_eventually(watch.in == 2 && watch.out == 1);
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    assert_eventually(watch.ends == 1);
    assert_int_equal(watch.in + watch.out, 3);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(observer_sees_frames_pings_and_the_end)

static void expect_counted(struct rig *rig, const struct watch *watch, int before, int after)
{
    assert_int_equal(watch->in, before);
    rig_put_text(rig, "counted?");
    rig_expect_received(rig, WEIR_FRAME_TEXT, "counted?", 8);
    assert_int_equal(watch->in, after);
}

static int observer_without_memory_leaves_all_as_it_was(void *arg)
{
    struct watch first = {0};
    struct watch second = {0};
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    rig_starve(true);
    assert_status(weir_session_observe(rig.session, &(weir_observer){count_in, .arg = &first}),
                  WEIR_ENOMEM);
    rig_starve(false);
    expect_counted(&rig, &first, 0, 0);
    assert_ok(weir_session_observe(rig.session, &(weir_observer){count_in, .arg = &first}));
    expect_counted(&rig, &first, 0, 1);
    /* Another takes the place of the one that is there. */
    rig_starve(true);
    assert_ok(weir_session_observe(rig.session, &(weir_observer){count_in, .arg = &second}));
    rig_starve(false);
    expect_counted(&rig, &second, 0, 1);
    assert_ok(weir_session_observe(rig.session, NULL));
    rig_starve(true); /* which also drops the block that was just freed */
    assert_status(weir_session_observe(rig.session, &(weir_observer){count_in, .arg = &second}),
                  WEIR_ENOMEM);
    rig_starve(false);
    expect_counted(&rig, &second, 1, 1);
    assert_int_equal(first.in, 1);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(observer_without_memory_leaves_all_as_it_was)

static int select_waits_on_a_session_and_a_channel(void *arg)
{
    struct rig rig;
    weir_channel *numbers;
    weir_frame frame;
    int number = 7;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_channel_new(&numbers, rig.loop,
                               &(weir_channel_options){.item_size = sizeof number, .capacity = 1}));
    weir_select_case cases[] = {
        {.kind = WEIR_SELECT_RECEIVE, .channel = numbers, .item = &number},
        {.kind = WEIR_SELECT_RECEIVE,
         .channel = weir_session_incoming(rig.session),
         .item = &frame},
    };
    assert_status(weir_select(cases, 2, 10), WEIR_ETIMEDOUT);
    rig_put_text(&rig, "now");
    assert_int_equal(weir_select(cases, 2, 1000), 1);
    assert_ok(cases[1].status);
    assert_memory_equal(frame.data, "now", 3);
    weir_frame_release(&frame);
    assert_ok(weir_channel_send(numbers, &(int){42}));
    assert_int_equal(weir_select(cases, 2, 1000), 0);
    assert_int_equal(number, 42);
    weir_channel_free(numbers);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(select_waits_on_a_session_and_a_channel)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_arrives_and_goes_),
        cmocka_unit_test(trying_to_receive_never_waits_),
        cmocka_unit_test(empty_text_is_a_message_),
        cmocka_unit_test(lengths_are_encoded_minimally_and_read_),
        cmocka_unit_test(large_messages_arrive_whole_),
        cmocka_unit_test(fragments_are_joined_around_a_ping_),
        cmocka_unit_test(pings_are_answered_in_order_without_a_receiver_),
        cmocka_unit_test(pong_goes_ahead_of_queued_data_),
        cmocka_unit_test(frame_kept_in_another_variable_stays_valid_),
        cmocka_unit_test(sending_takes_the_frame_over_),
        cmocka_unit_test(receive_message_joins_on_a_raw_session_),
        cmocka_unit_test(pieces_arrive_as_they_come_),
        cmocka_unit_test(message_in_pieces_has_opcode_zero_after_the_first_),
        cmocka_unit_test(senders_do_not_mix_their_fragments_),
        cmocka_unit_test(raw_session_shows_every_frame_and_answers_none_),
        cmocka_unit_test(masking_can_be_switched_),
        cmocka_unit_test(bad_frames_are_refused_without_harm_),
        cmocka_unit_test(observer_sees_frames_pings_and_the_end_),
        cmocka_unit_test(observer_without_memory_leaves_all_as_it_was_),
        cmocka_unit_test(select_waits_on_a_session_and_a_channel_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
