#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "request_probe.h"

/* ---- good requests ---- */

static void the_request_of_the_rfc_is_accepted_and_taken_apart(void **state)
{
    (void)state;
    static const char text[] = "GET /chat?room=1 HTTP/1.1\r\n"
                               "Host: server.example.com\r\n"
                               "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                               "Origin: http://example.com\r\n"
                               "Sec-WebSocket-Protocol: chat, superchat\r\n"
                               "Sec-WebSocket-Version: 13\r\n\r\n";
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    assert_accepted(text);
    parse_good(&request, fields, text);
    assert_view(request.path, "/chat");
    assert_view(request.query, "room=1");
    assert_view(request.host, "server.example.com");
    assert_view(request.origin, "http://example.com");
    assert_view(request.key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_view(request.head.method, "GET");
    assert_int_equal(request.head.field_count, 7);
    assert_view(weir_http_field_find(&request.head, "origin", 0)->value, "http://example.com");
}

static void what_is_not_said_is_absent(void **state)
{
    (void)state;
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    weir_http_cursor cursor = {0};
    weir_view name;
    parse_good(&request, fields, WITH(""));
    assert_null(request.query.data);
    assert_null(request.origin.data);
    assert_false(weir_handshake_subprotocol_next(&name, &request, &cursor));
}

static void bytes_after_the_head_are_left_alone(void **state)
{
    (void)state;
    static const char text[] = WITH("") "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_int_equal(parse_sized(text, sizeof text - 1).status, strlen(WITH("")));
}

static void tokens_compare_without_case_and_lists_run_over_lines(void **state)
{
    (void)state;
    assert_accepted(GET HOST KEY VERSION "upgrade: WebSocket\r\nCONNECTION: upGRADE\r\n\r\n");
    assert_accepted(GET HOST KEY VERSION
                    "Upgrade: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n\r\n");
    assert_accepted(GET HOST KEY VERSION
                    "Upgrade: h2c\r\nUpgrade: ,websocket,\r\n"
                    "Connection: keep-alive\r\nConnection:\tUpgrade \t\r\n\r\n");
    assert_accepted("\r\n" WITH(""));
    assert_accepted(WITH("Content-Length: 0\r\n"));
    assert_accepted(WITH("X-Bytes: \xff\xfe \xc3\xa9\r\nEmpty:\r\n"));
}

static void a_non_canonical_key_of_16_bytes_is_accepted(void **state)
{
    (void)state;
    assert_accepted(GET HOST UPGRADE VERSION "Sec-WebSocket-Key: abcdefghijklmnopqrstuv==\r\n\r\n");
}

static void assert_target(const char *target, const char *path, const char *query, const char *host)
{
    char text[512];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", target);
    assert_accepted(text);
    parse_good(&request, fields, text);
    assert_view(request.path, path);
    if (query != NULL)
        assert_view(request.query, query);
    else
        assert_null(request.query.data);
    assert_view(request.host, host);
}

static void targets_in_path_and_absolute_form_are_taken_apart(void **state)
{
    (void)state;
    assert_target("/", "/", NULL, "example.com");
    assert_target("/?", "/", "", "example.com");
    assert_target("//a/b?c?d", "//a/b", "c?d", "example.com");
    assert_target("/%41?a=[1]|{}^`\"<>\\", "/%41", "a=[1]|{}^`\"<>\\", "example.com");
    assert_target("http://other.example/a?b", "/a", "b", "other.example");
    assert_target("HTTPS://other:1", "/", NULL, "other:1");
    assert_target("ws://[::1]:9?q", "/", "q", "[::1]:9");
    assert_target("wss://127.0.0.1/", "/", NULL, "127.0.0.1");
}

static void hosts_of_every_form_are_accepted(void **state)
{
    (void)state;
    static const char *const hosts[] = {
        "a", "a.example:8080", "a:", "127.0.0.1", "[::1]", "[2001:db8::1]:443"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, GET UPGRADE KEY VERSION "Host: %s\r\n\r\n", hosts[i]);
        assert_accepted(text);
    }
}

static void a_head_of_8192_bytes_and_100_fields_is_accepted(void **state)
{
    (void)state;
    char text[8192 + 16] = GOOD;
    for (int i = 5; i < 99; i++)
        strcat(text, "a: b\r\n");
    strcat(text, "x: ");
    size_t size = strlen(text);
    memset(text + size, 'y', 8192 - 4 - size);
    memcpy(text + 8192 - 4, "\r\n\r\n", 5);
    assert_int_equal(strlen(text), 8192);
    assert_int_equal(parse_sized(text, 8192).status, 8192);

    memcpy(text + 8192 - 4, "y\r\n\r\n", 6); /* one byte more */
    assert_refused_sized(text, 8193, 431);
}

/* ---- choosing and accepting ---- */

static void the_accept_value_is_that_of_the_rfc(void **state)
{
    (void)state;
    char accept[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    weir_handshake_accept_value(accept, weir_view_of("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void the_subprotocol_is_the_first_of_the_server_that_was_offered(void **state)
{
    (void)state;
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    weir_http_cursor cursor = {0};
    weir_view name;
    parse_good(&request, fields,
               WITH("Sec-WebSocket-Protocol: a,b\r\nX: y\r\nsec-websocket-protocol: c\r\n"));
    static const char *const expected[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(weir_handshake_subprotocol_next(&name, &request, &cursor));
        assert_view(name, expected[i]);
    }
    assert_false(weir_handshake_subprotocol_next(&name, &request, &cursor));

    static const char *const ours[] = {"x", "c", "a"};
    assert_ptr_equal(weir_handshake_choose_subprotocol(&request, ours, 3), ours[1]);
    assert_null(weir_handshake_choose_subprotocol(&request, ours, 1));
    assert_null(weir_handshake_choose_subprotocol(&request, ours, 0));
    static const char *const other_case[] = {"A"};
    assert_null(weir_handshake_choose_subprotocol(&request, other_case, 1));
}

static void assert_written(const weir_handshake_request *request,
                           const weir_handshake_acceptance *acceptance, const char *expected)
{
    size_t size = strlen(expected);
    assert_int_equal(weir_handshake_response_write(NULL, 0, request, acceptance), size);
    for (size_t room = 0; room <= size + 1; room++) {
        char *out = malloc(room + 1);
        assert_non_null(out);
        int written = weir_handshake_response_write(out, room, request, acceptance);
        assert_int_equal(written, room <= size ? WEIR_ETOOBIG : (int)size);
        if (room > size)
            assert_string_equal(out, expected);
        free(out);
    }
}

#define ACCEPTED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void the_acceptance_is_written_with_all_that_was_chosen(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {{"Set-Cookie", "a=b"}, {"Server", "weir"}};
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    parse_good(&request, fields,
               WITH("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x; y, z\r\n"));
    assert_written(&request, NULL, ACCEPTED "\r\n");
    assert_written(&request, &(weir_handshake_acceptance){0}, ACCEPTED "\r\n");
    assert_written(
        &request,
        &(weir_handshake_acceptance){
            .subprotocol = "chat", .extensions = "x; y=1", .headers = headers, .header_count = 2},
        ACCEPTED "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x; y=1\r\n"
                 "Set-Cookie: a=b\r\nServer: weir\r\n\r\n");
}

static void what_was_not_offered_or_is_our_own_is_not_sent(void **state)
{
    (void)state;
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request;
    parse_good(&request, fields,
               WITH("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n"));
    static const weir_handshake_acceptance bad[] = {
        {.subprotocol = "other"}, {.subprotocol = "CHAT"}, {.subprotocol = ""},
        {.extensions = "y"},      {.extensions = "x, y"},  {.extensions = ""},
        {.extensions = "x;"},     {.extensions = "x\r\n"}, {.extensions = " x"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir_handshake_response_write(NULL, 0, &request, &bad[i]), WEIR_EINVAL);

    static const weir_http_header headers[] = {
        {"connection", "x"},
        {"UPGRADE", "x"},
        {"Host", "x"},
        {"Origin", "x"},
        {"Content-Length", "0"},
        {"Transfer-Encoding", "x"},
        {"Sec-WebSocket-Accept", "x"},
        {"sec-websocket-whatever", "x"},
        {"Sec-WebSocket-", "x"},
        {"A", "x\r\ny: z"},
        {"A b", "x"},
        {NULL, "x"},
        {"A", NULL},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        weir_handshake_acceptance acceptance = {.headers = &headers[i], .header_count = 1};
        assert_int_equal(weir_handshake_response_write(NULL, 0, &request, &acceptance),
                         WEIR_EINVAL);
    }
    static const weir_http_header near_miss[] = {{"Connection2", "x"}, {"Sec-WebSocket", "x"}};
    weir_handshake_acceptance acceptance = {.headers = near_miss, .header_count = 2};
    assert_true(weir_handshake_response_write(NULL, 0, &request, &acceptance) > 0);
}

static void a_request_that_was_not_parsed_is_not_accepted(void **state)
{
    (void)state;
    static const weir_handshake_request request;
    assert_int_equal(weir_handshake_response_write(NULL, 0, &request, NULL), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_of_the_rfc_is_accepted_and_taken_apart),
        cmocka_unit_test(what_is_not_said_is_absent),
        cmocka_unit_test(bytes_after_the_head_are_left_alone),
        cmocka_unit_test(tokens_compare_without_case_and_lists_run_over_lines),
        cmocka_unit_test(a_non_canonical_key_of_16_bytes_is_accepted),
        cmocka_unit_test(targets_in_path_and_absolute_form_are_taken_apart),
        cmocka_unit_test(hosts_of_every_form_are_accepted),
        cmocka_unit_test(a_head_of_8192_bytes_and_100_fields_is_accepted),
        cmocka_unit_test(the_accept_value_is_that_of_the_rfc),
        cmocka_unit_test(the_subprotocol_is_the_first_of_the_server_that_was_offered),
        cmocka_unit_test(the_acceptance_is_written_with_all_that_was_chosen),
        cmocka_unit_test(what_was_not_offered_or_is_our_own_is_not_sent),
        cmocka_unit_test(a_request_that_was_not_parsed_is_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
