/* What peers send: the examples of RFC 7692, and streams that break the format. Whole messages and
 * pieces of them get the same verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_ends.h"

struct stream {
    const char *bytes;
    size_t size;
    const char *text; /* NULL: it breaks */
};

#define STREAM(bytes_, text_)                                                                      \
    {                                                                                              \
        bytes_, sizeof(bytes_) - 1, text_                                                          \
    }

/* Decodes it whole and byte by byte, without context takeover and with it. */
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
        STREAM("\x03\x00\x03\x00\x00", ""), /* empty final blocks alone */
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

static void broken_streams_are_reported(void **state)
{
    (void)state;
    static const struct stream streams[] = {
        STREAM("\xff\xff\xff", NULL),                 /* no such kind of block */
        STREAM("\xf2\x48\xcd\xc9", NULL),             /* ends within a block */
        STREAM("\xf2\x48\xcd\xc9\xc9\x07", NULL),     /* no empty block at its end */
        STREAM("\xf3\x48\xcd\xc9\xc9\x07\x00", NULL), /* nor after a final one */
        STREAM("\x00\x05\x00\xfa\xff\x48\x65", NULL), /* ends within a stored block */
        STREAM("\x00\x05\x00\xff\xff\x48\x65\x6c\x6c\x6f\x00", NULL), /* its length is wrong */
        STREAM("\xf2\x00\x11\x00\x00", NULL),             /* refers to bytes before the first */
        STREAM("\xf2\x48\xcd\xc9\xc9\x07\x00\xff", NULL), /* bytes behind it */
        STREAM("\x04\x00\x00\x00\x00\x00\x00\x00", NULL), /* codes that are not defined */
        /* An open final block of codes that would end exactly with an empty final block after the
         * four octets. */
        STREAM("\x05\xe1\x81\xeb\x83\x5f\xee\xbc\xd0\x03\xf9\x01\xfd\x1b\x9e\xff"
               "\xe0\x29\x97\x05\x80\x96\xf7\x1f\x10\x80\xfb\x01\xe0\x01\x00\xbe"
               "\x3c\xd0\xbf\xe0\x05\xc0\x2f\x7f\xc1\xfc\x01\xf7\x5f\xe8\x1b\xca"
               "\xa5\x7f\xc0\xfb\x02\xc0\xef\x2f\xb8\x0f\x7f\x80\x00\x00\x2f\x00"
               "\x78\x00\x00\x02\x3c\x7f\xc0\x8b\xdf\x39\xff\x5d\xbe\x7c\x6f\xc7"
               "\xfb\xf1\xfc\x6f\x79\x7e\xda",
               NULL),
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        expect_stream(&streams[i]);
}

/* A stored block that lacks so many of its bytes, after a whole one. */
static size_t open_block(uint8_t *out, bool last, size_t present, size_t missing)
{
    static const uint8_t before[] = {0x00, 0x02, 0x00, 0xfd, 0xff, 0x68, 0x69};
    size_t size = present + missing;
    const uint8_t head[] = {last, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)~size,
                            (uint8_t)(~size >> 8)};
    memcpy(out, before, sizeof before);
    memcpy(out + sizeof before, head, sizeof head);
    memset(out + sizeof before + sizeof head, 'a', present);
    return sizeof before + sizeof head + present;
}

/* What a codec appends to a message to inflate it must not come out as its bytes, except the four
 * octets that every message lacks. */
static void an_open_block_takes_nothing_from_behind_the_message(void **state)
{
    (void)state;
    static const uint8_t cut_off[] = {0x00, 0x00, 0xff, 0xff};
    for (size_t i = 0; i < (size_t)8 * 400; i++) {
        struct ends ends;
        uint8_t bytes[64];
        weir_buffer plain = {0};
        size_t missing = i / 8;
        size_t present = i / 4 % 2 * 20;
        size_t size = open_block(bytes, i / 2 % 2 != 0, present, missing);
        open_ends(&ends, &(weir_deflate_options){0},
                  &(weir_deflate_terms){.client_no_context_takeover = true,
                                        .server_no_context_takeover = true});
        int status = decode(i % 2 == 0 ? ends.server : ends.client, &plain, bytes, size, true);
        assert_int_equal(status, missing == sizeof cut_off ? WEIR_OK : WEIR_EPROTOCOL);
        if (status == WEIR_OK) {
            assert_int_equal(plain.size, 2 + present + sizeof cut_off);
            assert_memory_equal(plain.data + 2 + present, cut_off, sizeof cut_off);
        }
        weir_buffer_fini(&plain);
        close_ends(&ends);
    }
}

/* Bytes that look like the end of a stream, with any number of zeros after them. */
static void what_looks_like_an_end_is_a_message_like_any_other(void **state)
{
    (void)state;
    static const uint8_t looks[] = {0x00, 0x00, 0xff, 0xff, 0x01, 0x40, 0x01, 0xbf, 0xfe};
    struct ends ends;
    uint8_t data[sizeof looks + 400] = {0};
    memcpy(data, looks, sizeof looks);
    open_ends(&ends, &(weir_deflate_options){0},
              &(weir_deflate_terms){.client_no_context_takeover = true});
    for (size_t size = 1; size <= sizeof data; size++) {
        weir_buffer coded = {0};
        weir_buffer plain = {0};
        encode(ends.client, &coded, data, size, true);
        assert_int_equal(decode(ends.server, &plain, coded.data, coded.size, true), WEIR_OK);
        assert_int_equal(plain.size, size);
        assert_memory_equal(plain.data, data, size);
        weir_buffer_fini(&coded);
        weir_buffer_fini(&plain);
    }
    close_ends(&ends);
}

/* Every byte of a good stream is changed to every value: the result is the same in one piece and in
 * many. */
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
        cmocka_unit_test(broken_streams_are_reported),
        cmocka_unit_test(an_open_block_takes_nothing_from_behind_the_message),
        cmocka_unit_test(what_looks_like_an_end_is_a_message_like_any_other),
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
