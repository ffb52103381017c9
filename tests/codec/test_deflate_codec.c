/* The codec of permessage-deflate against plain zlib, the examples of RFC 7692, and malformed
 * streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_ends.h"

#include <zlib.h>

#define SIZE_MOST ((size_t)200000)

/* Inflates all messages of one direction by plain zlib, with a window of exactly so many bits. */
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
    /* A final block is allowed where nothing refers back, but not every peer accepts it. */
    assert_int_equal(inflate(&judge->z, Z_SYNC_FLUSH), Z_OK);
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

/* Compresses similar messages, one after the other, as a server. */
static void encode_alike(weir_buffer *out, weir_deflate_options options, bool forgets)
{
    weir_deflate_terms terms = {.server_no_context_takeover = forgets};
    static uint8_t data[70000]; /* more than libdeflate takes */
    struct ends ends;
    options.server_context_takeover = true;
    open_ends(&ends, &options, &terms);
    for (unsigned i = 0; i < 4; i++) {
        fill_with_words(data, sizeof data, i);
        encode(ends.server, out, data, sizeof data, true);
    }
    close_ends(&ends);
}

/* No options, the values that they stand for, and one of these changed at a time. */
static void expect_defaults(weir_deflate_options usual, const weir_deflate_options *others,
                            bool forgets)
{
    weir_buffer unsaid = {0};
    weir_buffer said = {0};
    encode_alike(&unsaid, (weir_deflate_options){0}, forgets);
    encode_alike(&said, usual, forgets);
    assert_int_equal(unsaid.size, said.size);
    assert_memory_equal(unsaid.data, said.data, said.size);
    for (unsigned i = 0; i < 3; i++) {
        weir_buffer other = {0};
        encode_alike(&other, others[i], forgets);
        assert_true(other.size != said.size || memcmp(other.data, said.data, said.size) != 0);
        weir_buffer_fini(&other);
    }
    weir_buffer_fini(&unsaid);
    weir_buffer_fini(&said);
}

static void without_takeover_the_defaults_are_those_of_zlib(void **state)
{
    (void)state;
    static const weir_deflate_options others[] = {
        {.level = 5, .server_max_window_bits = 15, .memory_level = 8},
        {.level = 6, .server_max_window_bits = 14, .memory_level = 8},
        {.level = 6, .server_max_window_bits = 15, .memory_level = 7},
    };
    expect_defaults(
        (weir_deflate_options){.level = 6, .server_max_window_bits = 15, .memory_level = 8}, others,
        true);
}

static void with_takeover_level_window_and_memory_are_less_unless_told_otherwise(void **state)
{
    (void)state;
    static const weir_deflate_options others[] = {
        {.level = 6, .server_max_window_bits = 14, .memory_level = 7},
        {.level = 5, .server_max_window_bits = 15, .memory_level = 7},
        {.level = 5, .server_max_window_bits = 14, .memory_level = 8},
    };
    expect_defaults(
        (weir_deflate_options){.level = 5, .server_max_window_bits = 14, .memory_level = 7}, others,
        false);
}

/* A message that does not shrink needs the most room, above all at the least memory level. */
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
            /* Bytes that fixed codes make longer, and for which there is no match. */
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

/* A client may send without context takeover although the answer did not say so: the server goes on
 * with one inflater. */
static void forgetting_needs_no_agreement(void **state)
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

/* Messages in progress on more connections than idle streams are kept. */
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
    size_t idle_bytes = ends.memory.live_bytes;
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
    /* Four compressors and an inflater are kept as idle, however many were in use. */
    assert_true(ends.memory.live_bytes - idle_bytes < (size_t)5 * 300 * 1024);
    for (int i = 0; i < COUNT; i++)
        codecs[i]->ops->free(codecs[i]);
    close_ends(&ends);
}

static void idle_connections_hold_no_stream_without_takeover(void **state)
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
        cmocka_unit_test(without_takeover_the_defaults_are_those_of_zlib),
        cmocka_unit_test(with_takeover_level_window_and_memory_are_less_unless_told_otherwise),
        cmocka_unit_test(nothing_grows_over_its_bound),
        cmocka_unit_test(takeover_makes_a_repeated_message_smaller),
        cmocka_unit_test(forgetting_needs_no_agreement),
        cmocka_unit_test(fragments_are_one_message_however_they_are_cut),
        cmocka_unit_test(any_split_of_the_input_gives_the_same),
        cmocka_unit_test(connections_do_not_mix),
        cmocka_unit_test(idle_connections_hold_no_stream_without_takeover),
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
