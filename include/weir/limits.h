/** @file
 * weir/limits.h - how a session behaves: its limits, its queues, its times, and what watches it.
 * weir/session.h includes it. */
#ifndef WEIR_LIMITS_H
#define WEIR_LIMITS_H

#include <weir/base.h>
#include <weir/channel.h>
#include <weir/close.h>
#include <weir/deflate.h>
#include <weir/endpoint.h>
#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** A session: see weir_session_start(), weir_client_open() and weir_handler. */
typedef struct weir_session weir_session;

/** Functions that watch a session without changing it. NULL: that is not watched.
 *
 * They are called by the loop or in a coroutine. They must not suspend, and must neither keep the
 * frame nor change it. */
typedef struct weir_observer {
    void (*frame_in)(weir_session *session, const weir_frame *frame,
                     void *arg); /**< a frame was received; pings and pongs too */
    /** The user sent a frame: called when it is serialized, before the kernel takes it. */
    void (*frame_out)(weir_session *session, const weir_frame *frame, void *arg);
    void (*ended)(weir_session *session, const weir_end *end,
                  void *arg); /**< the end is known; called once */
    void *arg;                /**< handed to all of them */
} weir_observer;

/** How a session behaves. Zeroed: the defaults. In each limit and time 0 is the default. */
typedef struct weir_session_options {
    /** Most bytes that a frame may declare; more gets Close 1009. 0: WEIR_MAX_SIZE_DEFAULT, 1 MiB;
     * WEIR_UNLIMITED: no limit. */
    uint64_t max_frame_size;
    /** Most bytes of a message, all its fragments together; more gets Close 1009. 0:
     * WEIR_MAX_SIZE_DEFAULT, 1 MiB; WEIR_UNLIMITED: no limit. */
    uint64_t max_message_size;
    /** Pause between pings. 0: 20,000 ms; WEIR_UNLIMITED: no pings are sent. */
    uint64_t ping_interval_ms;
    /** Most time for the answer to a ping; then Close 1011. 0: 20,000 ms; WEIR_UNLIMITED: no
     * limit. */
    uint64_t ping_timeout_ms;
    /** Most time for the closing handshake. 0: 5,000 ms; WEIR_UNLIMITED: no limit. */
    uint64_t close_timeout_ms;
    /** Frames that may queue while nobody receives, 1..1,048,576. 0: 8. */
    size_t incoming_capacity;
    /** Frames that may queue while the peer does not read, 1..1,048,576. 0: 8. */
    size_t outgoing_capacity;
    /** What happens when the incoming queue is full. SUSPEND: the stream is not read. */
    enum weir_overflow incoming_overflow;
    /** What happens when the outgoing queue is full. SUSPEND: weir_send() waits. */
    enum weir_overflow outgoing_overflow;
    /** A limit in bytes for each of the two queues, besides the one in frames:
     * - sending: when so many bytes were sent that the kernel has not taken, frames queue, and then
     *   weir_send() waits;
     * - receiving: when so many bytes wait to be received, the incoming queue is full.
     *
     * 0: 1 MiB; WEIR_UNLIMITED: no limit. */
    size_t high_water;
    /** Delivers a message in pieces as they arrive: frames with fin = false, then one with fin =
     * true. So a message of any size needs constant memory. max_message_size still holds. */
    bool pieces;
    /** Bytes of the user's own state in the session's memory, zeroed: weir_session_user(). 0:
     * none. */
    size_t user_size;
    /** permessage-deflate (RFC 7692). Servers and clients negotiate it when it is enabled. */
    weir_deflate_options deflate;
    weir_observer observer; /**< watches from the start; see also weir_session_observe() */
} weir_session_options;

WEIR_END_DECLS
#endif
