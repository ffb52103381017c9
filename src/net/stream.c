#include "net/stream.h"

#include "rt/backlog.h"
#include "rt/coroutine.h"

#include <errno.h>
#include <string.h>

/* A coroutine that reads. It stands on that coroutine's stack, and all that it needs after it
 * wakes stands in it: the stream may be gone by then. */
struct reader {
    struct weir__wait wait;
    struct weir__stream_direct *direct;
    weir__io *io;
    uint8_t *out;
    size_t size;
    size_t got;
};

/* A coroutine that writes. */
struct writer {
    struct weir__wait wait;
    const uint8_t *data;
    size_t size;
    bool has_begun;   /* it has been suspended: bytes may be out */
    bool is_waiting;  /* it is suspended now */
    bool is_detached; /* the stream was closed by another user: it is not to be touched any more */
    bool is_released; /* the io is closed: the bytes are not looked at any more */
};

struct weir__stream_direct {
    struct reader *reader;             /* suspended; NULL: none is */
    struct writer *writer;             /* in the middle of a write; NULL: none is */
    struct weir__stream_half *reading; /* an actor that has the direction to itself; NULL: none */
    struct weir__stream_half *writing;
    struct weir__backlog held; /* what was read and not yet taken */
    int end_status;            /* how the read side ended; WEIR_OK: it has not */
    bool is_shut;              /* the write side was ended */
    bool is_broken;            /* a write was cancelled: the io is closing, or closed */
    bool is_closed;            /* on_closed has come */
    bool is_abandoned;         /* the user has closed it: on_closed frees it */
};

weir_stream *(*weir__stream_layer)(weir_stream *raw);

static weir_stream *stream_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io);
}

/* --- what happens on the io --- */

static void wake_reader(struct weir__stream_direct *direct, int status)
{
    struct reader *reader = direct->reader;
    direct->reader = NULL;
    if (reader != NULL)
        weir__wait_wake(&reader->wait, status);
}

/* Whether coroutines still use the stream after one of them ran, from inside a callback: its
 * memory is there in any case. */
static bool is_ours(const weir_stream *stream);

static void take_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    weir_stream *stream = stream_of(io);
    struct weir__stream_direct *direct = stream->direct;
    struct reader *reader = direct->reader;
    if (direct->reading != NULL) {
        direct->reading->on->on_data(direct->reading, buf, data, size);
        return;
    }
    reader->got = size < reader->size ? size : reader->size;
    memcpy(reader->out, data, reader->got);
    if (reader->got < size)
        weir__backlog_keep(&direct->held, buf, data + reader->got, size - reader->got);
    direct->reader = NULL;
    weir__wait_wake_now(&reader->wait, WEIR_OK);
    /* Receiving goes on only while a coroutine or a half reads. So the peer has to wait, and an
     * end-of-file is found by the next reader, which may be an actor. */
    if (is_ours(stream) && stream->direct->reader == NULL && stream->direct->reading == NULL)
        weir__io_recv_stop(io);
}

static void take_end(weir__io *io, int status)
{
    struct weir__stream_direct *direct = stream_of(io)->direct;
    struct reader *reader = direct->reader;
    direct->end_status = status;
    if (direct->reading != NULL) {
        direct->reading->on->on_end(direct->reading, status);
        return;
    }
    direct->reader = NULL;
    weir__wait_wake_now(&reader->wait, status);
}

static void take_sent(weir__io *io, int status, size_t size)
{
    struct weir__stream_direct *direct = stream_of(io)->direct;
    struct writer *writer = direct->writer;
    if (direct->writing != NULL) {
        direct->writing->on->on_sent(direct->writing, status, size);
        return;
    }
    writer->data += size;
    writer->size -= size;
    if (!writer->is_waiting) /* it was cancelled, and has not run since */
        return;
    writer->is_waiting = false;
    weir__wait_wake_now(&writer->wait, status);
}

/* Only a half asks for it, and takes it back when it leaves. */
static void take_drained(weir__io *io, int status)
{
    struct weir__stream_half *writing = stream_of(io)->direct->writing;
    writing->on->on_drained(writing, status);
}

static void notify_closed(struct weir__stream_half **slot)
{
    struct weir__stream_half *half = *slot;
    *slot = NULL;
    if (half != NULL)
        half->on->on_closed(half);
}

static void notify_closing(const struct weir__stream_direct *direct)
{
    if (direct->reading != NULL)
        direct->reading->on->on_closing(direct->reading);
    if (direct->writing != NULL)
        direct->writing->on->on_closing(direct->writing);
}

static void take_closed(weir__io *io)
{
    weir_stream *stream = stream_of(io);
    struct weir__stream_direct *direct = stream->direct;
    struct writer *writer = direct != NULL ? direct->writer : NULL;
    if (writer != NULL) {
        writer->is_released = true;
        if (writer->is_waiting)
            weir__wait_wake(&writer->wait, WEIR_CANCELLED);
        writer->is_waiting = false;
    }
    if (direct != NULL) {
        notify_closed(&direct->reading);
        notify_closed(&direct->writing);
    }
    if (direct == NULL || direct->is_abandoned)
        weir__stream_free(stream);
    else
        direct->is_closed = true;
}

static const struct weir__io_events stream_events = {
    .on_data = take_data,
    .on_end = take_end,
    .on_sent = take_sent,
    .on_drained = take_drained,
    .on_closed = take_closed,
};

static bool is_ours(const weir_stream *stream)
{
    return stream->io.on == &stream_events && stream->direct != NULL &&
           !stream->direct->is_abandoned && !stream->direct->is_broken;
}

/* --- life --- */

weir_stream *weir__stream_new(weir_loop *loop)
{
    weir_stream *stream = weir__loop_alloc(loop, sizeof *stream);
    if (stream == NULL)
        return NULL;
    memset(stream, 0, sizeof *stream);
    weir__io_init(&stream->io, loop, &stream_events);
    return stream;
}

static void free_direct(weir_stream *stream)
{
    struct weir__stream_direct *direct = stream->direct;
    stream->direct = NULL;
    if (direct == NULL)
        return;
    weir__backlog_release(&direct->held);
    weir__loop_free(stream->io.loop, direct, sizeof *direct);
}

void weir__stream_free(weir_stream *stream)
{
    free_direct(stream);
    weir__loop_free(stream->io.loop, stream, sizeof *stream);
}

void weir__stream_leave(weir_stream *stream)
{
    weir__io_cancel_drained(&stream->io);
    stream->owner = NULL;
    stream->io.on = &stream_events;
}

int weir__stream_put_back(weir_stream *stream, const void *data, size_t size)
{
    return weir__backlog_put_front(&stream->direct->held, stream->io.loop, data, size);
}

static struct weir__stream_rest take_rest(struct weir__stream_direct *direct)
{
    struct weir__backlog held = weir__backlog_take(&direct->held);
    return (struct weir__stream_rest){
        .buf = held.buf, .data = held.data, .size = held.size, .end_status = direct->end_status};
}

bool weir__stream_is_takeable(const weir_stream *stream)
{
    const struct weir__stream_direct *direct = stream->direct;
    return direct == NULL ||
           (direct->reader == NULL && direct->writer == NULL && direct->reading == NULL &&
            direct->writing == NULL && !direct->is_broken);
}

void weir__stream_take(weir_stream *stream, const struct weir__io_events *on, void *owner,
                       struct weir__stream_rest *rest)
{
    struct weir__stream_direct *direct = stream->direct;
    *rest = (struct weir__stream_rest){.end_status = WEIR_OK};
    if (direct != NULL) {
        *rest = take_rest(direct);
        free_direct(stream);
        weir__io_recv_stop(&stream->io);
    }
    weir__io_cancel_drained(&stream->io);
    stream->io.on = on;
    stream->owner = owner;
}

/* A writer that is suspended wakes when the io is closed, and not before. */
static void abandon(weir_stream *stream, bool reset)
{
    struct weir__stream_direct *direct = stream->direct;
    weir__stream_leave(stream);
    if (direct != NULL) {
        direct->is_abandoned = true;
        wake_reader(direct, WEIR_CANCELLED);
        if (direct->writer != NULL)
            direct->writer->is_detached = true;
        if (direct->is_closed) {
            weir__stream_free(stream);
            return;
        }
        if (!direct->is_broken)
            notify_closing(direct);
    }
    weir__io_close(&stream->io, reset);
}

void weir_stream_close(weir_stream *stream)
{
    if (stream != NULL)
        abandon(stream, false);
}

void weir_stream_reset(weir_stream *stream)
{
    if (stream != NULL)
        abandon(stream, true);
}

/* What coroutines need to use a stream. Made when it is first used. */
static int open_direct(weir_stream *stream, struct weir__stream_direct **out)
{
    if (stream->owner != NULL)
        return WEIR_ESTATE;
    if (stream->direct == NULL) {
        stream->direct = weir__loop_alloc(stream->io.loop, sizeof *stream->direct);
        if (stream->direct == NULL)
            return WEIR_ENOMEM;
        memset(stream->direct, 0, sizeof *stream->direct);
    }
    *out = stream->direct;
    return stream->direct->is_broken ? WEIR_CANCELLED : WEIR_OK;
}

/* --- reading --- */

static void withdraw_reader(struct weir__wait *wait)
{
    struct reader *reader = WEIR__CONTAINER(wait, struct reader, wait);
    reader->direct->reader = NULL;
    weir__io_recv_stop(reader->io);
}

static int await_data(weir_stream *stream, struct reader *reader)
{
    int status = weir__wait_init(&reader->wait, "stream read", withdraw_reader);
    if (status == WEIR_OK)
        status = weir__io_recv_start(&stream->io);
    if (status != WEIR_OK)
        return status;
    stream->direct->reader = reader;
    return weir__wait_suspend(&reader->wait);
}

int weir_stream_read(weir_stream *stream, void *out, size_t size, size_t *got)
{
    struct weir__stream_direct *direct;
    if (got != NULL)
        *got = 0;
    if (stream == NULL || out == NULL || size == 0 || got == NULL)
        return WEIR_EINVAL;
    int status = open_direct(stream, &direct);
    if (status != WEIR_OK)
        return status;
    if (direct->reader != NULL || direct->reading != NULL)
        return WEIR_ESTATE;
    *got = weir__backlog_read(&direct->held, out, size);
    if (*got > 0)
        return WEIR_OK;
    if (direct->end_status != WEIR_OK)
        return direct->end_status;
    struct reader reader = {.direct = direct, .io = &stream->io, .out = out, .size = size};
    status = await_data(stream, &reader);
    *got = reader.got;
    return status;
}

int weir_stream_read_exactly(weir_stream *stream, void *out, size_t size)
{
    uint8_t *to = out;
    size_t sum = 0;
    if (stream == NULL || (out == NULL && size > 0))
        return WEIR_EINVAL;
    while (sum < size) {
        size_t got;
        int status = weir_stream_read(stream, to + sum, size - sum, &got);
        if (status != WEIR_OK)
            return status == WEIR_CLOSED && sum > 0 ? WEIR_ELOST : status;
        sum += got;
    }
    return WEIR_OK;
}

/* --- writing --- */

static void withdraw_writer(struct weir__wait *wait)
{
    WEIR__CONTAINER(wait, struct writer, wait)->is_waiting = false;
}

static int suspend_writer(struct writer *writer)
{
    writer->is_waiting = true;
    return weir__wait_suspend(&writer->wait);
}

/* Until the io is closed the kernel may look at the bytes, which are the caller's. Another user
 * that closes the stream meanwhile frees it. */
static void await_closed(struct writer *writer)
{
    if (writer->is_released)
        return;
    writer->wait = (struct weir__wait){.coroutine = weir__coroutine_current(),
                                       .what = "stream write, closing"};
    (void)suspend_writer(writer);
}

void weir__stream_break(weir_stream *stream)
{
    stream->direct->is_broken = true;
    wake_reader(stream->direct, WEIR_CANCELLED);
    notify_closing(stream->direct);
    weir__io_close(&stream->io, true);
}

/* One send, and waiting for what it left. */
static int write_some(weir_stream *stream, struct writer *writer)
{
    int status = weir__wait_init(&writer->wait, "stream write", withdraw_writer);
    if (status != WEIR_OK)
        return status;
    struct iovec piece = {(void *)(uintptr_t)writer->data, writer->size};
    int64_t taken = weir__io_send(&stream->io, &piece, 1);
    if (taken < 0)
        return (int)taken;
    writer->data += taken;
    writer->size -= (size_t)taken;
    if (writer->size == 0)
        return WEIR_OK;
    writer->has_begun = true;
    return suspend_writer(writer);
}

static int write_all(weir_stream *stream, struct writer *writer)
{
    int status = WEIR_OK;
    while (writer->size > 0 && status == WEIR_OK && !writer->is_detached)
        status = write_some(stream, writer);
    if (writer->is_detached)
        status = WEIR_CANCELLED;
    else if (status == WEIR_CANCELLED && writer->has_begun)
        weir__stream_break(stream);
    if (status == WEIR_CANCELLED && writer->has_begun)
        await_closed(writer);
    return status;
}

int weir_stream_write(weir_stream *stream, const void *data, size_t size)
{
    struct weir__stream_direct *direct;
    if (stream == NULL || (data == NULL && size > 0))
        return WEIR_EINVAL;
    int status = open_direct(stream, &direct);
    if (status != WEIR_OK)
        return status;
    if (direct->writer != NULL || direct->writing != NULL)
        return WEIR_ESTATE;
    if (direct->is_shut && size > 0)
        return WEIR_SYSTEM(EPIPE);
    struct writer writer = {.data = data, .size = size};
    direct->writer = &writer;
    status = write_all(stream, &writer);
    if (!writer.is_detached)
        direct->writer = NULL;
    return status;
}

int weir_stream_shutdown(weir_stream *stream)
{
    struct weir__stream_direct *direct;
    if (stream == NULL)
        return WEIR_EINVAL;
    int status = open_direct(stream, &direct);
    if (status != WEIR_OK || direct->is_shut)
        return status;
    if (direct->writer != NULL || direct->writing != NULL)
        return WEIR_ESTATE;
    return weir__stream_shut(stream);
}

/* --- halves --- */

int weir__stream_shut(weir_stream *stream)
{
    struct weir__stream_direct *direct = stream->direct;
    if (direct->is_shut)
        return WEIR_OK;
    int status = weir__io_shutdown(&stream->io);
    direct->is_shut = status == WEIR_OK;
    return status;
}

int weir__stream_enter_reading(weir_stream *stream, struct weir__stream_half *half,
                               struct weir__stream_rest *rest)
{
    struct weir__stream_direct *direct;
    int status = open_direct(stream, &direct);
    if (status != WEIR_OK)
        return status;
    if (direct->reader != NULL || direct->reading != NULL)
        return WEIR_ESTATE;
    *rest = take_rest(direct);
    direct->reading = half;
    return WEIR_OK;
}

int weir__stream_enter_writing(weir_stream *stream, struct weir__stream_half *half)
{
    struct weir__stream_direct *direct;
    int status = open_direct(stream, &direct);
    if (status != WEIR_OK)
        return status;
    if (direct->writer != NULL || direct->writing != NULL)
        return WEIR_ESTATE;
    direct->writing = half;
    return WEIR_OK;
}

void weir__stream_leave_reading(weir_stream *stream)
{
    stream->direct->reading = NULL;
    weir__io_recv_stop(&stream->io);
}

void weir__stream_leave_writing(weir_stream *stream)
{
    stream->direct->writing = NULL;
    weir__io_cancel_drained(&stream->io);
}

/* --- small answers --- */

weir_loop *weir_stream_loop(const weir_stream *stream)
{
    return stream->io.loop;
}

int weir_stream_keep_alive(weir_stream *stream, unsigned idle_s, unsigned interval_s)
{
    if (stream == NULL)
        return WEIR_EINVAL;
    return weir__io_keep_alive(&stream->io, idle_s, interval_s);
}

int weir__stream_ask_address(const weir__io *io, bool peer, weir_address *out)
{
    weir__io *asked = (weir__io *)(uintptr_t)io; /* asking changes nothing in it */
    out->size = sizeof out->storage;
    int status = peer ? weir__io_peer_address(asked, &out->storage, &out->size)
                      : weir__io_local_address(asked, &out->storage, &out->size);
    if (status != WEIR_OK)
        memset(out, 0, sizeof *out);
    return status;
}

static int ask_address(const weir_stream *stream, bool peer, weir_address *out)
{
    if (out == NULL)
        return WEIR_EINVAL;
    memset(out, 0, sizeof *out);
    return stream == NULL ? WEIR_EINVAL : weir__stream_ask_address(&stream->io, peer, out);
}

int weir_stream_local_address_get(weir_address *out, const weir_stream *stream)
{
    return ask_address(stream, false, out);
}

int weir_stream_peer_address_get(weir_address *out, const weir_stream *stream)
{
    return ask_address(stream, true, out);
}
