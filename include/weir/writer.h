/** @file
 * weir/writer.h - the sending half of a raw session by itself: a bounded channel of frames in,
 * joined writes to a stream out (RFC 6455 5). The model's WebSocketWriter.
 *
 * A writer is an actor without a stack. It has the write side of a stream to itself. The read side
 * is free, for a weir_reader or for weir_stream_read(). Frames are written in order, once a turn of
 * the loop. Large payloads are not copied.
 *
 * Everything here belongs to the stream's loop and must be called on its thread. */
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

/** How a writer behaves. Zeroed: that of a server, with the defaults. */
typedef struct weir_writer_options {
    enum weir_role role; /**< which end this is: a client masks what it sends, a server does not */
    /** Frames that may queue while the peer does not read, 1..1,048,576. 0: 8. */
    size_t capacity;
    /** Bytes that were sent and the kernel has not taken, at which frames begin to queue. 0: 1 MiB;
     * WEIR_UNLIMITED: no limit. */
    size_t high_water;
} weir_writer_options;

/** Starts to write frames to a stream whose opening handshake is done. Does not suspend.
 *
 * Keeps the stream until the writer has ended. The stream stays the caller's, who closes it. The
 * writer is a child of scope: cancelling the scope ends it, and resets the connection if a write is
 * in flight. options NULL: all defaults. The handle is the caller's until weir_writer_free().
 * Errors: WEIR_EINVAL; WEIR_ESTATE: something else writes to the stream; WEIR_CANCELLED: the scope
 * is cancelled, or the stream is broken; WEIR_ENOMEM. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_start(weir_writer **out, weir_scope *scope,
                                                      weir_stream *stream,
                                                      const weir_writer_options *options);

/** The channel of frames, for weir_select(): its items are weir_frame. A frame that borrows its
 * bytes is copied if it has to queue. Closing the channel does not end the writer:
 * weir_writer_shutdown() does. Lends the channel as long as the handle. */
WEIR_INTERNAL_API weir_channel *weir_writer_outgoing(weir_writer *writer);

/** **Suspends** while the queue is full. Sends a frame. Takes it, also on failure, and empties
 * *frame.
 *
 * After a Close frame nothing more is written: when it has gone out, the write side of the stream
 * is shut down, and the writer ends. A later fragment gets opcode 0, whatever its type is.
 * Errors: WEIR_CLOSED: a Close was sent, or the writer has ended; WEIR_EINVAL: a malformed control
 * frame, or another type in the middle of a message; WEIR_CANCELLED; WEIR_ENOMEM; WEIR_ESTATE:
 * outside a coroutine, and it would have to wait. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_send(weir_writer *writer, weir_frame *frame);

/** **Suspends** until the kernel has taken all that was sent before. After the writer's end it
 * returns at once how the writer ended: WEIR_CLOSED for a normal end.
 * Errors besides:
 * - WEIR_CANCELLED: the caller was cancelled;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait;
 * - WEIR_SYSTEM(...): the stream takes no more;
 * - WEIR_ENOMEM: the rest of a frame could not be masked or written, and the connection was
 *   reset. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_writer_flush(weir_writer *writer);

/** Ends the writer without a Close frame: what is queued is still written, then the write side of
 * the stream is shut down. Does not suspend and does not wait. */
WEIR_INTERNAL_API void weir_writer_shutdown(weir_writer *writer);

/** Whether frames are masked. The default follows the role. */
WEIR_INTERNAL_API bool weir_writer_masking(const weir_writer *writer);
/** Changes that, from the next frame on that is serialized. */
WEIR_INTERNAL_API void weir_writer_set_masking(weir_writer *writer, bool masking);

/** Bytes that were sent and the kernel has not taken, queued frames included. */
WEIR_INTERNAL_API size_t weir_writer_queued_bytes(const weir_writer *writer);

/** Ends the writer at once if it has not ended, and takes the handle back. What was not written is
 * dropped, and the connection is reset if a write is in flight. Does not suspend. NULL is
 * allowed. */
WEIR_INTERNAL_API void weir_writer_free(weir_writer *writer);

WEIR_END_DECLS
#endif
