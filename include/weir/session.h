/** @file
 * weir/session.h - WebSocket sessions: send and receive frames in straight-line code (RFC 6455 5,
 * 7).
 *
 * There are two kinds of session:
 * - A default session answers pings, sends its own pings, and does the closing handshake. The user
 *   sees whole text and binary messages.
 * - A raw session shows every frame as it is on the wire, and sends nothing by itself.
 *
 * A session belongs to the loop that it was started on. All functions here must be called on that
 * loop's thread. Any number of its coroutines may send and receive on one session.
 *
 * A status that ends a conversation tells how it ended; weir_session_end_get() tells the details:
 * - WEIR_CLOSED: a Close frame went each way, the normal end;
 * - WEIR_ELOST: the connection ended without a Close of the peer;
 * - WEIR_ETIMEDOUT: the peer did not answer a ping, or our Close, in time;
 * - WEIR_EPROTOCOL, WEIR_EUTF8, WEIR_ETOOBIG: the peer broke a rule, or a limit of this side;
 * - WEIR_CANCELLED: this side ended it without a closing handshake;
 * - WEIR_SYSTEM(...): the system reported an error on the connection.
 *
 * Parking: a session that is served by on_message (weir/handler.h) is parked while it is idle. A
 * parked session has given most of its memory back to the loop. The next call or event that needs
 * more makes it active again. When there is no memory for that:
 * - a call returns WEIR_ENOMEM, and the session is as it was;
 * - a call that closes the session, and an event that has to be handled, end it at once. The
 *   connection is reset, and the end is WEIR_END_CANCELLED.
 *
 * No other session is ever parked. */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/close.h>
#include <weir/deflate.h>
#include <weir/endpoint.h>
#include <weir/frame.h>
#include <weir/limits.h>
#include <weir/loop.h>
#include <weir/scope.h>
#include <weir/stream.h>

WEIR_BEGIN_DECLS

/** Starts a default session over a stream whose opening handshake is done. Does not suspend.
 *
 * Takes the stream, also on failure. The session is a child of scope: cancelling the scope closes
 * the session with 1001. The handle is the caller's until weir_session_free(). options NULL: the
 * defaults.
 * Errors:
 * - WEIR_EINVAL: a value is out of its range, or options.deflate is enabled (what was agreed on is
 *   not known here);
 * - WEIR_CANCELLED: the scope is cancelled;
 * - WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_session_start(weir_session **out, weir_scope *scope,
                                              weir_stream *stream, enum weir_role role,
                                              const weir_session_options *options);

/** Starts a raw session: it shows every frame as it is on the wire, checked by the rules of RFC
 * 6455. It sends no pong, no Close and no ping by itself. Otherwise as weir_session_start(). */
WEIR_API WEIR_MUST_USE int weir_session_start_raw(weir_session **out, weir_scope *scope,
                                                  weir_stream *stream, enum weir_role role,
                                                  const weir_session_options *options);

/** **Suspends** until the session has fully ended: the closing handshake is done or was given up,
 * the stream is closed, and the session's coroutines have ended. Does not close the session.
 *
 * Returns how the session ended: WEIR_CLOSED for a clean close. Errors besides:
 * - WEIR_CANCELLED: the caller was cancelled, too;
 * - WEIR_ESTATE: outside a coroutine;
 * - WEIR_ENOMEM: the session is parked and there is no memory. */
WEIR_API WEIR_MUST_USE int weir_session_join(weir_session *session);

/** Takes the handle back, and terminates the session if it has not ended. Does not suspend.
 *
 * Only for a handle from a _start or _open function, not for the session that a handler was given.
 * NULL is allowed. */
WEIR_API void weir_session_free(weir_session *session);

/** **Suspends** until something is received, and fills *frame with it: the next message, the next
 * piece (options.pieces), or the next frame (raw session).
 *
 * The frame is valid until the first of these:
 * - weir_frame_release() releases it;
 * - weir_send() takes it;
 * - weir_receive() or weir_try_receive() is called again on the same session with the same
 *   variable;
 * - the handler returns.
 *
 * The payload may be a view of the read buffer.
 * Errors:
 * - how the conversation ended (see above), after all that was received before was delivered;
 * - WEIR_CANCELLED: the caller was cancelled, too;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait;
 * - WEIR_ENOMEM: the session is parked and there is no memory. */
WEIR_API WEIR_MUST_USE int weir_receive(weir_session *session, weir_frame *frame);

/** **Suspends** until a whole message is there, and fills *frame with it.
 *
 * Fragments are joined, also on a raw session and with options.pieces. The control frames of a raw
 * session are skipped. The payload has memory of its own, with a NUL behind the last byte. The
 * frame is valid as one of weir_receive().
 * Errors: as weir_receive(); WEIR_ENOMEM; WEIR_ETOOBIG: the joined message is over
 * max_message_size. */
WEIR_API WEIR_MUST_USE int weir_receive_message(weir_session *session, weir_frame *frame);

/** Receives what is there, and never suspends. Otherwise as weir_receive().
 *
 * Errors besides: WEIR_EAGAIN: nothing is there, *frame is empty; WEIR_EINVAL: an argument is
 * NULL. */
WEIR_API WEIR_MUST_USE int weir_try_receive(weir_session *session, weir_frame *frame);

/** Sends a frame. **Suspends** while there is no room for it:
 * - the queue is full, or high_water is reached, because the peer does not read fast enough;
 * - another coroutine is in the middle of a fragmented message.
 *
 * For a deadline use weir_with_deadline().
 *
 * Takes the frame, also on failure, and empties *frame. A frame that borrows its bytes is copied if
 * it has to queue. A frame with fin = false begins or continues a fragmented message: the messages
 * of other coroutines wait until it is ended. A Close frame closes the session as weir_close()
 * does.
 * Errors:
 * - WEIR_CLOSED: a Close was sent, or the session ended normally;
 * - another status of the list above: how the session ended;
 * - WEIR_EINVAL: a malformed control frame, or another type in the middle of a message;
 * - WEIR_CANCELLED: the caller was cancelled;
 * - WEIR_ELIMIT: the queue is full and the policy is FAIL;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait;
 * - WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_send(weir_session *session, weir_frame *frame);

/** Sends a frame if there is room, and never suspends. Otherwise as weir_send().
 *
 * Errors besides: WEIR_EAGAIN: there is no room, and the frame is still the caller's. */
WEIR_API WEIR_MUST_USE int weir_try_send(weir_session *session, weir_frame *frame);

/** Sends one message to many sessions of one loop. It is serialized once. A parked session stays
 * parked when its peer takes the message at once. Does not suspend.
 *
 * Takes *frame, whether it succeeds or not, and empties it. It must be a whole TEXT or BINARY
 * message. *taken (may be NULL) tells how many sessions took it. These do not:
 * - a session whose queue is full, so that weir_send() would have to wait;
 * - a session that another coroutine is sending a message in pieces on;
 * - a session that has closed or ended.
 *
 * Errors: WEIR_EINVAL (a NULL argument, or no whole message), WEIR_ENOMEM: no session took it.
 *
 *     weir_frame frame = weir_frame_text("hello, everybody", 16);
 *     size_t taken;
 *     int status = weir_broadcast(&taken, sessions, count, &frame);
 */
WEIR_API WEIR_MUST_USE int weir_broadcast(size_t *taken, weir_session *const *sessions,
                                          size_t count, weir_frame *frame);

/** **Suspend** as weir_send(). Send a whole text message (of a string that a NUL ends), a whole
 * binary message, and a ping with a payload of at most 125 bytes. Borrow the bytes. Errors: as
 * weir_send(). */
WEIR_API WEIR_MUST_USE int weir_send_text(weir_session *session, const char *text);
WEIR_API WEIR_MUST_USE int weir_send_binary(weir_session *session, const void *data, size_t size);
WEIR_API WEIR_MUST_USE int weir_send_ping(weir_session *session, const void *data, size_t size);

/** A message that is sent in pieces. The fields are private but for one. */
typedef struct weir_message {
    weir_session *session; /**< private */
    uint8_t type;          /**< private */
    bool open;             /**< private */
    uint8_t compress;      /**< enum weir_compress; may be set before the first write */
} weir_message;

/** **Suspends** while another coroutine is in the middle of a message. Begins a message of type
 * TEXT or BINARY that is sent in pieces.
 *
 * After WEIR_OK the same coroutine must call weir_message_end().
 * Errors: as weir_send(); WEIR_EINVAL: another type; WEIR_ESTATE: outside a coroutine, or this
 * coroutine has begun a message already.
 *
 * ```c
 * weir_message message;
 * int status = weir_message_begin(&message, session, WEIR_FRAME_BINARY);
 * if (status != WEIR_OK)
 *     return status;
 * while (status == WEIR_OK && (size = fread(block, 1, sizeof block, file)) > 0)
 *     status = weir_message_write(&message, block, size);
 * int ended = weir_message_end(&message);
 * return status != WEIR_OK ? status : ended;
 * ``` */
WEIR_API WEIR_MUST_USE int weir_message_begin(weir_message *message, weir_session *session,
                                              enum weir_frame_type type);

/** **Suspends** as weir_send(). Sends one fragment of the message. Text may be cut anywhere, also
 * inside a character. Borrows the bytes.
 * Errors: as weir_send(); WEIR_ESTATE: no message is open. */
WEIR_API WEIR_MUST_USE int weir_message_write(weir_message *message, const void *data, size_t size);

/** **Suspends** as weir_send(). Ends the message with a last, empty fragment. Other coroutines may
 * send then.
 * Errors: as weir_send(); WEIR_ESTATE: no message is open. */
WEIR_API WEIR_MUST_USE int weir_message_end(weir_message *message);

/** Begins the closing handshake. **Suspends** until the kernel has taken the Close, behind all that
 * was sent before it. It does not wait for the peer's answer: weir_session_join() does, and
 * weir_session_close_reason().
 *
 * Nothing can be sent afterwards. A second call does nothing. code 0: a Close without a payload.
 * message: at most 123 bytes of UTF-8, or NULL. Borrows it. When close_timeout_ms passes first, or
 * an error other than WEIR_EINVAL comes first, the Close goes ahead of what is queued, and that is
 * dropped.
 * Errors:
 * - WEIR_ETIMEDOUT: close_timeout_ms passed;
 * - WEIR_EINVAL: a code that must not be sent, or a message that must not be;
 * - WEIR_CANCELLED: the caller was cancelled;
 * - WEIR_ENOMEM;
 * - how the session ended, when it had ended before. */
WEIR_API int weir_close(weir_session *session, unsigned code, const char *message);

/** **Suspends** until the kernel has taken all that was sent before. After the session's end it
 * returns at once how the session ended.
 * Errors besides: WEIR_CANCELLED: the caller was cancelled; WEIR_ESTATE: outside a coroutine, and
 * it would have to wait. */
WEIR_API WEIR_MUST_USE int weir_flush(weir_session *session);

/** Ends the session at once, without a Close. Does not suspend.
 *
 * Queued frames are dropped, every waiting call returns WEIR_CANCELLED, and the connection is
 * reset. */
WEIR_API void weir_terminate(weir_session *session);

/** Begins the closing handshake ahead of all that is queued, which is dropped. For servers that go
 * down. Does not suspend. code and message as for weir_close(); what must not be sent is sent as
 * 1011. Borrows message. */
WEIR_API void weir_close_now(weir_session *session, unsigned code, const char *message);

/** The two channels of a session, whose items are weir_frame: for weir_select() and for actors of
 * one's own. Do not suspend.
 *
 * Lend the channel as long as the session. The session is not parked any more from then on. A frame
 * that was received from a channel is released by its receiver.
 * Return NULL when the session is parked and either there is no memory to make it active, or the
 * connection was lost for want of memory before. */
WEIR_API weir_channel *weir_session_incoming(weir_session *session);
WEIR_API weir_channel *weir_session_outgoing(weir_session *session);

/** The end of the session as a deferred. It completes once, however the session ends, as soon as
 * the end is known. Its value is a const weir_end *, its status the one that receivers get. Does
 * not suspend.
 *
 * Lends the deferred and its value as long as the session.
 * Returns NULL when there is no memory (for the deferred, which the first call makes), and in the
 * cases of weir_session_incoming(). */
WEIR_API weir_deferred *weir_session_close_reason(weir_session *session);

/** Fills *out with how the session ended. kind is WEIR_END_NONE while it has not ended. */
WEIR_API void weir_session_end_get(weir_end *out, const weir_session *session);

/** The scope that the session is: what is started in it ends with the session. Lends it as long as
 * the session. NULL: as weir_session_incoming(). */
WEIR_API weir_scope *weir_session_scope(weir_session *session);

/** The user's state inside the session's memory: options.user_size bytes, zeroed at first. NULL
 * when user_size is 0. Lends it as long as the session. */
WEIR_API void *weir_session_user(weir_session *session);

/** The loop that the session belongs to. Lends it as long as the loop lives. */
WEIR_API weir_loop *weir_session_loop(const weir_session *session);

/** Settings that may be read and changed while the session runs. Values are those of the options: 0
 * is the default. Sizes are in bytes, times in milliseconds.
 *
 * A change counts from the next frame on, or from the next ping on. Masking follows the role unless
 * it is set: peers refuse the wrong choice (RFC 6455 5.1). A raw session sends no pings, whatever
 * is set. */
WEIR_API uint64_t weir_session_max_frame_size(const weir_session *session);
WEIR_API void weir_session_set_max_frame_size(weir_session *session, uint64_t bytes);
WEIR_API bool weir_session_masking(const weir_session *session);
WEIR_API void weir_session_set_masking(weir_session *session, bool masking);
WEIR_API void weir_session_set_ping(weir_session *session, uint64_t interval_ms,
                                    uint64_t timeout_ms);

/** Round-trip time of the last answered ping in milliseconds. WEIR_UNLIMITED: none was answered. */
WEIR_API uint64_t weir_session_round_trip_ms(const weir_session *session);

/** Bytes that the user has sent and the kernel has not taken, queued frames included. */
WEIR_API size_t weir_session_queued_bytes(const weir_session *session);

/** The subprotocol that was agreed on (NULL: none), and the path that the client asked for (NULL on
 * any session but a server's). Lend the string as long as the session. */
WEIR_API const char *weir_session_subprotocol(const weir_session *session);
WEIR_API const char *weir_session_path(const weir_session *session);

/** Whether permessage-deflate was agreed on, so that messages can be compressed. Then *out is
 * filled with the terms. out may be NULL. */
WEIR_API bool weir_session_deflate_terms_get(weir_deflate_terms *out, const weir_session *session);

/** Watches a session from now on. Does not suspend. Copies *observer. NULL: it is not watched any
 * more.
 * Errors: WEIR_ENOMEM: the observer is the one from before. Never with NULL. */
WEIR_API WEIR_MUST_USE int weir_session_observe(weir_session *session,
                                                const weir_observer *observer);

/** Starts a pinger for a raw session. Does not suspend.
 *
 * It sends a ping each interval_ms through outgoing. It closes the session with 1011 "Ping timeout"
 * when no matching pong was put into *pongs within timeout_ms. The user sends the Pong frames that
 * the session receives into *pongs, which never blocks. interval_ms 0: 20,000 ms; WEIR_UNLIMITED:
 * no pings. timeout_ms 0: 20,000 ms; WEIR_UNLIMITED: no limit. The session owns the pinger, which
 * ends with it. Lends *pongs as long as the session.
 * Errors: WEIR_EINVAL: an argument is NULL; WEIR_ENOMEM; WEIR_CLOSED: the session has ended. */
WEIR_API WEIR_MUST_USE int weir_pinger_start(weir_channel **pongs, weir_session *session,
                                             uint64_t interval_ms, uint64_t timeout_ms);

/** Starts a ponger for a raw session. Does not suspend.
 *
 * For each Ping frame that is put into *pings it sends a Pong with the same payload to outgoing.
 * While outgoing is full it keeps only the newest. The session owns the ponger, which ends with it.
 * Lends *pings as long as the session. A second call gives the same channel.
 * Errors: WEIR_EINVAL: an argument is NULL; WEIR_ENOMEM; WEIR_CLOSED: the session has ended. */
WEIR_API WEIR_MUST_USE int weir_ponger_start(weir_channel **pings, weir_session *session);

WEIR_END_DECLS
#endif
