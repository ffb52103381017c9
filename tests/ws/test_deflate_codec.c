/* The codec of permessage-deflate against plain zlib, the examples of RFC 7692, and streams that break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "support/failing_allocator.h"

#include <weir/buffer.h>
#include <weir/deflate_codec.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define SIZE_MOST ((size_t)200000)

/* Both ends of a connection, on one thread. */
struct ends {
    failing_allocator memory;
    weir_deflate *shared;
    weir_codec *server;
    weir_codec *client;
};

static void open_ends(struct ends *ends, const weir_deflate_options *options,
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

static void close_ends(struct ends *ends)
{
    ends->server->ops->free(ends->server);
    ends->client->ops->free(ends->client);
    weir_deflate_free(ends->shared);
    assert_true(failing_allocator_is_clean(&ends->memory));
}

/* --- contents --- */

static uint8_t random_byte(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (uint8_t)(*state >> 24);
}

/* Words again and again, of which some are far back. */
static void fill_with_words(uint8_t *out, size_t size, uint32_t seed)
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

static void fill_at_random(uint8_t *out, size_t size, uint32_t seed)
{
    for (size_t i = 0; i < size; i++)
        out[i] = random_byte(&seed);
}

/* --- one message --- */

/* Encodes into an allocation of exactly the bound, so that AddressSanitizer sees one byte too many. */
static void encode(weir_codec *codec, weir_buffer *out, const uint8_t *data, size_t size, bool last)
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
static int decode(weir_codec *codec, weir_buffer *out, const uint8_t *data, size_t size, bool last)
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

/* What plain zlib makes of all messages of one direction, with a window of so many bits and not one more. */
struct judge {
    z_stream z;
    bool forgets;
};

static void open_judge(struct judge *judge, unsigned window_bits, bool forgets)
{
    memset(judge, 0, sizeof *judge);
    judge->forgets = forgets;
    assert_int_equal(inflateInit2(&judge->z, -(int)window_bits), Z_OK);
}

static void expect_judged(struct judge *judge, const weir_buffer *coded, const uint8_t *data,
                          size_t size)
{
    uint8_t *out = malloc(size + 1);
    uint8_t *in = malloc(coded->size + 4);
    assert_non_null(out);
    assert_non_null(in);
    memcpy(in, coded->data, coded->size);
    memcpy(in + coded->size, "\0\0\xff\xff", 4);
    judge->z.next_in = in;
    judge->z.avail_in = (uInt)coded->size + 4;
    judge->z.next_out = out;
    judge->z.avail_out = (uInt)size + 1;
    int status = inflate(&judge->z, Z_SYNC_FLUSH);
    /* A final block is allowed where nothing refers back. */
    assert_true(status == Z_OK || (status == Z_STREAM_END && judge->forgets));
    assert_int_equal(judge->z.avail_out, 1);
    assert_memory_equal(out, data, size);
    if (judge->forgets)
        assert_int_equal(inflateReset(&judge->z), Z_OK);
    free(in);
    free(out);
}

static void expect_round_trip(weir_codec *from, weir_codec *to, struct judge *judge,
                              const uint8_t *data, size_t size)
{
    weir_buffer coded = {0};
    weir_buffer plain = {0};
    encode(from, &coded, data, size, true);
    assert_true(coded.size > 0);
    expect_judged(judge, &coded, data, size);
    assert_int_equal(decode(to, &plain, coded.data, coded.size, true), WEIR_OK);
    assert_int_equal(plain.size, size);
    if (size > 0)
        assert_memory_equal(plain.data, data, size);
    weir_buffer_fini(&coded);
    weir_buffer_fini(&plain);
}

/* --- every setting --- */

static void exchange(const weir_deflate_options *options, const weir_deflate_terms *terms)
{
    static const size_t sizes[] = {0, 1, 2, 100, 256, 257, 1000, 0, 5000, 70000};
    uint8_t *data = malloc(SIZE_MOST);
    struct ends ends;
    struct judge of_server;
    struct judge of_client;
    assert_non_null(data);
    open_ends(&ends, options, terms);
    open_judge(&of_server, terms->server_max_window_bits, terms->server_no_context_takeover);
    open_judge(&of_client, terms->client_max_window_bits, terms->client_no_context_takeover);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill_with_words(data, sizes[i], 7);
        expect_round_trip(ends.server, ends.client, &of_server, data, sizes[i]);
        expect_round_trip(ends.client, ends.server, &of_client, data, sizes[i]);
    }
    inflateEnd(&of_server.z);
    inflateEnd(&of_client.z);
    close_ends(&ends);
    free(data);
}

static void every_window_suits_an_inflater_with_just_that_window(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8 * 4; i++) {
        uint8_t bits = (uint8_t)(8 + i % 8);
        weir_deflate_terms terms = {.server_no_context_takeover = i / 8 % 2 != 0,
                                    .client_no_context_takeover = i / 16 != 0,
                                    .server_max_window_bits = bits,
                                    .client_max_window_bits = (uint8_t)(23 - bits)};
        weir_deflate_options options = {.server_context_takeover =
                                            !terms.server_no_context_takeover,
                                        .client_context_takeover = true};
        exchange(&options, &terms);
    }
}

static void every_level_works(void **state)
{
    (void)state;
    weir_deflate_terms terms = {.server_max_window_bits = 15, .client_max_window_bits = 15};
    for (uint8_t level = 1; level <= 9; level++) {
        terms.server_no_context_takeover = terms.client_no_context_takeover = level % 2 != 0;
        exchange(&(weir_deflate_options){.level = level,
                                         .memory_level = (uint8_t)(10 - level),
                                         .server_context_takeover = true},
                 &terms);
    }
}

/* What does not shrink needs all the room it can: at the least memory level most of all. */
static void nothing_grows_over_its_bound(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 5, 127, 128, 129, 1000, 20000, SIZE_MOST};
    uint8_t *data = malloc(SIZE_MOST);
    assert_non_null(data);
    for (unsigned i = 0; i < 9 * 3; i++) {
        static const uint8_t levels[] = {1, 6, 9};
        weir_deflate_terms terms = {.server_no_context_takeover = i % 2 != 0,
                                    .server_max_window_bits = (uint8_t)(8 + i % 8),
                                    .client_max_window_bits = 15};
        weir_deflate_options options = {.server_context_takeover = true,
                                        .level = levels[i / 9],
                                        .memory_level = (uint8_t)(1 + i % 9)};
        struct ends ends;
        struct judge judge;
        open_ends(&ends, &options, &terms);
        open_judge(&judge, terms.server_max_window_bits, terms.server_no_context_takeover);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            fill_at_random(data, sizes[k], (uint32_t)k);
            expect_round_trip(ends.server, ends.client, &judge, data, sizes[k]);
            /* Bytes that fixed codes make longer, and that no match can be found for. */
            for (size_t at = 0; at < sizes[k]; at++)
                data[at] |= 0x90;
            expect_round_trip(ends.server, ends.client, &judge, data, sizes[k]);
        }
        inflateEnd(&judge.z);
        close_ends(&ends);
    }
    free(data);
}

static void takeover_makes_a_repeated_message_smaller(void **state)
{
    (void)state;
    uint8_t data[1000];
    weir_buffer first = {0};
    weir_buffer second = {0};
    struct ends ends;
    fill_with_words(data, sizeof data, 3);
    open_ends(&ends, &(weir_deflate_options){.server_context_takeover = true},
              &(weir_deflate_terms){.client_no_context_takeover = true});
    encode(ends.server, &first, data, sizeof data, true);
    encode(ends.server, &second, data, sizeof data, true);
    assert_true(second.size < first.size / 5);
    first.size = second.size = 0;
    encode(ends.client, &first, data, sizeof data, true);
    encode(ends.client, &second, data, sizeof data, true);
    assert_int_equal(first.size, second.size);
    weir_buffer_fini(&first);
    weir_buffer_fini(&second);
    close_ends(&ends);
}

/* A client whose wish to forget was not granted sends streams without an end in them: the server may go on with one inflater. */
static void forgetting_without_agreement_leaves_no_final_block(void **state)
{
    (void)state;
    uint8_t data[1000];
    struct ends ends;
    struct judge judge;
    fill_with_words(data, sizeof data, 3);
    open_ends(&ends, &(weir_deflate_options){0}, &(weir_deflate_terms){0});
    open_judge(&judge, 15, false);
    for (int i = 0; i < 5; i++)
        expect_round_trip(ends.client, ends.server, &judge, data, sizeof data);
    inflateEnd(&judge.z);
    close_ends(&ends);
}

/* --- parts --- */

static void fragments_are_one_message_however_they_are_cut(void **state)
{
    (void)state;
    uint8_t data[600];
    fill_with_words(data, sizeof data, 9);
    for (unsigned takeover = 0; takeover < 2; takeover++) {
        struct ends ends;
        weir_deflate_terms terms = {.server_no_context_takeover = takeover == 0,
                                    .server_max_window_bits = 9};
        struct judge judge;
        open_ends(&ends, &(weir_deflate_options){.server_context_takeover = true}, &terms);
        open_judge(&judge, 9, takeover == 0);
        for (size_t cut = 0; cut <= sizeof data; cut += 37) {
            weir_buffer coded = {0};
            weir_buffer plain = {0};
            encode(ends.server, &coded, data, cut, false);
            size_t border = coded.size;
            encode(ends.server, &coded, data + cut, sizeof data - cut, false);
            if (cut % 2 == 0)
                encode(ends.server, &coded, NULL, 0, false);
            encode(ends.server, &coded, NULL, 0, true);
            expect_judged(&judge, &coded, data, sizeof data);
            assert_int_equal(decode(ends.client, &plain, coded.data, border, false), WEIR_OK);
            assert_int_equal(plain.size, cut); /* all that was sent is there, before the rest is */
            assert_int_equal(
                decode(ends.client, &plain, coded.data + border, coded.size - border, true),
                WEIR_OK);
            assert_int_equal(plain.size, sizeof data);
            assert_memory_equal(plain.data, data, sizeof data);
            weir_buffer_fini(&coded);
            weir_buffer_fini(&plain);
        }
        inflateEnd(&judge.z);
        close_ends(&ends);
    }
}

static void any_split_of_the_input_gives_the_same(void **state)
{
    (void)state;
    uint8_t *data = malloc(SIZE_MOST);
    struct ends ends;
    weir_buffer coded = {0};
    assert_non_null(data);
    memset(data, 'a', SIZE_MOST); /* a byte of input is hundreds of output: more than one step */
    fill_with_words(data, 300, 5);
    open_ends(&ends, &(weir_deflate_options){0},
              &(weir_deflate_terms){.server_no_context_takeover = true});
    encode(ends.server, &coded, data, SIZE_MOST, true);
    for (size_t chunk = 1; chunk <= coded.size; chunk++) {
        weir_buffer plain = {0};
        for (size_t at = 0; at < coded.size; at += chunk) {
            size_t left = coded.size - at;
            assert_int_equal(decode(ends.client, &plain, coded.data + at,
                                    chunk < left ? chunk : left, chunk >= left),
                             WEIR_OK);
        }
        assert_int_equal(plain.size, SIZE_MOST);
        assert_memory_equal(plain.data, data, SIZE_MOST);
        weir_buffer_fini(&plain);
    }
    weir_buffer_fini(&coded);
    close_ends(&ends);
    free(data);
}

/* Messages in the middle, on more connections than streams rest. */
static void connections_do_not_mix(void **state)
{
    (void)state;
    enum { COUNT = 12 };
    struct ends ends;
    weir_codec *codecs[COUNT];
    weir_buffer coded[COUNT] = {{0}};
    uint8_t data[COUNT][400];
    weir_deflate_terms terms = {.server_no_context_takeover = true,
                                .client_no_context_takeover = true};
    open_ends(&ends, &(weir_deflate_options){0}, &terms);
    for (int i = 0; i < COUNT; i++) {
        fill_with_words(data[i], sizeof data[i], (uint32_t)i);
        assert_int_equal(weir_deflate_codec_new(&codecs[i], ends.shared, WEIR_ROLE_SERVER,
                                                &(weir_deflate_options){.level = (uint8_t)(i % 10)},
                                                &terms),
                         WEIR_OK);
    }
    size_t at_rest = ends.memory.live_bytes;
    for (size_t round = 0; round < 4; round++)
        for (int i = 0; i < COUNT; i++)
            encode(codecs[i], &coded[i], data[i] + 100 * round, 100, round == 3);
    for (int i = 0; i < COUNT; i++) {
        weir_buffer plain = {0};
        assert_int_equal(decode(ends.client, &plain, coded[i].data, coded[i].size, true), WEIR_OK);
        assert_int_equal(plain.size, sizeof data[i]);
        assert_memory_equal(plain.data, data[i], sizeof data[i]);
        weir_buffer_fini(&plain);
        weir_buffer_fini(&coded[i]);
    }
    /* Four compressors and an inflater rest, whatever was in use. */
    assert_true(ends.memory.live_bytes - at_rest < (size_t)5 * 300 * 1024);
    for (int i = 0; i < COUNT; i++)
        codecs[i]->ops->free(codecs[i]);
    close_ends(&ends);
}

static void connections_at_rest_hold_no_stream_without_takeover(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    struct ends ends;
    weir_codec *codecs[COUNT];
    uint8_t data[3000];
    weir_deflate_terms terms = {.server_no_context_takeover = true,
                                .client_no_context_takeover = true};
    fill_with_words(data, sizeof data, 1);
    open_ends(&ends, &(weir_deflate_options){0}, &terms);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(weir_deflate_codec_new(&codecs[i], ends.shared, WEIR_ROLE_SERVER,
                                                &(weir_deflate_options){0}, &terms),
                         WEIR_OK);
    size_t before = ends.memory.live_bytes;
    for (int i = 0; i < COUNT; i++) {
        weir_buffer coded = {0};
        weir_buffer plain = {0};
        encode(codecs[i], &coded, data, sizeof data / 2, false);
        encode(codecs[i], &coded, data, sizeof data / 2, true);
        assert_int_equal(decode(codecs[i], &plain, coded.data, coded.size / 2, false), WEIR_OK);
        assert_int_equal(decode(codecs[i], &plain, coded.data + coded.size / 2,
                                coded.size - coded.size / 2, true),
                         WEIR_OK);
        weir_buffer_fini(&coded);
        weir_buffer_fini(&plain);
        if (i == 0)
            before = ends.memory.live_bytes; /* one compressor and one inflater, for all */
    }
    assert_int_equal(ends.memory.live_bytes, before);
    for (int i = 0; i < COUNT; i++)
        codecs[i]->ops->free(codecs[i]);
    close_ends(&ends);
}

/* --- what others send --- */

struct stream {
    const char *bytes;
    size_t size;
    const char *text; /* NULL: it breaks */
};

#define STREAM(bytes_, text_)                                                                      \
    {                                                                                              \
        bytes_, sizeof(bytes_) - 1, text_                                                          \
    }

/* Whole and byte by byte, by a session that forgets and by one that does not. */
static void expect_stream(const struct stream *stream)
{
    for (unsigned i = 0; i < 4; i++) {
        struct ends ends;
        weir_buffer plain = {0};
        const uint8_t *bytes = (const uint8_t *)stream->bytes;
        size_t chunk = i / 2 == 0 ? stream->size : 1;
        int status = WEIR_OK;
        open_ends(&ends, &(weir_deflate_options){0},
                  &(weir_deflate_terms){.client_no_context_takeover = i % 2 == 0});
        for (size_t at = 0; status == WEIR_OK && at < stream->size; at += chunk)
            status = decode(ends.server, &plain, bytes + at, chunk, at + chunk == stream->size);
        if ((status == WEIR_OK) != (stream->text != NULL))
            print_error("%02x %02x ... (%zu bytes, case %u)\n", bytes[0], bytes[1], stream->size,
                        i);
        assert_int_equal(status, stream->text != NULL ? WEIR_OK : WEIR_EPROTOCOL);
        if (stream->text != NULL) {
            assert_int_equal(plain.size, strlen(stream->text));
            assert_memory_equal(plain.data, stream->text, plain.size);
        }
        weir_buffer_fini(&plain);
        close_ends(&ends);
    }
}

static void examples_of_the_rfc_are_understood(void **state)
{
    (void)state;
    static const struct stream streams[] = {
        STREAM("\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"),
        STREAM("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),         /* stored */
        STREAM("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),                     /* final */
        STREAM("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"), /* two */
        STREAM("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"),
        STREAM("\x03\x00\x03\x00\x00", ""), /* nothing but empty final blocks */
        STREAM("\x00\x00\x00\xff\xff\x00", ""),
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        expect_stream(&streams[i]);
    expect_stream(&(struct stream){"\0", 1, ""});
}

static void a_final_block_does_not_end_the_window(void **state)
{
    (void)state;
    static const uint8_t first[] = {0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00};
    static const uint8_t second[] = {0xf2, 0x00, 0x11, 0x00, 0x00}; /* refers to the first */
    struct ends ends;
    weir_buffer plain = {0};
    open_ends(&ends, &(weir_deflate_options){0}, &(weir_deflate_terms){0});
    assert_int_equal(decode(ends.server, &plain, first, sizeof first, true), WEIR_OK);
    assert_int_equal(decode(ends.server, &plain, second, sizeof second, true), WEIR_OK);
    assert_int_equal(plain.size, 10);
    assert_memory_equal(plain.data, "HelloHello", 10);
    weir_buffer_fini(&plain);
    close_ends(&ends);
}

static void broken_streams_are_told(void **state)
{
    (void)state;
    static const struct stream streams[] = {
        STREAM("\xff\xff\xff", NULL),                 /* no such kind of block */
        STREAM("\xf2\x48\xcd\xc9", NULL),             /* ends within a block */
        STREAM("\xf2\x48\xcd\xc9\xc9\x07", NULL),     /* no empty block at its end */
        STREAM("\xf3\x48\xcd\xc9\xc9\x07\x00", NULL), /* nor after a final one */
        STREAM("\x00\x05\x00\xfa\xff\x48\x65", NULL), /* ends within a stored block */
        STREAM("\x00\x05\x00\xff\xff\x48\x65\x6c\x6c\x6f\x00", NULL), /* its length is wrong */
        STREAM("\xf2\x00\x11\x00\x00", NULL),                         /* refers to what was not */
        STREAM("\xf2\x48\xcd\xc9\xc9\x07\x00\xff", NULL),             /* something behind */
        STREAM("\x04\x00\x00\x00\x00\x00\x00\x00", NULL),             /* codes that are none */
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        expect_stream(&streams[i]);
}

/* Every byte of a good stream changed to every value: whatever comes of it comes in one piece and in many. */
static void whole_and_in_pieces_always_agree(void **state)
{
    (void)state;
    static const uint8_t good[] = {0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0x28,
                                   0xcf, 0x2f, 0xca, 0x49, 0x01, 0x00};
    for (size_t at = 0; at < sizeof good; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t bytes[sizeof good];
            weir_buffer whole = {0};
            weir_buffer pieces = {0};
            struct ends ends;
            memcpy(bytes, good, sizeof good);
            bytes[at] = (uint8_t)value;
            open_ends(&ends, &(weir_deflate_options){0},
                      &(weir_deflate_terms){.client_no_context_takeover = true,
                                            .server_no_context_takeover = true});
            int of_whole = decode(ends.server, &whole, bytes, sizeof bytes, true);
            int of_pieces = WEIR_OK;
            for (size_t i = 0; of_pieces == WEIR_OK && i < sizeof bytes; i++)
                of_pieces = decode(ends.client, &pieces, bytes + i, 1, i + 1 == sizeof bytes);
            assert_int_equal(of_whole, of_pieces);
            assert_int_equal(whole.size, pieces.size);
            if (whole.size > 0)
                assert_memory_equal(whole.data, pieces.data, whole.size);
            weir_buffer_fini(&whole);
            weir_buffer_fini(&pieces);
            close_ends(&ends);
        }
    }
}

/* --- memory --- */

/* As expect_round_trip, as far as memory goes. */
static int converse(struct ends *ends, const uint8_t *data, size_t size)
{
    uint8_t room[4096];
    weir_codec *server = ends->server;
    weir_codec *client = ends->client;
    for (int round = 0; round < 2; round++) {
        size_t coded = 0;
        for (int last = 0; last < 2; last++) {
            weir_codec_outgoing part = {
                .data = data, .size = size, .last = last != 0, .out = room + coded};
            int status = server->ops->encode(server, &part);
            if (status == WEIR_ENOMEM) /* nothing has changed: it can be done again */
                status = server->ops->encode(server, &part);
            if (status != WEIR_OK)
                return status;
            coded += part.out_size;
        }
        weir_codec_incoming in = {.data = room, .size = coded, .last = true};
        int status = client->ops->decode(client, &in);
        if (status != WEIR_OK)
            return status;
        assert_int_equal(in.eaten, coded);
        assert_int_equal(in.out_size, 2 * size);
    }
    return WEIR_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    uint8_t data[500];
    fill_with_words(data, sizeof data, 2);
    for (unsigned takeover = 0; takeover < 2; takeover++) {
        bool passed = false;
        for (size_t fail_at = 1; !passed; fail_at++) {
            struct ends ends;
            weir_deflate_terms terms = {.server_no_context_takeover = takeover == 0};
            open_ends(&ends, &(weir_deflate_options){.server_context_takeover = true}, &terms);
            ends.memory.fail_at = ends.memory.calls + fail_at;
            int status = converse(&ends, data, sizeof data);
            passed = !ends.memory.failed;
            assert_true(status == WEIR_OK || (status == WEIR_ENOMEM && !passed));
            close_ends(&ends);
            assert_true(fail_at < 100);
        }
    }
}

static void what_cannot_be_made_says_so(void **state)
{
    (void)state;
    failing_allocator memory;
    weir_deflate *shared;
    weir_codec *codec;
    failing_allocator_init(&memory, 1);
    assert_int_equal(weir_deflate_new(&shared, &memory.allocator), WEIR_ENOMEM);
    weir_deflate_free(shared);
    assert_int_equal(weir_deflate_new(&shared, &memory.allocator), WEIR_OK);
    memory.fail_at = memory.calls + 1;
    assert_int_equal(weir_deflate_codec_new(&codec, shared, WEIR_ROLE_CLIENT,
                                            &(weir_deflate_options){0}, &(weir_deflate_terms){0}),
                     WEIR_ENOMEM);
    assert_int_equal(weir_deflate_codec_new(&codec, shared, WEIR_ROLE_CLIENT,
                                            &(weir_deflate_options){.level = 10},
                                            &(weir_deflate_terms){0}),
                     WEIR_EINVAL);
    weir_deflate_free(shared);
    assert_true(failing_allocator_is_clean(&memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_window_suits_an_inflater_with_just_that_window),
        cmocka_unit_test(every_level_works),
        cmocka_unit_test(nothing_grows_over_its_bound),
        cmocka_unit_test(takeover_makes_a_repeated_message_smaller),
        cmocka_unit_test(forgetting_without_agreement_leaves_no_final_block),
        cmocka_unit_test(fragments_are_one_message_however_they_are_cut),
        cmocka_unit_test(any_split_of_the_input_gives_the_same),
        cmocka_unit_test(connections_do_not_mix),
        cmocka_unit_test(connections_at_rest_hold_no_stream_without_takeover),
        cmocka_unit_test(examples_of_the_rfc_are_understood),
        cmocka_unit_test(a_final_block_does_not_end_the_window),
        cmocka_unit_test(broken_streams_are_told),
        cmocka_unit_test(whole_and_in_pieces_always_agree),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(what_cannot_be_made_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <weir/deflate_codec.h>

static void without_zlib_it_says_so(void **state)
{
    (void)state;
    weir_deflate *shared;
    assert_int_equal(weir_deflate_new(&shared, NULL), WEIR_ENOTSUP);
    weir_deflate_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(without_zlib_it_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
