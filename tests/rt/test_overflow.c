/* A stack overflow ends the process with a message that names the coroutine; under AddressSanitizer
 * with its report. Each fault happens in a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rt/instrument.h"

#include <weir/loop.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct last_words {
    char text[16384];
    size_t size;
    int status;
};

static struct last_words words;
static struct sigaction at_start; /* of SIGSEGV, before cmocka put its own handler there */

/* Runs die() in a child and keeps what it says on standard error. */
static void hear(void (*die)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)sigaction(SIGSEGV, &at_start, NULL);
        die();
        _exit(0);
    }
    (void)close(ends[1]);
    words.size = 0;
    ssize_t size;
    while ((size = read(ends[0], words.text + words.size, sizeof words.text - 1 - words.size)) > 0)
        words.size += (size_t)size;
    words.text[words.size] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &words.status, 0), child);
}

#ifdef WEIR__ASAN

static void assert_overflow_told(void)
{
    if (strstr(words.text, "AddressSanitizer: stack-overflow") == NULL ||
        strstr(words.text, "in devour") == NULL)
        fail_msg("it said:\n%s", words.text);
    assert_true(WIFEXITED(words.status) && WEXITSTATUS(words.status) != 0);
}

#else

static void assert_ended_by_fault(void)
{
    assert_true(WIFSIGNALED(words.status));
    assert_int_equal(WTERMSIG(words.status), SIGSEGV);
}

static void assert_overflow_told(void)
{
    assert_string_equal(words.text,
                        "weir: stack overflow in coroutine \"glutton\" (128 KiB of stack): "
                        "raise stack_size in the loop's options\n");
    assert_ended_by_fault();
}

#endif

static __attribute__((noinline)) int devour(int depth)
{
    volatile char dish[512];
    dish[0] = (char)depth;
    dish[sizeof dish - 1] = (char)depth;
    int rest = depth < 0 ? 0 : devour(depth + 1);
    return rest + dish[0] + dish[sizeof dish - 1];
}

static int eat(void *arg)
{
    (void)arg;
    if (weir_yield() != WEIR_OK)
        return WEIR_CANCELLED;
    return devour(1);
}

static int rest(void *arg)
{
    (void)arg;
    return weir_sleep(60000);
}

static int feed(void *arg)
{
    weir_scope scope;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    for (int i = 0; i < 10 && status == WEIR_OK; i++)
        status = weir_go(&scope, i == 7 ? "glutton" : "modest", i == 7 ? eat : rest, arg);
    return weir_scope_join(&scope);
}

static void overflow(void)
{
    weir_loop *loop;
    const weir_loop_options options = {.stack_size = (size_t)128 * 1024};
    if (weir_loop_new(&loop, &options) == WEIR_OK)
        (void)weir_loop_run(loop, "host", feed, NULL);
}

static void an_overflow_is_told_with_the_coroutines_name(void **state)
{
    (void)state;
    hear(overflow);
    assert_overflow_told();
}

#ifndef WEIR__ASAN

static volatile int *volatile nowhere;

static int touch_nowhere(void *arg)
{
    (void)arg;
    return *nowhere;
}

static void fault_in_coroutine(void)
{
    weir_loop *loop;
    if (weir_loop_new(&loop, NULL) == WEIR_OK)
        (void)weir_loop_run(loop, "clumsy", touch_nowhere, NULL);
}

static void fault_beside_a_loop(void)
{
    weir_loop *loop;
    if (weir_loop_new(&loop, NULL) == WEIR_OK)
        (void)touch_nowhere(loop);
}

static void any_other_fault_ends_as_ever_without_a_word(void **state)
{
    (void)state;
    hear(fault_in_coroutine);
    assert_string_equal(words.text, "");
    assert_ended_by_fault();
    hear(fault_beside_a_loop);
    assert_string_equal(words.text, "");
    assert_ended_by_fault();
}

static void say_own_words(int number)
{
    static const char own[] = "the program's own words\n";
    (void)number;
    (void)!write(STDERR_FILENO, own, sizeof own - 1);
    _exit(3);
}

static void overflow_with_own_handler(void)
{
    static char stack[65536];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = say_own_words, .sa_flags = SA_ONSTACK};
    (void)sigaltstack(&own, NULL);
    (void)sigaction(SIGSEGV, &action, NULL);
    overflow();
}

static void a_handler_that_was_there_before_stays(void **state)
{
    (void)state;
    hear(overflow_with_own_handler);
    assert_string_equal(words.text, "the program's own words\n");
    assert_true(WIFEXITED(words.status));
    assert_int_equal(WEXITSTATUS(words.status), 3);
}

static void check_handlers(void)
{
    struct sigaction before, during, after;
    stack_t stack_during, stack_after;
    weir_loop *first, *second;
    (void)sigaction(SIGSEGV, NULL, &before);
    if (weir_loop_new(&first, NULL) != WEIR_OK || weir_loop_new(&second, NULL) != WEIR_OK)
        return;
    weir_loop_free(first);
    (void)sigaction(SIGSEGV, NULL, &during);
    (void)sigaltstack(NULL, &stack_during);
    weir_loop_free(second);
    (void)sigaction(SIGSEGV, NULL, &after);
    (void)sigaltstack(NULL, &stack_after);
    bool changed = during.sa_handler != before.sa_handler;
    bool restored = after.sa_handler == before.sa_handler && after.sa_handler == SIG_DFL;
    bool lent = (stack_during.ss_flags & SS_DISABLE) == 0;
    bool returned = (stack_after.ss_flags & SS_DISABLE) != 0;
    _exit(changed && restored && lent && returned ? 5 : 6);
}

static void the_handler_goes_with_the_last_loop(void **state)
{
    (void)state;
    hear(check_handlers);
    assert_true(WIFEXITED(words.status));
    assert_int_equal(WEXITSTATUS(words.status), 5);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_told_with_the_coroutines_name),
#ifndef WEIR__ASAN
        cmocka_unit_test(any_other_fault_ends_as_ever_without_a_word),
        cmocka_unit_test(a_handler_that_was_there_before_stays),
        cmocka_unit_test(the_handler_goes_with_the_last_loop),
#endif
    };
    (void)sigaction(SIGSEGV, NULL, &at_start);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
