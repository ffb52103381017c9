/* rt/pool.h - a loop's memory: blocks in size classes, kept for reuse, on top of the user's
 * allocator. What comes and goes with each message (output buffers, frame references, queues) so
 * costs a few instructions. Under AddressSanitizer nothing is kept, so that a use after free is
 * seen. Single-threaded. */
#ifndef WEIR_RT_POOL_H
#define WEIR_RT_POOL_H

#include <weir/base.h>

#include <string.h>

/* Eight classes a power of two, from 32 bytes on: at most a ninth of a block is waste. */
#define WEIR__POOL_STEP_BITS     3
#define WEIR__POOL_SMALLEST_BITS 5
#define WEIR__POOL_CLASSES       129
/* A message of the default size limit, with what stands before it: pages that the kernel has to
 * give anew each time cost more than the copy. */
#define WEIR__POOL_LARGEST ((size_t)2 * 1024 * 1024)
/* At most this many bytes are kept in all. */
#define WEIR__POOL_KEPT_MAX ((size_t)8 * 1024 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define WEIR__POOL_KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR__POOL_KEEPS false
#endif
#endif
#ifndef WEIR__POOL_KEEPS
#define WEIR__POOL_KEEPS true
#endif

struct weir__pool {
    weir_allocator parent;
    weir_allocator face; /* the pool itself as an allocator */
    void *free[WEIR__POOL_CLASSES];
    uint32_t free_count[WEIR__POOL_CLASSES];
    size_t kept; /* bytes of all free blocks */
};

/* parent.resize NULL: the C library's. The pool must not move afterwards. */
void weir__pool_init(struct weir__pool *pool, const weir_allocator *parent);

/* Gives back all that is kept; blocks still in use stay valid. */
void weir__pool_fini(struct weir__pool *pool);

void *weir__pool_take(struct weir__pool *pool, size_t size);
void weir__pool_give(struct weir__pool *pool, void *block, size_t size);

struct weir__pool_class {
    unsigned index;
    size_t size; /* what blocks of it really have */
};

static inline struct weir__pool_class weir__pool_class_of(size_t size)
{
    const size_t smallest = (size_t)1 << WEIR__POOL_SMALLEST_BITS;
    if (size <= smallest)
        return (struct weir__pool_class){0, smallest};
    unsigned bits = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^bits < size <= 2^(bits + 1) */
    size_t step = (size_t)1 << (bits - WEIR__POOL_STEP_BITS);
    size_t steps = (size - 1 - ((size_t)1 << bits)) / step + 1;
    return (struct weir__pool_class){((bits - WEIR__POOL_SMALLEST_BITS) << WEIR__POOL_STEP_BITS) +
                                         (unsigned)steps,
                                     ((size_t)1 << bits) + steps * step};
}

/* A block out of those that are kept; NULL: none. */
static inline void *weir__pool_unkeep(struct weir__pool *pool, struct weir__pool_class class)
{
    void *block = pool->free[class.index];
    if (block == NULL)
        return NULL;
    memcpy(&pool->free[class.index], block, sizeof block);
    pool->free_count[class.index]--;
    pool->kept -= class.size;
    return block;
}

static inline void weir__pool_keep(struct weir__pool *pool, struct weir__pool_class class,
                                   void *block)
{
    memcpy(block, &pool->free[class.index], sizeof block);
    pool->free[class.index] = block;
    pool->free_count[class.index]++;
    pool->kept += class.size;
}

/* The same two for a size that the compiler knows: a few instructions, while there are blocks and
 * room for them. */
static inline void *weir__pool_take_fixed(struct weir__pool *pool, size_t size)
{
    void *block = weir__pool_unkeep(pool, weir__pool_class_of(size));
    return block != NULL ? block : weir__pool_take(pool, size);
}

static inline void weir__pool_give_fixed(struct weir__pool *pool, void *block, size_t size)
{
    struct weir__pool_class class = weir__pool_class_of(size);
    if (WEIR__POOL_KEEPS && block != NULL && pool->kept + class.size <= WEIR__POOL_KEPT_MAX)
        weir__pool_keep(pool, class, block);
    else
        weir__pool_give(pool, block, size);
}

#endif
