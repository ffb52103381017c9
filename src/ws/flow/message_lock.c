#include "ws/flow/message_lock.h"

#include "rt/coroutine.h"

#include <assert.h>

struct lock_waiter {
    struct weir__wait wait;
    struct weir__message_lock *lock; /* NULL: it has ended, and may be gone */
    weir__node link;
    bool woken;
};

static void withdraw(struct weir__wait *wait)
{
    struct lock_waiter *waiter = WEIR__CONTAINER(wait, struct lock_waiter, wait);
    weir__chain_remove(&waiter->lock->waiting, &waiter->link);
    waiter->lock = NULL;
}

void weir__message_lock_init(struct weir__message_lock *lock)
{
    lock->holder = NULL;
    lock->waiting = NULL;
}

void weir__message_lock_fini(struct weir__message_lock *lock)
{
    assert(lock->waiting == NULL);
    (void)lock;
}

bool weir__message_lock_is_held(const struct weir__message_lock *lock)
{
    return lock->holder != NULL && lock->holder != weir__coroutine_current();
}

int weir__message_lock_wait(struct weir__message_lock *lock)
{
    struct lock_waiter waiter;
    int status = weir__wait_init(&waiter.wait, "another message", withdraw);
    if (status != WEIR_OK)
        return status;
    waiter.lock = lock;
    waiter.woken = false;
    weir__chain_push(&lock->waiting, &waiter.link);
    status = weir__wait_suspend(&waiter.wait);
    if (waiter.lock != NULL)
        weir__chain_remove(&lock->waiting, &waiter.link);
    return status;
}

void weir__message_lock_pass(struct weir__message_lock *lock, const void *sender, bool fin)
{
    if (!fin)
        lock->holder = sender;
    else if (lock->holder == sender)
        weir__message_lock_open(lock);
}

static void wake(struct lock_waiter *waiter, int status)
{
    waiter->woken = true;
    weir__wait_wake(&waiter->wait, status);
}

void weir__message_lock_open(struct weir__message_lock *lock)
{
    lock->holder = NULL;
    weir__node *node = lock->waiting;
    for (; node != NULL; node = weir__chain_next(&lock->waiting, node)) {
        struct lock_waiter *waiter = WEIR__CONTAINER(node, struct lock_waiter, link);
        if (!waiter->woken)
            wake(waiter, WEIR_OK);
    }
}

void weir__message_lock_end(struct weir__message_lock *lock, int status)
{
    weir__node *node;
    lock->holder = NULL;
    while ((node = lock->waiting) != NULL) {
        struct lock_waiter *waiter = WEIR__CONTAINER(node, struct lock_waiter, link);
        weir__chain_remove(&lock->waiting, node);
        waiter->lock = NULL;
        if (waiter->woken)
            waiter->wait.status = status;
        else
            wake(waiter, status);
    }
}
