/* rt/timer.h - timers in a hierarchical wheel of millisecond ticks: setting and cancelling cost the
 * same whatever their number, and an idle wheel costs nothing a tick. Timers are intrusive and
 * belong to their owner. Single-threaded. */
#ifndef WEIR_RT_TIMER_H
#define WEIR_RT_TIMER_H

#include "rt/list.h"

typedef struct weir__timer weir__timer;
struct weir__timer {
    weir__node link; /* in a slot of the wheel, or alone: then it is not armed */
    uint64_t deadline_ms;
    void (*fire)(weir__timer *timer); /* called in the loop's context, already disarmed */
};

#define WEIR__WHEEL_LEVELS 11 /* of 6 bits each: any 64-bit deadline has its place */
#define WEIR__WHEEL_SLOTS  64

struct weir__wheel {
    uint64_t now_ms;                       /* all timers due at or before it have fired */
    uint64_t occupied[WEIR__WHEEL_LEVELS]; /* a bit a slot that may hold timers */
    weir__node slots[WEIR__WHEEL_LEVELS][WEIR__WHEEL_SLOTS];
};

void weir__wheel_init(struct weir__wheel *wheel, uint64_t now_ms);

static inline void weir__timer_init(weir__timer *timer, void (*fire)(weir__timer *timer))
{
    weir__list_init(&timer->link);
    timer->deadline_ms = 0;
    timer->fire = fire;
}

static inline bool weir__timer_is_armed(const weir__timer *timer)
{
    return !weir__list_is_empty(&timer->link);
}

/* Arms (or moves) a timer. A deadline that has passed fires at the next tick. UINT64_MAX is never:
 * the timer is disarmed. */
void weir__wheel_set(struct weir__wheel *wheel, weir__timer *timer, uint64_t deadline_ms);

/* Disarms a timer, if it is armed. */
void weir__timer_cancel(weir__timer *timer);

/* A time after now_ms and not later than the earliest deadline that is; UINT64_MAX: no timer. */
uint64_t weir__wheel_next(struct weir__wheel *wheel);

/* Moves the clock to now_ms and fires what is due, in order of deadlines. Returns how many fired.
 * What a callback sets fires in the same call if it is due by now_ms. Stops between two deadlines
 * when `most` have fired or more: the clock then stands there, and the others fire with the next
 * call. A clock that goes back is not followed. */
size_t weir__wheel_advance(struct weir__wheel *wheel, uint64_t now_ms, size_t most);

/* The same on a loop's wheel; deadlines are in the loop's clock. */
void weir__timer_set(weir_loop *loop, weir__timer *timer, uint64_t deadline_ms);
void weir__timer_set_after(weir_loop *loop, weir__timer *timer, uint64_t delay_ms);

#endif
