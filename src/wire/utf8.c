#include <weir/utf8.h>

#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* What may follow a first byte (RFC 3629 4: the table of UTF8-2, UTF8-3 and UTF8-4). wanted stays 0 for a byte that begins
 * nothing. The second byte's range is what keeps out overlong forms, surrogates and what is over U+10FFFF. */
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

/* One byte more; false when it cannot stand there. */
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

/* The first byte at or after at that is not ASCII, or end; may stop short of it by less than a word. */
static const uint8_t *skip_ascii(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 16) {
        uint64_t words[2];
        memcpy(words, at, sizeof words);
        if (((words[0] | words[1]) & HIGH_BITS) != 0)
            break;
        at += 16;
    }
    while (at < end && *at < 0x80)
        at++;
    return at;
}

int weir_utf8_feed(weir_utf8 *state, const void *data, size_t size, size_t *valid_size)
{
    const uint8_t *begin = data;
    const uint8_t *end = size > 0 ? begin + size : begin;
    const uint8_t *at = begin;
    while (at < end) {
        if (state->wanted == 0) {
            at = skip_ascii(at, end);
            if (at == end)
                break;
        }
        if (!step(state, *at))
            break;
        at++;
    }
    if (valid_size != NULL)
        *valid_size = (size_t)(at - begin);
    return at == end ? WEIR_OK : WEIR_EUTF8;
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
