#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/mask.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH_MAX    700
#define ALIGNMENT_MAX 64
#define ROOM          (LENGTH_MAX + ALIGNMENT_MAX + 64)

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* Byte by byte, as in RFC 6455 5.3. */
static void mask_by_the_book(uint8_t *data, size_t size, const uint8_t *with, uint64_t offset)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(data[i] ^ with[(offset + i) % 4]);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static void masking_is_that_of_the_book_at_every_length_and_alignment(void **state)
{
    (void)state;
    _Alignas(64) uint8_t ours[ROOM];
    _Alignas(64) uint8_t book[ROOM];
    for (size_t length = 0; length <= LENGTH_MAX; length++)
        for (size_t alignment = 0; alignment < ALIGNMENT_MAX; alignment++) {
            fill(ours, ROOM);
            fill(book, ROOM);
            uint64_t offset = length + alignment / 8;
            weir_mask(ours + alignment, length, key, offset);
            mask_by_the_book(book + alignment, length, key, offset);
            assert_memory_equal(ours, book, ROOM);
        }
}

static void each_kernel_is_that_of_the_book_at_every_length_and_alignment(void **state)
{
    (void)state;
    _Alignas(64) uint8_t ours[ROOM];
    _Alignas(64) uint8_t book[ROOM];
    uint64_t word;
    uint8_t twice[8];
    memcpy(twice, key, 4);
    memcpy(twice + 4, key, 4);
    memcpy(&word, twice, sizeof word);
    for (int width = 0; width < WEIR__MASK_WIDTHS; width++) {
        weir__mask_kernel *kernel = weir__mask_kernel_of((enum weir__mask_width)width);
        if (kernel == NULL)
            continue;
        for (size_t length = 8u << width; length <= LENGTH_MAX; length++)
            for (size_t alignment = 0; alignment < ALIGNMENT_MAX; alignment++) {
                fill(ours, ROOM);
                fill(book, ROOM);
                kernel(ours + alignment, ours + alignment, length, word);
                mask_by_the_book(book + alignment, length, key, 0);
                assert_memory_equal(ours, book, ROOM);
            }
    }
    assert_non_null(weir__mask_kernel_of(WEIR__MASK_8));
    assert_null(weir__mask_kernel_of(WEIR__MASK_WIDTHS));
}

static void copying_masks_too_and_leaves_the_source(void **state)
{
    (void)state;
    _Alignas(64) uint8_t source[ROOM];
    _Alignas(64) uint8_t untouched[ROOM];
    _Alignas(64) uint8_t ours[ROOM];
    _Alignas(64) uint8_t book[ROOM];
    fill(source, ROOM);
    fill(untouched, ROOM);
    for (size_t length = 0; length <= LENGTH_MAX; length++)
        for (size_t alignment = 0; alignment < ALIGNMENT_MAX; alignment++) {
            memset(ours, 0, ROOM);
            memset(book, 0, ROOM);
            size_t to = (alignment * 5 + length) % ALIGNMENT_MAX;
            weir_mask_copy(ours + to, source + alignment, length, key, alignment);
            memcpy(book + to, source + alignment, length);
            mask_by_the_book(book + to, length, key, alignment);
            assert_memory_equal(ours, book, ROOM);
        }
    assert_memory_equal(source, untouched, ROOM);
}

static void large_payloads_are_masked_in_exactly_their_memory(void **state)
{
    (void)state;
    for (size_t size = 4000; size < 70000; size = size * 3 / 2 + 1) {
        uint8_t *ours = malloc(size);
        uint8_t *book = malloc(size);
        assert_non_null(ours);
        assert_non_null(book);
        fill(ours, size);
        fill(book, size);
        weir_mask(ours, size, key, size);
        mask_by_the_book(book, size, key, size);
        assert_memory_equal(ours, book, size);
        free(ours);
        free(book);
    }
}

static void masking_in_any_pieces_is_masking_at_once(void **state)
{
    (void)state;
    uint8_t whole[LENGTH_MAX];
    uint8_t pieces[LENGTH_MAX];
    for (size_t cut = 0; cut <= LENGTH_MAX; cut++) {
        fill(whole, LENGTH_MAX);
        fill(pieces, LENGTH_MAX);
        weir_mask(whole, LENGTH_MAX, key, 0);
        weir_mask(pieces, cut, key, 0);
        weir_mask(pieces + cut, LENGTH_MAX - cut, key, cut);
        assert_memory_equal(whole, pieces, LENGTH_MAX);
    }
}

static void masking_twice_gives_the_original(void **state)
{
    (void)state;
    static const uint8_t keys[][4] = {{0, 0, 0, 0}, {255, 255, 255, 255}, {0x80, 0, 0, 1}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[LENGTH_MAX];
        uint8_t original[LENGTH_MAX];
        fill(bytes, LENGTH_MAX);
        fill(original, LENGTH_MAX);
        weir_mask(bytes, LENGTH_MAX, keys[i], 3);
        weir_mask(bytes, LENGTH_MAX, keys[i], 3);
        assert_memory_equal(bytes, original, LENGTH_MAX);
    }
}

static void an_offset_over_32_bits_counts(void **state)
{
    (void)state;
    uint8_t bytes[4] = {0};
    weir_mask(bytes, 4, key, (UINT64_C(1) << 40) + 3);
    assert_int_equal(bytes[0], key[3]);
    assert_int_equal(bytes[1], key[0]);
    weir_mask(NULL, 0, key, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masking_is_that_of_the_book_at_every_length_and_alignment),
        cmocka_unit_test(each_kernel_is_that_of_the_book_at_every_length_and_alignment),
        cmocka_unit_test(copying_masks_too_and_leaves_the_source),
        cmocka_unit_test(large_payloads_are_masked_in_exactly_their_memory),
        cmocka_unit_test(masking_in_any_pieces_is_masking_at_once),
        cmocka_unit_test(masking_twice_gives_the_original),
        cmocka_unit_test(an_offset_over_32_bits_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
