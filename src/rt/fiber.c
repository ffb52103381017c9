#include "rt/fiber.h"

#ifdef WEIR__FIBER_WATCHED
#include <string.h>

void weir__fiber_init_main(struct weir__fiber *fiber)
{
    memset(fiber, 0, sizeof *fiber);
}

#ifdef WEIR__TSAN
/* The thread that turns a loop may differ from the one that made it: its own fiber is asked for
 * when it is left. Inlined, so that ThreadSanitizer sees no function entered on one fiber and left
 * on another. */
static inline __attribute__((always_inline)) void switch_tsan(struct weir__fiber *from,
                                                              struct weir__fiber *to)
{
    if (from->entry == NULL)
        from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
}
#else
static void switch_tsan(struct weir__fiber *from, struct weir__fiber *to)
{
    (void)from;
    (void)to;
}
#endif

#ifdef WEIR__ASAN
/* On the stack that was switched to: fiber runs now. Learns the stack that was left, when that is a
 * main fiber's. */
static void finish_switch(struct weir__fiber *fiber, void *fake_stack)
{
    const void *low = NULL;
    size_t size = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &low, &size);
    if (fiber->leaver->entry == NULL) {
        fiber->leaver->low = low;
        fiber->leaver->size = size;
    }
}

static void begin_switch(void **fake_stack, struct weir__fiber *from, struct weir__fiber *to)
{
    to->leaver = from;
    __sanitizer_start_switch_fiber(fake_stack, to->low, to->size);
}
#else
static void finish_switch(struct weir__fiber *fiber, void *fake_stack)
{
    (void)fiber;
    (void)fake_stack;
}

static void begin_switch(void **fake_stack, struct weir__fiber *from, struct weir__fiber *to)
{
    (void)fake_stack;
    (void)from;
    (void)to;
}
#endif

static void enter(void *arg)
{
    struct weir__fiber *fiber = arg;
    finish_switch(fiber, NULL);
    fiber->entry(fiber->arg);
    __builtin_trap(); /* entry ends by weir__fiber_exit() */
}

void weir__fiber_start(struct weir__fiber *fiber, void *low, size_t size, void (*entry)(void *arg),
                       void *arg)
{
    fiber->entry = entry;
    fiber->arg = arg;
#ifdef WEIR__ASAN
    fiber->low = low;
    fiber->size = size;
    fiber->fake_stack = NULL;
    fiber->leaver = NULL;
#endif
#ifdef WEIR__TSAN
    fiber->tsan = __tsan_create_fiber(0);
#endif
    weir__context_make(&fiber->context, low, size, enter, fiber);
}

void weir__fiber_fini(struct weir__fiber *fiber)
{
#ifdef WEIR__TSAN
    __tsan_destroy_fiber(fiber->tsan);
#else
    (void)fiber;
#endif
}

void weir__fiber_exit(struct weir__fiber *fiber, struct weir__fiber *to)
{
    begin_switch(NULL, fiber, to); /* NULL: its fake stack can go */
    switch_tsan(fiber, to);
    weir__context_switch(&fiber->context, &to->context);
    __builtin_trap(); /* no context switches to a fiber that has left */
}

void weir__fiber_switch(struct weir__fiber *from, struct weir__fiber *to)
{
#ifdef WEIR__ASAN
    void **fake_stack = &from->fake_stack;
#else
    void **fake_stack = NULL;
#endif
    begin_switch(fake_stack, from, to);
    switch_tsan(from, to);
    weir__context_switch(&from->context, &to->context);
#ifdef WEIR__ASAN
    finish_switch(from, from->fake_stack);
#endif
}
#endif
