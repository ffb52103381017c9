/* ctest: loops timeout=120 */
/* Several connections that have something in the same turn: a back-end may have read from all of
 * them before it delivers to the first. */
#include "io_ends.h"

#include <fcntl.h>

#define SHARE_MAX ((size_t)256 * 1024) /* of a turn, that one connection may have before others */

static struct hall *hall_of_test;

static struct end *other_than(const struct end *end)
{
    return &hall_of_test->ends[end == &hall_of_test->ends[0] ? 1 : 0];
}

static unsigned events_of(const struct end *end)
{
    return end->data_calls + (end->end_status != NOT_YET ? 1 : 0);
}

/* Two connections of a hall that receives, and their plain peers. */
static void meet_two(weir_loop *loop, int fds[2],
                     void (*on_event)(struct end *end, enum event event))
{
    hall_of_test = open_hall(loop);
    hall_of_test->receives = true;
    hall_of_test->on_event = on_event;
    (void)plain_meet(&fds[0], hall_of_test);
    (void)plain_meet(&fds[1], hall_of_test);
}

/* The first that gets data stops the other, once. */
static void stop_other(struct end *end, enum event event)
{
    struct end *other = other_than(end);
    if ((event == ON_DATA || event == ON_END) && events_of(end) + events_of(other) == 1)
        weir__io_recv_stop(&other->io);
}

static struct end *await_stopped(weir_loop *loop)
{
    struct end *ends = hall_of_test->ends;
    TURN_UNTIL(loop, events_of(&ends[0]) + events_of(&ends[1]) > 0);
    turn_for(loop, 20);
    assert_int_equal(events_of(&ends[0]) + events_of(&ends[1]), 1);
    return events_of(&ends[0]) == 0 ? &ends[0] : &ends[1];
}

static void say_both(const int fds[2], const void *bytes, size_t size)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(fds[i], bytes, size), size);
}

static void close_both(const int fds[2])
{
    for (int i = 0; i < 2; i++)
        close(fds[i]);
}

static void data_of_one_that_another_stops_waits_for_it(void **state)
{
    weir_loop *loop = loop_of(state);
    int fds[2];
    meet_two(loop, fds, stop_other);
    say_both(fds, "one", 3);
    struct end *stopped = await_stopped(loop);
    say_both(fds, "two", 3);
    turn_for(loop, 20);
    assert_int_equal(stopped->got_size, 0);
    start_receiving(stopped);
    TURN_UNTIL(loop, stopped->got_size == 6);
    assert_memory_equal(stopped->got, "onetwo", 6);
    close_both(fds);
    TURN_UNTIL(loop, stopped->end_status == WEIR_CLOSED);
    close_hall(hall_of_test);
}

static void stop_before_end(weir_loop *loop, int talks)
{
    int fds[2];
    meet_two(loop, fds, stop_other);
    assert_int_equal(write(fds[talks], "one", 3), 3);
    plain_reset(fds[1 - talks]);
    struct end *stopped = await_stopped(loop);
    plain_reset(fds[talks]);
    start_receiving(stopped);
    TURN_UNTIL(loop, stopped->end_status != NOT_YET);
    assert_int_equal(stopped->end_status, WEIR_SYSTEM(ECONNRESET));
    close_hall(hall_of_test);
}

/* Whichever of them is first. */
static void the_end_of_one_that_another_stops_waits_for_it(void **state)
{
    stop_before_end(loop_of(state), 0);
    stop_before_end(loop_of(state), 1);
}

static void what_waits_goes_with_its_connection(void **state)
{
    weir_loop *loop = loop_of(state);
    int fds[2];
    meet_two(loop, fds, stop_other);
    say_both(fds, "one", 3);
    (void)await_stopped(loop);
    close_hall(hall_of_test); /* the world counts its memory */
    close_both(fds);
}

/* More than a loop that has just begun can have a free block for, and little enough to be read in a
 * row. */
#define NO_BLOCK_SIZE 1900

static void without_memory_what_waits_is_an_end(void **state)
{
    struct world *world = *state;
    int fds[2];
    uint8_t *bytes = make_pattern(NO_BLOCK_SIZE);
    meet_two(world->loop, fds, NULL);
    struct end *ends = hall_of_test->ends;
    say_both(fds, "x", 1); /* so that there is a buffer to read into */
    TURN_UNTIL(world->loop, ends[0].data_calls == 1 && ends[1].data_calls == 1);
    for (int i = 0; i < 2; i++) {
        ends[i].data_calls = 0;
        ends[i].got_size = 0;
        ends[i].on_event = stop_other;
    }
    say_both(fds, bytes, NO_BLOCK_SIZE);
    world->memory.fail_at = world->memory.calls + 1;
    world->memory.fail_after = true;
    struct end *stopped = await_stopped(world->loop);
    world->memory.fail_at = 0;
    world->memory.fail_after = false;
    start_receiving(stopped);
    TURN_UNTIL(world->loop, events_of(stopped) > 0);
    assert_int_equal(stopped->got_size, 0);
    assert_int_equal(stopped->end_status, WEIR_ENOMEM);
    close_hall(hall_of_test);
    close_both(fds);
    free(bytes);
}

/* The first that gets data closes the other. */
static void close_other(struct end *end, enum event event)
{
    if (event == ON_DATA)
        close_end(other_than(end), false);
}

static void one_that_another_closes_hears_nothing_more(void **state)
{
    weir_loop *loop = loop_of(state);
    int fds[2];
    meet_two(loop, fds, close_other);
    struct end *ends = hall_of_test->ends;
    say_both(fds, "one", 3);
    TURN_UNTIL(loop, ends[0].closed || ends[1].closed);
    turn_for(loop, 20);
    assert_int_equal(ends[0].data_calls + ends[1].data_calls, 1);
    close_both(fds);
    close_hall(hall_of_test);
}

/* --- shares --- */

static void fill(int fd, const uint8_t *bytes, size_t size)
{
    while (write(fd, bytes, size) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
}

static size_t before_light; /* what the stream had got when the light one had its last event */

static void note_light(struct end *end, enum event event)
{
    if (event == ON_DATA && end == &hall_of_test->ends[1])
        before_light = hall_of_test->ends[0].got_size;
}

static void a_stream_gives_way_to_others(void **state)
{
    weir_loop *loop = loop_of(state);
    uint8_t *bytes = make_pattern(65536);
    int fds[2];
    meet_two(loop, fds, note_light);
    const struct end *stream = &hall_of_test->ends[0];
    const struct end *light = &hall_of_test->ends[1];
    assert_true(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    while (stream->got_size < 32 * SHARE_MAX) { /* until it is known for one */
        fill(fds[0], bytes, 65536);
        turn(loop, 20);
    }
    for (size_t round = 1; round <= 20; round++) {
        fill(fds[0], bytes, 65536);
        size_t before = stream->got_size;
        assert_int_equal(write(fds[1], "x", 1), 1);
        TURN_UNTIL(loop, light->got_size == round);
        assert_in_range(before_light - before, 0, SHARE_MAX);
    }
    close_both(fds);
    free(bytes);
    close_hall(hall_of_test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(data_of_one_that_another_stops_waits_for_it),
        FACT(the_end_of_one_that_another_stops_waits_for_it),
        FACT(what_waits_goes_with_its_connection),
        FACT(without_memory_what_waits_is_an_end),
        FACT(one_that_another_closes_hears_nothing_more),
        FACT(a_stream_gives_way_to_others),
    };
    return RUN_FACTS(tests);
}
