#include "wire/base64.h"

#include <weir/base.h>

static char digit_of(uint32_t six_bits)
{
    static const char alphabet[64 + 1] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return alphabet[six_bits & 63];
}

/* -1: not of the alphabet. */
static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

void weir__base64_encode(char *out, const uint8_t *in, size_t size)
{
    for (; size > 0; out += 4) {
        size_t part = size < 3 ? size : 3;
        uint32_t group = (uint32_t)in[0] << 16;
        if (part > 1)
            group |= (uint32_t)in[1] << 8;
        if (part > 2)
            group |= in[2];
        out[0] = digit_of(group >> 18);
        out[1] = digit_of(group >> 12);
        out[2] = part > 1 ? digit_of(group >> 6) : '=';
        out[3] = part > 2 ? digit_of(group) : '=';
        in += part;
        size -= part;
    }
    *out = '\0';
}

/* Digits without padding become 6 bits each; whole bytes are written. */
static int decode_digits(uint8_t *out, const char *in, size_t size)
{
    uint32_t pending = 0;
    unsigned bits = 0;
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        int value = digit_value(in[i]);
        if (value < 0)
            return WEIR_EPROTOCOL;
        pending = pending << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[count++] = (uint8_t)(pending >> bits);
        }
    }
    return (int)count;
}

int weir__base64_decode(uint8_t *out, size_t capacity, const char *in, size_t size)
{
    if (size % 4 != 0)
        return WEIR_EPROTOCOL;
    size_t padding = 0;
    while (padding < 2 && padding < size && in[size - 1 - padding] == '=')
        padding++;
    if (size / 4 * 3 - padding > capacity)
        return WEIR_ETOOBIG;
    return decode_digits(out, in, size - padding);
}
