/* wire/mask.h - the key as words, and the kernels of masking: one for each width of vectors, so
 * that each can be tested. Private to the library. */
#ifndef WEIR_WIRE_MASK_H
#define WEIR_WIRE_MASK_H

#include <weir/mask.h>

#include <string.h>

/* The key, twice. */
static inline uint64_t weir__mask_word(const uint8_t key[4])
{
    uint32_t half;
    memcpy(&half, key, sizeof half);
    return (uint64_t)half << 32 | half;
}

/* The doubled key for a place that many bytes further on. It repeats within the word, so whole
 * words may be counted in. */
static inline uint64_t weir__mask_turn(uint64_t word, size_t bytes)
{
    unsigned bits = 8 * (unsigned)bytes & 63u;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return word >> bits | word << ((64 - bits) & 63u);
#else
    return word << bits | word >> ((64 - bits) & 63u);
#endif
}

/* Masks size bytes from src to dst, which may be the same. size is at least the width. word: the
 * doubled key for the first byte. */
typedef void weir__mask_kernel(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word);

enum weir__mask_width {
    WEIR__MASK_8 = 0, /* words */
    WEIR__MASK_16,    /* SSE2, NEON or what the compiler makes of it */
    WEIR__MASK_32,    /* AVX2 */
    WEIR__MASK_64,    /* AVX-512 */
    WEIR__MASK_WIDTHS,
};

/* NULL when this processor has no such vectors. The width in bytes is 8 << width. */
weir__mask_kernel *weir__mask_kernel_of(enum weir__mask_width width);

#endif
