/* ws/flow/frame_ref.h - a frame reference: what keeps the bytes of a received frame alive.
 *
 * frame.owner points to it. It references a read buffer, or has a block of memory of its own. The
 * session sees from it when its user has released the frame. Single-threaded. */
#ifndef WEIR_WS_FLOW_FRAME_REF_H
#define WEIR_WS_FLOW_FRAME_REF_H

#include "rt/loop.h"

#include <weir/frame.h>

struct weir__frame_ref {
    weir_loop *loop;
    struct weir__frame_ref **lender; /* the session's slot that remembers it; NULL: none does */
    /* If a slot remembers it: the variable that the frame was given into. NULL: it is cached. */
    const weir_frame *given_to;
    /* Of a view, as most are: a reference to the read buffer. Of the fields below owner alone is
     * set then. NULL: no view. */
    weir__buf *buf;
    /* Of no view: the frame's own release, and its owner. NULL: a block of the loop follows. */
    void (*release)(void *owner);
    void *owner;       /* of a view: the payload behind its own header, or NULL */
    size_t block_size; /* bytes of payload room that follow */
};

/* Releases a reference: what weir_frame_release() calls for a frame that has one. */
void weir__frame_ref_release(void *ref);

/* Makes ref the owner of a frame's bytes. */
static inline void weir__frame_ref_attach(struct weir__frame_ref *ref, weir_frame *frame)
{
    frame->release = weir__frame_ref_release;
    frame->owner = ref;
}

/* Gives a reference to a frame that is a view of buf. whole: the frame's own header stands right
 * before the payload and may be overwritten. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_view(weir_frame *frame, weir__buf *buf, bool whole);

/* Whether a header without a mask may be written right before the payload of a frame that its user
 * has sent on: over the header that it was received with. */
bool weir__frame_ref_has_head_room(const weir_frame *frame);

/* Gives a reference to a frame that owns its bytes. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_own(weir_frame *frame, weir_loop *loop);

/* Copies the payload, with a NUL after it, into the block of a new reference. Releases the bytes
 * that the frame had. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_copy(weir_frame *frame, weir_loop *loop);

/* Prepares a frame for being kept. Copies the payload if the frame borrows its bytes, or if a small
 * payload would pin a large read buffer. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_keep(weir_frame *frame, weir_loop *loop);

/* The reference of a frame; NULL when its release is another. */
static inline struct weir__frame_ref *weir__frame_ref_of(const weir_frame *frame)
{
    return frame->release == weir__frame_ref_release ? frame->owner : NULL;
}

/* A slot remembers the reference that was given out last, until it is released. The reference of a
 * view then stays in the slot: it is cached for the next view. */

/* Frees the cached reference of a slot. */
static inline void weir__frame_ref_drop_cached(struct weir__frame_ref **slot)
{
    struct weir__frame_ref *ref = *slot;
    if (ref == NULL || ref->given_to != NULL)
        return;
    *slot = NULL;
    weir__loop_free(ref->loop, ref, sizeof *ref);
}

/* Forgets whatever a slot remembers: its frame lives on. */
static inline void weir__frame_ref_forget(struct weir__frame_ref **slot)
{
    weir__frame_ref_drop_cached(slot);
    if (*slot != NULL)
        (*slot)->lender = NULL;
    *slot = NULL;
}

/* Remembers the reference of *frame, if it has one. */
static inline void weir__frame_ref_remember(const weir_frame *frame, struct weir__frame_ref **slot)
{
    if (frame->release != weir__frame_ref_release)
        return;
    struct weir__frame_ref *ref = frame->owner;
    weir__frame_ref_forget(slot);
    *slot = ref;
    ref->lender = slot;
    ref->given_to = frame;
}

/* weir__frame_ref_view() of a whole message and weir__frame_ref_remember() in one: with the cached
 * reference of a slot. */
static inline void weir__frame_ref_reuse(struct weir__frame_ref *cached, weir_frame *frame,
                                         weir__buf *buf)
{
    cached->given_to = frame;
    cached->buf = weir__buf_ref(buf);
    cached->owner = frame->data;
    weir__frame_ref_attach(cached, frame);
}

/* A received frame is sent on and will be kept: its receiver must not take it back. */
void weir__frame_ref_keep_sent(const weir_frame *frame);

/* The bytes of a frame, for channels of frames. */
size_t weir__frame_weight(const void *item);

#endif
