#include "wire/utf8.h"

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* Shorter text is first checked for being ASCII. */
#define VECTOR_MIN 256

/* Shorter text that is not ASCII is checked byte by byte. */
#define REST_MIN 12

/* What may follow a first byte (RFC 3629 4: the table of UTF8-2, UTF8-3 and UTF8-4). wanted stays 0
 * for a byte that begins no character. The range of the second byte excludes overlong forms,
 * surrogates, and code points over U+10FFFF. */
static weir_utf8 start_of(uint8_t byte)
{
    if (byte >= 0xC2 && byte <= 0xDF)
        return (weir_utf8){1, 0x80, 0xBF};
    if (byte >= 0xE0 && byte <= 0xEF)
        return (weir_utf8){2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF};
    if (byte >= 0xF0 && byte <= 0xF4)
        return (weir_utf8){3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF};
    return (weir_utf8){0};
}

/* Takes one byte more; false: it is wrong there. */
static bool step(weir_utf8 *state, uint8_t byte)
{
    if (state->wanted == 0) {
        if (byte < 0x80)
            return true;
        *state = start_of(byte);
        return state->wanted != 0;
    }
    if (byte < state->lower || byte > state->upper)
        return false;
    *state = (weir_utf8){(uint8_t)(state->wanted - 1), 0x80, 0xBF};
    return true;
}

static inline bool is_ascii_64(const uint8_t *at)
{
    const weir__words *words = (const weir__words *)at;
    return !weir__has_high_bits((words[0] | words[1]) | (words[2] | words[3]));
}

static inline bool is_ascii_8(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return (word & HIGH_BITS) == 0;
}

static size_t skip_ascii(const uint8_t *data, size_t size)
{
    size_t at = 0;
    while (size - at >= 64 && is_ascii_64(data + at))
        at += 64;
    while (size - at >= 8 && is_ascii_8(data + at))
        at += 8;
    while (at < size && data[at] < 0x80)
        at++;
    return at;
}

weir__utf8_kernel *weir__utf8_kernel_of(enum weir__utf8_kind kind)
{
    switch (kind) {
    case WEIR__UTF8_WORDS:
        return skip_ascii;
#if defined(__x86_64__)
    case WEIR__UTF8_AVX2:
        return __builtin_cpu_supports("avx2") ? weir__utf8_skip_avx2 : NULL;
    case WEIR__UTF8_AVX512:
        return __builtin_cpu_supports("avx512bw") ? weir__utf8_skip_avx512 : NULL;
#else
    case WEIR__UTF8_AVX2:
    case WEIR__UTF8_AVX512:
#endif
    case WEIR__UTF8_KINDS:
        break;
    }
    return NULL;
}

#if defined(__x86_64__)
/* The processor's features are looked up each time: that costs a load and a test, and the library
 * needs no state for it. */
static inline size_t skip_valid(const uint8_t *data, size_t size)
{
    size_t at = size < VECTOR_MIN ? skip_ascii(data, size) : 0;
    if (size - at < REST_MIN)
        return at;
    if (__builtin_cpu_supports("avx512bw"))
        return at + weir__utf8_skip_avx512(data + at, size - at);
    if (__builtin_cpu_supports("avx2"))
        return at + weir__utf8_skip_avx2(data + at, size - at);
    return at > 0 ? at : skip_ascii(data, size);
}
#else
static inline size_t skip_valid(const uint8_t *data, size_t size)
{
    return skip_ascii(data, size);
}
#endif

int weir_utf8_feed(weir_utf8 *state, const void *data, size_t size, size_t *valid_size)
{
    const uint8_t *bytes = data;
    size_t at = 0;
    while (at < size) {
        if (state->wanted == 0) {
            at += skip_valid(bytes + at, size - at);
            if (at == size)
                break;
        }
        if (!step(state, bytes[at]))
            break;
        at++;
    }
    if (valid_size != NULL)
        *valid_size = at;
    return at == size ? WEIR_OK : WEIR_EUTF8;
}

bool weir_utf8_is_complete(const weir_utf8 *state)
{
    return state->wanted == 0;
}

bool weir_utf8_is_valid(const void *data, size_t size)
{
    weir_utf8 state = {0};
    return weir_utf8_feed(&state, data, size, NULL) == WEIR_OK && weir_utf8_is_complete(&state);
}

size_t weir_utf8_cut(const void *data, size_t size, size_t limit)
{
    if (size <= limit)
        return size;
    const uint8_t *bytes = data;
    while (limit > 0 && (bytes[limit] & 0xC0) == 0x80)
        limit--;
    return limit;
}
