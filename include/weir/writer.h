/** @file
 * weir/writer.h - the sending half of a raw session by itself: a bounded channel of frames in, coalesced writes to a stream
 * out (RFC 6455 5). The model's WebSocketWriter.
 *
 * An actor without a stack that has a stream's writing direction to itself; the other direction is free, for a weir_reader
 * or for weir_stream_read(). Frames are written in order, once a turn of the loop, large payloads uncopied. Everything here
 * belongs to the stream's loop and its thread. */
#ifndef WEIR_WRITER_H
#define WEIR_WRITER_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/frame.h>
#include <weir/scope.h>
#include <weir/stream.h>

WEIR_BEGIN_DECLS

/** A writer. */
typedef struct weir_writer weir_writer;

/** Zeroed: a server's, with the defaults. */
typedef struct weir_writer_options {
    enum weir_role role; /**< which end this is: a client masks what it sends, a server does not */
    size_t capacity;     /**< frames that queue while the peer does not read, 1..1,048,576; 0: 8 */
    size_t
        high_water; /**< bytes not yet taken by the kernel at which frames queue; 0: 1 MiB; WEIR_UNLIMITED: none */
} weir_writer_options;

/** Starts to write frames to a stream that the opening handshake is done on. Keeps the stream until the writer has ended; it
 * stays the caller's, who closes it. The writer is a child of scope: cancelling that ends it, and resets the connection if a
 * write is under way. options NULL: all defaults. The handle is the caller's until weir_writer_free(). Does not suspend.
 * Errors: WEIR_EINVAL, WEIR_ESTATE (somebody writes to the stream), WEIR_CANCELLED (the scope is, or the stream was broken),
 * WEIR_ENOMEM. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_start(weir_writer **out, weir_scope *scope,
                                                      weir_stream *stream,
                                                      const weir_writer_options *options);

/** The channel of frames (items are weir_frame), for weir_select(). A frame that borrows its bytes is copied if it has to
 * queue. A writer does not notice when the channel itself is closed: weir_writer_shutdown() ends it. Lends it as long as the
 * handle. */
WEIR_INTERNAL_API weir_channel *weir_writer_outgoing(weir_writer *writer);

/** **Suspends** while the queue is full. Takes the frame, whether it succeeds or not, and empties *frame. After a Close frame
 * nothing more is written: when it has gone out, the writing direction of the stream is ended, and so is the writer. A later
 * fragment gets opcode 0, whatever its type says. Errors: WEIR_CLOSED (a Close was sent, or the writer has ended),
 * WEIR_EINVAL (malformed control frame, changed type in mid-message), WEIR_CANCELLED, WEIR_ENOMEM, WEIR_ESTATE. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_send(weir_writer *writer, weir_frame *frame);

/** **Suspends** until everything sent before it was handed to the kernel. After the end: returns at once how it ended,
 * WEIR_CLOSED for a normal one. Errors also: WEIR_CANCELLED, WEIR_ESTATE, WEIR_SYSTEM(...) (the stream takes no more),
 * WEIR_ENOMEM (the rest of a frame could not be masked or written: the connection was reset). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_flush(weir_writer *writer);

/** Ends it without a Close frame: what is queued still goes out, then the stream's writing direction is ended. Does not
 * suspend, does not wait. */
WEIR_INTERNAL_API void weir_writer_shutdown(weir_writer *writer);

/** Whether frames are masked; the default follows the role. */
WEIR_INTERNAL_API bool weir_writer_masking(const weir_writer *writer);
/** Changes it: counts from the next frame that is serialized. */
WEIR_INTERNAL_API void weir_writer_set_masking(weir_writer *writer, bool masking);

/** Bytes not yet taken by the kernel, queued frames included. */
WEIR_INTERNAL_API size_t weir_writer_queued_bytes(const weir_writer *writer);

/** Ends it at once if need be: what has not gone out is dropped, and the connection reset if a write is under way. Gives up
 * the handle. NULL is allowed. Does not suspend. */
WEIR_INTERNAL_API void weir_writer_free(weir_writer *writer);

WEIR_END_DECLS
#endif
