/* How coroutines wait, and go on. */
#include "rt/coroutine.h"

void weir__coroutine_run(weir__task *ready)
{
    struct weir__coroutine *coroutine = WEIR__CONTAINER(ready, struct weir__coroutine, ready);
    weir_loop *loop = coroutine->loop;
    loop->chains = true;
    weir__coroutine_run_now(coroutine);
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
    weir__coroutine_run_now(coroutine);
}

void weir__coroutine_cancel_wait(struct weir__coroutine *coroutine)
{
    struct weir__wait *wait = coroutine->wait;
    if (wait == NULL || wait->cancel == NULL)
        return;
    wait->cancel(wait);
    weir__wait_wake(wait, WEIR_CANCELLED);
}

/* --- the two simplest waits --- */

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

/* It needs no waking: it is in the ready queue at once, after those that are there. */
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
