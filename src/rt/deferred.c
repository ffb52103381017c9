/* A value to come, and the coroutines that wait for it. Single-threaded. */
#include "rt/coroutine.h"

#include <weir/channel.h>

struct weir_deferred {
    weir_loop *loop;
    weir__node awaiting; /* empty once complete */
    void *value;
    int status;
    bool complete;
};

/* It gets the value when it is woken: when it runs, the deferred may be gone. */
struct await {
    struct weir__wait wait;
    weir__node link;
    void **value;
};

static void withdraw_await(struct weir__wait *wait)
{
    weir__list_remove(&WEIR__CONTAINER(wait, struct await, wait)->link);
}

static struct await *take_awaiting(weir_deferred *deferred)
{
    weir__node *node = weir__list_first(&deferred->awaiting);
    if (node == NULL)
        return NULL;
    weir__list_remove(node);
    return WEIR__CONTAINER(node, struct await, link);
}

static int give(const weir_deferred *deferred, void **value)
{
    if (value != NULL)
        *value = deferred->value;
    return deferred->status;
}

int weir_deferred_new(weir_deferred **out, weir_loop *loop)
{
    if (out == NULL || loop == NULL)
        return WEIR_EINVAL;
    *out = weir__loop_alloc(loop, sizeof **out);
    if (*out == NULL)
        return WEIR_ENOMEM;
    **out = (weir_deferred){.loop = loop};
    weir__list_init(&(*out)->awaiting);
    return WEIR_OK;
}

void weir_deferred_free(weir_deferred *deferred)
{
    if (deferred == NULL)
        return;
    struct await *await;
    while ((await = take_awaiting(deferred)) != NULL)
        weir__wait_wake(&await->wait, WEIR_CANCELLED);
    weir__list_fini(&deferred->awaiting);
    weir__loop_free(deferred->loop, deferred, sizeof *deferred);
}

int weir_deferred_complete(weir_deferred *deferred, int status, void *value)
{
    if (deferred == NULL)
        return WEIR_EINVAL;
    if (deferred->complete)
        return WEIR_ESTATE;
    deferred->complete = true;
    deferred->status = status;
    deferred->value = value;
    struct await *await;
    while ((await = take_awaiting(deferred)) != NULL)
        weir__wait_wake(&await->wait, give(deferred, await->value));
    return WEIR_OK;
}

int weir_deferred_await(weir_deferred *deferred, void **value)
{
    struct await await;
    if (deferred == NULL)
        return WEIR_EINVAL;
    if (deferred->complete)
        return give(deferred, value);
    int status = weir__wait_init(&await.wait, "deferred", withdraw_await);
    if (status != WEIR_OK)
        return status;
    await.value = value;
    weir__list_push(&deferred->awaiting, &await.link);
    return weir__wait_suspend(&await.wait);
}

bool weir_deferred_is_complete(const weir_deferred *deferred)
{
    return deferred->complete;
}
