/** @file
 * weir/reader.h - the receiving half of a raw session by itself: a stream in, a bounded channel of
 * frames out (RFC 6455 5). The model's WebSocketReader.
 *
 * A reader is an actor without a stack. It has the read side of a stream to itself. The write side
 * is free, for a weir_writer or for weir_stream_write(). It delivers every frame as it is on the
 * wire, checked by the rules of RFC 6455, and answers nothing. While its queue is full the stream
 * is not read, and the peer has to wait.
 *
 * Everything here belongs to the stream's loop and must be called on its thread. */
#ifndef WEIR_READER_H
#define WEIR_READER_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/frame.h>
#include <weir/scope.h>
#include <weir/stream.h>

WEIR_BEGIN_DECLS

/** A reader. */
typedef struct weir_reader weir_reader;

/** How a reader behaves. Zeroed: that of a server, with the defaults. */
typedef struct weir_reader_options {
    /** Which end this is: a server takes masked frames, a client unmasked ones. */
    enum weir_role role;
    /** Most bytes that a data frame may declare. 0: WEIR_MAX_SIZE_DEFAULT, 1 MiB; WEIR_UNLIMITED:
     * no limit. */
    uint64_t max_frame_size;
    size_t capacity; /**< frames that may queue while nobody receives, 1..1,048,576; 0: 8 */
} weir_reader_options;

/** Starts to read frames from a stream whose opening handshake is done. Does not suspend.
 *
 * Keeps the stream until the reader has ended. The stream stays the caller's, who closes it. The
 * reader is a child of scope: cancelling the scope ends it. options NULL: all defaults. The handle
 * is the caller's until weir_reader_free().
 * Errors: WEIR_EINVAL; WEIR_ESTATE: something else reads from the stream; WEIR_CANCELLED: the scope
 * is cancelled, or the stream is broken; WEIR_ENOMEM. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_reader_start(weir_reader **out, weir_scope *scope,
                                                      weir_stream *stream,
                                                      const weir_reader_options *options);

/** The channel of frames: its items are weir_frame. Its receiver releases them. A payload may be a
 * view of the read buffer. Lends the channel as long as the handle.
 *
 * After the last frame the channel gives:
 * - WEIR_CLOSED: the last frame was a Close; what follows it is not read;
 * - WEIR_ELOST: an end-of-file without a Close;
 * - WEIR_EPROTOCOL, WEIR_ETOOBIG: the peer broke a rule or the limit: weir_reader_fault_get();
 * - WEIR_CANCELLED: the scope was cancelled, or the stream closed;
 * - WEIR_SYSTEM(...). */
WEIR_INTERNAL_API weir_channel *weir_reader_incoming(weir_reader *reader);

/** The most bytes that a data frame may declare. */
WEIR_INTERNAL_API uint64_t weir_reader_max_frame_size(const weir_reader *reader);
/** Changes that limit, from the next header on. Values are those of the options. */
WEIR_INTERNAL_API void weir_reader_set_max_frame_size(weir_reader *reader, uint64_t bytes);

/** Fills *out with the rule that the peer broke. Zeroed when it broke none. */
WEIR_INTERNAL_API void weir_reader_fault_get(weir_fault *out, const weir_reader *reader);

/** Ends the reader if it has not ended, and takes the handle back. Frames that nobody received are
 * dropped. Bytes that were read and not delivered are lost. Does not suspend. NULL is allowed. */
WEIR_INTERNAL_API void weir_reader_free(weir_reader *reader);

WEIR_END_DECLS
#endif
