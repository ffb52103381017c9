#include "net/stream.h"
#include "ws/session/session.h"

#include <string.h>
#include <weir/writer.h>

struct weir_writer {
    struct weir__job job;
    struct weir__stream_half half;
    weir_stream *stream; /* NULL: not entered yet, or left, or lost */
    weir_endpoint_options options;
    weir_endpoint endpoint;
    struct weir__outlet outlet;
    weir__task again; /* queued: look whether it has ended */
    int end_status;   /* what a flush after the end returns */
    bool lost;        /* the stream is closing: its memory may be in use until it is closed */
    bool handed_out;  /* the user has the handle */
    bool over;        /* has left its scope */
};

static weir_loop *loop_of(const weir_writer *writer)
{
    return writer->outlet.outgoing.loop;
}

static void discard(weir_writer *writer)
{
    weir__task_cancel(&writer->again);
    weir__outlet_fini(&writer->outlet);
    weir__endpoint_fini(&writer->endpoint);
    weir__loop_free(loop_of(writer), writer, sizeof *writer);
}

/* --- ending --- */

static void leave_scope(weir_writer *writer)
{
    writer->over = true;
    weir__scope_detach(&writer->job, WEIR_OK);
    if (!writer->handed_out)
        discard(writer);
}

/* Nothing more is written, and nothing is pending. The job ends in a context of its own, for this may come from inside the outlet. */
static void stop(weir_writer *writer, int status)
{
    if (writer->stream == NULL)
        return;
    weir__outlet_stop(&writer->outlet, status);
    weir__stream_leave_writing(writer->stream);
    writer->stream = NULL;
    writer->end_status = status;
    weir__task_post(loop_of(writer), &writer->again);
}

static void abandon(weir_writer *writer)
{
    if (writer->stream == NULL)
        return;
    if (weir__io_is_sending(&writer->stream->io))
        weir__stream_break(writer->stream); /* and we hear of it: lose_stream() */
    else
        stop(writer, WEIR_CANCELLED);
}

static void finish(weir_writer *writer)
{
    int status = weir__stream_shut(writer->stream);
    stop(writer, status == WEIR_OK ? WEIR_CLOSED : status);
}

/* Its inbox is closed, and all that was in it has gone out. */
static bool is_done(const weir_writer *writer)
{
    return writer->outlet.io != NULL && weir__channel_is_closed(&writer->outlet.outgoing) &&
           writer->outlet.outgoing.count == 0 && weir__outlet_unsent(&writer->outlet) == 0 &&
           !weir__outlet_is_stuck(&writer->outlet);
}

static void update(weir__task *task)
{
    weir_writer *writer = WEIR__CONTAINER(task, weir_writer, again);
    if (writer->stream == NULL) {
        if (!writer->lost)
            leave_scope(writer);
        return;
    }
    if (weir_endpoint_output_ended(
            &writer->endpoint)) /* what is queued behind a Close is dropped */
        weir__channel_drain(&writer->outlet.outgoing);
    if (is_done(writer))
        finish(writer);
}

static void cancel(struct weir__job *job)
{
    abandon(WEIR__CONTAINER(job, weir_writer, job));
}

static const struct weir__job_ops job_ops = {cancel};

/* --- what the outlet and the stream tell --- */

static weir_writer *writer_of_outlet(struct weir__outlet *outlet)
{
    return WEIR__CONTAINER(outlet, weir_writer, outlet);
}

static void note_sent(struct weir__outlet *outlet, const weir_frame *frame)
{
    weir_writer *writer = writer_of_outlet(outlet);
    (void)frame; /* a Close: nothing else is watched */
    weir_channel_close(&outlet->outgoing, WEIR_CLOSED);
    weir__task_post(loop_of(writer), &writer->again);
}

/* Nothing is ever owed: what arrives is the reader's affair. */
static void append_control(struct weir__outlet *outlet, weir_buffer *to)
{
    (void)outlet, (void)to;
}

static void note_drained(struct weir__outlet *outlet)
{
    weir_writer *writer = writer_of_outlet(outlet);
    if (is_done(writer))
        weir__task_post(loop_of(writer), &writer->again);
}

/* Without memory the stream itself is well, but a frame may be cut: a peer must not wait for its rest, nor may others write behind it. */
static void note_failed(struct weir__outlet *outlet, int status)
{
    weir_writer *writer = writer_of_outlet(outlet);
    if (status != WEIR_ENOMEM) {
        stop(writer, status);
        return;
    }
    weir__stream_break(writer->stream);
    writer->end_status = status;
}

static const struct weir__outlet_events outlet_events = {
    .sent = note_sent, .control = append_control, .drained = note_drained, .failed = note_failed};

static weir_writer *writer_of(struct weir__stream_half *half)
{
    return WEIR__CONTAINER(half, weir_writer, half);
}

static void take_sent(struct weir__stream_half *half, int status, size_t size)
{
    weir__outlet_on_sent(&writer_of(half)->outlet, status, size);
}

static void lose_stream(struct weir__stream_half *half)
{
    weir_writer *writer = writer_of(half);
    weir__outlet_stop(&writer->outlet, WEIR_CANCELLED);
    writer->end_status = WEIR_CANCELLED;
    writer->stream = NULL;
    writer->lost = true;
}

static void note_closed(struct weir__stream_half *half)
{
    leave_scope(writer_of(half));
}

static const struct weir__stream_half_events half_events = {
    .on_sent = take_sent, .on_closing = lose_stream, .on_closed = note_closed};

/* --- starting --- */

static int make(weir_writer **out, weir_loop *loop, const weir_writer_options *options)
{
    static const weir_session_options limits;
    const struct weir__outlet_options outlet = {
        .loop = loop,
        .overflow = WEIR_OVERFLOW_SUSPEND,
        .capacity = (uint32_t)(options->capacity != 0 ? options->capacity : WEIR__DEFAULT_CAPACITY),
        .high_water = weir__high_water(options->high_water),
    };
    weir_writer *writer = weir__loop_alloc(loop, sizeof *writer);
    if (writer == NULL)
        return WEIR_ENOMEM;
    memset(writer, 0, sizeof *writer);
    weir__session_endpoint_options(&writer->options, loop, options->role, true, &limits);
    int status = weir__endpoint_init(&writer->endpoint, &writer->options, loop->now_ms);
    if (status != WEIR_OK) {
        weir__loop_free(loop, writer, sizeof *writer);
        return status;
    }
    weir__outlet_init(&writer->outlet, &writer->endpoint, &outlet_events, &outlet);
    weir__task_init(&writer->again, update);
    writer->half.on = &half_events;
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
    status = weir__scope_attach(scope, &writer->job, &job_ops);
    if (status == WEIR_OK) {
        status = weir__stream_enter_writing(stream, &writer->half);
        if (status != WEIR_OK)
            weir__scope_detach(&writer->job, WEIR_OK);
    }
    if (status != WEIR_OK) {
        discard(writer);
        return status;
    }
    writer->handed_out = true;
    writer->stream = stream;
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

void weir_writer_close(weir_writer *writer)
{
    weir_channel_close(&writer->outlet.outgoing, WEIR_CLOSED);
    if (writer->stream != NULL)
        weir__task_post(loop_of(writer), &writer->again);
}

bool weir_writer_masking(const weir_writer *writer)
{
    return weir_endpoint_masking(&writer->endpoint);
}

void weir_writer_set_masking(weir_writer *writer, bool masking)
{
    weir_endpoint_set_masking(&writer->endpoint, masking);
}

size_t weir_writer_queued_bytes(const weir_writer *writer)
{
    return weir__outlet_unsent(&writer->outlet) + writer->outlet.outgoing.bytes;
}

void weir_writer_free(weir_writer *writer)
{
    if (writer == NULL)
        return;
    writer->handed_out = false;
    if (writer->over)
        discard(writer);
    else
        abandon(writer);
}
