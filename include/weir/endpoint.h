/** @file
 * weir/endpoint.h - the whole protocol after the opening handshake as one sans-I/O machine (RFC 6455 5 to 8).
 *
 * Bytes, end-of-file, time and commands go in; events and bytes come out. It does no I/O, knows no clock and no threads, and
 * takes memory only from the allocator it was given. One endpoint is one side of one connection; use it from one thread at a
 * time. The session of weir is a driver of it; so is anybody else's loop.
 *
 * The driver's duty: feed() what arrives and call next() until it says WEIR_EAGAIN or WEIR_CLOSED; write what stands in the
 * output buffer; call tick() at deadline(); after each call look at wants() and deadline(). A ping is answered by the
 * flush() that follows it: a driver that has room flushes before the next next(), so that each ping gets its pong; one that
 * has none answers the newest. An error of the peer is absorbed: the Close with the mapped code is owed, the cause kept for
 * end(), the rest of the input discarded. Frames can still be sent until that Close is flushed, so that what came before the
 * error can be answered. */
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
    WEIR_DELIVER_FRAMES, /**< raw: every frame as on the wire, control frames too; nothing is answered */
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
    /** How long the peer may take to answer our Close, and then to end the stream;
     * 0: WEIR_CLOSE_TIMEOUT_DEFAULT_MS. */
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
    WEIR_EVENT_PING, /**< the peer's ping: flush() will answer it, unless our Close was sent (not in FRAMES) */
    WEIR_EVENT_PONG, /**< the pong that answers our last ping: round_trip_ms is known now (not in FRAMES) */
    WEIR_EVENT_CLOSE, /**< the peer's Close: no more data comes (not in FRAMES) */
    WEIR_EVENT_FAULT, /**< the peer broke a rule: see weir_endpoint_end_get(); no more data comes */
};

/** One event. frame.release is NULL when frame.data lies in the input that was fed (unmasked in place), valid as long as that
 * input is; else the payload is memory of its own and the caller must weir_frame_release() it. */
typedef struct weir_event {
    enum weir_event_kind kind; /**< which fields count */
    /** FRAME; PING, PONG and CLOSE: their payload, not to be released, valid until the next call. */
    weir_frame frame;
    bool first; /**< FRAME: begins its message (PIECES: the first piece) */
    bool last;  /**< FRAME: ends its message (frame.fin says the same in MESSAGES and PIECES) */
} weir_event;

/** Makes an endpoint in state open at time now_ms. Errors: WEIR_EINVAL (no random, an unknown role or delivery), WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_new(weir_endpoint **out,
                                             const weir_endpoint_options *options, uint64_t now_ms);

/** Releases all that the endpoint holds. NULL is allowed. */
WEIR_API void weir_endpoint_free(weir_endpoint *endpoint);

/** Has messages compressed and inflated by a codec from now on: to be called before anything is sent or fed. Takes it.
 * max_message_size counts inflated bytes, as they come out; a compressed frame may be over max_frame_size by what a payload
 * grows that does not shrink; in FRAMES nothing is inflated and nothing compressed. What is wrong with an inflated message
 * is told at some byte of it: which one depends on the pieces that it came in. */
WEIR_API void weir_endpoint_set_codec(weir_endpoint *endpoint, weir_codec *codec);

/** Hands over bytes that arrived. Keeps in (and unmasks it in place) until next() has eaten it all, that is said WEIR_EAGAIN, or
 * weir_endpoint_pending_input() took the rest away. Only allowed when the previous input is eaten: else WEIR_ESTATE. */
WEIR_API WEIR_MUST_USE int weir_endpoint_feed(weir_endpoint *endpoint, void *in, size_t size,
                                              uint64_t now_ms);

/** Yields the next event out of the input. WEIR_OK: *event is filled. WEIR_EAGAIN: the input is eaten, nothing more to tell.
 * WEIR_CLOSED: the input side has ended (Close, fault, end-of-file), anything still fed is discarded. WEIR_ENOMEM: there is
 * no memory for a message that has to be joined, or for a control frame that came in parts; it is lost, the endpoint closes
 * with 1011, the end is WEIR_END_IO with that status. */
WEIR_API WEIR_MUST_USE int weir_endpoint_next(weir_endpoint *endpoint, weir_event *event);

/** Where the bytes that come next may be read to: up to as many as it returns. They are payload of a message that is being joined, and fed from there they are not
 * copied any more. 0 (*room NULL): there is no such place now. Lends *room until the next call that changes the endpoint. */
WEIR_API size_t weir_endpoint_room(uint8_t **room, const weir_endpoint *endpoint);

/** The bytes fed and not yet eaten (Lends *rest; NULL size 0 when none). */
WEIR_API size_t weir_endpoint_pending_input(uint8_t **rest, const weir_endpoint *endpoint);

/** Tells that the uneaten bytes now stand at in, with the same content (the driver moved them). */
WEIR_API void weir_endpoint_move_input(weir_endpoint *endpoint, void *in);

/** The peer's end of stream: status WEIR_OK for an orderly end-of-file, else the system's error. Call it when next() has
 * eaten all that came before; input not yet eaten is discarded. After an orderly one a Close that is still owed can be
 * flushed. */
WEIR_API void weir_endpoint_eof(weir_endpoint *endpoint, int status, uint64_t now_ms);

/** Appends one frame to out, header and payload (masked in a client: a new key a frame; the source stays intact). The opcode
 * of a later fragment is 0, whatever its type says. A Close frame begins the closing handshake, as weir_endpoint_close()
 * does; its clock starts at the next call that tells the time (deadline() is 0 until then). Errors: WEIR_CLOSED after a
 * Close was sent (or the stream is gone), for a Close also when one is owed; WEIR_EINVAL for a control frame over 125 bytes
 * or not final, for a malformed Close payload, for a data type that differs from that of the message in progress, for
 * reserved bits outside FRAMES; WEIR_ENOMEM. On an error nothing is appended and no state has changed. Borrows frame. */
WEIR_API WEIR_MUST_USE int weir_endpoint_send(weir_endpoint *endpoint, const weir_frame *frame,
                                              weir_buffer *out);

/** Whether weir_endpoint_send() would compress this frame: there is a codec, and the frame (or the first fragment of its
 * message) is large enough, or asks for it. */
WEIR_API bool weir_endpoint_compresses(const weir_endpoint *endpoint, const weir_frame *frame);

/** Like weir_endpoint_send(), but appends the header alone and gives the mask key (zeros when frames are not masked): the
 * caller writes the payload itself, straight from where it lies, before anything else. For data frames only that are not
 * compressed: else WEIR_EINVAL. */
WEIR_API WEIR_MUST_USE int weir_endpoint_send_head(weir_endpoint *endpoint, const weir_frame *frame,
                                                   weir_buffer *out, uint8_t key[4]);

/** Begins the closing handshake with a reason (NULL: an empty Close), or does nothing when a Close was already sent or is
 * owed. Appends the Close to out, behind the pong that may be owed. In FRAMES it also answers the peer's Close. Errors:
 * WEIR_CLOSED (already closing), WEIR_EINVAL (a code that may not be sent), WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_close(weir_endpoint *endpoint,
                                               const weir_close_reason *reason, uint64_t now_ms,
                                               weir_buffer *out);

/** Appends what the endpoint itself owes the peer: the pong for the newest ping, the answer to a Close (the same code and
 * text), the Close after a fault (its text is the rule). Call it between frames, when the output has room; several pings
 * that came before a call are answered by one pong, with the newest payload. WEIR_OK also when nothing was owed;
 * WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_endpoint_flush(weir_endpoint *endpoint, uint64_t now_ms,
                                               weir_buffer *out);

/** What the driver has to do next. */
enum weir_want {
    WEIR_WANT_FLUSH = 1,    /**< something is owed: call flush() when the output has room */
    WEIR_WANT_SHUTDOWN = 2, /**< when all output is written, shut the write side down (once) */
    /** Close the stream: nothing more is of use (after output is written, if it can be without waiting). */
    WEIR_WANT_CLOSE = 4,
};

/** A set of enum weir_want bits. */
WEIR_API unsigned weir_endpoint_wants(const weir_endpoint *endpoint);

/** The time (in the clock of now_ms) at which tick() must be called; WEIR_UNLIMITED: never. */
WEIR_API uint64_t weir_endpoint_deadline(const weir_endpoint *endpoint);

/** Does what is due at now_ms (nothing, when called early): appends a ping, gives up on a ping, a Close or a lingering
 * stream. out NULL says that the output is stuck or inside a frame: a ping is then owed to the next flush(), and its clock
 * runs already; a Close after a missed pong is not written. In FRAMES no ping is sent. Called a second or more after the
 * time for a pong has passed it gives that time once more: it is we who were away. WEIR_OK, WEIR_ENOMEM (the ping is left
 * out). */
WEIR_API WEIR_MUST_USE int weir_endpoint_tick(weir_endpoint *endpoint, uint64_t now_ms,
                                              weir_buffer *out);

/** Says that the driver stops (true) or resumes (false) reading because its own user does not take messages: the clock of a
 * ping stands still meanwhile. */
WEIR_API void weir_endpoint_hold(weir_endpoint *endpoint, bool held, uint64_t now_ms);

/** Ends at once without a Close: the kind becomes WEIR_END_CANCELLED unless an end already stands. */
WEIR_API void weir_endpoint_terminate(weir_endpoint *endpoint);

/** Whether the input side has ended (nothing more will be delivered), and the output side (a Close was sent or the stream is
 * gone). */
WEIR_API bool weir_endpoint_input_ended(const weir_endpoint *endpoint);
WEIR_API bool weir_endpoint_output_ended(const weir_endpoint *endpoint);

/** How it ended: fills *out; kind WEIR_END_NONE while it has not. WEIR_END_CLEAN stands as soon as a Close went each way. */
WEIR_API void weir_endpoint_end_get(weir_end *out, const weir_endpoint *endpoint);

/** Settings that may change at any time. Values as in the options. The delivery counts from the next message on, the limits
 * from the next frame, the timeout from the next ping. An interval restarts the pause between pings,
 * and so does a change from or to FRAMES, where none are sent. */
WEIR_API void weir_endpoint_set_delivery(weir_endpoint *endpoint, enum weir_delivery delivery);
WEIR_API void weir_endpoint_set_limits(weir_endpoint *endpoint, uint64_t max_frame_size,
                                       uint64_t max_message_size);
WEIR_API void weir_endpoint_set_ping(weir_endpoint *endpoint, uint64_t interval_ms,
                                     uint64_t timeout_ms, uint64_t now_ms);

/** Whether sent frames are masked, from the next one on; the default follows the role (RFC 6455 5.1). For tests and raw
 * sessions: peers refuse the wrong choice. */
WEIR_API void weir_endpoint_set_masking(weir_endpoint *endpoint, bool masking);
WEIR_API bool weir_endpoint_masking(const weir_endpoint *endpoint);

/** Round-trip time of the last answered ping in milliseconds; WEIR_UNLIMITED when there was none. */
WEIR_API uint64_t weir_endpoint_round_trip_ms(const weir_endpoint *endpoint);

WEIR_END_DECLS
#endif
