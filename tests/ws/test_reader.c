/* ctest: loops */
/* weir_reader: a stream in, a bounded channel of frames out, and how that ends. */
#include "support/session_rig.h"

#include <weir/reader.h>

struct bench {
    struct rig rig; /* session NULL */
    weir_stream *end;
    weir_scope scope;
    weir_reader *reader;
};

static void open_reader(struct bench *bench, const weir_reader_options *options)
{
    enum weir_role role = options != NULL ? options->role : WEIR_ROLE_SERVER;
    rig_open_streams(&bench->rig, role, &bench->end);
    assert_ok(weir_scope_open(&bench->scope));
    assert_ok(weir_reader_start(&bench->reader, &bench->scope, bench->end, options));
}

/* The scope ends by itself when the reader has ended; otherwise this hangs. */
static void close_reader(struct bench *bench, int joined)
{
    assert_status(weir_scope_join(&bench->scope), joined);
    weir_reader_free(bench->reader);
    weir_stream_close(bench->end);
    weir_stream_close(bench->rig.wire);
}

static int receive(struct bench *bench, weir_frame *frame)
{
    return weir_channel_receive(weir_reader_incoming(bench->reader), frame);
}

static void expect(struct bench *bench, bool fin, enum weir_frame_type type, const char *payload)
{
    weir_frame frame;
    assert_ok(receive(bench, &frame));
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.fin, fin);
    assert_int_equal(frame.size, strlen(payload));
    assert_memory_equal(frame.data, payload, frame.size);
    weir_frame_release(&frame);
}

static void expect_end(struct bench *bench, int status)
{
    weir_frame frame;
    assert_status(receive(bench, &frame), status);
}

/* Masked, for the reader of a server. */
static void put(struct bench *bench, uint8_t first, const char *payload)
{
    uint8_t bytes[2 + 4 + 125] = {first, (uint8_t)(0x80 | strlen(payload)), 1, 2, 3, 4};
    for (size_t i = 0; i < strlen(payload); i++)
        bytes[6 + i] = (uint8_t)(payload[i] ^ bytes[2 + i % 4]);
    assert_ok(weir_stream_write(bench->rig.wire, bytes, 6 + strlen(payload)));
}

static int frames_as_on_the_wire(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, NULL);
    put(&bench, 0x01, "Hel");
    put(&bench, 0x89, "ping");
    put(&bench, 0x80, "lo");
    put(&bench, 0x8A, "pong");
    put(&bench, 0x88, "\x03\xe8");
    put(&bench, 0x81, "nobody reads this");
    expect(&bench, false, WEIR_FRAME_TEXT, "Hel");
    expect(&bench, true, WEIR_FRAME_PING, "ping");
    expect(&bench, true, WEIR_FRAME_TEXT, "lo");
    expect(&bench, true, WEIR_FRAME_PONG, "pong");
    expect(&bench, true, WEIR_FRAME_CLOSE, "\x03\xe8");
    expect_end(&bench, WEIR_CLOSED);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(frames_as_on_the_wire)

/* SESSION-MODEL vector 6: two bytes are enough to know. */
static int a_control_frame_that_is_too_long(void *arg)
{
    struct bench bench;
    weir_fault fault;
    (void)arg;
    open_reader(&bench, &(weir_reader_options){.role = WEIR_ROLE_CLIENT});
    weir_reader_fault_get(&fault, bench.reader);
    assert_null(fault.rule);
    assert_ok(weir_stream_write(bench.rig.wire, "\x89\x7e", 2));
    expect_end(&bench, WEIR_EPROTOCOL);
    weir_reader_fault_get(&fault, bench.reader);
    assert_non_null(strstr(fault.rule, "125"));
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(a_control_frame_that_is_too_long)

/* Vector 7: what came before the violation is delivered. */
static int a_new_message_inside_one(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, NULL);
    put(&bench, 0x01, "Foo");
    put(&bench, 0x89, "Ping!");
    put(&bench, 0x81, "Bar");
    expect(&bench, false, WEIR_FRAME_TEXT, "Foo");
    expect(&bench, true, WEIR_FRAME_PING, "Ping!");
    expect_end(&bench, WEIR_EPROTOCOL);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(a_new_message_inside_one)

static int the_limit_of_a_frame_can_be_changed(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, &(weir_reader_options){.max_frame_size = 3});
    assert_true(weir_reader_max_frame_size(bench.reader) == 3);
    put(&bench, 0x81, "abc");
    expect(&bench, true, WEIR_FRAME_TEXT, "abc");
    weir_reader_set_max_frame_size(bench.reader, 5);
    put(&bench, 0x81, "abcde");
    expect(&bench, true, WEIR_FRAME_TEXT, "abcde");
    put(&bench, 0x81, "abcdef");
    expect_end(&bench, WEIR_ETOOBIG);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(the_limit_of_a_frame_can_be_changed)

static int masking_by_role(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, &(weir_reader_options){.role = WEIR_ROLE_CLIENT});
    assert_ok(weir_stream_write(bench.rig.wire, "\x81\x02hi", 4));
    expect(&bench, true, WEIR_FRAME_TEXT, "hi");
    put(&bench, 0x81, "masked");
    expect_end(&bench, WEIR_EPROTOCOL);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(masking_by_role)

static int an_end_of_stream_without_a_close(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, NULL);
    put(&bench, 0x82, "last");
    assert_ok(weir_stream_shutdown(bench.rig.wire));
    expect(&bench, true, WEIR_FRAME_BINARY, "last");
    expect_end(&bench, WEIR_ELOST);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(an_end_of_stream_without_a_close)

static int flood(void *arg)
{
    struct bench *bench = arg;
    static uint8_t frame[14 + 60000] = {0x82, 0xfe, 60000 >> 8, 60000 & 0xff};
    for (int i = 0; i < 300; i++) {
        memset(frame + 8, i & 0xff, 60000); /* key 0 */
        int status = weir_stream_write(bench->rig.wire, frame, 8 + 60000);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* 18 MB are sent to a reader whose frames are not taken: the peer waits, memory stays bounded, and
 * nothing is lost. */
static int a_slow_receiver_makes_the_peer_wait(void *arg)
{
    struct bench bench;
    weir_scope scope;
    weir_frame frame;
    (void)arg;
    open_reader(&bench, NULL);
    size_t before = rig_memory()->live_bytes;
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &bench));
    assert_eventually(weir_channel_count(weir_reader_incoming(bench.reader)) == 8);
    assert_ok(weir_sleep(100));
    assert_int_equal(weir_channel_count(weir_reader_incoming(bench.reader)), 8);
    assert_true(rig_memory()->live_bytes < before + 8000000);
    for (int i = 0; i < 300; i++) {
        assert_ok(receive(&bench, &frame));
        assert_int_equal(frame.size, 60000);
        assert_int_equal(frame.data[59999], i & 0xff);
        weir_frame_release(&frame);
    }
    assert_ok(weir_scope_join(&scope));
    weir_scope_cancel(&bench.scope);
    close_reader(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(a_slow_receiver_makes_the_peer_wait)

static int receive_one(void *arg)
{
    weir_frame frame;
    int status = receive(arg, &frame);
    if (status == WEIR_OK)
        weir_frame_release(&frame);
    return status == WEIR_CANCELLED ? WEIR_OK : WEIR_EINVAL;
}

static int cancelled(void *arg)
{
    struct bench bench;
    weir_scope scope;
    (void)arg;
    open_reader(&bench, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "receiver", receive_one, &bench));
    assert_ok(weir_yield());
    weir_scope_cancel(&bench.scope); /* above the receiver's own, which is cancelled too */
    assert_status(weir_scope_join(&scope), WEIR_CANCELLED);
    close_reader(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(cancelled)

static int the_stream_closed_under_it(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, NULL);
    put(&bench, 0x81, "lost");
    assert_ok(weir_sleep(5));
    weir_stream_close(bench.end);
    bench.end = NULL;
    expect_end(&bench, WEIR_CANCELLED);
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(the_stream_closed_under_it)

static int freed_with_frames_in_it(void *arg)
{
    struct bench bench;
    (void)arg;
    open_reader(&bench, NULL);
    for (int i = 0; i < 20; i++)
        put(&bench, 0x81, "never taken");
    assert_eventually(weir_channel_count(weir_reader_incoming(bench.reader)) == 8);
    weir_reader_free(bench.reader);
    bench.reader = NULL;
    close_reader(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(freed_with_frames_in_it)

/* Bytes that a coroutine has left unread are the reader's. */
static int what_was_read_before_is_not_lost(void *arg)
{
    struct bench bench;
    char byte;
    (void)arg;
    rig_open_streams(&bench.rig, WEIR_ROLE_CLIENT, &bench.end);
    assert_ok(weir_stream_write(bench.rig.wire, "x\x81\x02hi", 5));
    assert_ok(weir_stream_read_exactly(bench.end, &byte, 1));
    assert_ok(weir_scope_open(&bench.scope));
    assert_ok(weir_reader_start(&bench.reader, &bench.scope, bench.end,
                                &(weir_reader_options){.role = WEIR_ROLE_CLIENT}));
    expect(&bench, true, WEIR_FRAME_TEXT, "hi");
    weir_scope_cancel(&bench.scope);
    close_reader(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(what_was_read_before_is_not_lost)

static int put_apart(void *arg)
{
    struct rig *rig = arg;
    assert_ok(weir_stream_write(rig->wire, "x", 1));
    assert_ok(weir_sleep(5));
    return weir_stream_write(rig->wire, "\x81\x02hi", 4);
}

/* The coroutine that starts the reader runs inside the callback that has brought its byte. */
static int started_as_soon_as_a_byte_is_read(void *arg)
{
    struct bench bench;
    char byte;
    (void)arg;
    rig_open_streams(&bench.rig, WEIR_ROLE_CLIENT, &bench.end);
    assert_ok(weir_scope_open(&bench.scope));
    assert_ok(weir_go(&bench.scope, "put", put_apart, &bench.rig));
    assert_ok(weir_stream_read_exactly(bench.end, &byte, 1));
    assert_ok(weir_reader_start(&bench.reader, &bench.scope, bench.end,
                                &(weir_reader_options){.role = WEIR_ROLE_CLIENT}));
    expect(&bench, true, WEIR_FRAME_TEXT, "hi");
    weir_scope_cancel(&bench.scope);
    close_reader(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(started_as_soon_as_a_byte_is_read)

static int the_direction_is_its_own(void *arg)
{
    struct bench bench;
    weir_reader *other;
    size_t got;
    char byte;
    (void)arg;
    open_reader(&bench, NULL);
    assert_status(weir_reader_start(&other, &bench.scope, bench.end, NULL), WEIR_ESTATE);
    assert_null(other);
    assert_status(weir_stream_read(bench.end, &byte, 1, &got), WEIR_ESTATE);
    assert_status(weir_reader_start(NULL, &bench.scope, bench.end, NULL), WEIR_EINVAL);
    assert_status(weir_reader_start(&other, NULL, bench.end, NULL), WEIR_EINVAL);
    assert_status(weir_reader_start(&other, &bench.scope, NULL, NULL), WEIR_EINVAL);
    assert_ok(weir_stream_write(bench.end, "?", 1)); /* the other direction is free */
    assert_ok(weir_stream_read_exactly(bench.rig.wire, &byte, 1));
    weir_scope_cancel(&bench.scope);
    assert_status(weir_reader_start(&other, &bench.scope, bench.end, NULL), WEIR_CANCELLED);
    close_reader(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(the_direction_is_its_own)

/* --- out of memory --- */

static int read_two(void *arg)
{
    struct bench bench;
    weir_frame frame;
    int *outcome = arg;
    *outcome = weir_stream_pair(&bench.end, &bench.rig.wire, weir_loop_current());
    if (*outcome != WEIR_OK)
        return WEIR_OK;
    int opened = weir_scope_open(&bench.scope);
    assert_int_equal(opened, WEIR_OK);
    *outcome = weir_reader_start(&bench.reader, &bench.scope, bench.end,
                                 &(weir_reader_options){.role = WEIR_ROLE_CLIENT});
    if (*outcome == WEIR_OK) {
        *outcome = weir_stream_write(bench.rig.wire, "\x81\x02hi\x88\x00", 6);
        if (*outcome == WEIR_OK)
            *outcome = weir_yield();
        while (*outcome == WEIR_OK) {
            *outcome = receive(&bench, &frame);
            if (*outcome == WEIR_OK)
                weir_frame_release(&frame);
            else
                break;
        }
        weir_reader_free(bench.reader);
    }
    (void)weir_scope_join(&bench.scope);
    weir_stream_close(bench.end);
    weir_stream_close(bench.rig.wire);
    return WEIR_OK;
}

static void without_memory_it_fails_cleanly(void **state)
{
    (void)state;
    bool done = false;
    for (size_t at = 1; !done; at++) {
        failing_allocator memory;
        weir_loop *loop;
        int outcome = WEIR_OK;
        assert_true(at < 200);
        failing_allocator_init(&memory, at);
        weir_loop_options options = {.allocator = memory.allocator};
        if (weir_loop_new(&loop, &options) == WEIR_OK) {
            if (weir_loop_run(loop, "test", read_two, &outcome) == WEIR_OK)
                done = outcome == WEIR_CLOSED && !memory.failed;
            weir_loop_free(loop);
        }
        assert_true(failing_allocator_is_clean(&memory));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_as_on_the_wire_),
        cmocka_unit_test(a_control_frame_that_is_too_long_),
        cmocka_unit_test(a_new_message_inside_one_),
        cmocka_unit_test(the_limit_of_a_frame_can_be_changed_),
        cmocka_unit_test(masking_by_role_),
        cmocka_unit_test(an_end_of_stream_without_a_close_),
        cmocka_unit_test(a_slow_receiver_makes_the_peer_wait_),
        cmocka_unit_test(cancelled_),
        cmocka_unit_test(the_stream_closed_under_it_),
        cmocka_unit_test(freed_with_frames_in_it_),
        cmocka_unit_test(started_as_soon_as_a_byte_is_read_),
        cmocka_unit_test(what_was_read_before_is_not_lost_),
        cmocka_unit_test(the_direction_is_its_own_),
        cmocka_unit_test(without_memory_it_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
