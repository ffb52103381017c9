#include "rt/coroutine.h"

#define COROUTINE_ALIGN 64

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

/* Not compiled into its caller: a switch loses all registers, and most coroutines are queued. */
static __attribute__((noinline)) void start_now(struct weir__coroutine *coroutine)
{
    weir__coroutine_run_now(coroutine);
}

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
        start_now(coroutine);
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
