#include "rt/pool.h"

#include "base/alloc.h"

#include <string.h>

/* The inverse: what blocks of a class have. */
static size_t size_of(unsigned index)
{
    const unsigned a_power = 1u << WEIR__POOL_STEP_BITS;
    unsigned bits = WEIR__POOL_SMALLEST_BITS + (index == 0 ? 0 : (index - 1) / a_power);
    size_t steps = index == 0 ? 0 : (index - 1) % a_power + 1;
    return ((size_t)1 << bits) + (steps << (bits - WEIR__POOL_STEP_BITS));
}

static void drop(struct weir__pool *pool, struct weir__pool_class class)
{
    void *block = weir__pool_unkeep(pool, class);
    (void)pool->parent.resize(block, class.size, 0, pool->parent.arg);
}

static struct weir__pool_class richest_class(const struct weir__pool *pool)
{
    struct weir__pool_class richest = {0, size_of(0)};
    for (unsigned index = 1; index < WEIR__POOL_CLASSES; index++) {
        size_t size = size_of(index);
        if (pool->free_count[index] * size > pool->free_count[richest.index] * richest.size)
            richest = (struct weir__pool_class){index, size};
    }
    return richest;
}

/* Whether one more block of a class may be kept. When too much is kept, blocks of the class that
 * keeps most are freed, so that each class in use has its share. */
static bool make_room(struct weir__pool *pool, struct weir__pool_class class)
{
    while (pool->kept + class.size > WEIR__POOL_KEPT_MAX) {
        struct weir__pool_class richest = richest_class(pool);
        if (richest.index == class.index)
            return false;
        drop(pool, richest);
    }
    return true;
}

void *weir__pool_take(struct weir__pool *pool, size_t size)
{
    if (!WEIR__POOL_KEEPS || size > WEIR__POOL_LARGEST)
        return pool->parent.resize(NULL, 0, size, pool->parent.arg);
    struct weir__pool_class class = weir__pool_class_of(size);
    void *block = weir__pool_unkeep(pool, class);
    return block != NULL ? block : pool->parent.resize(NULL, 0, class.size, pool->parent.arg);
}

void weir__pool_give(struct weir__pool *pool, void *block, size_t size)
{
    if (block == NULL)
        return;
    if (!WEIR__POOL_KEEPS || size > WEIR__POOL_LARGEST) {
        (void)pool->parent.resize(block, size, 0, pool->parent.arg);
        return;
    }
    struct weir__pool_class class = weir__pool_class_of(size);
    if (!make_room(pool, class)) {
        (void)pool->parent.resize(block, class.size, 0, pool->parent.arg);
        return;
    }
    weir__pool_keep(pool, class, block);
}

static void *grow(struct weir__pool *pool, void *block, size_t old_size, size_t new_size)
{
    if (WEIR__POOL_KEEPS && old_size <= WEIR__POOL_LARGEST && new_size <= WEIR__POOL_LARGEST &&
        weir__pool_class_of(old_size).index == weir__pool_class_of(new_size).index)
        return block;
    if (old_size > WEIR__POOL_LARGEST && new_size > WEIR__POOL_LARGEST)
        return pool->parent.resize(block, old_size, new_size, pool->parent.arg);
    void *moved = weir__pool_take(pool, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    weir__pool_give(pool, block, old_size);
    return moved;
}

static void *resize_by_pool(void *block, size_t old_size, size_t new_size, void *arg)
{
    struct weir__pool *pool = arg;
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
    pool->parent = parent->resize != NULL ? *parent : weir__libc_allocator;
    pool->face = (weir_allocator){resize_by_pool, pool};
}

void weir__pool_fini(struct weir__pool *pool)
{
    for (unsigned index = 0; index < WEIR__POOL_CLASSES; index++)
        while (pool->free[index] != NULL)
            drop(pool, (struct weir__pool_class){index, size_of(index)});
}
