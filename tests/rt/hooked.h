/* tests/rt/hooked.h - a channel whose hooks do what a test asks and count what they did, and
 * coroutines to use it. */
#ifndef WEIR_TESTS_HOOKED_H
#define WEIR_TESTS_HOOKED_H

#include "rt/channel.h"
#include "rt/tokens.h"

struct item {
    uint32_t token;
    uint32_t weight;
};

struct hooked {
    weir_channel channel;
    uint32_t source;      /* how many items pull has at hand */
    uint32_t pushes;      /* how many items push takes before it cannot */
    uint32_t last_pushed; /* its token */
    int push_status;      /* what push returns for what it refuses; 0: it refuses nothing */
    bool push_closes;     /* it closes the channel when it takes */
    bool push_forgets;    /* it closes the channel and does not take */
    uint32_t fail_keep;   /* the n-th keep from now fails; 0: none */
    size_t bytes_max;
    unsigned pulled, pushed, kept, took;
};

static struct hooked hooked;
static int beside_status;

static inline void drop_item(weir_channel *channel, void *item)
{
    (void)channel;
    token_drop(&((struct item *)item)->token, NULL);
}

static inline int pull_item(weir_channel *channel, void *item)
{
    (void)channel;
    hooked.pulled++;
    if (hooked.source == 0)
        return WEIR_EAGAIN;
    hooked.source--;
    *(struct item *)item = (struct item){token_new(), 1};
    return WEIR_OK;
}

static inline int push_item(weir_channel *channel, void *item)
{
    hooked.pushed++;
    if (hooked.push_closes || hooked.push_forgets)
        weir_channel_close(channel, WEIR_OK);
    if (hooked.push_forgets || hooked.pushes == 0)
        return WEIR_EAGAIN;
    if (hooked.push_status != WEIR_OK)
        return hooked.push_status;
    hooked.pushes--;
    hooked.last_pushed = ((struct item *)item)->token;
    token_received(hooked.last_pushed);
    return WEIR_OK;
}

static inline int keep_item(weir_channel *channel, void *item)
{
    (void)channel;
    (void)item;
    hooked.kept++;
    if (hooked.fail_keep > 0 && --hooked.fail_keep == 0)
        return WEIR_ENOMEM;
    return WEIR_OK;
}

static inline bool admit_item(const weir_channel *channel, const void *item)
{
    return channel->bytes + ((const struct item *)item)->weight <= hooked.bytes_max;
}

static inline size_t weigh_item(const void *item)
{
    return ((const struct item *)item)->weight;
}

static inline void note_taking(weir_channel *channel)
{
    (void)channel;
    hooked.took++;
}

__attribute__((unused)) static const struct weir__channel_kind plain_kind = {
    .item_size = sizeof(struct item), .drop = drop_item};
__attribute__((unused)) static const struct weir__channel_kind pull_kind = {
    .item_size = sizeof(struct item), .drop = drop_item, .pull = pull_item, .keep = keep_item};
__attribute__((unused)) static const struct weir__channel_kind push_kind = {
    .item_size = sizeof(struct item), .drop = drop_item, .push = push_item, .keep = keep_item};
__attribute__((unused)) static const struct weir__channel_kind heavy_kind = {
    .item_size = sizeof(struct item),
    .drop = drop_item,
    .keep = keep_item,
    .admits = admit_item,
    .weigh = weigh_item,
    .took = note_taking};
__attribute__((unused)) static const struct weir__channel_kind weighed_kind = {
    .item_size = sizeof(struct item), .drop = drop_item, .admits = admit_item, .weigh = weigh_item};

static inline weir_channel *open_hooked_with(const struct weir__channel_kind *kind,
                                             uint32_t capacity, enum weir_overflow overflow)
{
    hooked = (struct hooked){.bytes_max = 100};
    weir__channel_init(&hooked.channel, weir_loop_current(), kind, capacity, overflow);
    return &hooked.channel;
}

static inline weir_channel *open_hooked(const struct weir__channel_kind *kind, uint32_t capacity)
{
    return open_hooked_with(kind, capacity, WEIR_OVERFLOW_SUSPEND);
}

static inline int play(int (*run)(void *arg))
{
    tokens_reset();
    beside_status = 1;
    int status = rig_play(run, NULL);
    tokens_check_all_ended();
    return status;
}

static inline int send_weight(weir_channel *channel, uint32_t weight)
{
    struct item item = {token_new(), weight};
    return weir_channel_send(channel, &item);
}

static inline int receive(weir_channel *channel, uint32_t *token)
{
    struct item item;
    int status = weir_channel_receive(channel, &item);
    if (status == WEIR_OK)
        token_received(*token = item.token);
    return status;
}

static inline int send_beside(void *arg)
{
    beside_status = send_weight(&hooked.channel, (uint32_t)(uintptr_t)arg);
    return WEIR_OK;
}

static inline int receive_beside(void *arg)
{
    uint32_t token;
    (void)arg;
    beside_status = receive(&hooked.channel, &token);
    return WEIR_OK;
}

static inline void start(int (*run)(void *arg), uintptr_t arg)
{
    assert_int_equal(weir_go(weir_scope_current(), "beside", run, (void *)arg), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
}

static inline void let_others_run(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_yield(), WEIR_OK);
}

#endif
