/* What peers send: the examples of RFC 7692, streams that break the format, and that whole messages and pieces of them are judged alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "ws/deflate_ends.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc_are_understood),
        cmocka_unit_test(a_final_block_does_not_end_the_window),
        cmocka_unit_test(broken_streams_are_told),
        cmocka_unit_test(whole_and_in_pieces_always_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: built without zlib");
    return 77;
}

#endif
