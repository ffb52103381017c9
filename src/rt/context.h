/* rt/context.h - the machine's side of a coroutine: where it stands, and the jump from one to another. Knows no scheduler, no sanitizer: see fiber.h.
 *
 * A switch saves what the System V ABI calls callee-saved, but not the floating-point control words (MXCSR, x87 CW, FPCR): code that changes the
 * rounding mode puts it back before it suspends. */
#ifndef WEIR_RT_CONTEXT_H
#define WEIR_RT_CONTEXT_H

#include <weir/base.h>

#if !defined(WEIR_CONTEXT_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define WEIR_CONTEXT_UCONTEXT 1
#endif

struct weir__context {
    void *
        sp; /* stack pointer of one that is not running; its registers stand above (with ucontext: where its ucontext_t stands) */
};

/* Prepares a context that will call entry(arg) on the stack [low, low + size); entry must never return. */
void weir__context_make(struct weir__context *context, void *low, size_t size,
                        void (*entry)(void *arg), void *arg);

/* Stores where we are in *from and goes on where *to was stored; returns when someone switches back to *from. */
void weir__context_switch(struct weir__context *from, struct weir__context *to);

#endif
