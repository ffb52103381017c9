/* ctest: loops */
/* weir_writer: a bounded channel of frames in, coalesced writes to a stream out, and how that
 * ends. */
#include "support/session_rig.h"

#include <weir/reader.h>
#include <weir/writer.h>

struct bench {
    struct rig rig; /* session NULL */
    weir_stream *end;
    weir_scope scope;
    weir_writer *writer;
};

static void open_writer(struct bench *bench, const weir_writer_options *options)
{
    enum weir_role role = options != NULL ? options->role : WEIR_ROLE_SERVER;
    rig_open_streams(&bench->rig, role, &bench->end);
    assert_ok(weir_scope_open(&bench->scope));
    assert_ok(weir_writer_start(&bench->writer, &bench->scope, bench->end, options));
}

static void close_writer(struct bench *bench, int joined)
{
    assert_status(weir_scope_join(&bench->scope), joined);
    weir_writer_free(bench->writer);
    weir_stream_close(bench->end);
    weir_stream_close(bench->rig.wire);
}

static int offer(struct bench *bench, weir_frame frame)
{
    return weir_writer_send(bench->writer, &frame);
}

static int send_close(struct bench *bench)
{
    static uint8_t normal[] = {0x03, 0xe8};
    return offer(bench, weir_frame_by_type(true, WEIR_FRAME_CLOSE, normal, sizeof normal));
}

static void expect_bytes(struct bench *bench, const void *bytes, size_t size)
{
    uint8_t got[256];
    assert_ok(weir_stream_read_exactly(bench->rig.wire, got, size));
    assert_memory_equal(got, bytes, size);
}

static void expect_end_of_stream(struct bench *bench)
{
    uint8_t byte;
    size_t got;
    assert_status(weir_stream_read(bench->rig.wire, &byte, 1, &got), WEIR_CLOSED);
}

/* SESSION-MODEL vector 8, after fragments whose opcode the library chooses. */
static int in_order_up_to_the_close(void *arg)
{
    struct bench bench;
    (void)arg;
    open_writer(&bench, NULL);
    assert_false(weir_writer_masking(bench.writer));
    assert_ok(offer(&bench, weir_frame_by_type(false, WEIR_FRAME_TEXT, "Hel", 3)));
    assert_ok(offer(&bench, weir_frame_ping("!", 1)));
    assert_ok(offer(&bench, weir_frame_by_type(true, WEIR_FRAME_TEXT, "lo", 2)));
    assert_ok(send_close(&bench));
    expect_bytes(&bench, "\x01\x03Hel\x89\x01!\x80\x02lo\x88\x02\x03\xe8", 16);
    expect_end_of_stream(&bench);
    assert_true(weir_channel_is_closed(weir_writer_outgoing(bench.writer)));
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(in_order_up_to_the_close)

/* Vector 9: what is sent after a Close does not go out; here the sender gets an error. */
static int nothing_behind_a_close(void *arg)
{
    struct bench bench;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(send_close(&bench));
    assert_status(offer(&bench, weir_frame_text("Yo", 2)), WEIR_CLOSED);
    expect_bytes(&bench, "\x88\x02\x03\xe8", 4);
    expect_end_of_stream(&bench);
    assert_eventually(weir_writer_flush(bench.writer) == WEIR_CLOSED);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(nothing_behind_a_close)

static int closed_without_a_close_frame(void *arg)
{
    struct bench bench;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(offer(&bench, weir_frame_binary("bye", 3)));
    weir_writer_shutdown(bench.writer);
    assert_status(offer(&bench, weir_frame_text("late", 4)), WEIR_CLOSED);
    expect_bytes(&bench,
                 "\x82\x03"
                 "bye",
                 5);
    expect_end_of_stream(&bench);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(closed_without_a_close_frame)

static int masking_can_be_set(void *arg)
{
    struct bench bench;
    uint8_t got[8];
    (void)arg;
    open_writer(&bench, &(weir_writer_options){.role = WEIR_ROLE_CLIENT});
    assert_true(weir_writer_masking(bench.writer));
    assert_ok(offer(&bench, weir_frame_text("hi", 2)));
    assert_ok(weir_stream_read_exactly(bench.rig.wire, got, 8));
    assert_int_equal(got[1], 0x82);
    assert_int_equal(got[6] ^ got[2], 'h');
    assert_int_equal(got[7] ^ got[3], 'i');
    weir_writer_set_masking(bench.writer, false);
    assert_ok(offer(&bench, weir_frame_text("hi", 2)));
    expect_bytes(&bench, "\x81\x02hi", 4);
    weir_writer_shutdown(bench.writer);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(masking_can_be_set)

static int malformed_frames_are_refused(void *arg)
{
    struct bench bench;
    static uint8_t long_ping[126];
    (void)arg;
    open_writer(&bench, NULL);
    assert_status(offer(&bench, weir_frame_ping(long_ping, sizeof long_ping)), WEIR_EINVAL);
    assert_status(offer(&bench, (weir_frame){.type = 3, .fin = true}), WEIR_EINVAL);
    assert_status(offer(&bench, (weir_frame){.type = WEIR_FRAME_TEXT, .fin = true, .size = 1}),
                  WEIR_EINVAL);
    assert_ok(offer(&bench, weir_frame_by_type(false, WEIR_FRAME_TEXT, "a", 1)));
    assert_status(offer(&bench, weir_frame_binary("b", 1)), WEIR_EINVAL);
    expect_bytes(&bench,
                 "\x01\x01"
                 "a",
                 3);
    weir_writer_shutdown(bench.writer);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(malformed_frames_are_refused)

#define CHUNK ((size_t)50000)
#define MANY  300

static int flood(void *arg)
{
    struct bench *bench = arg;
    static uint8_t chunk[CHUNK];
    for (int i = 0; i < MANY; i++) {
        memset(chunk, i & 0xff, CHUNK);
        int status = offer(bench, weir_frame_binary(chunk, CHUNK));
        if (status != WEIR_OK)
            return status;
    }
    return weir_writer_flush(bench->writer);
}

static int a_slow_peer_makes_senders_wait(void *arg)
{
    struct bench bench;
    weir_scope scope;
    static uint8_t got[4 + CHUNK];
    (void)arg;
    open_writer(&bench, &(weir_writer_options){.capacity = 4, .high_water = 200000});
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &bench));
    assert_eventually(weir_channel_count(weir_writer_outgoing(bench.writer)) >= 3);
    assert_ok(weir_sleep(50));
    assert_true(weir_writer_queued_bytes(bench.writer) < 200000 + 6 * CHUNK);
    for (int i = 0; i < MANY; i++) {
        assert_ok(weir_stream_read_exactly(bench.rig.wire, got, sizeof got));
        assert_int_equal(got[0], 0x82);
        assert_int_equal(got[4], i & 0xff);
        assert_int_equal(got[3 + CHUNK], i & 0xff);
    }
    assert_ok(weir_scope_join(&scope));
    assert_true(weir_writer_queued_bytes(bench.writer) == 0);
    weir_writer_shutdown(bench.writer);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(a_slow_peer_makes_senders_wait)

/* Waiters are woken. The connection is reset, because it is not known what was sent. */
static int cancelled_in_mid_write(void *arg)
{
    struct bench bench;
    weir_scope scope;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &bench));
    assert_eventually(weir_channel_count(weir_writer_outgoing(bench.writer)) == 8);
    weir_scope_cancel(&bench.scope);
    assert_status(weir_stream_write(bench.end, "x", 1), WEIR_CANCELLED);
    assert_status(weir_scope_join(&scope), WEIR_CANCELLED);
    close_writer(&bench, WEIR_CANCELLED);
    return WEIR_OK;
}
RUN(cancelled_in_mid_write)

static int the_stream_closed_under_it(void *arg)
{
    struct bench bench;
    weir_scope scope;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &bench));
    assert_eventually(weir_channel_count(weir_writer_outgoing(bench.writer)) == 8);
    weir_stream_reset(bench.end);
    bench.end = NULL;
    assert_ok(weir_scope_join(&scope)); /* a closed queue is a normal end */
    assert_status(offer(&bench, weir_frame_text("x", 1)), WEIR_CLOSED);
    assert_status(weir_writer_flush(bench.writer), WEIR_CANCELLED);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(the_stream_closed_under_it)

static int the_peer_gone(void *arg)
{
    struct bench bench;
    weir_scope scope;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &bench));
    assert_eventually(weir_channel_count(weir_writer_outgoing(bench.writer)) == 8);
    weir_stream_reset(bench.rig.wire);
    bench.rig.wire = NULL;
    assert_eventually(weir_channel_is_closed(weir_writer_outgoing(bench.writer)));
    (void)weir_scope_join(&scope);
    assert_true(weir_status_errno(weir_writer_flush(bench.writer)) != 0);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(the_peer_gone)

static int freed_in_mid_write(void *arg)
{
    struct bench bench;
    (void)arg;
    open_writer(&bench, NULL);
    static uint8_t chunk[CHUNK];
    weir_frame frame;
    do
        frame = weir_frame_binary(chunk, CHUNK);
    while (weir_channel_try_send(weir_writer_outgoing(bench.writer), &frame) == WEIR_OK);
    assert_ok(weir_sleep(5)); /* output goes out at the end of a turn */
    weir_writer_free(bench.writer);
    bench.writer = NULL;
    assert_status(weir_stream_write(bench.end, "x", 1), WEIR_CANCELLED);
    close_writer(&bench, WEIR_OK);
    return WEIR_OK;
}
RUN(freed_in_mid_write)

/* A masked frame for the reader, with a key of zeros. */
static void put(struct bench *bench, uint8_t first, const void *payload, size_t size)
{
    uint8_t bytes[6 + 125] = {first, (uint8_t)(0x80 | size)};
    memcpy(bytes + 6, payload, size);
    assert_ok(weir_stream_write(bench->rig.wire, bytes, 6 + size));
}

/* Both at once on one stream: a raw session made of its parts. */
static int beside_a_reader(void *arg)
{
    struct bench bench;
    weir_reader *reader;
    weir_writer *other;
    weir_frame frame;
    (void)arg;
    open_writer(&bench, NULL);
    assert_ok(weir_reader_start(&reader, &bench.scope, bench.end, NULL));
    assert_status(weir_writer_start(&other, &bench.scope, bench.end, NULL), WEIR_ESTATE);
    assert_status(weir_stream_write(bench.end, "x", 1), WEIR_ESTATE);
    assert_status(weir_stream_shutdown(bench.end), WEIR_ESTATE);
    for (int i = 0; i < 100; i++) {
        put(&bench, 0x82, &i, sizeof i);
        assert_ok(weir_channel_receive(weir_reader_incoming(reader), &frame));
        assert_ok(weir_writer_send(bench.writer, &frame));
        uint8_t got[2 + sizeof i];
        assert_ok(weir_stream_read_exactly(bench.rig.wire, got, sizeof got));
        assert_memory_equal(got + 2, &i, sizeof i);
    }
    put(&bench, 0x88, "\x03\xe9", 2);
    assert_ok(weir_channel_receive(weir_reader_incoming(reader), &frame));
    assert_ok(weir_writer_send(bench.writer, &frame));
    expect_bytes(&bench, "\x88\x02\x03\xe9", 4);
    expect_end_of_stream(&bench);
    assert_status(weir_channel_receive(weir_reader_incoming(reader), &frame), WEIR_CLOSED);
    assert_ok(weir_scope_join(&bench.scope));
    weir_reader_free(reader);
    weir_writer_free(bench.writer);
    weir_stream_close(bench.end);
    weir_stream_close(bench.rig.wire);
    return WEIR_OK;
}
RUN(beside_a_reader)

/* --- out of memory --- */

static int write_two(void *arg)
{
    struct bench bench;
    int *outcome = arg;
    *outcome = weir_stream_pair(&bench.end, &bench.rig.wire, weir_loop_current());
    if (*outcome != WEIR_OK)
        return WEIR_OK;
    assert_int_equal(weir_scope_open(&bench.scope), WEIR_OK);
    *outcome = weir_writer_start(&bench.writer, &bench.scope, bench.end, NULL);
    if (*outcome == WEIR_OK) {
        *outcome = offer(&bench, weir_frame_text("hi", 2));
        if (*outcome == WEIR_OK)
            *outcome = send_close(&bench);
        if (*outcome == WEIR_OK)
            *outcome = weir_yield();
        if (*outcome == WEIR_OK)
            *outcome = weir_writer_flush(bench.writer);
        weir_writer_free(bench.writer);
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
            if (weir_loop_run(loop, "test", write_two, &outcome) == WEIR_OK)
                done = !memory.failed;
            weir_loop_free(loop);
        }
        assert_true(failing_allocator_is_clean(&memory));
        if (done)
            assert_true(outcome == WEIR_OK || outcome == WEIR_CLOSED);
    }
}

/* A masked payload is sent in pieces, and there may be no memory for the next one. */
static int write_masked(void *arg)
{
    struct bench bench;
    int *outcome = arg;
    static uint8_t large[200000];
    *outcome = weir_stream_pair(&bench.end, &bench.rig.wire, weir_loop_current());
    if (*outcome != WEIR_OK)
        return WEIR_OK;
    assert_int_equal(weir_scope_open(&bench.scope), WEIR_OK);
    *outcome = weir_writer_start(&bench.writer, &bench.scope, bench.end,
                                 &(weir_writer_options){.role = WEIR_ROLE_CLIENT});
    if (*outcome == WEIR_OK) {
        *outcome = offer(&bench, weir_frame_binary(large, sizeof large));
        for (size_t got = 0, more; *outcome == WEIR_OK && got < 14 + sizeof large; got += more)
            *outcome = weir_stream_read(bench.rig.wire, large, sizeof large, &more);
        if (weir_channel_is_closed(weir_writer_outgoing(bench.writer))) {
            assert_status(weir_writer_flush(bench.writer), WEIR_ENOMEM);
            assert_status(weir_stream_write(bench.end, "x", 1), WEIR_CANCELLED);
            *outcome = WEIR_ELOST;
        }
        weir_writer_free(bench.writer);
    }
    (void)weir_scope_join(&bench.scope);
    weir_stream_close(bench.end);
    weir_stream_close(bench.rig.wire);
    return WEIR_OK;
}

static void frame_cut_for_want_of_memory_breaks_the_stream(void **state)
{
    (void)state;
    bool done = false;
    bool cut = false;
    for (size_t at = 1; !done; at++) {
        failing_allocator memory;
        weir_loop *loop;
        int outcome = WEIR_EINVAL;
        assert_true(at < 200);
        failing_allocator_init(&memory, at);
        weir_loop_options options = {.allocator = memory.allocator};
        if (weir_loop_new(&loop, &options) == WEIR_OK) {
            (void)weir_loop_run(loop, "test", write_masked, &outcome);
            weir_loop_free(loop);
        }
        assert_true(failing_allocator_is_clean(&memory));
        cut = cut || outcome == WEIR_ELOST;
        done = !memory.failed;
        if (done)
            assert_int_equal(outcome, WEIR_OK);
    }
    assert_true(cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_up_to_the_close_),
        cmocka_unit_test(nothing_behind_a_close_),
        cmocka_unit_test(closed_without_a_close_frame_),
        cmocka_unit_test(masking_can_be_set_),
        cmocka_unit_test(malformed_frames_are_refused_),
        cmocka_unit_test(a_slow_peer_makes_senders_wait_),
        cmocka_unit_test(cancelled_in_mid_write_),
        cmocka_unit_test(the_stream_closed_under_it_),
        cmocka_unit_test(the_peer_gone_),
        cmocka_unit_test(freed_in_mid_write_),
        cmocka_unit_test(beside_a_reader_),
        cmocka_unit_test(without_memory_it_fails_cleanly),
        cmocka_unit_test(frame_cut_for_want_of_memory_breaks_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
