/* What the library says of itself is true. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/loop.h>
#include <weir/version.h>

#include <stdio.h>
#include <string.h>

static void library_and_headers_tell_the_same_version(void **state)
{
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", WEIR_VERSION_MAJOR, WEIR_VERSION_MINOR,
             WEIR_VERSION_PATCH);
    assert_string_equal(weir_version(), text);
}

static bool was_built_with(const char *option)
{
    size_t size = strlen(option);
    for (const char *word = weir_features(); word != NULL; word = strchr(word, ' ')) {
        word += *word == ' ';
        if (strncmp(word, option, size) == 0 && (word[size] == ' ' || word[size] == '\0'))
            return true;
    }
    return false;
}

static void a_back_end_that_was_left_out_is_not_to_be_had(void **state)
{
    const weir_loop_options options = {.backend = WEIR_BACKEND_IO_URING};
    weir_loop *loop;
    (void)state;
    assert_true(was_built_with("epoll"));
    assert_true(was_built_with("sim"));
    assert_true(was_built_with("io_uring") != was_built_with("-io_uring"));
    int status = weir_loop_new(&loop, &options);
    if (status == WEIR_OK) {
        assert_true(was_built_with("io_uring"));
        weir_loop_free(loop);
    } else {
        assert_int_equal(status, WEIR_ENOTSUP); /* left out, or the kernel refuses it */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_and_headers_tell_the_same_version),
        cmocka_unit_test(a_back_end_that_was_left_out_is_not_to_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
