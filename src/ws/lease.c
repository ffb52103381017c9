#include "ws/lease.h"

#include "rt/loop.h"

#include <string.h>

/* A payload up to this share of its read buffer is copied when it has to wait. */
#define SMALL_SHARE 8

static inline struct weir__lease *new_lease(weir_loop *loop, size_t block_size)
{
    if (block_size > SIZE_MAX - sizeof(struct weir__lease))
        return NULL;
    struct weir__lease *lease = weir__loop_alloc(loop, sizeof *lease + block_size);
    if (lease != NULL)
        *lease = (struct weir__lease){.loop = loop, .block_size = block_size};
    return lease;
}

static void put_behind(struct weir__lease *lease, weir_frame *frame)
{
    frame->release = weir__lease_release;
    frame->owner = lease;
}

int weir__lease_view(weir_frame *frame, weir_loop *loop, weir__buf *buf)
{
    struct weir__lease *lease = new_lease(loop, 0);
    if (lease == NULL)
        return WEIR_ENOMEM;
    lease->buf = weir__buf_ref(buf);
    put_behind(lease, frame);
    return WEIR_OK;
}

int weir__lease_own(weir_frame *frame, weir_loop *loop)
{
    struct weir__lease *lease = new_lease(loop, 0);
    if (lease == NULL)
        return WEIR_ENOMEM;
    lease->release = frame->release;
    lease->owner = frame->owner;
    put_behind(lease, frame);
    return WEIR_OK;
}

int weir__lease_copy(weir_frame *frame, weir_loop *loop)
{
    struct weir__lease *lease = frame->size < SIZE_MAX ? new_lease(loop, frame->size + 1) : NULL;
    if (lease == NULL)
        return WEIR_ENOMEM;
    uint8_t *block = (uint8_t *)(lease + 1);
    if (frame->size > 0)
        memcpy(block, frame->data, frame->size);
    block[frame->size] = 0;
    if (frame->release != NULL)
        frame->release(frame->owner);
    frame->data = block;
    put_behind(lease, frame);
    return WEIR_OK;
}

int weir__lease_keep(weir_frame *frame, weir_loop *loop)
{
    if (frame->release == NULL)
        return frame->size == 0 ? WEIR_OK : weir__lease_copy(frame, loop);
    struct weir__lease *lease = weir__lease_of(frame);
    if (lease == NULL || lease->buf == NULL || frame->size > lease->buf->size / SMALL_SHARE)
        return WEIR_OK;
    return weir__lease_copy(frame, loop);
}

struct weir__lease *weir__lease_of(const weir_frame *frame)
{
    return frame->release == weir__lease_release ? frame->owner : NULL;
}

void weir__lease_lend(struct weir__lease *lease, struct weir__lease **slot)
{
    weir__lease_forget(slot);
    *slot = lease;
    lease->lender = slot;
}

void weir__lease_forget(struct weir__lease **slot)
{
    if (*slot != NULL)
        (*slot)->lender = NULL;
    *slot = NULL;
}

void weir__lease_keep_sent(const weir_frame *frame)
{
    struct weir__lease *lease = weir__lease_of(frame);
    if (lease != NULL && lease->lender != NULL)
        weir__lease_forget(lease->lender);
}

void weir__lease_release(void *owner)
{
    struct weir__lease *lease = owner;
    if (lease->lender != NULL)
        *lease->lender = NULL;
    if (lease->buf != NULL)
        weir__buf_unref(lease->buf);
    if (lease->release != NULL)
        lease->release(lease->owner);
    if (lease->block_size == 0) /* most: views of a read buffer */
        weir__loop_free(lease->loop, lease, sizeof *lease);
    else
        weir__loop_free(lease->loop, lease, sizeof *lease + lease->block_size);
}

size_t weir__frame_weight(const void *item)
{
    return ((const weir_frame *)item)->size;
}
