#include "rt/sim_heap.h"

#include "rt/loop.h"

#include <string.h>

#define CAPACITY_MIN 64
#define COUNT_MAX    (UINT32_MAX >> 2)

static bool is_before(const struct weir__sim_node *a, const struct weir__sim_node *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put(struct weir__sim_heap *heap, uint32_t index, struct weir__sim_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void sift_up(struct weir__sim_heap *heap, uint32_t index)
{
    struct weir__sim_node *node = heap->nodes[index];
    while (index > 0) {
        uint32_t parent = (index - 1) / 2;
        if (!is_before(node, heap->nodes[parent]))
            break;
        put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    put(heap, index, node);
}

static void sift_down(struct weir__sim_heap *heap, uint32_t index)
{
    struct weir__sim_node *node = heap->nodes[index];
    while (heap->count > 1 && index <= (heap->count - 2) / 2) {
        uint32_t child = 2 * index + 1;
        if (child + 1 < heap->count && is_before(heap->nodes[child + 1], heap->nodes[child]))
            child++;
        if (!is_before(heap->nodes[child], node))
            break;
        put(heap, index, heap->nodes[child]);
        index = child;
    }
    put(heap, index, node);
}

static int grow(struct weir__sim_heap *heap, weir_loop *loop, uint32_t needed)
{
    uint32_t capacity = CAPACITY_MIN;
    while (capacity < needed)
        capacity *= 2;
    struct weir__sim_node **nodes = weir__loop_alloc(loop, capacity * sizeof *nodes);
    if (nodes == NULL)
        return WEIR_ENOMEM;
    if (heap->nodes != NULL) {
        memcpy(nodes, heap->nodes, heap->count * sizeof *nodes);
        weir__loop_free(loop, heap->nodes, heap->capacity * sizeof *nodes);
    }
    heap->nodes = nodes;
    heap->capacity = capacity;
    return WEIR_OK;
}

int weir__sim_heap_reserve(struct weir__sim_heap *heap, weir_loop *loop, uint32_t count)
{
    if (heap->reserved > COUNT_MAX - count)
        return WEIR_ENOMEM;
    uint32_t needed = heap->reserved + count;
    if (needed > heap->capacity && grow(heap, loop, needed) != WEIR_OK)
        return WEIR_ENOMEM;
    heap->reserved = needed;
    return WEIR_OK;
}

void weir__sim_heap_release(struct weir__sim_heap *heap, uint32_t count)
{
    heap->reserved -= count;
}

void weir__sim_heap_fini(struct weir__sim_heap *heap, weir_loop *loop)
{
    if (heap->nodes != NULL)
        weir__loop_free(loop, heap->nodes, heap->capacity * sizeof *heap->nodes);
    memset(heap, 0, sizeof *heap);
}

void weir__sim_heap_set(struct weir__sim_heap *heap, struct weir__sim_node *node, uint64_t due_ms,
                        uint64_t order)
{
    node->due_ms = due_ms;
    node->order = order;
    if (node->place == 0)
        put(heap, heap->count++, node);
    uint32_t index = node->place - 1;
    sift_up(heap, index);
    if (node->place - 1 == index)
        sift_down(heap, index);
}

void weir__sim_heap_unset(struct weir__sim_heap *heap, struct weir__sim_node *node)
{
    if (node->place == 0)
        return;
    uint32_t index = node->place - 1;
    struct weir__sim_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    put(heap, index, last);
    sift_up(heap, index);
    if (last->place - 1 == index)
        sift_down(heap, index);
}
