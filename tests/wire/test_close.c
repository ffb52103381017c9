#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/close.h"

#include <string.h>

#define FIFTY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A123  FIFTY FIFTY "aaaaaaaaaaaaaaaaaaaaaaa"

static void the_sendable_codes_are_those_of_the_registry(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= 70000; code++) {
        bool expected =
            (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
            (code >= 3000 && code <= 4999);
        assert_int_equal(weir_close_code_is_sendable(code), expected);
    }
}

static void known_codes_have_names_and_others_none(void **state)
{
    (void)state;
    static const unsigned known[] = {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008,
                                     1009, 1010, 1011, 1012, 1013, 1014, 1015};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_non_null(weir_close_code_name(known[i]));
    assert_string_equal(weir_close_code_name(1000), "NORMAL");
    assert_null(weir_close_code_name(1004));
    assert_null(weir_close_code_name(999));
    assert_null(weir_close_code_name(3000));
}

static void a_reason_takes_any_code_and_123_bytes_of_utf8(void **state)
{
    (void)state;
    weir_close_reason reason;
    assert_int_equal(weir_close_reason_init(&reason, 1000, NULL), WEIR_OK);
    assert_int_equal(reason.message_size, 0);
    assert_int_equal(weir_close_reason_init(&reason, 4999, A123), WEIR_OK);
    assert_int_equal(reason.message_size, 123);
    assert_string_equal(reason.message, A123);
    assert_int_equal(weir_close_reason_init(&reason, 1006, "lost"), WEIR_OK);
}

static void a_reason_that_cannot_be_is_refused_and_zeroed(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        const char *message;
    } bad[] = {{999, ""},     {5000, ""}, {0, NULL}, {1000, A123 "a"}, {1000, "\xed\xa0\x80"},
               {1000, "\xce"}};
    static const weir_close_reason zero;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_close_reason reason;
        memset(&reason, 0xFF, sizeof reason);
        assert_int_equal(weir_close_reason_init(&reason, bad[i].code, bad[i].message), WEIR_EINVAL);
        assert_memory_equal(&reason, &zero, sizeof reason);
    }
}

static void reasons_are_equal_by_code_and_message(void **state)
{
    (void)state;
    weir_close_reason a;
    weir_close_reason b;
    assert_int_equal(weir_close_reason_init(&a, 1000, "bye"), WEIR_OK);
    assert_int_equal(weir_close_reason_init(&b, 1000, "bye"), WEIR_OK);
    assert_true(weir_close_reason_equal(&a, &b));
    assert_int_equal(weir_close_reason_init(&b, 1001, "bye"), WEIR_OK);
    assert_false(weir_close_reason_equal(&a, &b));
    assert_int_equal(weir_close_reason_init(&b, 1000, "by"), WEIR_OK);
    assert_false(weir_close_reason_equal(&a, &b));
    assert_int_equal(weir_close_reason_init(&b, 1000, "bya"), WEIR_OK);
    assert_false(weir_close_reason_equal(&a, &b));
}

static void a_reason_is_described_and_cut_at_the_room(void **state)
{
    (void)state;
    weir_close_reason reason;
    char out[64];
    assert_int_equal(weir_close_reason_init(&reason, 1000, "bye"), WEIR_OK);
    assert_int_equal(weir_close_reason_describe(out, sizeof out, &reason), 17);
    assert_string_equal(out, "NORMAL (1000) bye");
    assert_int_equal(weir_close_reason_describe(out, 7, &reason), 17);
    assert_string_equal(out, "NORMAL");
    assert_int_equal(weir_close_reason_describe(NULL, 0, &reason), 17);
    assert_int_equal(weir_close_reason_init(&reason, 4001, NULL), WEIR_OK);
    assert_int_equal(weir_close_reason_describe(out, sizeof out, &reason), 4);
    assert_string_equal(out, "4001");
}

static void the_reason_of_an_end_is_that_of_the_side_that_closed_first(void **state)
{
    (void)state;
    weir_end end = {.ours = {.code = 1000}, .theirs = {.code = 1001}};
    assert_int_equal(weir_end_reason(&end)->code, 1000);
    end.by_peer = true;
    assert_int_equal(weir_end_reason(&end)->code, 1001);
    end.ours.code = 0;
    assert_int_equal(weir_end_reason(&end)->code, 1001);
    end = (weir_end){.theirs = {.code = 1001}};
    assert_int_equal(weir_end_reason(&end)->code, 1001);
    end = (weir_end){.kind = WEIR_END_LOST};
    assert_int_equal(weir_end_reason(&end)->code, 1006);
}

static void every_kind_of_end_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int kind = WEIR_END_NONE; kind <= WEIR_END_IO; kind++) {
        assert_string_not_equal(weir_end_kind_name((enum weir_end_kind)kind), "unknown");
        for (int other = WEIR_END_NONE; other < kind; other++)
            assert_string_not_equal(weir_end_kind_name((enum weir_end_kind)kind),
                                    weir_end_kind_name((enum weir_end_kind)other));
    }
}

static void a_plain_end_has_the_status_of_its_kind(void **state)
{
    (void)state;
    static const int statuses[] = {
        [WEIR_END_NONE] = WEIR_OK,
        [WEIR_END_CLEAN] = WEIR_CLOSED,
        [WEIR_END_LOST] = WEIR_ELOST,
        [WEIR_END_PING_TIMEOUT] = WEIR_ETIMEDOUT,
        [WEIR_END_CLOSE_TIMEOUT] = WEIR_ETIMEDOUT,
        [WEIR_END_PROTOCOL] = WEIR_EPROTOCOL,
        [WEIR_END_TOO_BIG] = WEIR_ETOOBIG,
        [WEIR_END_CANCELLED] = WEIR_CANCELLED,
        [WEIR_END_IO] = WEIR_ELOST,
    };
    for (int kind = WEIR_END_NONE; kind <= WEIR_END_IO; kind++) {
        const weir_end *end = weir__end_plain((enum weir_end_kind)kind);
        assert_int_equal(end->kind, kind);
        assert_int_equal(end->status, statuses[kind]);
        assert_int_equal(end->ours.code, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sendable_codes_are_those_of_the_registry),
        cmocka_unit_test(known_codes_have_names_and_others_none),
        cmocka_unit_test(a_reason_takes_any_code_and_123_bytes_of_utf8),
        cmocka_unit_test(a_reason_that_cannot_be_is_refused_and_zeroed),
        cmocka_unit_test(reasons_are_equal_by_code_and_message),
        cmocka_unit_test(a_reason_is_described_and_cut_at_the_room),
        cmocka_unit_test(the_reason_of_an_end_is_that_of_the_side_that_closed_first),
        cmocka_unit_test(every_kind_of_end_has_a_name_of_its_own),
        cmocka_unit_test(a_plain_end_has_the_status_of_its_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
