#include "rt/coroutine.h"

#define COROUTINE_ALIGN 64

struct weir__coroutine *weir__coroutine_current(void)
{
    weir_loop *loop = weir_loop_current();
    return loop == NULL ? NULL : loop->current;
}

/* From the loop's own context into a coroutine, and back when it suspends or ends. */
static void resume(struct weir__coroutine *coroutine)
{
    weir_loop *loop = coroutine->scope->loop;
    loop->current = coroutine;
    weir__fiber_switch(&loop->main_fiber, &coroutine->fiber);
    loop->current = NULL;
}

/* The last act of a coroutine, done for it in the loop's context: its stack is not in use any more. */
static void bury(weir_loop *loop, struct weir__coroutine *coroutine)
{
    struct weir__stack stack = coroutine->stack;
    weir__list_remove(&coroutine->live);
    loop->coroutine_count--;
    weir__fiber_fini(&coroutine->fiber);
    weir__stack_give(&loop->stacks, stack);
}

static void run_now(struct weir__coroutine *coroutine)
{
    weir_loop *loop = coroutine->scope->loop;
    loop->finished = NULL;
    resume(coroutine);
    if (loop->finished != NULL)
        bury(loop, loop->finished);
}

static void run_ready(weir__task *task)
{
    struct weir__coroutine *coroutine = WEIR__CONTAINER(task, struct weir__coroutine, ready);
    weir_loop *loop = coroutine->scope->loop;
    loop->chains = true;
    run_now(coroutine);
    loop->chains = false;
}

/* The coroutine that the ready queue would run next, if it would run one: taken out of the queue. */
static struct weir__coroutine *take_next(weir_loop *loop)
{
    weir__node *node = weir__list_first(&loop->ready);
    if (!loop->chains || loop->ready_budget == 0 || node == NULL)
        return NULL;
    weir__task *task = WEIR__CONTAINER(node, weir__task, link);
    if (task->run != run_ready)
        return NULL;
    loop->ready_budget--;
    weir__task_cancel(task);
    return WEIR__CONTAINER(task, struct weir__coroutine, ready);
}

/* Lets others run: the next in the ready queue without a detour through the loop's own context, or that. */
static void leave(weir_loop *loop, struct weir__coroutine *coroutine)
{
    struct weir__coroutine *next = take_next(loop);
    loop->current = next;
    weir__fiber_switch(&coroutine->fiber, next != NULL ? &next->fiber : &loop->main_fiber);
}

static void enter(void *arg)
{
    struct weir__coroutine *coroutine = arg;
    weir_loop *loop = coroutine->scope->loop;
    int status = coroutine->run(coroutine->arg);
    loop->finished = coroutine;
    weir__scope_detach(&coroutine->job, status);
    weir__fiber_exit(&coroutine->fiber, &loop->main_fiber);
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
        return WEIR_CANCELED;
    int status = weir__stack_take(&loop->stacks, &stack);
    if (status != WEIR_OK)
        return status;
    uintptr_t top = (uintptr_t)stack.low + stack.size - sizeof(struct weir__coroutine);
    struct weir__coroutine *coroutine =
        (struct weir__coroutine *)(top & ~(uintptr_t)(COROUTINE_ALIGN - 1));
    status = weir__scope_attach(scope, &coroutine->job, &coroutine_ops);
    if (status != WEIR_OK) {
        weir__stack_give(&loop->stacks, stack);
        return status;
    }
    coroutine->stack = stack;
    coroutine->scope = scope;
    coroutine->wait = NULL;
    coroutine->name = name;
    coroutine->run = run;
    coroutine->arg = arg;
    weir__task_init(&coroutine->ready, run_ready);
    weir__list_push(&loop->coroutines, &coroutine->live);
    loop->coroutine_count++;
    weir__fiber_start(&coroutine->fiber, stack.low,
                      (size_t)((uint8_t *)coroutine - (uint8_t *)stack.low), enter, coroutine);
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

int weir__wait_init(struct weir__wait *wait, const char *what,
                    void (*cancel)(struct weir__wait *wait))
{
    struct weir__coroutine *coroutine = weir__coroutine_current();
    if (coroutine == NULL)
        return WEIR_ESTATE;
    if (coroutine->scope->cancelled)
        return WEIR_CANCELED;
    *wait = (struct weir__wait){.coroutine = coroutine, .what = what, .cancel = cancel};
    return WEIR_OK;
}

int weir__wait_suspend(struct weir__wait *wait)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    weir_loop *loop = coroutine->scope->loop;
    coroutine->wait = wait;
    if (loop->on_suspend != NULL)
        loop->on_suspend(loop, loop->on_suspend_context);
    if (coroutine->wait == wait)
        leave(loop, coroutine);
    else /* the test seam has cancelled it before it slept */
        weir__task_cancel(&coroutine->ready);
    return wait->status;
}

void weir__wait_wake(struct weir__wait *wait, int status)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    coroutine->wait = NULL;
    wait->status = status;
    weir__task_post(coroutine->scope->loop, &coroutine->ready);
}

void weir__wait_wake_now(struct weir__wait *wait, int status)
{
    struct weir__coroutine *coroutine = wait->coroutine;
    if (coroutine->scope->loop->current != NULL) {
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
    if (wait == NULL || wait->shielded)
        return;
    wait->cancel(wait);
    weir__wait_wake(wait, WEIR_CANCELED);
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
    weir__task_post(wait.coroutine->scope->loop, &wait.coroutine->ready);
    status = weir__wait_suspend(&wait);
    wait.coroutine->wait = NULL;
    return status;
}
