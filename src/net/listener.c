#include "net/listener.h"

#include "rt/backend.h"
#include "rt/coroutine.h"

#include <string.h>

#define QUEUE_MAX 64
#define RETRY_MS  50

/* A coroutine that waits for a connection. It stands on that coroutine's stack. */
struct acceptor {
    struct weir__wait wait;
    weir__node link;
    weir_stream *stream;
};

struct weir_listener {
    weir__io io;
    void (*on_stream)(void *owner,
                      /* NULL: coroutines accept, or accepting has not begun */
                      weir_stream *stream);
    void *owner;
    weir__timer retry;    /* armed: accepting could not be started again, and should be */
    weir__node acceptors; /* of struct acceptor; non-empty only when nothing is queued */
    weir_stream *first;   /* accepted in advance, linked by their owner fields */
    weir_stream *last;
    size_t count;
};

static weir_listener *listener_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_listener, io);
}

/* --- what is accepted in advance --- */

static void queue_stream(weir_listener *listener, weir_stream *stream)
{
    if (listener->count == 0)
        listener->first = stream;
    else
        listener->last->owner = stream;
    listener->last = stream;
    if (++listener->count == QUEUE_MAX)
        weir__io_accept_stop(&listener->io);
}

static weir_stream *unqueue_stream(weir_listener *listener)
{
    weir_stream *stream = listener->first;
    if (stream == NULL)
        return NULL;
    listener->first = stream->owner;
    listener->count--;
    stream->owner = NULL;
    return stream;
}

/* --- what happens on the io --- */

static void hand_over(struct acceptor *acceptor, weir_stream *stream)
{
    weir__list_remove(&acceptor->link);
    acceptor->stream = stream;
    weir__wait_wake_now(&acceptor->wait, WEIR_OK);
}

static void take_accepted(weir__io *io, struct weir__accepted *accepted)
{
    weir_listener *listener = listener_of(io);
    weir_stream *stream = weir__stream_new(io->loop);
    if (stream == NULL) {
        weir__accepted_drop(io->loop, accepted);
        return;
    }
    if (weir__io_adopt(&stream->io, accepted) != WEIR_OK) {
        weir__stream_free(stream);
        return;
    }
    weir__node *waiting = weir__list_first(&listener->acceptors);
    if (listener->on_stream != NULL)
        listener->on_stream(listener->owner, stream);
    else if (waiting != NULL)
        hand_over(WEIR__CONTAINER(waiting, struct acceptor, link), stream);
    else
        queue_stream(listener, stream);
}

static void take_closed(weir__io *io)
{
    weir_listener *listener = listener_of(io);
    weir__list_fini(&listener->acceptors);
    weir__loop_free(io->loop, listener, sizeof *listener);
}

static const struct weir__io_events listener_events = {
    .on_accept = take_accepted,
    .on_closed = take_closed,
};

/* --- life --- */

static void retry_accepting(weir__timer *timer)
{
    weir__listener_resume(WEIR__CONTAINER(timer, weir_listener, retry));
}

int weir_listener_open(weir_listener **out, weir_loop *loop, const weir_address *address,
                       bool share_port)
{
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (loop == NULL || address == NULL)
        return WEIR_EINVAL;
    weir_listener *listener = weir__loop_alloc(loop, sizeof *listener);
    if (listener == NULL)
        return WEIR_ENOMEM;
    memset(listener, 0, sizeof *listener);
    weir__io_init(&listener->io, loop, &listener_events);
    weir__timer_init(&listener->retry, retry_accepting);
    weir__list_init(&listener->acceptors);
    int status = weir__io_listen(&listener->io, (const struct sockaddr *)&address->storage,
                                 address->size, share_port);
    if (status != WEIR_OK) {
        weir__loop_free(loop, listener, sizeof *listener);
        return status;
    }
    *out = listener;
    return WEIR_OK;
}

static void wake_acceptors(weir_listener *listener)
{
    weir__node *node;
    while ((node = weir__list_first(&listener->acceptors)) != NULL) {
        weir__list_remove(node);
        weir__wait_wake(&WEIR__CONTAINER(node, struct acceptor, link)->wait, WEIR_CLOSED);
    }
}

void weir_listener_close(weir_listener *listener)
{
    if (listener == NULL)
        return;
    listener->on_stream = NULL;
    weir__timer_cancel(&listener->retry);
    wake_acceptors(listener);
    while (listener->first != NULL)
        weir_stream_reset(unqueue_stream(listener));
    weir__io_close(&listener->io, false);
}

int weir_listener_address_get(weir_address *out, const weir_listener *listener)
{
    if (out == NULL)
        return WEIR_EINVAL;
    memset(out, 0, sizeof *out);
    return listener == NULL ? WEIR_EINVAL : weir__stream_ask_address(&listener->io, false, out);
}

/* --- for coroutines --- */

static void withdraw_acceptor(struct weir__wait *wait)
{
    weir__list_remove(&WEIR__CONTAINER(wait, struct acceptor, wait)->link);
}

int weir_listener_accept(weir_stream **out, weir_listener *listener)
{
    struct acceptor acceptor = {.stream = NULL};
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (listener == NULL)
        return WEIR_EINVAL;
    if (listener->on_stream != NULL)
        return WEIR_ESTATE;
    *out = unqueue_stream(listener);
    if (*out != NULL)
        return WEIR_OK;
    int status = weir__wait_init(&acceptor.wait, "accept", withdraw_acceptor);
    if (status == WEIR_OK)
        status = weir__io_accept_start(&listener->io);
    if (status != WEIR_OK)
        return status;
    weir__list_push(&listener->acceptors, &acceptor.link);
    status = weir__wait_suspend(&acceptor.wait);
    *out = acceptor.stream;
    return status;
}

/* --- for actors --- */

int weir__listener_start(weir_listener *listener,
                         void (*on_stream)(void *owner, weir_stream *stream), void *owner)
{
    if (listener->on_stream != NULL || listener->first != NULL ||
        !weir__list_is_empty(&listener->acceptors))
        return WEIR_ESTATE;
    int status = weir__io_accept_start(&listener->io);
    if (status != WEIR_OK)
        return status;
    listener->on_stream = on_stream;
    listener->owner = owner;
    return WEIR_OK;
}

void weir__listener_pause(weir_listener *listener)
{
    weir__timer_cancel(&listener->retry);
    if (listener->on_stream != NULL)
        weir__io_accept_stop(&listener->io);
}

void weir__listener_resume(weir_listener *listener)
{
    if (listener->on_stream == NULL)
        return;
    if (weir__io_accept_start(&listener->io) != WEIR_OK)
        weir__timer_set_after(listener->io.loop, &listener->retry, RETRY_MS);
}
