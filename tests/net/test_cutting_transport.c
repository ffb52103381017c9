/* ctest: loops timeout=120 */
/* The transport of tests/support/cutting_transport.h keeps what rt/io.h promises of every
 * transport. Otherwise a session test that passes over it would say nothing. */
#include "net/net_place.h"

#include "support/cutting_transport.h"

#include <weir/scope.h>

#define SEEDS 200

/* --- bytes in are bytes out --- */

struct flow {
    weir_stream *stream;
    size_t size;
    uint8_t first; /* each direction has bytes of its own */
};

static uint8_t byte_at(const struct flow *flow, size_t at)
{
    return (uint8_t)(flow->first + at * 7 + at / 251);
}

static int write_flow(void *arg)
{
    const struct flow *flow = arg;
    uint8_t bytes[5000];
    size_t step = 1;
    for (size_t at = 0; at < flow->size; at += step) {
        step = 1 + (at * 31) % sizeof bytes;
        if (step > flow->size - at)
            step = flow->size - at;
        for (size_t i = 0; i < step; i++)
            bytes[i] = byte_at(flow, at + i);
        assert_int_equal(weir_stream_write(flow->stream, bytes, step), WEIR_OK);
    }
    return weir_stream_shutdown(flow->stream);
}

static int read_flow(void *arg)
{
    const struct flow *flow = arg;
    uint8_t bytes[3000];
    size_t got;
    size_t at = 0;
    int status;
    while ((status = weir_stream_read(flow->stream, bytes, 1 + at % sizeof bytes, &got)) ==
           WEIR_OK) {
        for (size_t i = 0; i < got; i++)
            assert_int_equal(bytes[i], byte_at(flow, at + i));
        at += got;
    }
    assert_int_equal(status, WEIR_CLOSED);
    assert_int_equal(at, flow->size);
    return WEIR_OK;
}

static int flow_both_ways(weir_stream *ends[2])
{
    struct flow there[2] = {{ends[0], 30000, 1}, {ends[1], 30000, 1}};
    struct flow back[2] = {{ends[1], 20000, 100}, {ends[0], 20000, 100}};
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "write", write_flow, &there[0]), WEIR_OK);
    assert_int_equal(weir_go(&scope, "read", read_flow, &there[1]), WEIR_OK);
    assert_int_equal(weir_go(&scope, "write", write_flow, &back[0]), WEIR_OK);
    assert_int_equal(weir_go(&scope, "read", read_flow, &back[1]), WEIR_OK);
    return weir_scope_join(&scope);
}

static int seed_streams(weir_stream *a, weir_stream *b, unsigned seed)
{
    weir_stream *ends[2];
    assert_int_equal(cutting_stream_over(&ends[0], a, seed), WEIR_OK);
    assert_int_equal(cutting_stream_over(&ends[1], b, seed + SEEDS), WEIR_OK);
    assert_int_equal(flow_both_ways(ends), WEIR_OK);
    close_both(ends[0], ends[1]);
    return WEIR_OK;
}

static int flow_for_every_seed(void *arg)
{
    (void)arg;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        weir_stream *a, *b;
        if (seed % 2 == 0)
            connect_both(&a, &b);
        else
            join_by_pair(&a, &b);
        assert_int_equal(seed_streams(a, b, seed), WEIR_OK);
    }
    return WEIR_OK;
}

static void bytes_in_are_bytes_out_for_every_seed(void **state)
{
    place_run(*state, flow_for_every_seed, NULL);
}

static int read_ahead(weir_stream *a, weir_stream *b)
{
    weir_stream *over;
    write_text(a, "head and body");
    expect_text(b, "head");
    assert_int_equal(cutting_stream_over(&over, b, 3), WEIR_OK);
    expect_text(over, " and body");
    weir_stream_close(a);
    assert_int_equal(read_once(over), WEIR_CLOSED);
    assert_int_equal(read_once(over), WEIR_CLOSED);
    weir_stream_close(over);
    return WEIR_OK;
}

static void what_was_read_before_comes_first(void **state)
{
    talk(state, read_ahead);
}

/* --- an actor over it, which sees the contract itself --- */

struct actor {
    weir_stream *stream;
    size_t received;
    size_t sent; /* by on_sent */
    int sent_calls;
    int sent_status;
    int drained_calls;
    int drained_status;
    int end_status;
    bool stops; /* at the first bytes */
    bool is_closed;
};

static struct actor *actor_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void act_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct actor *actor = actor_of(io);
    assert_true((io->flags & WEIR__IO_RECEIVING) != 0);
    assert_true(data >= buf->data && data + size <= buf->data + buf->size);
    actor->received += size;
    if (actor->stops)
        weir__io_recv_stop(io);
}

static void act_on_end(weir__io *io, int status)
{
    actor_of(io)->end_status = status;
}

static void act_on_sent(weir__io *io, int status, size_t size)
{
    struct actor *actor = actor_of(io);
    actor->sent += size;
    actor->sent_status = status;
    actor->sent_calls++;
}

static void act_on_drained(weir__io *io, int status)
{
    actor_of(io)->drained_status = status;
    actor_of(io)->drained_calls++;
}

static void act_on_closed(weir__io *io)
{
    struct actor *actor = actor_of(io);
    actor->is_closed = true;
    weir__stream_free(actor->stream);
}

static const struct weir__io_events actor_events = {
    .on_data = act_on_data,
    .on_end = act_on_end,
    .on_sent = act_on_sent,
    .on_drained = act_on_drained,
    .on_closed = act_on_closed,
};

/* Puts a transport over raw, and an actor over that. Returns its io. */
static weir__io *act_over(struct actor *actor, weir_stream *raw, unsigned seed)
{
    struct weir__stream_rest rest;
    *actor = (struct actor){.drained_status = WEIR_EAGAIN, .sent_status = WEIR_EAGAIN};
    assert_int_equal(cutting_stream_over(&actor->stream, raw, seed), WEIR_OK);
    weir__stream_take(actor->stream, &actor_events, actor, &rest);
    return &actor->stream->io;
}

#define AWAIT(condition)                                                                           \
    for (int waited_ms = 0; !(condition); waited_ms++) {                                           \
        assert_true(waited_ms < 20000);                                                            \
        assert_int_equal(weir_sleep(1), WEIR_OK);                                                  \
    }

static void await_closed(const struct actor *actor)
{
    AWAIT(actor->is_closed)
}

static void await_end(const struct actor *actor)
{
    AWAIT(actor->end_status != WEIR_OK)
}

static void await_sent(const struct actor *actor, int calls)
{
    AWAIT(actor->sent_calls >= calls)
}

static void await_drained(const struct actor *actor, int calls)
{
    AWAIT(actor->drained_calls >= calls)
}

/* Sends until a send is pending although nothing happened for a while. Returns how many bytes were
 * taken. */
static size_t fill(struct actor *actor, weir__io *io)
{
    static uint8_t bytes[64 * 1024];
    struct iovec piece = {bytes, sizeof bytes};
    size_t sum = 0;
    for (int idle_ms = 0; idle_ms < 50;) {
        if (weir__io_is_sending(io)) {
            assert_int_equal(weir_sleep(1), WEIR_OK);
            idle_ms++;
            continue;
        }
        idle_ms = 0;
        sum += actor->sent;
        actor->sent = 0;
        int64_t taken = weir__io_send(io, &piece, 1);
        assert_true(taken >= 0);
        sum += (size_t)taken;
    }
    return sum;
}

static int send_without_a_reader(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    weir__io *io = act_over(&actor, a, 5);
    size_t taken = fill(&actor, io);
    uint8_t bytes[4096];
    size_t got;
    /* It, and a transport below that is bounded too. */
    assert_in_range(weir__io_unsent(io), 1, 3 * CUTTING_UNSENT_MAX);
    assert_true(weir__io_await_drained(io));
    assert_int_equal(weir_sleep(20), WEIR_OK);
    assert_int_equal(actor.drained_calls, 0);
    assert_int_equal(weir__io_shutdown(io), WEIR_ESTATE);
    int sent_calls = actor.sent_calls;
    for (size_t left = taken; left > 0; left -= got)
        assert_int_equal(
            weir_stream_read(b, bytes, left < sizeof bytes ? left : sizeof bytes, &got), WEIR_OK);
    await_sent(&actor, sent_calls + 1);
    assert_int_equal(actor.sent_status, WEIR_OK);
    weir__io_close(io, true);
    await_closed(&actor);
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_sender_waits_and_little_is_held(void **state)
{
    talk(state, send_without_a_reader);
}

/* A reader that stops at the first bytes gets no more until it starts again, and the peer waits. */
static int stop_reading(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    weir__io *io = act_over(&actor, b, 6);
    actor.stops = true;
    write_text(a, "0123456789012345678901234567890123456789");
    assert_int_equal(weir_stream_shutdown(a), WEIR_OK);
    for (size_t before = 0; before < 40; before = actor.received) {
        assert_int_equal(weir__io_recv_start(io), WEIR_OK);
        while ((io->flags & WEIR__IO_RECEIVING) != 0)
            assert_int_equal(weir_sleep(1), WEIR_OK);
        size_t after = actor.received;
        assert_true(after > before);
        assert_int_equal(weir_sleep(5), WEIR_OK);
        assert_int_equal(actor.received, after);
        assert_int_equal(actor.end_status, WEIR_OK);
    }
    assert_int_equal(weir__io_recv_start(io), WEIR_OK);
    await_end(&actor);
    assert_int_equal(actor.end_status, WEIR_CLOSED);
    assert_int_equal(weir__io_recv_start(io), WEIR_CLOSED);
    weir__io_close(io, false);
    await_closed(&actor);
    weir_stream_close(a);
    return WEIR_OK;
}

static void a_reader_that_stops_gets_nothing(void **state)
{
    talk(state, stop_reading);
}

static int drain(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    weir__io *io = act_over(&actor, a, 7);
    for (int i = 1; i <= 20; i++) {
        uint8_t bytes[100];
        memset(bytes, i, sizeof bytes);
        assert_int_equal(weir__io_send(io, &(struct iovec){bytes, sizeof bytes}, 1), sizeof bytes);
        memset(bytes, 0, sizeof bytes); /* what was taken is not looked at any more */
        assert_int_equal(weir__io_unsent(io), sizeof bytes);
        assert_true(weir__io_await_drained(io));
        assert_int_equal(actor.drained_calls, i - 1); /* not from inside the call */
        await_drained(&actor, i);
        assert_int_equal(actor.drained_status, WEIR_OK);
        assert_int_equal(weir__io_unsent(io), 0);
        assert_false(weir__io_await_drained(io));
        assert_int_equal(weir_stream_read_exactly(b, bytes, sizeof bytes), WEIR_OK);
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[99], i);
    }
    weir__io_close(io, false);
    await_closed(&actor);
    weir_stream_close(b);
    return WEIR_OK;
}

static void drained_comes_when_all_is_passed_on(void **state)
{
    talk(state, drain);
}

/* --- ends --- */

static int close_with_bytes_held(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    uint8_t sent[200];
    uint8_t got[200];
    weir__io *io = act_over(&actor, a, 8);
    memset(sent, 's', sizeof sent);
    assert_int_equal(weir__io_send(io, &(struct iovec){sent, sizeof sent}, 1), sizeof sent);
    weir__io_close(io, false);
    assert_false(actor.is_closed);
    await_closed(&actor);
    assert_int_equal(weir_stream_read_exactly(b, got, sizeof got), WEIR_OK);
    assert_memory_equal(got, sent, sizeof sent);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void what_was_taken_goes_out_after_a_close(void **state)
{
    talk(state, close_with_bytes_held);
}

static int shut_with_bytes_held(weir_stream *a, weir_stream *b)
{
    weir_stream *over;
    assert_int_equal(cutting_stream_over(&over, a, 9), WEIR_OK);
    write_text(over, "the last");
    assert_int_equal(weir_stream_shutdown(over), WEIR_OK);
    expect_text(b, "the last");
    assert_int_equal(read_once(b), WEIR_CLOSED);
    write_text(b, "an answer");
    weir_stream_close(b);
    expect_text(over, "an answer");
    assert_int_equal(read_once(over), WEIR_CLOSED);
    weir_stream_close(over);
    return WEIR_OK;
}

static void the_write_side_ends_behind_its_bytes(void **state)
{
    talk(state, shut_with_bytes_held);
}

static int reset_with_bytes_held(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    weir__io *io = act_over(&actor, a, 10);
    assert_int_equal(weir__io_send(io, &(struct iovec){"lost", 4}, 1), 4);
    weir__io_close(io, true);
    await_closed(&actor);
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_reset_drops_what_is_held(void **state)
{
    talk(state, reset_with_bytes_held);
}

/* Sends on until that fails. Returns the error. */
static int send_to_nobody(struct actor *actor, weir__io *io)
{
    static uint8_t bytes[64 * 1024];
    for (int waited_ms = 0; waited_ms < 20000; waited_ms++) {
        if (actor->sent_status != WEIR_OK && actor->sent_status != WEIR_EAGAIN)
            return actor->sent_status;
        int64_t taken = 0;
        if (!weir__io_is_sending(io))
            taken = weir__io_send(io, &(struct iovec){bytes, sizeof bytes}, 1);
        if (taken < 0)
            return (int)taken;
        assert_int_equal(weir_sleep(1), WEIR_OK);
    }
    return WEIR_OK;
}

/* Bytes that were taken are lost with the peer: waiting for them ends, and so does receiving. */
static int lose_the_peer(weir_stream *a, weir_stream *b)
{
    struct actor actor;
    weir__io *io = act_over(&actor, a, 11);
    assert_true(fill(&actor, io) > 0);
    assert_true(weir__io_await_drained(io));
    weir_stream_reset(b);
    int status = send_to_nobody(&actor, io);
    assert_true(weir_status_errno(status) != 0);
    await_drained(&actor, 1);
    assert_int_equal(weir__io_send(io, &(struct iovec){"more", 4}, 1), status);
    assert_int_equal(weir__io_recv_start(io), WEIR_OK);
    await_end(&actor);
    assert_true(weir_status_errno(actor.end_status) != 0);
    weir__io_close(io, false);
    await_closed(&actor);
    return WEIR_OK;
}

static void a_lost_peer_ends_all_that_waits(void **state)
{
    talk(state, lose_the_peer);
}

/* Nobody reads the bytes of a closed stream: they are given up, and the loop can end. */
static int leave_bytes_to_nobody(void *arg)
{
    weir_stream **b = arg;
    weir_stream *a;
    struct actor actor;
    join_by_pair(&a, b);
    weir__io *io = act_over(&actor, a, 12);
    assert_true(fill(&actor, io) > 0);
    weir__io_close(io, false);
    await_closed(&actor);
    assert_int_equal(weir_sleep(6000), WEIR_OK);
    weir_stream_close(*b);
    return WEIR_OK;
}

static void bytes_that_nobody_reads_are_given_up(void **state)
{
    weir_stream *b;
    place_run(*state, leave_bytes_to_nobody, &b);
}

static int ask_below(weir_stream *a, weir_stream *b)
{
    weir_stream *over;
    weir_address below, above;
    assert_int_equal(weir_stream_peer_address_get(&below, a), WEIR_OK);
    assert_int_equal(cutting_stream_over(&over, a, 13), WEIR_OK);
    assert_int_equal(weir_stream_peer_address_get(&above, over), WEIR_OK);
    assert_int_equal(above.size, below.size);
    assert_memory_equal(&above.storage, &below.storage, below.size);
    assert_int_equal(weir_stream_local_address_get(&above, over), WEIR_OK);
    assert_int_equal(weir_stream_keep_alive(over, 60, 10), WEIR_OK);
    close_both(over, b);
    return WEIR_OK;
}

static void addresses_are_those_below(void **state)
{
    talk(state, ask_below);
}

/* --- without memory --- */

static int make_without_memory(void *arg)
{
    struct place *place = arg;
    for (size_t n = 1;; n++) {
        weir_stream *a, *b, *over;
        join_by_pair(&a, &b);
        weir__pool_fini(&weir_loop_current()->pool);
        place->memory.fail_at = place->memory.calls + n;
        int status = cutting_stream_over(&over, a, 14);
        place->memory.fail_at = 0;
        if (status == WEIR_OK) {
            assert_true(n > 1);
            close_both(over, b);
            return WEIR_OK;
        }
        assert_int_equal(status, WEIR_ENOMEM);
        assert_null(over);
        assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
        weir_stream_close(b);
    }
}

static void without_memory_the_connection_is_lost(void **state)
{
    place_run(*state, make_without_memory, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(bytes_in_are_bytes_out_for_every_seed),
        ON_BOTH(what_was_read_before_comes_first),
        ON_BOTH(a_sender_waits_and_little_is_held),
        ON_BOTH(a_reader_that_stops_gets_nothing),
        ON_BOTH(drained_comes_when_all_is_passed_on),
        ON_BOTH(what_was_taken_goes_out_after_a_close),
        ON_BOTH(the_write_side_ends_behind_its_bytes),
        ON_BOTH(a_reset_drops_what_is_held),
        ON_BOTH(a_lost_peer_ends_all_that_waits),
        IN_SIM(bytes_that_nobody_reads_are_given_up),
        ON_BOTH(addresses_are_those_below),
        ON_BOTH(without_memory_the_connection_is_lost),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* its longjmp must not leave a coroutine */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
