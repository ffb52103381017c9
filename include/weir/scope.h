/** @file
 * weir/scope.h - structured concurrency: coroutines live in scopes, and a scope ends only when all in it has ended.
 *
 * A coroutine is an ordinary C function that may suspend. It is started into a scope by weir_go(); there is no detached one.
 * Cancelling a scope wakes every suspended call inside it, and inside all scopes below, with WEIR_CANCELLED; from then on
 * each call there that would suspend returns WEIR_CANCELLED at once. A child that fails (returns a negative status other than
 * WEIR_CANCELLED and WEIR_CLOSED, which are normal ends) cancels its siblings, and its status is what joining reports.
 *
 * Everything here belongs to one loop and so to one thread. */
#ifndef WEIR_SCOPE_H
#define WEIR_SCOPE_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** A loop: see weir/loop.h. */
typedef struct weir_loop weir_loop;
typedef struct weir_scope weir_scope;

/** Private: a link of the library's intrusive lists. */
struct weir__node {
    struct weir__node *next; /**< private */
    struct weir__node *prev; /**< private */
};

/** Private: what a scope knows of each of its children. */
struct weir__job {
    struct weir__node link;          /**< private: among the children of parent */
    weir_scope *parent;              /**< private: NULL: attached to none */
    const struct weir__job_ops *ops; /**< private */
};

/** A scope. The fields are private; the struct is public so that a scope can stand on the stack of its coroutine. */
struct weir_scope {
    struct weir__job job; /**< private */
    weir_loop *loop;      /**< private */
    /** Private: the list alone is incomplete while a scope is being cancelled. */
    size_t child_count;
    struct weir__node children; /**< private */
    /** Private: the coroutine between open and join; NULL for scopes without one. */
    struct weir__coroutine *owner;
    void (*emptied)(weir_scope *scope); /**< private: told when the last child has ended */
    int status;                         /**< private: the first failure */
    bool cancelled;                     /**< private */
    bool joining;                       /**< private: the owner waits for the children */
    bool timed_out;                     /**< private: cancelled because its deadline passed */
};

/** Starts run(arg) as a coroutine in a scope. It runs as soon as the caller suspends. name is for dumps (Keeps it: a
 * literal). Does not suspend. Errors: WEIR_CANCELLED when the scope is already cancelled, WEIR_ENOMEM, WEIR_EINVAL. */
WEIR_API WEIR_MUST_USE int weir_go(weir_scope *scope, const char *name, int (*run)(void *arg),
                                   void *arg);

/** Opens a scope inside the current coroutine, which is in it until it joins it: scopes nest like brackets. After WEIR_OK,
 * weir_scope_join() must follow on every path; after an error there is nothing to join. Errors: WEIR_ESTATE outside a
 * coroutine, WEIR_CANCELLED. Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_scope_open(weir_scope *scope);

/** **Suspends.** Waits until everything in the scope has ended, and leaves the scope. Returns WEIR_OK, the first failure of a
 * child, WEIR_ETIMEDOUT when its deadline passed, or WEIR_CANCELLED when it was cancelled. Never leaves early: cancellation
 * makes the children end. Errors: WEIR_ESTATE when it is not the innermost open scope of this coroutine. */
WEIR_API int weir_scope_join(weir_scope *scope);

/** Cancels all that is in a scope. Idempotent; does not suspend, does not wait. NULL is allowed. */
WEIR_API void weir_scope_cancel(weir_scope *scope);

/** Whether a scope was cancelled (by a call, a failure, a deadline, or from above). */
WEIR_API bool weir_scope_is_cancelled(const weir_scope *scope);

/** The innermost scope of the running coroutine; NULL outside. Lends it until that scope is joined. */
WEIR_API weir_scope *weir_scope_current(void);

/** **Suspends.** Runs body(arg) in a scope of its own, in this coroutine, and joins the scope. When timeout_ms pass first the
 * scope is cancelled and the call returns WEIR_ETIMEDOUT. Otherwise it returns what body returned, or the first failure of a
 * child that body started. timeout_ms WEIR_UNLIMITED: no deadline. Errors: WEIR_ESTATE outside a coroutine, WEIR_EINVAL,
 * WEIR_CANCELLED (the caller was). */
WEIR_API int weir_with_deadline(uint64_t timeout_ms, int (*body)(void *arg), void *arg);

/** **Suspends.** Sleeps (WEIR_UNLIMITED: until it is cancelled). Returns WEIR_OK or WEIR_CANCELLED; WEIR_ESTATE outside a
 * coroutine. */
WEIR_API int weir_sleep(uint64_t milliseconds);

/** **Suspends.** Lets everything else that is ready run first. Returns WEIR_OK or WEIR_CANCELLED; WEIR_ESTATE outside a
 * coroutine. */
WEIR_API int weir_yield(void);

WEIR_END_DECLS
#endif
