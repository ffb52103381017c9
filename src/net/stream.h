/* net/stream.h - the inside of a stream: an io, and what coroutines need to wait for it.
 * Single-threaded.
 *
 * A stream is used in one of two ways:
 *   - by coroutines, through weir/stream.h: what that needs stands in `direct`, made when it is
 *     first used;
 *   - by an actor, which takes the io over: from then on it uses weir__io_* on &stream->io, and
 *     finds itself by WEIR__CONTAINER(io, weir_stream, io)->owner.
 * An idle session pays for this struct, so it is small. TLS and in-memory streams differ only in
 * io.ops. */
#ifndef WEIR_NET_STREAM_H
#define WEIR_NET_STREAM_H

#include "rt/io.h"

#include <weir/stream.h>

struct weir__stream_direct;

struct weir_stream {
    weir__io io;
    void *owner; /* the actor that took it; NULL: coroutines use it */
    struct weir__stream_direct
        *direct; /* NULL until a coroutine reads or writes, and for an actor */
};

/* What a stream had read and no user has taken yet. */
struct weir__stream_rest {
    weir__buf *buf; /* a reference, to be dropped by weir__buf_unref(); NULL: nothing */
    uint8_t *data;  /* in buf */
    size_t size;
    int end_status; /* WEIR_OK: not ended; else what on_end would say: it will not come again */
};

/* Whether an actor may take a stream over: no coroutine is suspended in it, and it was not broken
 * by a cancelled write. */
bool weir__stream_is_takeable(const weir_stream *stream);

/* Hands a stream over to an actor. It is not receiving then, unless the actor before had left it
 * so. From one actor to the next *rest is empty. The actor ends it in one of two ways:
 *   - weir__io_close(&stream->io), and weir__stream_free() in on_closed;
 *   - as long as it has no send pending: weir_stream_close() or weir_stream_reset(), after which no
 *     event comes. */
void weir__stream_take(weir_stream *stream, const struct weir__io_events *on, void *owner,
                       struct weir__stream_rest *rest);

/* An actor that has one direction of a stream to itself, beside coroutines or another such actor in
 * the other one. The stream stays its user's. */
struct weir__stream_half {
    const struct weir__stream_half_events *on;
};

struct weir__stream_half_events {
    /* Of the reading half, as in weir__io_events: it calls weir__io_recv_start() and
     * weir__io_recv_stop(). */
    void (*on_data)(struct weir__stream_half *half, weir__buf *buf, uint8_t *data, size_t size);
    void (*on_end)(struct weir__stream_half *half, int status);
    /* Of the writing half: it calls weir__io_send(). */
    void (*on_sent)(struct weir__stream_half *half, int status, size_t size);
    /* The same, and it calls weir__io_await_drained(). NULL: it does not. */
    void (*on_drained)(struct weir__stream_half *half, int status);
    /* The stream is being closed: its io is not to be used any more. Comes from inside the call
     * that closes. */
    void (*on_closing)(struct weir__stream_half *half);
    /* The stream is closed, after on_closing: bytes of the half are not looked at any more. The
     * half has left. */
    void (*on_closed)(struct weir__stream_half *half);
};

/* Enters a direction. For reading: *rest is what was read before, as in weir__stream_take().
 * Errors: WEIR_ESTATE (the direction has a user, or an actor has the whole stream), WEIR_CANCELLED
 * (the stream is broken), WEIR_ENOMEM. */
WEIR_MUST_USE int weir__stream_enter_reading(weir_stream *stream, struct weir__stream_half *half,
                                             struct weir__stream_rest *rest);
WEIR_MUST_USE int weir__stream_enter_writing(weir_stream *stream, struct weir__stream_half *half);

/* Leaves it again; for writing: no send is pending. */
void weir__stream_leave_reading(weir_stream *stream);
void weir__stream_leave_writing(weir_stream *stream);

/* Ends the write side, once. For the writing half. */
WEIR_MUST_USE int weir__stream_shut(weir_stream *stream);

/* Resets a connection when it is not known how much of the last write is out. The stream can then
 * only be closed. */
void weir__stream_break(weir_stream *stream);

/* Puts bytes that were read from a stream back in front of what comes next. Errors: WEIR_ENOMEM,
 * nothing is put back. */
WEIR_MUST_USE int weir__stream_put_back(weir_stream *stream, const void *data, size_t size);

/* Frees the memory of a stream whose io is closed, or was never opened. */
void weir__stream_free(weir_stream *stream);

/* A stream for coroutines, whose io is initialised and not yet open. NULL: no memory. */
weir_stream *weir__stream_new(weir_loop *loop);

/* Gives a stream (back) to coroutines: what happens on its io is theirs. */
void weir__stream_leave(weir_stream *stream);

/* A test's transport over every stream that a server has accepted or a client has connected; NULL
 * outside of tests. Set it while no other thread uses a loop. Takes raw. Returns the stream above
 * it; NULL: no memory, and raw is reset. */
extern weir_stream *(*weir__stream_layer)(weir_stream *raw);

/* The stream (Takes) with what weir__stream_layer puts over it. */
static inline weir_stream *weir__stream_layered(weir_stream *raw)
{
    return __builtin_expect(weir__stream_layer == NULL, 1) ? raw : weir__stream_layer(raw);
}

/* The address of either end of an io; on failure *out is zeroed. */
WEIR_MUST_USE int weir__stream_ask_address(const weir__io *io, bool peer, weir_address *out);

#endif
