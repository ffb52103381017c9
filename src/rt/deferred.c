#include "rt/deferred.h"

struct await {
    struct weir__wait wait;
    weir__node link;
};

void weir__deferred_init(weir_deferred *deferred, weir_loop *loop)
{
    *deferred = (weir_deferred){.loop = loop};
    weir__list_init(&deferred->awaiting);
}

static void withdraw_await(struct weir__wait *wait)
{
    weir__list_remove(&WEIR__CONTAINER(wait, struct await, wait)->link);
}

static void wake_awaiting(weir_deferred *deferred, int status)
{
    weir__node *node;
    while ((node = weir__list_first(&deferred->awaiting)) != NULL) {
        weir__list_remove(node);
        weir__wait_wake(&WEIR__CONTAINER(node, struct await, link)->wait, status);
    }
}

void weir__deferred_fini(weir_deferred *deferred)
{
    wake_awaiting(deferred, WEIR_CANCELED);
}

int weir_deferred_new(weir_deferred **out, weir_loop *loop)
{
    if (out == NULL || loop == NULL)
        return WEIR_EINVAL;
    *out = weir__loop_alloc(loop, sizeof **out);
    if (*out == NULL)
        return WEIR_ENOMEM;
    weir__deferred_init(*out, loop);
    return WEIR_OK;
}

void weir_deferred_free(weir_deferred *deferred)
{
    if (deferred == NULL)
        return;
    weir__deferred_fini(deferred);
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
    wake_awaiting(deferred, WEIR_OK);
    return WEIR_OK;
}

int weir_deferred_await(weir_deferred *deferred, void **value)
{
    struct await await;
    if (deferred == NULL)
        return WEIR_EINVAL;
    if (!deferred->complete) {
        int status = weir__wait_init(&await.wait, "deferred", withdraw_await);
        if (status != WEIR_OK)
            return status;
        weir__list_init(&await.link);
        weir__list_push(&deferred->awaiting, &await.link);
        status = weir__wait_suspend(&await.wait);
        if (status != WEIR_OK)
            return status;
    }
    if (value != NULL)
        *value = deferred->value;
    return deferred->status;
}

bool weir_deferred_is_complete(const weir_deferred *deferred)
{
    return deferred->complete;
}
