/* ctest: loops
 * Streams as coroutines use them: over TCP, over pairs in memory, on the kernel and in the
 * simulated world. */
#include "net/net_place.h"

/* --- bytes --- */

static int exchange(weir_stream *a, weir_stream *b)
{
    write_text(a, "hello");
    expect_text(b, "hello");
    write_text(b, "good day");
    expect_text(a, "good day");
    close_both(a, b);
    return WEIR_OK;
}

static void what_is_written_is_read_at_the_other_end(void **state)
{
    talk(state, exchange);
}

static int read_in_pieces(weir_stream *a, weir_stream *b)
{
    write_text(a, "abcdefgh");
    for (const char *letter = "abcdefgh"; *letter != '\0'; letter++) {
        char got;
        size_t size;
        assert_int_equal(weir_stream_read(b, &got, 1, &size), WEIR_OK);
        assert_int_equal(size, 1);
        assert_int_equal(got, *letter);
    }
    close_both(a, b);
    return WEIR_OK;
}

static void what_was_read_and_not_taken_waits_for_the_next_read(void **state)
{
    talk(state, read_in_pieces);
}

static int half_close(weir_stream *a, weir_stream *b)
{
    write_text(a, "question");
    assert_int_equal(weir_stream_shutdown(a), WEIR_OK);
    expect_text(b, "question");
    assert_int_equal(read_once(b), WEIR_CLOSED);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    write_text(b, "answer");
    assert_int_equal(weir_stream_shutdown(b), WEIR_OK);
    expect_text(a, "answer");
    assert_int_equal(read_once(a), WEIR_CLOSED);
    assert_int_equal(weir_stream_write(b, "more", 4), WEIR_SYSTEM(EPIPE));
    close_both(a, b);
    return WEIR_OK;
}

static void each_direction_ends_by_itself(void **state)
{
    talk(state, half_close);
}

static int close_after_writing(weir_stream *a, weir_stream *b)
{
    write_text(a, "last words");
    weir_stream_close(a);
    expect_text(b, "last words");
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_loses_nothing_that_was_written(void **state)
{
    talk(state, close_after_writing);
}

static int end_too_early(weir_stream *a, weir_stream *b)
{
    char got[8];
    write_text(a, "abc");
    weir_stream_close(a);
    assert_int_equal(weir_stream_read_exactly(b, got, 8), WEIR_ELOST);
    assert_int_equal(weir_stream_read_exactly(b, got, 8), WEIR_CLOSED);
    assert_int_equal(weir_stream_read_exactly(b, got, 0), WEIR_OK);
    weir_stream_close(b);
    return WEIR_OK;
}

static void an_end_inside_of_what_was_expected_is_a_loss(void **state)
{
    talk(state, end_too_early);
}

static int reset(weir_stream *a, weir_stream *b)
{
    write_text(a, "hello");
    expect_text(b, "hello");
    weir_stream_reset(a);
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    int status = weir_stream_write(b, "x", 1);
    assert_true(status == WEIR_SYSTEM(EPIPE) || status == WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_reset_is_told_apart_from_an_end(void **state)
{
    talk(state, reset);
}

static int close_unread(weir_stream *a, weir_stream *b)
{
    write_text(b, "nobody reads this");
    assert_int_equal(weir_sleep(20), WEIR_OK);
    weir_stream_close(a);
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_with_unread_bytes_is_a_reset(void **state)
{
    talk(state, close_unread);
}

static int write_to_nobody(weir_stream *a, weir_stream *b)
{
    int status = WEIR_OK;
    weir_stream_close(a);
    for (int tries = 0; status == WEIR_OK && tries < 100; tries++) {
        status = weir_stream_write(b, "x", 1);
        assert_int_equal(weir_sleep(1), WEIR_OK);
    }
    assert_true(status == WEIR_SYSTEM(EPIPE) || status == WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void writing_to_a_closed_peer_fails(void **state)
{
    talk(state, write_to_nobody);
}

/* --- back-pressure --- */

#define BULK ((size_t)24 * 1024 * 1024)

struct bulk {
    weir_stream *from;
    weir_stream *to;
    bool written;
};

static uint8_t bulk_byte(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static int write_bulk(void *arg)
{
    struct bulk *bulk = arg;
    uint8_t *data = malloc(BULK);
    assert_non_null(data);
    for (size_t i = 0; i < BULK; i++)
        data[i] = bulk_byte(i);
    assert_int_equal(weir_stream_write(bulk->from, data, BULK), WEIR_OK);
    bulk->written = true;
    free(data);
    return WEIR_OK;
}

static void read_bulk(const struct bulk *bulk)
{
    uint8_t *got = malloc(100000);
    size_t sum = 0;
    assert_non_null(got);
    while (sum < BULK) {
        size_t size;
        assert_int_equal(weir_stream_read(bulk->to, got, 100000, &size), WEIR_OK);
        for (size_t i = 0; i < size; i++)
            if (got[i] != bulk_byte(sum + i))
                fail_msg("byte %zu is wrong", sum + i);
        sum += size;
    }
    assert_int_equal(sum, BULK);
    free(got);
}

static int press_back(weir_stream *a, weir_stream *b)
{
    struct bulk bulk = {.from = a, .to = b};
    assert_int_equal(weir_go(weir_scope_current(), "writer", write_bulk, &bulk), WEIR_OK);
    assert_int_equal(weir_sleep(100), WEIR_OK);
    assert_false(bulk.written);
    read_bulk(&bulk);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_true(bulk.written);
    close_both(a, b);
    return WEIR_OK;
}

static void a_reader_that_pauses_stops_the_writer_and_costs_no_memory(void **state)
{
    struct place *place = *state;
    talk(state, press_back);
    assert_true(place->memory.peak_bytes < (size_t)8 * 1024 * 1024);
}

/* --- small things --- */

static int ask_who(void *arg)
{
    struct place *place = arg;
    weir_stream *a, *b;
    weir_address local, peer;
    char text[WEIR_ADDRESS_ROOM];
    connect_both(&a, &b);
    assert_ptr_equal(weir_stream_loop(a), place->loop);
    assert_int_equal(weir_stream_local_address_get(&local, a), WEIR_OK);
    assert_int_equal(weir_stream_peer_address_get(&peer, b), WEIR_OK);
    assert_int_equal(weir_address_port(&local), weir_address_port(&peer));
    assert_int_not_equal(weir_address_port(&local), 0);
    assert_true(weir_address_describe(text, sizeof text, &local) > 0);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_int_equal(weir_stream_keep_alive(a, 30, 5), WEIR_OK);
    assert_int_equal(weir_stream_keep_alive(a, 0, 5), WEIR_EINVAL);
    close_both(a, b);
    join_by_pair(&a, &b);
    assert_int_equal(weir_stream_peer_address_get(&peer, a), WEIR_OK);
    assert_int_equal(weir_address_describe(text, sizeof text, &peer), 5);
    assert_string_equal(text, "unix:");
    assert_int_equal(weir_stream_keep_alive(a, 30, 5), WEIR_OK);
    close_both(a, b);
    return WEIR_OK;
}

static void a_stream_knows_its_ends(void **state)
{
    place_run(*state, ask_who, *state);
}

static int misuse(weir_stream *a, weir_stream *b)
{
    char got[4];
    size_t size = 7;
    weir_address address;
    assert_int_equal(weir_stream_read(NULL, got, 4, &size), WEIR_EINVAL);
    assert_int_equal(size, 0);
    assert_int_equal(weir_stream_read(a, NULL, 4, &size), WEIR_EINVAL);
    assert_int_equal(weir_stream_read(a, got, 0, &size), WEIR_EINVAL);
    assert_int_equal(weir_stream_read(a, got, 4, NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_read_exactly(a, NULL, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(NULL, got, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(a, NULL, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(a, NULL, 0), WEIR_OK);
    assert_int_equal(weir_stream_shutdown(NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_keep_alive(NULL, 1, 1), WEIR_EINVAL);
    assert_int_equal(weir_stream_local_address_get(&address, NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_peer_address_get(NULL, a), WEIR_EINVAL);
    assert_int_equal(weir_stream_pair(&a, &b, NULL), WEIR_EINVAL);
    weir_stream_close(NULL);
    weir_stream_reset(NULL);
    return WEIR_OK;
}

static int misuse_and_close(weir_stream *a, weir_stream *b)
{
    int status = misuse(a, b);
    close_both(a, b);
    return status;
}

static void bad_arguments_are_refused(void **state)
{
    talk(state, misuse_and_close);
}

static void outside_of_a_coroutine_nothing_waits(void **state)
{
    struct place *place = *state;
    weir_stream *a, *b;
    char got[4];
    size_t size;
    assert_int_equal(weir_stream_pair(&a, &b, place->loop), WEIR_OK);
    assert_int_equal(weir_stream_read(a, got, 4, &size), WEIR_ESTATE);
    assert_int_equal(weir_stream_write(a, got, 4), WEIR_ESTATE);
    close_both(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_is_written_is_read_at_the_other_end),
        ON_BOTH(what_was_read_and_not_taken_waits_for_the_next_read),
        ON_BOTH(each_direction_ends_by_itself),
        ON_BOTH(closing_loses_nothing_that_was_written),
        ON_BOTH(an_end_inside_of_what_was_expected_is_a_loss),
        ON_BOTH(a_reset_is_told_apart_from_an_end),
        ON_BOTH(closing_with_unread_bytes_is_a_reset),
        ON_BOTH(writing_to_a_closed_peer_fails),
        ON_BOTH(a_reader_that_pauses_stops_the_writer_and_costs_no_memory),
        ON_BOTH(a_stream_knows_its_ends),
        ON_BOTH(bad_arguments_are_refused),
        ON_BOTH(outside_of_a_coroutine_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
