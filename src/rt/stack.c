#include "rt/stack.h"

#include "rt/instrument.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define STACKS_A_SLAB  64
#define STACK_SIZE_MIN ((size_t)16 * 1024)
#define STACK_SIZE_MAX ((size_t)1 << 30)
/* Up to this many idle stacks keep the pages that they have touched. Of further ones only the
 * topmost is kept. */
#define WARM_STACKS 256

#ifdef WEIR__ASAN
#define SIZE_FACTOR 4
#else
#define SIZE_FACTOR 1
#endif

struct weir__slab {
    struct weir__slab *next;
    struct weir__slab *prev;
    uint8_t *base;
    uint32_t fresh; /* stacks from here on were never used */
    uint32_t in_use;
#ifdef WEIR_HAVE_VALGRIND
    unsigned valgrind[STACKS_A_SLAB];
#endif
};

/* --- the kernel --- */

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    (void)madvise(at, size, MADV_NOHUGEPAGE); /* one touched page shall be one page */
    return at;
}

static void unmap(void *at, size_t size)
{
    (void)munmap(at, size);
}

static int guard(void *at, size_t size)
{
    return madvise(at, size, MADV_GUARD_INSTALL) == 0 ? 0 : errno;
}

static int protect(void *at, size_t size)
{
    return mprotect(at, size, PROT_NONE) == 0 ? 0 : errno;
}

static void discard(void *at, size_t size)
{
    (void)madvise(at, size, MADV_DONTNEED);
}

struct weir__stack_sys weir__stack_sys = {map, unmap, guard, protect, discard};

/* --- slabs --- */

static size_t slab_size(const struct weir__stack_pool *pool)
{
    return pool->stride * STACKS_A_SLAB;
}

static struct weir__slab *new_slab(struct weir__stack_pool *pool)
{
    struct weir__slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL)
        return NULL;
    slab->base = weir__stack_sys.map(slab_size(pool));
    if (slab->base == NULL) {
        free(slab);
        return NULL;
    }
    slab->next = pool->slabs;
    if (pool->slabs != NULL)
        pool->slabs->prev = slab;
    pool->slabs = slab;
    pool->unused_slabs++;
    return slab;
}

static void free_slab(struct weir__stack_pool *pool, struct weir__slab *slab)
{
#ifdef WEIR_HAVE_VALGRIND
    for (uint32_t i = 0; i < slab->fresh; i++)
        VALGRIND_STACK_DEREGISTER(slab->valgrind[i]);
#endif
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        pool->slabs = slab->next;
    weir__stack_sys.unmap(slab->base, slab_size(pool));
    free(slab);
}

static size_t usable_size(const struct weir__stack_pool *pool)
{
    return pool->stride - pool->page;
}

static uint8_t *low_of(const struct weir__stack_pool *pool, const struct weir__slab *slab,
                       uint32_t index)
{
    return slab->base + (size_t)index * pool->stride + pool->page;
}

static int make_guard(struct weir__stack_pool *pool, uint8_t *at)
{
    if (!pool->guards_by_mprotect) {
        int error = weir__stack_sys.guard(at, pool->page);
        if (error == 0)
            return WEIR_OK;
        if (error != EINVAL)
            return WEIR_ENOMEM;
        pool->guards_by_mprotect = true; /* the kernel does not know it */
    }
    return weir__stack_sys.protect(at, pool->page) == 0 ? WEIR_OK : WEIR_ENOMEM;
}

/* --- idle stacks --- */

#define IDLE_SIZE (2 * sizeof(struct weir__idle_stack))

static struct weir__idle_stack *idle_of(const struct weir__stack_pool *pool, uint8_t *low)
{
    return (struct weir__idle_stack *)(void *)(low + usable_size(pool) - IDLE_SIZE);
}

static void unlink_idle(struct weir__stack_pool *pool, struct weir__idle_stack *idle)
{
    idle->prev->next = idle->next;
    idle->next->prev = idle->prev;
    pool->idle_count--;
}

static void take_idle(struct weir__stack_pool *pool, struct weir__stack *stack)
{
    struct weir__idle_stack *idle = pool->idle.next;
    stack->low = (uint8_t *)idle + IDLE_SIZE - usable_size(pool);
    stack->slab = idle->slab;
    unlink_idle(pool, idle);
}

static int carve(struct weir__stack_pool *pool, struct weir__stack *stack)
{
    struct weir__slab *slab = pool->slabs;
    if (slab == NULL || slab->fresh == STACKS_A_SLAB)
        slab = new_slab(pool);
    if (slab == NULL)
        return WEIR_ENOMEM;
    stack->low = low_of(pool, slab, slab->fresh);
    stack->slab = slab;
    int status = make_guard(pool, stack->low - pool->page);
    if (status != WEIR_OK)
        return status;
#ifdef WEIR_HAVE_VALGRIND
    slab->valgrind[slab->fresh] =
        VALGRIND_STACK_REGISTER(stack->low, stack->low + usable_size(pool));
#endif
    slab->fresh++;
    return WEIR_OK;
}

/* All stacks of the slab are idle, and another slab is too: it goes back to the kernel. */
static void release_slab(struct weir__stack_pool *pool, struct weir__slab *slab)
{
    for (uint32_t i = 0; i < slab->fresh; i++)
        unlink_idle(pool, idle_of(pool, low_of(pool, slab, i)));
    pool->unused_slabs--;
    free_slab(pool, slab);
}

int weir__stack_take(struct weir__stack_pool *pool, struct weir__stack *stack)
{
    if (pool->idle_count > 0) {
        take_idle(pool, stack);
    } else {
        int status = carve(pool, stack);
        if (status != WEIR_OK)
            return status;
    }
    stack->size = usable_size(pool);
    if (stack->slab->in_use++ == 0)
        pool->unused_slabs--;
    return WEIR_OK;
}

void weir__stack_give(struct weir__stack_pool *pool, const struct weir__stack *stack)
{
    uint8_t *low = stack->low;
    struct weir__slab *slab = stack->slab;
#ifdef WEIR__ASAN
    __asan_unpoison_memory_region(low, usable_size(pool)); /* frames that never returned */
#endif
    struct weir__idle_stack *idle = idle_of(pool, low);
    if (pool->idle_count >= WARM_STACKS)
        weir__stack_sys.discard(low, usable_size(pool) - pool->page);
    idle->slab = slab;
    idle->next = pool->idle.next;
    idle->prev = &pool->idle;
    idle->next->prev = idle;
    pool->idle.next = idle;
    pool->idle_count++;
    if (--slab->in_use == 0 && ++pool->unused_slabs > 1)
        release_slab(pool, slab);
}

/* --- life --- */

int weir__stack_pool_init(struct weir__stack_pool *pool, size_t stack_size)
{
    long page = sysconf(_SC_PAGESIZE);
    if (stack_size < STACK_SIZE_MIN)
        stack_size = STACK_SIZE_MIN;
    if (stack_size > STACK_SIZE_MAX || page <= 0)
        return WEIR_EINVAL;
    size_t mask = (size_t)page - 1;
    *pool = (struct weir__stack_pool){.page = (size_t)page};
    /* The guard is part of the size, so that a power of two stays one and the kernel's tables stay
     * dense. */
    pool->stride = ((stack_size + mask) & ~mask) * SIZE_FACTOR;
    pool->idle.next = pool->idle.prev = &pool->idle;
    return WEIR_OK;
}

void weir__stack_pool_fini(struct weir__stack_pool *pool)
{
    while (pool->slabs != NULL)
        free_slab(pool, pool->slabs);
    pool->idle.next = pool->idle.prev = &pool->idle;
    pool->idle_count = 0;
    pool->unused_slabs = 0;
}
