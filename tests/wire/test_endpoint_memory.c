/* The n-th allocation fails, for every n until a whole conversation passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

/* A conversation with everything that takes memory; chunk: how it is cut. */
static size_t write_conversation(uint8_t *out, bool masked)
{
    static char large[3000];
    static const struct peer_frame frames[] = {
        FRAME(0x81, "whole"),
        FRAME(0x89, "a ping with a payload"),
        FRAME(0x01, "a message "),
        FRAME(0x89, "between"),
        FRAME(0x00, "in several "),
        FRAME(0x80, "fragments"),
        FRAME_OF(0x82, large, sizeof large),
        FRAME(0x8A, "an unasked pong"),
        FRAME(0x88, "\x03\xe9going away"),
    };
    size_t size = 0;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        size += peer_write(out + size, &frames[i], masked);
    return size;
}

/* What an end must look like, whatever failed. */
static void check_end(const struct rig *rig, bool input_failed)
{
    weir_end end = rig_end(rig);
    if (input_failed) {
        assert_int_equal(end.kind, WEIR_END_IO);
        assert_int_equal(end.status, WEIR_ENOMEM);
        assert_null(end.fault.rule);
    } else {
        assert_true(end.kind == WEIR_END_CLEAN || end.kind == WEIR_END_NONE);
        assert_int_equal(end.theirs.code, 1001);
    }
}

/* Plays it with the n-th allocation failing. Returns whether one failed. */
static bool play(enum weir_role role, enum weir_delivery delivery, size_t chunk, size_t n,
                 bool after)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    failing_allocator_init(&rig->memory, n);
    rig->memory.fail_after = after;
    rig->out.allocator = &rig->memory.allocator;
    rig->echo = true;
    rig->now = 1000;
    weir_endpoint_options options = rig_options(rig, role, delivery);
    int status = weir_endpoint_new(&rig->endpoint, &options, rig->now);
    bool failed = status == WEIR_ENOMEM;
    assert_int_equal(failed, rig->memory.failed);
    if (!failed) {
        uint8_t bytes[4096];
        bool input_failed = false;
        size_t size = write_conversation(bytes, role == WEIR_ROLE_SERVER);
        for (size_t at = 0; at < size && !rig->stopped; at += chunk) {
            status = rig_feed(rig, bytes + at, size - at < chunk ? size - at : chunk);
            input_failed = status == WEIR_ENOMEM;
            rig_read_output(rig);
        }
        check_end(rig, input_failed);
        failed = rig->memory.failed;
        weir_event event;
        assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_CLOSED);
        rig_read_output(rig);
    } else {
        assert_null(rig->endpoint);
    }
    weir_endpoint_free(rig->endpoint);
    weir_buffer_fini(&rig->out);
    assert_true(failing_allocator_is_clean(&rig->memory));
    free(rig);
    return failed;
}

static void play_every_n(enum weir_role role, enum weir_delivery delivery)
{
    static const size_t chunks[] = {4096, 700, 10, 1};
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++)
        for (int after = 0; after < 2; after++) {
            size_t n = 1;
            while (play(role, delivery, chunks[i], n, after != 0))
                n++;
            assert_true(n > 2);
        }
}

static void server_survives_every_failing_allocation(void **state)
{
    (void)state;
    play_every_n(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    play_every_n(WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES);
    play_every_n(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
}

static void client_survives_every_failing_allocation(void **state)
{
    (void)state;
    play_every_n(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    play_every_n(WEIR_ROLE_CLIENT, WEIR_DELIVER_PIECES);
    play_every_n(WEIR_ROLE_CLIENT, WEIR_DELIVER_FRAMES);
}

/* From now on nothing can be allocated. */
static void starve(struct rig *rig)
{
    rig->memory.fail_at = rig->memory.calls + 1;
    rig->memory.fail_after = true;
}

static void feed_again(struct rig *rig)
{
    rig->memory.fail_at = 0;
}

static void a_message_that_cannot_be_joined_closes_with_1011(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        starve(rig);
        assert_int_equal(rig_peer_text(rig, 0x01, "frag"), WEIR_ENOMEM);
        assert_string_equal(rig_sent(rig), "88:1011");
        weir_end end = rig_end(rig);
        assert_int_equal(end.kind, WEIR_END_IO);
        assert_int_equal(end.status, WEIR_ENOMEM);
        assert_string_equal(end.ours.message, "out of memory");
        assert_int_equal(weir_endpoint_wants(rig->endpoint), WEIR_WANT_SHUTDOWN);
        feed_again(rig);
        rig_free(rig);
    }
}

static void whole_messages_go_on_without_memory(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig->echo = true;
    starve(rig);
    rig_peer_text(rig, 0x81, "Hello");
    rig_peer_text(rig, 0x89, "");
    assert_string_equal(rig->events, "81:Hello ping");
    assert_string_equal(rig_sent(rig), "81:Hello 8a:");
    feed_again(rig);
    rig_free(rig);
}

static void without_memory_a_reason_keeps_its_code(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    starve(rig);
    rig_peer_text(rig, 0x88, "\x03\xe9going");
    weir_end end = rig_end(rig);
    assert_int_equal(end.kind, WEIR_END_CLEAN);
    assert_int_equal(end.theirs.code, 1001);
    assert_int_equal(end.theirs.message_size, 0);
    feed_again(rig);
    rig_free(rig);
    rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_close_reason reason;
    assert_int_equal(weir_close_reason_init(&reason, 1000, "bye"), WEIR_OK);
    starve(rig);
    assert_int_equal(weir_endpoint_close(rig->endpoint, &reason, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "88:1000");
    assert_int_equal(rig_end(rig).ours.code, 1000);
    feed_again(rig);
    rig_free(rig);
}

static void without_room_in_the_output_nothing_has_happened(void **state)
{
    (void)state;
    failing_allocator none;
    failing_allocator_init(&none, 1);
    none.fail_after = true;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_buffer out = {.allocator = &none.allocator};
    weir_frame frame = weir_frame_by_type(false, WEIR_FRAME_TEXT, "x", 1);
    uint8_t key[4];
    assert_int_equal(weir_endpoint_send(rig->endpoint, &frame, &out), WEIR_ENOMEM);
    assert_int_equal(weir_endpoint_send_head(rig->endpoint, &frame, &out, key), WEIR_ENOMEM);
    assert_int_equal(weir_endpoint_close(rig->endpoint, NULL, rig->now, &out), WEIR_ENOMEM);
    weir_frame close = weir_frame_by_type(true, WEIR_FRAME_CLOSE, "", 0);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &close, &out), WEIR_ENOMEM);
    assert_false(weir_endpoint_output_ended(rig->endpoint));
    rig->no_flush = true;
    rig_peer_text(rig, 0x89, "p");
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &out), WEIR_ENOMEM);
    assert_int_equal(weir_endpoint_wants(rig->endpoint), WEIR_WANT_FLUSH);
    rig_peer_text(rig, 0x83, "");
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &out), WEIR_ENOMEM);
    assert_int_equal(out.size, 0);
    weir_frame binary = weir_frame_binary("y", 1);
    assert_int_equal(weir_endpoint_send(rig->endpoint, &binary, &rig->out), WEIR_OK);
    assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
    assert_string_equal(rig_sent(rig), "82:y 8a:p 88:1002");
    rig_free(rig);
}

static void a_ping_without_room_is_left_out_and_tried_again(void **state)
{
    (void)state;
    failing_allocator none;
    failing_allocator_init(&none, 1);
    none.fail_after = true;
    weir_buffer out = {.allocator = &none.allocator};
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_endpoint_set_ping(rig->endpoint, 100, 50, 1000);
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1100, &out), WEIR_ENOMEM);
    assert_true(weir_endpoint_deadline(rig->endpoint) == 1200);
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1200, &rig->out), WEIR_OK);
    assert_true(weir_endpoint_deadline(rig->endpoint) == 1250);
    assert_int_equal(weir_endpoint_tick(rig->endpoint, 1250, &out), WEIR_ENOMEM);
    assert_int_equal(rig_end(rig).kind, WEIR_END_PING_TIMEOUT);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_survives_every_failing_allocation),
        cmocka_unit_test(client_survives_every_failing_allocation),
        cmocka_unit_test(a_message_that_cannot_be_joined_closes_with_1011),
        cmocka_unit_test(whole_messages_go_on_without_memory),
        cmocka_unit_test(without_memory_a_reason_keeps_its_code),
        cmocka_unit_test(without_room_in_the_output_nothing_has_happened),
        cmocka_unit_test(a_ping_without_room_is_left_out_and_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
