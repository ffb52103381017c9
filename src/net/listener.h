/* net/listener.h - the inside of a listener, for an actor that takes streams as they come,
 * without a coroutine. Single-threaded. */
#ifndef WEIR_NET_LISTENER_H
#define WEIR_NET_LISTENER_H

#include "net/stream.h"

/* Has on_stream called, in the loop's context, for each connection from now on; the stream is
 * the actor's (weir__stream_take() it, or close it). It may call pause, resume and
 * weir_listener_close() from inside. Not together with weir_listener_accept(). Nothing is called
 * after weir_listener_close(). Errors: WEIR_ESTATE (started already, or coroutines accept),
 * WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__listener_start(weir_listener *listener,
                                       void (*on_stream)(void *owner, weir_stream *stream),
                                       void *owner);

/* Stops and goes on accepting: further connections wait in the kernel's backlog. Idempotent;
 * harmless before the start and after its end. */
void weir__listener_pause(weir_listener *listener);
void weir__listener_resume(weir_listener *listener);

#endif
