/* rt/list.h - an intrusive circular doubly linked list. A node that is in no list points to
 * itself. */
#ifndef WEIR_RT_LIST_H
#define WEIR_RT_LIST_H

#include <weir/base.h>

#include <assert.h>

#include <weir/scope.h> /* struct weir__node */

typedef struct weir__node weir__node;

static inline void weir__list_init(weir__node *list)
{
    list->next = list->prev = list;
}

static inline bool weir__list_is_empty(const weir__node *list)
{
    return list->next == list;
}

/* The memory of a list is about to be freed. Its waiters have to be woken before. */
static inline void weir__list_fini(const weir__node *list)
{
    assert(weir__list_is_empty(list));
    (void)list;
}

static inline void weir__list_push(weir__node *list, weir__node *node)
{
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* Takes a node out of the list it is in, and leaves the node as it is: for one that is not used in
 * a list again, or is put into another at once. */
static inline void weir__list_unlink(weir__node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
}

/* Takes a node out of the list it is in; harmless on one that is in none (but initialised). */
static inline void weir__list_remove(weir__node *node)
{
    weir__list_unlink(node);
    node->next = node->prev = node;
}

static inline weir__node *weir__list_first(const weir__node *list)
{
    return list->next == list ? NULL : list->next;
}

/* Moves all nodes of one list to another, whose head need not be initialised. */
static inline void weir__list_move(weir__node *to, weir__node *from)
{
    weir__list_init(to);
    if (weir__list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    weir__list_init(from);
}

/* A list whose head is one pointer to its oldest node: for lists that are mostly empty, in structs
 * of which there are many. A node that is in one must not be taken out by weir__list_remove(). */
static inline void weir__chain_push(weir__node **chain, weir__node *node)
{
    if (*chain == NULL) {
        weir__list_init(node);
        *chain = node;
    } else {
        weir__list_push(*chain, node);
    }
}

static inline void weir__chain_remove(weir__node **chain, weir__node *node)
{
    if (*chain == node)
        *chain = node->next != node ? node->next : NULL;
    weir__list_remove(node);
}

/* The node behind one; NULL: it is the newest. */
static inline weir__node *weir__chain_next(weir__node *const *chain, const weir__node *node)
{
    return node->next != *chain ? node->next : NULL;
}

#define WEIR__CONTAINER(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
