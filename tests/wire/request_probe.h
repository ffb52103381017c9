/* tests/wire/request_probe.h - a server's verdict on a client's request. It has to be the same
 * however the bytes are cut. Include it after cmocka.h. */
#ifndef WEIR_TESTS_REQUEST_PROBE_H
#define WEIR_TESTS_REQUEST_PROBE_H

#include <stdio.h>

#include <weir/handshake.h>

#include "exact.h"

#define HOST    "Host: example.com\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GET     "GET /chat HTTP/1.1\r\n"
#define GOOD    GET HOST UPGRADE KEY VERSION
#define WITH(x) GOOD x "\r\n"

struct verdict {
    int status;
    weir_handshake_refusal refusal;
};

/* One call, with the bytes in an allocation of their size and a fresh array of fields; nothing
 * of the request outlives it. */
static inline int parse_piece(const char *bytes, size_t size, weir_http_scan *scan,
                              weir_handshake_refusal *refusal)
{
    char *copy = exact_copy(bytes, size);
    weir_http_field *fields = calloc(WEIR_HTTP_FIELDS_DEFAULT, sizeof *fields);
    assert_non_null(fields);
    weir_handshake_request request = {
        .head = {.fields = fields, .field_capacity = WEIR_HTTP_FIELDS_DEFAULT}};
    *refusal = (weir_handshake_refusal){0};
    int status = weir_handshake_request_parse(&request, copy, size, scan, refusal);
    free(fields);
    free(copy);
    return status;
}

static inline void assert_same_verdict(const struct verdict *a, const struct verdict *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->refusal.http_status, b->refusal.http_status);
    assert_int_equal(a->refusal.fault.status, b->refusal.fault.status);
    assert_int_equal(a->refusal.fault.offset, b->refusal.fault.offset);
    assert_ptr_equal(a->refusal.fault.rule, b->refusal.fault.rule);
    assert_int_equal(a->refusal.no_body, b->refusal.no_body);
    assert_int_equal(a->refusal.header_count, b->refusal.header_count);
}

/* The verdict on all the bytes; cut in two at every place (in large heads: at some), with and
 * without a scan kept between, and byte by byte, it has to be the same. */
static inline struct verdict parse_sized(const char *bytes, size_t size)
{
    struct verdict whole, pieces;
    size_t stride = size > 1000 ? 97 : 1;
    whole.status = parse_piece(bytes, size, NULL, &whole.refusal);
    for (size_t cut = 0; cut <= size; cut += stride) {
        weir_http_scan scan = {0};
        pieces.status = parse_piece(bytes, cut, &scan, &pieces.refusal);
        if (pieces.status == 0)
            pieces.status = parse_piece(bytes, size, &scan, &pieces.refusal);
        assert_same_verdict(&pieces, &whole);
        pieces.status = parse_piece(bytes, cut, NULL, &pieces.refusal);
        if (pieces.status != 0)
            assert_same_verdict(&pieces, &whole);
    }
    weir_http_scan scan = {0};
    size_t have = 0;
    do
        pieces.status = parse_piece(bytes, have, &scan, &pieces.refusal);
    while (pieces.status == 0 && have++ < size);
    assert_same_verdict(&pieces, &whole);
    return whole;
}

static inline const char *header_of(const weir_handshake_refusal *refusal, const char *name)
{
    for (size_t i = 0; i < refusal->header_count; i++)
        if (strcmp(refusal->headers[i].name, name) == 0)
            return refusal->headers[i].value;
    return NULL;
}

/* The fields that the statuses call for (RFC 9110 15.5.6, 15.5.22; RFC 6455 4.4) are there, and
 * nowhere else, and the answer that is written for it has what every refusal must have. */
static inline void assert_answer(const weir_handshake_refusal *refusal)
{
    char text[WEIR_HANDSHAKE_REFUSAL_ROOM];
    char line[64];
    const char *allow = header_of(refusal, "Allow");
    const char *upgrade = header_of(refusal, "Upgrade");
    const char *version = header_of(refusal, "Sec-WebSocket-Version");
    assert_true((allow != NULL) == (refusal->http_status == 405));
    assert_true((upgrade != NULL) == (refusal->http_status == 426));
    assert_true((version != NULL) == (refusal->http_status == 426));
    assert_true(version == NULL || strcmp(version, "13") == 0);

    int size = weir_handshake_refusal_write(text, sizeof text, refusal);
    assert_in_range(size, 1, sizeof text - 1);
    assert_int_equal(weir_handshake_refusal_write(NULL, 0, refusal), size);
    assert_int_equal(weir_handshake_refusal_write(text, (size_t)size, refusal), WEIR_ETOOBIG);
    assert_int_equal(weir_handshake_refusal_write(text, sizeof text, refusal), size);
    snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", refusal->http_status,
             weir_http_reason(refusal->http_status));
    assert_ptr_equal(strstr(text, line), text);
    assert_non_null(strstr(text, "\r\nConnection: close"));
    assert_non_null(strstr(text, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4) == 0, refusal->no_body);
    assert_true(refusal->no_body || strstr(body, refusal->fault.rule) != NULL);
}

static inline void assert_refused_sized(const char *bytes, size_t size, unsigned http_status)
{
    struct verdict said = parse_sized(bytes, size);
    bool too_big = http_status == 414 || http_status == 431;
    assert_int_equal(said.refusal.http_status, http_status);
    assert_int_equal(said.status, too_big ? WEIR_ETOOBIG : WEIR_EPROTOCOL);
    assert_int_equal(said.refusal.fault.status, said.status);
    assert_true(said.refusal.fault.offset <= size);
    assert_answer(&said.refusal);
}

static inline void assert_refused(const char *text, unsigned http_status)
{
    assert_refused_sized(text, strlen(text), http_status);
}

static inline void assert_accepted(const char *text)
{
    assert_int_equal(parse_sized(text, strlen(text)).status, strlen(text));
}

/* For tests that look into a request: *request lies in text itself. */
static inline void parse_good(weir_handshake_request *request, weir_http_field *fields,
                              const char *text)
{
    *request = (weir_handshake_request){
        .head = {.fields = fields, .field_capacity = WEIR_HTTP_FIELDS_DEFAULT}};
    assert_int_equal(weir_handshake_request_parse(request, text, strlen(text), NULL, NULL),
                     strlen(text));
}

static inline void assert_view(weir_view view, const char *text)
{
    assert_non_null(view.data);
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
}

#endif
