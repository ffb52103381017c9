#include "ws/flow/frame_ref.h"

#include <string.h>

/* A payload up to this share of its read buffer is copied when it has to wait. */
#define SMALL_SHARE 8

/* One that is no view. */
static struct weir__frame_ref *new_ref(weir_loop *loop, size_t block_size)
{
    if (block_size > SIZE_MAX - sizeof(struct weir__frame_ref))
        return NULL;
    struct weir__frame_ref *ref = weir__loop_alloc(loop, sizeof *ref + block_size);
    if (ref != NULL)
        *ref = (struct weir__frame_ref){.loop = loop, .block_size = block_size};
    return ref;
}

int weir__frame_ref_view(weir_frame *frame, weir__buf *buf, bool whole)
{
    struct weir__frame_ref *ref = weir__loop_alloc(buf->loop, sizeof *ref);
    if (ref == NULL)
        return WEIR_ENOMEM;
    ref->loop = buf->loop;
    ref->lender = NULL;
    ref->buf = weir__buf_ref(buf);
    ref->owner = whole ? frame->data : NULL;
    weir__frame_ref_attach(ref, frame);
    return WEIR_OK;
}

bool weir__frame_ref_has_head_room(const weir_frame *frame)
{
    const struct weir__frame_ref *ref = weir__frame_ref_of(frame);
    return ref != NULL && ref->buf != NULL && ref->owner == frame->data;
}

int weir__frame_ref_own(weir_frame *frame, weir_loop *loop)
{
    struct weir__frame_ref *ref = new_ref(loop, 0);
    if (ref == NULL)
        return WEIR_ENOMEM;
    ref->release = frame->release;
    ref->owner = frame->owner;
    weir__frame_ref_attach(ref, frame);
    return WEIR_OK;
}

int weir__frame_ref_copy(weir_frame *frame, weir_loop *loop)
{
    struct weir__frame_ref *ref = frame->size < SIZE_MAX ? new_ref(loop, frame->size + 1) : NULL;
    if (ref == NULL)
        return WEIR_ENOMEM;
    uint8_t *block = (uint8_t *)(ref + 1);
    if (frame->size > 0)
        memcpy(block, frame->data, frame->size);
    block[frame->size] = 0;
    if (frame->release != NULL)
        frame->release(frame->owner);
    frame->data = block;
    weir__frame_ref_attach(ref, frame);
    return WEIR_OK;
}

int weir__frame_ref_keep(weir_frame *frame, weir_loop *loop)
{
    if (frame->release == NULL)
        return frame->size == 0 ? WEIR_OK : weir__frame_ref_copy(frame, loop);
    struct weir__frame_ref *ref = weir__frame_ref_of(frame);
    if (ref == NULL || ref->buf == NULL || frame->size > ref->buf->size / SMALL_SHARE)
        return WEIR_OK;
    return weir__frame_ref_copy(frame, loop);
}

void weir__frame_ref_keep_sent(const weir_frame *frame)
{
    struct weir__frame_ref *ref = weir__frame_ref_of(frame);
    if (ref != NULL && ref->lender != NULL)
        weir__frame_ref_forget(ref->lender);
}

/* One that no slot keeps for the next. */
static __attribute__((noinline)) void end_ref(struct weir__frame_ref *ref)
{
    if (ref->lender != NULL)
        *ref->lender = NULL;
    if (ref->buf != NULL) {
        weir__buf_unref(ref->buf);
        weir__loop_free(ref->loop, ref, sizeof *ref);
        return;
    }
    if (ref->release != NULL)
        ref->release(ref->owner);
    weir__loop_free(ref->loop, ref, sizeof *ref + ref->block_size);
}

void weir__frame_ref_release(void *owner)
{
    struct weir__frame_ref *ref = owner;
    if (ref->lender == NULL || ref->buf == NULL) {
        end_ref(ref);
        return;
    }
    ref->given_to = NULL;
    weir__buf_unref(ref->buf);
}

size_t weir__frame_weight(const void *item)
{
    return ((const weir_frame *)item)->size;
}
