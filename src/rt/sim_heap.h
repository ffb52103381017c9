/* rt/sim_heap.h - what will happen in the simulated world, the earliest first: a binary heap of
 * nodes that stand inside their owners. Each owner has one node, set to its next event. Setting
 * never fails, because an owner reserves its place when it is made. */
#ifndef WEIR_RT_SIM_HEAP_H
#define WEIR_RT_SIM_HEAP_H

#include <weir/loop.h>

struct weir__sim_node {
    uint64_t due_ms;
    uint64_t order;   /* among nodes of one millisecond: the lowest first */
    uint32_t place;   /* 1 + index in the heap; 0: not in it */
    bool is_listener; /* what the node stands in: a listener, else an end of a connection */
};

struct weir__sim_heap {
    struct weir__sim_node **nodes;
    uint32_t count;
    uint32_t capacity; /* never below reserved */
    uint32_t reserved; /* nodes that exist and may be set */
};

/* Makes sure that count more nodes fit. Errors: WEIR_ENOMEM (nothing reserved). */
WEIR_MUST_USE int weir__sim_heap_reserve(struct weir__sim_heap *heap, weir_loop *loop,
                                         uint32_t count);
/* Gives count places back; the nodes must be unset. */
void weir__sim_heap_release(struct weir__sim_heap *heap, uint32_t count);
void weir__sim_heap_fini(struct weir__sim_heap *heap, weir_loop *loop);

/* Puts a node in, or moves it. */
void weir__sim_heap_set(struct weir__sim_heap *heap, struct weir__sim_node *node, uint64_t due_ms,
                        uint64_t order);
/* Takes a node out, if it is in. */
void weir__sim_heap_unset(struct weir__sim_heap *heap, struct weir__sim_node *node);

/* The earliest node, or NULL. */
static inline struct weir__sim_node *weir__sim_heap_first(const struct weir__sim_heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

#endif
