/* ctest: loops
 * A stream that coroutines have used is taken over by an actor, with what was read of it. */
#include "net/net_place.h"

struct actor {
    weir_stream *stream;
    char got[64];
    size_t size;
    int end_status;
    bool is_closed;
};

static struct actor *actor_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void act_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct actor *actor = actor_of(io);
    (void)buf;
    assert_true(actor->size + size <= sizeof actor->got);
    memcpy(actor->got + actor->size, data, size);
    actor->size += size;
}

static void act_on_end(weir__io *io, int status)
{
    actor_of(io)->end_status = status;
    weir__io_close(io, false);
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
    .on_closed = act_on_closed,
};

static int take_over(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    write_text(a, "head and body");
    expect_text(b, "head ");
    assert_true(weir__stream_is_takeable(b));
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_null(b->direct);
    assert_non_null(rest.buf);
    assert_int_equal(rest.size, 8);
    assert_memory_equal(rest.data, "and body", 8);
    assert_int_equal(rest.end_status, WEIR_OK);
    weir__buf_unref(rest.buf);
    assert_int_equal(read_once(b), WEIR_ESTATE);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_OK);
    write_text(a, ", and tail");
    weir_stream_close(a);
    while (!actor.is_closed)
        assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.end_status, WEIR_CLOSED);
    assert_int_equal(actor.size, 10);
    assert_memory_equal(actor.got, ", and tail", 10);
    return WEIR_OK;
}

static void an_actor_gets_what_was_read_and_all_that_comes(void **state)
{
    talk(state, take_over);
}

/* The bytes and the end arrive together, while a coroutine reads: the end is not lost between it
 * and the actor. */
static int take_over_at_the_end(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    write_text(a, "head");
    weir_stream_close(a);
    assert_int_equal(weir_sleep(10), WEIR_OK);
    expect_text(b, "head");
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_null(rest.buf);
    assert_int_equal(rest.end_status, WEIR_OK);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_OK);
    while (!actor.is_closed)
        assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.end_status, WEIR_CLOSED);
    return WEIR_OK;
}

static void an_actor_sees_the_end_that_came_before_it(void **state)
{
    talk(state, take_over_at_the_end);
}

static int take_over_after_the_end(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    weir_stream_close(a);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_int_equal(rest.end_status, WEIR_CLOSED);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_CLOSED);
    weir_stream_close(b); /* an actor may also give it back for closing */
    assert_int_equal(weir_sleep(10), WEIR_OK);
    assert_false(actor.is_closed);
    return WEIR_OK;
}

static void an_actor_is_told_of_an_end_that_was_read_before(void **state)
{
    talk(state, take_over_after_the_end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(an_actor_gets_what_was_read_and_all_that_comes),
        ON_BOTH(an_actor_sees_the_end_that_came_before_it),
        ON_BOTH(an_actor_is_told_of_an_end_that_was_read_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
