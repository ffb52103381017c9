#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/failing_allocator.h"

#include <weir/parser.h>
#include <weir/serializer.h>

#include <stdlib.h>
#include <string.h>

static void count_up(void *out, size_t size, void *arg)
{
    uint8_t *next = arg;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)out)[i] = ++*next;
}

static weir_serializer plain(void)
{
    weir_serializer serializer;
    weir_serializer_options options = {0};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
    return serializer;
}

static void enqueue(weir_serializer *serializer, weir_frame frame)
{
    assert_int_equal(weir_serializer_enqueue(serializer, &frame), WEIR_OK);
}

static void assert_writes(weir_serializer *serializer, const char *bytes, size_t size)
{
    uint8_t out[512];
    assert_int_equal(weir_serializer_write(serializer, out, sizeof out), size);
    assert_memory_equal(out, bytes, size);
    assert_false(weir_serializer_has_outstanding(serializer));
}

static void frames_are_written_in_order(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    enqueue(&serializer, weir_frame_text("Hello", 5));
    enqueue(&serializer, weir_frame_ping("", 0));
    enqueue(&serializer, weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xe8", 2));
    assert_true(weir_serializer_has_outstanding(&serializer));
    assert_writes(&serializer, "\x81\x05Hello\x89\x00\x88\x02\x03\xe8", 13);
    weir_serializer_fini(&serializer);
}

static void later_fragments_get_opcode_0(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    enqueue(&serializer, weir_frame_by_type(false, WEIR_FRAME_TEXT, "1", 1));
    enqueue(&serializer, weir_frame_by_type(false, WEIR_FRAME_TEXT, "2", 1));
    enqueue(&serializer, weir_frame_ping("p", 1));
    enqueue(&serializer, weir_frame_by_type(true, WEIR_FRAME_TEXT, "3", 1));
    enqueue(&serializer, weir_frame_by_type(true, WEIR_FRAME_BINARY, "4", 1));
    assert_writes(&serializer, "\x01\x01\x31\x00\x01\x32\x89\x01p\x80\x01\x33\x82\x01\x34", 15);
    weir_serializer_fini(&serializer);
}

static void a_type_that_changes_inside_a_message_is_refused(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    enqueue(&serializer, weir_frame_by_type(false, WEIR_FRAME_TEXT, "1", 1));
    weir_frame binary = weir_frame_binary("2", 1);
    assert_int_equal(weir_serializer_enqueue(&serializer, &binary), WEIR_EINVAL);
    enqueue(&serializer, weir_frame_text("3", 1));
    assert_writes(&serializer, "\x01\x01\x31\x80\x01\x33", 6);
    weir_serializer_fini(&serializer);
}

static int releases;

static void count_release(void *owner)
{
    (void)owner;
    releases++;
}

static weir_frame counted(enum weir_frame_type type, const char *data, size_t size)
{
    weir_frame frame = weir_frame_by_type(true, type, data, size);
    frame.release = count_release;
    return frame;
}

static void bad_frames_are_refused_and_released(void **state)
{
    (void)state;
    static const char zeros[126];
    weir_serializer serializer = plain();
    releases = 0;
    weir_frame long_ping = counted(WEIR_FRAME_PING, zeros, 126);
    weir_frame unknown = counted((enum weir_frame_type)3, zeros, 1);
    weir_frame not_final = counted(WEIR_FRAME_PONG, zeros, 1);
    weir_frame no_data = counted(WEIR_FRAME_TEXT, NULL, 1);
    weir_frame bits = counted(WEIR_FRAME_TEXT, zeros, 1);
    not_final.fin = false;
    bits.rsv = 8;
    assert_int_equal(weir_serializer_enqueue(&serializer, &long_ping), WEIR_EINVAL);
    assert_int_equal(weir_serializer_enqueue(&serializer, &unknown), WEIR_EINVAL);
    assert_int_equal(weir_serializer_enqueue(&serializer, &not_final), WEIR_EINVAL);
    assert_int_equal(weir_serializer_enqueue(&serializer, &no_data), WEIR_EINVAL);
    assert_int_equal(weir_serializer_enqueue(&serializer, &bits), WEIR_EINVAL);
    assert_int_equal(releases, 5);
    assert_false(weir_serializer_has_outstanding(&serializer));
    weir_serializer_fini(&serializer);
}

static void a_frame_is_released_when_its_last_byte_is_out(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    uint8_t out[8];
    releases = 0;
    enqueue(&serializer, counted(WEIR_FRAME_TEXT, "Hello", 5));
    assert_int_equal(weir_serializer_write(&serializer, out, 6), 6);
    assert_int_equal(releases, 0);
    assert_int_equal(weir_serializer_write(&serializer, out, 8), 1);
    assert_int_equal(releases, 1);
    assert_int_equal(out[0], 'o');
    weir_serializer_fini(&serializer);
    assert_int_equal(releases, 1);
}

static void what_is_left_is_released_at_the_end(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    uint8_t out[3];
    releases = 0;
    for (int i = 0; i < 5; i++)
        enqueue(&serializer, counted(WEIR_FRAME_TEXT, "Hello", 5));
    assert_int_equal(weir_serializer_write(&serializer, out, 3), 3);
    weir_serializer_fini(&serializer);
    assert_int_equal(releases, 5);
    weir_serializer_fini(&serializer);
}

static void a_full_queue_refuses_and_the_frame_stays_the_callers(void **state)
{
    (void)state;
    weir_serializer serializer;
    weir_serializer_options options = {.capacity = 3};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
    releases = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weir_serializer_remaining_capacity(&serializer), 3 - i);
        enqueue(&serializer, counted(WEIR_FRAME_TEXT, "", 0));
    }
    weir_frame fourth = counted(WEIR_FRAME_TEXT, "", 0);
    assert_int_equal(weir_serializer_enqueue(&serializer, &fourth), WEIR_EAGAIN);
    assert_int_equal(releases, 0);
    weir_frame_release(&fourth);
    uint8_t out[2];
    assert_int_equal(weir_serializer_write(&serializer, out, 2), 2);
    assert_int_equal(weir_serializer_remaining_capacity(&serializer), 1);
    enqueue(&serializer, counted(WEIR_FRAME_TEXT, "", 0));
    weir_serializer_fini(&serializer);
    assert_int_equal(releases, 5);
}

static void the_default_capacity_is_1024(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    for (int i = 0; i < 1024; i++)
        enqueue(&serializer, weir_frame_ping("", 0));
    weir_frame ping = weir_frame_ping("", 0);
    assert_int_equal(weir_serializer_enqueue(&serializer, &ping), WEIR_EAGAIN);
    weir_serializer_fini(&serializer);
}

static void the_capacity_may_be_unlimited(void **state)
{
    (void)state;
    weir_serializer serializer;
    weir_serializer_options options = {.capacity = (size_t)WEIR_UNLIMITED};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
    for (int i = 0; i < 5000; i++)
        enqueue(&serializer, weir_frame_ping("", 0));
    weir_serializer_fini(&serializer);
}

static void masking_needs_a_source_of_keys(void **state)
{
    (void)state;
    weir_serializer serializer;
    weir_serializer_options options = {.masking = true};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_EINVAL);
    weir_serializer_fini(&serializer);
}

static void masking_takes_a_new_key_a_frame_and_leaves_the_source(void **state)
{
    (void)state;
    uint8_t next = 0;
    weir_serializer serializer;
    weir_serializer_options options = {.masking = true, .random = count_up, .random_arg = &next};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
    char source[] = "AAAA";
    enqueue(&serializer, weir_frame_text(source, 4));
    enqueue(&serializer, weir_frame_text(source, 1));
    assert_writes(&serializer,
                  "\x81\x84\x01\x02\x03\x04\x40\x43\x42\x45\x81\x81\x05\x06\x07\x08\x44", 17);
    assert_string_equal(source, "AAAA");
    serializer.masking = false;
    enqueue(&serializer, weir_frame_text(source, 1));
    assert_writes(&serializer, "\x81\x01\x41", 3);
    weir_serializer_fini(&serializer);
}

static uint32_t random_state = 3;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Writes the same frames into room of that size at a time; 0: of any size. */
static size_t write_all(uint8_t *out, size_t size, bool masking, size_t room)
{
    static char payload[70000];
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 7, 32768};
    uint8_t next = 0;
    weir_serializer serializer;
    weir_serializer_options options = {.masking = masking, .random = count_up, .random_arg = &next};
    assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i * 31);
    for (size_t i = 0; i < 8; i++)
        enqueue(&serializer,
                weir_frame_by_type(i % 3 == 2, WEIR_FRAME_BINARY, payload + i, sizes[i]));
    size_t at = 0;
    while (weir_serializer_has_outstanding(&serializer)) {
        size_t step = room != 0 ? room : next_random() % 3000;
        step = step < size - at ? step : size - at;
        at += weir_serializer_write(&serializer, out + at, step);
    }
    weir_serializer_fini(&serializer);
    return at;
}

static void any_room_gives_the_same_bytes(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    uint8_t *whole = malloc(SIZE);
    uint8_t *cut = malloc(SIZE);
    assert_non_null(whole);
    assert_non_null(cut);
    for (int masking = 0; masking < 2; masking++) {
        size_t size = write_all(whole, SIZE, masking != 0, SIZE);
        static const size_t rooms[] = {1, 2, 3, 13, 14, 15, 4096, 0, 0, 0};
        for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
            assert_int_equal(write_all(cut, SIZE, masking != 0, rooms[i]), size);
            assert_memory_equal(cut, whole, size);
        }
    }
    free(whole);
    free(cut);
}

static void without_memory_a_frame_is_refused_and_the_rest_stays(void **state)
{
    (void)state;
    for (size_t n = 1; n < 6; n++) {
        failing_allocator memory;
        failing_allocator_init(&memory, n);
        weir_serializer serializer;
        weir_serializer_options options = {.allocator = memory.allocator};
        assert_int_equal(weir_serializer_init(&serializer, &options), WEIR_OK);
        releases = 0;
        size_t queued = 0;
        for (int i = 0; i < 100; i++) {
            weir_frame frame = counted(WEIR_FRAME_TEXT, "Hello", 5);
            int status = weir_serializer_enqueue(&serializer, &frame);
            assert_true(status == WEIR_OK || status == WEIR_ENOMEM);
            queued += status == WEIR_OK;
        }
        assert_true(memory.failed);
        assert_int_equal(queued, 99);
        assert_int_equal(releases, 1);
        uint8_t out[1000];
        assert_int_equal(weir_serializer_write(&serializer, out, sizeof out), 7 * queued);
        weir_serializer_fini(&serializer);
        assert_true(failing_allocator_is_clean(&memory));
    }
}

static void a_queue_that_wraps_around_and_grows_keeps_its_order(void **state)
{
    (void)state;
    weir_serializer serializer = plain();
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    char got[26];
    size_t count = 0;
    uint8_t out[64];
    for (size_t i = 0; i < 26; i++) {
        enqueue(&serializer, weir_frame_text(letters + i, 1));
        if (i % 2 == 1 && i < 12) {
            assert_int_equal(weir_serializer_write(&serializer, out, 3), 3);
            got[count++] = (char)out[2];
        }
    }
    size_t size = weir_serializer_write(&serializer, out, sizeof out);
    for (size_t at = 2; at < size; at += 3)
        got[count++] = (char)out[at];
    assert_int_equal(count, 26);
    assert_memory_equal(got, letters, 26);
    weir_serializer_fini(&serializer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_written_in_order),
        cmocka_unit_test(later_fragments_get_opcode_0),
        cmocka_unit_test(a_type_that_changes_inside_a_message_is_refused),
        cmocka_unit_test(bad_frames_are_refused_and_released),
        cmocka_unit_test(a_frame_is_released_when_its_last_byte_is_out),
        cmocka_unit_test(what_is_left_is_released_at_the_end),
        cmocka_unit_test(a_full_queue_refuses_and_the_frame_stays_the_callers),
        cmocka_unit_test(the_default_capacity_is_1024),
        cmocka_unit_test(the_capacity_may_be_unlimited),
        cmocka_unit_test(masking_needs_a_source_of_keys),
        cmocka_unit_test(masking_takes_a_new_key_a_frame_and_leaves_the_source),
        cmocka_unit_test(any_room_gives_the_same_bytes),
        cmocka_unit_test(without_memory_a_frame_is_refused_and_the_rest_stays),
        cmocka_unit_test(a_queue_that_wraps_around_and_grows_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
