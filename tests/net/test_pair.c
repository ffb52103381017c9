/* ctest: loops
 * Pairs of streams in memory, where they are more than any other stream. */
#include "net/net_place.h"

/* Whatever the sizes of reads and writes, a pair is a queue of bytes. */

static uint8_t pair_byte(size_t at)
{
    return (uint8_t)(at * 5 + at / 250);
}

static void write_run(weir_stream *stream, size_t *at, size_t size)
{
    uint8_t data[3000];
    assert_true(size <= sizeof data);
    for (size_t i = 0; i < size; i++)
        data[i] = pair_byte((*at)++);
    assert_int_equal(weir_stream_write(stream, data, size), WEIR_OK);
}

static void read_run(weir_stream *stream, size_t *at, size_t size)
{
    uint8_t data[3000];
    assert_true(size <= sizeof data);
    assert_int_equal(weir_stream_read_exactly(stream, data, size), WEIR_OK);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], pair_byte((*at)++));
}

static int mix_sizes(void *arg)
{
    weir_stream *a, *b;
    size_t written = 0, read = 0;
    uint32_t dice = 12345;
    (void)arg;
    assert_int_equal(weir_stream_pair(&a, &b, weir_loop_current()), WEIR_OK);
    for (int round = 0; round < 3000; round++) {
        dice = dice * 1664525 + 1013904223;
        size_t size = 1 + (dice >> 16) % ((dice >> 8 & 3) == 0 ? 3000 : 30);
        if ((dice & 0x80000000) != 0 && written - read + size <= 60000)
            write_run(a, &written, size);
        else if (size <= written - read)
            read_run(b, &read, size);
    }
    assert_true(read > 100000);
    weir_stream_close(a);
    while (written > read)
        read_run(b, &read, written - read < 3000 ? written - read : 3000);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_pair_keeps_bytes_in_order_whatever_their_pieces(void **state)
{
    place_run(*state, mix_sizes, NULL);
}

static uint8_t large[(size_t)256 * 1024];

struct writing {
    weir_stream *stream;
    int status;
};

static int write_large(void *arg)
{
    struct writing *writing = arg;
    writing->status = weir_stream_write(writing->stream, large, sizeof large);
    return WEIR_OK;
}

static void read_large(weir_stream *stream)
{
    uint8_t data[1000];
    assert_int_equal(weir_stream_read_exactly(stream, data, sizeof data), WEIR_OK);
}

static int leave_writer(void *arg)
{
    for (int reset = 0; reset < 2; reset++) {
        struct writing writing = {.stream = NULL};
        weir_stream *b;
        weir_scope scope;
        assert_int_equal(weir_stream_pair(&writing.stream, &b, weir_loop_current()), WEIR_OK);
        assert_int_equal(weir_scope_open(&scope), WEIR_OK);
        assert_int_equal(weir_go(&scope, "writer", write_large, &writing), WEIR_OK);
        assert_int_equal(weir_sleep(1), WEIR_OK);
        if (reset != 0) {
            weir_stream_reset(b);
        } else {
            read_large(b);
            weir_stream_close(b);
        }
        assert_int_equal(weir_scope_join(&scope), WEIR_OK);
        assert_int_equal(writing.status, WEIR_SYSTEM(reset != 0 ? ECONNRESET : EPIPE));
        assert_int_equal(weir_stream_write(writing.stream, "x", 1), WEIR_SYSTEM(EPIPE));
        weir_stream_close(writing.stream);
    }
    (void)arg;
    return WEIR_OK;
}

static void a_writer_learns_that_the_reader_has_gone(void **state)
{
    place_run(*state, leave_writer, NULL);
}

static int shut_after_reset(void *arg)
{
    weir_stream *a, *b;
    (void)arg;
    assert_int_equal(weir_stream_pair(&a, &b, weir_loop_current()), WEIR_OK);
    weir_stream_reset(a);
    assert_int_equal(weir_stream_shutdown(b), WEIR_SYSTEM(ENOTCONN));
    assert_int_equal(weir_stream_write(b, "x", 1), WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_reset_is_told_to_the_first_who_asks(void **state)
{
    place_run(*state, shut_after_reset, NULL);
}

#define MANY 2000

static int hold_many(void *arg)
{
    struct place *place = arg;
    weir_stream **ends = malloc(2 * MANY * sizeof(weir_stream *));
    assert_non_null(ends);
    size_t before = place->memory.live_bytes;
    for (size_t i = 0; i < 2 * MANY; i += 2)
        assert_int_equal(weir_stream_pair(&ends[i], &ends[i + 1], place->loop), WEIR_OK);
    assert_true((place->memory.live_bytes - before) / (2 * MANY) <= 192);
    for (size_t i = 0; i < 2 * MANY; i++)
        weir_stream_close(ends[i]);
    free(ends);
    return WEIR_OK;
}

static void an_idle_end_costs_few_bytes(void **state)
{
    place_run(*state, hold_many, *state);
}

/* --- without memory --- */

static int use_pair(void *arg)
{
    weir_stream *a, *b;
    int *status = arg;
    *status = weir_stream_pair(&a, &b, weir_loop_current());
    if (*status != WEIR_OK) {
        assert_null(a);
        assert_null(b);
        return WEIR_OK;
    }
    char got[10];
    *status = weir_stream_write(a, "0123456789", 10);
    if (*status == WEIR_OK)
        *status = weir_stream_read_exactly(b, got, 10);
    weir_stream_close(a);
    weir_stream_close(b);
    return WEIR_OK;
}

static void oom_a_pair_says_so_and_leaves_nothing(void **state)
{
    struct place *place = *state;
    bool failed = true;
    size_t failures = 0;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct place once;
        int status = place_try_open(&once, place->is_sim, fail_at);
        if (status != WEIR_OK)
            continue;
        int result = WEIR_OK;
        int ran = weir_loop_run(once.loop, "test", use_pair, &result);
        failed = once.memory.failed;
        if (ran == WEIR_OK && failed) {
            assert_int_equal(result, WEIR_ENOMEM);
            failures++;
        }
        place_close(&once);
    }
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_pair_keeps_bytes_in_order_whatever_their_pieces),
        ON_BOTH(a_writer_learns_that_the_reader_has_gone),
        ON_BOTH(a_reset_is_told_to_the_first_who_asks),
        ON_BOTH(an_idle_end_costs_few_bytes),
        ON_BOTH(oom_a_pair_says_so_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
