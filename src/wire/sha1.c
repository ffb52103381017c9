#include "wire/sha1.h"

#include <string.h>

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static uint32_t load_big_endian(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static void store_big_endian(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        out[i] = (uint8_t)value;
}

/* The function and constant of round t (FIPS 180-4 4.1.1, 4.2.1). */
static uint32_t round_term(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5A827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ED9EBA1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    return (b ^ c ^ d) + 0xCA62C1D6;
}

static void hash_block(uint32_t hash[5], const uint8_t *block)
{
    uint32_t schedule[80];
    for (unsigned t = 0; t < 16; t++)
        schedule[t] = load_big_endian(block + (size_t)t * 4);
    for (unsigned t = 16; t < 80; t++)
        schedule[t] =
            rotate(schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16], 1);

    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + round_term(t, b, c, d) + e + schedule[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

void weir__sha1_init(weir__sha1 *sha1)
{
    *sha1 = (weir__sha1){.hash = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}};
}

void weir__sha1_feed(weir__sha1 *sha1, const void *data, size_t size)
{
    const uint8_t *in = data;
    while (size > 0) {
        size_t used = sha1->size % sizeof sha1->block;
        size_t room = sizeof sha1->block - used;
        size_t part = size < room ? size : room;
        memcpy(sha1->block + used, in, part);
        sha1->size += part;
        in += part;
        size -= part;
        if (part == room)
            hash_block(sha1->hash, sha1->block);
    }
}

void weir__sha1_end(weir__sha1 *sha1, uint8_t out[WEIR__SHA1_SIZE])
{
    static const uint8_t padding[64] = {0x80};
    uint8_t length[8];
    store_big_endian(length, sha1->size * 8, sizeof length);

    size_t used = sha1->size % 64;
    weir__sha1_feed(sha1, padding, used < 56 ? 56 - used : 120 - used);
    weir__sha1_feed(sha1, length, sizeof length);
    for (size_t i = 0; i < 5; i++)
        store_big_endian(out + i * 4, sha1->hash[i], 4);
}
