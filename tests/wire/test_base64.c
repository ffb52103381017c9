#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#if defined(WEIR_TEST_WITH_OPENSSL) && defined(__has_include)
#if __has_include(<openssl/evp.h>)
#include <openssl/evp.h>
#define HAVE_REFERENCE
#endif
#endif

#include <weir/base.h>

#include "exact.h"
#include "wire/base64.h"

static int decode(uint8_t *out, size_t capacity, const char *text)
{
    char *copy = exact_copy(text, strlen(text));
    int size = weir__base64_decode(out, capacity, copy, strlen(text));
    free(copy);
    return size;
}

static void published_vectors_hold_both_ways(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"the sample nonce", "dGhlIHNhbXBsZSBub25jZQ=="},
        {"\xfb\xff\xfe", "+//+"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        char text[32];
        uint8_t data[32];
        size_t size = strlen(vectors[i][0]);
        weir__base64_encode(text, (const uint8_t *)vectors[i][0], size);
        assert_string_equal(text, vectors[i][1]);
        assert_int_equal(strlen(text), WEIR__BASE64_SIZE(size));
        assert_int_equal(decode(data, sizeof data, text), size);
        assert_memory_equal(data, vectors[i][0], size);
    }
}

static void decoding_undoes_encoding_at_every_length(void **state)
{
    (void)state;
    uint8_t data[256];
    uint8_t back[256];
    char text[WEIR__BASE64_SIZE(256) + 1];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 89 + 3);
    for (size_t size = 0; size <= sizeof data; size++) {
        weir__base64_encode(text, data, size);
        assert_int_equal(decode(back, size, text), size);
        assert_memory_equal(back, data, size);
    }
}

static void agrees_with_openssl_at_every_length(void **state)
{
    (void)state;
#ifdef HAVE_REFERENCE
    uint8_t data[256];
    char ours[WEIR__BASE64_SIZE(256) + 1];
    unsigned char theirs[WEIR__BASE64_SIZE(256) + 1];
    srand(11);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rand();
    for (size_t size = 0; size <= sizeof data; size++) {
        weir__base64_encode(ours, data, size);
        assert_int_equal(EVP_EncodeBlock(theirs, data, (int)size), WEIR__BASE64_SIZE(size));
        assert_string_equal(ours, (char *)theirs);
    }
#else
    skip();
#endif
}

static void what_is_not_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "A",    "AA",   "AAA",  "AAAAA", "A===", "====",     "=",    "AA=A",    "A=AA",
        "=AAA", "AA A", "AA\n", "AA-A",  "AA_A", "AA==AAAA", "AA.=", "\200AAA",
    };
    uint8_t data[32];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(decode(data, sizeof data, bad[i]), WEIR_EPROTOCOL);
}

static void each_character_is_of_the_alphabet_or_refused(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int c = 1; c < 256; c++) {
        char text[5] = {'A', 'A', 'A', (char)c, 0};
        uint8_t data[3];
        const char *at = strchr(alphabet, c);
        int size = decode(data, sizeof data, text);
        assert_int_equal(size, at != NULL ? 3 : c == '=' ? 2 : WEIR_EPROTOCOL);
        if (at != NULL)
            assert_int_equal(data[2], at - alphabet);
    }
}

static void bits_before_the_padding_are_not_looked_at(void **state)
{
    (void)state;
    uint8_t data[4];
    assert_int_equal(decode(data, sizeof data, "//=="), 1);
    assert_int_equal(data[0], 0xff);
}

static void more_than_the_room_is_refused(void **state)
{
    (void)state;
    uint8_t data[16];
    assert_int_equal(decode(data, 16, "AAAAAAAAAAAAAAAAAAAAAA=="), 16);
    assert_int_equal(decode(data, 15, "AAAAAAAAAAAAAAAAAAAAAA=="), WEIR_ETOOBIG);
    assert_int_equal(decode(data, 0, "AA=="), WEIR_ETOOBIG);
    assert_int_equal(decode(data, 0, ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_hold_both_ways),
        cmocka_unit_test(decoding_undoes_encoding_at_every_length),
        cmocka_unit_test(agrees_with_openssl_at_every_length),
        cmocka_unit_test(what_is_not_base64_is_refused),
        cmocka_unit_test(each_character_is_of_the_alphabet_or_refused),
        cmocka_unit_test(bits_before_the_padding_are_not_looked_at),
        cmocka_unit_test(more_than_the_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
