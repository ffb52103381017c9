#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/chars.h"
#include "wire/http_head.h"

enum { FIELDS = 8 };

struct verdict {
    int status;
    weir__http_error error;
};

static int scan_piece(weir_http_scan *scan, bool request, const char *bytes, size_t size,
                      weir__http_error *error)
{
    char *copy = exact_copy(bytes, size);
    weir__http_input in = {copy, size, FIELDS};
    *error = (weir__http_error){0};
    int status = request ? weir__http_request_scan(scan, &in, error)
                         : weir__http_response_scan(scan, &in, error);
    free(copy);
    return status;
}

static void assert_same_verdict(const struct verdict *a, const struct verdict *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->error.http_status, b->error.http_status);
    assert_int_equal(a->error.fault.status, b->error.fault.status);
    assert_int_equal(a->error.fault.offset, b->error.fault.offset);
    assert_ptr_equal(a->error.fault.rule, b->error.fault.rule);
    assert_int_equal(a->error.head_request, b->error.head_request);
}

/* In two pieces cut at every place, and byte by byte: then the verdict must come at the byte that
 * decides, not before and not after. */
static void assert_every_split_says(const struct verdict *whole, size_t size_max, bool request,
                                    const char *bytes, size_t size)
{
    struct verdict pieces;
    for (size_t cut = 0; cut <= size; cut++) {
        weir_http_scan scan = {.size_max = size_max};
        pieces.status = scan_piece(&scan, request, bytes, cut, &pieces.error);
        if (pieces.status == 0)
            pieces.status = scan_piece(&scan, request, bytes, size, &pieces.error);
        assert_same_verdict(&pieces, whole);
    }
    weir_http_scan scan = {.size_max = size_max};
    size_t have = 0;
    do
        pieces.status = scan_piece(&scan, request, bytes, have, &pieces.error);
    while (pieces.status == 0 && have++ < size);
    assert_same_verdict(&pieces, whole);
    if (whole->status == 0)
        assert_int_equal(have, size + 1);
    else if (whole->status > 0)
        assert_int_equal(have, whole->status);
    else if (whole->status == WEIR_EPROTOCOL || whole->error.fault.offset < size_max)
        assert_int_equal(have, whole->error.fault.offset + 1);
    else if (whole->status == WEIR_ETOOBIG)
        assert_int_equal(have, whole->error.fault.offset);
}

static struct verdict scan_sized(bool request, size_t size_max, const char *bytes, size_t size)
{
    weir_http_scan scan = {.size_max = size_max};
    struct verdict whole;
    whole.status = scan_piece(&scan, request, bytes, size, &whole.error);
    assert_every_split_says(&whole, size_max, request, bytes, size);
    return whole;
}

static int scan_request(const char *text)
{
    return scan_sized(true, 1024, text, strlen(text)).status;
}

static int scan_response(const char *text)
{
    return scan_sized(false, 1024, text, strlen(text)).status;
}

/* ---- the scanner ---- */

static void a_request_head_is_eaten_up_to_its_empty_line(void **state)
{
    (void)state;
    assert_int_equal(scan_request("GET / HTTP/1.1\r\n\r\n"), 18);
    assert_int_equal(scan_request("GET / HTTP/1.1\r\n\r\n\x81\x85rest"), 18);
    assert_int_equal(scan_request("GET /a?b HTTP/1.1\r\nHost: x\r\nA:\r\nB: \t c \t\r\n\r\n"), 44);
    assert_int_equal(scan_request("GET / HTTP/1.1\r\nA: b\r\n"), 0);
    assert_int_equal(scan_request(""), 0);
}

static void one_empty_line_before_a_request_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(scan_request("\r\nGET / HTTP/1.1\r\n\r\n"), 20);
    assert_int_equal(scan_request("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), WEIR_EPROTOCOL);
    assert_int_equal(scan_request("\rGET / HTTP/1.1\r\n\r\n"), WEIR_EPROTOCOL);
    assert_int_equal(scan_request("\nGET / HTTP/1.1\r\n\r\n"), WEIR_EPROTOCOL);
}

static void a_response_head_is_eaten_up_to_its_empty_line(void **state)
{
    (void)state;
    assert_int_equal(scan_response("HTTP/1.1 101 Switching Protocols\r\n\r\n"), 36);
    assert_int_equal(scan_response("HTTP/1.1 200 \r\nA: b\r\n\r\nbody"), 23);
    assert_int_equal(scan_response("HTTP/1.1 200\r\n\r\n"), 16);
    assert_int_equal(scan_response("HTTP/1.0 999 \xc3\xa9\tx\r\n\r\n"), 21);
}

static void a_malformed_status_line_is_refused_at_its_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"\r\nHTTP/1.1 101 X\r\n\r\n", 0},
        {"http/1.1 101 X\r\n\r\n", 0},
        {"HTTP/2.0 101 X\r\n\r\n", 5},
        {"HTTP/1.2 101 X\r\n\r\n", 7},
        {"HTTP/1 101 X\r\n\r\n", 6},
        {"HTTP/1.1\t101 X\r\n\r\n", 8},
        {"HTTP/1.1 1O1 X\r\n\r\n", 10},
        {"HTTP/1.1 011 X\r\n\r\n", 9},
        {"HTTP/1.1  101 X\r\n\r\n", 9},
        {"HTTP/1.1 1010 X\r\n\r\n", 12},
        {"HTTP/1.1 10 X\r\n\r\n", 11},
        {"HTTP/1.1 101\n\r\n", 12},
        {"HTTP/1.1 101 X\n\r\n", 14},
        {"HTTP/1.1 101 \x01\r\n\r\n", 13},
        {"HTTP/1.1 101 X\rY\r\n\r\n", 15},
        {"HTTP/1.1.1 101 X\r\n\r\n", 8},
        {"<html>", 0},
        {"SSH-2.0-x\r\n", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict said = scan_sized(false, 1024, cases[i].text, strlen(cases[i].text));
        assert_int_equal(said.status, WEIR_EPROTOCOL);
        assert_int_equal(said.error.fault.offset, cases[i].at);
    }
}

/* Puts each byte value at a place of a good head and checks whether it stays good. */
static void assert_allowed(const char *text, size_t at, bool (*allowed)(char c), unsigned refusal)
{
    size_t size = strlen(text);
    char head[128];
    for (int c = 0; c < 256; c++) {
        memcpy(head, text, size);
        head[at] = (char)c;
        struct verdict said = scan_sized(true, 1024, head, size);
        if (allowed((char)c)) {
            assert_int_equal(said.status, size);
        } else {
            assert_int_equal(said.status, WEIR_EPROTOCOL);
            assert_int_equal(said.error.http_status, refusal);
        }
    }
}

static bool is_token_by_the_book(char c)
{
    static const char all[] =
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return c != '\0' && strchr(all, c) != NULL;
}

static bool is_name_or_colon(char c)
{
    return is_token_by_the_book(c) || c == ':';
}

static bool is_target_by_the_book(char c)
{
    return c > ' ' && c < 127 && c != '#';
}

static bool is_value_by_the_book(char c)
{
    return c == '\t' || (unsigned char)c >= 128 || (c >= ' ' && c < 127);
}

static void each_byte_is_allowed_only_where_the_grammar_says(void **state)
{
    (void)state;
    assert_allowed("GET /abc HTTP/1.1\r\nname: value\r\n\r\n", 6, is_target_by_the_book, 400);
    assert_allowed("GET /abc HTTP/1.1\r\nname: value\r\n\r\n", 19, is_token_by_the_book, 400);
    assert_allowed("GET /abc HTTP/1.1\r\nname: value\r\n\r\n", 21, is_name_or_colon, 400);
    assert_allowed("GET /abc HTTP/1.1\r\nname: value\r\n\r\n", 27, is_value_by_the_book, 400);
}

static void the_character_classes_are_those_of_the_rfcs(void **state)
{
    (void)state;
    static const char host[] = "-._~!$&'()*+,;=%0123456789"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (int code = 0; code < 256; code++) {
        char c = (char)code;
        assert_int_equal(weir__is_token_char(c), is_token_by_the_book(c));
        assert_int_equal(weir__is_value_char(c), is_value_by_the_book(c));
        assert_int_equal(weir__is_host_char(c), c != '\0' && strchr(host, c) != NULL);
        assert_int_equal(weir__is_visible(c), code > 32 && code < 127);
        assert_int_equal(weir__is_hex(c), c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL);
    }
}

static void the_limit_of_bytes_is_exact(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nname: value\r\n\r\n";
    size_t size = sizeof head - 1;
    assert_int_equal(scan_sized(true, size, head, size).status, size);
    for (size_t limit = 1; limit < size; limit++) {
        struct verdict said = scan_sized(true, limit, head, size);
        assert_int_equal(said.status, WEIR_ETOOBIG);
        assert_int_equal(said.error.http_status, limit < 16 ? 414 : 431);
        assert_int_equal(said.error.fault.offset, limit);
    }
}

static void the_default_limit_is_8_kib(void **state)
{
    (void)state;
    char head[WEIR_HTTP_HEAD_DEFAULT + 1];
    weir__http_error error = {0};
    memset(head, 'a', sizeof head);
    memcpy(head, "GET / HTTP/1.1\r\nname:", 21);
    memcpy(head + WEIR_HTTP_HEAD_DEFAULT - 4, "\r\n\r\n", 4);
    weir_http_scan scan = {0};
    assert_int_equal(scan_piece(&scan, true, head, WEIR_HTTP_HEAD_DEFAULT, &error),
                     WEIR_HTTP_HEAD_DEFAULT);
    memcpy(head + WEIR_HTTP_HEAD_DEFAULT - 4, "a\r\n\r\n", 5);
    scan = (weir_http_scan){0};
    assert_int_equal(scan_piece(&scan, true, head, sizeof head, &error), WEIR_ETOOBIG);
    scan = (weir_http_scan){.size_max = SIZE_MAX};
    assert_int_equal(scan_piece(&scan, true, head, sizeof head, &error), sizeof head);
}

static void one_field_too_many_is_refused_at_its_first_byte(void **state)
{
    (void)state;
    char head[256] = "GET / HTTP/1.1\r\n";
    for (int i = 0; i < FIELDS; i++)
        strcat(head, "a:\r\n");
    size_t full = strlen(head);
    strcat(head, "\r\n");
    assert_int_equal(scan_request(head), strlen(head));
    strcpy(head + full, "a:\r\n\r\n");
    struct verdict said = scan_sized(true, 1024, head, strlen(head));
    assert_int_equal(said.status, WEIR_ETOOBIG);
    assert_int_equal(said.error.http_status, 431);
    assert_int_equal(said.error.fault.offset, full);
}

static void a_scan_after_the_end_says_the_same(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\n\r\n";
    weir_http_scan scan = {0};
    weir__http_error error;
    assert_int_equal(scan_piece(&scan, true, head, 18, &error), 18);
    assert_int_equal(scan_piece(&scan, true, head, 18, &error), 18);
}

static void each_byte_is_looked_at_once(void **state)
{
    (void)state;
    static const char head[] = "GET /path HTTP/1.1\r\nname: value\r\n\r\n";
    char blind[sizeof head];
    weir_http_scan scan = {0};
    weir__http_error error;
    for (size_t have = 1; have < sizeof head - 1; have++) {
        memset(
            blind, 0,
            sizeof blind); /* bytes before scan.seen are not read again, except from the mark on */
        if (have <= 9)
            memcpy(blind, head, have);
        else if (have <= 19)
            memcpy(blind + 10, head + 10, have - 10);
        blind[have - 1] = head[have - 1];
        assert_int_equal(scan_piece(&scan, true, blind, have, &error), 0);
        assert_int_equal(scan.seen, have);
    }
}

/* ---- the splitter, find, lists ---- */

static void assert_view(weir_view view, const char *text)
{
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
}

static void a_request_is_split_into_views(void **state)
{
    (void)state;
    static const char text[] = "\r\nGET /a?b HTTP/1.1\r\nHost:x\r\nEmpty:\r\nBlank: \t\r\n"
                               "List: \t a, b \t \r\nColon: a:b\r\n\r\n";
    char *copy = exact_copy(text, sizeof text - 1);
    weir__http_input in = {copy, sizeof text - 1, FIELDS};
    weir_http_scan scan = {0};
    weir__http_error error;
    weir_http_field fields[FIELDS];
    weir_http_head head = {.fields = fields, .field_capacity = FIELDS};
    assert_int_equal(weir__http_request_scan(&scan, &in, &error), sizeof text - 1);
    weir__http_request_split(&head, copy, &scan);
    assert_view(head.method, "GET");
    assert_view(head.target, "/a?b");
    assert_int_equal(head.size, sizeof text - 1);
    assert_int_equal(head.field_count, 5);
    static const char *const expected[][2] = {
        {"Host", "x"}, {"Empty", ""}, {"Blank", ""}, {"List", "a, b"}, {"Colon", "a:b"}};
    for (size_t i = 0; i < 5; i++) {
        assert_view(fields[i].name, expected[i][0]);
        assert_view(fields[i].value, expected[i][1]);
        assert_non_null(fields[i].value.data);
    }
    free(copy);
}

static void a_response_is_split_into_views(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
        const char *reason;
    } cases[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n", 101, "Switching Protocols"},
        {"HTTP/1.1 999 \r\nA: b\r\n\r\n", 999, ""},
        {"HTTP/1.0 403\r\nA: b\r\n\r\n", 403, ""},
    };
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(cases[i].text);
        char *copy = exact_copy(cases[i].text, size);
        weir__http_input in = {copy, size, 1};
        weir_http_scan scan = {0};
        weir__http_error error;
        weir_http_field field;
        weir_http_head head = {.fields = &field, .field_capacity = 1};
        assert_int_equal(weir__http_response_scan(&scan, &in, &error), size);
        weir__http_response_split(&head, copy, &scan);
        assert_int_equal(head.status, cases[i].status);
        assert_view(head.reason, cases[i].reason);
        assert_int_equal(head.field_count, 1);
        assert_view(field.value, "b");
        free(copy);
    }
}

static weir_http_field field_of(const char *name, const char *value)
{
    return (weir_http_field){weir_view_of(name), weir_view_of(value)};
}

static void fields_are_found_by_name_whatever_its_case(void **state)
{
    (void)state;
    weir_http_field fields[] = {field_of("Host", "a"), field_of("Cookie", "b"),
                                field_of("COOKIE", "c")};
    weir_http_head head = {.fields = fields, .field_count = 3};
    assert_ptr_equal(weir_http_field_find(&head, "host", 0), &fields[0]);
    assert_ptr_equal(weir_http_field_find(&head, "cookie", 0), &fields[1]);
    assert_ptr_equal(weir_http_field_find(&head, "cookie", 2), &fields[2]);
    assert_null(weir_http_field_find(&head, "cookie", 3));
    assert_null(weir_http_field_find(&head, "cooki", 0));
    assert_null(weir_http_field_find(&head, "hosts", 0));
    assert_null(weir_http_field_find(&head, "", 0));
}

static void lists_run_over_all_lines_and_skip_empty_elements(void **state)
{
    (void)state;
    weir_http_field fields[] = {field_of("L", " a ,\t, b"), field_of("M", "x"),
                                field_of("l", ""),          field_of("L", ","),
                                field_of("L", "c"),         field_of("L", ",d,")};
    weir_http_head head = {.fields = fields, .field_count = 6};
    static const char *const expected[] = {"a", "b", "c", "d"};
    weir_http_cursor cursor = {0};
    weir_view element;
    for (size_t i = 0; i < 4; i++) {
        assert_true(weir_http_list_next(&element, &head, "l", &cursor));
        assert_view(element, expected[i]);
    }
    assert_false(weir_http_list_next(&element, &head, "l", &cursor));
    assert_false(weir_http_list_next(&element, &head, "l", &cursor));
    cursor = (weir_http_cursor){0};
    assert_false(weir_http_list_next(&element, &head, "none", &cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_head_is_eaten_up_to_its_empty_line),
        cmocka_unit_test(one_empty_line_before_a_request_is_passed_over),
        cmocka_unit_test(a_response_head_is_eaten_up_to_its_empty_line),
        cmocka_unit_test(a_malformed_status_line_is_refused_at_its_byte),
        cmocka_unit_test(each_byte_is_allowed_only_where_the_grammar_says),
        cmocka_unit_test(the_character_classes_are_those_of_the_rfcs),
        cmocka_unit_test(the_limit_of_bytes_is_exact),
        cmocka_unit_test(the_default_limit_is_8_kib),
        cmocka_unit_test(one_field_too_many_is_refused_at_its_first_byte),
        cmocka_unit_test(a_scan_after_the_end_says_the_same),
        cmocka_unit_test(each_byte_is_looked_at_once),
        cmocka_unit_test(a_request_is_split_into_views),
        cmocka_unit_test(a_response_is_split_into_views),
        cmocka_unit_test(fields_are_found_by_name_whatever_its_case),
        cmocka_unit_test(lists_run_over_all_lines_and_skip_empty_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
