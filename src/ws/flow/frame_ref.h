/* ws/flow/frame_ref.h - who holds the bytes of a received frame. A lease stands behind frame.owner, keeps a read buffer or a block of memory alive, and lets
 * the session know when its user has given the frame back. Single-threaded. */
#ifndef WEIR_WS_FLOW_FRAME_REF_H
#define WEIR_WS_FLOW_FRAME_REF_H

#include "rt/loop.h"

#include <weir/frame.h>

struct weir__frame_ref {
    weir_loop *loop;
    struct weir__frame_ref *
        *lender; /* the slot of the session that remembers this lease; NULL: none does */
    const weir_frame *
        given_to; /* the variable it was given into, where a session remembers it; NULL: it is spare */
    weir__buf *
        buf; /* of a view, as most are: a reference, and what follows is undefined but for owner; or NULL */
    /* Else the frame's own release, and its owner; or NULL: a block of the loop follows. */
    void (*release)(void *owner);
    void *owner;       /* of a view: the payload behind its own header, or NULL */
    size_t block_size; /* bytes of payload room behind the lease */
};

/* Releases a lease itself: what weir_frame_release() does to a frame that has one. */
void weir__frame_ref_release(void *ref);

/* Has a lease hold what a frame shows. */
static inline void weir__frame_ref_attach(struct weir__frame_ref *ref, weir_frame *frame)
{
    frame->release = weir__frame_ref_release;
    frame->owner = ref;
}

/* Puts a lease behind a frame that is a view of buf. whole: its own header stands before the payload, and nobody needs that any more. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_view(weir_frame *frame, weir__buf *buf, bool whole);

/* Whether a header without a mask may be written right before the payload of a frame that is given up: where the one it came with was. */
bool weir__frame_ref_has_head_room(const weir_frame *frame);

/* Puts a lease behind a frame that owns its bytes. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_own(weir_frame *frame, weir_loop *loop);

/* Copies the payload into a block behind a lease, with a NUL after it, and releases what was there. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_copy(weir_frame *frame, weir_loop *loop);

/* Makes sure that a frame which will be kept does not pin a large read buffer for a small payload, nor borrow what is not its own: copies
 * it where that is so. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__frame_ref_keep(weir_frame *frame, weir_loop *loop);

/* The lease of a frame; NULL when its release is another. */
static inline struct weir__frame_ref *weir__frame_ref_of(const weir_frame *frame)
{
    return frame->release == weir__frame_ref_release ? frame->owner : NULL;
}

/* A slot remembers the lease that was given out last until it is released. That of a view stays there then, spare, for the next one. */

/* Frees what is spare in a slot. */
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

/* Remembers the lease that was given into *frame, if it has one. */
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

/* weir__frame_ref_view() of a whole message and weir__frame_ref_remember() in one, by the spare lease of a slot. */
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
