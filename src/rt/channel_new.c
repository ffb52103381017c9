/* Channels of a user's own: the kind stands beside the channel in one block. */
#include "rt/channel.h"

struct own_channel {
    weir_channel channel;
    struct weir__channel_kind kind;
    void (*drop)(void *item, void *arg);
    void *arg;
};

static void drop_by_user(weir_channel *channel, void *item)
{
    struct own_channel *own = WEIR__CONTAINER(channel, struct own_channel, channel);
    own->drop(item, own->arg);
}

static bool is_policy(enum weir_overflow overflow)
{
    switch (overflow) {
    case WEIR_OVERFLOW_SUSPEND:
    case WEIR_OVERFLOW_FAIL:
    case WEIR_OVERFLOW_DROP_OLDEST:
        return true;
    }
    return false;
}

int weir_channel_new(weir_channel **out, weir_loop *loop, const weir_channel_options *options)
{
    if (out == NULL || loop == NULL || options == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options->item_size == 0 || options->item_size > WEIR__ITEM_SIZE_MAX ||
        options->capacity > WEIR__CHANNEL_CAPACITY_MAX || !is_policy(options->overflow))
        return WEIR_EINVAL;
    struct own_channel *own = weir__loop_alloc(loop, sizeof *own);
    if (own == NULL)
        return WEIR_ENOMEM;
    own->kind = (struct weir__channel_kind){.item_size = options->item_size};
    if (options->drop != NULL)
        own->kind.drop = drop_by_user;
    own->drop = options->drop;
    own->arg = options->arg;
    weir__channel_init(&own->channel, loop, &own->kind, (uint32_t)options->capacity,
                       options->overflow);
    *out = &own->channel;
    return WEIR_OK;
}

void weir_channel_free(weir_channel *channel)
{
    if (channel == NULL)
        return;
    struct own_channel *own = WEIR__CONTAINER(channel, struct own_channel, channel);
    weir__channel_fini(channel);
    weir__loop_free(channel->loop, own, sizeof *own);
}
