#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <weir/handshake.h>
#include <weir/url.h>

#include "exact.h"

#define STATUS     "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE    "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define ACCEPT     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define GOOD       STATUS UPGRADE CONNECTION ACCEPT
#define WITH(x)    GOOD x "\r\n"

static const char *const SUBPROTOCOLS[] = {"chat", "superchat"};

/* The client of RFC 6455 1.3, that offers two subprotocols and two extensions. */
static weir_handshake_offer offer_of_the_rfc(void)
{
    weir_handshake_offer offer = {.host = "server.example.com",
                                  .path = weir_view_of("/chat"),
                                  .origin = "http://example.com",
                                  .subprotocols = SUBPROTOCOLS,
                                  .subprotocol_count = 2,
                                  .extensions = "permessage-deflate; client_max_window_bits, x"};
    memcpy(offer.nonce, "the sample nonce", sizeof offer.nonce);
    return offer;
}

struct verdict {
    int status;
    unsigned http_status;
    int64_t content_length;
    weir_fault fault;
};

static struct verdict parse_piece(const char *bytes, size_t size, weir_http_scan *scan,
                                  const weir_handshake_offer *offer)
{
    char *copy = exact_copy(bytes, size);
    weir_http_field *fields = calloc(WEIR_HTTP_FIELDS_DEFAULT, sizeof *fields);
    assert_non_null(fields);
    weir_handshake_response response = {
        .head = {.fields = fields, .field_capacity = WEIR_HTTP_FIELDS_DEFAULT}};
    struct verdict said;
    said.status = weir_handshake_response_parse(&response, copy, size, scan, offer);
    said.http_status = response.head.status;
    said.content_length = response.content_length;
    said.fault = response.fault;
    if (said.status > 0)
        assert_int_equal(response.head.size, said.status);
    free(fields);
    free(copy);
    return said;
}

static void assert_same_verdict(const struct verdict *a, const struct verdict *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->http_status, b->http_status);
    assert_int_equal(a->content_length, b->content_length);
    assert_int_equal(a->fault.status, b->fault.status);
    assert_int_equal(a->fault.offset, b->fault.offset);
    assert_ptr_equal(a->fault.rule, b->fault.rule);
}

static struct verdict parse_for(const weir_handshake_offer *offer, const char *bytes, size_t size)
{
    struct verdict whole = parse_piece(bytes, size, NULL, offer);
    struct verdict pieces;
    for (size_t cut = 0; cut <= size; cut++) {
        weir_http_scan scan = {0};
        pieces = parse_piece(bytes, cut, &scan, offer);
        if (pieces.status == 0)
            pieces = parse_piece(bytes, size, &scan, offer);
        assert_same_verdict(&pieces, &whole);
    }
    weir_http_scan scan = {0};
    size_t have = 0;
    do
        pieces = parse_piece(bytes, have, &scan, offer);
    while (pieces.status == 0 && have++ < size);
    assert_same_verdict(&pieces, &whole);
    return whole;
}

static struct verdict parse(const char *text)
{
    weir_handshake_offer offer = offer_of_the_rfc();
    return parse_for(&offer, text, strlen(text));
}

static void assert_accepted(const char *text)
{
    struct verdict said = parse(text);
    assert_int_equal(said.status, strlen(text));
    assert_null(said.fault.rule);
}

static void assert_fails(const char *text)
{
    struct verdict said = parse(text);
    assert_int_equal(said.status, WEIR_EPROTOCOL);
    assert_int_equal(said.fault.status, WEIR_EPROTOCOL);
    assert_non_null(said.fault.rule);
    assert_true(said.fault.offset <= strlen(text));
}

static void assert_view(weir_view view, const char *text)
{
    assert_non_null(view.data);
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
}

/* ---- the request ---- */

static void assert_written(const weir_handshake_offer *offer, const char *expected)
{
    size_t size = strlen(expected);
    assert_int_equal(weir_handshake_request_write(NULL, 0, offer), size);
    for (size_t room = 0; room <= size + 1; room++) {
        char *out = malloc(room + 1);
        assert_non_null(out);
        int written = weir_handshake_request_write(out, room, offer);
        assert_int_equal(written, room <= size ? WEIR_ETOOBIG : (int)size);
        if (room > size)
            assert_string_equal(out, expected);
        free(out);
    }
}

static void the_request_has_what_the_rfc_asks_for(void **state)
{
    (void)state;
    weir_handshake_offer offer = {.host = "h"};
    memcpy(offer.nonce, "the sample nonce", sizeof offer.nonce);
    assert_written(&offer, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                           "Sec-WebSocket-Version: 13\r\n\r\n");
}

static void all_that_is_offered_is_written(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {{"Cookie", "a=b"}, {"Authorization", "Basic x"}};
    weir_handshake_offer offer = offer_of_the_rfc();
    offer.query = weir_view_of("a=1");
    offer.headers = headers;
    offer.header_count = 2;
    assert_written(&offer,
                   "GET /chat?a=1 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                   "Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n"
                   "Sec-WebSocket-Protocol: chat, superchat\r\n"
                   "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x\r\n"
                   "Cookie: a=b\r\nAuthorization: Basic x\r\n\r\n");
}

static void an_empty_query_is_left_out(void **state)
{
    (void)state;
    char out[512];
    weir_handshake_offer offer = {
        .host = "h", .path = weir_view_of("/a"), .query = weir_view_of("")};
    assert_true(weir_handshake_request_write(out, sizeof out, &offer) > 0);
    assert_ptr_equal(strstr(out, "GET /a HTTP/1.1\r\n"), out);
}

static void a_server_reads_back_what_a_client_writes(void **state)
{
    (void)state;
    static const char text[] = "wss://[::1]:9001/a%20b?c=d&e";
    static const weir_http_header header = {"X-Extra", "1, \xc3\xa9"};
    char host[WEIR_URL_HOST_HEADER_ROOM];
    char out[512];
    weir_url url;
    weir_http_field fields[16];
    weir_handshake_request request = {.head = {.fields = fields, .field_capacity = 16}};
    weir_handshake_offer offer = offer_of_the_rfc();
    assert_int_equal(weir_url_parse(&url, text, sizeof text - 1, NULL), WEIR_OK);
    assert_true(weir_url_host_header_write(host, sizeof host, &url) > 0);
    offer.host = host;
    offer.path = url.path;
    offer.query = url.query;
    offer.headers = &header;
    offer.header_count = 1;

    int size = weir_handshake_request_write(out, sizeof out, &offer);
    assert_true(size > 0);
    char *copy = exact_copy(out, (size_t)size);
    assert_int_equal(weir_handshake_request_parse(&request, copy, (size_t)size, NULL, NULL), size);
    assert_view(request.path, "/a%20b");
    assert_view(request.query, "c=d&e");
    assert_view(request.host, "[::1]:9001");
    assert_view(request.origin, "http://example.com");
    assert_view(request.key, "dGhlIHNhbXBsZSBub25jZQ==");
    weir_http_cursor cursor = {0};
    weir_view name;
    for (size_t i = 0; i < 2; i++) {
        assert_true(weir_handshake_subprotocol_next(&name, &request, &cursor));
        assert_view(name, SUBPROTOCOLS[i]);
    }
    assert_view(weir_http_field_find(&request.head, "sec-websocket-extensions", 0)->value,
                offer.extensions);
    assert_view(weir_http_field_find(&request.head, "x-extra", 0)->value, header.value);
    free(copy);
}

static void what_must_not_be_sent_is_refused(void **state)
{
    (void)state;
    static const char *const hosts[] = {NULL,  "",      "a b",    "a\r\nb", "http://a",
                                        "a/b", "u@a",   "a:x",    "[::1",   "a:70000",
                                        "::1", "a\xff", "a, b:1", "%"};
    static const char *const targets[] = {"a",    "?a",    "/a?b",      "/a b", "/a\r\n",
                                          "/a#b", "/\x7f", "/\xc3\xa9", "*",    "http://h/"};
    static const char *const queries[] = {"a b", "a#b", "\r\n", "\xc3\xa9", "\x01"};
    static const char *const origins[] = {"a\r\nb", " a", "a\n", "\x7f"};
    static const char *const extensions[] = {"", ",", "a;", "a\r\n", "a; b=\"\"", " a", "a\n"};
    const weir_handshake_offer good = offer_of_the_rfc();
    assert_true(weir_handshake_request_write(NULL, 0, &good) > 0);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        weir_handshake_offer offer = good;
        offer.host = hosts[i];
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        weir_handshake_offer offer = good;
        offer.path = weir_view_of(targets[i]);
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        weir_handshake_offer offer = good;
        offer.query = weir_view_of(queries[i]);
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        weir_handshake_offer offer = good;
        offer.origin = origins[i];
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        weir_handshake_offer offer = good;
        offer.extensions = extensions[i];
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
}

static void subprotocols_that_are_no_tokens_or_stand_twice_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"a", "a"},   {"a", ""},   {"a b", "c"},
                                         {"a,b", "c"}, {"a", NULL}, {"a/b", "c"}};
    static const char *const good[] = {"a", "A"};
    weir_handshake_offer offer = {.host = "h", .subprotocols = good, .subprotocol_count = 2};
    assert_true(weir_handshake_request_write(NULL, 0, &offer) > 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        offer.subprotocols = bad[i];
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
}

static void headers_of_the_handshake_itself_are_refused(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {
        {"Host", "x"},           {"connection", "x"},        {"Upgrade", "x"},
        {"Origin", "x"},         {"Sec-WebSocket-Key", "x"}, {"sec-websocket-extensions", "x"},
        {"Content-Length", "0"}, {"Transfer-Encoding", "x"}, {"A", "b\r\nHost: evil"},
        {"A: b\r\nC", "d"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        weir_handshake_offer offer = {.host = "h", .headers = &headers[i], .header_count = 1};
        assert_int_equal(weir_handshake_request_write(NULL, 0, &offer), WEIR_EINVAL);
    }
}

/* ---- the response ---- */

static void the_response_of_the_rfc_is_accepted(void **state)
{
    (void)state;
    static const char text[] = WITH("Sec-WebSocket-Protocol: chat\r\n"
                                    "Sec-WebSocket-Extensions: permessage-deflate, x; y=1\r\n");
    weir_handshake_offer offer = offer_of_the_rfc();
    weir_http_field fields[16];
    weir_handshake_response response = {.head = {.fields = fields, .field_capacity = 16}};
    assert_accepted(text);
    assert_int_equal(weir_handshake_response_parse(&response, text, sizeof text - 1, NULL, &offer),
                     sizeof text - 1);
    assert_int_equal(response.head.status, 101);
    assert_view(response.head.reason, "Switching Protocols");
    assert_view(response.subprotocol, "chat");
    weir_http_cursor cursor = {0};
    weir_extension extension;
    assert_int_equal(weir_extension_head_next(&extension, &response.head, &cursor), 1);
    assert_view(extension.name, "permessage-deflate");
    assert_int_equal(weir_extension_head_next(&extension, &response.head, &cursor), 1);
    assert_view(extension.params, "; y=1");
    assert_int_equal(weir_extension_head_next(&extension, &response.head, &cursor), 0);
}

static void a_server_may_choose_nothing(void **state)
{
    (void)state;
    static const char text[] = WITH("");
    weir_handshake_offer offer = offer_of_the_rfc();
    weir_http_field fields[16];
    weir_handshake_response response = {.head = {.fields = fields, .field_capacity = 16}};
    assert_accepted(text);
    assert_int_equal(weir_handshake_response_parse(&response, text, sizeof text - 1, NULL, &offer),
                     sizeof text - 1);
    assert_null(response.subprotocol.data);
}

static void a_client_reads_back_what_a_server_writes(void **state)
{
    (void)state;
    char asked[512];
    char answered[512];
    weir_http_field fields[16];
    weir_http_field answer_fields[16];
    weir_handshake_offer offer = offer_of_the_rfc();
    weir_handshake_request request = {.head = {.fields = fields, .field_capacity = 16}};
    weir_handshake_response response = {.head = {.fields = answer_fields, .field_capacity = 16}};
    static const weir_http_header header = {"Set-Cookie", "a=b"};
    weir_handshake_acceptance acceptance = {
        .extensions = "x; y=2", .headers = &header, .header_count = 1};
    srand(29);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof offer.nonce; i++)
            offer.nonce[i] = (uint8_t)rand();
        int size = weir_handshake_request_write(asked, sizeof asked, &offer);
        assert_int_equal(weir_handshake_request_parse(&request, asked, (size_t)size, NULL, NULL),
                         size);
        acceptance.subprotocol = weir_handshake_choose_subprotocol(&request, SUBPROTOCOLS + 1, 1);
        size = weir_handshake_response_write(answered, sizeof answered, &request, &acceptance);
        assert_true(size > 0);
        assert_int_equal(
            weir_handshake_response_parse(&response, answered, (size_t)size, NULL, &offer), size);
        assert_view(response.subprotocol, "superchat");
        assert_view(weir_http_field_find(&response.head, "set-cookie", 0)->value, "a=b");
        offer.nonce[0] ^= 1;
        assert_int_equal(
            weir_handshake_response_parse(&response, answered, (size_t)size, NULL, &offer),
            WEIR_EPROTOCOL);
    }
}

static void bytes_after_the_head_are_left_alone(void **state)
{
    (void)state;
    static const char text[] = WITH("") "\x81\x05hello";
    weir_handshake_offer offer = offer_of_the_rfc();
    assert_int_equal(parse_for(&offer, text, sizeof text - 1).status, strlen(WITH("")));
}

static void harmless_variations_are_accepted(void **state)
{
    (void)state;
    assert_accepted("HTTP/1.1 101 \r\n" UPGRADE CONNECTION ACCEPT "\r\n");
    assert_accepted("HTTP/1.1 101\r\n" UPGRADE CONNECTION ACCEPT "\r\n");
    assert_accepted("HTTP/1.1 101 Web Socket Protocol Handshake\r\n"
                    "upgrade: WebSocket\r\nCONNECTION: keep-alive, UPGRADE\r\n" ACCEPT "\r\n");
    assert_accepted(STATUS UPGRADE ACCEPT "Connection: a\r\nConnection: upgrade\r\n\r\n");
    assert_accepted(
        WITH("Content-Length: 0\r\n")); /* RFC 9112 6.3: 101 has no body, whatever it says */
    assert_accepted(WITH("Sec-WebSocket-Version: 13\r\nServer: x\r\nDate: y\r\n"));
}

static void interim_responses_are_passed_over(void **state)
{
    (void)state;
    assert_accepted("HTTP/1.1 100 Continue\r\n\r\n" WITH(""));
    assert_accepted("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                    "HTTP/1.1 102 Processing\r\n\r\n" WITH("Sec-WebSocket-Protocol: chat\r\n"));
    assert_int_equal(parse("HTTP/1.1 100 Continue\r\n\r\n").status, 0);
    assert_fails("HTTP/1.1 100 Continue\r\n\r\n" STATUS "\r\n");
    assert_fails("HTTP/1.1 100 Continue\r\n\r\n\r\n");
    struct verdict said = parse("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n");
    assert_int_equal(said.status, WEIR_EREFUSED);
    assert_int_equal(said.http_status, 403);
}

static void endless_interim_responses_end_at_the_limit(void **state)
{
    (void)state;
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    weir_handshake_offer offer = offer_of_the_rfc();
    char text[8200];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = interim[i % (sizeof interim - 1)];
    struct verdict said = parse_piece(text, sizeof text, NULL, &offer);
    assert_int_equal(said.status, WEIR_ETOOBIG);
    assert_int_equal(said.fault.offset, 8192);
}

static void another_status_is_a_refusal_that_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned http_status;
        int64_t content_length;
    } cases[] = {
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n", 403, 3},
        {"HTTP/1.0 200 OK\r\n\r\n<html>", 200, -1},
        {"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 301, 0},
        {"HTTP/1.1 401 \r\nWWW-Authenticate: Basic\r\n\r\n", 401, -1},
        {"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\r\n", 426, -1},
        {"HTTP/1.1 500 x\r\nContent-Length: x\r\n\r\n", 500, -1},
        {"HTTP/1.1 500 x\r\nContent-Length:\r\n\r\n", 500, -1},
        {"HTTP/1.1 500 x\r\nContent-Length: -1\r\n\r\n", 500, -1},
        {"HTTP/1.1 500 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 500, -1},
        {"HTTP/1.1 500 x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 500, -1},
        {"HTTP/1.1 500 x\r\nContent-Length: 922337203685477580\r\n\r\n", 500, 922337203685477580},
        {"HTTP/1.1 600 x\r\n\r\n", 600, -1},
        {"HTTP/1.1 999 x\r\n\r\n", 999, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verdict said = parse(cases[i].text);
        assert_int_equal(said.status, WEIR_EREFUSED);
        assert_int_equal(said.http_status, cases[i].http_status);
        assert_int_equal(said.content_length, cases[i].content_length);
        assert_null(said.fault.rule);
    }
}

static void the_body_of_a_refusal_begins_behind_its_head(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n";
    weir_handshake_offer offer = offer_of_the_rfc();
    weir_http_field fields[4];
    weir_handshake_response response = {.head = {.fields = fields, .field_capacity = 4}};
    assert_int_equal(weir_handshake_response_parse(&response, text, sizeof text - 1, NULL, &offer),
                     WEIR_EREFUSED);
    assert_string_equal(text + response.head.size, "no\n");
    assert_view(response.head.reason, "Forbidden");
}

static void a_101_that_breaks_a_rule_fails_the_handshake(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "HTTP/1.0 101 Switching Protocols\r\n" UPGRADE CONNECTION ACCEPT "\r\n",
        STATUS "\r\n",
        STATUS CONNECTION ACCEPT "\r\n",
        STATUS UPGRADE ACCEPT "\r\n",
        STATUS UPGRADE CONNECTION "\r\n",
        STATUS "Upgrade: h2c\r\n" CONNECTION ACCEPT "\r\n",
        STATUS "Upgrade: websocket, h2c\r\n" CONNECTION ACCEPT "\r\n",
        STATUS "Upgrade:\r\n" CONNECTION ACCEPT "\r\n",
        STATUS UPGRADE UPGRADE CONNECTION ACCEPT "\r\n",
        STATUS UPGRADE "Connection: close\r\n" ACCEPT "\r\n",
        STATUS UPGRADE "Connection: Upgraded\r\n" ACCEPT "\r\n",
        WITH(ACCEPT), /* twice */
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept:\r\n\r\n",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n\r\n",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n",
        STATUS UPGRADE CONNECTION "Sec-WebSocket-Accept: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        WITH("Sec-WebSocket-Protocol: other\r\n"),
        WITH("Sec-WebSocket-Protocol: CHAT\r\n"),
        WITH("Sec-WebSocket-Protocol:\r\n"),
        WITH("Sec-WebSocket-Protocol: chat, superchat\r\n"),
        WITH("Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n"),
        WITH("Sec-WebSocket-Extensions: y\r\n"),
        WITH("Sec-WebSocket-Extensions: x, y\r\n"),
        WITH("Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: y\r\n"),
        WITH("Sec-WebSocket-Extensions: x-webkit-deflate-frame\r\n"),
        WITH("Sec-WebSocket-Extensions:\r\n"),
        WITH("Sec-WebSocket-Extensions: x;\r\n"),
        WITH("Sec-WebSocket-Extensions: x; a=\"\r\n"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_fails(texts[i]);
}

static void a_choice_without_an_offer_fails_the_handshake(void **state)
{
    (void)state;
    static const char *const texts[] = {WITH("Sec-WebSocket-Protocol: chat\r\n"),
                                        WITH("Sec-WebSocket-Extensions: permessage-deflate\r\n")};
    weir_handshake_offer offer = offer_of_the_rfc();
    offer.subprotocol_count = 0;
    offer.extensions = NULL;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(parse_for(&offer, texts[i], strlen(texts[i])).status, WEIR_EPROTOCOL);
}

static void heads_against_the_syntax_fail_the_handshake(void **state)
{
    (void)state;
    static const char *const texts[] = {
        WITH("Name : x\r\n"),
        WITH("Name: x\r\n folded\r\n"),
        WITH("Name: x\n"),
        WITH("Name: x\ry\r\n"),
        WITH("Name: \x01\r\n"),
        WITH("Name\r\n"),
        "HTTP/1.1 101 x\r\n " UPGRADE CONNECTION ACCEPT "\r\n",
        "\x15\x03\x01\x00\x02\x02\x46", /* a TLS alert */
        "SSH-2.0-x\r\n",
        "\x81\x05hello",
        "HTTP/2 101\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\r\n" WITH(""),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_fails(texts[i]);
}

static void limits_hold_for_responses(void **state)
{
    (void)state;
    weir_handshake_offer offer = offer_of_the_rfc();
    size_t size = strlen(WITH(""));
    weir_http_scan scan = {.size_max = size};
    assert_int_equal(parse_piece(WITH(""), size, &scan, &offer).status, size);
    scan = (weir_http_scan){.size_max = size - 1};
    assert_int_equal(parse_piece(WITH(""), size, &scan, &offer).status, WEIR_ETOOBIG);

    char text[2048] = GOOD;
    for (int i = 3; i < 101; i++)
        strcat(text, "a: b\r\n");
    strcat(text, "\r\n");
    struct verdict said = parse_for(&offer, text, strlen(text));
    assert_int_equal(said.status, WEIR_ETOOBIG);
    assert_int_equal(said.fault.status, WEIR_ETOOBIG);
}

static void mutated_responses_get_one_verdict_however_they_are_cut(void **state)
{
    (void)state;
    static const char good[] = WITH("Sec-WebSocket-Protocol: chat\r\n"
                                    "Sec-WebSocket-Extensions: x; y=\"1\"\r\n");
    static const char interesting[] = "\r\n\0 \t:;,=\"\\/14aG\x7f\x80\xff";
    weir_handshake_offer offer = offer_of_the_rfc();
    srand(31);
    for (int round = 0; round < 150; round++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        for (int flips = 1 + rand() % 3; flips > 0; flips--)
            text[(size_t)rand() % (sizeof good - 1)] =
                interesting[(size_t)rand() % (sizeof interesting - 1)];
        struct verdict said = parse_for(&offer, text, sizeof good - 1);
        assert_int_equal(said.fault.rule != NULL,
                         said.status == WEIR_EPROTOCOL || said.status == WEIR_ETOOBIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_has_what_the_rfc_asks_for),
        cmocka_unit_test(all_that_is_offered_is_written),
        cmocka_unit_test(an_empty_query_is_left_out),
        cmocka_unit_test(a_server_reads_back_what_a_client_writes),
        cmocka_unit_test(what_must_not_be_sent_is_refused),
        cmocka_unit_test(subprotocols_that_are_no_tokens_or_stand_twice_are_refused),
        cmocka_unit_test(headers_of_the_handshake_itself_are_refused),
        cmocka_unit_test(the_response_of_the_rfc_is_accepted),
        cmocka_unit_test(a_server_may_choose_nothing),
        cmocka_unit_test(a_client_reads_back_what_a_server_writes),
        cmocka_unit_test(bytes_after_the_head_are_left_alone),
        cmocka_unit_test(harmless_variations_are_accepted),
        cmocka_unit_test(interim_responses_are_passed_over),
        cmocka_unit_test(endless_interim_responses_end_at_the_limit),
        cmocka_unit_test(another_status_is_a_refusal_that_can_be_read),
        cmocka_unit_test(the_body_of_a_refusal_begins_behind_its_head),
        cmocka_unit_test(a_101_that_breaks_a_rule_fails_the_handshake),
        cmocka_unit_test(a_choice_without_an_offer_fails_the_handshake),
        cmocka_unit_test(heads_against_the_syntax_fail_the_handshake),
        cmocka_unit_test(limits_hold_for_responses),
        cmocka_unit_test(mutated_responses_get_one_verdict_however_they_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
