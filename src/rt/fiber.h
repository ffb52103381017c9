/* rt/fiber.h - a context, and what the sanitizers need to know when control goes from one to
 * another. In a plain build it is the context alone. */
#ifndef WEIR_RT_FIBER_H
#define WEIR_RT_FIBER_H

#include "rt/context.h"
#include "rt/instrument.h"

#if defined(WEIR__ASAN) || defined(WEIR__TSAN)
#define WEIR__FIBER_WATCHED 1
#endif

struct weir__fiber {
    struct weir__context context;
#ifdef WEIR__FIBER_WATCHED
    void (*entry)(void *arg); /* NULL: a main fiber */
    void *arg;
#endif
#ifdef WEIR__ASAN
    const void *low; /* its stack; of a main fiber: learned when it is left */
    size_t size;
    void *fake_stack;           /* AddressSanitizer's, while it does not run */
    struct weir__fiber *leaver; /* the one that switched to it last */
#endif
#ifdef WEIR__TSAN
    void *tsan;
#endif
};

#ifdef WEIR__FIBER_WATCHED

/* The fiber that runs already: the loop's own context on its thread's stack. */
void weir__fiber_init_main(struct weir__fiber *fiber);

/* A fiber that will run entry(arg) on [low, low + size) when it is switched to first. entry ends by
 * weir__fiber_exit(). */
void weir__fiber_start(struct weir__fiber *fiber, void *low, size_t size, void (*entry)(void *arg),
                       void *arg);

/* Releases what the sanitizers keep for a fiber that does not run any more. */
void weir__fiber_fini(struct weir__fiber *fiber);

/* Leaves a fiber for good. */
_Noreturn void weir__fiber_exit(struct weir__fiber *fiber, struct weir__fiber *to);

void weir__fiber_switch(struct weir__fiber *from, struct weir__fiber *to);

#else

static inline void weir__fiber_init_main(struct weir__fiber *fiber)
{
    (void)fiber;
}

static inline void weir__fiber_start(struct weir__fiber *fiber, void *low, size_t size,
                                     void (*entry)(void *arg), void *arg)
{
    weir__context_make(&fiber->context, low, size, entry, arg);
}

static inline void weir__fiber_fini(struct weir__fiber *fiber)
{
    (void)fiber;
}

static inline void weir__fiber_switch(struct weir__fiber *from, struct weir__fiber *to)
{
    weir__context_switch(&from->context, &to->context);
}

_Noreturn static inline void weir__fiber_exit(struct weir__fiber *fiber, struct weir__fiber *to)
{
    weir__context_switch(&fiber->context, &to->context);
    __builtin_trap(); /* no context switches to a fiber that has left */
}

#endif

#endif
