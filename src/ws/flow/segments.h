/* ws/flow/segments.h - what an outlet has serialized and its transport has not taken: a list of
 * segments, and behind them the buffer that small frames are appended to.
 *
 * A segment is one of these:
 * - OWN: bytes of our own, frames one behind the other;
 * - BORROWED: the payload of one frame, sent from where it lies;
 * - MASKED: such a payload, masked piece by piece;
 * - SHARED: a frame that many sessions share.
 * An output is there only while something is unsent. Single-threaded. */
#ifndef WEIR_WS_FLOW_SEGMENTS_H
#define WEIR_WS_FLOW_SEGMENTS_H

#include "rt/list.h"
#include "rt/loop.h"
#include "ws/flow/shared.h"

#include <sys/uio.h>
#include <weir/buffer.h>
#include <weir/frame.h>

#define WEIR__SEGMENTS_MAX 16

enum weir__segment_kind {
    WEIR__SEGMENT_OWN,
    WEIR__SEGMENT_BORROWED,
    WEIR__SEGMENT_MASKED,
    WEIR__SEGMENT_SHARED,
};

struct weir__segment {
    uint8_t kind;      /* enum weir__segment_kind */
    bool inside;       /* it goes on with the frame that the segment before it began */
    uint8_t key[4];    /* MASKED */
    weir_buffer own;   /* OWN; MASKED: the piece that is being sent */
    weir_frame frame;  /* BORROWED, MASKED, SHARED */
    size_t sent;       /* bytes of it that were taken; MASKED: that were masked */
    size_t piece_sent; /* MASKED: bytes of own that were taken */
};

struct weir__output {
    weir_loop *loop;
    weir_buffer out;            /* whole frames, behind all segments */
    struct weir__segment *ring; /* few, or a block of the loop with WEIR__SEGMENTS_MAX */
    size_t bytes;               /* unsent, of all segments */
    uint8_t capacity;           /* of ring: a power of two */
    uint8_t first;              /* index of the oldest segment */
    uint8_t count;
    uint8_t listed;  /* segments that a send was given: nothing may be put before their end */
    bool listed_out; /* and out, which must not move then */
    bool inserted;   /* by weir__output_insert(): the oldest segment */
    struct weir__segment few[2];
    weir_allocator allocator; /* of out and of segments of our own: knows the room below */
    size_t room_size;         /* of room: what out begins with, or 0 */
    uint8_t room[];
};

/* An empty output. NULL: no memory. with_room: it has room for messages, so that the small ones of
 * one turn need no other memory. A pong or a Close alone needs little, and many peers may leave
 * theirs unread: for those with_room is false. */
struct weir__output *weir__output_take(weir_loop *loop, bool with_room);

/* Drops what is in it. Nothing may wait for that any more. */
void weir__output_give(struct weir__output *output);

/* Room for messages in out, of an output that has none. Without memory out grows as it can. */
void weir__output_make_room(struct weir__output *output);

/* Bytes that were not taken yet. */
static inline size_t weir__output_unsent(const struct weir__output *output)
{
    return output->bytes + output->out.size;
}

/* Whether one more frame may come as segments of its own, with room left for control frames. */
static inline bool weir__output_has_place(const struct weir__output *output)
{
    return output->count + 3 < WEIR__SEGMENTS_MAX;
}

/* Whether there is a segment that is not just bytes of our own. */
bool weir__output_has_payload(const struct weir__output *output);

/* Makes places for the segments of one more frame; weir__output_has_place() is true. Errors:
 * WEIR_ENOMEM. */
WEIR_MUST_USE int weir__output_reserve(struct weir__output *output);

/* A payload to be sent from where it lies; places were reserved. Its header stands in out, from
 * head_at on. key: it has to be masked; NULL: not. Takes the frame. */
void weir__output_push_borrowed(struct weir__output *output, weir_frame *frame, size_t head_at,
                                const uint8_t *key);

/* A shared frame, of which so many bytes are sent; places were reserved. Takes a reference. */
void weir__output_push_shared(struct weir__output *output, struct weir__shared *shared,
                              size_t sent);

/* Where bytes can be put that go ahead of everything. NULL: not now, in the middle of a frame.
 * Nothing is in flight. weir__output_end_insert() has to follow. */
weir_buffer *weir__output_insert(struct weir__output *output);

/* last: what stands behind is dropped. Returns how many bytes that was. */
size_t weir__output_end_insert(struct weir__output *output, bool last);

/* Lists what is to be sent now. frame_only: no more than the frame that was begun.
 * Returns the number of pieces; 0: nothing; WEIR_ENOMEM. */
WEIR_MUST_USE int weir__output_list(struct weir__output *output,
                                    struct iovec pieces[WEIR__SEGMENTS_MAX], bool frame_only);

/* So many bytes of what was listed were taken. */
void weir__output_consume(struct weir__output *output, size_t size);

/* The rest of what was listed is in flight, until weir__output_thaw(). */
void weir__output_freeze(struct weir__output *output);
static inline void weir__output_thaw(struct weir__output *output)
{
    output->listed = 0;
}

#endif
