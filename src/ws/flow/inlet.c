#include "ws/flow/inlet.h"

#include <string.h>

static weir_loop *loop_of(const struct weir__inlet *inlet)
{
    return inlet->incoming.loop;
}

static struct weir__inlet *inlet_of(const weir_channel *incoming)
{
    return WEIR__CONTAINER(incoming, struct weir__inlet, incoming);
}

/* --- the input --- */

/* The input is eaten: releases the buffer and goes on reading. */
static void release_input(struct weir__inlet *inlet)
{
    weir__buf *buf = inlet->buf;
    inlet->buf = NULL;
    weir__frame_ref_drop_cached(&inlet->cached);
    if (!inlet->held)
        return;
    inlet->held = false;
    weir__buf_unref(buf);
    weir_endpoint_hold(inlet->endpoint, false, loop_of(inlet)->now_ms);
    if (inlet->io == NULL)
        return;
    int status = weir__io_recv_start(inlet->io);
    if (status != WEIR_OK) {
        weir_endpoint_eof(inlet->endpoint, status, loop_of(inlet)->now_ms);
        inlet->on->update_later(inlet);
    }
}

static inline void notify_observer(struct weir__inlet *inlet, const weir_frame *frame)
{
    if (inlet->watched)
        inlet->on->arrived(inlet, frame);
}

/* There is no memory for a frame reference. */
static int fail_out_of_memory(struct weir__inlet *inlet, weir_frame *frame)
{
    weir_frame_release(frame);
    weir_endpoint_terminate(inlet->endpoint);
    inlet->on->update(inlet);
    return WEIR_EAGAIN;
}

/* A frame that is a view of the input. */
static inline int deliver_view(struct weir__inlet *inlet, weir_frame *frame, bool whole)
{
    notify_observer(inlet, frame);
    if (frame->size == 0 || weir__frame_ref_view(frame, inlet->buf, whole) == WEIR_OK)
        return WEIR_OK;
    return fail_out_of_memory(inlet, frame);
}

static int deliver(struct weir__inlet *inlet, weir_frame *frame)
{
    if (frame->release == NULL)
        return deliver_view(inlet, frame, false);
    notify_observer(inlet, frame);
    int status = weir__frame_ref_own(frame, loop_of(inlet));
    return status == WEIR_OK ? WEIR_OK : fail_out_of_memory(inlet, frame);
}

/* As next_frame(), out of all that may be in the input. */
static __attribute__((noinline)) int next_of_all(struct weir__inlet *inlet, weir_frame *frame)
{
    weir_event event;
    for (;;) {
        int status = weir_endpoint_next(inlet->endpoint, &event);
        if (status == WEIR_EAGAIN || status == WEIR_CLOSED) {
            release_input(inlet);
            if (status == WEIR_CLOSED)
                inlet->on->update(inlet);
            return WEIR_EAGAIN;
        }
        if (status != WEIR_OK) {
            inlet->on->update(inlet);
            continue;
        }
        switch (event.kind) {
        case WEIR_EVENT_FRAME:
            *frame = event.frame;
            return deliver(inlet, frame);
        case WEIR_EVENT_PING:
        case WEIR_EVENT_PONG:
            notify_observer(inlet, &event.frame);
            break;
        case WEIR_EVENT_CLOSE:
        case WEIR_EVENT_FAULT:
            break;
        }
        inlet->on->update(inlet);
    }
}

/* The next frame out of the input. WEIR_EAGAIN: there is none now, and the channel may have been
 * closed meanwhile. */
static inline int next_frame(struct weir__inlet *inlet, weir_frame *frame)
{
    if (weir__endpoint_input_drained(inlet->endpoint)) {
        release_input(inlet);
        return WEIR_EAGAIN;
    }
    if (weir__endpoint_take_whole(inlet->endpoint, frame) == WEIR__WHOLE)
        return deliver_view(inlet, frame, true);
    return next_of_all(inlet, frame);
}

static bool has_input(const struct weir__inlet *inlet)
{
    uint8_t *rest;
    return inlet->buf != NULL && weir_endpoint_pending_input(&rest, inlet->endpoint) > 0;
}

static void drop_input(struct weir__inlet *inlet)
{
    weir_frame frame;
    while (inlet->buf != NULL && next_frame(inlet, &frame) == WEIR_OK)
        weir_frame_release(&frame);
}

/* --- the channel --- */

/* A frame was taken. Held input is processed soon, whether or not a receiver comes for the next
 * frame: a ping or a Close in it must not wait for one. */
static void go_on_later(weir_channel *channel)
{
    struct weir__inlet *inlet = inlet_of(channel);
    if (inlet->held)
        inlet->on->update_later(inlet);
}

int weir__inlet_pull(struct weir__inlet *inlet, weir_frame *frame)
{
    if (inlet->buf == NULL)
        return WEIR_EAGAIN;
    int status = next_frame(inlet, frame);
    if (status == WEIR_OK)
        go_on_later(&inlet->incoming);
    return status;
}

static int pull_frame(weir_channel *channel, void *item)
{
    return weir__inlet_pull(inlet_of(channel), item);
}

static void drop_frame(weir_channel *channel, void *item)
{
    (void)channel;
    weir_frame_release(item);
}

static int keep_frame(weir_channel *channel, void *item)
{
    return weir__frame_ref_keep(item, channel->loop);
}

/* One frame may always queue; more only while their bytes stay under the mark. */
static bool admits_frame(const weir_channel *channel, const void *item)
{
    const struct weir__inlet *inlet = inlet_of(channel);
    (void)item;
    return channel->count == 0 || channel->bytes < inlet->high_water;
}

static const struct weir__channel_kind kind = {
    .item_size = sizeof(weir_frame),
    .drop = drop_frame,
    .pull = pull_frame,
    .keep = keep_frame,
    .admits = admits_frame,
    .weigh = weir__frame_weight,
    .took = go_on_later,
};

/* --- delivering --- */

/* Keeps what is not eaten: a small rest is copied, so that it does not pin a large buffer. */
static void hold(struct weir__inlet *inlet)
{
    uint8_t *rest;
    size_t size = weir_endpoint_pending_input(&rest, inlet->endpoint);
    if (inlet->held)
        return;
    weir__buf *copy = size <= inlet->buf->size / 8 ? weir__buf_new(loop_of(inlet), size) : NULL;
    if (copy != NULL) {
        memcpy(copy->data, rest, size);
        weir_endpoint_move_input(inlet->endpoint, copy->data);
        inlet->buf = copy;
    } else {
        weir__buf_ref(inlet->buf);
    }
    inlet->held = true;
    weir_endpoint_hold(inlet->endpoint, true, loop_of(inlet)->now_ms);
    if (inlet->io != NULL)
        weir__io_recv_stop(inlet->io);
}

static bool queue_is_full(const struct weir__inlet *inlet)
{
    const weir_channel *incoming = &inlet->incoming;
    return incoming->overflow == WEIR_OVERFLOW_SUSPEND &&
           (incoming->count >= incoming->capacity || !admits_frame(incoming, NULL));
}

/* Nobody waits: a frame queues. Returns whether to go on. */
static bool queue_one(struct weir__inlet *inlet)
{
    weir_frame frame;
    if (queue_is_full(inlet)) {
        /* Once our Close is sent, the peer's has to be seen: what nobody receives is dropped. */
        if (!weir_endpoint_output_ended(inlet->endpoint))
            return false;
        if (next_frame(inlet, &frame) == WEIR_OK)
            weir_frame_release(&frame);
        return true;
    }
    if (next_frame(inlet, &frame) != WEIR_OK)
        return inlet->buf != NULL;
    int status = weir__channel_send_now(&inlet->incoming, &frame);
    if (status == WEIR_ENOMEM || status == WEIR_ELIMIT) {
        weir_endpoint_terminate(inlet->endpoint);
        inlet->on->update(inlet);
    }
    return true;
}

static void run(struct weir__inlet *inlet)
{
    if (inlet->running)
        return;
    inlet->running = true;
    while (has_input(inlet)) {
        if (inlet->discards) {
            drop_input(inlet);
        } else if (weir__channel_has_receiver(&inlet->incoming)) {
            weir__channel_wake_receiver(&inlet->incoming);
        } else if ((inlet->on->serve == NULL || !inlet->on->serve(inlet)) && !queue_one(inlet)) {
            break;
        }
    }
    if (has_input(inlet))
        hold(inlet);
    else if (inlet->buf != NULL) /* else it was released by the one who took the last of it */
        release_input(inlet);
    inlet->running = false;
}

void weir__inlet_feed(struct weir__inlet *inlet, weir__buf *buf, uint8_t *data, size_t size)
{
    inlet->buf = buf;
    if (weir_endpoint_feed(inlet->endpoint, data, size, loop_of(inlet)->now_ms) == WEIR_OK)
        run(inlet);
}

size_t weir__inlet_room(const struct weir__inlet *inlet, uint8_t **room)
{
    return weir_endpoint_room(room, inlet->endpoint);
}

void weir__inlet_keep(struct weir__inlet *inlet, weir__buf *buf, uint8_t *data, size_t size)
{
    inlet->buf = buf;
    if (weir_endpoint_feed(inlet->endpoint, data, size, loop_of(inlet)->now_ms) == WEIR_OK)
        hold(inlet);
    else
        inlet->buf = NULL;
    weir__buf_unref(buf);
}

void weir__inlet_go_on(struct weir__inlet *inlet)
{
    if (inlet->held && inlet->io != NULL)
        run(inlet);
}

/* --- life --- */

void weir__inlet_init(struct weir__inlet *inlet, weir_endpoint *endpoint,
                      const struct weir__inlet_events *on,
                      const struct weir__inlet_options *options)
{
    *inlet =
        (struct weir__inlet){.on = on, .endpoint = endpoint, .high_water = options->high_water};
    weir__channel_init(&inlet->incoming, options->loop, &kind, options->capacity,
                       options->overflow);
}

void weir__inlet_fini(struct weir__inlet *inlet)
{
    weir__channel_fini(&inlet->incoming);
    weir__frame_ref_forget(&inlet->cached);
}

void weir__inlet_discard(struct weir__inlet *inlet)
{
    weir_frame frame;
    inlet->discards = true;
    while (inlet->incoming.count > 0 &&
           weir__channel_receive_now(&inlet->incoming, &frame) == WEIR_OK)
        weir_frame_release(&frame);
    if (inlet->held)
        drop_input(inlet);
}

void weir__inlet_release(struct weir__inlet *inlet)
{
    if (inlet->held)
        weir__buf_unref(inlet->buf);
    inlet->held = false;
    inlet->buf = NULL;
}
