#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/url.h>

#include "exact.h"

/* The expected parts of a URL. NULL: absent. */
struct parts {
    const char *text;
    enum weir_url_scheme scheme;
    const char *host;
    uint16_t port;
    const char *socket_path;
    const char *path;
    const char *query;
    const char *header; /* Host field */
};

static void assert_view(weir_view view, const char *text)
{
    if (text == NULL) {
        assert_null(view.data);
        assert_int_equal(view.size, 0);
        return;
    }
    assert_non_null(view.data);
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
}

static void assert_written(const weir_url *url, const char *expected,
                           int (*write)(char *, size_t, const weir_url *))
{
    size_t size = strlen(expected);
    assert_int_equal(write(NULL, 0, url), size);
    for (size_t room = 0; room <= size; room++) {
        char *out = malloc(room + 1);
        assert_non_null(out);
        assert_int_equal(write(out, room, url), WEIR_ETOOBIG);
        free(out);
    }
    char *out = malloc(size + 1);
    assert_non_null(out);
    assert_int_equal(write(out, size + 1, url), size);
    assert_string_equal(out, expected);
    free(out);
}

static void assert_parts_of(const char *text, size_t size, const struct parts *parts)
{
    weir_url url;
    weir_fault fault = {1, 1, "stale"};
    char *copy = exact_copy(text, size);
    assert_int_equal(weir_url_parse(&url, copy, size, &fault), WEIR_OK);
    assert_null(fault.rule);
    assert_int_equal(fault.status, WEIR_OK);
    assert_int_equal(url.scheme, parts->scheme);
    assert_view(url.host, parts->host);
    assert_int_equal(url.port, parts->port);
    assert_view(url.socket_path, parts->socket_path);
    assert_view(url.path, parts->path);
    assert_view(url.query, parts->query);
    assert_int_equal(url.ipv6, parts->header[0] == '[');
    assert_written(&url, parts->header, weir_url_host_header_write);
    free(copy);
}

static void urls_come_apart_and_are_written_back(void **state)
{
    (void)state;
    static const struct parts urls[] = {
        {"ws://h", WEIR_URL_WS, "h", 80, NULL, "/", NULL, "h"},
        {"ws://h/", WEIR_URL_WS, "h", 80, NULL, "/", NULL, "h"},
        {"WS://H.Example/", WEIR_URL_WS, "H.Example", 80, NULL, "/", NULL, "H.Example"},
        {"wss://h", WEIR_URL_WSS, "h", 443, NULL, "/", NULL, "h"},
        {"Wss://h:443/a", WEIR_URL_WSS, "h", 443, NULL, "/a", NULL, "h"},
        {"wss://h:80/a", WEIR_URL_WSS, "h", 80, NULL, "/a", NULL, "h:80"},
        {"ws://h:80", WEIR_URL_WS, "h", 80, NULL, "/", NULL, "h"},
        {"ws://h:443", WEIR_URL_WS, "h", 443, NULL, "/", NULL, "h:443"},
        {"ws://h:0/", WEIR_URL_WS, "h", 0, NULL, "/", NULL, "h:0"},
        {"ws://h:65535/", WEIR_URL_WS, "h", 65535, NULL, "/", NULL, "h:65535"},
        {"ws://h:0009001/", WEIR_URL_WS, "h", 9001, NULL, "/", NULL, "h:9001"},
        {"ws://h:/x", WEIR_URL_WS, "h", 80, NULL, "/x", NULL, "h"},
        {"ws://127.0.0.1:9001/echo", WEIR_URL_WS, "127.0.0.1", 9001, NULL, "/echo", NULL,
         "127.0.0.1:9001"},
        {"ws://h?q", WEIR_URL_WS, "h", 80, NULL, "/", "q", "h"},
        {"ws://h/?", WEIR_URL_WS, "h", 80, NULL, "/", "", "h"},
        {"ws://h/a%20b//c?x=1&y=[2]?@:/", WEIR_URL_WS, "h", 80, NULL, "/a%20b//c", "x=1&y=[2]?@:/",
         "h"},
        {"ws://h/user@host", WEIR_URL_WS, "h", 80, NULL, "/user@host", NULL, "h"},
        {"ws://a%2Db_~!$&'()*+,;=/", WEIR_URL_WS, "a%2Db_~!$&'()*+,;=", 80, NULL, "/", NULL,
         "a%2Db_~!$&'()*+,;="},
        {"ws://[::1]", WEIR_URL_WS, "::1", 80, NULL, "/", NULL, "[::1]"},
        {"ws://[::1]:9/a", WEIR_URL_WS, "::1", 9, NULL, "/a", NULL, "[::1]:9"},
        {"wss://[2001:DB8::1]?q", WEIR_URL_WSS, "2001:DB8::1", 443, NULL, "/", "q",
         "[2001:DB8::1]"},
        {"ws+unix:/run/a.sock", WEIR_URL_UNIX, NULL, 0, "/run/a.sock", "/", NULL, "localhost"},
        {"WS+Unix:/run/a.sock:", WEIR_URL_UNIX, NULL, 0, "/run/a.sock", "/", NULL, "localhost"},
        {"ws+unix:/run/a.sock:/chat?x:y", WEIR_URL_UNIX, NULL, 0, "/run/a.sock", "/chat", "x:y",
         "localhost"},
        {"ws+unix:////s", WEIR_URL_UNIX, NULL, 0, "//s", "/", NULL, "localhost"},
        {"ws+unix:/s:?x", WEIR_URL_UNIX, NULL, 0, "/s", "/", "x", "localhost"},
        {"ws+unix:///run/a.sock:/c", WEIR_URL_UNIX, NULL, 0, "/run/a.sock", "/c", NULL,
         "localhost"},
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char written[128];
        weir_url url;
        assert_parts_of(urls[i].text, strlen(urls[i].text), &urls[i]);
        assert_int_equal(weir_url_parse(&url, urls[i].text, strlen(urls[i].text), NULL), WEIR_OK);
        int size = weir_url_write(written, sizeof written, &url);
        assert_true(size > 0);
        assert_parts_of(written, (size_t)size, &urls[i]);
        assert_written(&url, written, weir_url_write);
    }
}

static const struct {
    const char *text;
    size_t at;
} BAD_URLS[] = {
    {"", 0},
    {"ws", 0},
    {"ws:", 3},
    {"ws:/", 3},
    {"ws:/h", 3},
    {"h/path", 0},
    {"//h/path", 0},
    {"http://h/", 0},
    {"https://h/", 0},
    {"wsx://h/", 0},
    {"wss+unix:/s", 0},
    {"ws://", 5},
    {"wss://", 6},
    {"ws:///path", 5},
    {"ws://?q", 5},
    {"ws://:80/", 5},
    {"ws://h:65536/", 7},
    {"ws://h:99999999999999999999/", 7},
    {"ws://h:8o/", 8},
    {"ws://h:-1/", 7},
    {"ws://h:80:80/", 9},
    {"ws://user@h/", 5},
    {"ws://user:pass@h/", 5},
    {"ws://h/#frag", 7},
    {"ws://h#", 6},
    {"ws://h/a b", 8},
    {"ws://h/\t", 7},
    {"ws://h/\n", 7},
    {"ws://h/\x7f", 7},
    {"ws://h/\xc3\xa9", 7},
    {"ws://h\xc3\xa9/", 6},
    {" ws://h/", 0},
    {"ws://h\\p/", 6},
    {"ws://h<p/", 6},
    {"ws://h%4/", 6},
    {"ws://h%/", 6},
    {"ws://h%zz/", 6},
    {"ws://[::1", 5},
    {"ws://[::1]x/", 10},
    {"ws://[::1]:x/", 11},
    {"ws://[]/", 6},
    {"ws://[::1%25eth0]/", 9},
    {"ws://[fe80::1%eth0]/", 13},
    {"ws://[v1.x]/", 6},
    {"ws://[h]/", 6},
    {"ws://::1/", 5},
    {"ws://h]/", 6},
    {"ws+unix:", 8},
    {"ws+unix:/", 8},
    {"ws+unix:run/a.sock", 8},
    {"ws+unix://host/a.sock", 10},
    {"ws+unix:/s?q", 10},
    {"ws+unix:/s:path", 11},
    {"ws+unix:/s#f", 10},
};

static void bad_urls_are_refused_with_rule_and_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD_URLS / sizeof BAD_URLS[0]; i++) {
        static const weir_url zeroed;
        weir_url url;
        weir_fault fault;
        size_t size = strlen(BAD_URLS[i].text);
        char *copy = exact_copy(BAD_URLS[i].text, size);
        memset(&url, 0xa5, sizeof url);
        assert_int_equal(weir_url_parse(&url, copy, size, &fault), WEIR_EINVAL);
        assert_int_equal(fault.status, WEIR_EINVAL);
        assert_int_equal(fault.offset, BAD_URLS[i].at);
        assert_non_null(fault.rule);
        assert_int_equal(url.scheme, zeroed.scheme);
        assert_null(url.host.data);
        assert_null(url.path.data);
        assert_int_equal(weir_url_parse(&url, copy, size, NULL), WEIR_EINVAL);
        free(copy);
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const char text[] = "ws://host:80/path?query";
    for (size_t at = 0; at < sizeof text - 1; at++) {
        char copy[sizeof text];
        weir_url url;
        weir_fault fault;
        memcpy(copy, text, sizeof text);
        copy[at] = '\0';
        assert_int_equal(weir_url_parse(&url, copy, sizeof text - 1, &fault), WEIR_EINVAL);
        assert_int_equal(fault.offset, at);
    }
}

static int parse_ipv6(const char *address)
{
    char text[128] = "ws://[";
    weir_url url;
    strcat(strcat(text, address), "]/");
    char *copy = exact_copy(text, strlen(text));
    int status = weir_url_parse(&url, copy, strlen(text), NULL);
    free(copy);
    return status;
}

static void ipv6_addresses_follow_the_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {
        "::",
        "::1",
        "1::",
        "1:2:3:4:5:6:7:8",
        "1::8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1:2:3::5:6:7:8",
        "ABCD:ef01:2345:6789:abcd:EF01:2345:6789",
        "::ffff:192.0.2.1",
        "1:2:3:4:5:6:255.255.255.255",
        "::0.0.0.0",
        "1::10.9.8.7",
        "64:ff9b::192.0.2.33",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":::",
        "1",
        "1:",
        ":1",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7:8:",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "1:2:3:4::5:6:7:8",
        "1::2::3",
        "12345::",
        "g::",
        "1:::2",
        "::1.2.3",
        "::1.2.3.4.5",
        "::256.0.0.1",
        "::01.2.3.4",
        "::1.2.3.4:5",
        "::1.2.3.",
        "::1..2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:1.2.3.4",
        "1.2.3.4",
        "::1.2.3.1000",
        "::1-2",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(parse_ipv6(good[i]), WEIR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse_ipv6(bad[i]), WEIR_EINVAL);
}

static void a_host_may_have_255_bytes(void **state)
{
    (void)state;
    char text[512] = "ws://";
    char header[WEIR_URL_HOST_HEADER_ROOM];
    weir_url url;
    memset(text + 5, 'a', 256);
    memcpy(text + 5 + 255, ":65535", 7);
    assert_int_equal(weir_url_parse(&url, text, strlen(text), NULL), WEIR_OK);
    assert_int_equal(weir_url_host_header_write(header, sizeof header, &url), 255 + 6);
    memset(text + 5, 'a', 256);
    text[5 + 256] = '\0';
    assert_int_equal(weir_url_parse(&url, text, strlen(text), NULL), WEIR_EINVAL);
}

static void a_zeroed_url_is_not_written(void **state)
{
    (void)state;
    static const weir_url url;
    assert_int_equal(weir_url_write(NULL, 0, &url), WEIR_EINVAL);
    assert_int_equal(weir_url_host_header_write(NULL, 0, &url), WEIR_EINVAL);
}

static void random_bytes_after_the_scheme_never_read_too_far(void **state)
{
    (void)state;
    static const char alphabet[] = "[]:/?#@%.aF0125-ws+unix \xff";
    srand(3);
    for (int round = 0; round < 20000; round++) {
        char text[32] = "ws://";
        size_t size = 5 + (size_t)rand() % 20;
        for (size_t i = 5; i < size; i++)
            text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        char *copy = exact_copy(text, size);
        weir_url url;
        char written[64];
        if (weir_url_parse(&url, copy, size, NULL) == WEIR_OK) {
            weir_url again;
            int length = weir_url_write(written, sizeof written, &url);
            assert_true(length > 0);
            assert_int_equal(weir_url_parse(&again, written, (size_t)length, NULL), WEIR_OK);
            assert_int_equal(again.port, url.port);
            assert_int_equal(again.host.size, url.host.size);
            assert_int_equal(again.path.size, url.path.size);
            assert_int_equal(again.query.size, url.query.size);
        }
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_come_apart_and_are_written_back),
        cmocka_unit_test(bad_urls_are_refused_with_rule_and_place),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(ipv6_addresses_follow_the_grammar),
        cmocka_unit_test(a_host_may_have_255_bytes),
        cmocka_unit_test(a_zeroed_url_is_not_written),
        cmocka_unit_test(random_bytes_after_the_scheme_never_read_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
