#include "ws/flow/lease.h"

#include <string.h>

/* A payload up to this share of its read buffer is copied when it has to wait. */
#define SMALL_SHARE 8

/* One that is no view. */
static struct weir__lease *new_lease(weir_loop *loop, size_t block_size)
{
    if (block_size > SIZE_MAX - sizeof(struct weir__lease))
        return NULL;
    struct weir__lease *lease = weir__loop_alloc(loop, sizeof *lease + block_size);
    if (lease != NULL)
        *lease = (struct weir__lease){.loop = loop, .block_size = block_size};
    return lease;
}

int weir__lease_view(weir_frame *frame, weir__buf *buf, bool whole)
{
    struct weir__lease *lease = weir__loop_alloc(buf->loop, sizeof *lease);
    if (lease == NULL)
        return WEIR_ENOMEM;
    lease->loop = buf->loop;
    lease->lender = NULL;
    lease->buf = weir__buf_ref(buf);
    lease->owner = whole ? frame->data : NULL;
    weir__lease_put_behind(lease, frame);
    return WEIR_OK;
}

bool weir__lease_has_head_room(const weir_frame *frame)
{
    const struct weir__lease *lease = weir__lease_of(frame);
    return lease != NULL && lease->buf != NULL && lease->owner == frame->data;
}

int weir__lease_own(weir_frame *frame, weir_loop *loop)
{
    struct weir__lease *lease = new_lease(loop, 0);
    if (lease == NULL)
        return WEIR_ENOMEM;
    lease->release = frame->release;
    lease->owner = frame->owner;
    weir__lease_put_behind(lease, frame);
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
    weir__lease_put_behind(lease, frame);
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

void weir__lease_keep_sent(const weir_frame *frame)
{
    struct weir__lease *lease = weir__lease_of(frame);
    if (lease != NULL && lease->lender != NULL)
        weir__lease_forget(lease->lender);
}

/* One that no slot keeps for the next. */
static __attribute__((noinline)) void end_lease(struct weir__lease *lease)
{
    if (lease->lender != NULL)
        *lease->lender = NULL;
    if (lease->buf != NULL) {
        weir__buf_unref(lease->buf);
        weir__loop_free(lease->loop, lease, sizeof *lease);
        return;
    }
    if (lease->release != NULL)
        lease->release(lease->owner);
    weir__loop_free(lease->loop, lease, sizeof *lease + lease->block_size);
}

void weir__lease_release(void *owner)
{
    struct weir__lease *lease = owner;
    if (lease->lender == NULL || lease->buf == NULL) {
        end_lease(lease);
        return;
    }
    lease->lent_to = NULL;
    weir__buf_unref(lease->buf);
}

size_t weir__frame_weight(const void *item)
{
    return ((const weir_frame *)item)->size;
}
