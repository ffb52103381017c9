#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing_allocator.h"

#include <weir/buffer.h>

#include <string.h>

static void appended_bytes_stand_one_after_the_other(void **state)
{
    (void)state;
    weir_buffer buffer = {0};
    assert_int_equal(weir_buffer_append(&buffer, "Hello", 5), WEIR_OK);
    assert_int_equal(weir_buffer_append(&buffer, NULL, 0), WEIR_OK);
    assert_int_equal(weir_buffer_append(&buffer, ", World", 7), WEIR_OK);
    assert_int_equal(buffer.size, 12);
    assert_memory_equal(buffer.data, "Hello, World", 12);
    weir_buffer_fini(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.capacity, 0);
}

static void consumed_bytes_are_gone_and_the_memory_stays(void **state)
{
    (void)state;
    weir_buffer buffer = {0};
    assert_int_equal(weir_buffer_append(&buffer, "Hello", 5), WEIR_OK);
    size_t capacity = buffer.capacity;
    weir_buffer_consume(&buffer, 0);
    weir_buffer_consume(&buffer, 2);
    assert_int_equal(buffer.size, 3);
    assert_memory_equal(buffer.data, "llo", 3);
    weir_buffer_consume(&buffer, 100);
    assert_int_equal(buffer.size, 0);
    assert_int_equal(buffer.capacity, capacity);
    weir_buffer_fini(&buffer);
}

static void reserved_room_does_not_count_as_content(void **state)
{
    (void)state;
    weir_buffer buffer = {0};
    uint8_t *room = weir_buffer_reserve(&buffer, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    assert_int_equal(buffer.size, 0);
    assert_true(buffer.capacity >= 1000);
    assert_ptr_equal(weir_buffer_reserve(&buffer, 1000), room);
    weir_buffer_fini(&buffer);
}

static void growing_doubles_so_that_bytes_move_seldom(void **state)
{
    (void)state;
    failing_allocator memory;
    failing_allocator_init(&memory, 0);
    weir_buffer buffer = {.allocator = &memory.allocator};
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(weir_buffer_append(&buffer, "x", 1), WEIR_OK);
    assert_true(memory.calls < 20);
    weir_buffer_fini(&buffer);
    assert_true(failing_allocator_is_clean(&memory));
}

static void without_memory_nothing_changes(void **state)
{
    (void)state;
    for (size_t n = 1; n < 8; n++) {
        failing_allocator memory;
        failing_allocator_init(&memory, n);
        weir_buffer buffer = {.allocator = &memory.allocator};
        uint8_t chunk[100];
        memset(chunk, 'x', sizeof chunk);
        for (size_t i = 0; i < 50; i++) {
            weir_buffer before = buffer;
            if (weir_buffer_append(&buffer, chunk, sizeof chunk) == WEIR_OK)
                continue;
            assert_memory_equal(&buffer, &before, sizeof buffer);
        }
        weir_buffer_fini(&buffer);
        assert_true(failing_allocator_is_clean(&memory));
    }
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    (void)state;
    weir_buffer buffer = {0};
    assert_int_equal(weir_buffer_append(&buffer, "x", 1), WEIR_OK);
    assert_null(weir_buffer_reserve(&buffer, SIZE_MAX));
    assert_null(weir_buffer_reserve(&buffer, SIZE_MAX / 2 + 1));
    assert_int_equal(buffer.size, 1);
    weir_buffer_fini(&buffer);
    weir_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_stand_one_after_the_other),
        cmocka_unit_test(consumed_bytes_are_gone_and_the_memory_stays),
        cmocka_unit_test(reserved_room_does_not_count_as_content),
        cmocka_unit_test(growing_doubles_so_that_bytes_move_seldom),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(a_size_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
