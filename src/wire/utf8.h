/* wire/utf8.h - the kernels that check UTF-8, so that each can be tested. Private to the
 * library. */
#ifndef WEIR_WIRE_UTF8_H
#define WEIR_WIRE_UTF8_H

#include <weir/utf8.h>

#include <string.h>

typedef uint64_t weir__words __attribute__((vector_size(16), aligned(1), may_alias));

static inline bool weir__has_high_bits(weir__words words)
{
#ifdef __SSE2__
    typedef char bytes __attribute__((vector_size(16)));
    return __builtin_ia32_pmovmskb128((bytes)words) != 0;
#else
    return ((words[0] | words[1]) & UINT64_C(0x8080808080808080)) != 0;
#endif
}

/* Whether all bytes are ASCII; for short texts. The last vector may overlap the one before it. */
static inline bool weir__is_ascii(const uint8_t *data, size_t size)
{
    weir__words all = {0, 0};
    if (size < 16) {
        uint8_t padded[16] = {0};
        for (size_t i = 0; i < size; i++)
            padded[i] = data[i];
        memcpy(&all, padded, sizeof all);
        return !weir__has_high_bits(all);
    }
    for (size_t at = 0; at + 16 < size; at += 16)
        all |= *(const weir__words *)(data + at);
    all |= *(const weir__words *)(data + size - 16);
    return !weir__has_high_bits(all);
}

/* Returns the size of a part at the beginning of data that is made of valid, whole characters. data
 * begins between two characters. The part may be too short: by what stands in one block with an
 * error. */
typedef size_t weir__utf8_kernel(const uint8_t *data, size_t size);

enum weir__utf8_kind {
    WEIR__UTF8_WORDS = 0, /* ASCII by words, stops at the first byte that is not */
    WEIR__UTF8_AVX2,
    WEIR__UTF8_AVX512,
    WEIR__UTF8_KINDS,
};

#if defined(__x86_64__)
/* utf8_x86.c: to be called only where the processor has the vectors. */
size_t weir__utf8_skip_avx2(const uint8_t *data, size_t size);
size_t weir__utf8_skip_avx512(const uint8_t *data, size_t size);
#endif

/* NULL when this processor has no such vectors. */
weir__utf8_kernel *weir__utf8_kernel_of(enum weir__utf8_kind kind);

#endif
