#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "request_probe.h"

/* ---- hostile ones: each with its exact status ---- */

static void what_is_not_http_is_refused_at_its_first_impossible_byte(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        size_t at; /* offset of that byte */
    } cases[] = {
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11, 0}, /* TLS ClientHello */
        {"\x80\x2e\x01\x00\x02", 5, 0},                          /* SSL 2 */
        {"SSH-2.0-OpenSSH_9.2\r\n", 21, 19},
        {"\x05\x01\x00", 3, 0}, /* SOCKS 5 */
        {"\0\0\0\0", 4, 0},
        {"\x81\x85\x37\xfa", 4, 0}, /* a frame */
        {" GET / HTTP/1.1\r\n", 17, 0},
        {"\r\n\r\nGET", 7, 2},
        {"{\"a\":1}", 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict said = parse_sized(cases[i].bytes, cases[i].size);
        assert_refused_sized(cases[i].bytes, cases[i].size, 400);
        assert_int_equal(said.refusal.fault.offset, cases[i].at);
        assert_int_equal(parse_sized(cases[i].bytes, cases[i].at).status, 0);
        assert_int_equal(parse_sized(cases[i].bytes, cases[i].at + 1).status, WEIR_EPROTOCOL);
    }
}

static void a_malformed_request_line_gets_400(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GET\r\n",
        "GET \r\n",
        "GET  / HTTP/1.1\r\n",
        "GET  HTTP/1.1\r\n",
        "GET /  HTTP/1.1\r\n",
        "GET /\r\n", /* HTTP/0.9 */
        "GET / \r\n",
        "GET\t/\tHTTP/1.1\r\n",
        "G@T / HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "GET /a#b HTTP/1.1\r\n",
        "GET /\xc3\xa9 HTTP/1.1\r\n",
        "GET /\x7f HTTP/1.1\r\n",
        "GET / HTTP/1.1 \r\n",
        "GET / HTTP/1.10\r\n",
        "GET / HTTP/11\r\n",
        "GET / http/1.1\r\n",
        "GET / HTTPS/1.1\r\n",
        "GET / HTTP/1,1\r\n",
        "GET / HTTP/a.b\r\n",
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\rX",
        "GET / HTTP/1.1\r\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_refused(lines[i], 400);
}

static void any_method_but_get_gets_405_as_soon_as_it_is_there(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST",    "HEAD",    "PUT",  "DELETE", "OPTIONS",
                                          "CONNECT", "TRACE",   "get",  "GETS",   "GE",
                                          "PRI",     "!#$%&'*", "BREW", "PATCH"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s * HTTP/9.9\n", methods[i]);
        assert_refused(text, 405);
        struct verdict said = parse_sized(text, strlen(text));
        assert_int_equal(said.refusal.fault.offset, strlen(methods[i]));
        assert_int_equal(said.refusal.no_body, strcmp(methods[i], "HEAD") == 0);
        assert_string_equal(header_of(&said.refusal, "Allow"), "GET");
    }
}

static void a_method_without_end_gets_501(void **state)
{
    (void)state;
    assert_refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n", 405);
    assert_refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", 501);
}

static void other_versions_of_http_get_426_or_505(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.0\r\n" HOST UPGRADE KEY VERSION "\r\n", 426);
    assert_refused("GET / HTTP/1.2\r\n" HOST UPGRADE KEY VERSION "\r\n", 505);
    assert_refused("GET / HTTP/2.0\r\n", 505);
    assert_refused("GET / HTTP/0.9\r\n", 505);
    assert_refused("GET / HTTP/3.1", 505);
}

static void field_lines_against_the_syntax_get_400(void **state)
{
    (void)state;
    static const char *const heads[] = {
        WITH("Name : x\r\n"), /* blank before the colon */
        WITH("Name\t: x\r\n"),
        WITH(": x\r\n"),  /* no name */
        WITH("Name\r\n"), /* no colon */
        WITH("Na me: x\r\n"),
        WITH("Na(me: x\r\n"),
        WITH("N\xc3\xa4me: x\r\n"),
        WITH("Name: x\r\n folded\r\n"), /* obs-fold */
        WITH("Name: x\r\n\tfolded\r\n"),
        GET " Host: example.com\r\n" UPGRADE KEY VERSION "\r\n", /* folded onto the start line */
        WITH("Name: x\n"),                                       /* bare LF */
        WITH("Name: x\n\r\n"),
        WITH("Name: x\ry\r\n"), /* bare CR */
        WITH("Name: x\r\r\n"),
        WITH("Name: \x01\r\n"),
        WITH("Name: \x1b[31m\r\n"),
        WITH("Name: \x7f\r\n"),
        WITH("\x0bName: x\r\n"),
        GOOD "\n",
        GOOD "\rX",
        "GET / HTTP/1.1\r\n\rX",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_refused(heads[i], 400);
}

static void a_nul_or_a_bare_lf_anywhere_gets_400(void **state)
{
    (void)state;
    static const char good[] = WITH("Cookie: a=b\r\n");
    for (size_t at = 0; at < sizeof good - 1; at++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        text[at] = '\0';
        assert_refused_sized(text, sizeof good - 1, 400);
        if (good[at] == '\n')
            continue;
        text[at] = '\n';
        assert_refused_sized(text, sizeof good - 1, 400);
    }
}

static void a_request_line_over_the_limit_gets_414_and_fields_over_it_431(void **state)
{
    (void)state;
    char text[9000];
    memset(text, 'a', sizeof text);
    memcpy(text, "GET /", 5);
    assert_refused_sized(text, sizeof text, 414);
    memcpy(text, GET "Name: ", sizeof GET + 5);
    assert_refused_sized(text, sizeof text, 431);
    memcpy(text, GET, sizeof GET - 1);
    memset(text + sizeof GET - 1, 'a', 100);
    assert_refused_sized(text, sizeof text, 431);
}

static void more_than_100_fields_get_431(void **state)
{
    (void)state;
    char text[2048] = GOOD;
    for (int i = 5; i < 100; i++)
        strcat(text, "a: b\r\n");
    size_t full = strlen(text);
    strcat(text, "\r\n");
    assert_accepted(text);
    strcpy(text + full, "a: b\r\n\r\n");
    assert_refused(text, 431);
}

static void a_target_that_is_no_path_and_no_absolute_url_gets_400(void **state)
{
    (void)state;
    static const char *const targets[] = {
        "*",           "example.com:80", "example.com", "chat",         "ftp://example.com/",
        "http:/x",     "http://",        "http:///x",   "http://u@h/",  "http://u:p@h/x",
        "http://h:x/", "http://h:99999", "http://[::",  "http://h\\p/", "?query",
        "ws+unix:/x",  "http://?q",
    };
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n",
                 targets[i]);
        assert_refused(text, 400);
    }
}

static void host_missing_twice_or_malformed_gets_400(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\nHost: c\r\n",
        "Host: http://a\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: a:b\r\n",
        "Host: a:65536\r\n",
        "Host: :80\r\n",
        "Host: [::1\r\n",
        "Host: ::1\r\n",
        "Host: [fe80::1%eth0]\r\n",
        "Host: \xc3\xa9\r\n",
        "Host: a\\b\r\n",
        "Host: %g0\r\n",
    };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GET UPGRADE KEY VERSION "%s\r\n", hosts[i]);
        assert_refused(text, 400);
        snprintf(text, sizeof text, "GET http://a/ HTTP/1.1\r\n" UPGRADE KEY VERSION "%s\r\n",
                 hosts[i]);
        assert_refused(text, 400);
    }
}

static void a_body_on_the_handshake_gets_400(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "Content-Length: 1\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: -0\r\n",
        "Content-Length:\r\n",
        "Content-Length: 0, 0\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "content-length: 18446744073709551616\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: 0\r\nTRANSFER-ENCODING: x\r\n",
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GOOD "%s\r\n", fields[i]);
        assert_refused(text, 400);
    }
}

static void two_origins_get_400(void **state)
{
    (void)state;
    assert_accepted(WITH("Origin: null\r\n"));
    assert_refused(WITH("Origin: http://a\r\nOrigin: http://b\r\n"), 400);
}

static void a_request_without_upgrade_gets_426(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "",
        "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\n",
        "Upgrade: websocket\r\nConnection: keep-alive\r\n",
        "Upgrade: websocket\r\nConnection:\r\n",
        "Upgrade: websocket\r\nConnection: upgraded\r\n",
        "Upgrade: websocket\r\nConnection: up grade\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "Upgrade:\r\nConnection: Upgrade\r\n",
        "Upgrade: websocket/13\r\nConnection: Upgrade\r\n",
        "Upgrade: websockets\r\nConnection: Upgrade\r\n",
        "Upgrade: \"websocket\"\r\nConnection: Upgrade\r\n",
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GET HOST KEY VERSION "%s\r\n", fields[i]);
        assert_refused(text, 426);
    }
}

static void a_version_other_than_13_gets_426_and_none_or_two_400(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        unsigned http_status;
    } cases[] = {
        {"", 400},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", 400},
        {"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n", 400},
        {"Sec-WebSocket-Version: 8\r\n", 426},
        {"Sec-WebSocket-Version: 12\r\n", 426},
        {"Sec-WebSocket-Version: 14\r\n", 426},
        {"Sec-WebSocket-Version: 013\r\n", 426},
        {"Sec-WebSocket-Version: 13, 8\r\n", 426},
        {"Sec-WebSocket-Version: 130\r\n", 426},
        {"Sec-WebSocket-Version: x\r\n", 426},
        {"Sec-WebSocket-Version:\r\n", 426},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GET HOST UPGRADE KEY "%s\r\n", cases[i].fields);
        assert_refused(text, cases[i].http_status);
    }
}

static void a_key_that_is_not_16_bytes_once_gets_400(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "",
        "Sec-WebSocket-Key:\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n",     /* 15 bytes */
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n", /* 17 bytes */
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl\r\n", /* 18 bytes */
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",   /* no padding */
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-Q==\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ=\r\n",
        "Sec-WebSocket-Key: \"dGhlIHNhbXBsZSBub25jZQ==\"\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==,\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==\r\n",
        KEY KEY,
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GET HOST UPGRADE VERSION "%s\r\n", fields[i]);
        assert_refused(text, 400);
    }
}

static void malformed_subprotocols_and_extensions_get_400(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Sec-WebSocket-Protocol:\r\n",
        "Sec-WebSocket-Protocol: ,\r\n",
        "Sec-WebSocket-Protocol: a b\r\n",
        "Sec-WebSocket-Protocol: a, \"b\"\r\n",
        "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b/c\r\n",
        "Sec-WebSocket-Extensions:\r\n",
        "Sec-WebSocket-Extensions: ,\r\n",
        "Sec-WebSocket-Extensions: a;\r\n",
        "Sec-WebSocket-Extensions: a; b=\r\n",
        "Sec-WebSocket-Extensions: a; b=\"\r\n",
        "Sec-WebSocket-Extensions: good\r\nSec-WebSocket-Extensions: b@d\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GOOD "%s\r\n", bad[i]);
        assert_refused(text, 400);
    }
    assert_accepted(WITH("Sec-WebSocket-Protocol:\r\nSec-WebSocket-Protocol: a,,b\r\n"));
    assert_accepted(WITH("Sec-WebSocket-Extensions: unknown; x=\"1\"\r\n"
                         "Sec-WebSocket-Extensions:\r\n"));
}

static void the_first_rule_of_the_list_decides(void **state)
{
    (void)state;
    assert_refused("GET * HTTP/1.1\r\n\r\n", 400);
    assert_refused("GET / HTTP/1.1\r\n\r\n", 400);            /* Host, before Upgrade */
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426); /* Upgrade, before version */
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", 400);
    assert_refused(GET HOST UPGRADE "Sec-WebSocket-Version: 8\r\n\r\n", 426); /* before the key */
    assert_refused("POST / HTTP/1.0\r\n", 405);
}

static void a_plain_request_that_is_refused_can_still_be_read(void **state)
{
    (void)state;
    static const char text[] = "GET /health?x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n";
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_refusal refusal;
    weir_handshake_request request = {
        .head = {.fields = fields, .field_capacity = WEIR_HTTP_FIELDS_DEFAULT}};
    assert_int_equal(weir_handshake_request_parse(&request, text, sizeof text - 1, NULL, &refusal),
                     WEIR_EPROTOCOL);
    assert_int_equal(refusal.http_status, 426);
    assert_int_equal(request.head.size, sizeof text - 1);
    assert_view(request.path, "/health");
    assert_view(request.query, "x");
    assert_view(request.host, "a");
    assert_view(weir_http_field_find(&request.head, "accept", 0)->value, "*/*");
}

static void a_refusal_names_the_offset_of_the_bad_value(void **state)
{
    (void)state;
    static const char text[] = GET HOST UPGRADE VERSION "Sec-WebSocket-Key: short\r\n\r\n";
    struct verdict said = parse_sized(text, sizeof text - 1);
    assert_int_equal(said.refusal.fault.offset, strstr(text, "short") - text);
    static const char keyless[] = GET HOST UPGRADE VERSION "\r\n";
    said = parse_sized(keyless, sizeof keyless - 1);
    assert_int_equal(said.refusal.fault.offset, sizeof keyless - 1);
}

static void a_refusal_distinguishes_several_fields_from_a_missing_one(void **state)
{
    (void)state;
    static const char *const fields[] = {HOST, VERSION, KEY};
    for (size_t i = 0; i < 3; i++) {
        char text[512];
        snprintf(text, sizeof text, GOOD "%s\r\n", fields[i]);
        assert_non_null(strstr(parse_sized(text, strlen(text)).refusal.fault.rule, "several"));
        snprintf(text, sizeof text, GET "%s%s%s" UPGRADE "\r\n", i == 0 ? "" : HOST,
                 i == 1 ? "" : VERSION, i == 2 ? "" : KEY);
        assert_non_null(strstr(parse_sized(text, strlen(text)).refusal.fault.rule, "missing"));
    }
}

static void the_limit_of_bytes_is_that_of_the_caller(void **state)
{
    (void)state;
    static const char text[] = WITH("");
    size_t size = sizeof text - 1;
    weir_handshake_refusal refusal;
    weir_http_scan scan = {.size_max = size};
    assert_int_equal(parse_piece(text, size, &scan, &refusal), size);
    scan = (weir_http_scan){.size_max = size - 1};
    assert_int_equal(parse_piece(text, size, &scan, &refusal), WEIR_ETOOBIG);
    assert_int_equal(refusal.http_status, 431);
    scan = (weir_http_scan){.size_max = 10};
    assert_int_equal(parse_piece(text, size, &scan, &refusal), WEIR_ETOOBIG);
    assert_int_equal(refusal.http_status, 414);
}

static void no_refusal_is_written_where_nothing_was_refused(void **state)
{
    (void)state;
    weir_handshake_refusal refusal = {0};
    assert_int_equal(weir_handshake_refusal_write(NULL, 0, &refusal), WEIR_EINVAL);
    refusal.http_status = 400;
    assert_int_equal(weir_handshake_refusal_write(NULL, 0, &refusal), WEIR_EINVAL);
    refusal.fault.rule = "a rule";
    assert_true(weir_handshake_refusal_write(NULL, 0, &refusal) > 0);
    char rule[600];
    memset(rule, 'x', sizeof rule - 1);
    rule[sizeof rule - 1] = '\0';
    refusal.fault.rule = rule;
    assert_int_equal(weir_handshake_refusal_write(NULL, 0, &refusal), WEIR_ETOOBIG);
}

/* Changes bytes of a good request: every split of the result gives the same verdict, and a refusal
 * can be written. */
static void mutated_requests_get_one_verdict_however_they_are_cut(void **state)
{
    (void)state;
    static const char good[] =
        "GET /c?q HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: a, b\r\n"
        "Sec-WebSocket-Extensions: x; y=\"1\"\r\nOrigin: o\r\n\r\n";
    static const char interesting[] = "\r\n\0 \t:;,=\"\\/#?aG1\x7f\x80\xff";
    srand(17);
    for (int round = 0; round < 150; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int flips = 1 + rand() % 3; flips > 0; flips--)
            text[(size_t)rand() % (sizeof good - 1)] =
                interesting[(size_t)rand() % (sizeof interesting - 1)];
        struct verdict said = parse_sized(text, sizeof good - 1);
        if (said.status < 0)
            assert_answer(&said.refusal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_http_is_refused_at_its_first_impossible_byte),
        cmocka_unit_test(a_malformed_request_line_gets_400),
        cmocka_unit_test(any_method_but_get_gets_405_as_soon_as_it_is_there),
        cmocka_unit_test(a_method_without_end_gets_501),
        cmocka_unit_test(other_versions_of_http_get_426_or_505),
        cmocka_unit_test(field_lines_against_the_syntax_get_400),
        cmocka_unit_test(a_nul_or_a_bare_lf_anywhere_gets_400),
        cmocka_unit_test(a_request_line_over_the_limit_gets_414_and_fields_over_it_431),
        cmocka_unit_test(more_than_100_fields_get_431),
        cmocka_unit_test(a_target_that_is_no_path_and_no_absolute_url_gets_400),
        cmocka_unit_test(host_missing_twice_or_malformed_gets_400),
        cmocka_unit_test(a_body_on_the_handshake_gets_400),
        cmocka_unit_test(two_origins_get_400),
        cmocka_unit_test(a_request_without_upgrade_gets_426),
        cmocka_unit_test(a_version_other_than_13_gets_426_and_none_or_two_400),
        cmocka_unit_test(a_key_that_is_not_16_bytes_once_gets_400),
        cmocka_unit_test(malformed_subprotocols_and_extensions_get_400),
        cmocka_unit_test(the_first_rule_of_the_list_decides),
        cmocka_unit_test(a_plain_request_that_is_refused_can_still_be_read),
        cmocka_unit_test(a_refusal_names_the_offset_of_the_bad_value),
        cmocka_unit_test(a_refusal_distinguishes_several_fields_from_a_missing_one),
        cmocka_unit_test(the_limit_of_bytes_is_that_of_the_caller),
        cmocka_unit_test(no_refusal_is_written_where_nothing_was_refused),
        cmocka_unit_test(mutated_requests_get_one_verdict_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
