#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/extension.h>

#include "exact.h"

/* Appends a view to a text. */
static void add(char *out, const char *before, weir_view view)
{
    strcat(out, before);
    strncat(out, view.data, view.size);
}

/* Reads a field's value and writes what was read as "name{param,param=value,param='quoted'}".
 * Returns the number of extensions, or the error. */
static int understand(const char *value, size_t size, char *out)
{
    char *copy = exact_copy(value, size);
    weir_view rest = {copy, size};
    weir_extension extension;
    int count = 0;
    int more;
    out[0] = '\0';
    while ((more = weir_extension_next(&extension, &rest)) > 0) {
        weir_view params = extension.params;
        weir_extension_param param;
        int left;
        add(out, "", extension.name);
        strcat(out, "{");
        for (int i = 0; (left = weir_extension_param_next(&param, &params)) > 0; i++) {
            add(out, i > 0 ? "," : "", param.name);
            if (param.value.data != NULL)
                add(out, param.quoted ? "='" : "=", param.value);
            strcat(out, param.quoted ? "'" : "");
        }
        assert_int_equal(left, 0); /* parameters were checked with their extension */
        strcat(out, "}");
        count++;
    }
    free(copy);
    return more < 0 ? more : count;
}

static void well_formed_offers_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *meaning;
        int count;
    } cases[] = {
        {"", "", 0},
        {" \t ", "", 0},
        {", ,,", "", 0},
        {"foo", "foo{}", 1},
        {" foo\t", "foo{}", 1},
        {"foo, bar;baz=2", "foo{}bar{baz=2}", 2},
        {",foo,,bar,", "foo{}bar{}", 2},
        {"permessage-deflate; client_max_window_bits", "permessage-deflate{client_max_window_bits}",
         1},
        {"a;b;c=d;e=\"f\" , g ; h = i ; j=\"k\"", "a{b,c=d,e='f'}g{h=i,j='k'}", 2},
        {"a;b=\"1\\0\"", "a{b='1\\0'}", 1},
        {"a;b=\"\\b\\c\"", "a{b='\\b\\c'}", 1},
        {"a\t;\tb\t=\tc\t,\td", "a{b=c}d{}", 2},
        {"!#$%&'*+-.^_`|~;0=9", "!#$%&'*+-.^_`|~{0=9}", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[256];
        assert_int_equal(understand(cases[i].value, strlen(cases[i].value), out), cases[i].count);
        assert_string_equal(out, cases[i].meaning);
    }
}

static void malformed_offers_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        ";",
        "=",
        "foo;",
        "foo; ",
        "foo;;bar",
        "foo bar",
        "foo=bar",
        "foo;=b",
        "foo;a=",
        "foo;a= ",
        "foo;a=,",
        "foo;a=b=c",
        "foo;a b",
        "foo;a=b c",
        "foo;a=\"",
        "foo;a=\"b",
        "foo;a=\"\"",
        "foo;a=\"b c\"",
        "foo;a=\"b,c\"",
        "foo;a=\"b;c\"",
        "foo;a=\"b\\\"",
        "foo;a=\"\\",
        "foo;a=\"b\\\"c\"",
        "foo;a=\"b\"c",
        "foo;a=b\"c\"",
        "\"foo\"",
        "foo;\"a\"",
        "foo/bar",
        "foo;a=(b)",
        "f\xc3\xa9",
        "foo;a=\"\xc3\xa9\"",
        "foo,bar;",
        "good, b@d",
        "foo;a=\"b\\ c\"",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[256];
        assert_int_equal(understand(cases[i], strlen(cases[i]), out), WEIR_EPROTOCOL);
    }
}

static void a_nul_is_no_end(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(understand("foo\0bar", 7, out), WEIR_EPROTOCOL);
}

static void the_iterator_over_an_absent_value_ends_at_once(void **state)
{
    (void)state;
    weir_view rest = {0};
    weir_extension extension;
    weir_extension_param param;
    assert_int_equal(weir_extension_next(&extension, &rest), 0);
    assert_int_equal(weir_extension_param_next(&param, &rest), 0);
}

static void parameters_that_do_not_begin_with_a_semicolon_are_refused(void **state)
{
    (void)state;
    weir_view rest = weir_view_of("a=b");
    weir_extension_param param;
    assert_int_equal(weir_extension_param_next(&param, &rest), WEIR_EPROTOCOL);
}

static void all_lines_of_the_field_are_read_in_order(void **state)
{
    (void)state;
    weir_http_field fields[] = {
        {weir_view_of("Sec-WebSocket-Extensions"), weir_view_of("a;x, b")},
        {weir_view_of("Host"), weir_view_of("z")},
        {weir_view_of("sec-websocket-extensions"), weir_view_of("")},
        {weir_view_of("SEC-WEBSOCKET-EXTENSIONS"), weir_view_of("c")},
        {weir_view_of("Sec-WebSocket-Extensions"), weir_view_of("d;")},
    };
    weir_http_head head = {.fields = fields, .field_count = 4};
    weir_http_cursor cursor = {0};
    weir_extension extension;
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weir_extension_head_next(&extension, &head, &cursor), 1);
        assert_true(weir_view_equal(extension.name, names[i]));
    }
    assert_int_equal(weir_extension_head_next(&extension, &head, &cursor), 0);
    head.field_count = 5;
    assert_int_equal(weir_extension_head_next(&extension, &head, &cursor), WEIR_EPROTOCOL);
}

static int number_of(const char *params, int max)
{
    weir_view rest = weir_view_of(params);
    weir_extension_param param;
    assert_int_equal(weir_extension_param_next(&param, &rest), 1);
    return weir_extension_param_number(&param, max);
}

static void numbers_are_decimal_without_leading_zeros_up_to_the_maximum(void **state)
{
    (void)state;
    assert_int_equal(number_of(";a=0", 15), 0);
    assert_int_equal(number_of(";a=8", 15), 8);
    assert_int_equal(number_of(";a=15", 15), 15);
    assert_int_equal(number_of(";a=\"10\"", 15), 10);
    assert_int_equal(number_of(";a=\"1\\0\"", 15), 10);
    assert_int_equal(number_of(";a=\"\\1\\0\"", 15), 10);
    assert_int_equal(number_of(";a=2147483647", INT32_MAX), INT32_MAX);
    static const char *const bad[] = {
        ";a",    ";a=16", ";a=00",  ";a=08",     ";a=1x",         ";a=+1",
        ";a=-1", ";a=x",  ";a=150", ";a=\"08\"", ";a=2147483648", ";a=99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(number_of(bad[i], 15), WEIR_EPROTOCOL);
    assert_int_equal(number_of(";a=2147483648", INT32_MAX), WEIR_EPROTOCOL);
    assert_int_equal(number_of(";a=9", 5), WEIR_EPROTOCOL);
    assert_int_equal(number_of(";a=1", 0), WEIR_EPROTOCOL);
    assert_int_equal(number_of(";a=0", 0), 0);
}

static const weir_extension_setting SETTINGS[] = {{"server_no_context_takeover", NULL},
                                                  {"client_max_window_bits", "10"}};

static void written_offers_are_read_back(void **state)
{
    (void)state;
    static const weir_extension_offer offers[] = {
        {"permessage-deflate", SETTINGS, 2}, {"permessage-deflate", SETTINGS, 1}, {"x", NULL, 0}};
    static const char expected[] =
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=10, "
        "permessage-deflate; server_no_context_takeover, x";
    size_t size = sizeof expected - 1;
    assert_int_equal(weir_extension_write(NULL, 0, offers, 3), size);
    for (size_t room = 0; room <= size + 1; room++) {
        char *out = malloc(room + 1);
        assert_non_null(out);
        int written = weir_extension_write(out, room, offers, 3);
        assert_int_equal(written, room <= size ? WEIR_ETOOBIG : (int)size);
        if (room > size)
            assert_string_equal(out, expected);
        free(out);
    }
    char meaning[256];
    assert_int_equal(understand(expected, size, meaning), 3);
    assert_string_equal(meaning,
                        "permessage-deflate{server_no_context_takeover,client_max_window_bits=10}"
                        "permessage-deflate{server_no_context_takeover}x{}");
    char empty[1];
    assert_int_equal(weir_extension_write(empty, sizeof empty, NULL, 0), 0);
    assert_string_equal(empty, "");
}

static void what_is_not_a_token_is_not_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a b", "a;b", "a,b", "a\r\nb", "\"a\"", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const weir_extension_setting name = {bad[i], NULL};
        const weir_extension_setting value = {"a", bad[i]};
        const weir_extension_offer offers[] = {
            {bad[i], NULL, 0}, {"a", &name, 1}, {"a", &value, 1}};
        for (size_t j = 0; j < 3; j++)
            assert_int_equal(weir_extension_write(NULL, 0, &offers[j], 1), WEIR_EINVAL);
    }
    const weir_extension_offer nameless = {0};
    assert_int_equal(weir_extension_write(NULL, 0, &nameless, 1), WEIR_EINVAL);
}

static void random_text_never_reads_too_far_and_its_verdict_is_that_of_its_parts(void **state)
{
    (void)state;
    static const char alphabet[] = "ab;;,,==\"\"\\ \t1";
    srand(5);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        char left[256], right[256], both[512], sum[512];
        size_t size = (size_t)rand() % sizeof text;
        size_t cut = 0;
        for (size_t i = 0; i < size; i++)
            text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        int whole = understand(text, size, both);
        while (cut < size && text[cut] != ',')
            cut++;
        if (cut == size || memchr(text, '"', cut) != NULL)
            continue;
        int first = understand(text, cut, left);
        int second = understand(text + cut, size - cut, right);
        if (first < 0 || second < 0) {
            assert_int_equal(whole, WEIR_EPROTOCOL);
            continue;
        }
        assert_int_equal(whole, first + second);
        strcpy(sum, left);
        strcat(sum, right);
        assert_string_equal(both, sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_offers_are_understood),
        cmocka_unit_test(malformed_offers_are_refused),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(the_iterator_over_an_absent_value_ends_at_once),
        cmocka_unit_test(parameters_that_do_not_begin_with_a_semicolon_are_refused),
        cmocka_unit_test(all_lines_of_the_field_are_read_in_order),
        cmocka_unit_test(numbers_are_decimal_without_leading_zeros_up_to_the_maximum),
        cmocka_unit_test(written_offers_are_read_back),
        cmocka_unit_test(what_is_not_a_token_is_not_written),
        cmocka_unit_test(random_text_never_reads_too_far_and_its_verdict_is_that_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
