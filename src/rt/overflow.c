#include "rt/overflow.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIGNAL_STACK_SIZE ((size_t)32 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;
static bool owns_segv;
static bool owns_bus;
static weir__overflow_finder *find_running;

/* The signal must not run on the stack that has overflowed. */
static _Thread_local void *signal_stack;
static _Thread_local unsigned thread_users;

/* --- in the signal handler: only what is safe there --- */

static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* there is no one left to report to */
}

static void say_number(size_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    say(at);
}

static void explain(const void *address)
{
    struct weir__overflow_stack stack;
    const uint8_t *at = address;
    if (!find_running(&stack) || at < stack.low - stack.guard_size || at >= stack.low)
        return;
    say("weir: stack overflow in coroutine \"");
    say(stack.name);
    say("\" (");
    say_number(stack.size / 1024);
    say(" KiB of stack): raise stack_size in the loop's options\n");
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    (void)context;
    explain(info->si_addr);
    (void)sigaction(number, &plain, NULL); /* the same fault again ends the process */
}

/* --- installing --- */

static bool take_signal(int number)
{
    struct sigaction before;
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaction(number, NULL, &before) != 0 || (before.sa_flags & SA_SIGINFO) != 0 ||
        before.sa_handler != SIG_DFL)
        return false;
    (void)sigemptyset(&ours.sa_mask);
    return sigaction(number, &ours, NULL) == 0;
}

static void give_signal(int number)
{
    struct sigaction now;
    struct sigaction plain = {.sa_handler = SIG_DFL};
    if (sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
        now.sa_sigaction == on_fault)
        (void)sigaction(number, &plain, NULL);
}

static void take_signal_stack(void)
{
    stack_t before;
    if (thread_users++ > 0 || sigaltstack(NULL, &before) != 0 ||
        (before.ss_flags & SS_DISABLE) == 0)
        return;
    void *at =
        mmap(NULL, SIGNAL_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return;
    stack_t ours = {.ss_sp = at, .ss_size = SIGNAL_STACK_SIZE};
    if (sigaltstack(&ours, NULL) == 0)
        signal_stack = at;
    else
        (void)munmap(at, SIGNAL_STACK_SIZE);
}

static void give_signal_stack(void)
{
    stack_t none = {.ss_flags = SS_DISABLE};
    if (thread_users == 0 || --thread_users > 0 || signal_stack == NULL)
        return;
    (void)sigaltstack(&none, NULL);
    (void)munmap(signal_stack, SIGNAL_STACK_SIZE);
    signal_stack = NULL;
}

void weir__overflow_install(weir__overflow_finder *finder)
{
    take_signal_stack();
    pthread_mutex_lock(&lock);
    if (users++ == 0) {
        find_running = finder;
        owns_segv = take_signal(SIGSEGV);
        owns_bus = take_signal(SIGBUS);
    }
    pthread_mutex_unlock(&lock);
}

void weir__overflow_uninstall(void)
{
    pthread_mutex_lock(&lock);
    if (--users == 0) {
        if (owns_segv)
            give_signal(SIGSEGV);
        if (owns_bus)
            give_signal(SIGBUS);
        owns_segv = owns_bus = false;
    }
    pthread_mutex_unlock(&lock);
    give_signal_stack();
}
