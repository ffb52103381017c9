/* rt/stack.h - stacks for coroutines: mapped in slabs, committed page by page as they are touched,
 * recycled last in first out, each above a guard page. One pool a loop; single-threaded.
 *
 * Guards are made by MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which keeps one
 * mapping a slab. Else mprotect makes them, which costs two mappings a stack, so that
 * vm.max_map_count ends it at about 32,000 stacks: then WEIR_ENOMEM. */
#ifndef WEIR_RT_STACK_H
#define WEIR_RT_STACK_H

#include <weir/base.h>

struct weir__slab;

struct weir__stack {
    uint8_t *low; /* first usable byte; the guard page lies below */
    size_t size;  /* usable bytes */
    struct weir__slab *slab;
};

/* A stack that waits for its next use keeps this at its top. */
struct weir__idle_stack {
    struct weir__idle_stack *next;
    struct weir__idle_stack *prev;
    struct weir__slab *slab;
};

struct weir__stack_pool {
    size_t stride; /* bytes from one stack to the next: stack and guard */
    size_t page;
    struct weir__slab *slabs;     /* all, newest first */
    struct weir__idle_stack idle; /* head of a circular list */
    size_t idle_count;
    size_t unused_slabs; /* slabs of which no stack is in use */
    bool guards_by_mprotect;
};

/* stack_size: bytes, rounded up to pages, at least 16 KiB and at most 1 GiB: else WEIR_EINVAL.
 * Under AddressSanitizer stacks are larger than asked for, because its frames are. */
WEIR_MUST_USE int weir__stack_pool_init(struct weir__stack_pool *pool, size_t stack_size);

/* Unmaps everything; no stack may be in use. */
void weir__stack_pool_fini(struct weir__stack_pool *pool);

/* Errors: WEIR_ENOMEM. */
WEIR_MUST_USE int weir__stack_take(struct weir__stack_pool *pool, struct weir__stack *stack);

/* The content is lost, and *stack may be part of it. Memory of stacks that stay idle in great
 * number goes back to the kernel. */
void weir__stack_give(struct weir__stack_pool *pool, const struct weir__stack *stack);

/* The system calls, through one seam, so that a test can make them fail. */
struct weir__stack_sys {
    void *(*map)(size_t size); /* NULL: no memory */
    void (*unmap)(void *at, size_t size);
    int (*guard)(void *at, size_t size);    /* by madvise; 0 or errno */
    int (*protect)(void *at, size_t size);  /* by mprotect; 0 or errno */
    void (*discard)(void *at, size_t size); /* lets pages go */
};
extern struct weir__stack_sys weir__stack_sys;

#endif
