#include "rt/timer.h"

#include "rt/loop.h"

/* A level's slot spans 64^level ticks. A timer stands at the level of the highest 6-bit digit in
 * which its deadline differs from the clock. So every timer of level n is due before any of level n
 * + 1, and moves down when the clock reaches its slot. */

#define DIGIT_BITS 6
#define DIGIT_MASK (WEIR__WHEEL_SLOTS - 1)

static unsigned digit(uint64_t time_ms, int level)
{
    return (unsigned)(time_ms >> (level * DIGIT_BITS)) & DIGIT_MASK;
}

static int highest_bit(uint64_t word)
{
    return 63 - __builtin_clzll(word);
}

void weir__wheel_init(struct weir__wheel *wheel, uint64_t now_ms)
{
    wheel->now_ms = now_ms;
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (int slot = 0; slot < WEIR__WHEEL_SLOTS; slot++)
            weir__list_init(&wheel->slots[level][slot]);
    }
}

static void place(struct weir__wheel *wheel, weir__timer *timer)
{
    /* What is due already waits in the slot of the next tick. */
    uint64_t due = timer->deadline_ms > wheel->now_ms ? timer->deadline_ms : wheel->now_ms + 1;
    int level = highest_bit(due ^ wheel->now_ms) / DIGIT_BITS;
    unsigned slot = digit(due, level);
    wheel->occupied[level] |= UINT64_C(1) << slot;
    weir__list_push(&wheel->slots[level][slot], &timer->link);
}

void weir__wheel_set(struct weir__wheel *wheel, weir__timer *timer, uint64_t deadline_ms)
{
    weir__list_remove(&timer->link);
    timer->deadline_ms = deadline_ms;
    if (deadline_ms != UINT64_MAX)
        place(wheel, timer);
}

void weir__timer_cancel(weir__timer *timer)
{
    weir__list_remove(&timer->link);
}

/* The first slot of a level that holds timers (all of them lie after the clock's digit); -1: none.
 * Clears the bits of slots found empty. */
static int first_slot(struct weir__wheel *wheel, int level)
{
    uint64_t bits = wheel->occupied[level];
    while (bits != 0) {
        int slot = __builtin_ctzll(bits);
        if (!weir__list_is_empty(&wheel->slots[level][slot]))
            return slot;
        bits &= bits - 1;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    }
    return -1;
}

/* When a slot of a level begins. */
static uint64_t slot_start(const struct weir__wheel *wheel, int level, int slot)
{
    int shift = level * DIGIT_BITS;
    uint64_t above = (wheel->now_ms >> shift) & ~(uint64_t)DIGIT_MASK;
    return (above | (uint64_t)slot) << shift;
}

uint64_t weir__wheel_next(struct weir__wheel *wheel)
{
    for (int level = 0; level < WEIR__WHEEL_LEVELS; level++) {
        int slot = first_slot(wheel, level);
        if (slot < 0)
            continue;
        uint64_t start = slot_start(wheel, level, slot);
        return start > wheel->now_ms ? start : wheel->now_ms + 1;
    }
    return UINT64_MAX;
}

/* Empties a slot: what is due fires, the others are placed anew (one level or more down). */
static size_t open_slot(struct weir__wheel *wheel, weir__node *slot)
{
    weir__node due;
    size_t fired = 0;
    weir__list_init(&due);
    while (!weir__list_is_empty(slot)) {
        weir__node *node = weir__list_first(slot);
        weir__list_remove(node);
        weir__list_push(&due, node);
    }
    while (!weir__list_is_empty(&due)) {
        weir__timer *timer = WEIR__CONTAINER(weir__list_first(&due), weir__timer, link);
        weir__list_remove(&timer->link);
        if (timer->deadline_ms > wheel->now_ms) {
            place(wheel, timer);
            continue;
        }
        timer->fire(timer);
        fired++;
    }
    return fired;
}

/* Opens the slots that begin exactly at the clock's new time, from the top level down. */
static size_t open_slots_at_now(struct weir__wheel *wheel)
{
    size_t fired = 0;
    for (int level = WEIR__WHEEL_LEVELS - 1; level >= 0; level--) {
        unsigned slot = digit(wheel->now_ms, level);
        if ((wheel->occupied[level] & UINT64_C(1) << slot) == 0)
            continue;
        if (slot_start(wheel, level, (int)slot) != wheel->now_ms)
            continue;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        fired += open_slot(wheel, &wheel->slots[level][slot]);
    }
    return fired;
}

size_t weir__wheel_advance(struct weir__wheel *wheel, uint64_t now_ms, size_t most)
{
    size_t fired = 0;
    while (wheel->now_ms < now_ms && fired < most) {
        uint64_t next = weir__wheel_next(wheel);
        if (next > now_ms) {
            wheel->now_ms = now_ms;
            break;
        }
        wheel->now_ms = next;
        fired += open_slots_at_now(wheel);
    }
    return fired;
}

void weir__timer_set(weir_loop *loop, weir__timer *timer, uint64_t deadline_ms)
{
    weir__wheel_set(&loop->wheel, timer, deadline_ms);
}

void weir__timer_set_after(weir_loop *loop, weir__timer *timer, uint64_t delay_ms)
{
    uint64_t now_ms = loop->now_ms;
    weir__wheel_set(&loop->wheel, timer,
                    delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX);
}
