/* rt/coroutine.h - coroutines and how they wait. Everything that suspends does so through a
 * weir__wait. Single-threaded. */
#ifndef WEIR_RT_COROUTINE_H
#define WEIR_RT_COROUTINE_H

#include "rt/current.h"
#include "rt/fiber.h"
#include "rt/loop.h"
#include "rt/stack.h"

/* What a child of a scope can do. */
struct weir__job_ops {
    void (*cancel)(struct weir__job *job); /* ask it to end; it may end before this returns */
};

/* A coroutine stands at the top of its own stack, so that a parked one is a single page. */
struct weir__coroutine {
    weir__task ready; /* queued: it runs soon */
    struct weir__fiber fiber;
    struct weir__stack stack;
    weir_loop *loop;
    struct weir__job job;    /* in the scope it was started in */
    weir_scope *scope;       /* the innermost scope it has open */
    weir__node live;         /* among all coroutines of the loop */
    struct weir__wait *wait; /* what it is suspended in; NULL: it runs or is ready */
    const char *name;
    int (*run)(void *arg);
    void *arg;
};

/* One suspension. It stands on the suspended coroutine's stack. */
struct weir__wait {
    struct weir__coroutine *coroutine;
    const char *what; /* for dumps: a literal */
    /* Withdraws the wait from whatever would have ended it. NULL: cancellation does not wake it,
     * because what it waits for is bound to come. */
    void (*cancel)(struct weir__wait *wait);
    int status; /* what the suspended call will return */
};

/* --- waiting --- */

/* What runs a coroutine of the ready queue. */
void weir__coroutine_run(weir__task *ready);

/* Takes the coroutine out of the queue that the ready queue would run next. NULL: the next task is
 * no coroutine, or may not run now. */
static inline struct weir__coroutine *weir__coroutine_take_next(weir_loop *loop)
{
    weir__task *task = WEIR__CONTAINER(loop->ready.next, weir__task, link);
    if (!loop->chains || loop->ready_budget == 0 || weir__list_is_empty(&loop->ready) ||
        task->run != weir__coroutine_run)
        return NULL;
    loop->ready_budget--;
    weir__task_cancel(task);
    return WEIR__CONTAINER(task, struct weir__coroutine, ready);
}

/* Takes back what the coroutine had that has just ended: on another stack than its own. */
void weir__coroutine_reap(weir_loop *loop);

/* What a context does first after it was switched to. */
static inline void weir__coroutine_arrive(weir_loop *loop)
{
    if (loop->finished != NULL)
        weir__coroutine_reap(loop);
}

/* From the loop's own context into a coroutine, and back when no other can follow one that suspends
 * or ends. */
static inline void weir__coroutine_run_now(struct weir__coroutine *coroutine)
{
    weir_loop *loop = coroutine->loop;
    loop->current = coroutine;
    weir__fiber_switch(&loop->main_fiber, &coroutine->fiber);
    weir__coroutine_arrive(loop);
}

/* Lets others run: the next coroutine of the ready queue directly, or else the loop's own
 * context. */
static inline void weir__coroutine_leave(struct weir__coroutine *coroutine)
{
    weir_loop *loop = coroutine->loop;
    struct weir__coroutine *next = weir__coroutine_take_next(loop);
    loop->current = next;
    weir__fiber_switch(&coroutine->fiber, next != NULL ? &next->fiber : &loop->main_fiber);
    weir__coroutine_arrive(loop);
}

/* Lets the test seam see a wait that begins. Whether it still waits then. */
bool weir__wait_outlives_seam(struct weir__wait *wait);

/* Prepares a wait of the current coroutine. Call it before anything is registered that could wake
 * it. Errors: WEIR_ESTATE outside a coroutine, WEIR_CANCELLED when its scope is cancelled
 * already. */
WEIR_MUST_USE static inline int weir__wait_init(struct weir__wait *wait, const char *what,
                                                void (*cancel)(struct weir__wait *wait))
{
    struct weir__coroutine *coroutine = weir__coroutine_current();
    if (coroutine == NULL)
        return WEIR_ESTATE;
    if (coroutine->scope->cancelled)
        return WEIR_CANCELLED;
    wait->coroutine = coroutine;
    wait->what = what;
    wait->cancel = cancel;
    wait->status = WEIR_OK;
    return WEIR_OK;
}

/* Suspends until weir__wait_wake(), and returns the status given there. Compiled into each call
 * that suspends: the processor predicts wrong where a function returns to after a switch, so that
 * each function less is a misprediction less. */
static inline int weir__wait_suspend(struct weir__wait *wait)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    coroutine->wait = wait;
    if (coroutine->loop->on_suspend == NULL || weir__wait_outlives_seam(wait))
        weir__coroutine_leave(coroutine);
    return wait->status;
}

/* Ends a wait: its coroutine becomes ready. The caller has withdrawn the wait from everything
 * else. */
static inline void weir__wait_wake(struct weir__wait *wait, int status)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    coroutine->wait = NULL;
    wait->status = status;
    weir__task_post(coroutine->loop, &coroutine->ready);
}

/* The same, but when called in the loop's own context the coroutine runs at once, and this returns
 * when it suspends or ends. */
void weir__wait_wake_now(struct weir__wait *wait, int status);

/* Cancels what a coroutine waits in, if anything. */
void weir__coroutine_cancel_wait(struct weir__coroutine *coroutine);

/* Makes a coroutine of a scope and queues it. at_once: when called from the loop's own context,
 * runs it right now instead. */
WEIR_MUST_USE int weir__coroutine_start(weir_scope *scope, const char *name, int (*run)(void *arg),
                                        void *arg, bool at_once);

/* --- scopes, for what lives in them without being a coroutine --- */

/* Puts a job into a scope that is not cancelled. */
static inline void weir__scope_adopt(weir_scope *scope, struct weir__job *job,
                                     const struct weir__job_ops *ops)
{
    job->parent = scope;
    job->ops = ops;
    weir__list_push(&scope->children, &job->link);
    scope->child_count++;
}

/* Makes a scope that no coroutine owns and that is no child of any yet (weir__scope_attach() its
 * job where it belongs). emptied, if not NULL, is called each time the last child has ended. */
void weir__scope_init(weir_scope *scope, weir_loop *loop, void (*emptied)(weir_scope *scope));

/* weir__scope_attach() is weir__scope_adopt() for a scope that may be cancelled: then
 * WEIR_CANCELLED. weir__scope_detach() takes a job out when it has ended. status is its result: a
 * failure cancels the scope. */
WEIR_MUST_USE int weir__scope_attach(weir_scope *scope, struct weir__job *job,
                                     const struct weir__job_ops *ops);
void weir__scope_detach(struct weir__job *job, int status);

/* Whether a status is a failure for structured concurrency: negative, and not a normal end. */
static inline bool weir__status_is_failure(int status)
{
    return status < 0 && status != WEIR_CANCELLED && status != WEIR_CLOSED;
}

#endif
