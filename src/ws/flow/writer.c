#include "ws/flow/half.h"
#include "ws/flow/limits.h"
#include "ws/flow/outlet.h"

#include <string.h>
#include <weir/writer.h>

struct weir_writer {
    struct weir__half half;
    struct weir__outlet outlet;
    int end_status; /* what a flush after the end returns */
    bool lost;      /* the stream is closing: its memory may be in use until it is closed */
};

static weir_loop *loop_of(const weir_writer *writer)
{
    return writer->outlet.outgoing.loop;
}

static void discard(weir_writer *writer)
{
    weir__outlet_fini(&writer->outlet);
    weir__half_fini(&writer->half);
    weir__loop_free(loop_of(writer), writer, sizeof *writer);
}

/* --- ending --- */

static void leave_scope(weir_writer *writer)
{
    if (weir__half_end(&writer->half))
        discard(writer);
}

/* Nothing more is written, and nothing is pending. The job ends in a context of its own: stop() may
 * be called from inside the outlet. */
static void stop(weir_writer *writer, int status)
{
    if (writer->half.stream == NULL)
        return;
    weir__outlet_stop(&writer->outlet, status);
    weir__stream_leave_writing(writer->half.stream);
    writer->half.stream = NULL;
    writer->end_status = status;
    weir__task_post(loop_of(writer), &writer->half.again);
}

static void abandon(weir_writer *writer)
{
    if (writer->half.stream == NULL)
        return;
    if (weir__io_is_sending(&writer->half.stream->io))
        weir__stream_break(writer->half.stream); /* which calls note_closing() soon */
    else
        stop(writer, WEIR_CANCELLED);
}

static void finish(weir_writer *writer)
{
    int status = weir__stream_shut(writer->half.stream);
    stop(writer, status == WEIR_OK ? WEIR_CLOSED : status);
}

/* Its inbox is closed, and all that was in it has gone out. */
static bool is_done(const weir_writer *writer)
{
    return writer->outlet.io != NULL && weir__channel_is_closed(&writer->outlet.outgoing) &&
           writer->outlet.outgoing.count == 0 && weir__outlet_unsent(&writer->outlet) == 0 &&
           !weir__outlet_is_stuck(&writer->outlet);
}

static void look_for_end(weir__task *task)
{
    weir_writer *writer = WEIR__CONTAINER(task, weir_writer, half.again);
    if (writer->half.stream == NULL) {
        if (!writer->lost)
            leave_scope(writer);
        return;
    }
    if (weir_endpoint_output_ended(
            &writer->half.endpoint)) /* what is queued behind a Close is dropped */
        weir__channel_drain(&writer->outlet.outgoing);
    if (is_done(writer))
        finish(writer);
}

static void cancel(struct weir__job *job)
{
    abandon(WEIR__CONTAINER(job, weir_writer, half.job));
}

static const struct weir__job_ops job_ops = {cancel};

/* --- events of the outlet and the stream --- */

static weir_writer *writer_of_outlet(struct weir__outlet *outlet)
{
    return WEIR__CONTAINER(outlet, weir_writer, outlet);
}

static void note_sent(struct weir__outlet *outlet, const weir_frame *frame)
{
    weir_writer *writer = writer_of_outlet(outlet);
    (void)frame; /* a Close: nothing else is watched */
    weir_channel_close(&outlet->outgoing, WEIR_CLOSED);
    weir__task_post(loop_of(writer), &writer->half.again);
}

/* It never owes a control frame: the reader handles what arrives. */
static void append_control(struct weir__outlet *outlet, weir_buffer *to)
{
    (void)outlet, (void)to;
}

static void note_drained(struct weir__outlet *outlet)
{
    weir_writer *writer = writer_of_outlet(outlet);
    if (is_done(writer))
        weir__task_post(loop_of(writer), &writer->half.again);
}

/* If memory is missing, the stream still works, but a frame may be cut. Then the peer must not wait
 * for the rest of it, and nothing may be written behind it. */
static void note_failed(struct weir__outlet *outlet, int status)
{
    weir_writer *writer = writer_of_outlet(outlet);
    if (status != WEIR_ENOMEM) {
        stop(writer, status);
        return;
    }
    weir__stream_break(writer->half.stream);
    writer->end_status = status;
}

static const struct weir__outlet_events outlet_events = {
    .sent = note_sent, .control = append_control, .drained = note_drained, .failed = note_failed};

static weir_writer *writer_of(struct weir__stream_half *half)
{
    return WEIR__CONTAINER(half, weir_writer, half.on_stream);
}

static void take_drained(struct weir__stream_half *half, int status)
{
    weir__outlet_on_drained(&writer_of(half)->outlet, status);
}

static void take_sent(struct weir__stream_half *half, int status, size_t size)
{
    weir__outlet_on_sent(&writer_of(half)->outlet, status, size);
}

static void note_closing(struct weir__stream_half *half)
{
    weir_writer *writer = writer_of(half);
    weir__outlet_stop(&writer->outlet, WEIR_CANCELLED);
    writer->end_status = WEIR_CANCELLED;
    writer->half.stream = NULL;
    writer->lost = true;
}

static void note_closed(struct weir__stream_half *half)
{
    leave_scope(writer_of(half));
}

static const struct weir__stream_half_events half_events = {.on_sent = take_sent,
                                                            .on_drained = take_drained,
                                                            .on_closing = note_closing,
                                                            .on_closed = note_closed};

/* --- starting --- */

static int make(weir_writer **out, weir_loop *loop, const weir_writer_options *options)
{
    const struct weir__outlet_options outlet = {
        .loop = loop,
        .overflow = WEIR_OVERFLOW_SUSPEND,
        .capacity = weir__capacity(options->capacity),
        .high_water = weir__high_water(options->high_water),
    };
    weir_writer *writer = weir__loop_alloc(loop, sizeof *writer);
    if (writer == NULL)
        return WEIR_ENOMEM;
    memset(writer, 0, sizeof *writer);
    int status = weir__half_init(&writer->half, loop, options->role, &half_events, look_for_end);
    if (status != WEIR_OK) {
        weir__loop_free(loop, writer, sizeof *writer);
        return status;
    }
    weir__outlet_init(&writer->outlet, &writer->half.endpoint, &outlet_events, &outlet);
    *out = writer;
    return WEIR_OK;
}

int weir_writer_start(weir_writer **out, weir_scope *scope, weir_stream *stream,
                      const weir_writer_options *options)
{
    static const weir_writer_options defaults;
    weir_writer *writer;
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options == NULL)
        options = &defaults;
    if (scope == NULL || stream == NULL || options->capacity > WEIR__CHANNEL_CAPACITY_MAX)
        return WEIR_EINVAL;
    int status = make(&writer, scope->loop, options);
    if (status != WEIR_OK)
        return status;
    status = weir__half_enter(&writer->half, scope, stream, &job_ops, NULL);
    if (status != WEIR_OK) {
        discard(writer);
        return status;
    }
    writer->outlet.io = &stream->io;
    *out = writer;
    return WEIR_OK;
}

/* --- the handle --- */

weir_channel *weir_writer_outgoing(weir_writer *writer)
{
    return &writer->outlet.outgoing;
}

int weir_writer_send(weir_writer *writer, weir_frame *frame)
{
    if (writer == NULL || frame == NULL)
        return WEIR_EINVAL;
    weir_frame own = *frame;
    *frame = (weir_frame){0};
    if ((own.size == 0 || own.data != NULL) && weir_frame_type_from_opcode(own.type) >= 0)
        return weir_channel_send(&writer->outlet.outgoing, &own);
    weir_frame_release(&own);
    return WEIR_EINVAL;
}

int weir_writer_flush(weir_writer *writer)
{
    if (writer == NULL)
        return WEIR_EINVAL;
    return writer->outlet.io == NULL ? writer->end_status : weir__outlet_flush(&writer->outlet);
}

void weir_writer_shutdown(weir_writer *writer)
{
    weir_channel_close(&writer->outlet.outgoing, WEIR_CLOSED);
    if (writer->half.stream != NULL)
        weir__task_post(loop_of(writer), &writer->half.again);
}

bool weir_writer_masking(const weir_writer *writer)
{
    return weir_endpoint_masking(&writer->half.endpoint);
}

void weir_writer_set_masking(weir_writer *writer, bool masking)
{
    weir_endpoint_set_masking(&writer->half.endpoint, masking);
}

size_t weir_writer_queued_bytes(const weir_writer *writer)
{
    return weir__outlet_queued_bytes(&writer->outlet);
}

void weir_writer_free(weir_writer *writer)
{
    if (writer == NULL)
        return;
    writer->half.handed_out = false;
    if (writer->half.over)
        discard(writer);
    else
        abandon(writer);
}
