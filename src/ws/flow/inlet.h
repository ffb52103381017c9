/* ws/flow/inlet.h - the receiving half, an actor without a stack: bytes of a stream go through an
 * endpoint, and frames come out into a bounded channel.
 *
 * A receiver that waits pulls straight from the input. So a message that arrived whole is handed
 * over as a view of the read buffer. If no receiver waits, frames queue up to the channel's bounds.
 * Then the inlet holds the rest of the input and stops reading the stream.
 *
 * A session and a reader each have an inlet. They do what its endpoint wants. Single-threaded. */
#ifndef WEIR_WS_FLOW_INLET_H
#define WEIR_WS_FLOW_INLET_H

#include "rt/channel.h"
#include "rt/io.h"
#include "wire/endpoint.h"
#include "ws/flow/frame_ref.h"

struct weir__inlet;

/* What the inlet tells its owner. */
struct weir__inlet_events {
    /* A frame came out of the input: data, and control frames. Only while it is watched. */
    void (*arrived)(struct weir__inlet *inlet, const weir_frame *frame);
    /* The endpoint was used: what does it want? */
    void (*update)(struct weir__inlet *inlet);
    /* The same and weir__inlet_go_on(), soon and in a context of its own. */
    void (*update_later)(struct weir__inlet *inlet);
    /* There is input, and no receiver waits. Returns whether the owner took some of it itself.
     * NULL: it never does. */
    bool (*serve)(struct weir__inlet *inlet);
};

struct weir__inlet {
    weir_channel incoming;
    const struct weir__inlet_events *on;
    weir_endpoint *endpoint;
    weir__io *io;   /* what is read; NULL: nothing is, any more */
    weir__buf *buf; /* where the input lies that the endpoint has not eaten; NULL: none */
    struct weir__frame_ref *cached; /* what weir_receive() gave last; see frame_ref.h */
    uint32_t high_water; /* bytes in the queue from which on one more frame does not queue */
    bool held;           /* buf is a reference of ours, and the stream is not read */
    bool discards;       /* nobody will receive any more: frames are dropped */
    bool running;        /* inside weir__inlet_run() */
    bool watched;        /* somebody wants to hear of each frame */
};

struct weir__inlet_options {
    weir_loop *loop;
    enum weir_overflow overflow;
    uint32_t capacity;
    uint32_t high_water;
};

void weir__inlet_init(struct weir__inlet *inlet, weir_endpoint *endpoint,
                      const struct weir__inlet_events *on,
                      const struct weir__inlet_options *options);

/* Releases everything that is queued; the input was given up before. */
void weir__inlet_fini(struct weir__inlet *inlet);

/* Bytes arrived: feeds the endpoint and delivers what it has. From the loop's context. */
void weir__inlet_feed(struct weir__inlet *inlet, weir__buf *buf, uint8_t *data, size_t size);

/* The next frame out of the input, past the channel. The channel must be empty
 * (weir__channel_may_pull()). WEIR_EAGAIN: there is none now. */
WEIR_MUST_USE int weir__inlet_pull(struct weir__inlet *inlet, weir_frame *frame);

/* Where the next bytes may be read to, to be fed from there; 0: anywhere. */
size_t weir__inlet_room(const struct weir__inlet *inlet, uint8_t **room);

/* Bytes that came before: feeds them to the endpoint and holds them, until a receiver comes or
 * weir__inlet_go_on() is called. Takes the reference to buf. */
void weir__inlet_keep(struct weir__inlet *inlet, weir__buf *buf, uint8_t *data, size_t size);

/* Goes on with input that is held. From the loop's context. */
void weir__inlet_go_on(struct weir__inlet *inlet);

/* Drops all queued and held input, and what will come. */
void weir__inlet_discard(struct weir__inlet *inlet);

/* Gives up held input at the end. */
void weir__inlet_release(struct weir__inlet *inlet);

#endif
