/** @file
 * weir/session.h - a WebSocket session: a scope with two bounded channels of frames (RFC 6455 5 to 8).
 *
 * The default session joins fragments, answers pings, sends its own, and does the closing handshake; the user sees whole
 * text and binary messages. The raw session shows every frame as on the wire and does nothing by itself. Either belongs to
 * the loop it was started on, and all functions here must be called on that loop's thread; any number of its coroutines may
 * send and receive on one session.
 *
 * A status that ends a conversation tells how it ended: WEIR_CLOSED: a Close was exchanged (the normal end); WEIR_ELOST: the
 * connection ended without one; WEIR_ETIMEDOUT: no answer to a ping, or to our Close; WEIR_EPROTOCOL, WEIR_EUTF8,
 * WEIR_ETOOBIG: the peer broke a rule or limit; WEIR_CANCELLED: ended on this side; WEIR_SYSTEM(...): the system's error.
 * weir_session_end_get() tells the rest. */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/close.h>
#include <weir/deflate.h>
#include <weir/endpoint.h>
#include <weir/frame.h>
#include <weir/loop.h>
#include <weir/scope.h>
#include <weir/stream.h>

WEIR_BEGIN_DECLS

/** A session: see weir_session_start(), weir_client_open() and weir_handler. */
typedef struct weir_session weir_session;

/** What may be watched without changing it (NULL: not of interest). Called in the loop's context or in a coroutine; must not
 * suspend, and must not keep the frame or change it. A frame that goes out is shown when it is serialized, before the kernel
 * takes it. */
typedef struct weir_observer {
    void (*frame_in)(weir_session *session, const weir_frame *frame,
                     void *arg); /**< pings and pongs too */
    void (*frame_out)(weir_session *session, const weir_frame *frame,
                      void *arg); /**< sent by the user */
    void (*ended)(weir_session *session, const weir_end *end,
                  void *arg); /**< once, when the end is known */
    void *arg;                /**< handed to all of them */
} weir_observer;

/** How a session behaves. Zeroed: the defaults. */
typedef struct weir_session_options {
    /** Bytes a frame may declare; 0: 1 MiB; WEIR_UNLIMITED: none. Over it: 1009. */
    uint64_t max_frame_size;
    /** Bytes of a message, fragments together; 0: 1 MiB; WEIR_UNLIMITED: none. Over it: 1009. */
    uint64_t max_message_size;
    uint64_t ping_interval_ms; /**< pause between pings; 0: 20,000; WEIR_UNLIMITED: no pings */
    /** How long a pong may take; 0: 20,000; WEIR_UNLIMITED: as long as it likes. */
    uint64_t ping_timeout_ms;
    /** How long the closing handshake may take; 0: 5,000; WEIR_UNLIMITED: as long as it likes. */
    uint64_t close_timeout_ms;
    size_t incoming_capacity; /**< frames that queue while nobody receives, 1..1,048,576; 0: 8 */
    /** Frames that queue while the peer does not read, 1..1,048,576; 0: 8. */
    size_t outgoing_capacity;
    enum weir_overflow incoming_overflow; /**< SUSPEND stops reading: the peer has to wait */
    enum weir_overflow outgoing_overflow; /**< SUSPEND makes weir_send() wait */
    /** Bytes not yet taken by the kernel at which sending waits, and bytes not yet received at which an incoming queue
     * is full; 0: 1 MiB; WEIR_UNLIMITED: none, only frames are counted. */
    size_t high_water;
    /** Deliver messages in pieces as they arrive: frames with fin = false, then one with fin = true. Constant memory
     * for messages of any size; max_message_size still holds. */
    bool pieces;
    /** Bytes of the user's own state in the session's block, zeroed: weir_session_user(). */
    size_t user_size;
    /** permessage-deflate (RFC 7692), off unless enabled: servers and clients negotiate it. */
    weir_deflate_options deflate;
    weir_observer observer; /**< watches it from the start; see also weir_session_observe() */
} weir_session_options;

/** Starts a default session over a stream whose opening handshake is done. Takes the stream (also on failure). The session is
 * a child of scope: cancelling the scope closes it with 1001. The caller owns the handle until weir_session_free(). Errors:
 * WEIR_EINVAL (also for options.deflate: what was agreed on is not known here), WEIR_CANCELLED (the scope is), WEIR_ENOMEM.
 * Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_session_start(weir_session **out, weir_scope *scope,
                                              weir_stream *stream, enum weir_role role,
                                              const weir_session_options *options);

/** The same, raw: frames as they are on the wire, checked by the rules of RFC 6455, and nothing answered: no pong, no Close,
 * no ping. Errors as weir_session_start(). */
WEIR_API WEIR_MUST_USE int weir_session_start_raw(weir_session **out, weir_scope *scope,
                                                  weir_stream *stream, enum weir_role role,
                                                  const weir_session_options *options);

/** **Suspends.** Waits until the session has fully ended (closing handshake done or given up, stream closed, its coroutines
 * ended). Returns the status that tells how: WEIR_CLOSED for a clean close. Does not close it. Errors also: WEIR_CANCELLED
 * (the caller was), WEIR_ESTATE, WEIR_ENOMEM of a session that rested. */
WEIR_API WEIR_MUST_USE int weir_session_join(weir_session *session);

/** Gives up the handle (Takes), terminating the session if it has not ended. Does not suspend. Only for handles from a _start
 * or _open function, not for the session that a handler was given. NULL is allowed. */
WEIR_API void weir_session_free(weir_session *session);

/** **Suspends.** The next message (default), piece (options.pieces) or frame (raw). What an earlier call gave into the same
 * variable is released first, unless it was released or sent on, and at the latest when the handler returns; a frame in
 * another variable stays valid until it is released. The payload may be a view of the read buffer. Errors: how the
 * conversation ended (above), after everything received before was delivered; WEIR_ENOMEM of a session that rested. */
WEIR_API WEIR_MUST_USE int weir_receive(weir_session *session, weir_frame *frame);

/** **Suspends.** The next whole message, fragments joined also on a raw session or with pieces (control frames of a raw
 * session are skipped), in memory of its own with a NUL after the last byte: to be kept as long as wanted. Release it with
 * weir_frame_release(). Errors as weir_receive(), WEIR_ENOMEM, and WEIR_ETOOBIG when joining passes max_message_size. */
WEIR_API WEIR_MUST_USE int weir_receive_message(weir_session *session, weir_frame *frame);

/** Like weir_receive(), but WEIR_EAGAIN instead of suspending: *frame is then empty. Errors also: WEIR_EINVAL (NULL). */
WEIR_API WEIR_MUST_USE int weir_try_receive(weir_session *session, weir_frame *frame);

/** **Suspends** while the peer is slow: the queue is full, or the high-water mark reached, or another coroutine is in the
 * middle of a fragmented message. Takes the frame over whether it succeeds or not, and empties *frame; a frame that borrows
 * its bytes is copied if it has to queue. A Close frame is the same as weir_close(). fin = false begins or goes on with a
 * fragmented message: other coroutines' messages wait until it is ended. For a deadline use weir_with_deadline(). Errors:
 * WEIR_CLOSED after a Close was sent or the session ended; WEIR_EINVAL (malformed control frame, changed type in
 * mid-message); WEIR_CANCELLED; WEIR_ELIMIT (overflow FAIL); WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_send(weir_session *session, weir_frame *frame);

/** Like weir_send(), but WEIR_EAGAIN instead of suspending; the frame is then still the caller's. */
WEIR_API WEIR_MUST_USE int weir_try_send(weir_session *session, weir_frame *frame);

/** **Suspends** as weir_send(). A whole text message of a NUL-terminated string, a whole binary message, a ping with a
 * payload (at most 125 bytes). Borrow the bytes. Errors as weir_send(). */
WEIR_API WEIR_MUST_USE int weir_send_text(weir_session *session, const char *text);
WEIR_API WEIR_MUST_USE int weir_send_binary(weir_session *session, const void *data, size_t size);
WEIR_API WEIR_MUST_USE int weir_send_ping(weir_session *session, const void *data, size_t size);

/** A message that is sent in pieces. The fields are private. */
typedef struct weir_message {
    weir_session *session; /**< private */
    uint8_t type;          /**< private */
    bool open;             /**< private */
    uint8_t compress;      /**< enum weir_compress; may be set between begin and the first write */
} weir_message;

/** **Suspends** while another message in pieces is open. Begins a message of type TEXT or BINARY. After WEIR_OK
 * weir_message_end() must follow, from the same coroutine. Errors as weir_send(), WEIR_EINVAL (another type), WEIR_ESTATE
 * (this coroutine has one open, or it is none). */
WEIR_API WEIR_MUST_USE int weir_message_begin(weir_message *message, weir_session *session,
                                              enum weir_frame_type type);

/** **Suspends** as weir_send(). One fragment of it; Borrows the bytes. Text may be cut anywhere, also inside a character.
 * Errors as weir_send(), WEIR_ESTATE when the message is not open. */
WEIR_API WEIR_MUST_USE int weir_message_write(weir_message *message, const void *data, size_t size);

/** **Suspends** as weir_send(). Ends it with a last, empty fragment, and lets other senders on. Errors as weir_send(),
 * WEIR_ESTATE when the message is not open. */
WEIR_API WEIR_MUST_USE int weir_message_end(weir_message *message);

/** **Suspends** until the Close was handed to the kernel, behind all that was sent before it. Begins the closing handshake;
 * nothing can be sent after. It does not wait for the peer's answer: weir_session_join() or the close reason do. code 0: a
 * Close without a payload. message: at most 123 bytes of UTF-8, or NULL. A second call does nothing. Errors: WEIR_EINVAL (a
 * code that may not be sent), WEIR_CANCELLED, WEIR_ENOMEM; how it ended when it had ended before. */
WEIR_API int weir_close(weir_session *session, unsigned code, const char *message);

/** **Suspends** until everything sent before it was handed to the kernel. After the end: returns at once how it ended.
 * Errors: WEIR_CANCELLED, WEIR_ESTATE (no coroutine, and it would have to wait). */
WEIR_API WEIR_MUST_USE int weir_flush(weir_session *session);

/** Ends it at once, without a Close: queued frames are dropped, everybody wakes, the connection is reset. Does not suspend. */
WEIR_API void weir_terminate(weir_session *session);

/** Begins to close it with a reason, jumping over queued data: for servers that go down. Does not suspend. code as for
 * weir_close(). */
WEIR_API void weir_close_now(weir_session *session, unsigned code, const char *message);

/** The channels of frames (items are weir_frame), for weir_select() and for own actors. Frames received by a channel are released
 * by the receiver. Lend them as long as the session, which does not rest any more then (see weir/server.h). NULL: a
 * session that rested has no memory to get up, or was ended by that. */
WEIR_API weir_channel *weir_session_incoming(weir_session *session);
WEIR_API weir_channel *weir_session_outgoing(weir_session *session);

/** The close reason as a deferred: completes once, whatever happens, as soon as the end is known. Its value is a const
 * weir_end *, valid as long as the session; its status is the one that receivers get. NULL: no memory, which the first call alone
 * needs; and as weir_session_incoming(). */
WEIR_API weir_deferred *weir_session_close_reason(weir_session *session);

/** How it ended: fills *out; kind WEIR_END_NONE while it has not. */
WEIR_API void weir_session_end_get(weir_end *out, const weir_session *session);

/** The scope that the session is: what is started in it ends with it. Lends it as long as the
 * session. NULL as weir_session_incoming(). */
WEIR_API weir_scope *weir_session_scope(weir_session *session);

/** The user's state inside the session's block: options.user_size bytes, zeroed at first; NULL when that is 0. Lends it as
 * long as the session. */
WEIR_API void *weir_session_user(weir_session *session);

/** The loop that the session belongs to. */
WEIR_API weir_loop *weir_session_loop(const weir_session *session);

/** Settings that may be read and changed at any time; a change counts from the next frame or ping on. Values as in the
 * options. Sizes are in bytes, times in milliseconds; masking follows the role unless it was set: peers refuse the wrong
 * choice (RFC 6455 5.1). A raw session sends no pings whatever is set. */
WEIR_API uint64_t weir_session_max_frame_size(const weir_session *session);
WEIR_API void weir_session_set_max_frame_size(weir_session *session, uint64_t bytes);
WEIR_API bool weir_session_masking(const weir_session *session);
WEIR_API void weir_session_set_masking(weir_session *session, bool masking);
WEIR_API void weir_session_set_ping(weir_session *session, uint64_t interval_ms,
                                    uint64_t timeout_ms);

/** Round-trip time of the last answered ping in milliseconds; WEIR_UNLIMITED when there was none. */
WEIR_API uint64_t weir_session_round_trip_ms(const weir_session *session);

/** Bytes sent by the user and not yet taken by the kernel, queued frames included. */
WEIR_API size_t weir_session_queued_bytes(const weir_session *session);

/** The subprotocol that was agreed on; NULL: none. The path that the client asked for (server); NULL on others. Lend as long
 * as the session. */
WEIR_API const char *weir_session_subprotocol(const weir_session *session);
WEIR_API const char *weir_session_path(const weir_session *session);

/** Whether messages can be compressed (permessage-deflate was agreed on), and on which terms: fills *out then (NULL: not
 * asked). */
WEIR_API bool weir_session_deflate_terms_get(weir_deflate_terms *out, const weir_session *session);

/** Watches a session from now on. observer NULL: no more. Copies *observer. Errors: WEIR_ENOMEM (as before it goes on; never
 * for NULL). */
WEIR_API WEIR_MUST_USE int weir_session_observe(weir_session *session,
                                                const weir_observer *observer);

/** A pinger for a raw session (the model's): sends a ping each interval_ms through outgoing, and closes with 1011 "Ping
 * timeout" when no matching pong was put into *pongs within timeout_ms. The user sends the Pong frames that the session
 * receives into *pongs, which never blocks. It ends with the session, which owns it. interval_ms 0: 20,000;
 * WEIR_UNLIMITED: no pings. timeout_ms 0: 20,000; WEIR_UNLIMITED: as long as it likes. Errors: WEIR_EINVAL,
 * WEIR_ENOMEM, WEIR_CLOSED. */
WEIR_API WEIR_MUST_USE int weir_pinger_start(weir_channel **pongs, weir_session *session,
                                             uint64_t interval_ms, uint64_t timeout_ms);

/** A ponger for a raw session: for each Ping frame put into *pings a Pong with the same payload goes to outgoing; when that
 * is full, only the newest is kept. Ends with the session, which owns it. Errors: WEIR_ENOMEM, WEIR_CLOSED. */
WEIR_API WEIR_MUST_USE int weir_ponger_start(weir_channel **pings, weir_session *session);

WEIR_END_DECLS
#endif
