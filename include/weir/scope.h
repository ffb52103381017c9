/** @file
 * weir/scope.h - structured concurrency: a coroutine lives in a scope, and a scope ends only when
 * everything in it has ended.
 *
 * A coroutine is an ordinary C function that may suspend. weir_go() starts it in a scope. There is
 * no coroutine without a scope.
 *
 * Cancelling a scope:
 * - Every suspended call inside it, and inside all scopes below it, returns WEIR_CANCELLED.
 * - From then on every call there that would suspend returns WEIR_CANCELLED at once.
 *
 * A child fails when it returns a negative status other than WEIR_CANCELLED and WEIR_CLOSED, which
 * are normal ends. Then its siblings are cancelled, and joining the scope returns its status.
 *
 * Everything here belongs to one loop, and so to one thread. */
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

/** A scope. The fields are private; the struct is public so that a scope can stand on the stack of
 * its coroutine. */
struct weir_scope {
    struct weir__job job; /**< private */
    weir_loop *loop;      /**< private */
    /** Private: the list alone is incomplete while a scope is being cancelled. */
    size_t child_count;
    struct weir__node children; /**< private */
    /** Private: the coroutine between open and join; NULL for scopes without one. */
    struct weir__coroutine *owner;
    void (*emptied)(weir_scope *scope); /**< private: called when the last child has ended */
    int status;                         /**< private: the first failure */
    bool cancelled;                     /**< private */
    bool joining;                       /**< private: the owner waits for the children */
    bool timed_out;                     /**< private: cancelled because its deadline passed */
};

/** Starts run(arg) as a coroutine in a scope. It runs when the caller suspends. Does not suspend.
 *
 * Keeps name, for dumps, until the coroutine has ended: use a literal.
 * Errors: WEIR_CANCELLED: the scope is cancelled; WEIR_ENOMEM; WEIR_EINVAL: an argument is NULL.
 *
 * ```c
 * weir_scope scope;
 * int status = weir_scope_open(&scope);
 * if (status != WEIR_OK)
 *     return status;
 * status = weir_go(&scope, "reader", read_all, session);
 * if (status == WEIR_OK)
 *     status = weir_go(&scope, "writer", write_all, session);
 * int joined = weir_scope_join(&scope);
 * return status != WEIR_OK ? status : joined;
 * ``` */
WEIR_API WEIR_MUST_USE int weir_go(weir_scope *scope, const char *name, int (*run)(void *arg),
                                   void *arg);

/** Opens a scope inside the current coroutine, which then is in that scope until it joins it.
 * Scopes nest like brackets. Does not suspend.
 *
 * After WEIR_OK, weir_scope_join() has to be called on every path. After an error there is nothing
 * to join.
 * Errors: WEIR_ESTATE: outside a coroutine; WEIR_CANCELLED: the caller is cancelled. */
WEIR_API WEIR_MUST_USE int weir_scope_open(weir_scope *scope);

/** **Suspends** until everything in the scope has ended, and leaves the scope. It always waits for
 * that: cancelling the scope makes what is in it end.
 *
 * Returns WEIR_OK or the first of these that happened:
 * - the status of the first child that failed;
 * - WEIR_ETIMEDOUT: the deadline of the scope passed;
 * - WEIR_CANCELLED: the scope was cancelled;
 * - WEIR_ESTATE: it is not the innermost open scope of this coroutine, and is not joined. */
WEIR_API int weir_scope_join(weir_scope *scope);

/** Cancels everything in a scope. Idempotent. Does not suspend and does not wait. NULL is
 * allowed. */
WEIR_API void weir_scope_cancel(weir_scope *scope);

/** Whether a scope was cancelled: by a call, by a child that failed, by a deadline, or with a scope
 * above it. */
WEIR_API bool weir_scope_is_cancelled(const weir_scope *scope);

/** The innermost scope of the running coroutine. NULL outside a coroutine. Lends it until that
 * scope is joined. */
WEIR_API weir_scope *weir_scope_current(void);

/** **Suspends** as long as body does. Runs body(arg) in this coroutine, in a scope of its own, and
 * joins that scope. When timeout_ms pass first, the scope is cancelled.
 *
 * timeout_ms 0: the deadline passes at once; WEIR_UNLIMITED: there is none. Returns WEIR_ETIMEDOUT
 * when the deadline passed. Otherwise it returns what body returned, or the status of the first
 * child of the scope that failed.
 * Errors besides: WEIR_ESTATE: outside a coroutine; WEIR_EINVAL: body is NULL; WEIR_CANCELLED: the
 * caller was cancelled. */
WEIR_API int weir_with_deadline(uint64_t timeout_ms, int (*body)(void *arg), void *arg);

/** **Suspends** for a time. WEIR_UNLIMITED: until the caller is cancelled.
 * Errors: WEIR_CANCELLED: the caller was cancelled; WEIR_ESTATE: outside a coroutine. */
WEIR_API int weir_sleep(uint64_t milliseconds);

/** **Suspends** until everything else that is ready has run.
 * Errors: WEIR_CANCELLED: the caller was cancelled; WEIR_ESTATE: outside a coroutine. */
WEIR_API int weir_yield(void);

WEIR_END_DECLS
#endif
