#include "support/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_fail(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

uint8_t fuzz_take(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    FUZZ_CHECK(copy != NULL || size == 0);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

struct fuzz_cuts fuzz_cuts_of(uint8_t seed)
{
    static const uint32_t longest[] = {1, 2, 5, 20, 100, 1000};
    return (struct fuzz_cuts){.state = seed, .longest = seed == 0 ? UINT32_MAX : longest[seed % 6]};
}

size_t fuzz_next_cut(struct fuzz_cuts *cuts, size_t left)
{
    size_t size = cuts->longest == UINT32_MAX ? left : 1 + fuzz_draw(&cuts->state) % cuts->longest;
    return size < left ? size : left;
}

uint32_t fuzz_draw(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

void fuzz_random(void *out, size_t size, void *state)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)fuzz_draw(state);
}

void fuzz_log(weir_buffer *log, const void *data, size_t size)
{
    if (size > 0)
        FUZZ_CHECK(weir_buffer_append(log, data, size) == WEIR_OK);
}

void fuzz_log_number(weir_buffer *log, uint64_t number)
{
    fuzz_log(log, &number, sizeof number);
}

void fuzz_compare(weir_buffer *a, weir_buffer *b)
{
    FUZZ_CHECK(a->size == b->size);
    FUZZ_CHECK(a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
    weir_buffer_fini(a);
    weir_buffer_fini(b);
}

/* Whether some character of UTF-8 begins with these size bytes: all that could are tried. */
static bool begins_character(const uint8_t *bytes, size_t size, bool *whole)
{
    static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000};
    static const uint32_t last[] = {0, 0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    static const uint8_t lead_mask[] = {0, 0x80, 0xE0, 0xF0, 0xF8};
    for (size_t length = 1; length <= 4; length++) {
        if ((bytes[0] & lead_mask[length]) != lead[length] || size > length)
            continue;
        uint32_t low = bytes[0] & (uint32_t)~lead_mask[length];
        for (size_t i = 1; i < size; i++) {
            if (bytes[i] >> 6 != 2)
                return false;
            low = low << 6 | (bytes[i] & 0x3F);
        }
        size_t missing = 6 * (length - size);
        low <<= missing;
        uint32_t high = low + ((uint32_t)1 << missing) - 1;
        *whole = size == length;
        bool surrogates_alone = low >= 0xD800 && high <= 0xDFFF;
        return high >= first[length] && low <= last[length] && !surrogates_alone;
    }
    return false;
}

size_t fuzz_utf8_prefix(const uint8_t *data, size_t size, bool *complete)
{
    size_t start = 0;
    bool whole = true;
    for (size_t at = 0; at < size; at++) {
        if (!begins_character(data + start, at + 1 - start, &whole)) {
            *complete = at == start;
            return at;
        }
        if (whole)
            start = at + 1;
    }
    *complete = start == size;
    return size;
}
