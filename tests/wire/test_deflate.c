/* Offers and answers of permessage-deflate, in both roles. Each table has the offer, the options of
 * this side, and the result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/deflate.h>

#include "exact.h"

static const weir_deflate_options plain = {.enabled = true};
static const weir_deflate_options takeover = {
    .enabled = true, .server_context_takeover = true, .client_context_takeover = true};
static const weir_deflate_options windows_10 = {.enabled = true,
                                                .server_context_takeover = true,
                                                .client_context_takeover = true,
                                                .server_max_window_bits = 10,
                                                .client_max_window_bits = 10};
static const weir_deflate_options windows_8 = {.enabled = true,
                                               .server_context_takeover = true,
                                               .client_context_takeover = true,
                                               .server_max_window_bits = 8,
                                               .client_max_window_bits = 8};

/* A head with one field line or two. */
struct lines {
    weir_http_field fields[2];
    weir_http_head head;
    char *bytes;
};

static void init_lines(struct lines *lines, const char *first, const char *second)
{
    lines->bytes = exact_copy(first, strlen(first));
    lines->fields[0] =
        (weir_http_field){weir_view_of("Sec-WebSocket-Extensions"), {lines->bytes, strlen(first)}};
    lines->fields[1] =
        (weir_http_field){weir_view_of("sec-websocket-extensions"), weir_view_of(second)};
    lines->head = (weir_http_head){.fields = lines->fields, .field_count = second != NULL ? 2 : 1};
}

/* --- the server --- */

/* What a server answers; "" when it takes no offer. */
static void answer_of(char *out, const char *first, const char *second,
                      const weir_deflate_options *options)
{
    struct lines lines;
    weir_deflate_terms terms;
    init_lines(&lines, first, second);
    out[0] = '\0';
    if (weir_deflate_choose(&terms, &lines.head, options)) {
        int size = weir_deflate_answer_write(out, WEIR_DEFLATE_TEXT_ROOM, &terms);
        assert_int_equal(weir_deflate_answer_write(NULL, 0, &terms), size);
        assert_int_equal(size, strlen(out));
    }
    free(lines.bytes);
}

struct offer_case {
    const char *offer;
    const weir_deflate_options *options;
    const char *answer;
};

static void expect_answers(const struct offer_case *cases, size_t count)
{
    char answer[WEIR_DEFLATE_TEXT_ROOM];
    for (size_t i = 0; i < count; i++) {
        answer_of(answer, cases[i].offer, NULL, cases[i].options);
        if (strcmp(answer, cases[i].answer) != 0)
            print_error("case %zu: %s\n", i, cases[i].offer);
        assert_string_equal(answer, cases[i].answer);
    }
}

#define EXPECT_ANSWERS(cases) expect_answers(cases, sizeof(cases) / sizeof *(cases))
#define PMD                   "permessage-deflate"
#define NO_TAKEOVER           "; server_no_context_takeover; client_no_context_takeover"

static void server_takes_offers_and_says_the_terms(void **state)
{
    (void)state;
    static const struct offer_case cases[] = {
        {PMD, &takeover, PMD},
        {PMD, &plain, PMD NO_TAKEOVER},
        {PMD "; server_no_context_takeover", &takeover, PMD "; server_no_context_takeover"},
        {PMD "; client_no_context_takeover", &takeover, PMD "; client_no_context_takeover"},
        {PMD "; client_max_window_bits", &takeover, PMD},
        {PMD "; client_max_window_bits=15", &takeover, PMD},
        {PMD "; client_max_window_bits=9", &takeover, PMD "; client_max_window_bits=9"},
        {PMD "; client_max_window_bits=8", &takeover, PMD "; client_max_window_bits=8"},
        {PMD "; server_max_window_bits=15", &takeover, PMD "; server_max_window_bits=15"},
        {PMD "; server_max_window_bits=9", &takeover, PMD "; server_max_window_bits=9"},
        {PMD "; server_max_window_bits=8", &takeover, PMD "; server_max_window_bits=8"},
        {PMD "; client_max_window_bits", &windows_10,
         PMD "; server_max_window_bits=10; client_max_window_bits=10"},
        {PMD "; client_max_window_bits=12; server_max_window_bits=12", &windows_10,
         PMD "; server_max_window_bits=10; client_max_window_bits=10"},
        {PMD "; client_max_window_bits=9; server_max_window_bits=9", &windows_10,
         PMD "; server_max_window_bits=9; client_max_window_bits=9"},
        {PMD "; client_max_window_bits", &windows_8,
         PMD "; server_max_window_bits=8; client_max_window_bits=8"},
        {"x-other; a=b, " PMD ";server_no_context_takeover , more", &takeover,
         PMD "; server_no_context_takeover"},
    };
    EXPECT_ANSWERS(cases);
}

static void server_refuses_offers_that_break_the_rules(void **state)
{
    (void)state;
    static const struct offer_case cases[] = {
        {"", &takeover, ""},
        {"x-webkit-deflate-frame", &takeover, ""},
        {"Permessage-Deflate", &takeover, ""},
        {PMD "; unknown", &takeover, ""},
        {PMD "; unknown=3", &takeover, ""},
        {PMD "; Server_No_Context_Takeover", &takeover, ""},
        {PMD "; server_no_context_takeover; server_no_context_takeover", &takeover, ""},
        {PMD "; client_no_context_takeover; client_no_context_takeover", &takeover, ""},
        {PMD "; server_max_window_bits=9; server_max_window_bits=9", &takeover, ""},
        {PMD "; client_max_window_bits; client_max_window_bits=9", &takeover, ""},
        {PMD "; server_no_context_takeover=true", &takeover, ""},
        {PMD "; client_no_context_takeover=1", &takeover, ""},
        {PMD "; server_max_window_bits", &takeover, ""},
        {PMD "; server_max_window_bits=7", &takeover, ""},
        {PMD "; server_max_window_bits=16", &takeover, ""},
        {PMD "; server_max_window_bits=0", &takeover, ""},
        {PMD "; server_max_window_bits=09", &takeover, ""},
        {PMD "; server_max_window_bits=+9", &takeover, ""},
        {PMD "; server_max_window_bits=9a", &takeover, ""},
        {PMD "; server_max_window_bits=4294967305", &takeover, ""},
        {PMD "; server_max_window_bits=\"9\"", &takeover, ""},
        {PMD "; client_max_window_bits=7", &takeover, ""},
        {PMD "; client_max_window_bits=16", &takeover, ""},
        {PMD "; client_max_window_bits=010", &takeover, ""},
        {PMD "; client_max_window_bits=\"10\"", &takeover, ""},
        /* A correct offer, but one that does not let us limit the client's window. */
        {PMD, &windows_10, ""},
    };
    EXPECT_ANSWERS(cases);
}

static void server_goes_on_to_the_next_offer(void **state)
{
    (void)state;
    static const struct offer_case cases[] = {
        {PMD "; unknown, " PMD, &takeover, PMD},
        {PMD "; server_max_window_bits=\"10\", " PMD "; server_max_window_bits=10", &takeover,
         PMD "; server_max_window_bits=10"},
        {PMD "; server_max_window_bits=7, x, " PMD "; server_max_window_bits=07, " PMD
             "; client_no_context_takeover",
         &takeover, PMD "; client_no_context_takeover"},
        {PMD ", " PMD "; client_max_window_bits", &windows_10,
         PMD "; server_max_window_bits=10; client_max_window_bits=10"},
        /* The first that fits, not the best one. */
        {PMD "; server_no_context_takeover, " PMD, &takeover, PMD "; server_no_context_takeover"},
    };
    char answer[WEIR_DEFLATE_TEXT_ROOM];
    EXPECT_ANSWERS(cases);
    answer_of(answer, PMD "; unknown", PMD "; server_max_window_bits=12", &takeover);
    assert_string_equal(answer, PMD "; server_max_window_bits=12");
}

/* --- the client --- */

static void client_offers_what_it_wants(void **state)
{
    (void)state;
    static const weir_deflate_options full = {
        .enabled = true, .server_max_window_bits = 9, .client_max_window_bits = 15};
    static const weir_deflate_options wrong[] = {
        {.server_max_window_bits = 7},
        {.server_max_window_bits = 16},
        {.client_max_window_bits = 1},
        {.client_max_window_bits = 255},
        {.level = 10},
        {.memory_level = 10},
    };
    const struct offer_case cases[] = {
        {"", &takeover, PMD "; client_max_window_bits"},
        {"", &plain, PMD NO_TAKEOVER "; client_max_window_bits"},
        {"", &windows_10, PMD "; server_max_window_bits=10; client_max_window_bits=10"},
        {"", &full, PMD NO_TAKEOVER "; server_max_window_bits=9; client_max_window_bits"},
    };
    char offer[WEIR_DEFLATE_TEXT_ROOM];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int size = weir_deflate_offer_write(offer, sizeof offer, cases[i].options);
        assert_string_equal(offer, cases[i].answer);
        assert_int_equal(size, strlen(offer));
        assert_int_equal(weir_deflate_offer_write(NULL, 0, cases[i].options), size);
        assert_int_equal(weir_deflate_offer_write(offer, (size_t)size, cases[i].options),
                         WEIR_ETOOBIG);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(weir_deflate_options_is_valid(&wrong[i]));
        assert_int_equal(weir_deflate_offer_write(offer, sizeof offer, &wrong[i]), WEIR_EINVAL);
    }
}

struct answer_case {
    const char *answer;
    const weir_deflate_options *options;
    int result;
    const char *rule;    /* the start of it */
    const char *at;      /* where the fault points */
    const char *meaning; /* the terms, written as an answer */
};

static void expect_verdict(const struct answer_case *expected)
{
    struct lines lines;
    weir_deflate_terms terms = {0};
    weir_fault fault = {0};
    init_lines(&lines, expected->answer, NULL);
    int result =
        weir_deflate_answer_parse(&terms, &lines.head, lines.bytes, expected->options, &fault);
    if (result != expected->result)
        print_error("%s: %d\n", expected->answer, result);
    assert_int_equal(result, expected->result);
    assert_int_equal(
        weir_deflate_answer_parse(&terms, &lines.head, lines.bytes, expected->options, NULL),
        result);
    if (result > 0) {
        char meaning[WEIR_DEFLATE_TEXT_ROOM];
        assert_true(weir_deflate_answer_write(meaning, sizeof meaning, &terms) > 0);
        assert_string_equal(meaning, expected->meaning);
    }
    if (result < 0) {
        assert_int_equal(fault.status, WEIR_EPROTOCOL);
        assert_non_null(fault.rule);
        if (strncmp(fault.rule, expected->rule, strlen(expected->rule)) != 0)
            print_error("%s: %s\n", expected->answer, fault.rule);
        assert_memory_equal(fault.rule, expected->rule, strlen(expected->rule));
        assert_int_equal(fault.offset, strstr(expected->answer, expected->at) - expected->answer);
    }
    free(lines.bytes);
}

static void client_takes_answers_that_fit(void **state)
{
    (void)state;
    static const struct answer_case cases[] = {
        {.answer = "", .options = &takeover},
        {.answer = "x-other", .options = &takeover},
        {PMD, &takeover, 1, NULL, NULL, PMD},
        {PMD NO_TAKEOVER, &plain, 1, NULL, NULL, PMD NO_TAKEOVER},
        /* Not offered, but the server may say it (7.1.1.1, 7.1.1.2, 7.1.2.1). */
        {PMD NO_TAKEOVER "; server_max_window_bits=8", &takeover, 1, NULL, NULL,
         PMD NO_TAKEOVER "; server_max_window_bits=8"},
        /* Our offer was a hint: the answer need not repeat it. */
        {PMD "; server_no_context_takeover", &plain, 1, NULL, NULL,
         PMD "; server_no_context_takeover"},
        {PMD "; client_max_window_bits=15", &takeover, 1, NULL, NULL,
         PMD "; client_max_window_bits=15"},
        {PMD "; client_max_window_bits=8", &takeover, 1, NULL, NULL,
         PMD "; client_max_window_bits=8"},
        {PMD "; server_max_window_bits=9", &windows_10, 1, NULL, NULL,
         PMD "; server_max_window_bits=9"},
        {PMD "; server_max_window_bits=10; client_max_window_bits=10", &windows_10, 1, NULL, NULL,
         PMD "; server_max_window_bits=10; client_max_window_bits=10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_verdict(&cases[i]);
}

static void client_fails_the_handshake_over_answers_that_do_not(void **state)
{
    (void)state;
    static const struct answer_case cases[] = {
        {PMD "; unknown", &takeover, WEIR_EPROTOCOL, "RFC 7692 7: an unknown", "unknown", NULL},
        {PMD "; unknown=1; x", &takeover, WEIR_EPROTOCOL, "RFC 7692 7: an unknown", "unknown",
         NULL},
        {PMD "; server_max_window_bits=9; server_max_window_bits=10", &takeover, WEIR_EPROTOCOL,
         "RFC 7692 7: a parameter given twice", "server_max_window_bits=10", NULL},
        {PMD "; client_max_window_bits=9; server_no_context_takeover; client_max_window_bits=10",
         &takeover, WEIR_EPROTOCOL, "RFC 7692 7: a parameter given twice",
         "client_max_window_bits=10", NULL},
        {PMD "; server_max_window_bits=7", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2",
         "server_max", NULL},
        {PMD "; server_max_window_bits=16", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2",
         "server_max", NULL},
        {PMD "; server_max_window_bits=99999999999999999999", &takeover, WEIR_EPROTOCOL,
         "RFC 7692 7.1.2", "server_max", NULL},
        {PMD "; server_max_window_bits=012", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2",
         "server_max", NULL},
        {PMD "; server_max_window_bits", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2", "server_max",
         NULL},
        {PMD "; server_max_window_bits=\"12\"", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2",
         "server_max", NULL},
        /* Only an offer may have it without a value. */
        {PMD "; client_max_window_bits", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2", "client_max",
         NULL},
        {PMD "; client_max_window_bits=16", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.2",
         "client_max", NULL},
        {PMD "; server_no_context_takeover=1", &takeover, WEIR_EPROTOCOL, "RFC 7692 7.1.1",
         "server_no", NULL},
        {PMD "; client_max_window_bits=11; server_max_window_bits=10", &windows_10, WEIR_EPROTOCOL,
         "RFC 7692 7.1.2.2", PMD, NULL},
        {PMD "; server_max_window_bits=11", &windows_10, WEIR_EPROTOCOL, "RFC 7692 7.1.2.1", PMD,
         NULL},
        {PMD, &windows_10, WEIR_EPROTOCOL, "RFC 7692 7.1.2.1", PMD, NULL},
        {PMD, &plain, WEIR_EPROTOCOL, "RFC 7692 7.1.1.1", PMD, NULL},
        {PMD ", x, " PMD "; client_max_window_bits=15", &takeover, WEIR_EPROTOCOL, "RFC 7692 5",
         PMD "; client", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_verdict(&cases[i]);
}

/* Our server takes each offer of our client, and the client takes the answer. */
static void own_offer_and_answer_fit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4 * 9 * 9; i++) {
        weir_deflate_options client = {.enabled = true,
                                       .server_context_takeover = (i & 1) != 0,
                                       .client_context_takeover = (i & 2) != 0};
        weir_deflate_options server = client;
        char offer[WEIR_DEFLATE_TEXT_ROOM];
        char answer[WEIR_DEFLATE_TEXT_ROOM];
        client.server_max_window_bits = (uint8_t)(i / 4 % 9 == 8 ? 0 : 8 + i / 4 % 9);
        server.client_max_window_bits = (uint8_t)(i / 36 == 8 ? 0 : 8 + i / 36);
        assert_true(weir_deflate_offer_write(offer, sizeof offer, &client) > 0);
        answer_of(answer, offer, NULL, &server);
        assert_string_not_equal(answer, "");
        expect_verdict(&(struct answer_case){
            .answer = answer, .options = &client, .result = 1, .meaning = answer});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_takes_offers_and_says_the_terms),
        cmocka_unit_test(server_refuses_offers_that_break_the_rules),
        cmocka_unit_test(server_goes_on_to_the_next_offer),
        cmocka_unit_test(client_offers_what_it_wants),
        cmocka_unit_test(client_takes_answers_that_fit),
        cmocka_unit_test(client_fails_the_handshake_over_answers_that_do_not),
        cmocka_unit_test(own_offer_and_answer_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
