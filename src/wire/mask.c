#include <weir/mask.h>

#include <string.h>

/* The key as it applies to bytes that follow offset bytes of payload, repeated to the size of a word. */
static uint64_t turn_key(const uint8_t key[4], uint64_t offset)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = key[(offset + i) & 3];
    uint64_t word;
    memcpy(&word, turned, sizeof word);
    return word;
}

/* Each run masks what is a multiple of its width and returns how much that was: a multiple of 4, so the key fits on. */
static size_t mask_words(uint8_t *dst, const uint8_t *src, size_t size, uint64_t key)
{
    size_t at = 0;
    for (; size - at >= sizeof key; at += sizeof key) {
        uint64_t word;
        memcpy(&word, src + at, sizeof word);
        word ^= key;
        memcpy(dst + at, &word, sizeof word);
    }
    return at;
}

static void mask_tail(uint8_t *dst, const uint8_t *src, size_t size, uint64_t key)
{
    uint8_t bytes[8];
    memcpy(bytes, &key, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        dst[i] = src[i] ^ bytes[i];
}

void weir_mask_copy(void *dst, const void *src, size_t size, const uint8_t key[4], uint64_t offset)
{
    if (size == 0)
        return;
    uint64_t word = turn_key(key, offset);
    uint8_t *to = dst;
    const uint8_t *from = src;
    size_t done = mask_words(to, from, size, word);
    mask_tail(to + done, from + done, size - done, word);
}

void weir_mask(void *data, size_t size, const uint8_t key[4], uint64_t offset)
{
    weir_mask_copy(data, data, size, key, offset);
}
