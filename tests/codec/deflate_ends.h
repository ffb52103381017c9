/* tests/codec/deflate_ends.h - the codecs of both ends of a connection, and messages through them.
 * Include it after cmocka. */
#ifndef WEIR_TESTS_DEFLATE_ENDS_H
#define WEIR_TESTS_DEFLATE_ENDS_H

#include "support/failing_allocator.h"

#include <weir/buffer.h>
#include <weir/deflate_codec.h>

#include <stdlib.h>
#include <string.h>

/* Both ends of a connection, on one thread. */
struct ends {
    failing_allocator memory;
    weir_deflate *shared;
    weir_codec *server;
    weir_codec *client;
};

static inline void open_ends(struct ends *ends, const weir_deflate_options *options,
                             const weir_deflate_terms *terms)
{
    failing_allocator_init(&ends->memory, 0);
    assert_int_equal(weir_deflate_new(&ends->shared, &ends->memory.allocator), WEIR_OK);
    assert_int_equal(
        weir_deflate_codec_new(&ends->server, ends->shared, WEIR_ROLE_SERVER, options, terms),
        WEIR_OK);
    assert_int_equal(
        weir_deflate_codec_new(&ends->client, ends->shared, WEIR_ROLE_CLIENT, options, terms),
        WEIR_OK);
}

static inline void close_ends(struct ends *ends)
{
    ends->server->ops->free(ends->server);
    ends->client->ops->free(ends->client);
    weir_deflate_free(ends->shared);
    assert_true(failing_allocator_is_clean(&ends->memory));
}

/* --- contents --- */

static inline uint8_t random_byte(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint8_t)(*state >> 24);
}

/* Words that repeat, some from far back. */
static inline void fill_with_words(uint8_t *out, size_t size, uint32_t seed)
{
    static const char *const words[] = {"weir ",        "{\"id\":", "river",
                                        ",\"name\":\"", "flow",     "1234"};
    size_t at = 0;
    while (at < size) {
        const char *word = words[random_byte(&seed) % 6];
        size_t length = strlen(word);
        for (size_t i = 0; i < length && at < size; i++)
            out[at++] = (uint8_t)word[i];
        if (at < size && random_byte(&seed) < 40)
            out[at++] = random_byte(&seed);
    }
}

static inline void fill_at_random(uint8_t *out, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++)
        out[i] = random_byte(&seed);
}

/* --- one message --- */

/* Encodes into an allocation of exactly the bound, so that AddressSanitizer finds one byte too
 * many. */
static inline void encode(weir_codec *codec, weir_buffer *out, const uint8_t *data, size_t size,
                          bool last)
{
    size_t bound = codec->ops->bound(codec, size);
    uint8_t *room = malloc(bound);
    assert_non_null(room);
    weir_codec_outgoing part = {.data = data, .size = size, .last = last, .out = room};
    assert_int_equal(codec->ops->encode(codec, &part), WEIR_OK);
    assert_true(part.out_size <= bound);
    assert_int_equal(weir_buffer_append(out, room, part.out_size), WEIR_OK);
    free(room);
}

/* Decodes a part in an allocation of exactly its size. */
static inline int decode(weir_codec *codec, weir_buffer *out, const uint8_t *data, size_t size,
                         bool last)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    weir_codec_incoming part = {.data = copy, .size = size, .last = last};
    int status;
    do {
        status = codec->ops->decode(codec, &part);
        if (status != WEIR_OK)
            break;
        assert_true(part.eaten <= part.size);
        assert_true(part.out_size > 0 || part.eaten == part.size);
        if (part.out_size > 0)
            assert_int_equal(weir_buffer_append(out, part.out, part.out_size), WEIR_OK);
        part.data += part.eaten;
        part.size -= part.eaten;
    } while (part.size > 0);
    free(copy);
    return status;
}

#endif
