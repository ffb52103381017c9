/* ws/flow/segments.h - what an outlet holds only while something is unsent: the bytes, in order flying, out, large, and who waits for them to be taken. Single-threaded. */
#ifndef WEIR_WS_FLOW_SEGMENTS_H
#define WEIR_WS_FLOW_SEGMENTS_H

#include "rt/list.h"
#include "rt/loop.h"

#include <weir/buffer.h>
#include <weir/frame.h>

struct weir__output {
    weir_buffer in_flight; /* being sent: must not move */
    weir_buffer out;       /* to be sent next */
    size_t in_flight_sent; /* bytes of flying that were taken */
    weir_frame
        large; /* a payload that goes out by itself, behind its header: in out or flying, or before it */
    size_t large_sent; /* bytes of it that were taken, or masked into out */
    uint8_t large_key[4];
    bool large_open;
    bool large_begun; /* its header is in flying, or it is being sent: nothing may come between */
    bool large_masked;
    weir__node flushers; /* in order */
};

/* One that is empty. NULL: no memory. */
struct weir__output *weir__output_take(weir_loop *loop);

/* Drops what is in it; nobody waits for that any more. */
void weir__output_give(weir_loop *loop, struct weir__output *output);

/* For messages: a pong or a Close alone needs little, and many peers may leave theirs unread. Without memory the buffer grows as it can. */
void weir__output_make_room(weir_loop *loop, struct weir__output *output);

/* The large payload is through, or given up. */
void weir__output_close_large(struct weir__output *output);

/* Bytes that the kernel has not taken yet. */
static inline size_t weir__output_unsent(const struct weir__output *output)
{
    size_t size = output->in_flight.size - output->in_flight_sent + output->out.size;
    return output->large_open ? size + output->large.size - output->large_sent : size;
}

#endif
