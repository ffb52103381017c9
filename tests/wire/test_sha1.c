#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if defined(WEIR_TEST_WITH_OPENSSL) && defined(__has_include)
#if __has_include(<openssl/sha.h>)
#include <openssl/sha.h>
#define HAVE_REFERENCE
#endif
#endif

#include <stdlib.h>
#include <string.h>

#include "wire/sha1.h"

static void digest_of(uint8_t out[WEIR__SHA1_SIZE], const void *data, size_t size)
{
    weir__sha1 sha1;
    weir__sha1_init(&sha1);
    weir__sha1_feed(&sha1, data, size);
    weir__sha1_end(&sha1, out);
}

static void assert_digest(const uint8_t digest[WEIR__SHA1_SIZE], const char *hex)
{
    char text[2 * WEIR__SHA1_SIZE + 1] = {0};
    for (size_t i = 0; i < WEIR__SHA1_SIZE; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    assert_string_equal(text, hex);
}

static void published_vectors_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } vectors[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
         "lmnopqrsmnopqrstnopqrstu",
         "a49b2446a02c645bf419f995b67091253a04a259"},
        {"dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
         "b37a4f2cc0624f1690f64606cf385945b2bec4ea"},
    };
    uint8_t digest[WEIR__SHA1_SIZE];
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        digest_of(digest, vectors[i].text, strlen(vectors[i].text));
        assert_digest(digest, vectors[i].hex);
    }
}

static void a_million_letters_give_the_published_digest(void **state)
{
    (void)state;
    weir__sha1 sha1;
    char letters[1000];
    uint8_t digest[WEIR__SHA1_SIZE];
    memset(letters, 'a', sizeof letters);
    weir__sha1_init(&sha1);
    for (size_t i = 0; i < 1000; i++)
        weir__sha1_feed(&sha1, letters, sizeof letters);
    weir__sha1_end(&sha1, digest);
    assert_digest(digest, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

static void every_split_gives_the_same_digest(void **state)
{
    (void)state;
    uint8_t data[200];
    uint8_t whole[WEIR__SHA1_SIZE];
    uint8_t parts[WEIR__SHA1_SIZE];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 37);
    for (size_t size = 0; size <= sizeof data; size++) {
        digest_of(whole, data, size);
        for (size_t cut = 0; cut <= size; cut++) {
            weir__sha1 sha1;
            weir__sha1_init(&sha1);
            weir__sha1_feed(&sha1, data, cut);
            weir__sha1_feed(&sha1, data + cut, size - cut);
            weir__sha1_end(&sha1, parts);
            assert_memory_equal(whole, parts, sizeof whole);
        }
    }
}

static void agrees_with_openssl_at_every_length(void **state)
{
    (void)state;
#ifdef HAVE_REFERENCE
    uint8_t data[1000];
    uint8_t ours[WEIR__SHA1_SIZE];
    uint8_t theirs[WEIR__SHA1_SIZE];
    srand(7);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rand();
    for (size_t size = 0; size <= sizeof data; size++) {
        digest_of(ours, data, size);
        assert_non_null(SHA1(data, size, theirs));
        assert_memory_equal(ours, theirs, sizeof ours);
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold),
        cmocka_unit_test(a_million_letters_give_the_published_digest),
        cmocka_unit_test(every_split_gives_the_same_digest),
        cmocka_unit_test(agrees_with_openssl_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
