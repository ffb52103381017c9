#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/view.h"

static void views_compare_with_strings(void **state)
{
    (void)state;
    weir_view view = {"Hello!", 5};
    assert_true(weir_view_equal(view, "Hello"));
    assert_false(weir_view_equal(view, "hello"));
    assert_false(weir_view_equal(view, "Hello!"));
    assert_true(weir_view_equal_nocase(view, "hELLO"));
    assert_false(weir_view_equal_nocase(view, "hell"));
    assert_false(weir_view_equal_nocase(view, "hell0"));
    assert_false(weir_view_equal(view, NULL));
    assert_false(weir_view_equal((weir_view){0}, ""));
    assert_false(weir_view_equal_nocase((weir_view){0}, ""));
    assert_false(weir_view_equal_nocase(view, NULL));
    assert_true(weir_view_equal(weir_view_of(""), ""));
    assert_null(weir_view_of(NULL).data);
    assert_false(weir_view_equal_nocase((weir_view){"@", 1}, "`")); /* 32 apart, no letters */
}

static void a_view_parts_in_what_is_first_and_what_follows(void **state)
{
    (void)state;
    weir_view view = weir_view_of("key=value");
    size_t at = weir__view_find(view, '=');
    assert_int_equal(at, 3);
    assert_true(weir_view_equal(weir__view_first(view, at), "key"));
    assert_true(weir_view_equal(weir__view_after(view, at), "=value"));
    assert_int_equal(weir__view_find(view, ';'), view.size);
    assert_int_equal(weir__view_find((weir_view){0}, '='), 0);
    weir_view rest = weir__view_after(view, view.size);
    assert_int_equal(rest.size, 0);
    assert_non_null(rest.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_with_strings),
        cmocka_unit_test(a_view_parts_in_what_is_first_and_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
