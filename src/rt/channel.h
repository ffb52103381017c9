/* rt/channel.h - the inside of a channel, for rooms that embed one or stand at one of its ends
 * without a stack.
 *
 * A stackless sender (an actor such as the reader) is a pull hook: a receiver that finds the queue
 * empty runs it inline. A stackless receiver (such as the writer) is a push hook: a sender offers
 * it the item before queueing. Single-threaded. */
#ifndef WEIR_RT_CHANNEL_H
#define WEIR_RT_CHANNEL_H

#include "rt/coroutine.h"

#include <weir/channel.h>

#define WEIR__ITEM_SIZE_MAX        256
#define WEIR__CHANNEL_CAPACITY_MAX ((size_t)1 << 20)

/* What all channels of a kind share. Hooks may be NULL. None may suspend. None may send to, receive
 * from, cancel or end the channel that it was called for, but push may close it. */
struct weir__channel_kind {
    size_t item_size;
    void (*drop)(weir_channel *channel, void *item);
    /* Fills *item. Called by a receiver when nothing is queued. WEIR_OK; WEIR_EAGAIN: nothing is at
     * hand. */
    int (*pull)(weir_channel *channel, void *item);
    /* Takes *item. Called when nothing is queued. WEIR_OK; WEIR_EAGAIN: it cannot now, queue the
     * item; any other status refuses the item (the channel drops it). */
    int (*push)(weir_channel *channel, void *item);
    /* Prepares an item for a stay in the queue (copies what it only borrows). */
    int (*keep)(weir_channel *channel, void *item);
    /* Whether one more item may queue, besides the count. */
    bool (*admits)(const weir_channel *channel, const void *item);
    /* The bytes that an item stands for, so that a queue can be bounded in bytes. */
    size_t (*weigh)(const void *item);
    /* A receiver took a queued item: there is room. */
    void (*took)(weir_channel *channel);
    /* The item of a suspended sender was pushed or queued: what it was, and whose. The sender runs
     * later. */
    void (*accepted)(weir_channel *channel, const void *item, const struct weir__coroutine *sender);
    /* The channel was closed or cancelled, and the coroutines that wait at its ends have been
     * woken. For those that wait elsewhere to send to it. status: what senders get. */
    void (*ended)(weir_channel *channel, int status);
};

struct weir_channel {
    weir_loop *loop;
    const struct weir__channel_kind *kind;
    weir__node receivers;   /* of struct weir__waiter */
    weir__node senders;     /* of struct weir__waiter; non-empty only when the queue is full */
    uint8_t *ring;          /* capacity items; NULL until one has to queue */
    uint32_t capacity : 24; /* at most WEIR__CHANNEL_CAPACITY_MAX */
    uint32_t overflow : 8;  /* enum weir_overflow */
    uint32_t head;          /* index of the oldest */
    uint32_t count;
    int end_status; /* WEIR_OK: open; once closed: what receivers get after the last item */
    size_t bytes;   /* what the queued items weigh together */
};

/* One coroutine at one end of one channel, while it is suspended. It stands on the stack of that
 * coroutine. */
struct weir__waiter {
    weir__node link;
    struct weir__choice *choice;
    void *item; /* of a sender; NULL while push has it */
    /* Of a sender: the channel that its item is dropped by when it fails. NULL: the sender drops
     * it. */
    weir_channel *drops_to;
};

/* One suspension over one or several waiters. The first that can go on takes all of them out of
 * their lists. */
struct weir__choice {
    struct weir__wait wait;
    struct weir__waiter *waiters;
    struct weir__waiter *end;    /* behind the last */
    struct weir__waiter *chosen; /* the one that went on; set by the code that wakes it */
};

void weir__channel_init(weir_channel *channel, weir_loop *loop,
                        const struct weir__channel_kind *kind, uint32_t capacity,
                        enum weir_overflow overflow);

/* Cancels, and frees the ring. */
void weir__channel_fini(weir_channel *channel);

/* For a stackless receiver that can take again: moves queued items, then those of suspended
 * senders, through push until it returns WEIR_EAGAIN. */
void weir__channel_drain(weir_channel *channel);

static inline bool weir__channel_is_closed(const weir_channel *channel)
{
    return channel->end_status != WEIR_OK;
}

/* Whether an item was sent and not received yet. */
static inline bool weir__channel_has_items(const weir_channel *channel)
{
    return channel->count > 0 || !weir__list_is_empty(&channel->senders);
}

/* Whether a receiver is suspended on it. */
static inline bool weir__channel_has_receiver(const weir_channel *channel)
{
    return !weir__list_is_empty(&channel->receivers);
}

/* Whether a receiver that came now would get what pull has: then it may be pulled directly. */
static inline bool weir__channel_may_pull(const weir_channel *channel)
{
    return channel->count == 0 && channel->end_status == WEIR_OK &&
           weir__list_is_empty(&channel->senders);
}

/* Whether an item sent now would go to push: then it may be pushed directly. */
static inline bool weir__channel_may_push(const weir_channel *channel)
{
    return weir__channel_may_pull(channel) && weir__list_is_empty(&channel->receivers);
}

/* For a stackless sender that has something to pull: wakes the first receiver. It runs at once when
 * this is called from the loop's context. */
void weir__channel_wake_receiver(weir_channel *channel);

/* The two ends without suspending. WEIR_EAGAIN: the call would have to suspend, and an item is
 * still the sender's. Any other status: the item was taken. */
WEIR_MUST_USE int weir__channel_send_now(weir_channel *channel, void *item);
WEIR_MUST_USE int weir__channel_receive_now(weir_channel *channel, void *item);

/* Suspends at one end of one channel. A receiver that gets WEIR_EAGAIN tries again. A sender whose
 * status is not WEIR_OK still has its item. */
WEIR_MUST_USE int weir__channel_wait(weir__node *end, void *item, const char *what);

#endif
