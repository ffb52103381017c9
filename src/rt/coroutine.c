#include "rt/coroutine.h"

#define COROUTINE_ALIGN 64

/* From the loop's own context into a coroutine, and back when none can follow that suspends or ends. */
static void run_now(struct weir__coroutine *coroutine)
{
    weir_loop *loop = coroutine->loop;
    loop->current = coroutine;
    weir__fiber_switch(&loop->main_fiber, &coroutine->fiber);
    weir__coroutine_arrive(loop);
}

void weir__coroutine_run(weir__task *ready)
{
    struct weir__coroutine *coroutine = WEIR__CONTAINER(ready, struct weir__coroutine, ready);
    weir_loop *loop = coroutine->loop;
    loop->chains = true;
    run_now(coroutine);
    loop->chains = false;
}

void weir__coroutine_reap(weir_loop *loop)
{
    struct weir__coroutine *coroutine = loop->finished;
    loop->finished = NULL;
    loop->coroutine_count--;
    weir__list_unlink(&coroutine->live);
    weir__fiber_fini(&coroutine->fiber);
    weir__stack_give(&loop->stacks, &coroutine->stack);
}

static void live(void *arg)
{
    struct weir__coroutine *coroutine = arg;
    weir_loop *loop = coroutine->loop;
    weir__coroutine_arrive(loop);
    int status = coroutine->run(coroutine->arg);
    weir__scope_detach(&coroutine->job, status);
    loop->finished = coroutine;
    struct weir__coroutine *next = weir__coroutine_take_next(loop);
    loop->current = next;
    weir__fiber_exit(&coroutine->fiber, next != NULL ? &next->fiber : &loop->main_fiber);
}

static void cancel_coroutine(struct weir__job *job)
{
    struct weir__coroutine *coroutine = WEIR__CONTAINER(job, struct weir__coroutine, job);
    weir__coroutine_cancel_wait(coroutine);
}

static const struct weir__job_ops coroutine_ops = {cancel_coroutine};

int weir__coroutine_start(weir_scope *scope, const char *name, int (*run)(void *arg), void *arg,
                          bool at_once)
{
    weir_loop *loop = scope->loop;
    struct weir__stack stack;
    if (scope->cancelled)
        return WEIR_CANCELLED;
    int status = weir__stack_take(&loop->stacks, &stack);
    if (status != WEIR_OK)
        return status;
    uintptr_t top = (uintptr_t)stack.low + stack.size - sizeof(struct weir__coroutine);
    struct weir__coroutine *coroutine =
        (struct weir__coroutine *)(top & ~(uintptr_t)(COROUTINE_ALIGN - 1));
    coroutine->stack = stack;
    coroutine->loop = loop;
    coroutine->scope = scope;
    coroutine->wait = NULL;
    coroutine->name = name;
    coroutine->run = run;
    coroutine->arg = arg;
    weir__scope_adopt(scope, &coroutine->job, &coroutine_ops);
    weir__task_init(&coroutine->ready, weir__coroutine_run);
    weir__list_push(&loop->coroutines, &coroutine->live);
    loop->coroutine_count++;
    weir__fiber_start(&coroutine->fiber, stack.low,
                      (size_t)((uint8_t *)coroutine - (uint8_t *)stack.low), live, coroutine);
    if (at_once && loop->current == NULL)
        run_now(coroutine);
    else
        weir__task_post(loop, &coroutine->ready);
    return WEIR_OK;
}

int weir_go(weir_scope *scope, const char *name, int (*run)(void *arg), void *arg)
{
    if (scope == NULL || run == NULL)
        return WEIR_EINVAL;
    return weir__coroutine_start(scope, name != NULL ? name : "coroutine", run, arg, false);
}

/* --- waiting --- */

bool weir__wait_outlives_seam(struct weir__wait *wait)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    weir_loop *loop = coroutine->loop;
    loop->on_suspend(loop, loop->on_suspend_context);
    if (coroutine->wait == wait)
        return true;
    weir__task_cancel(&coroutine->ready); /* the seam has cancelled it before it slept */
    return false;
}

void weir__wait_wake_now(struct weir__wait *wait, int status)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    if (coroutine->loop->current != NULL) {
        weir__wait_wake(wait, status);
        return;
    }
    coroutine->wait = NULL;
    wait->status = status;
    run_now(coroutine);
}

void weir__coroutine_cancel_wait(struct weir__coroutine *coroutine)
{
    struct weir__wait *wait = coroutine->wait;
    if (wait == NULL || wait->cancel == NULL)
        return;
    wait->cancel(wait);
    weir__wait_wake(wait, WEIR_CANCELLED);
}

/* --- the two simplest suspensions --- */

struct sleep {
    struct weir__wait wait;
    weir__timer timer;
};

static void withdraw_sleep(struct weir__wait *wait)
{
    weir__timer_cancel(&WEIR__CONTAINER(wait, struct sleep, wait)->timer);
}

static void end_sleep(weir__timer *timer)
{
    weir__wait_wake(&WEIR__CONTAINER(timer, struct sleep, timer)->wait, WEIR_OK);
}

int weir_sleep(uint64_t milliseconds)
{
    struct sleep sleep;
    int status = weir__wait_init(&sleep.wait, "sleep", withdraw_sleep);
    if (status != WEIR_OK)
        return status;
    weir__timer_init(&sleep.timer, end_sleep);
    weir__timer_set_after(weir_loop_current(), &sleep.timer, milliseconds);
    return weir__wait_suspend(&sleep.wait);
}

static void withdraw_yield(struct weir__wait *wait)
{
    weir__task_cancel(&wait->coroutine->ready);
}

/* Nobody wakes it: it is in the ready queue at once, behind those that are there. */
int weir_yield(void)
{
    struct weir__wait wait;
    int status = weir__wait_init(&wait, "yield", withdraw_yield);
    if (status != WEIR_OK)
        return status;
    weir__task_post(wait.coroutine->loop, &wait.coroutine->ready);
    status = weir__wait_suspend(&wait);
    wait.coroutine->wait = NULL;
    return status;
}
