/* ws/flow/message_lock.h - keeps the fragments of several senders apart: while a coroutine is
 * between two pieces of a message, the others wait.
 *
 * A waiter stays in the list from the moment it suspends until it runs again. So the end of the
 * channel reaches a waiter that was woken and has not run yet: it never uses memory that is freed.
 * Single-threaded. */
#ifndef WEIR_WS_FLOW_MESSAGE_LOCK_H
#define WEIR_WS_FLOW_MESSAGE_LOCK_H

#include "rt/list.h"

struct weir__message_lock {
    const void *holder;  /* the coroutine that is inside a message; NULL: open */
    weir__node *waiting; /* a chain of struct lock_waiter */
};

void weir__message_lock_init(struct weir__message_lock *lock);

/* Its memory is freed: no coroutine waits in it any more. */
void weir__message_lock_fini(struct weir__message_lock *lock);

/* Whether a coroutine other than the current one is inside a message. */
bool weir__message_lock_is_held(const struct weir__message_lock *lock);

/* Suspends until the lock may have been opened. WEIR_OK: check it again. Any other status: the lock
 * may be freed. */
WEIR_MUST_USE int weir__message_lock_wait(struct weir__message_lock *lock);

/* A data frame of a sender was accepted: a first fragment takes the lock, a last one opens it. */
void weir__message_lock_pass(struct weir__message_lock *lock, const void *sender, bool fin);

void weir__message_lock_open(struct weir__message_lock *lock);

/* Nothing can be sent any more. Every waiter gets status, also one that was woken and has not run
 * since. */
void weir__message_lock_end(struct weir__message_lock *lock, int status);

#endif
