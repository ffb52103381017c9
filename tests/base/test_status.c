#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/base.h>

#include <errno.h>
#include <string.h>

static const int statuses[] = {
    WEIR_OK,      WEIR_CLOSED,    WEIR_CANCELLED, WEIR_ETIMEDOUT, WEIR_EINVAL,    WEIR_ENOMEM,
    WEIR_EAGAIN,  WEIR_EPROTOCOL, WEIR_EUTF8,     WEIR_ETOOBIG,   WEIR_EREFUSED,  WEIR_ESTATE,
    WEIR_ENOTSUP, WEIR_ELOST,     WEIR_ELIMIT,    WEIR_ERESOLVE,  WEIR_EDEADLOCK,
};
#define STATUS_COUNT (sizeof statuses / sizeof *statuses)

static void every_status_has_a_name_and_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        assert_int_equal(strncmp(weir_status_name(statuses[i]), "WEIR_", 5), 0);
        assert_string_not_equal(weir_status_name(statuses[i]), "WEIR_UNKNOWN");
        assert_string_not_equal(weir_strerror(statuses[i]), "unknown status");
        assert_int_equal(weir_status_errno(statuses[i]), 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(weir_strerror(statuses[i]), weir_strerror(statuses[k]));
            assert_string_not_equal(weir_status_name(statuses[i]), weir_status_name(statuses[k]));
        }
    }
}

static void a_system_error_comes_back_out_of_its_status(void **state)
{
    (void)state;
    for (int error = 1; error < 200; error++) {
        assert_int_equal(weir_status_errno(WEIR_SYSTEM(error)), error);
        assert_string_equal(weir_status_name(WEIR_SYSTEM(error)), "WEIR_SYSTEM");
        assert_true(strlen(weir_strerror(WEIR_SYSTEM(error))) > 0);
    }
    assert_string_equal(weir_strerror(WEIR_SYSTEM(ECONNRESET)), "the peer reset the connection");
}

static void the_system_errors_of_streams_have_sentences(void **state)
{
    static const int errors[] = {
        EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNABORTED, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH,
        EMFILE, ENFILE,     ENOBUFS,       ENOENT,       EPIPE,        ETIMEDOUT};
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        assert_string_not_equal(weir_strerror(WEIR_SYSTEM(errors[i])),
                                "the system reported an error");
}

static void a_number_that_is_no_status_is_unknown(void **state)
{
    static const int numbers[] = {1, -17, -999, -1000, -100000, INT32_MIN, INT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_string_equal(weir_status_name(numbers[i]), "WEIR_UNKNOWN");
        assert_string_equal(weir_strerror(numbers[i]), "unknown status");
        assert_int_equal(weir_status_errno(numbers[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_sentence_of_its_own),
        cmocka_unit_test(a_system_error_comes_back_out_of_its_status),
        cmocka_unit_test(the_system_errors_of_streams_have_sentences),
        cmocka_unit_test(a_number_that_is_no_status_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
