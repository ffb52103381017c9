/* rt/overflow.h - a stack overflow ends with a message that names the coroutine, not with a bare
 * SIGSEGV. Thread-safe.
 *
 * While there is at least one user, SIGSEGV and SIGBUS have a handler of ours, if they had none
 * before (a sanitizer's, or the program's own, stays). It prints only when the guard page of the
 * stack that runs was touched, and in every case lets the signal end the process. It knows no
 * coroutines: its user says which stack runs. */
#ifndef WEIR_RT_OVERFLOW_H
#define WEIR_RT_OVERFLOW_H

#include <weir/base.h>

struct weir__overflow_stack {
    const char *name;   /* of what runs on it */
    const uint8_t *low; /* its first usable byte */
    size_t guard_size;  /* bytes below that may not be touched */
    size_t size;        /* what its user asked for, in bytes */
};

/* Fills *out for what runs on this thread; false: no stack of ours. Called in a signal handler. */
typedef bool weir__overflow_finder(struct weir__overflow_stack *out);

/* Each loop calls these once, in the thread it belongs to, and all with the same finder. Failure
 * only means that the message will be missing. */
void weir__overflow_install(weir__overflow_finder *finder);
void weir__overflow_uninstall(void);

#endif
