#include "ws/flow/outlet.h"

#include "ws/flow/frame_ref.h"

#include <assert.h>
#include <string.h>
#include <weir/mask.h>

/* From this size on a shared frame is not copied behind what is unsent. */
#define SHARED_SIZE ((size_t)1024)
/* From this size on a payload is not copied into the output buffer. */
#define LARGE_SIZE ((size_t)16 * 1024)

static weir_loop *loop_of(const struct weir__outlet *outlet)
{
    return outlet->outgoing.loop;
}

/* --- the output --- */

static struct weir__output *output_of(struct weir__outlet *outlet)
{
    if (outlet->output == NULL)
        outlet->output = weir__output_take(loop_of(outlet), false);
    return outlet->output;
}

static __attribute__((noinline)) struct weir__output *make_room(struct weir__output *output)
{
    weir__output_make_room(output);
    return output;
}

/* The output with room for messages, as far as there is memory. */
static inline struct weir__output *output_with_room(struct weir__outlet *outlet)
{
    struct weir__output *output = outlet->output;
    if (output == NULL)
        return outlet->output = weir__output_take(loop_of(outlet), true);
    return output->out.data != NULL ? output : make_room(output);
}

static void end_output(struct weir__outlet *outlet)
{
    if (outlet->output == NULL)
        return;
    weir__output_give(outlet->output);
    outlet->output = NULL;
}

weir_buffer *weir__outlet_buffer(struct weir__outlet *outlet)
{
    struct weir__output *output = output_of(outlet);
    return output == NULL ? NULL : &output->out;
}

size_t weir__outlet_unsent(const struct weir__outlet *outlet)
{
    return outlet->output == NULL ? 0 : weir__output_unsent(outlet->output);
}

size_t weir__outlet_queued_bytes(const struct weir__outlet *outlet)
{
    size_t size = weir__outlet_unsent(outlet) + outlet->outgoing.bytes;
    return outlet->io == NULL ? size : size + weir__io_unsent(outlet->io);
}

bool weir__outlet_has_payload(const struct weir__outlet *outlet)
{
    return outlet->output != NULL && weir__output_has_payload(outlet->output);
}

int weir__outlet_flush(struct weir__outlet *outlet)
{
    if (weir__outlet_unsent(outlet) > 0)
        weir__outlet_pump_late(outlet);
    return weir__flush_wait(&outlet->flush, outlet->io, outlet->outgoing.count,
                            weir__outlet_unsent(outlet));
}

/* --- the channel's end --- */

bool weir__outlet_is_stuck(const struct weir__outlet *outlet)
{
    return outlet->io != NULL && weir__io_is_sending(outlet->io);
}

static void count_pushed(struct weir__outlet *outlet)
{
    outlet->flush.pushed++;
    if (weir__flush_is_awaited(&outlet->flush))
        weir__flush_advance(&outlet->flush, outlet->io, weir__outlet_unsent(outlet));
}

static inline void notify_observer(struct weir__outlet *outlet, const weir_frame *frame)
{
    if (outlet->watched || frame->type == WEIR_FRAME_CLOSE)
        outlet->on->sent(outlet, frame);
}

static bool goes_uncopied(const struct weir__outlet *outlet, const weir_frame *frame)
{
    return frame->size >= LARGE_SIZE &&
           !weir_frame_type_is_control((enum weir_frame_type)frame->type) &&
           !weir_endpoint_compresses(outlet->endpoint, frame);
}

static int put_uncopied(struct weir__outlet *outlet, struct weir__output *output, weir_frame *frame)
{
    uint8_t key[4];
    size_t head_at = output->out.size;
    int status = weir__frame_ref_keep(frame, loop_of(outlet));
    if (status == WEIR_OK)
        status = weir__output_reserve(output);
    if (status == WEIR_OK)
        status = weir_endpoint_send_head(outlet->endpoint, frame, &output->out, key);
    if (status != WEIR_OK)
        return status;
    weir__frame_ref_keep_sent(frame);
    const weir_frame shown = *frame;
    bool masked = weir_endpoint_masking(outlet->endpoint);
    weir__output_push_borrowed(output, frame, head_at, masked ? key : NULL);
    notify_observer(outlet, &shown); /* which may send, or end it all: the frame is whole by now */
    return WEIR_OK;
}

static __attribute__((noinline)) int refuse(weir_frame *frame, int status)
{
    weir_frame_release(frame);
    return status;
}

static __attribute__((noinline)) int send_uncopied(struct weir__outlet *outlet, weir_frame *frame)
{
    struct weir__output *output = output_of(outlet);
    weir__outlet_pump_late(outlet);
    int status = output == NULL ? WEIR_ENOMEM : put_uncopied(outlet, output, frame);
    if (status != WEIR_OK)
        return refuse(frame, status);
    count_pushed(outlet);
    return WEIR_OK;
}

int weir__outlet_send(struct weir__outlet *outlet, weir_frame *frame)
{
    if (goes_uncopied(outlet, frame))
        return send_uncopied(outlet, frame);
    struct weir__output *output = output_with_room(outlet);
    if (output == NULL)
        return refuse(frame, WEIR_ENOMEM);
    weir__task_post_late(loop_of(outlet), &outlet->late);
    if (!weir__endpoint_send_small(outlet->endpoint, frame, &output->out)) {
        int status = weir__endpoint_send_any(outlet->endpoint, frame, &output->out);
        if (status != WEIR_OK)
            return refuse(frame, status);
    }
    notify_observer(outlet, frame);
    count_pushed(outlet);
    /* weir_frame_release(), compiled in */
    if (frame->release != NULL)
        frame->release(frame->owner);
    *frame = (weir_frame){0};
    return WEIR_OK;
}

static int push_frame(weir_channel *channel, void *item)
{
    struct weir__outlet *outlet = WEIR__CONTAINER(channel, struct weir__outlet, outgoing);
    if (outlet->io == NULL)
        return WEIR_CLOSED;
    return weir__outlet_has_room(outlet) ? weir__outlet_send(outlet, item) : WEIR_EAGAIN;
}

static void drop_frame(weir_channel *channel, void *item)
{
    (void)channel;
    weir_frame_release(item);
}

static int keep_frame(weir_channel *channel, void *item)
{
    int status = weir__frame_ref_keep(item, channel->loop);
    if (status == WEIR_OK)
        weir__frame_ref_keep_sent(item);
    return status;
}

/* Of a sender that had to wait, and runs later. */
static void note_accepted(weir_channel *channel, const void *item,
                          const struct weir__coroutine *sender)
{
    struct weir__outlet *outlet = WEIR__CONTAINER(channel, struct weir__outlet, outgoing);
    const weir_frame *frame = item;
    if (!weir_frame_type_is_control((enum weir_frame_type)frame->type))
        weir__message_lock_pass(&outlet->lock, sender, frame->fin);
}

static void end_senders(weir_channel *channel, int status)
{
    weir__message_lock_end(&WEIR__CONTAINER(channel, struct weir__outlet, outgoing)->lock, status);
}

/* One frame may always queue; more only while their bytes stay under the mark. */
static bool admits_frame(const weir_channel *channel, const void *item)
{
    const struct weir__outlet *outlet = WEIR__CONTAINER(channel, struct weir__outlet, outgoing);
    (void)item;
    return channel->count == 0 || channel->bytes < outlet->high_water;
}

static const struct weir__channel_kind kind = {
    .item_size = sizeof(weir_frame),
    .drop = drop_frame,
    .push = push_frame,
    .keep = keep_frame,
    .admits = admits_frame,
    .weigh = weir__frame_weight,
    .accepted = note_accepted,
    .ended = end_senders,
};

/* --- writing --- */

/* What the endpoint owes overtakes what a slow peer does not take; while the kernel takes all,
 * everything goes in order. */
static bool wants_control(const struct weir__outlet *outlet)
{
    const struct weir__output *output = outlet->output;
    if ((weir_endpoint_wants(outlet->endpoint) & WEIR_WANT_FLUSH) == 0)
        return false;
    bool has_next = output != NULL && weir__output_unsent(output) > 0;
    return outlet->was_stuck || (!has_next && outlet->outgoing.count == 0);
}

/* Puts what is owed between two frames. After a Close nothing may follow: what stands behind it is
 * dropped, and counts as taken. Returns whether this is between two frames. */
static bool put_control(struct weir__outlet *outlet)
{
    struct weir__output *output = outlet->output;
    weir_buffer *to = weir__output_insert(output);
    if (to == NULL)
        return false;
    outlet->on->control(outlet, to);
    outlet->flush.taken +=
        weir__output_end_insert(output, weir_endpoint_output_ended(outlet->endpoint));
    return true;
}

/* Lists what is to be sent now. Returns the number of pieces; 0: nothing; WEIR_ENOMEM: no room to
 * write it into. */
static int next_pieces(struct weir__outlet *outlet, struct iovec pieces[WEIR__SEGMENTS_MAX])
{
    bool waits = wants_control(outlet);
    if (outlet->output == NULL && !waits)
        return 0;
    if (output_of(outlet) == NULL)
        return WEIR_ENOMEM;
    if (waits)
        waits = !put_control(outlet);
    return weir__output_list(outlet->output, pieces, waits);
}

static void account(struct weir__outlet *outlet, size_t size)
{
    struct weir__output *output = outlet->output;
    outlet->flush.taken += size;
    weir__output_consume(output, size);
    if (weir__io_is_sending(outlet->io))
        weir__output_freeze(output);
    else
        weir__output_thaw(output);
    if (weir__flush_is_awaited(&outlet->flush))
        weir__flush_advance(&outlet->flush, outlet->io, weir__output_unsent(output));
}

static void fail(struct weir__outlet *outlet, int status)
{
    weir__outlet_stop(outlet, status);
    outlet->on->failed(outlet, status);
}

/* The common end of a send: all is taken, and nothing is owed. */
static bool is_through(const struct weir__outlet *outlet)
{
    return weir__output_unsent(outlet->output) == 0 && outlet->io != NULL &&
           (weir_endpoint_wants(outlet->endpoint) & WEIR_WANT_FLUSH) == 0;
}

/* Sends until the kernel has it all or is full. Returns whether it has it all. */
static __attribute__((noinline)) bool send_pieces(struct weir__outlet *outlet)
{
    struct iovec pieces[WEIR__SEGMENTS_MAX];
    while (outlet->io != NULL && !weir__io_is_sending(outlet->io)) {
        int count = next_pieces(outlet, pieces);
        if (count == 0)
            return true;
        int64_t size = count < 0 ? count : weir__io_send(outlet->io, pieces, count);
        if (size < 0) {
            fail(outlet, (int)size);
            return false;
        }
        account(outlet, (size_t)size);
        if (is_through(outlet))
            return true;
    }
    outlet->was_stuck = true;
    return false;
}

/* Whether all there is to send is one buffer of messages, as it is at the end of most turns. */
static inline bool is_plain(const struct weir__outlet *outlet)
{
    const struct weir__output *output = outlet->output;
    return output != NULL && output->count == 0 && output->out.size > 0 &&
           !weir__flush_is_awaited(&outlet->flush) && weir__endpoint_is_idle(outlet->endpoint) &&
           outlet->io != NULL && !weir__io_is_sending(outlet->io);
}

/* As send_pieces(). */
static bool send_all(struct weir__outlet *outlet)
{
    if (!is_plain(outlet))
        return send_pieces(outlet);
    struct weir__output *output = outlet->output;
    const struct iovec piece = {output->out.data, output->out.size};
    int64_t size = weir__io_send(outlet->io, &piece, 1);
    if (size == (int64_t)piece.iov_len) {
        outlet->flush.taken += piece.iov_len;
        output->out.size = 0;
        return true;
    }
    if (size < 0) {
        fail(outlet, (int)size);
        return false;
    }
    output->listed_out = true;
    account(outlet, (size_t)size);
    return send_pieces(outlet);
}

/* --- a frame that many sessions share --- */

/* Whether its bytes are what this endpoint would write, and nothing has to go before it. */
static bool may_share(const struct weir__outlet *outlet, const struct weir__shared *shared)
{
    weir_frame frame = {.data = (uint8_t *)(uintptr_t)shared->bytes,
                        .size = shared->size - shared->head_size,
                        .type = shared->type,
                        .fin = true,
                        .compress = shared->compress};
    return outlet->io != NULL && !outlet->watched && outlet->lock.holder == NULL &&
           weir__channel_may_push(&outlet->outgoing) && weir__outlet_has_room(outlet) &&
           weir__endpoint_sends_plain(outlet->endpoint, &frame);
}

int weir__outlet_continue_shared(struct weir__outlet *outlet, struct weir__shared *shared,
                                 int64_t size)
{
    struct weir__output *output = size < 0 ? NULL : output_of(outlet);
    if (output == NULL) { /* what was sent of it cannot be finished */
        fail(outlet, size < 0 ? (int)size : WEIR_ENOMEM);
        return size < 0 ? (int)size : WEIR_ENOMEM;
    }
    outlet->flush.taken += (uint64_t)size;
    weir__output_push_shared(output, shared, (size_t)size);
    output->listed = weir__io_is_sending(outlet->io) ? 1 : 0;
    outlet->was_stuck = true;
    count_pushed(outlet);
    return WEIR_OK;
}

static int send_shared_now(struct weir__outlet *outlet, struct weir__shared *shared)
{
    const struct iovec piece = {shared->bytes, shared->size};
    int64_t size = weir__io_send(outlet->io, &piece, 1);
    if (size != (int64_t)shared->size)
        return weir__outlet_continue_shared(outlet, shared, size);
    outlet->flush.taken += shared->size;
    count_pushed(outlet);
    return WEIR_OK;
}

int weir__outlet_send_shared(struct weir__outlet *outlet, struct weir__shared *shared)
{
    if (!may_share(outlet, shared))
        return WEIR_EAGAIN;
    if (outlet->output == NULL && !weir__io_is_sending(outlet->io) &&
        (weir_endpoint_wants(outlet->endpoint) & WEIR_WANT_FLUSH) == 0)
        return send_shared_now(outlet, shared);
    struct weir__output *output = output_with_room(outlet);
    if (output == NULL)
        return WEIR_ENOMEM;
    weir__outlet_pump_late(outlet);
    int status;
    if (shared->size < SHARED_SIZE) {
        status = weir_buffer_append(&output->out, shared->bytes, shared->size);
    } else {
        status = weir__output_reserve(output);
        if (status == WEIR_OK)
            weir__output_push_shared(output, shared, 0);
    }
    if (status == WEIR_OK)
        count_pushed(outlet);
    return status;
}

/* All is taken, and nothing queues. What is still awaited was dropped: behind a Close, or as the
 * oldest. */
static void flush_dropped(struct weir__outlet *outlet)
{
    if (weir__channel_is_closed(&outlet->outgoing))
        weir__flush_end(&outlet->flush, WEIR_CLOSED);
    else
        weir__flush_all_taken(&outlet->flush, outlet->io);
}

static void note_all_sent(struct weir__outlet *outlet)
{
    outlet->was_stuck = false;
    if (weir__flush_is_awaited(&outlet->flush))
        flush_dropped(outlet);
    end_output(outlet);
    if (!weir__list_is_empty(&outlet->late.link))
        weir__task_cancel(&outlet->late);
    outlet->on->drained(outlet);
}

/* All was taken: lets what queues follow. Whether there is something to send now. */
static bool takes_more(struct weir__outlet *outlet)
{
    if (outlet->io == NULL || !weir__channel_has_items(&outlet->outgoing))
        return false;
    weir__channel_drain(&outlet->outgoing);
    return outlet->io != NULL && weir__outlet_unsent(outlet) > 0;
}

void weir__outlet_pump(struct weir__outlet *outlet)
{
    bool drained;
    if (outlet->pumping || outlet->io == NULL)
        return;
    outlet->pumping = true;
    if (!weir__list_is_empty(&outlet->late.link))
        weir__task_cancel(&outlet->late);
    do {
        drained = send_all(outlet);
    } while (drained && takes_more(outlet));
    if (drained && outlet->io != NULL)
        note_all_sent(outlet);
    outlet->pumping = false;
}

static void pump_now(weir__task *task)
{
    struct weir__outlet *outlet = WEIR__CONTAINER(task, struct weir__outlet, late);
    weir__outlet_pump(outlet);
    if (outlet->on->pumped != NULL)
        outlet->on->pumped(outlet);
}

void weir__outlet_pump_late(struct weir__outlet *outlet)
{
    weir__task_post_late(loop_of(outlet), &outlet->late);
}

void weir__outlet_on_sent(struct weir__outlet *outlet, int status, size_t size)
{
    if (outlet->io == NULL)
        return;
    if (status != WEIR_OK) {
        fail(outlet, status);
        return;
    }
    account(outlet, size);
    weir__outlet_pump(outlet);
}

/* --- life --- */

void weir__outlet_init(struct weir__outlet *outlet, weir_endpoint *endpoint,
                       const struct weir__outlet_events *on,
                       const struct weir__outlet_options *options)
{
    *outlet = (struct weir__outlet){
        .on = on,
        .endpoint = endpoint,
        .high_water = options->high_water,
    };
    weir__channel_init(&outlet->outgoing, options->loop, &kind, options->capacity,
                       options->overflow);
    weir__message_lock_init(&outlet->lock);
    weir__flush_init(&outlet->flush);
    weir__task_init(&outlet->late, pump_now);
}

void weir__outlet_stop(struct weir__outlet *outlet, int status)
{
    outlet->io = NULL;
    weir__task_cancel(&outlet->late);
    weir_channel_close(&outlet->outgoing, WEIR_CLOSED);
    weir__channel_drain(&outlet->outgoing);
    weir__flush_end(&outlet->flush, status);
}

void weir__outlet_release(struct weir__outlet *outlet)
{
    end_output(outlet);
}

void weir__outlet_fini(struct weir__outlet *outlet)
{
    outlet->io = NULL;
    weir__task_cancel(&outlet->late);
    weir__channel_fini(&outlet->outgoing);
    weir__message_lock_fini(&outlet->lock);
    weir__flush_end(&outlet->flush, WEIR_CANCELLED);
    weir__flush_fini(&outlet->flush);
    end_output(outlet);
}
