#include "rt/context.h"

#ifdef WEIR_CONTEXT_UCONTEXT
#include <string.h>
#include <ucontext.h>

/* The portable way, with two system calls a switch. The ucontext_t of a new context stands at the
 * top of its stack; that of a context that switches away stands on its own stack while it waits. */

static void start(unsigned low_bits, unsigned high_bits)
{
    struct {
        void (*entry)(void *arg);
        void *arg;
    } *call = (void *)((uintptr_t)low_bits | (uintptr_t)((uint64_t)high_bits << 32));
    call->entry(call->arg);
    __builtin_trap();
}

struct first_call {
    void (*entry)(void *arg);
    void *arg;
    ucontext_t context;
};

void weir__context_make(struct weir__context *context, void *low, size_t size,
                        void (*entry)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)low + size - sizeof(struct first_call)) & ~(uintptr_t)63;
    struct first_call *call = (void *)top;
    memset(call, 0, sizeof *call);
    call->entry = entry;
    call->arg = arg;
    (void)getcontext(&call->context);
    call->context.uc_stack.ss_sp = low;
    call->context.uc_stack.ss_size = top - (uintptr_t)low;
    call->context.uc_link = NULL;
    makecontext(&call->context, (void (*)(void))start, 2, (unsigned)(uintptr_t)call,
                (unsigned)((uint64_t)(uintptr_t)call >> 32));
    context->sp = &call->context;
}

void weir__context_switch(struct weir__context *from, struct weir__context *to)
{
    ucontext_t here;
    from->sp = &here;
    (void)swapcontext(&here, to->sp);
}

#else

void weir__context_entry(void); /* in the assembly: calls what it finds on the stack */

/* What is on the stack of a context that has not run yet. */
struct first_call {
    void *arg;
    void (*entry)(void *arg);
};

void weir__context_make(struct weir__context *context, void *low, size_t size,
                        void (*entry)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
    struct first_call *call = (struct first_call *)(top - sizeof *call);
    *call = (struct first_call){arg, entry};
    context->sp = call;
    context->frame = NULL;
    *(void (**)(void)) & context->resume = weir__context_entry;
}

#endif
