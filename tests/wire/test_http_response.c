#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/http_head.h"

enum { FIELDS = 8 };

static void assert_view(weir_view view, const char *text)
{
    assert_int_equal(view.size, strlen(text));
    assert_memory_equal(view.data, text, view.size);
}

/* Writes to a buffer of every size up to the one needed. */
static char *write_answer(const weir_http_answer *answer)
{
    int size = weir_http_response_write(NULL, 0, answer);
    assert_true(size > 0);
    for (size_t room = 0; room <= (size_t)size; room++) {
        char *out = malloc(room + 1);
        assert_non_null(out);
        assert_int_equal(weir_http_response_write(out, room, answer), WEIR_ETOOBIG);
        free(out);
    }
    char *out = malloc((size_t)size + 1);
    assert_non_null(out);
    assert_int_equal(weir_http_response_write(out, (size_t)size + 1, answer), size);
    assert_int_equal(strlen(out), size);
    return out;
}

static void assert_answer(const weir_http_answer *answer, const char *expected)
{
    char *text = write_answer(answer);
    assert_string_equal(text, expected);
    free(text);
}

static void an_answer_says_close_its_length_and_its_type(void **state)
{
    (void)state;
    assert_answer(&(weir_http_answer){.status = 403, .body = "no\n", .body_size = 3},
                  "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 3\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n\r\nno\n");
    assert_answer(&(weir_http_answer){.status = 404},
                  "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void headers_of_the_caller_are_added_and_may_set_the_type(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {{"content-type", "text/html"}, {"X-Empty", ""}};
    assert_answer(&(weir_http_answer){.status = 299,
                                      .reason = "Fine",
                                      .headers = headers,
                                      .header_count = 2,
                                      .body = "<p>",
                                      .body_size = 3},
                  "HTTP/1.1 299 Fine\r\nConnection: close\r\nContent-Length: 3\r\n"
                  "content-type: text/html\r\nX-Empty: \r\n\r\n<p>");
}

static void an_upgrade_field_is_named_in_connection(void **state)
{
    (void)state;
    static const weir_http_header header = {"upgrade", "websocket"};
    assert_answer(&(weir_http_answer){.status = 426, .headers = &header, .header_count = 1},
                  "HTTP/1.1 426 Upgrade Required\r\nConnection: close, Upgrade\r\n"
                  "Content-Length: 0\r\nupgrade: websocket\r\n\r\n");
}

static void an_answer_to_head_tells_the_length_and_has_no_body(void **state)
{
    (void)state;
    assert_answer(&(weir_http_answer){.status = 405, .body = "no", .body_size = 2, .no_body = true},
                  "HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 2\r\n"
                  "Content-Type: text/plain; charset=utf-8\r\n\r\n");
}

static void a_204_has_no_content_length(void **state)
{
    (void)state;
    assert_answer(&(weir_http_answer){.status = 204},
                  "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_answer(&(weir_http_answer){.status = 205},
                  "HTTP/1.1 205 Reset Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

static void what_must_not_be_sent_is_refused(void **state)
{
    (void)state;
    static const weir_http_header bad[] = {
        {"Connection", "x"},
        {"content-LENGTH", "0"},
        {"Transfer-Encoding", "chunked"},
        {"", "x"},
        {"a b", "x"},
        {"a:", "x"},
        {"a\r\nb", "x"},
        {NULL, "x"},
        {"a", NULL},
        {"a", "x\r\nInjected: y"},
        {"a", "x\ny"},
        {"a", "x\ry"},
        {"a", " x"},
        {"a", "x\t"},
        {"a", "\x7f"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(
            weir_http_response_write(
                NULL, 0, &(weir_http_answer){.status = 403, .headers = &bad[i], .header_count = 1}),
            WEIR_EINVAL);
    static const weir_http_answer answers[] = {
        {.status = 0},
        {.status = 101},
        {.status = 199},
        {.status = 600},
        {.status = 403, .reason = "a\r\nb"},
        {.status = 403, .body_size = 1},
        {.status = 204, .body = "x", .body_size = 1},
        {.status = 205, .body = "x", .body_size = 1},
        {.status = 304, .body = "x", .body_size = 1},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        assert_int_equal(weir_http_response_write(NULL, 0, &answers[i]), WEIR_EINVAL);
}

static void a_body_that_no_int_can_count_is_too_big(void **state)
{
    (void)state;
    weir_http_answer answer = {.status = 200, .body = "", .body_size = SIZE_MAX};
    assert_int_equal(weir_http_response_write(NULL, 0, &answer), WEIR_ETOOBIG);
    answer.body_size = (size_t)INT32_MAX;
    assert_int_equal(weir_http_response_write(NULL, 0, &answer), WEIR_ETOOBIG);
}

static void a_written_answer_is_read_back(void **state)
{
    (void)state;
    static const weir_http_header headers[] = {{"X-One", "1"}, {"X-Two", "2 \xc3\xa9"}};
    static const char *const names[] = {"Connection", "Content-Length", "X-One", "X-Two"};
    static const char *const values[] = {"close", "0", "1", "2 \xc3\xa9"};
    for (unsigned status = 200; status < 600; status++) {
        if (status == 204)
            continue;
        char *text = write_answer(
            &(weir_http_answer){.status = status, .headers = headers, .header_count = 2});
        weir__http_input in = {text, strlen(text), FIELDS};
        weir_http_scan scan = {0};
        weir__http_error error;
        weir_http_field fields[FIELDS];
        weir_http_head head = {.fields = fields, .field_capacity = FIELDS};
        assert_int_equal(weir__http_response_scan(&scan, &in, &error), strlen(text));
        weir__http_response_split(&head, text, &scan);
        assert_int_equal(head.status, status);
        assert_view(head.reason, weir_http_reason(status));
        assert_int_equal(head.field_count, 4);
        for (size_t i = 0; i < 4; i++) {
            assert_view(fields[i].name, names[i]);
            assert_view(fields[i].value, values[i]);
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_says_close_its_length_and_its_type),
        cmocka_unit_test(headers_of_the_caller_are_added_and_may_set_the_type),
        cmocka_unit_test(an_upgrade_field_is_named_in_connection),
        cmocka_unit_test(an_answer_to_head_tells_the_length_and_has_no_body),
        cmocka_unit_test(a_204_has_no_content_length),
        cmocka_unit_test(what_must_not_be_sent_is_refused),
        cmocka_unit_test(a_body_that_no_int_can_count_is_too_big),
        cmocka_unit_test(a_written_answer_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
