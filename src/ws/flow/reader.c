#include "ws/flow/half.h"
#include "ws/flow/inlet.h"
#include "ws/flow/limits.h"

#include <string.h>
#include <weir/reader.h>

struct weir_reader {
    struct weir__half half;
    struct weir__inlet inlet;
    uint64_t max_frame_size;
};

static weir_loop *loop_of(const weir_reader *reader)
{
    return reader->inlet.incoming.loop;
}

static void discard(weir_reader *reader)
{
    weir__inlet_release(&reader->inlet);
    weir__inlet_fini(&reader->inlet);
    weir__half_fini(&reader->half);
    weir__loop_free(loop_of(reader), reader, sizeof *reader);
}

/* --- ending --- */

/* Nothing more is read. The job ends in a context of its own: stop() may be called from inside the
 * inlet. */
static void stop(weir_reader *reader, int status)
{
    weir_channel_close(&reader->inlet.incoming, status);
    if (reader->half.stream == NULL)
        return;
    reader->inlet.io = NULL;
    weir__stream_leave_reading(reader->half.stream);
    reader->half.stream = NULL;
    weir__task_post(loop_of(reader), &reader->half.again);
}

static void abandon(weir_reader *reader)
{
    weir_endpoint_terminate(&reader->half.endpoint);
    weir_channel_cancel(&reader->inlet.incoming);
    weir__inlet_discard(&reader->inlet);
    stop(reader, WEIR_CANCELLED);
}

static int end_status(const weir_reader *reader)
{
    weir_end end;
    weir_endpoint_end_get(&end, &reader->half.endpoint);
    return end.kind == WEIR_END_NONE ? WEIR_CLOSED : end.status; /* NONE: a Close came */
}

static void look_for_end(weir_reader *reader)
{
    if (weir_endpoint_input_ended(&reader->half.endpoint))
        stop(reader, end_status(reader));
}

static void go_on(weir__task *task)
{
    weir_reader *reader = WEIR__CONTAINER(task, weir_reader, half.again);
    if (reader->half.stream != NULL) {
        weir__inlet_go_on(&reader->inlet);
        look_for_end(reader);
        return;
    }
    if (weir__half_end(&reader->half))
        discard(reader);
}

static void cancel(struct weir__job *job)
{
    abandon(WEIR__CONTAINER(job, weir_reader, half.job));
}

static const struct weir__job_ops job_ops = {cancel};

/* --- events of the inlet and the stream --- */

static void update_now(struct weir__inlet *inlet)
{
    look_for_end(WEIR__CONTAINER(inlet, weir_reader, inlet));
}

static void update_later(struct weir__inlet *inlet)
{
    weir__task_post(inlet->incoming.loop, &WEIR__CONTAINER(inlet, weir_reader, inlet)->half.again);
}

static const struct weir__inlet_events inlet_events = {.update = update_now,
                                                       .update_later = update_later};

static weir_reader *reader_of(struct weir__stream_half *half)
{
    return WEIR__CONTAINER(half, weir_reader, half.on_stream);
}

static void take_data(struct weir__stream_half *half, weir__buf *buf, uint8_t *data, size_t size)
{
    weir_reader *reader = reader_of(half);
    weir__inlet_feed(&reader->inlet, buf, data, size);
    look_for_end(reader);
}

static void take_end(struct weir__stream_half *half, int status)
{
    weir_reader *reader = reader_of(half);
    weir_endpoint_eof(&reader->half.endpoint, status == WEIR_CLOSED ? WEIR_OK : status,
                      loop_of(reader)->now_ms);
    look_for_end(reader);
}

static void abandon_at_closing(struct weir__stream_half *half)
{
    abandon(reader_of(half)); /* leaves the stream: on_closed is not called */
}

static const struct weir__stream_half_events half_events = {
    .on_data = take_data, .on_end = take_end, .on_closing = abandon_at_closing};

/* --- starting --- */

static int make(weir_reader **out, weir_loop *loop, const weir_reader_options *options)
{
    const struct weir__inlet_options inlet = {
        .loop = loop,
        .capacity = weir__capacity(options->capacity),
        .high_water = WEIR__DEFAULT_HIGH_WATER,
    };
    weir_reader *reader = weir__loop_alloc(loop, sizeof *reader);
    if (reader == NULL)
        return WEIR_ENOMEM;
    memset(reader, 0, sizeof *reader);
    int status = weir__half_init(&reader->half, loop, options->role, &half_events, go_on);
    if (status != WEIR_OK) {
        weir__loop_free(loop, reader, sizeof *reader);
        return status;
    }
    weir__inlet_init(&reader->inlet, &reader->half.endpoint, &inlet_events, &inlet);
    weir_reader_set_max_frame_size(reader, options->max_frame_size);
    *out = reader;
    return WEIR_OK;
}

/* Takes over what was read before. */
static void begin(weir_reader *reader, weir_stream *stream, const struct weir__stream_rest *rest)
{
    reader->inlet.io = &stream->io;
    int status = rest->end_status != WEIR_OK ? rest->end_status : weir__io_recv_start(&stream->io);
    if (status != WEIR_OK)
        take_end(&reader->half.on_stream, status);
    if (rest->buf == NULL)
        return;
    weir__inlet_keep(&reader->inlet, rest->buf, rest->data, rest->size);
    weir__task_post_late(loop_of(reader), &reader->half.again);
}

int weir_reader_start(weir_reader **out, weir_scope *scope, weir_stream *stream,
                      const weir_reader_options *options)
{
    static const weir_reader_options defaults;
    struct weir__stream_rest rest;
    weir_reader *reader;
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options == NULL)
        options = &defaults;
    if (scope == NULL || stream == NULL || options->capacity > WEIR__CHANNEL_CAPACITY_MAX)
        return WEIR_EINVAL;
    int status = make(&reader, scope->loop, options);
    if (status != WEIR_OK)
        return status;
    status = weir__half_enter(&reader->half, scope, stream, &job_ops, &rest);
    if (status != WEIR_OK) {
        discard(reader);
        return status;
    }
    begin(reader, stream, &rest);
    *out = reader;
    return WEIR_OK;
}

/* --- the handle --- */

weir_channel *weir_reader_incoming(weir_reader *reader)
{
    return &reader->inlet.incoming;
}

uint64_t weir_reader_max_frame_size(const weir_reader *reader)
{
    return reader->max_frame_size;
}

void weir_reader_set_max_frame_size(weir_reader *reader, uint64_t bytes)
{
    reader->max_frame_size = bytes != 0 ? bytes : WEIR_MAX_SIZE_DEFAULT;
    weir_endpoint_set_limits(&reader->half.endpoint, reader->max_frame_size, WEIR_UNLIMITED);
}

void weir_reader_fault_get(weir_fault *out, const weir_reader *reader)
{
    weir_end end;
    weir_endpoint_end_get(&end, &reader->half.endpoint);
    *out = end.fault;
}

void weir_reader_free(weir_reader *reader)
{
    if (reader == NULL)
        return;
    reader->half.handed_out = false;
    if (reader->half.over)
        discard(reader);
    else
        abandon(reader);
}
