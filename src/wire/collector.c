#include "wire/collector.h"

#include "base/alloc.h"

#include <weir/mask.h>

#include <string.h>

/* The smallest block to ask for when more bytes are sure to come. */
#define CAPACITY_MIN 256
#define AHEAD        4
#define NEAR         10

void weir_collector_init(weir_collector *collector, const weir_allocator *allocator)
{
    *collector = (weir_collector){.allocator = allocator};
}

int weir_collector_start(weir_collector *collector, uint64_t size)
{
    uint64_t whole;
    if (collector->remaining > 0)
        return WEIR_ESTATE;
    if (__builtin_add_overflow((uint64_t)collector->size, size, &whole) ||
        whole > PTRDIFF_MAX - sizeof(weir__block))
        return WEIR_ETOOBIG;
    collector->remaining = size;
    return WEIR_OK;
}

static size_t capacity_of(const weir_collector *collector)
{
    const weir__block *block = collector->block;
    return block != NULL ? block->capacity : 0;
}

/* The capacity to ask for next:
 *  - four times what has arrived, or the whole where that is near. A large message is moved at most
 *    once, and a length that a peer only declares costs little;
 *  - at least half as much again as before, so that many small fragments do not move the whole each
 *    time.
 * Nothing overflows: weir_collector_start() has checked the whole. */
static size_t grown_capacity(const weir_collector *collector, size_t needed)
{
    size_t whole = collector->size + (size_t)collector->remaining;
    size_t capacity = needed > CAPACITY_MIN / AHEAD ? needed : CAPACITY_MIN / AHEAD;
    capacity = capacity < whole / NEAR ? capacity * AHEAD : whole;
    size_t old_capacity = capacity_of(collector);
    size_t least = old_capacity + old_capacity / 2;
    return capacity > least ? capacity : least;
}

/* The block with room for size bytes more; NULL: no memory, and nothing has changed. */
static weir__block *make_room(weir_collector *collector, size_t size)
{
    size_t needed = collector->size + size;
    if (needed <= capacity_of(collector))
        return collector->block;
    weir__block *block = weir__block_resize(collector->block, collector->allocator,
                                            grown_capacity(collector, needed));
    if (block != NULL)
        collector->block = block;
    return block;
}

int weir_collector_feed(weir_collector *collector, const void *data, size_t size, size_t *eaten)
{
    size_t taken = collector->remaining < size ? (size_t)collector->remaining : size;
    if (eaten != NULL)
        *eaten = 0;
    if (taken == 0)
        return WEIR_OK;
    weir__block *block = make_room(collector, taken);
    if (block == NULL)
        return WEIR_ENOMEM;
    if (data != block->data + collector->size)
        memcpy(block->data + collector->size, data, taken);
    collector->size += taken;
    collector->remaining -= taken;
    if (eaten != NULL)
        *eaten = taken;
    return WEIR_OK;
}

size_t weir__collector_room(const weir_collector *collector, uint8_t **room)
{
    weir__block *block = collector->block;
    size_t left = capacity_of(collector) - collector->size;
    if (left > collector->remaining)
        left = (size_t)collector->remaining;
    *room = left > 0 ? block->data + collector->size : NULL;
    return left;
}

bool weir_collector_has_remaining(const weir_collector *collector)
{
    return collector->remaining > 0;
}

int weir_collector_take(weir_frame *out, weir_collector *collector, const uint8_t *key)
{
    if (collector->remaining > 0)
        return WEIR_ESTATE;
    weir__block *block = collector->block;
    *out = (weir_frame){.size = collector->size, .fin = true};
    if (block != NULL) {
        out->data = block->data;
        out->release = weir__block_release;
        out->owner = block;
        if (key != NULL)
            weir_mask(out->data, out->size, key, 0);
    }
    collector->block = NULL;
    collector->size = 0;
    return WEIR_OK;
}

void weir_collector_fini(weir_collector *collector)
{
    weir__block_release(collector->block);
    collector->block = NULL;
    collector->size = 0;
    collector->remaining = 0;
}
