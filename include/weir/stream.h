/** @file
 * weir/stream.h - byte streams (TCP, Unix sockets, pairs in memory) and listeners, for
 * straight-line code in coroutines.
 *
 * A stream belongs to one loop, and everything here must be called on that loop's thread:
 * - One coroutine may read and another one may write at the same time. A second reader or writer
 *   gets WEIR_ESTATE.
 * - Nothing is read ahead. While nobody reads, the peer has to wait.
 * - weir_session_start() takes a stream whole. None of these functions may be used on it
 *   afterwards.
 * - For a deadline use weir_with_deadline(). */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/address.h>
#include <weir/base.h>
#include <weir/loop.h>

WEIR_BEGIN_DECLS

/** A connection as a stream of bytes in each direction. */
typedef struct weir_stream weir_stream;

/** What accepts connections at an address. */
typedef struct weir_listener weir_listener;

/** **Suspends** until it is connected to an address (Borrows). TCP_NODELAY is set.
 *
 * timeout_ms 0: 10,000; WEIR_UNLIMITED: as long as the kernel tries. On success the stream is the
 * caller's, until weir_stream_close(), weir_stream_reset(), or a session takes it. On failure *out
 * is NULL.
 * Errors: WEIR_ETIMEDOUT; WEIR_CANCELLED; WEIR_SYSTEM(ECONNREFUSED), ...; WEIR_EINVAL; WEIR_ENOMEM;
 * WEIR_ESTATE: outside a coroutine. */
WEIR_API WEIR_MUST_USE int weir_stream_connect(weir_stream **out, const weir_address *address,
                                               uint64_t timeout_ms);

/** Makes two streams that are connected to each other without a socket: what is written to one is
 * read from the other. Does not suspend.
 *
 * At most 64 KiB are in flight in each direction. Pairs work in every loop. In a simulated one they
 * have no latency and no faults. Both streams are the caller's. On failure both are NULL.
 * Errors: WEIR_EINVAL; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_stream_pair(weir_stream **a, weir_stream **b, weir_loop *loop);

/** **Suspends** while nothing has arrived. Reads 1..size bytes, and sets *got to their number (0 on
 * failure). size must not be 0. Cancelling loses nothing, and the stream can be used afterwards.
 * Errors:
 * - WEIR_CLOSED: the end-of-file of the peer, at this and every later call; the write side is still
 *   open;
 * - WEIR_SYSTEM(ECONNRESET), ...;
 * - WEIR_CANCELLED: the caller was cancelled, or another coroutine closed the stream;
 * - WEIR_ESTATE: another coroutine reads, or outside a coroutine;
 * - WEIR_EINVAL; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_stream_read(weir_stream *stream, void *out, size_t size,
                                            size_t *got);

/** **Suspends** until size bytes have arrived, and reads them. size 0: returns at once. On failure
 * the bytes that had arrived are lost.
 * Errors: as weir_stream_read(); WEIR_ELOST: the end-of-file came after the first byte and before
 * the last one. */
WEIR_API WEIR_MUST_USE int weir_stream_read_exactly(weir_stream *stream, void *out, size_t size);

/** **Suspends** until the kernel has taken all bytes. size 0: returns at once. Borrows data.
 *
 * A write that is cancelled while it is suspended breaks the stream, since the peer may have got
 * any part of it: the connection is reset, and every later call returns WEIR_CANCELLED. The stream
 * still has to be closed.
 * Errors:
 * - WEIR_CANCELLED: as for weir_stream_read(), or the stream is broken;
 * - WEIR_SYSTEM(EPIPE), WEIR_SYSTEM(ECONNRESET), ...;
 * - WEIR_ESTATE: another coroutine writes, or outside a coroutine;
 * - WEIR_EINVAL; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_stream_write(weir_stream *stream, const void *data, size_t size);

/** Ends the write side: the peer reads an end-of-file after all that was written. The read side
 * stays open. Idempotent. Does not suspend.
 * Errors: WEIR_ESTATE: a coroutine writes; WEIR_CANCELLED: the stream is broken by a cancelled
 * write; WEIR_EINVAL; WEIR_ENOMEM; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_shutdown(weir_stream *stream);

/** Closes a stream and frees it, soon (Takes). Does not suspend. NULL is allowed.
 *
 * What was written still reaches the peer, with one exception: as on every socket, the peer gets a
 * reset when bytes that it sent were not read. Calls that are suspended in the stream return
 * WEIR_CANCELLED. */
WEIR_API void weir_stream_close(weir_stream *stream);

/** Resets a stream and frees it, soon (Takes): what the peer has not got yet is dropped, and the
 * peer gets a reset (TCP RST). Otherwise as weir_stream_close(). */
WEIR_API void weir_stream_reset(weir_stream *stream);

/** Fills *out with the address of this end. An end of a pair has none: *out is that of a Unix
 * socket without a name. On failure *out is zeroed.
 * Errors: WEIR_EINVAL; WEIR_ESTATE: the stream is broken by a cancelled write; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_local_address_get(weir_address *out,
                                                         const weir_stream *stream);

/** Fills *out with the address of the peer. Otherwise as weir_stream_local_address_get(). */
WEIR_API WEIR_MUST_USE int weir_stream_peer_address_get(weir_address *out,
                                                        const weir_stream *stream);

/** Has TCP probe a peer that was silent for idle_s seconds. After three probes, interval_s seconds
 * apart, without an answer the connection is lost. Both are at least 1. Does nothing on a stream
 * that is not TCP.
 * Errors: WEIR_EINVAL; WEIR_ESTATE: the stream is broken by a cancelled write; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_keep_alive(weir_stream *stream, unsigned idle_s,
                                                  unsigned interval_s);

/** The loop that a stream belongs to. Lends it as long as the stream. */
WEIR_API weir_loop *weir_stream_loop(const weir_stream *stream);

/** Listens on an address (Borrows). Port 0 takes a free one. Does not suspend.
 *
 * share_port: several listeners, of several loops or processes, may listen on one TCP port, and the
 * kernel spreads connections over them. The path of a Unix socket on which nobody listens any more
 * is replaced. The listener is the caller's until weir_listener_close(). On failure *out is NULL.
 * Errors: WEIR_SYSTEM(EADDRINUSE), ...; WEIR_EINVAL; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_listener_open(weir_listener **out, weir_loop *loop,
                                              const weir_address *address, bool share_port);

/** **Suspends** until there is a connection, which then is the caller's. On failure *out is NULL.
 *
 * Any number of coroutines may wait. Between calls at most 64 connections are accepted in advance.
 * Further ones wait in the kernel's queue. Without descriptors or memory, accepting pauses for a
 * moment and goes on.
 * Errors: WEIR_CLOSED: another coroutine closed the listener; WEIR_CANCELLED: the caller was
 * cancelled; WEIR_ESTATE: outside a coroutine; WEIR_EINVAL; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_listener_accept(weir_stream **out, weir_listener *listener);

/** Fills *out with the address of a listener, with the port that was taken. On failure *out is
 * zeroed. Errors: WEIR_EINVAL; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_listener_address_get(weir_address *out,
                                                     const weir_listener *listener);

/** Closes a listener and frees it, soon (Takes). Connections that were not handed out are reset.
 * Calls that wait return WEIR_CLOSED. Does not suspend. NULL is allowed. */
WEIR_API void weir_listener_close(weir_listener *listener);

WEIR_END_DECLS
#endif
