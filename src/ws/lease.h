/* ws/lease.h - who holds the bytes of a received frame. A lease stands behind frame.owner, keeps a read buffer or a block of memory alive, and lets
 * the session know when its user has given the frame back. Single-threaded. */
#ifndef WEIR_WS_LEASE_H
#define WEIR_WS_LEASE_H

#include "rt/buf.h"

#include <weir/frame.h>

struct weir__lease {
    weir_loop *loop;
    struct weir__lease *
        *lender; /* the slot of the session that remembers this lease; NULL: none does */
    const weir_frame *lent_to; /* the variable it was given into */
    weir__buf *buf;            /* a reference, or NULL */
    void (*release)(
        void *
            owner); /* else the frame's own release, and its owner; or NULL: a block of the loop follows */
    void *owner;
    size_t block_size; /* bytes of payload room behind the lease */
};

/* Puts a lease behind a frame that is a view of buf. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__lease_view(weir_frame *frame, weir_loop *loop, weir__buf *buf);

/* Puts a lease behind a frame that owns its bytes. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__lease_own(weir_frame *frame, weir_loop *loop);

/* Copies the payload into a block behind a lease, with a NUL after it, and releases what was there. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__lease_copy(weir_frame *frame, weir_loop *loop);

/* Makes sure that a frame which will be kept does not pin a large read buffer for a small payload, nor borrow what is not its own: copies
 * it where that is so. WEIR_ENOMEM leaves the frame as it is. */
WEIR_MUST_USE int weir__lease_keep(weir_frame *frame, weir_loop *loop);

/* The lease of a frame; NULL when its release is another. */
struct weir__lease *weir__lease_of(const weir_frame *frame);

/* Remembers a frame's lease in a slot, until it is released. */
void weir__lease_lend(struct weir__lease *lease, struct weir__lease **slot);

/* A received frame is sent on and will be kept: its receiver must not take it back. */
void weir__lease_keep_sent(const weir_frame *frame);

/* Forgets whatever a slot remembers: its frame lives on. */
void weir__lease_forget(struct weir__lease **slot);

/* Releases a lease itself: what weir_frame_release() does to a frame that has one. */
void weir__lease_release(void *lease);

/* The bytes of a frame, for channels of frames. */
size_t weir__frame_weight(const void *item);

#endif
