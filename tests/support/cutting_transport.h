/* tests/support/cutting_transport.h - a transport for tests: a stream over a stream, which cuts,
 * delays and joins bytes in both directions and changes none. It is built as TLS is to be: it takes
 * another stream over, has buffers of its own in either direction, and passes on what it has taken
 * even after a close. A seed decides where it cuts. Single-threaded, but for the choice. */
#ifndef WEIR_TESTS_CUTTING_TRANSPORT_H
#define WEIR_TESTS_CUTTING_TRANSPORT_H

#include <stdbool.h>
#include <weir/stream.h>

/* Most bytes that it has taken from its user and not passed on. */
#define CUTTING_UNSENT_MAX ((size_t)16 * 1024)

/* Makes a stream over raw (Takes), on which no coroutine may be suspended. Does not suspend.
 * On failure *out is NULL, and raw is reset. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE int cutting_stream_over(weir_stream **out, weir_stream *raw, unsigned seed);

/* Reads WEIR_TEST_TRANSPORT. When it is "cutting", from now on this transport is put under every
 * stream of servers and clients, and transport_over() puts it over a stream. Call it while no other
 * thread uses a loop. */
void transport_choose(void);

/* Whether it was chosen. */
bool transport_cuts(void);

/* The stream (Takes) with the chosen transport over it: itself when none was chosen. NULL: no
 * memory, and the stream is reset. */
weir_stream *transport_over(weir_stream *raw);

#endif
