/* What an endpoint sends, and what it refuses to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

static void send_ok(struct rig *rig, weir_frame frame)
{
    assert_int_equal(weir_endpoint_send(rig->endpoint, &frame, &rig->out), WEIR_OK);
}

static void send_fails(struct rig *rig, weir_frame frame, int status)
{
    size_t size = rig->out.size;
    assert_int_equal(weir_endpoint_send(rig->endpoint, &frame, &rig->out), status);
    assert_int_equal(rig->out.size, size);
}

static void frames_are_appended_as_the_role_wants_them(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        assert_int_equal(weir_endpoint_masking(rig->endpoint), role == WEIR_ROLE_CLIENT);
        send_ok(rig, weir_frame_text("Hello", 5));
        send_ok(rig, weir_frame_ping("p", 1));
        send_ok(rig, weir_frame_pong(NULL, 0));
        send_ok(rig, weir_frame_binary("\x00\xff", 2));
        assert_int_equal(rig->out.size, 7 + 3 + 2 + 4 + (role == WEIR_ROLE_CLIENT ? 16 : 0));
        assert_string_equal(rig_sent(rig), "81:Hello 89:p 8a: 82:\\00\\ff");
        rig_free(rig);
    }
}

static void a_client_masks_with_a_new_key_each_time_and_leaves_the_source(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    char source[] = "Hello";
    send_ok(rig, weir_frame_text(source, 5));
    send_ok(rig, weir_frame_text(source, 5));
    assert_memory_not_equal(rig->out.data + 2, rig->out.data + 13, 4);
    assert_string_equal(source, "Hello");
    rig_free(rig);
}

static void masking_can_be_set_against_the_role(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_endpoint_set_masking(rig->endpoint, true);
    send_ok(rig, weir_frame_text("Hello", 5));
    assert_int_equal(rig->out.size, 11);
    assert_int_equal(rig->out.data[1], 0x85);
    assert_string_equal(rig_sent(rig), "81:Hello");
    rig_free(rig);
}

static const struct {
    size_t size;
    size_t head;
} cases[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}, {0xc123, 4}};

static void every_length_form_is_the_shortest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
        char *payload = calloc(1, cases[i].size + 1);
        assert_non_null(payload);
        send_ok(rig, weir_frame_text(payload, cases[i].size));
        assert_int_equal(rig->out.size, cases[i].size + cases[i].head);
        if (cases[i].size == 0xc123)
            assert_memory_equal(rig->out.data, "\x81\x7e\xc1\x23", 4);
        free(payload);
        rig_free(rig);
    }
}

/* A message behind others, in a buffer that has room for just so many bytes more. */
static void send_into(size_t room, size_t size, size_t head_size)
{
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    char *payload = malloc(size + 1);
    assert_non_null(payload);
    memset(payload, 'x', size + 1);
    uint8_t *before = weir_buffer_reserve(&rig->out, 2 * (room + 1));
    assert_non_null(before);
    memset(before, 'b', rig->out.capacity);
    rig->out.size = rig->out.capacity - room;
    size_t at = rig->out.size;
    send_ok(rig, weir_frame_binary(payload, size));
    assert_int_equal(rig->out.size, at + head_size + size);
    assert_int_equal(rig->out.data[at - 1], 'b');
    assert_int_equal(rig->out.data[at], 0x82);
    assert_memory_equal(rig->out.data + at + head_size, payload, size);
    free(payload);
    rig_free(rig);
}

static void messages_go_into_whatever_room_there_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t missing = 0; missing < 3; missing++)
            send_into(cases[i].head + cases[i].size - missing, cases[i].size, cases[i].head);
}

static void later_fragments_get_opcode_0(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    send_ok(rig, weir_frame_by_type(false, WEIR_FRAME_TEXT, "a", 1));
    send_ok(rig, weir_frame_by_type(false, WEIR_FRAME_TEXT, "b", 1));
    send_ok(rig, weir_frame_ping("p", 1));
    send_fails(rig, weir_frame_binary("x", 1), WEIR_EINVAL);
    send_ok(rig, weir_frame_by_type(true, WEIR_FRAME_TEXT, "c", 1));
    send_ok(rig, weir_frame_binary("d", 1));
    assert_string_equal(rig_sent(rig), "01:a 00:b 89:p 80:c 82:d");
    rig_free(rig);
}

static void frames_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char zeros[126];
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_frame frame = weir_frame_ping(zeros, 126);
    send_fails(rig, frame, WEIR_EINVAL);
    send_fails(rig, weir_frame_pong(zeros, 126), WEIR_EINVAL);
    frame = weir_frame_ping(zeros, 1);
    frame.fin = false;
    send_fails(rig, frame, WEIR_EINVAL);
    frame = weir_frame_ping(zeros, 1);
    frame.rsv = 4;
    send_fails(rig, frame, WEIR_EINVAL);
    frame = weir_frame_text(zeros, 1);
    frame.rsv = 4;
    send_fails(rig, frame, WEIR_EINVAL);
    send_fails(rig, weir_frame_text(NULL, 1), WEIR_EINVAL);
    send_fails(rig, weir_frame_by_type(true, (enum weir_frame_type)0, zeros, 1), WEIR_EINVAL);
    send_fails(rig, weir_frame_by_type(true, (enum weir_frame_type)3, zeros, 1), WEIR_EINVAL);
    frame = weir_frame_binary(zeros, 1);
    frame.size = SIZE_MAX;
    send_fails(rig, frame, WEIR_ENOMEM);
    send_ok(rig, weir_frame_ping(zeros, 125));
    rig_free(rig);
}

static void a_raw_session_may_set_reserved_bits(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
    weir_frame frame = weir_frame_text("x", 1);
    frame.rsv = 4;
    send_ok(rig, frame);
    frame.rsv = 8;
    send_fails(rig, frame, WEIR_EINVAL);
    assert_string_equal(rig_sent(rig), "c1:x");
    rig_free(rig);
}

static void a_head_alone_is_appended_with_its_key(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        uint8_t key[4];
        char payload[] = "Hello";
        weir_frame frame = weir_frame_by_type(false, WEIR_FRAME_TEXT, payload, 5);
        assert_int_equal(weir_endpoint_send_head(rig->endpoint, &frame, &rig->out, key), WEIR_OK);
        assert_int_equal(rig->out.size, role == WEIR_ROLE_CLIENT ? 6 : 2);
        for (size_t i = 0; i < 5; i++)
            payload[i] = (char)(payload[i] ^ key[i & 3]);
        assert_int_equal(weir_buffer_append(&rig->out, payload, 5), WEIR_OK);
        send_ok(rig, weir_frame_text("!", 1));
        assert_string_equal(rig_sent(rig), "01:Hello 80:!");
        rig_free(rig);
    }
}

static void a_head_alone_is_for_data_frames_that_may_be_sent(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t key[4];
    weir_frame ping = weir_frame_ping("x", 1);
    weir_frame text = weir_frame_text("x", 1);
    weir_frame bits = text;
    bits.rsv = 1;
    assert_int_equal(weir_endpoint_send_head(rig->endpoint, &ping, &rig->out, key), WEIR_EINVAL);
    assert_int_equal(weir_endpoint_send_head(rig->endpoint, &bits, &rig->out, key), WEIR_EINVAL);
    weir_endpoint_terminate(rig->endpoint);
    assert_int_equal(weir_endpoint_send_head(rig->endpoint, &text, &rig->out, key), WEIR_CLOSED);
    assert_int_equal(rig->out.size, 0);
    rig_free(rig);
}

/* Vectors 8 and 9 of the session model: a Close ends the output, and nothing follows it. */
static void a_close_is_the_last_that_is_written(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
    char *payload = malloc(65535);
    assert_non_null(payload);
    memset(payload, 0x77, 65535);
    send_ok(rig, weir_frame_binary(payload, 65535));
    send_ok(rig, weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xe8", 2));
    send_fails(rig, weir_frame_text("Yo", 2), WEIR_CLOSED);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_memory_equal(rig->out.data + rig->out.size - 4, "\x88\x02\x03\xe8", 4);
    assert_true(weir_endpoint_output_ended(rig->endpoint));
    free(payload);
    rig_free(rig);
}

/* Vector 13: a Text of 0xc123 bytes, and a Binary that holds the length of what came. */
static void lengths_of_16_bits_go_both_ways(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t *in = calloc(1, 0xcdef + 4);
    assert_non_null(in);
    memcpy(in, "\x81\x7e\xcd\xef", 4);
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, in, 0xcdef + 4, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(event.frame.size, 0xcdef);
    weir_endpoint_set_masking(rig->endpoint, false);
    send_ok(rig, weir_frame_binary("\x00\x00\xcd\xef", 4));
    assert_memory_equal(rig->out.data, "\x82\x04\x00\x00\xcd\xef", 6);
    free(in);
    rig_free(rig);
}

static void flushing_nothing_appends_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_int_equal(rig->out.size, 0);
    assert_int_equal(weir_endpoint_wants(rig->endpoint), 0);
    assert_true(weir_endpoint_deadline(rig->endpoint) == WEIR_UNLIMITED);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_appended_as_the_role_wants_them),
        cmocka_unit_test(a_client_masks_with_a_new_key_each_time_and_leaves_the_source),
        cmocka_unit_test(masking_can_be_set_against_the_role),
        cmocka_unit_test(every_length_form_is_the_shortest),
        cmocka_unit_test(messages_go_into_whatever_room_there_is),
        cmocka_unit_test(later_fragments_get_opcode_0),
        cmocka_unit_test(frames_that_cannot_be_are_refused),
        cmocka_unit_test(a_raw_session_may_set_reserved_bits),
        cmocka_unit_test(a_head_alone_is_appended_with_its_key),
        cmocka_unit_test(a_head_alone_is_for_data_frames_that_may_be_sent),
        cmocka_unit_test(a_close_is_the_last_that_is_written),
        cmocka_unit_test(lengths_of_16_bits_go_both_ways),
        cmocka_unit_test(flushing_nothing_appends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
