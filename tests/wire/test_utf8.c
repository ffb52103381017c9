#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/utf8.h"

#include <stdlib.h>
#include <string.h>

/* The reference works on ranges of code points: a sequence is right as long as some character
 * begins with it. */
struct range {
    uint32_t first;
    uint32_t last;
};

static bool has_a_character(struct range range, uint32_t least)
{
    if (range.first < least)
        range.first = least;
    if (range.last > 0x10FFFF)
        range.last = 0x10FFFF;
    if (range.first >= 0xD800 && range.first <= 0xDFFF)
        range.first = 0xE000;
    if (range.last >= 0xD800 && range.last <= 0xDFFF)
        range.last = 0xD7FF;
    return range.first <= range.last;
}

/* Length of the character that begins with a byte, by its high bits alone; 0: none does. */
static size_t length_of(uint8_t byte)
{
    return byte < 0x80   ? 1
           : byte < 0xC0 ? 0
           : byte < 0xE0 ? 2
           : byte < 0xF0 ? 3
           : byte < 0xF8 ? 4
                         : 0;
}

/* How many bytes of the character at bytes are right, at most its length; *complete: all of it is
 * there. */
static size_t reference_character(const uint8_t *bytes, size_t size, bool *complete)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = length_of(bytes[0]);
    *complete = length == 1;
    if (length <= 1)
        return length;
    uint32_t value = bytes[0] & (0x7Fu >> length);
    for (size_t i = 1;; i++) {
        unsigned open_bits = 6 * (unsigned)(length - i);
        struct range range = {value << open_bits, (value << open_bits) + ((1u << open_bits) - 1)};
        if (!has_a_character(range, least[length]))
            return i - 1;
        *complete = i == length;
        if (*complete || i == size)
            return i;
        if ((bytes[i] & 0xC0) != 0x80)
            return i;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
}

/* How much of a text is right. */
static size_t reference(const uint8_t *bytes, size_t size, bool *complete)
{
    size_t at = 0;
    *complete = true;
    while (at < size) {
        size_t length = reference_character(bytes + at, size - at, complete);
        at += length;
        if (!*complete)
            return at;
    }
    return at;
}

static void compare(const uint8_t *bytes, size_t size)
{
    bool complete;
    size_t expected = reference(bytes, size, &complete);
    weir_utf8 utf8 = {0};
    size_t valid = SIZE_MAX;
    int status = weir_utf8_feed(&utf8, bytes, size, &valid);
    if (valid != expected || status != (expected == size ? WEIR_OK : WEIR_EUTF8))
        fail_msg("%02x %02x %02x %02x (%zu): %zu can stand, not %zu", bytes[0], bytes[1], bytes[2],
                 bytes[3], size, expected, valid);
    if (status == WEIR_OK)
        assert_int_equal(weir_utf8_is_complete(&utf8), complete);
    assert_int_equal(weir_utf8_is_valid(bytes, size), expected == size && complete);
}

static void all_sequences_of_one_to_three_bytes_are_judged_as_the_reference_does(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 1u << 24; value += value < 1u << 16 ? 1 : 3) {
        uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), 0};
        if (value < 256)
            compare(bytes, 1);
        if (value < 65536)
            compare(bytes, 2);
        compare(bytes, 3);
    }
}

static void four_bytes_of_every_class_are_judged_as_the_reference_does(void **state)
{
    (void)state;
    /* The ends of every range that is in a rule. */
    static const uint8_t classes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1,
                                      0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1,
                                      0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF};
    size_t count = sizeof classes;
    for (size_t i = 0; i < count * count * count * count; i++) {
        uint8_t bytes[4] = {classes[i % count], classes[i / count % count],
                            classes[i / count / count % count], classes[i / count / count / count]};
        compare(bytes, 4);
    }
}

static uint32_t random_state = 1;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Text of characters of all lengths, sometimes with a byte that may be wrong. */
static size_t make_text(uint8_t *out, size_t size)
{
    static const char *const parts[] = {"plain ascii, and more of it; ",
                                        "\xc3\xa4\xc3\xb6",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "x",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80"};
    size_t at = 0;
    while (at + 32 < size) {
        const char *part = parts[next_random() % 7];
        memcpy(out + at, part, strlen(part));
        at += strlen(part);
    }
    if (next_random() % 2 == 0 && at > 0)
        out[next_random() % at] = (uint8_t)next_random();
    return at;
}

static void long_texts_are_judged_as_the_reference_does(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t text[600];
        size_t size = make_text(text, 40 + next_random() % 560);
        uint8_t *exact = malloc(size + 4);
        assert_non_null(exact);
        memcpy(exact, text, size);
        memset(exact + size, 0, 4);
        compare(exact, size);
        free(exact);
    }
}

/* A kernel may return too little, by less than a block, and never the inside of a character. */
static void check_kernel(weir__utf8_kernel *kernel, size_t step, const uint8_t *text, size_t size)
{
    bool complete;
    size_t valid = reference(text, size, &complete);
    size_t skipped = kernel(text, size);
    bool whole;
    if (skipped > valid || reference(text, skipped, &whole) != skipped || !whole)
        fail_msg("skipped %zu of %zu", skipped, valid);
    if (step != 0)
        assert_true(skipped + step + 3 >= valid);
}

static void kernels_skip_valid_text_alone(void **state)
{
    (void)state;
    for (int kind = 0; kind < WEIR__UTF8_KINDS; kind++) {
        weir__utf8_kernel *kernel = weir__utf8_kernel_of((enum weir__utf8_kind)kind);
        if (kernel == NULL)
            continue;
        for (int i = 0; i < 20000; i++) {
            uint8_t text[600];
            size_t size = make_text(text, 40 + next_random() % 560);
            check_kernel(kernel, kind == WEIR__UTF8_WORDS ? 0 : 64, text, size);
        }
    }
    assert_non_null(weir__utf8_kernel_of(WEIR__UTF8_WORDS));
    assert_null(weir__utf8_kernel_of(WEIR__UTF8_KINDS));
}

static void kernels_judge_every_pair_and_class_at_every_place(void **state)
{
    (void)state;
    static const uint8_t classes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                      0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF,
                                      0xF0, 0xF1, 0xF4, 0xF5, 0xF8, 0xFF};
    size_t count = sizeof classes;
    for (int kind = WEIR__UTF8_AVX2; kind < WEIR__UTF8_KINDS; kind++) {
        weir__utf8_kernel *kernel = weir__utf8_kernel_of((enum weir__utf8_kind)kind);
        if (kernel == NULL)
            continue;
        for (size_t i = 0; i < count * count * count * count; i++) {
            uint8_t text[192];
            memset(text, 'a', sizeof text);
            size_t at = 28 + i % 40 + (i % 3 == 0 ? 64 : 0);
            for (size_t k = 0, rest = i; k < 4; k++, rest /= count)
                text[at + k] = classes[rest % count];
            check_kernel(kernel, 64, text, sizeof text);
        }
    }
}

static void every_cut_gives_the_same_verdict_at_the_same_byte(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        uint8_t text[200];
        size_t size = make_text(text, 40 + next_random() % 160);
        bool complete;
        size_t expected = reference(text, size, &complete);
        for (size_t cut = 0; cut <= size; cut++) {
            weir_utf8 utf8 = {0};
            size_t first = 0;
            size_t second = 0;
            int status = weir_utf8_feed(&utf8, text, cut, &first);
            if (status == WEIR_OK)
                status = weir_utf8_feed(&utf8, text + cut, size - cut, &second);
            assert_int_equal(first + second, expected);
            assert_int_equal(status, expected == size ? WEIR_OK : WEIR_EUTF8);
        }
    }
}

static void byte_by_byte_gives_the_same_verdict_at_the_same_byte(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        uint8_t text[200];
        size_t size = make_text(text, 40 + next_random() % 160);
        bool complete;
        size_t expected = reference(text, size, &complete);
        weir_utf8 utf8 = {0};
        size_t at = 0;
        while (at < size && weir_utf8_feed(&utf8, text + at, 1, NULL) == WEIR_OK)
            at++;
        assert_int_equal(at, expected);
    }
}

static void the_first_impossible_byte_is_found_at_every_place(void **state)
{
    (void)state;
    for (size_t size = 1; size < 200; size++)
        for (size_t at = 0; at < size; at++) {
            uint8_t text[200];
            memset(text, 'a', size);
            text[at] = 0xFF;
            weir_utf8 utf8 = {0};
            size_t valid;
            assert_int_equal(weir_utf8_feed(&utf8, text, size, &valid), WEIR_EUTF8);
            assert_int_equal(valid, at);
        }
}

static void nothing_is_valid_and_complete(void **state)
{
    (void)state;
    weir_utf8 utf8 = {0};
    assert_int_equal(weir_utf8_feed(&utf8, NULL, 0, NULL), WEIR_OK);
    assert_true(weir_utf8_is_complete(&utf8));
    assert_true(weir_utf8_is_valid(NULL, 0));
    assert_true(sizeof utf8 <= 8);
}

static void a_cut_never_divides_a_character(void **state)
{
    (void)state;
    static const char text[] = "aaaa\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t cuts[] = {0, 1, 2, 3, 4, 4, 6, 6, 6, 9, 9, 9, 9, 13, 13};
    for (size_t limit = 0; limit < sizeof cuts / sizeof *cuts; limit++)
        assert_int_equal(weir_utf8_cut(text, 13, limit), cuts[limit]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_sequences_of_one_to_three_bytes_are_judged_as_the_reference_does),
        cmocka_unit_test(four_bytes_of_every_class_are_judged_as_the_reference_does),
        cmocka_unit_test(long_texts_are_judged_as_the_reference_does),
        cmocka_unit_test(kernels_skip_valid_text_alone),
        cmocka_unit_test(kernels_judge_every_pair_and_class_at_every_place),
        cmocka_unit_test(every_cut_gives_the_same_verdict_at_the_same_byte),
        cmocka_unit_test(byte_by_byte_gives_the_same_verdict_at_the_same_byte),
        cmocka_unit_test(the_first_impossible_byte_is_found_at_every_place),
        cmocka_unit_test(nothing_is_valid_and_complete),
        cmocka_unit_test(a_cut_never_divides_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
