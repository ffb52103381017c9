#include "rt/pool.h"

#include <stdlib.h>
#include <string.h>

/* Four classes a power of two, from 32 bytes on: at most a fifth of a block is waste. */
#define SMALLEST_BITS 5
/* A message of the default size limit, with what stands before it. Pages that the kernel has to give anew each time cost more than the copy. */
#define LARGEST_SIZE ((size_t)2 * 1024 * 1024)
/* At most this many bytes are kept in all. */
#define KEPT_MAX ((size_t)8 * 1024 * 1024)

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

/* The inverse: what blocks of a class have. */
static size_t size_of(unsigned index)
{
    unsigned bits = SMALLEST_BITS + (index == 0 ? 0 : (index - 1) / 4);
    size_t steps = index == 0 ? 0 : (index - 1) % 4 + 1;
    return ((size_t)1 << bits) + (steps << (bits - 2));
}

/* A block out of those that are kept; NULL: none. */
static void *unkeep(struct weir__pool *pool, struct class class)
{
    void *block = pool->free[class.index];
    if (block == NULL)
        return NULL;
    memcpy(&pool->free[class.index], block, sizeof block);
    pool->free_count[class.index]--;
    pool->kept -= class.size;
    return block;
}

static void drop(struct weir__pool *pool, struct class class)
{
    void *block = unkeep(pool, class);
    (void)pool->parent.resize(pool->parent.context, block, class.size, 0);
}

static struct class richest_class(const struct weir__pool *pool)
{
    struct class richest = {0, size_of(0)};
    for (unsigned index = 1; index < WEIR__POOL_CLASSES; index++) {
        size_t size = size_of(index);
        if (pool->free_count[index] * size > pool->free_count[richest.index] * richest.size)
            richest = (struct class){index, size};
    }
    return richest;
}

/* Whether one more block of a class may be kept. When too much is kept, the class that keeps most gives way: so each that is in use has its share. */
static bool make_room(struct weir__pool *pool, struct class class)
{
    while (pool->kept + class.size > KEPT_MAX) {
        struct class richest = richest_class(pool);
        if (richest.index == class.index)
            return false;
        drop(pool, richest);
    }
    return true;
}

void *weir__pool_take(struct weir__pool *pool, size_t size)
{
    if (!KEEPS_BLOCKS || size > LARGEST_SIZE)
        return pool->parent.resize(pool->parent.context, NULL, 0, size);
    struct class class = class_of(size);
    void *block = unkeep(pool, class);
    return block != NULL ? block : pool->parent.resize(pool->parent.context, NULL, 0, class.size);
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
    if (!make_room(pool, class)) {
        (void)pool->parent.resize(pool->parent.context, block, class.size, 0);
        return;
    }
    memcpy(block, &pool->free[class.index], sizeof block);
    pool->free[class.index] = block;
    pool->free_count[class.index]++;
    pool->kept += class.size;
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
    for (unsigned index = 0; index < WEIR__POOL_CLASSES; index++)
        while (pool->free[index] != NULL)
            drop(pool, (struct class){index, size_of(index)});
}
