#include "rt/channel.h"

#include <string.h>

#define CAPACITY_MASK UINT32_C(0xffffff)

void weir__channel_init(weir_channel *channel, weir_loop *loop,
                        const struct weir__channel_kind *kind, uint32_t capacity,
                        enum weir_overflow overflow)
{
    *channel = (weir_channel){.loop = loop, .kind = kind};
    channel->capacity = capacity & CAPACITY_MASK;
    channel->overflow = (unsigned char)overflow;
    weir__list_init(&channel->receivers);
    weir__list_init(&channel->senders);
}

static void drop_item(weir_channel *channel, void *item)
{
    if (channel->kind->drop != NULL)
        channel->kind->drop(channel, item);
}

/* What most channels carry is a pointer: that is a single move. */
static void copy_item(const weir_channel *channel, void *to, const void *from)
{
    if (channel->kind->item_size == sizeof(void *))
        memcpy(to, from, sizeof(void *));
    else
        memcpy(to, from, channel->kind->item_size);
}

/* --- the queue --- */

/* An index of the ring that is ahead by up to capacity. */
static uint32_t wrap(const weir_channel *channel, uint32_t index)
{
    return index < channel->capacity ? index : index - channel->capacity;
}

static void *slot(const weir_channel *channel, uint32_t index)
{
    return channel->ring + (size_t)index * channel->kind->item_size;
}

static void *oldest(const weir_channel *channel)
{
    return slot(channel, channel->head);
}

static size_t ring_size(const weir_channel *channel)
{
    return (size_t)channel->capacity * channel->kind->item_size;
}

static int keep_item(weir_channel *channel, void *item)
{
    return channel->kind->keep == NULL ? WEIR_OK : channel->kind->keep(channel, item);
}

static bool has_room(const weir_channel *channel, const void *item)
{
    if (channel->count >= channel->capacity)
        return false;
    return channel->kind->admits == NULL || channel->kind->admits(channel, item);
}

static int enqueue(weir_channel *channel, void *item)
{
    if (channel->ring == NULL) {
        channel->ring = weir__loop_alloc(channel->loop, ring_size(channel));
        if (channel->ring == NULL)
            return WEIR_ENOMEM;
    }
    int status = keep_item(channel, item);
    if (status != WEIR_OK)
        return status;
    copy_item(channel, slot(channel, wrap(channel, channel->head + channel->count)), item);
    channel->count++;
    if (channel->kind->weigh != NULL)
        channel->bytes += channel->kind->weigh(item);
    return WEIR_OK;
}

/* Removes the weight of an item that leaves the queue. Most channels weigh nothing. */
static void subtract_weight(weir_channel *channel, const void *item)
{
    if (channel->kind->weigh != NULL)
        channel->bytes -= channel->kind->weigh(item);
}

static void pass_oldest(weir_channel *channel)
{
    channel->head = wrap(channel, channel->head + 1);
    channel->count--;
}

static void forget_oldest(weir_channel *channel)
{
    subtract_weight(channel, oldest(channel));
    pass_oldest(channel);
}

/* The place of the item that left the queue last. Its bytes are untouched until the next item is
 * queued. */
static void *last_oldest(const weir_channel *channel)
{
    return slot(channel, wrap(channel, channel->head + channel->capacity - 1));
}

static void drop_queue(weir_channel *channel)
{
    while (channel->count > 0) {
        forget_oldest(channel);
        drop_item(channel, last_oldest(channel));
    }
}

/* --- waiters --- */

static void withdraw(struct weir__choice *choice)
{
    struct weir__waiter *waiter = choice->waiters;
    do
        weir__list_unlink(&waiter->link);
    while (++waiter != choice->end);
}

/* Of an end at which a coroutine waits. */
static struct weir__waiter *first_waiter(const weir__node *end)
{
    return WEIR__CONTAINER(end->next, struct weir__waiter, link);
}

/* The item of a suspended sender is dropped by the code that makes it fail: when the sender runs,
 * the channel may be gone. */
static void drop_for_sender(struct weir__waiter *waiter)
{
    if (waiter->drops_to != NULL && waiter->item != NULL)
        drop_item(waiter->drops_to, waiter->item);
}

static inline void choose(struct weir__waiter *waiter)
{
    struct weir__choice *choice = waiter->choice;
    choice->chosen = waiter;
    withdraw(choice);
    weir__wait_wake(&choice->wait, WEIR_OK);
}

static void fail(struct weir__waiter *waiter, int status)
{
    struct weir__choice *choice = waiter->choice;
    choice->chosen = waiter;
    withdraw(choice);
    drop_for_sender(waiter);
    weir__wait_wake(&choice->wait, status);
}

/* The end of a suspended sender's wait; item: what it was. */
static void finish_send(weir_channel *channel, struct weir__waiter *sender, const void *item,
                        int status)
{
    if (status != WEIR_OK) {
        fail(sender, status);
        return;
    }
    if (channel->kind->accepted != NULL)
        channel->kind->accepted(channel, item, sender->choice->wait.coroutine);
    choose(sender);
}

static void cancel_single(struct weir__wait *wait)
{
    struct weir__choice *choice = WEIR__CONTAINER(wait, struct weir__choice, wait);
    withdraw(choice);
    drop_for_sender(choice->waiters);
}

static inline __attribute__((always_inline)) int wait_single(weir__node *end, void *item,
                                                             weir_channel *drops_to,
                                                             const char *what)
{
    struct weir__choice choice;
    struct weir__waiter waiter;
    waiter.item = item;
    waiter.drops_to = drops_to;
    int status = weir__wait_init(&choice.wait, what, cancel_single);
    if (status != WEIR_OK) {
        drop_for_sender(&waiter);
        return status;
    }
    waiter.choice = &choice;
    choice.waiters = &waiter;
    choice.end = &waiter + 1;
    weir__list_push(end, &waiter.link);
    return weir__wait_suspend(&choice.wait);
}

int weir__channel_wait(weir__node *end, void *item, const char *what)
{
    return wait_single(end, item, NULL, what);
}

void weir__channel_wake_receiver(weir_channel *channel)
{
    if (weir__list_is_empty(&channel->receivers))
        return;
    struct weir__waiter *waiter = first_waiter(&channel->receivers);
    struct weir__choice *choice = waiter->choice;
    choice->chosen = waiter;
    withdraw(choice);
    weir__wait_wake_now(&choice->wait, WEIR_EAGAIN);
}

/* Items of suspended senders go into the queue, as long as it has room. */
static void admit_senders(weir_channel *channel)
{
    while (!weir__list_is_empty(&channel->senders)) {
        struct weir__waiter *sender = first_waiter(&channel->senders);
        if (!has_room(channel, sender->item))
            return;
        finish_send(channel, sender, sender->item, enqueue(channel, sender->item));
    }
}

/* --- sending --- */

static int refuse_item(weir_channel *channel, void *item, int status)
{
    drop_item(channel, item);
    return status;
}

static inline int hand_over(weir_channel *channel, struct weir__waiter *receiver, void *item)
{
    int status = keep_item(channel, item);
    if (status != WEIR_OK)
        return refuse_item(channel, item, status);
    copy_item(channel, receiver->item, item);
    choose(receiver);
    return WEIR_OK;
}

static int send_when_full(weir_channel *channel, void *item)
{
    switch ((enum weir_overflow)channel->overflow) {
    case WEIR_OVERFLOW_SUSPEND:
        return WEIR_EAGAIN;
    case WEIR_OVERFLOW_FAIL:
        weir_channel_close(channel, WEIR_ELIMIT);
        return refuse_item(channel, item, WEIR_ELIMIT);
    case WEIR_OVERFLOW_DROP_OLDEST:
        if (channel->capacity == 0)
            return refuse_item(channel, item, WEIR_OK);
        while (channel->count > 0 && !has_room(channel, item)) {
            forget_oldest(channel);
            drop_item(channel, last_oldest(channel));
        }
        break;
    }
    int status = enqueue(channel, item);
    return status == WEIR_OK ? WEIR_OK : refuse_item(channel, item, status);
}

static inline __attribute__((always_inline)) int send_to_queue(weir_channel *channel, void *item)
{
    if (weir__channel_is_closed(channel))
        return refuse_item(channel, item,
                           channel->end_status == WEIR_CANCELLED ? WEIR_CANCELLED : WEIR_CLOSED);
    bool is_first = channel->count == 0 && weir__list_is_empty(&channel->senders);
    if (is_first && channel->kind->push != NULL) {
        int status = channel->kind->push(channel, item);
        if (status != WEIR_EAGAIN)
            return status == WEIR_OK ? WEIR_OK : refuse_item(channel, item, status);
    }
    if (!weir__list_is_empty(&channel->senders) || !has_room(channel, item))
        return send_when_full(channel, item);
    int status = enqueue(channel, item);
    return status == WEIR_OK ? WEIR_OK : refuse_item(channel, item, status);
}

static inline __attribute__((always_inline)) int send_now(weir_channel *channel, void *item)
{
    if (weir__list_is_empty(&channel->receivers)) /* as they are once it is closed */
        return send_to_queue(channel, item);
    /* A receiver that waits beside a sender is one and the same weir_select(): the item overtakes
     * no other. */
    return hand_over(channel, first_waiter(&channel->receivers), item);
}

int weir__channel_send_now(weir_channel *channel, void *item)
{
    return send_now(channel, item);
}

int weir_channel_send(weir_channel *channel, const void *item)
{
    _Alignas(max_align_t) uint8_t copy[WEIR__ITEM_SIZE_MAX];
    if (channel == NULL || item == NULL)
        return WEIR_EINVAL;
    copy_item(channel, copy, item);
    int status = send_now(channel, copy);
    if (status != WEIR_EAGAIN)
        return status;
    return wait_single(&channel->senders, copy, channel, "channel send");
}

int weir_channel_try_send(weir_channel *channel, const void *item)
{
    _Alignas(max_align_t) uint8_t copy[WEIR__ITEM_SIZE_MAX];
    if (channel == NULL || item == NULL)
        return WEIR_EINVAL;
    copy_item(channel, copy, item);
    return weir__channel_send_now(channel, copy);
}

/* Its item is with push meanwhile: should push close the channel, the item is not dropped. Returns
 * what push returned. */
static int push_for_sender(weir_channel *channel, struct weir__waiter *sender)
{
    _Alignas(max_align_t) uint8_t pushed[WEIR__ITEM_SIZE_MAX];
    void *item = sender->item;
    copy_item(channel, pushed, item);
    sender->item = NULL;
    int status = channel->kind->push(channel, item);
    sender->item = item;
    if (status != WEIR_EAGAIN)
        finish_send(channel, sender, pushed, status);
    else if (weir__channel_is_closed(channel))
        drop_for_sender(sender); /* push has closed it, and did not take the item */
    return status;
}

static int push_queued(weir_channel *channel)
{
    void *item = oldest(channel);
    size_t bytes = channel->kind->weigh != NULL ? channel->kind->weigh(item) : 0;
    int status = channel->kind->push(channel, item);
    if (status == WEIR_EAGAIN)
        return status;
    if (status != WEIR_OK)
        drop_item(channel, item);
    channel->bytes -= bytes;
    pass_oldest(channel);
    admit_senders(channel);
    return status;
}

void weir__channel_drain(weir_channel *channel)
{
    int status = WEIR_OK;
    while (status != WEIR_EAGAIN) {
        if (channel->count > 0)
            status = push_queued(channel);
        else if (!weir__list_is_empty(&channel->senders))
            status = push_for_sender(channel, first_waiter(&channel->senders));
        else
            return;
    }
}

/* --- receiving --- */

static int take_from_queue(weir_channel *channel, void *item)
{
    copy_item(channel, item, oldest(channel));
    subtract_weight(channel, item);
    pass_oldest(channel);
    admit_senders(channel);
    if (channel->kind->took != NULL)
        channel->kind->took(channel);
    return WEIR_OK;
}

static inline int take_from_sender(weir_channel *channel, struct weir__waiter *sender, void *item)
{
    int status = keep_item(channel, sender->item);
    if (status != WEIR_OK) {
        fail(sender, status);
        return WEIR_EAGAIN;
    }
    copy_item(channel, item, sender->item);
    choose(sender);
    return WEIR_OK;
}

static int receive_from_hook(weir_channel *channel, void *item)
{
    if (!weir__channel_is_closed(channel) && channel->kind->pull != NULL) {
        int status = channel->kind->pull(channel, item);
        if (status != WEIR_EAGAIN)
            return status;
    }
    return weir__channel_is_closed(channel) ? channel->end_status : WEIR_EAGAIN;
}

static inline __attribute__((always_inline)) int receive_now(weir_channel *channel, void *item)
{
    if (channel->count > 0)
        return take_from_queue(channel, item);
    while (!weir__list_is_empty(&channel->senders))
        if (take_from_sender(channel, first_waiter(&channel->senders), item) == WEIR_OK)
            return WEIR_OK;
    return receive_from_hook(channel, item);
}

int weir__channel_receive_now(weir_channel *channel, void *item)
{
    return receive_now(channel, item);
}

int weir_channel_receive(weir_channel *channel, void *item)
{
    if (channel == NULL || item == NULL)
        return WEIR_EINVAL;
    int status = receive_now(channel, item);
    while (status == WEIR_EAGAIN) {
        status = wait_single(&channel->receivers, item, NULL, "channel receive");
        if (status == WEIR_EAGAIN)
            status = weir__channel_receive_now(channel, item);
    }
    return status;
}

int weir_channel_try_receive(weir_channel *channel, void *item)
{
    if (channel == NULL || item == NULL)
        return WEIR_EINVAL;
    return weir__channel_receive_now(channel, item);
}

/* --- ending --- */

static void wake_all(weir__node *end, int status)
{
    while (!weir__list_is_empty(end))
        fail(first_waiter(end), status);
}

static void notify_ended(weir_channel *channel, int status)
{
    if (channel->kind->ended != NULL)
        channel->kind->ended(channel, status);
}

void weir_channel_close(weir_channel *channel, int status)
{
    if (channel == NULL || weir__channel_is_closed(channel))
        return;
    channel->end_status = status == WEIR_OK ? WEIR_CLOSED : status;
    wake_all(&channel->senders, WEIR_CLOSED);
    if (channel->count == 0)
        wake_all(&channel->receivers, channel->end_status);
    notify_ended(channel, WEIR_CLOSED);
}

void weir_channel_cancel(weir_channel *channel)
{
    if (channel == NULL)
        return;
    channel->end_status = WEIR_CANCELLED;
    drop_queue(channel);
    wake_all(&channel->senders, WEIR_CANCELLED);
    wake_all(&channel->receivers, WEIR_CANCELLED);
    notify_ended(channel, WEIR_CANCELLED);
}

void weir__channel_fini(weir_channel *channel)
{
    weir_channel_cancel(channel);
    weir__list_fini(&channel->receivers);
    weir__list_fini(&channel->senders);
    weir__loop_free(channel->loop, channel->ring, ring_size(channel));
    channel->ring = NULL;
}

size_t weir_channel_count(const weir_channel *channel)
{
    return channel->count;
}

bool weir_channel_is_closed(const weir_channel *channel)
{
    return weir__channel_is_closed(channel);
}
