/* rt/overflow.h - a stack overflow ends in a sentence that names the coroutine, not in a bare SIGSEGV. Thread-safe.
 *
 * While at least one loop lives, SIGSEGV and SIGBUS have a handler of ours, if they had none before (a sanitizer's, or the program's own, stays). It
 * speaks only when the running coroutine touched its guard page, and lets the signal end the process in every case. */
#ifndef WEIR_RT_OVERFLOW_H
#define WEIR_RT_OVERFLOW_H

#include <weir/base.h>

/* Each loop calls these once, in the thread it belongs to. Failure only means that the sentence will be missing. */
void weir__overflow_install(void);
void weir__overflow_uninstall(void);

#endif
