/** @file
 * weir/channel.h - bounded channels between coroutines of one loop, select over several of them, and one-shot values.
 *
 * A channel carries items of a fixed size by copy, first in first out, between any number of senders and receivers. Closing
 * it lets the queued items out first; cancelling it drops them. A receiver that already waits gets the item directly.
 * Everything here belongs to one loop and must be called on its thread; any number of its coroutines may wait on one
 * channel. */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <weir/base.h>
#include <weir/scope.h>

WEIR_BEGIN_DECLS

/** A channel: see weir_channel_new(). */
typedef struct weir_channel weir_channel;

/** What a send does when the queue is full. */
enum weir_overflow {
    WEIR_OVERFLOW_SUSPEND = 0, /**< the sender waits */
    WEIR_OVERFLOW_FAIL,        /**< the send gives WEIR_ELIMIT, the channel is closed */
    WEIR_OVERFLOW_DROP_OLDEST, /**< the oldest queued item is dropped */
};

/** What a channel carries, and how much of it. */
typedef struct weir_channel_options {
    size_t item_size; /**< bytes of an item, 1..256 */
    size_t capacity; /**< items that may queue; 0: none, every send meets a receiver (rendezvous) */
    enum weir_overflow overflow; /**< what a send does when the queue is full */
    /** Releases an item that nobody will get; NULL: nothing to release. */
    void (*drop)(void *item, void *arg);
    void *arg; /**< for drop */
} weir_channel_options;

/** Makes a channel on a loop. Copies the options. The channel is the caller's until weir_channel_free(), which must come before
 * weir_loop_free(). Does not suspend. Errors: WEIR_EINVAL (a size or policy out of its range), WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_channel_new(weir_channel **out, weir_loop *loop,
                                            const weir_channel_options *options);

/** Cancels and frees a channel, whose queued items are dropped; nobody may use it later. NULL is allowed. Does not suspend. */
WEIR_API void weir_channel_free(weir_channel *channel);

/** **Suspends** while the queue is full. Copies *item into the channel, which then owns what it stands for; on any error the
 * item was dropped (Takes). Errors: WEIR_CLOSED, WEIR_CANCELLED, WEIR_ELIMIT (overflow FAIL), WEIR_ESTATE outside a coroutine
 * (when it had to suspend), WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_channel_send(weir_channel *channel, const void *item);

/** **Suspends** while the channel is empty. Copies the oldest item to *item, the receiver owns it. Errors: WEIR_CLOSED after
 * the last item (or the status that weir_channel_close() was given), WEIR_CANCELLED, WEIR_ESTATE. */
WEIR_API WEIR_MUST_USE int weir_channel_receive(weir_channel *channel, void *item);

/** As weir_channel_send() and weir_channel_receive(), but never suspend: WEIR_EAGAIN instead; a try_send that gives
 * WEIR_EAGAIN has not taken the item. May be called outside a coroutine. */
WEIR_API WEIR_MUST_USE int weir_channel_try_send(weir_channel *channel, const void *item);
WEIR_API WEIR_MUST_USE int weir_channel_try_receive(weir_channel *channel, void *item);

/** Ends the sending side: queued items can still be received, then receivers get status (WEIR_OK here means WEIR_CLOSED).
 * Suspended senders wake with WEIR_CLOSED. Idempotent: the first call counts. Does not suspend. */
WEIR_API void weir_channel_close(weir_channel *channel, int status);

/** Ends both sides: queued items are dropped, everybody wakes with WEIR_CANCELLED. Does not suspend. */
WEIR_API void weir_channel_cancel(weir_channel *channel);

/** Items queued now; whether it is closed for sending. */
WEIR_API size_t weir_channel_count(const weir_channel *channel);
WEIR_API bool weir_channel_is_closed(const weir_channel *channel);

/** What a case of weir_select() waits for. */
enum weir_select_kind {
    WEIR_SELECT_RECEIVE = 1, /**< until there is an item to receive, or the channel has ended */
    WEIR_SELECT_SEND,        /**< until there is room for an item, or the channel has ended */
};

/** One thing to wait for in weir_select(). */
typedef struct weir_select_case {
    enum weir_select_kind kind; /**< receive from it, or send to it */
    weir_channel *channel;      /**< of the loop that the caller runs on */
    /** RECEIVE: where it goes; SEND: what is sent (taken over only if this case is the one chosen). */
    void *item;
    int status; /**< out, for the chosen case: WEIR_OK or how the channel ended */
} weir_select_case;

/** **Suspends** until one case can go on, and does it: returns its index, with its status set. When several can, the first in
 * order. timeout_ms: how long to wait at most (0: do not wait, WEIR_UNLIMITED: without limit). Errors: WEIR_ETIMEDOUT,
 * WEIR_CANCELLED, WEIR_EINVAL (no case, or more than 16), WEIR_ESTATE. */
WEIR_API WEIR_MUST_USE int weir_select(weir_select_case *cases, size_t count, uint64_t timeout_ms);

/** A value that will exist once: see weir_deferred_new(). */
typedef struct weir_deferred weir_deferred;

/** Makes a value that will exist once. It is the caller's until weir_deferred_free(), which must come before
 * weir_loop_free(). Errors: WEIR_EINVAL, WEIR_ENOMEM. Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_deferred_new(weir_deferred **out, weir_loop *loop);

/** Frees it; whoever waits gets WEIR_CANCELLED. NULL is allowed. Does not suspend. */
WEIR_API void weir_deferred_free(weir_deferred *deferred);

/** Completes it once with a status and a value (Lends it to all who await it: it must outlive the deferred). Who waits wakes.
 * Does not suspend. Returns WEIR_OK, or WEIR_ESTATE if it was complete already. */
WEIR_API int weir_deferred_complete(weir_deferred *deferred, int status, void *value);

/** **Suspends** until it is complete. Returns the status it was completed with and sets *value (value may be NULL). Errors
 * also: WEIR_CANCELLED (the caller was, or the deferred was freed: *value is then not set), WEIR_ESTATE outside a coroutine
 * (when it had to suspend). */
WEIR_API WEIR_MUST_USE int weir_deferred_await(weir_deferred *deferred, void **value);

/** Whether it is complete: weir_deferred_await() would return at once. */
WEIR_API bool weir_deferred_is_complete(const weir_deferred *deferred);

WEIR_END_DECLS
#endif
