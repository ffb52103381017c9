#include "rt/context.h"

#include <string.h>

#ifdef WEIR_CONTEXT_UCONTEXT
#include <ucontext.h>

/* The portable way, with two system calls a switch. The ucontext_t of a new context stands at the top of its stack; that of the one who switches
 * away, on its own stack while it waits. */

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

void weir__context_entry(
    void); /* in the assembly: calls the function it finds in a saved register */

#if defined(__x86_64__)
/* As weir__context_switch() pushes them, lowest address first. */
struct saved {
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};
#define ENTRY_REGISTER    r12
#define ARGUMENT_REGISTER r13
#define RETURN_REGISTER   rip
#else
struct saved {
    uint64_t x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30;
    uint64_t d8_to_d15[8];
};
#define ENTRY_REGISTER    x19
#define ARGUMENT_REGISTER x20
#define RETURN_REGISTER   x30
#endif

void weir__context_make(struct weir__context *context, void *low, size_t size,
                        void (*entry)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)low + size) & ~(uintptr_t)15;
    struct saved *saved = (struct saved *)(top - sizeof *saved);
    memset(saved, 0, sizeof *saved);
    saved->ENTRY_REGISTER = (uintptr_t)entry;
    saved->ARGUMENT_REGISTER = (uintptr_t)arg;
    saved->RETURN_REGISTER = (uintptr_t)weir__context_entry;
    context->sp = saved;
}

#endif
