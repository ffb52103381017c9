#include "rt/channel.h"

#define CASES_MAX 16

struct selecting {
    struct weir__choice choice;
    weir__timer timer;
    struct weir__waiter waiters[CASES_MAX];
};

/* Index of the first case that could go on, or WEIR_EAGAIN. */
static int try_cases(weir_select_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        weir_select_case *one = &cases[i];
        one->status = one->kind == WEIR_SELECT_SEND
                          ? weir__channel_send_now(one->channel, one->item)
                          : weir__channel_receive_now(one->channel, one->item);
        if (one->status != WEIR_EAGAIN)
            return (int)i;
    }
    return WEIR_EAGAIN;
}

static void withdraw_selecting(struct weir__wait *wait)
{
    struct selecting *selecting = WEIR__CONTAINER(wait, struct selecting, choice.wait);
    for (struct weir__waiter *waiter = selecting->waiters; waiter != selecting->choice.end;
         waiter++)
        weir__list_unlink(&waiter->link);
    weir__timer_cancel(&selecting->timer);
}

static void pass_timeout(weir__timer *timer)
{
    struct selecting *selecting = WEIR__CONTAINER(timer, struct selecting, timer);
    if (selecting->choice.chosen != NULL)
        return; /* a case was chosen in this very turn, and its coroutine has not run yet */
    withdraw_selecting(&selecting->choice.wait);
    weir__wait_wake(&selecting->choice.wait, WEIR_ETIMEDOUT);
}

static int wait_for_cases(weir_select_case *cases, size_t count, uint64_t deadline_ms)
{
    struct selecting selecting;
    int status = weir__wait_init(&selecting.choice.wait, "select", withdraw_selecting);
    if (status != WEIR_OK)
        return status;
    selecting.choice.waiters = selecting.waiters;
    selecting.choice.end = selecting.waiters + count;
    selecting.choice.chosen = NULL;
    for (size_t i = 0; i < count; i++) {
        weir_channel *channel = cases[i].channel;
        bool sends = cases[i].kind == WEIR_SELECT_SEND;
        selecting.waiters[i].choice = &selecting.choice;
        selecting.waiters[i].item = cases[i].item;
        selecting.waiters[i].drops_to = sends ? channel : NULL;
        weir__list_push(sends ? &channel->senders : &channel->receivers,
                        &selecting.waiters[i].link);
    }
    weir__timer_init(&selecting.timer, pass_timeout);
    if (deadline_ms != UINT64_MAX)
        weir__timer_set(weir_loop_current(), &selecting.timer, deadline_ms);
    status = weir__wait_suspend(&selecting.choice.wait);
    weir__timer_cancel(&selecting.timer);
    if (selecting.choice.chosen == NULL || status == WEIR_EAGAIN)
        return status;
    ptrdiff_t chosen = selecting.choice.chosen - selecting.waiters;
    cases[chosen].status = status;
    return (int)chosen;
}

static bool cases_are_valid(const weir_select_case *cases, size_t count)
{
    if (cases == NULL || count == 0 || count > CASES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (cases[i].channel == NULL || cases[i].item == NULL)
            return false;
        if (cases[i].kind != WEIR_SELECT_RECEIVE && cases[i].kind != WEIR_SELECT_SEND)
            return false;
    }
    return true;
}

int weir_select(weir_select_case *cases, size_t count, uint64_t timeout_ms)
{
    if (!cases_are_valid(cases, count))
        return WEIR_EINVAL;
    weir_loop *loop = cases[0].channel->loop;
    uint64_t deadline_ms =
        timeout_ms < UINT64_MAX - loop->now_ms ? loop->now_ms + timeout_ms : UINT64_MAX;
    int chosen = try_cases(cases, count);
    if (chosen == WEIR_EAGAIN && timeout_ms == 0)
        return WEIR_ETIMEDOUT;
    while (chosen == WEIR_EAGAIN) {
        chosen = wait_for_cases(cases, count, deadline_ms);
        if (chosen == WEIR_EAGAIN)
            chosen = try_cases(cases, count);
    }
    return chosen;
}
