/* Addresses: from text and back, and nothing but what is numeric. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <weir/address.h>

static void expect_text(const weir_address *address, const char *text)
{
    char got[WEIR_ADDRESS_ROOM];
    assert_int_equal(weir_address_describe(got, sizeof got, address), strlen(text));
    assert_string_equal(got, text);
}

static bool is_zeroed(const weir_address *address)
{
    static const weir_address none;
    return memcmp(address, &none, sizeof none) == 0;
}

static void a_numeric_host_becomes_an_address_and_text_again(void **state)
{
    static const struct {
        const char *host;
        const char *text;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1:80"},
        {"0.0.0.0", "0.0.0.0:80"},
        {"255.255.255.255", "255.255.255.255:80"},
        {"::1", "[::1]:80"},
        {"::", "[::]:80"},
        {"2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:80"},
        {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:80"},
        {"fe80::1%1", "[fe80::1%1]:80"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:80"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_address address;
        assert_int_equal(weir_address_tcp(&address, cases[i].host, 80), WEIR_OK);
        assert_int_equal(weir_address_port(&address), 80);
        expect_text(&address, cases[i].text);
    }
}

static void a_zone_may_be_the_name_of_an_interface(void **state)
{
    weir_address address;
    char name[IF_NAMESIZE];
    char host[64] = "fe80::1%";
    (void)state;
    if (if_indextoname(1, name) == NULL)
        skip();
    assert_int_equal(weir_address_tcp(&address, strcat(host, name), 9), WEIR_OK);
    expect_text(&address, "[fe80::1%1]:9");
}

static void what_is_not_numeric_is_refused(void **state)
{
    static const char *const hosts[] = {
        "",
        "localhost",
        "127.0.0",
        "127.0.0.1.",
        "127.0.0.256",
        "1.2.3.4:80",
        "[::1]",
        "::1%",
        "::1%0",
        "::1%no_such_interface",
        ":::",
        "12345::",
        "::1%4294967296",
        "::1%99999999999999999999",
        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111",
    };
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        weir_address address = {.size = 5};
        assert_int_equal(weir_address_tcp(&address, hosts[i], 80), WEIR_EINVAL);
        assert_true(is_zeroed(&address));
    }
    weir_address address;
    assert_int_equal(weir_address_tcp(&address, NULL, 80), WEIR_EINVAL);
    assert_true(is_zeroed(&address));
    assert_int_equal(weir_address_tcp(NULL, "::1", 80), WEIR_EINVAL);
}

static void a_path_becomes_the_address_of_a_unix_socket(void **state)
{
    weir_address address;
    (void)state;
    assert_int_equal(weir_address_unix(&address, "/run/weir.sock"), WEIR_OK);
    assert_int_equal(address.storage.ss_family, AF_UNIX);
    assert_int_equal(weir_address_port(&address), 0);
    expect_text(&address, "unix:/run/weir.sock");
    assert_int_equal(weir_address_unix(&address, "@abstract"), WEIR_OK);
    assert_int_equal(address.size, offsetof(struct sockaddr_un, sun_path) + 9);
    expect_text(&address, "unix:@abstract");
    assert_int_equal(weir_address_unix(&address, "/a\nb\x7f\xff"), WEIR_OK);
    expect_text(&address, "unix:/a?b??");
}

static void a_path_has_1_to_107_bytes(void **state)
{
    char path[109];
    char text[WEIR_ADDRESS_ROOM];
    weir_address address = {.size = 5};
    (void)state;
    memset(path, 'p', sizeof path);
    path[108] = '\0';
    assert_int_equal(weir_address_unix(&address, path), WEIR_EINVAL);
    assert_true(is_zeroed(&address));
    path[107] = '\0';
    assert_int_equal(weir_address_unix(&address, path), WEIR_OK);
    assert_int_equal(weir_address_describe(text, sizeof text, &address), 5 + 107);
    path[0] = '@';
    assert_int_equal(weir_address_unix(&address, path), WEIR_OK);
    assert_int_equal(weir_address_describe(text, sizeof text, &address), 5 + 107);
    assert_int_equal(weir_address_unix(&address, ""), WEIR_EINVAL);
    assert_int_equal(weir_address_unix(&address, "@"), WEIR_EINVAL);
    assert_int_equal(weir_address_unix(&address, NULL), WEIR_EINVAL);
    assert_int_equal(weir_address_unix(NULL, "/x"), WEIR_EINVAL);
}

static void text_that_does_not_fit_is_cut(void **state)
{
    char text[13] = "untouched";
    weir_address address;
    (void)state;
    assert_int_equal(weir_address_tcp(&address, "127.0.0.1", 80), WEIR_OK);
    assert_int_equal(weir_address_describe(text, 12, &address), 12);
    assert_string_equal(text, "127.0.0.1:8");
    assert_int_equal(weir_address_describe(text, 1, &address), 12);
    assert_string_equal(text, "");
    assert_int_equal(weir_address_describe(text, 13, &address), 12);
    assert_string_equal(text, "127.0.0.1:80");
    assert_int_equal(weir_address_describe(NULL, 0, &address), 12);
}

static void no_address_is_none(void **state)
{
    const weir_address none = {.size = 0};
    (void)state;
    expect_text(&none, "none");
    assert_int_equal(weir_address_port(&none), 0);
    assert_int_equal(weir_address_port(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_numeric_host_becomes_an_address_and_text_again),
        cmocka_unit_test(a_zone_may_be_the_name_of_an_interface),
        cmocka_unit_test(what_is_not_numeric_is_refused),
        cmocka_unit_test(a_path_becomes_the_address_of_a_unix_socket),
        cmocka_unit_test(a_path_has_1_to_107_bytes),
        cmocka_unit_test(text_that_does_not_fit_is_cut),
        cmocka_unit_test(no_address_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
