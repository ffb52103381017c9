#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing_allocator.h"
#include "wire/collector.h"

#include <weir/mask.h>

#include <stdlib.h>
#include <string.h>

static void feed(weir_collector *collector, const char *data, size_t size)
{
    size_t eaten;
    assert_int_equal(weir_collector_feed(collector, data, size, &eaten), WEIR_OK);
    assert_int_equal(eaten, size);
}

static void pieces_come_out_as_one(void **state)
{
    (void)state;
    weir_collector collector = {0};
    weir_frame frame;
    assert_int_equal(weir_collector_start(&collector, 12), WEIR_OK);
    assert_true(weir_collector_has_remaining(&collector));
    feed(&collector, "Hello", 5);
    feed(&collector, "", 0);
    feed(&collector, ", World", 7);
    assert_false(weir_collector_has_remaining(&collector));
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
    assert_int_equal(frame.size, 12);
    assert_true(frame.fin);
    assert_memory_equal(frame.data, "Hello, World", 12);
    weir_frame_release(&frame);
    weir_collector_fini(&collector);
}

static void no_more_is_eaten_than_the_frame_has(void **state)
{
    (void)state;
    weir_collector collector;
    weir_collector_init(&collector, NULL);
    size_t eaten;
    assert_int_equal(weir_collector_start(&collector, 3), WEIR_OK);
    assert_int_equal(weir_collector_feed(&collector, "Hello", 5, &eaten), WEIR_OK);
    assert_int_equal(eaten, 3);
    assert_int_equal(weir_collector_feed(&collector, "lo", 2, NULL), WEIR_OK);
    weir_frame frame;
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
    assert_memory_equal(frame.data, "Hel", 3);
    weir_frame_release(&frame);
    weir_collector_fini(&collector);
}

static void fragments_are_joined_by_starting_again(void **state)
{
    (void)state;
    weir_collector collector = {0};
    weir_frame frame;
    assert_int_equal(weir_collector_start(&collector, 3), WEIR_OK);
    assert_int_equal(weir_collector_start(&collector, 3), WEIR_ESTATE);
    feed(&collector, "ABC", 3);
    assert_int_equal(weir_collector_start(&collector, 0), WEIR_OK);
    assert_int_equal(weir_collector_start(&collector, 3), WEIR_OK);
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_ESTATE);
    feed(&collector, "123", 3);
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
    assert_memory_equal(frame.data, "ABC123", 6);
    assert_int_equal(collector.size, 0);
    weir_frame_release(&frame);
    weir_collector_fini(&collector);
}

static void an_empty_payload_needs_no_memory(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    weir_collector collector;
    weir_collector_init(&collector, &memory.allocator);
    weir_frame frame;
    assert_int_equal(weir_collector_start(&collector, 0), WEIR_OK);
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
    assert_int_equal(frame.size, 0);
    assert_null(frame.release);
    assert_int_equal(memory.calls, 0);
    weir_collector_fini(&collector);
}

static void a_masked_payload_is_unmasked_as_it_is_taken(void **state)
{
    (void)state;
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    weir_collector collector = {0};
    weir_frame frame;
    assert_int_equal(weir_collector_start(&collector, 5), WEIR_OK);
    feed(&collector, "\x7f\x9f\x4d", 3);
    feed(&collector, "\x51\x58", 2);
    assert_int_equal(weir_collector_take(&frame, &collector, key), WEIR_OK);
    assert_memory_equal(frame.data, "Hello", 5);
    weir_frame_release(&frame);
    weir_collector_fini(&collector);
}

static void memory_grows_with_what_arrived_not_with_what_is_promised(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    weir_collector collector;
    weir_collector_init(&collector, &memory.allocator);
    assert_int_equal(weir_collector_start(&collector, UINT64_C(1) << 40), WEIR_OK);
    assert_int_equal(memory.calls, 0);
    for (size_t arrived = 1; arrived < 100000; arrived++) {
        feed(&collector, "x", 1);
        assert_true(memory.largest <= 4 * arrived + 512);
    }
    assert_true(memory.calls < 20);
    weir_collector_fini(&collector);
    assert_true(failing_allocator_is_clean(&memory));
}

static void no_more_memory_is_asked_for_than_the_frame_needs(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    weir_collector collector;
    weir_collector_init(&collector, &memory.allocator);
    char *bytes = calloc(1, 100000);
    assert_non_null(bytes);
    assert_int_equal(weir_collector_start(&collector, 100000), WEIR_OK);
    feed(&collector, bytes, 60000);
    feed(&collector, bytes, 40000);
    assert_true(memory.largest <= 100000 + 64);
    free(bytes);
    weir_collector_fini(&collector);
}

static void many_small_fragments_do_not_move_the_whole_each_time(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    weir_collector collector;
    weir_collector_init(&collector, &memory.allocator);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(weir_collector_start(&collector, 1), WEIR_OK);
        feed(&collector, "x", 1);
    }
    assert_true(memory.calls < 40);
    weir_collector_fini(&collector);
}

static void what_is_written_into_the_room_is_not_copied(void **state)
{
    (void)state;
    weir_collector collector = {0};
    uint8_t *room;
    uint8_t *next;
    assert_int_equal(weir__collector_room(&collector, &room), 0);
    assert_null(room);
    assert_int_equal(weir_collector_start(&collector, 10000), WEIR_OK);
    assert_int_equal(weir__collector_room(&collector, &room), 0);
    char *bytes = calloc(1, 6000);
    assert_non_null(bytes);
    feed(&collector, bytes, 6000);
    free(bytes);
    assert_int_equal(weir__collector_room(&collector, &room), 4000); /* what is still to come */
    memset(room, 'x', 3000);
    feed(&collector, (const char *)room, 3000);
    assert_int_equal(weir__collector_room(&collector, &next), 1000);
    assert_ptr_equal(next, room + 3000);
    feed(&collector, "y", 1); /* from elsewhere */
    assert_int_equal(weir__collector_room(&collector, &next), 999);
    memset(next, 'z', 999);
    feed(&collector, (const char *)next, 999);
    assert_int_equal(weir__collector_room(&collector, &next), 0);
    assert_null(next);
    weir_frame frame;
    assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
    assert_memory_equal(frame.data + 8998, "xxyz", 4);
    assert_int_equal(frame.data[9999], 'z');
    assert_ptr_equal(frame.data + 6000, room);
    weir_frame_release(&frame);
    weir_collector_fini(&collector);
}

static void a_whole_that_cannot_be_is_refused(void **state)
{
    (void)state;
    weir_collector collector = {0};
    assert_int_equal(weir_collector_start(&collector, UINT64_MAX), WEIR_ETOOBIG);
    assert_int_equal(weir_collector_start(&collector, (uint64_t)PTRDIFF_MAX), WEIR_ETOOBIG);
    assert_int_equal(weir_collector_start(&collector, 1), WEIR_OK);
    feed(&collector, "x", 1);
    assert_int_equal(weir_collector_start(&collector, UINT64_MAX), WEIR_ETOOBIG);
    assert_int_equal(weir_collector_start(&collector, (uint64_t)PTRDIFF_MAX - 16), WEIR_ETOOBIG);
    weir_collector_fini(&collector);
}

static void without_memory_nothing_is_eaten(void **state)
{
    (void)state;
    for (size_t n = 1; n < 6; n++) {
        failing_allocator memory;
        failing_allocator_init(&memory, n);
        weir_collector collector;
        weir_collector_init(&collector, &memory.allocator);
        assert_int_equal(weir_collector_start(&collector, 2000000), WEIR_OK);
        char bytes[100] = {0};
        size_t collected = 0;
        while (collected < 2000000) {
            size_t eaten;
            int status = weir_collector_feed(&collector, bytes, sizeof bytes, &eaten);
            assert_int_equal(eaten, status == WEIR_OK ? sizeof bytes : 0);
            collected += eaten;
            assert_int_equal(collector.size, collected);
        }
        assert_true(memory.failed);
        weir_frame frame;
        assert_int_equal(weir_collector_take(&frame, &collector, NULL), WEIR_OK);
        weir_collector_fini(&collector);
        weir_frame_release(&frame);
        assert_true(failing_allocator_is_clean(&memory));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_out_as_one),
        cmocka_unit_test(no_more_is_eaten_than_the_frame_has),
        cmocka_unit_test(fragments_are_joined_by_starting_again),
        cmocka_unit_test(an_empty_payload_needs_no_memory),
        cmocka_unit_test(a_masked_payload_is_unmasked_as_it_is_taken),
        cmocka_unit_test(memory_grows_with_what_arrived_not_with_what_is_promised),
        cmocka_unit_test(no_more_memory_is_asked_for_than_the_frame_needs),
        cmocka_unit_test(many_small_fragments_do_not_move_the_whole_each_time),
        cmocka_unit_test(what_is_written_into_the_room_is_not_copied),
        cmocka_unit_test(a_whole_that_cannot_be_is_refused),
        cmocka_unit_test(without_memory_nothing_is_eaten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
