/* ws/flow/shared.h - a whole frame, header and payload, that is serialized once and sent by many
 * sessions of a loop: unmasked, not compressed. Counted. Single-threaded. */
#ifndef WEIR_WS_FLOW_SHARED_H
#define WEIR_WS_FLOW_SHARED_H

#include "rt/loop.h"

#include <weir/frame.h>

struct weir__shared {
    weir_loop *loop;
    uint32_t refs;
    uint8_t head_size; /* bytes[0..head_size) is the header, what follows is the payload */
    uint8_t type;      /* enum weir_frame_type */
    uint8_t compress;  /* enum weir_compress: for sessions that do not share the bytes */
    size_t size;       /* of both */
    uint8_t bytes[];
};

/* Serializes a data frame with fin; refs is 1. NULL: no memory. Borrows the frame. */
struct weir__shared *weir__shared_new(weir_loop *loop, const weir_frame *frame);

/* Drops a reference. Has the type of weir_frame.release. */
void weir__shared_release(void *shared);

/* The frame of one more reference. */
weir_frame weir__shared_frame(struct weir__shared *shared);

/* What a frame refers to; NULL when that is something else. */
static inline struct weir__shared *weir__shared_of(const weir_frame *frame)
{
    return frame->release == weir__shared_release ? frame->owner : NULL;
}

#endif
