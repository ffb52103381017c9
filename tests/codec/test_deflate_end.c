/* The free bits behind a block that libdeflate made are those that an inflater finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_LIBDEFLATE

#include "codec/deflate_end.h"
#include "codec/deflate_ends.h"

#include <libdeflate.h>
#include <zlib.h>

#define SIZE_MAX_PLAIN 9999
#define END_OF_LAST    (128 | 64) /* where inflate() stands: behind a block, which was the last */

/* The same by zlib, which is trusted. */
static int ask_zlib(const uint8_t *in, size_t size)
{
    uint8_t out[SIZE_MAX_PLAIN];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = sizeof out};
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    while ((z.data_type & END_OF_LAST) != END_OF_LAST)
        assert_int_equal(inflate(&z, Z_BLOCK), Z_OK);
    int free_bits = z.data_type & 7;
    inflateEnd(&z);
    return free_bits;
}

static void fill(uint8_t *data, size_t size, unsigned letters, uint32_t seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        /* some letters more often than others, and some repetition */
        data[i] = (uint8_t)('a' + ((seed >> 24) & (seed >> 16)) % letters);
        if (i > 20 && (seed >> 8) % 8 == 0)
            data[i] = data[i - 17];
    }
}

/* Matches of all lengths: the code lengths go on into those of distances, sometimes in a
 * repetition. */
static void fill_with_matches(uint8_t *data, size_t size, unsigned letters, uint32_t seed)
{
    fill(data, size, letters, seed);
    for (size_t at = 300; at < size;) {
        seed = seed * 1664525 + 1013904223;
        size_t end = at + 3 + (seed >> 8) % 300;
        size_t back = 1 + (seed >> 16) % 200;
        for (; at < size && at < end; at++)
            data[at] = data[at - back];
        at += 1 + seed % 4;
    }
}

static void every_block_that_says_it_says_it_right(void **state)
{
    uint8_t data[SIZE_MAX_PLAIN];
    uint8_t out[2 * SIZE_MAX_PLAIN];
    size_t counts[8] = {0};
    size_t unknown = 0;
    (void)state;
    for (int level = 1; level <= 9; level++) {
        struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(level);
        assert_non_null(compressor);
        for (uint32_t i = 0; i < 1500; i++) {
            size_t size = 1 + i * 7919 % sizeof data;
            (i % 2 == 0 ? fill : fill_with_matches)(data, size, 1 + i % 200, i);
            size_t coded = libdeflate_deflate_compress(compressor, data, size, out, sizeof out);
            assert_true(coded > 0 && (out[0] & 1) == 1);
            int free_bits = weir__deflate_free_bits(out, coded);
            if (free_bits < 0) {
                unknown++;
                continue;
            }
            assert_int_equal(free_bits, ask_zlib(out, coded));
            counts[free_bits]++;
        }
        libdeflate_free_compressor(compressor);
    }
    for (size_t i = 0; i < 8; i++)
        assert_true(counts[i] > 100);
    assert_true(unknown < 4000); /* few symbols: codes that are fixed, or all zero */
}

static void what_is_no_such_block_is_left_to_others(void **state)
{
    static const uint8_t fixed[] = {0x03, 0x00};
    static const uint8_t stored[] = {0x01, 0x00, 0x00, 0xff, 0xff};
    static const uint8_t zeros[64] = {0x05};
    uint8_t noise[200];
    (void)state;
    assert_int_equal(weir__deflate_free_bits(NULL, 0), -1);
    assert_int_equal(weir__deflate_free_bits(fixed, sizeof fixed), -1);
    assert_int_equal(weir__deflate_free_bits(stored, sizeof stored), -1);
    assert_int_equal(weir__deflate_free_bits(zeros, sizeof zeros), -1);
    for (uint32_t i = 0; i < 20000; i++) {
        fill(noise, sizeof noise, 255, i);
        noise[0] = (uint8_t)((noise[0] & 0xf8) | 5);
        int free_bits = weir__deflate_free_bits(noise, 1 + i % sizeof noise);
        assert_true(free_bits >= -1 && free_bits <= 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_that_says_it_says_it_right),
        cmocka_unit_test(what_is_no_such_block_is_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: built without libdeflate");
    return 77;
}

#endif
