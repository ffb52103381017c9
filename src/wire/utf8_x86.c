/* UTF-8 by vectors of 32 and 64 bytes. Each byte is checked together with the one before it. Three
 * tables of 16 entries give sets of errors: by the high half of the byte before, by its low half,
 * and by the high half of the byte itself. An error that is in all three sets is one. What is left
 * are third and fourth bytes: they must stand exactly where a first byte two or three places before
 * needs them. */
#include "wire/utf8.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* Errors of a pair of bytes. */
enum {
    TOO_SHORT = 1 << 0,   /* a first byte, then none that continues */
    TOO_LONG = 1 << 1,    /* ASCII, then one that continues */
    OVERLONG_2 = 1 << 2,  /* C0, C1 */
    OVERLONG_3 = 1 << 3,  /* E0, then 80..9F */
    SURROGATE = 1 << 4,   /* ED, then A0..BF */
    TOO_LARGE = 1 << 5,   /* F4 and above, then 90..BF */
    AT_THE_ENDS = 1 << 6, /* F0 (overlong) or F5 and above (too large), then 80..8F */
    TWO_CONTINUE = -128,  /* two that continue: no error where a third byte has to be */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTINUE, /* what does not depend on the low half */
    OVER_F4 = ANY_LOW | TOO_LARGE | AT_THE_ENDS,
};

#define CONTINUES (TOO_LONG | OVERLONG_2 | TWO_CONTINUE)

/* By the high half of the byte before: 0-7, 8-B, C, D, E, F. */
#define BEFORE_HIGH                                                                                \
    TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TWO_CONTINUE,  \
        TWO_CONTINUE, TWO_CONTINUE, TWO_CONTINUE, TOO_SHORT | OVERLONG_2, TOO_SHORT,               \
        TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | AT_THE_ENDS

/* By its low half: 0, 1, 2, 3, 4, 5-C, D, E, F. */
#define BEFORE_LOW                                                                                 \
    ANY_LOW | OVERLONG_2 | OVERLONG_3 | AT_THE_ENDS, ANY_LOW | OVERLONG_2, ANY_LOW, ANY_LOW,       \
        ANY_LOW | TOO_LARGE, OVER_F4, OVER_F4, OVER_F4, OVER_F4, OVER_F4, OVER_F4, OVER_F4,        \
        OVER_F4, OVER_F4 | SURROGATE, OVER_F4, OVER_F4

/* By the high half of the byte itself: 0-7, 8, 9, A, B, C-F. */
#define ITSELF_HIGH                                                                                \
    TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,        \
        CONTINUES | OVERLONG_3 | AT_THE_ENDS, CONTINUES | OVERLONG_3 | TOO_LARGE,                  \
        CONTINUES | SURROGATE | TOO_LARGE, CONTINUES | SURROGATE | TOO_LARGE, TOO_SHORT,           \
        TOO_SHORT, TOO_SHORT, TOO_SHORT

/* How many bytes of an unfinished character are at the end of the first size bytes: 0 to 3. */
static inline size_t unfinished(const uint8_t *data, size_t size)
{
    if (size >= 1 && data[size - 1] >= 0xC0)
        return 1;
    if (size >= 2 && data[size - 2] >= 0xE0)
        return 2;
    if (size >= 3 && data[size - 3] >= 0xF0)
        return 3;
    return 0;
}

#define AVX2 __attribute__((target("avx2")))

/* The errors of 32 bytes; before: the 32 bytes before them. */
AVX2 static inline __m256i judge_32(__m256i bytes, __m256i before)
{
    const __m256i before_high = _mm256_setr_epi8(BEFORE_HIGH, BEFORE_HIGH);
    const __m256i before_low = _mm256_setr_epi8(BEFORE_LOW, BEFORE_LOW);
    const __m256i itself_high = _mm256_setr_epi8(ITSELF_HIGH, ITSELF_HIGH);
    const __m256i low_half = _mm256_set1_epi8(15);
    __m256i across = _mm256_permute2x128_si256(before, bytes, 0x21);
    __m256i one = _mm256_alignr_epi8(bytes, across, 15);
    __m256i two = _mm256_alignr_epi8(bytes, across, 14);
    __m256i three = _mm256_alignr_epi8(bytes, across, 13);
    __m256i one_high = _mm256_and_si256(_mm256_srli_epi16(one, 4), low_half);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half);
    __m256i pair = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(before_high, one_high),
                         _mm256_shuffle_epi8(before_low, _mm256_and_si256(one, low_half))),
        _mm256_shuffle_epi8(itself_high, high));
    /* The top bit: E0 and above two places before, or F0 and above three. */
    __m256i third = _mm256_or_si256(_mm256_subs_epu8(two, _mm256_set1_epi8(0x60)),
                                    _mm256_subs_epu8(three, _mm256_set1_epi8(0x70)));
    __m256i wanted = _mm256_and_si256(third, _mm256_set1_epi8(-128));
    return _mm256_xor_si256(pair, wanted);
}

/* What is carried from block to block. */
struct state_32 {
    __m256i before; /* the last 32 bytes */
    bool open;      /* they are not all ASCII: a character may go on */
};

AVX2 static inline bool take_64_by_32(struct state_32 *state, const uint8_t *data)
{
    __m256i left = _mm256_loadu_si256((const void *)data);
    __m256i right = _mm256_loadu_si256((const void *)(data + 32));
    bool ascii = _mm256_movemask_epi8(_mm256_or_si256(left, right)) == 0;
    if (!ascii || state->open) {
        __m256i errors = _mm256_or_si256(judge_32(left, state->before), judge_32(right, left));
        if (!_mm256_testz_si256(errors, errors))
            return false;
    }
    state->before = right;
    state->open = !ascii;
    return true;
}

AVX2 size_t weir__utf8_skip_avx2(const uint8_t *data, size_t size)
{
    struct state_32 state = {_mm256_setzero_si256(), false};
    size_t whole = size - unfinished(data, size);
    size_t at = 0;
    for (; whole - at >= 64; at += 64)
        if (!take_64_by_32(&state, data + at))
            return at - unfinished(data, at);
    if (at == size)
        return size;
    uint8_t rest[64] = {0};
    memcpy(rest, data + at, whole - at);
    return take_64_by_32(&state, rest) ? whole : at - unfinished(data, at);
}

#define AVX512 __attribute__((target("avx512f,avx512bw")))

#define FOUR_TIMES(table) _mm512_broadcast_i32x4(_mm_setr_epi8(table))

/* The errors of 64 bytes; before: the 64 bytes before them. */
AVX512 static inline __m512i judge_64(__m512i bytes, __m512i before)
{
    const __m512i low_half = _mm512_set1_epi8(15);
    __m512i across =
        _mm512_permutex2var_epi64(before, _mm512_setr_epi64(6, 7, 8, 9, 10, 11, 12, 13), bytes);
    __m512i one = _mm512_alignr_epi8(bytes, across, 15);
    __m512i two = _mm512_alignr_epi8(bytes, across, 14);
    __m512i three = _mm512_alignr_epi8(bytes, across, 13);
    __m512i one_high = _mm512_and_si512(_mm512_srli_epi16(one, 4), low_half);
    __m512i one_low = _mm512_and_si512(one, low_half);
    __m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low_half);
    __m512i pair =
        _mm512_and_si512(_mm512_and_si512(_mm512_shuffle_epi8(FOUR_TIMES(BEFORE_HIGH), one_high),
                                          _mm512_shuffle_epi8(FOUR_TIMES(BEFORE_LOW), one_low)),
                         _mm512_shuffle_epi8(FOUR_TIMES(ITSELF_HIGH), high));
    __m512i third = _mm512_or_si512(_mm512_subs_epu8(two, _mm512_set1_epi8(0x60)),
                                    _mm512_subs_epu8(three, _mm512_set1_epi8(0x70)));
    __m512i wanted = _mm512_and_si512(third, _mm512_set1_epi8(-128));
    return _mm512_xor_si512(pair, wanted);
}

/* ASCII at the beginning, by 256 bytes. */
AVX512 static inline size_t skip_ascii_64(const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (; size - at >= 256; at += 256) {
        __m512i a =
            _mm512_or_si512(_mm512_loadu_si512(data + at), _mm512_loadu_si512(data + at + 64));
        __m512i b = _mm512_or_si512(_mm512_loadu_si512(data + at + 128),
                                    _mm512_loadu_si512(data + at + 192));
        if (_mm512_movepi8_mask(_mm512_or_si512(a, b)) != 0)
            break;
    }
    return at;
}

struct state_64 {
    __m512i before;
    bool open;
};

AVX512 static inline bool take_64(struct state_64 *state, __m512i bytes)
{
    bool ascii = _mm512_movepi8_mask(bytes) == 0;
    if (!ascii || state->open) {
        __m512i errors = judge_64(bytes, state->before);
        if (_mm512_test_epi8_mask(errors, errors) != 0)
            return false;
    }
    state->before = bytes;
    state->open = !ascii;
    return true;
}

AVX512 size_t weir__utf8_skip_avx512(const uint8_t *data, size_t size)
{
    struct state_64 state = {_mm512_setzero_si512(), false};
    size_t whole = size - unfinished(data, size);
    size_t at = skip_ascii_64(data, whole);
    for (; whole - at >= 64; at += 64)
        if (!take_64(&state, _mm512_loadu_si512(data + at)))
            return at - unfinished(data, at);
    if (at == size)
        return size;
    __mmask64 rest = (UINT64_C(1) << (whole - at)) - 1;
    bool valid = take_64(&state, _mm512_maskz_loadu_epi8(rest, data + at));
    return valid ? whole : at - unfinished(data, at);
}

#endif
