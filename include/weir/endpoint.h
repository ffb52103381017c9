/** @file
 * weir/endpoint.h - the whole protocol after the opening handshake as one machine without I/O (RFC
 * 6455 5 to 8).
 *
 * Bytes, end-of-file, time and commands go in. Events and bytes come out. An endpoint does no I/O,
 * knows no clock and no threads, and allocates only by the allocator that it was given. It is one
 * end of one connection. Use it from one thread at a time. A session of weir drives one; any other
 * loop can.
 *
 * What a driver has to do (the names are short for weir_endpoint_...()):
 * - feed() the bytes that arrive, then call next() until it returns WEIR_EAGAIN or WEIR_CLOSED.
 * - Write what is in the output buffer.
 * - Call tick() at deadline().
 * - Look at wants() and deadline() after each call.
 *
 * Pings: a ping is answered by the next flush(). If the output has room, flush before the next
 * next(): then each ping gets its pong. If it has none, the newest ping is answered.
 *
 * Errors of the peer: the Close with the right code is owed, end_get() has the cause, and the rest
 * of the input is dropped. Frames can still be sent until that Close is flushed, so that what came
 * before the error can be answered. */
#ifndef WEIR_ENDPOINT_H
#define WEIR_ENDPOINT_H

#include <weir/base.h>
#include <weir/buffer.h>
#include <weir/close.h>
#include <weir/codec.h>
#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** What next() hands out. */
enum weir_delivery {
    /** Whole messages, fragments joined; control frames answered inside. */
    WEIR_DELIVER_MESSAGES = 0,
    /** Messages in pieces as they arrive, for constant memory; control frames answered inside. */
    WEIR_DELIVER_PIECES,
    WEIR_DELIVER_FRAMES, /**< raw: every frame as on the wire; nothing is answered */
};

/** The times of weir_endpoint_options where none are given, in milliseconds. */
#define WEIR_PING_INTERVAL_DEFAULT_MS 20000
#define WEIR_PING_TIMEOUT_DEFAULT_MS  20000 /**< the same, of a pong */
#define WEIR_CLOSE_TIMEOUT_DEFAULT_MS 5000  /**< the same, of the closing handshake */

/** How an endpoint behaves. Zeroed but for random: a server with the defaults. Of each limit and
 * each time, 0 stands for the default and WEIR_UNLIMITED for none. Times are kept for up to 49
 * days: a longer one counts as none. */
typedef struct weir_endpoint_options {
    enum weir_role role;         /**< which end of the connection this is */
    enum weir_delivery delivery; /**< what next() hands out */
    /** Bytes of payload a frame may declare; 0: WEIR_MAX_SIZE_DEFAULT. */
    uint64_t max_frame_size;
    /** Bytes of a joined message; 0: WEIR_MAX_SIZE_DEFAULT. Not checked in FRAMES. */
    uint64_t max_message_size;
    /** Pause between pings; 0: WEIR_PING_INTERVAL_DEFAULT_MS; WEIR_UNLIMITED: none are sent. */
    uint64_t ping_interval_ms;
    /** How long a pong may take; 0: WEIR_PING_TIMEOUT_DEFAULT_MS; WEIR_UNLIMITED: as long as it
     * likes. The next ping is sent after it. */
    uint64_t ping_timeout_ms;
    /** How long the peer may take to answer our Close, and then to end the stream; 0:
     * WEIR_CLOSE_TIMEOUT_DEFAULT_MS. */
    uint64_t close_timeout_ms;
    weir_allocator allocator; /**< resize NULL: the C library's */
    void (*random)(void *out, size_t size,
                   void *arg); /**< unpredictable bytes: mask keys, ping payloads; never NULL */
    void *random_arg;          /**< handed to random */
} weir_endpoint_options;

/** An endpoint. */
typedef struct weir_endpoint weir_endpoint;

/** What has happened. */
enum weir_event_kind {
    WEIR_EVENT_FRAME = 1, /**< a message, a piece of one, or a raw frame */
    /** The peer's ping. flush() will answer it, unless our Close was sent. Not in FRAMES. */
    WEIR_EVENT_PING,
    /** The answer to our last ping, so that round_trip_ms is known. Not in FRAMES. */
    WEIR_EVENT_PONG,
    /** The peer's Close: no more data comes. Not in FRAMES. */
    WEIR_EVENT_CLOSE,
    /** The peer broke a rule: weir_endpoint_end_get(). No more data comes. */
    WEIR_EVENT_FAULT,
};

/** One event. Who owns the payload of a FRAME:
 * - frame.release is NULL: it lies in the input that was fed, unmasked in place, and is valid as
 *   long as that;
 * - else it has memory of its own, and the caller has to call weir_frame_release(). */
typedef struct weir_event {
    enum weir_event_kind kind; /**< which fields count */
    /** Of FRAME. Of PING, PONG and CLOSE: their payload, not to be released, valid until the next
     * call. */
    weir_frame frame;
    bool first; /**< FRAME: begins its message (PIECES: the first piece) */
    bool last;  /**< FRAME: ends its message (frame.fin says the same in MESSAGES and PIECES) */
} weir_event;

/** Makes an open endpoint at time now_ms. Copies the options. Errors: WEIR_EINVAL: no random, or an
 * unknown role or delivery; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_new(weir_endpoint **out,
                                             const weir_endpoint_options *options, uint64_t now_ms);

/** Frees an endpoint (Takes). NULL is allowed. */
WEIR_API void weir_endpoint_free(weir_endpoint *endpoint);

/** Sets the codec that compresses and inflates messages. Takes it. Call it before anything is sent
 * or fed.
 *
 * - max_message_size counts inflated bytes, as they come out.
 * - A compressed frame may be over max_frame_size by what a payload that does not shrink grows.
 * - In FRAMES nothing is inflated or compressed.
 * - An error in an inflated message is found at one of its bytes: at which one depends on the
 *   pieces in which it came. */
WEIR_API void weir_endpoint_set_codec(weir_endpoint *endpoint, weir_codec *codec);

/** Hands over bytes that arrived. Keeps in, and unmasks it in place, until next() returns
 * WEIR_EAGAIN or WEIR_CLOSED, or weir_endpoint_move_input() says that it has moved.
 * Errors: WEIR_ESTATE: the input before is not eaten yet. */
WEIR_API WEIR_MUST_USE int weir_endpoint_feed(weir_endpoint *endpoint, void *in, size_t size,
                                              uint64_t now_ms);

/** Takes the next event out of the input.
 *
 * Returns:
 * - WEIR_OK: *event is filled;
 * - WEIR_EAGAIN: the input is eaten, and there is no event;
 * - WEIR_CLOSED: the input has ended (Close, fault or end-of-file), and what is still fed is
 *   dropped;
 * - WEIR_ENOMEM: there is no memory for a message that has to be joined, or for a control frame in
 *   parts. It is lost, the endpoint closes with 1011, and its end is WEIR_END_IO with that
 *   status. */
WEIR_API WEIR_MUST_USE int weir_endpoint_next(weir_endpoint *endpoint, weir_event *event);

/** Where the next bytes may be read to, and how many at most. They are payload of a message that is
 * being joined: fed from there they are not copied again. 0, and *room NULL: there is no such place
 * now. Lends *room until the next call that changes the endpoint. */
WEIR_API size_t weir_endpoint_room(uint8_t **room, const weir_endpoint *endpoint);

/** The bytes that were fed and are not eaten, and their number. NULL and 0 when there are none.
 * Lends *rest until the next call that changes the endpoint. */
WEIR_API size_t weir_endpoint_pending_input(uint8_t **rest, const weir_endpoint *endpoint);

/** Says that the bytes that are not eaten are now at in, with the same content, because the driver
 * moved them. Keeps in as weir_endpoint_feed() does. */
WEIR_API void weir_endpoint_move_input(weir_endpoint *endpoint, void *in);

/** Says that the peer's stream has ended. status WEIR_OK: an orderly end-of-file; else the system's
 * error.
 *
 * Call it when next() has eaten all that came before: what is not eaten is dropped. After an
 * orderly end-of-file a Close that is still owed can be flushed. */
WEIR_API void weir_endpoint_eof(weir_endpoint *endpoint, int status, uint64_t now_ms);

/** Appends one frame to out: its header, and its payload, which a client masks with a new key for
 * each frame. The source is not changed. Borrows frame.
 *
 * A later fragment gets opcode 0, whatever its type is. A Close frame begins the closing handshake
 * as weir_endpoint_close() does. Its time starts at the next call that says the time; deadline() is
 * 0 until then.
 * Errors, with nothing appended and no state changed:
 * - WEIR_CLOSED: a Close was sent or the stream has ended; for a Close frame also: one is owed;
 * - WEIR_EINVAL: a control frame over 125 bytes or not final; a malformed Close payload; another
 *   data type than that of the message in progress; reserved bits outside FRAMES;
 * - WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_send(weir_endpoint *endpoint, const weir_frame *frame,
                                              weir_buffer *out);

/** Whether weir_endpoint_send() would compress this frame: there is a codec, and the frame, or the
 * first fragment of its message, is large enough or asks for it. */
WEIR_API bool weir_endpoint_compresses(const weir_endpoint *endpoint, const weir_frame *frame);

/** Like weir_endpoint_send(), but appends the header alone and fills key with the mask key (zeros:
 * not masked). The caller writes the payload next, straight from where it lies. Errors besides:
 * WEIR_EINVAL: not a data frame, or it would be compressed. */
WEIR_API WEIR_MUST_USE int weir_endpoint_send_head(weir_endpoint *endpoint, const weir_frame *frame,
                                                   weir_buffer *out, uint8_t key[4]);

/** Begins the closing handshake: appends a Close to out, behind a pong that is owed. reason NULL:
 * an empty Close. In FRAMES it also answers the peer's Close.
 * Errors: WEIR_CLOSED: a Close was sent or is owed, nothing happens; WEIR_EINVAL: a code that must
 * not be sent; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_close(weir_endpoint *endpoint,
                                               const weir_close_reason *reason, uint64_t now_ms,
                                               weir_buffer *out);

/** Appends what the endpoint owes the peer. Call it between frames, when the output has room.
 *
 * - A pong for the newest ping: several pings that came before one call get one pong.
 * - The answer to a Close: the same code and message.
 * - The Close after a fault: its message is the rule.
 *
 * Returns WEIR_OK, also when nothing was owed; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_flush(weir_endpoint *endpoint, uint64_t now_ms,
                                               weir_buffer *out);

/** What the driver has to do next. */
enum weir_want {
    WEIR_WANT_FLUSH = 1,    /**< something is owed: call flush() when the output has room */
    WEIR_WANT_SHUTDOWN = 2, /**< when all output is written, shut the write side down (once) */
    /** Close the stream. Output that can be written without waiting is written first. */
    WEIR_WANT_CLOSE = 4,
};

/** What the driver has to do next, as a set of bits of enum weir_want. */
WEIR_API unsigned weir_endpoint_wants(const weir_endpoint *endpoint);

/** The time at which tick() must be called, in the clock of now_ms. WEIR_UNLIMITED: never. */
WEIR_API uint64_t weir_endpoint_deadline(const weir_endpoint *endpoint);

/** Does what is due at now_ms: appends a ping, or gives up waiting for a pong, for a Close, or for
 * the end of a stream. Does nothing when it is called early.
 *
 * - out NULL says that the output is stuck, or in the middle of a frame. A ping is then owed to the
 *   next flush(), and its time runs already. A Close after a missed pong is not written.
 * - In FRAMES no ping is sent.
 * - When it is called a second or more after the time for a pong has passed, this process was late:
 *   the time for the pong starts once more.
 *
 * Returns WEIR_OK; WEIR_ENOMEM: the ping is left out. */
WEIR_API WEIR_MUST_USE int weir_endpoint_tick(weir_endpoint *endpoint, uint64_t now_ms,
                                              weir_buffer *out);

/** Says that the driver stops (true) or resumes (false) reading because its own user does not take
 * messages. The time for a pong stands still meanwhile. */
WEIR_API void weir_endpoint_hold(weir_endpoint *endpoint, bool held, uint64_t now_ms);

/** Ends the endpoint at once, without a Close. The kind of its end is WEIR_END_CANCELLED, unless it
 * had ended before. */
WEIR_API void weir_endpoint_terminate(weir_endpoint *endpoint);

/** Whether the input has ended, so that no event comes any more; and whether the output has ended:
 * a Close was sent or the stream has ended. */
WEIR_API bool weir_endpoint_input_ended(const weir_endpoint *endpoint);
WEIR_API bool weir_endpoint_output_ended(const weir_endpoint *endpoint);

/** Fills *out with how the endpoint ended. kind is WEIR_END_NONE while it has not. It is
 * WEIR_END_CLEAN as soon as a Close went each way. */
WEIR_API void weir_endpoint_end_get(weir_end *out, const weir_endpoint *endpoint);

/** Settings that may change at any time. Values as in the options. The delivery counts from the
 * next message on, the limits from the next frame, the timeout from the next ping. An interval
 * restarts the pause between pings, and so does a change from or to FRAMES, where none are sent. */
WEIR_API void weir_endpoint_set_delivery(weir_endpoint *endpoint, enum weir_delivery delivery);
WEIR_API void weir_endpoint_set_limits(weir_endpoint *endpoint, uint64_t max_frame_size,
                                       uint64_t max_message_size);
WEIR_API void weir_endpoint_set_ping(weir_endpoint *endpoint, uint64_t interval_ms,
                                     uint64_t timeout_ms, uint64_t now_ms);

/** Whether sent frames are masked, from the next one on. The default follows the role (RFC 6455
 * 5.1). For tests and raw sessions: peers refuse the wrong choice. */
WEIR_API void weir_endpoint_set_masking(weir_endpoint *endpoint, bool masking);
WEIR_API bool weir_endpoint_masking(const weir_endpoint *endpoint);

/** Round-trip time of the last answered ping in milliseconds. WEIR_UNLIMITED: none was answered. */
WEIR_API uint64_t weir_endpoint_round_trip_ms(const weir_endpoint *endpoint);

WEIR_END_DECLS
#endif
