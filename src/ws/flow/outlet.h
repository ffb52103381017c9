/* ws/flow/outlet.h - the sending half of a session, an actor without a stack: frames go into a
 * bounded channel, and coalesced writes come out.
 *
 * While fewer than high_water bytes are unsent, the endpoint serializes a frame as soon as it is
 * sent. Beyond that, frames queue in the channel; when it is full, their senders wait. Bytes are
 * written once after each read and once a turn of the loop. A large payload is copied only if it
 * must be masked, and then piece by piece. An idle outlet holds no output. Single-threaded. */
#ifndef WEIR_WS_FLOW_OUTLET_H
#define WEIR_WS_FLOW_OUTLET_H

#include "rt/channel.h"
#include "rt/io.h"
#include "wire/endpoint.h"
#include "ws/flow/flush.h"
#include "ws/flow/message_lock.h"
#include "ws/flow/segments.h"

struct weir__outlet;

/* What the outlet tells its session. */
struct weir__outlet_events {
    /* A frame of the user was serialized: a Close, or any while it is watched. */
    void (*sent)(struct weir__outlet *outlet, const weir_frame *frame);
    void (*control)(struct weir__outlet *outlet,
                    weir_buffer *to);             /* append what the endpoint owes */
    void (*drained)(struct weir__outlet *outlet); /* all output was taken by the kernel */
    void (*failed)(struct weir__outlet *outlet, int status); /* the stream refuses output; once */
    void (*pumped)(
        struct weir__outlet *outlet); /* what was put off is done; may free it. NULL: no matter */
};

struct weir__outlet {
    weir_channel outgoing;
    struct weir__message_lock lock; /* of the senders of outgoing */
    const struct weir__outlet_events *on;
    struct weir__flush flush;
    weir_endpoint *endpoint;
    weir__io *io;                /* NULL: nothing can be sent any more */
    weir__task late;             /* queued: pump at the end of this turn */
    struct weir__output *output; /* NULL: all was taken */
    uint32_t high_water;
    bool watched; /* somebody wants to hear of each frame */
    bool pumping;
    bool was_stuck; /* the kernel was full, and has not taken all since */
};

struct weir__outlet_options {
    weir_loop *loop;
    enum weir_overflow overflow;
    uint32_t capacity;
    uint32_t high_water;
};

void weir__outlet_init(struct weir__outlet *outlet, weir_endpoint *endpoint,
                       const struct weir__outlet_events *on,
                       const struct weir__outlet_options *options);

/* Drops the unsent output. The outlet is stopped, and nothing is pending on the io any more. */
void weir__outlet_release(struct weir__outlet *outlet);

/* Releases everything; nothing may be pending on the io any more. */
void weir__outlet_fini(struct weir__outlet *outlet);

/* Serializes a frame, past the channel. The channel must be empty (weir__channel_may_push()), and
 * there must be room. Takes the frame: *frame is empty then. */
WEIR_MUST_USE int weir__outlet_send(struct weir__outlet *outlet, weir_frame *frame);

/* Sends a shared frame: from where it lies, or copied behind what is unsent when it is small.
 * WEIR_EAGAIN: it has to go the way of other frames. */
WEIR_MUST_USE int weir__outlet_send_shared(struct weir__outlet *outlet,
                                           struct weir__shared *shared);

/* The same for a frame that was given to the io while there was no outlet. size: what the io
 * returned. */
WEIR_MUST_USE int weir__outlet_continue_shared(struct weir__outlet *outlet,
                                               struct weir__shared *shared, int64_t size);

/* Whether a frame may be serialized now; else it has to queue. */
static inline bool weir__outlet_has_room(const struct weir__outlet *outlet)
{
    const struct weir__output *output = outlet->output;
    return output == NULL ||
           (weir__output_unsent(output) < outlet->high_water && weir__output_has_place(output));
}

/* Bytes serialized and not yet taken by the kernel. */
size_t weir__outlet_unsent(const struct weir__outlet *outlet);

/* Bytes that were not handed to the kernel: queued, serialized, or with the transport. */
size_t weir__outlet_queued_bytes(const struct weir__outlet *outlet);

/* Whether a payload that was not copied is unsent. */
bool weir__outlet_has_payload(const struct weir__outlet *outlet);

/* Where whole frames may be appended; weir__outlet_pump_late() has to follow. NULL: no memory. */
weir_buffer *weir__outlet_buffer(struct weir__outlet *outlet);

/* Whether the kernel does not take what it was given. */
bool weir__outlet_is_stuck(const struct weir__outlet *outlet);

/* Has pump called at the end of this turn. */
void weir__outlet_pump_late(struct weir__outlet *outlet);

/* Writes as much as the kernel takes, and lets queued frames follow. */
void weir__outlet_pump(struct weir__outlet *outlet);

/* The io's on_drained. */
static inline void weir__outlet_on_drained(struct weir__outlet *outlet, int status)
{
    weir__flush_on_drained(&outlet->flush, outlet->io, status);
}

/* The io's on_sent. */
void weir__outlet_on_sent(struct weir__outlet *outlet, int status, size_t size);

/* No more output: drops what is unsent, ends the channel, wakes flushers with status. The memory
 * that a pending send uses stays until weir__outlet_fini(). */
void weir__outlet_stop(struct weir__outlet *outlet, int status);

/* Suspends until all that was sent before was taken by the kernel. */
WEIR_MUST_USE int weir__outlet_flush(struct weir__outlet *outlet);

#endif
