#include "rt/pool.h"

#include <stdlib.h>
#include <string.h>

/* Four classes a power of two, from 32 bytes on: at most a fifth of a block is waste. */
#define SMALLEST_BITS 5
#define LARGEST_SIZE  ((size_t)256 * 1024)
/* At most this many bytes are kept a class. */
#define KEPT_MAX ((size_t)512 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_BLOCKS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_BLOCKS false
#endif
#endif
#ifndef KEEPS_BLOCKS
#define KEEPS_BLOCKS true
#endif

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

struct class
{
    unsigned index;
    size_t size; /* what blocks of it really have */
};

static struct class class_of(size_t size)
{
    if (size <= (size_t)1 << SMALLEST_BITS)
        return (struct class){0, (size_t)1 << SMALLEST_BITS};
    unsigned bits = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^bits < size <= 2^(bits + 1) */
    size_t step = (size_t)1 << (bits - 2);
    size_t steps = (size - 1 - ((size_t)1 << bits)) / step + 1;
    return (struct class){(bits - SMALLEST_BITS) * 4 + (unsigned)steps,
                          ((size_t)1 << bits) + steps * step};
}

void *weir__pool_take(struct weir__pool *pool, size_t size)
{
    if (!KEEPS_BLOCKS || size > LARGEST_SIZE)
        return pool->parent.resize(pool->parent.context, NULL, 0, size);
    struct class class = class_of(size);
    void *block = pool->free[class.index];
    if (block == NULL)
        return pool->parent.resize(pool->parent.context, NULL, 0, class.size);
    memcpy(&pool->free[class.index], block, sizeof block);
    pool->free_count[class.index]--;
    return block;
}

void weir__pool_give(struct weir__pool *pool, void *block, size_t size)
{
    if (block == NULL)
        return;
    if (!KEEPS_BLOCKS || size > LARGEST_SIZE) {
        (void)pool->parent.resize(pool->parent.context, block, size, 0);
        return;
    }
    struct class class = class_of(size);
    if ((pool->free_count[class.index] + 1) * class.size > KEPT_MAX) {
        (void)pool->parent.resize(pool->parent.context, block, class.size, 0);
        return;
    }
    memcpy(block, &pool->free[class.index], sizeof block);
    pool->free[class.index] = block;
    pool->free_count[class.index]++;
}

static void *grow(struct weir__pool *pool, void *block, size_t old_size, size_t new_size)
{
    if (KEEPS_BLOCKS && old_size <= LARGEST_SIZE && new_size <= LARGEST_SIZE &&
        class_of(old_size).index == class_of(new_size).index)
        return block;
    if (old_size > LARGEST_SIZE && new_size > LARGEST_SIZE)
        return pool->parent.resize(pool->parent.context, block, old_size, new_size);
    void *moved = weir__pool_take(pool, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    weir__pool_give(pool, block, old_size);
    return moved;
}

static void *resize_by_pool(void *context, void *block, size_t old_size, size_t new_size)
{
    struct weir__pool *pool = context;
    if (block == NULL)
        return weir__pool_take(pool, new_size);
    if (new_size == 0) {
        weir__pool_give(pool, block, old_size);
        return NULL;
    }
    return grow(pool, block, old_size, new_size);
}

void weir__pool_init(struct weir__pool *pool, const weir_allocator *parent)
{
    memset(pool, 0, sizeof *pool);
    pool->parent = *parent;
    if (pool->parent.resize == NULL)
        pool->parent.resize = libc_resize;
    pool->face = (weir_allocator){resize_by_pool, pool};
}

void weir__pool_fini(struct weir__pool *pool)
{
    for (unsigned index = 0; index < WEIR__POOL_CLASSES; index++) {
        /* Class index back to the size of its blocks: the inverse of class_of(). */
        unsigned bits = SMALLEST_BITS + (index == 0 ? 0 : (index - 1) / 4);
        size_t steps = index == 0 ? 0 : (index - 1) % 4 + 1;
        size_t size = ((size_t)1 << bits) + (steps << (bits - 2));
        while (pool->free[index] != NULL) {
            void *block = pool->free[index];
            memcpy(&pool->free[index], block, sizeof block);
            (void)pool->parent.resize(pool->parent.context, block, size, 0);
        }
        pool->free_count[index] = 0;
    }
}
