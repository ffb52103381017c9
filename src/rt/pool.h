/* rt/pool.h - a loop's memory: blocks in size classes, kept for reuse, on top of the user's allocator. What comes and goes with each message
 * (output buffers, leases, queues) so costs a few instructions. Under AddressSanitizer nothing is kept, so that a use after free is seen. Single-threaded. */
#ifndef WEIR_RT_POOL_H
#define WEIR_RT_POOL_H

#include <weir/base.h>

#define WEIR__POOL_CLASSES 65

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

#endif
