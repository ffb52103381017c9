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

/* --- bytes on the way --- */

struct actor {
    weir_stream *stream;
    unsigned drained;
    int drained_status;
    bool is_closed;
};

static struct actor *actor_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void act_on_drained(weir__io *io, int status)
{
    actor_of(io)->drained++;
    actor_of(io)->drained_status = status;
}

static void act_on_closed(weir__io *io)
{
    actor_of(io)->is_closed = true;
    weir__stream_free(actor_of(io)->stream);
}

static const struct weir__io_events actor_events = {.on_drained = act_on_drained,
                                                    .on_closed = act_on_closed};

static void start_actor(struct actor *actor, weir_stream **peer)
{
    struct weir__stream_rest rest;
    *actor = (struct actor){.drained_status = 1};
    assert_int_equal(weir_stream_pair(&actor->stream, peer, weir_loop_current()), WEIR_OK);
    weir__stream_take(actor->stream, &actor_events, actor, &rest);
    assert_null(rest.buf);
}

static void send_zeros(struct actor *actor, size_t size)
{
    static uint8_t zeros[5000];
    const struct iovec piece = {zeros, size};
    assert_int_equal(weir__io_send(&actor->stream->io, &piece, 1), size);
}

static void end_actor(struct actor *actor, weir_stream *peer)
{
    weir__io_close(&actor->stream->io, false);
    if (peer != NULL)
        weir_stream_close(peer);
    while (!actor->is_closed)
        assert_int_equal(weir_sleep(1), WEIR_OK);
}

/* Bytes that are sent later do not delay it, and it comes only when the last byte is delivered. */
static int drain_by_reading(void *arg)
{
    struct actor actor;
    weir_stream *peer;
    uint8_t data[5000];
    (void)arg;
    start_actor(&actor, &peer);
    assert_false(weir__io_await_drained(&actor.stream->io));
    send_zeros(&actor, 2000);
    send_zeros(&actor, 3000);
    assert_int_equal(weir__io_unsent(&actor.stream->io), 5000);
    assert_true(weir__io_await_drained(&actor.stream->io));
    send_zeros(&actor, 5000);
    assert_int_equal(weir_stream_read_exactly(peer, data, 10), WEIR_OK);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.drained, 0);
    assert_in_range(weir__io_unsent(&actor.stream->io), 5001, 9990);
    assert_int_equal(weir_stream_read_exactly(peer, data, 4990), WEIR_OK);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.drained, 1);
    assert_int_equal(actor.drained_status, WEIR_OK);
    assert_in_range(weir__io_unsent(&actor.stream->io), 1, 5000);
    assert_true(weir__io_await_drained(&actor.stream->io));
    assert_int_equal(weir_stream_read_exactly(peer, data, 5000), WEIR_OK);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.drained, 2);
    assert_int_equal(weir__io_unsent(&actor.stream->io), 0);
    end_actor(&actor, peer);
    return WEIR_OK;
}

static void drained_comes_when_the_other_end_has_read(void **state)
{
    place_run(*state, drain_by_reading, NULL);
}

static int drain_by_closing(void *arg)
{
    (void)arg;
    for (int reset = 0; reset < 2; reset++) {
        struct actor actor;
        weir_stream *peer;
        start_actor(&actor, &peer);
        send_zeros(&actor, 100);
        assert_true(weir__io_await_drained(&actor.stream->io));
        if (reset != 0)
            weir_stream_reset(peer);
        else
            weir_stream_close(peer);
        assert_int_equal(weir_sleep(1), WEIR_OK);
        assert_int_equal(actor.drained, 1);
        assert_int_equal(actor.drained_status, WEIR_SYSTEM(ECONNRESET));
        assert_int_equal(weir__io_unsent(&actor.stream->io), 0);
        end_actor(&actor, NULL);
    }
    return WEIR_OK;
}

static void bytes_that_nobody_read_are_lost(void **state)
{
    place_run(*state, drain_by_closing, NULL);
}

static int close_undrained(void *arg)
{
    struct actor actor;
    weir_stream *peer;
    uint8_t data[100];
    (void)arg;
    start_actor(&actor, &peer);
    send_zeros(&actor, sizeof data);
    assert_true(weir__io_await_drained(&actor.stream->io));
    end_actor(&actor, NULL);
    assert_int_equal(weir_stream_read_exactly(peer, data, sizeof data), WEIR_OK);
    assert_int_equal(read_once(peer), WEIR_CLOSED);
    assert_int_equal(actor.drained, 0);
    weir_stream_close(peer);
    return WEIR_OK;
}

static void a_closed_end_is_not_told_of_its_bytes(void **state)
{
    place_run(*state, close_undrained, NULL);
}

/* An actor of the write side alone. */
struct half {
    struct weir__stream_half half;
    unsigned drained;
};

static void half_on_drained(struct weir__stream_half *half, int status)
{
    assert_int_equal(status, WEIR_OK);
    WEIR__CONTAINER(half, struct half, half)->drained++;
}

static int drain_half(void *arg)
{
    static const struct weir__stream_half_events events = {.on_drained = half_on_drained};
    static const struct iovec piece = {large, 10};
    struct half half = {.half.on = &events};
    weir_stream *stream, *peer;
    uint8_t data[10];
    (void)arg;
    assert_int_equal(weir_stream_pair(&stream, &peer, weir_loop_current()), WEIR_OK);
    for (int leaves = 0; leaves < 2; leaves++) {
        assert_int_equal(weir__stream_enter_writing(stream, &half.half), WEIR_OK);
        assert_int_equal(weir__io_send(&stream->io, &piece, 1), 10);
        assert_true(weir__io_await_drained(&stream->io));
        if (leaves != 0)
            weir__stream_leave_writing(stream);
        assert_int_equal(weir_stream_read_exactly(peer, data, 10), WEIR_OK);
        assert_int_equal(weir_sleep(1), WEIR_OK);
        assert_int_equal(half.drained, 1);
        if (leaves == 0)
            weir__stream_leave_writing(stream);
    }
    weir_stream_close(stream);
    weir_stream_close(peer);
    return WEIR_OK;
}

static void a_writing_half_hears_of_it_until_it_leaves(void **state)
{
    place_run(*state, drain_half, NULL);
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
        ON_BOTH(drained_comes_when_the_other_end_has_read),
        ON_BOTH(bytes_that_nobody_read_are_lost),
        ON_BOTH(a_closed_end_is_not_told_of_its_bytes),
        ON_BOTH(a_writing_half_hears_of_it_until_it_leaves),
        ON_BOTH(oom_a_pair_says_so_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
