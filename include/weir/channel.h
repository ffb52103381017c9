/** @file
 * weir/channel.h - bounded channels between coroutines of one loop, select over several of them,
 * and values that will exist once.
 *
 * A channel carries items of a fixed size by copy, in order, between any number of senders and
 * receivers. A receiver that already waits gets the item directly. Closing a channel lets the
 * queued items be received first. Cancelling it drops them.
 *
 * Everything here belongs to one loop and must be called on its thread. Any number of its
 * coroutines may wait on one channel. */
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
    WEIR_OVERFLOW_FAIL,        /**< the send returns WEIR_ELIMIT, and the channel is closed */
    WEIR_OVERFLOW_DROP_OLDEST, /**< the oldest queued item is dropped */
};

/** What a channel carries, and how much of it. */
typedef struct weir_channel_options {
    size_t item_size; /**< bytes of an item, 1..256 */
    /** Items that may queue, at most 1,048,576. This is a value and has no default. 0: no item
     * queues, every send waits for a receiver (rendezvous). */
    size_t capacity;
    enum weir_overflow overflow; /**< what a send does when the queue is full */
    /** Releases an item that nobody will get; NULL: nothing to release. */
    void (*drop)(void *item, void *arg);
    void *arg; /**< for drop */
} weir_channel_options;

/** Makes a channel on a loop. Does not suspend. Copies the options.
 *
 * The channel is the caller's until weir_channel_free(), which must be called before
 * weir_loop_free().
 * Errors: WEIR_EINVAL: a size or a policy is out of its range; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_channel_new(weir_channel **out, weir_loop *loop,
                                            const weir_channel_options *options);

/** Cancels a channel and frees it (Takes). Queued items are dropped. Nothing may use the channel
 * afterwards. Does not suspend. NULL is allowed. */
WEIR_API void weir_channel_free(weir_channel *channel);

/** **Suspends** while the queue is full. Copies *item into the channel, which then owns what the
 * item stands for. Takes it on failure too: it is dropped then.
 * Errors:
 * - WEIR_CLOSED: the channel is closed;
 * - WEIR_CANCELLED: the channel or the caller was cancelled;
 * - WEIR_ELIMIT: the queue is full and the policy is FAIL;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait;
 * - WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_channel_send(weir_channel *channel, const void *item);

/** **Suspends** while the channel is empty. Copies the oldest item to *item. The receiver owns it
 * then.
 * Errors:
 * - WEIR_CLOSED, or the status that weir_channel_close() was given: the channel is closed and the
 *   last item was received;
 * - WEIR_CANCELLED: the channel or the caller was cancelled;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait. */
WEIR_API WEIR_MUST_USE int weir_channel_receive(weir_channel *channel, void *item);

/** As weir_channel_send() and weir_channel_receive(), but they never suspend, and may be called
 * outside a coroutine.
 * Errors besides: WEIR_EAGAIN: it would have to wait; an item that was to be sent is still the
 * caller's. */
WEIR_API WEIR_MUST_USE int weir_channel_try_send(weir_channel *channel, const void *item);
WEIR_API WEIR_MUST_USE int weir_channel_try_receive(weir_channel *channel, void *item);

/** Ends the sending side. Does not suspend. Idempotent: the first call counts.
 *
 * Queued items can still be received. After them receivers get status (WEIR_OK here stands for
 * WEIR_CLOSED). Senders that wait get WEIR_CLOSED. */
WEIR_API void weir_channel_close(weir_channel *channel, int status);

/** Ends both sides: queued items are dropped, and every waiting call returns WEIR_CANCELLED. Does
 * not suspend. */
WEIR_API void weir_channel_cancel(weir_channel *channel);

/** How many items are queued now, and whether the channel is closed for sending. */
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
    /** RECEIVE: where the item is copied to; SEND: the item, which is taken only if this case is
     * chosen. */
    void *item;
    int status; /**< set in the chosen case: WEIR_OK, or how the channel ended */
} weir_select_case;

/** **Suspends** until one of the cases can go on, and does that one. When several can, it is the
 * first in order.
 *
 * timeout_ms: how long to wait at most. 0: it does not wait; WEIR_UNLIMITED: without limit.
 * Returns the index of the chosen case, whose status is set.
 * Errors: WEIR_ETIMEDOUT; WEIR_CANCELLED: the caller was cancelled; WEIR_EINVAL: no case, or more
 * than 16; WEIR_ESTATE: outside a coroutine, and it would have to wait. */
WEIR_API WEIR_MUST_USE int weir_select(weir_select_case *cases, size_t count, uint64_t timeout_ms);

/** A value that will exist once: see weir_deferred_new(). */
typedef struct weir_deferred weir_deferred;

/** Makes a value that will exist once. Does not suspend.
 *
 * It is the caller's until weir_deferred_free(), which must be called before weir_loop_free().
 * Errors: WEIR_EINVAL: an argument is NULL; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_deferred_new(weir_deferred **out, weir_loop *loop);

/** Frees a deferred (Takes). Calls that wait for it return WEIR_CANCELLED. Does not suspend. NULL
 * is allowed. */
WEIR_API void weir_deferred_free(weir_deferred *deferred);

/** Completes a deferred with a status and a value. Calls that wait for it return. Does not suspend.
 *
 * Lends the value to all of them: it has to outlive the deferred.
 * Errors: WEIR_ESTATE: it was complete already. */
WEIR_API int weir_deferred_complete(weir_deferred *deferred, int status, void *value);

/** **Suspends** until the deferred is complete. Sets *value, and returns the status that it was
 * completed with. value may be NULL.
 * Errors besides, with *value not set:
 * - WEIR_CANCELLED: the caller was cancelled, or the deferred was freed;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait. */
WEIR_API WEIR_MUST_USE int weir_deferred_await(weir_deferred *deferred, void **value);

/** Whether a deferred is complete, so that weir_deferred_await() returns at once. */
WEIR_API bool weir_deferred_is_complete(const weir_deferred *deferred);

WEIR_END_DECLS
#endif
