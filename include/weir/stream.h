/** @file
 * weir/stream.h - byte streams (TCP, Unix sockets, pairs in memory) and listeners, for
 * straight-line code in coroutines.
 *
 * A stream belongs to one loop, and everything here must be called on that loop's thread. One
 * coroutine may read and another one write at the same time; a second reader or writer gets
 * WEIR_ESTATE. Nothing is read ahead while nobody reads: the peer then has to wait. A session
 * takes a stream over whole (weir_session_start()); none of these functions may be used on it
 * afterwards. Deadlines: weir_with_deadline(). */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/address.h>
#include <weir/base.h>
#include <weir/loop.h>

WEIR_BEGIN_DECLS

/** A connection as a stream of bytes in each direction. */
typedef struct weir_stream weir_stream;

/** A place where connections come in. */
typedef struct weir_listener weir_listener;

/** **Suspends.** Connects to an address (Borrows). On success the stream is the caller's, until
 * weir_stream_close(), weir_stream_reset() or a session takes it; TCP_NODELAY is set. timeout_ms
 * 0: 10,000; WEIR_UNLIMITED: as long as the kernel tries. On failure *out is NULL.
 * Errors: WEIR_ETIMEDOUT, WEIR_CANCELLED, WEIR_SYSTEM(ECONNREFUSED), ..., WEIR_EINVAL,
 * WEIR_ENOMEM, WEIR_ESTATE outside a coroutine. */
WEIR_API WEIR_MUST_USE int weir_stream_connect(weir_stream **out, const weir_address *address,
                                               uint64_t timeout_ms);

/** Makes two streams that are connected to each other without any socket: what is written to one
 * is read from the other. At most 64 KiB are on the way in either direction. They work in every
 * loop, also a simulated one, without latency and without faults. On failure both are NULL.
 * Errors: WEIR_EINVAL, WEIR_ENOMEM. Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_stream_pair(weir_stream **a, weir_stream **b, weir_loop *loop);

/** **Suspends** while nothing has arrived. Reads 1..size bytes, their number into *got (0 on
 * failure); size must not be 0. Cancelling loses nothing: the stream stays usable. Errors:
 * WEIR_CLOSED at end-of-file (the own side can still write), then again at each call;
 * WEIR_SYSTEM(ECONNRESET), ...; WEIR_CANCELLED (the caller was, or the stream was closed by
 * somebody else); WEIR_ESTATE (somebody reads already, or outside a coroutine); WEIR_EINVAL;
 * WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_stream_read(weir_stream *stream, void *out, size_t size,
                                            size_t *got);

/** **Suspends** while nothing has arrived. Reads exactly size bytes (0: returns at once). When
 * it fails, what had arrived is lost.
 * Errors: as weir_stream_read(), and WEIR_ELOST when the end-of-file comes after the first byte
 * and before the last one. */
WEIR_API WEIR_MUST_USE int weir_stream_read_exactly(weir_stream *stream, void *out, size_t size);

/** **Suspends** until the kernel has taken all bytes (size 0: returns at once). Borrows data.
 * When it is cancelled while it is suspended, nobody can know how much the peer gets: the
 * connection is reset, and whatever is tried on the stream later gives WEIR_CANCELLED; it still
 * has to be closed.
 * Errors: WEIR_CANCELLED (as for reading), WEIR_SYSTEM(EPIPE), WEIR_SYSTEM(ECONNRESET), ...,
 * WEIR_ESTATE (somebody writes already, or outside a coroutine), WEIR_EINVAL, WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_stream_write(weir_stream *stream, const void *data, size_t size);

/** Ends the own direction: the peer reads an end-of-file after all that was written. The other
 * direction stays open. Idempotent. Does not suspend.
 * Errors: WEIR_ESTATE while somebody writes, WEIR_CANCELLED (after a write that was cancelled),
 * WEIR_EINVAL, WEIR_ENOMEM, WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_shutdown(weir_stream *stream);

/** Closes a stream and frees it, soon (Takes). What was written still reaches the peer, unless
 * bytes of the peer are left unread: as with every socket, it then gets a reset. Who is suspended
 * in it wakes with WEIR_CANCELLED. NULL is allowed. Does not suspend. */
WEIR_API void weir_stream_close(weir_stream *stream);

/** The same, but what the peer has not yet got is discarded, and it learns of it: it gets a
 * reset (TCP RST). */
WEIR_API void weir_stream_reset(weir_stream *stream);

/** The address of the own end. An end of a pair has none: it gives that of a Unix socket without
 * a name. On failure *out is zeroed.
 * Errors: WEIR_EINVAL, WEIR_ESTATE (the stream was broken by a cancelled write),
 * WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_local_address_get(weir_address *out,
                                                         const weir_stream *stream);

/** The address of the other end. Otherwise as weir_stream_local_address_get(). */
WEIR_API WEIR_MUST_USE int weir_stream_peer_address_get(weir_address *out,
                                                        const weir_stream *stream);

/** Has TCP probe a peer that was silent for idle_s seconds, three times, interval_s apart,
 * before the connection counts as lost: both at least 1. Does nothing on streams that are not
 * TCP.
 * Errors: WEIR_EINVAL, WEIR_ESTATE (the stream was broken by a cancelled write),
 * WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_stream_keep_alive(weir_stream *stream, unsigned idle_s,
                                                  unsigned interval_s);

/** The loop that a stream belongs to. Lends it as long as the stream. */
WEIR_API weir_loop *weir_stream_loop(const weir_stream *stream);

/** Listens on an address (Borrows); port 0 takes a free one. share_port: several listeners, of
 * several loops or processes, may share a TCP port, and the kernel spreads connections over
 * them. A Unix socket's path that nobody listens on any more is replaced. The listener is the
 * caller's until weir_listener_close(). On failure *out is NULL. Errors:
 * WEIR_SYSTEM(EADDRINUSE), ..., WEIR_EINVAL, WEIR_ENOMEM. Does not suspend. */
WEIR_API WEIR_MUST_USE int weir_listener_open(weir_listener **out, weir_loop *loop,
                                              const weir_address *address, bool share_port);

/** **Suspends** until a connection comes in; it is then the caller's. Any number of coroutines
 * may wait. Between calls at most 64 connections are accepted in advance; the rest waits with
 * the kernel. Out of descriptors or memory: accepting pauses for a moment and goes on. On
 * failure *out is NULL. Errors: WEIR_CLOSED (the listener was closed by somebody else),
 * WEIR_CANCELLED, WEIR_ESTATE (outside a coroutine), WEIR_EINVAL, WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_listener_accept(weir_stream **out, weir_listener *listener);

/** Where it listens, with the port that was taken. On failure *out is zeroed. Errors:
 * WEIR_EINVAL, WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_listener_address_get(weir_address *out,
                                                     const weir_listener *listener);

/** Closes a listener and frees it, soon (Takes). Connections that nobody has accepted are reset;
 * who waits wakes with WEIR_CLOSED. NULL is allowed. Does not suspend. */
WEIR_API void weir_listener_close(weir_listener *listener);

WEIR_END_DECLS
#endif
