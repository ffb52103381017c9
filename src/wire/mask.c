#include "wire/mask.h"

/* All kernels are one macro over the compiler's vectors. The first and the last vector are loaded
 * before the others and stored after them, so they may overlap these: then the stores in between
 * are aligned and no odd bytes are left, also in place. */
#define DEFINE_KERNEL(name, type, attributes)                                                      \
    attributes static void name(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word)      \
    {                                                                                              \
        const size_t width = sizeof(type);                                                         \
        type first = *(const type *)src ^ (word - (type){0});                                      \
        type last =                                                                                \
            *(const type *)(src + size - width) ^ (weir__mask_turn(word, size) - (type){0});       \
        size_t at = width - (uintptr_t)dst % width;                                                \
        type key = weir__mask_turn(word, at) - (type){0};                                          \
        for (; at + 4 * width < size; at += 4 * width) {                                           \
            type a = *(const type *)(src + at) ^ key;                                              \
            type b = *(const type *)(src + at + width) ^ key;                                      \
            type c = *(const type *)(src + at + 2 * width) ^ key;                                  \
            type d = *(const type *)(src + at + 3 * width) ^ key;                                  \
            *(type *)(dst + at) = a;                                                               \
            *(type *)(dst + at + width) = b;                                                       \
            *(type *)(dst + at + 2 * width) = c;                                                   \
            *(type *)(dst + at + 3 * width) = d;                                                   \
        }                                                                                          \
        for (; at + width < size; at += width)                                                     \
            *(type *)(dst + at) = *(const type *)(src + at) ^ key;                                 \
        *(type *)dst = first;                                                                      \
        *(type *)(dst + size - width) = last;                                                      \
    }

typedef uint64_t weir__vector_8 __attribute__((aligned(1), may_alias));
typedef uint64_t weir__vector_16 __attribute__((vector_size(16), aligned(1), may_alias));
DEFINE_KERNEL(mask_8, weir__vector_8, )
DEFINE_KERNEL(mask_16, weir__vector_16, )
#if defined(__x86_64__)
typedef uint64_t weir__vector_32 __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint64_t weir__vector_64 __attribute__((vector_size(64), aligned(1), may_alias));
DEFINE_KERNEL(mask_32, weir__vector_32, __attribute__((target("avx2"))))
DEFINE_KERNEL(mask_64, weir__vector_64, __attribute__((target("avx512f"))))
#endif

weir__mask_kernel *weir__mask_kernel_of(enum weir__mask_width width)
{
    switch (width) {
    case WEIR__MASK_8:
        return mask_8;
    case WEIR__MASK_16:
        return mask_16;
#if defined(__x86_64__)
    case WEIR__MASK_32:
        return __builtin_cpu_supports("avx2") ? mask_32 : NULL;
    case WEIR__MASK_64:
        return __builtin_cpu_supports("avx512f") ? mask_64 : NULL;
#else
    case WEIR__MASK_32:
    case WEIR__MASK_64:
#endif
    case WEIR__MASK_WIDTHS:
        break;
    }
    return NULL;
}

/* At least 64 bytes. The processor's features are looked up each time: that costs a load and a
 * test, and the library needs no state for it. */
static inline void mask_wide(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) {
        mask_64(dst, src, size, word);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        mask_32(dst, src, size, word);
        return;
    }
#endif
    mask_16(dst, src, size, word);
}

/* Less than a word. */
static inline void mask_few(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word)
{
    uint8_t key[8];
    memcpy(key, &word, sizeof key);
    for (size_t i = 0; i < size; i++)
        dst[i] = src[i] ^ key[i];
}

void weir_mask_copy(void *dst, const void *src, size_t size, const uint8_t key[4], uint64_t offset)
{
    uint64_t word = weir__mask_turn(weir__mask_word(key), (size_t)offset);
    if (size >= 64)
        mask_wide(dst, src, size, word);
    else if (size >= 16)
        mask_16(dst, src, size, word);
    else if (size >= 8)
        mask_8(dst, src, size, word);
    else
        mask_few(dst, src, size, word);
}

void weir_mask(void *data, size_t size, const uint8_t key[4], uint64_t offset)
{
    weir_mask_copy(data, data, size, key, offset);
}
