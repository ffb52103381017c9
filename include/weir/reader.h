/** @file
 * weir/reader.h - the receiving half of a raw session by itself: a stream in, a bounded channel of frames out (RFC 6455 5).
 * The model's WebSocketReader.
 *
 * An actor without a stack that has a stream's reading direction to itself; the other direction is free, for a weir_writer
 * or for weir_stream_write(). It shows every frame as on the wire, checked by the rules of RFC 6455, and answers nothing.
 * While nobody takes frames and the queue is full, the stream is not read: the peer has to wait. Everything here belongs to
 * the stream's loop and its thread. */
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

/** Zeroed: a server's, with the defaults. */
typedef struct weir_reader_options {
    /** Which end this is: a server takes masked frames, a client unmasked ones. */
    enum weir_role role;
    uint64_t max_frame_size; /**< bytes a data frame may declare; 0: 1 MiB; WEIR_UNLIMITED: none */
    size_t capacity;         /**< frames that queue while nobody receives, 1..1,048,576; 0: 8 */
} weir_reader_options;

/** Starts to read frames from a stream that the opening handshake is done on. Keeps the stream until the reader has ended; it
 * stays the caller's, who closes it. The reader is a child of scope: cancelling that ends it. options NULL: all defaults.
 * The handle is the caller's until weir_reader_free(). Does not suspend. Errors: WEIR_EINVAL, WEIR_ESTATE (somebody reads
 * from the stream), WEIR_CANCELLED (the scope is, or the stream was broken), WEIR_ENOMEM. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_reader_start(weir_reader **out, weir_scope *scope,
                                                      weir_stream *stream,
                                                      const weir_reader_options *options);

/** The channel of frames (items are weir_frame); whoever receives one releases it. A payload may be a view of the read
 * buffer. After the last frame it gives: WEIR_CLOSED when that was a Close (what follows is not read); WEIR_ELOST at an
 * end-of-file without one; WEIR_EPROTOCOL or WEIR_ETOOBIG when the peer broke a rule, see weir_reader_fault_get();
 * WEIR_SYSTEM(...); WEIR_CANCELLED when the scope was cancelled or the stream closed. Lends it as long as the handle. */
WEIR_INTERNAL_API weir_channel *weir_reader_incoming(weir_reader *reader);

/** The limit of a data frame's size in bytes; a change counts from the next header on. */
WEIR_INTERNAL_API uint64_t weir_reader_max_frame_size(const weir_reader *reader);
/** Changes it: values as in the options. */
WEIR_INTERNAL_API void weir_reader_set_max_frame_size(weir_reader *reader, uint64_t bytes);

/** Which rule the peer broke; zeroed when none was. */
WEIR_INTERNAL_API void weir_reader_fault_get(weir_fault *out, const weir_reader *reader);

/** Ends it if need be, drops the frames that nobody has taken, and gives up the handle. Bytes that were read and not
 * delivered are lost. NULL is allowed. Does not suspend. */
WEIR_INTERNAL_API void weir_reader_free(weir_reader *reader);

WEIR_END_DECLS
#endif
