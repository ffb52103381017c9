#include "net/connect.h"

#include "rt/backend.h"
#include "rt/coroutine.h"

#define DEFAULT_TIMEOUT_MS 10000
#define STAGGER_MS         250
#define LIVE_MAX           8

/* It stands on the stack of the coroutine that connects. */
struct connecting {
    struct weir__wait wait;
    weir_loop *loop;
    const weir_address *addresses;
    size_t count;
    size_t next;                 /* index of the address to try next */
    weir_stream *live[LIVE_MAX]; /* attempts under way */
    size_t live_count;
    weir_stream *winner;
    weir__timer deadline;
    weir__timer stagger;
    int status; /* of the last failure */
};

static void drop_attempt(struct connecting *connecting, const weir_stream *stream)
{
    size_t at = 0;
    while (connecting->live[at] != stream)
        at++;
    connecting->live[at] = connecting->live[--connecting->live_count];
}

static void withdraw(struct connecting *connecting)
{
    weir__timer_cancel(&connecting->deadline);
    weir__timer_cancel(&connecting->stagger);
    while (connecting->live_count > 0)
        weir_stream_close(connecting->live[--connecting->live_count]);
}

static void finish(struct connecting *connecting, int status)
{
    withdraw(connecting);
    weir__wait_wake(&connecting->wait, status);
}

static void finish_attempt(weir__io *io, int status);

static const struct weir__io_events attempt_events = {.on_connect = finish_attempt};

static int start_attempt(struct connecting *connecting, const weir_address *address)
{
    weir_stream *stream = weir__stream_new(connecting->loop);
    if (stream == NULL)
        return WEIR_ENOMEM;
    stream->io.on = &attempt_events;
    stream->owner = connecting;
    int status =
        weir__io_connect(&stream->io, (const struct sockaddr *)&address->storage, address->size);
    if (status == WEIR_OK)
        connecting->live[connecting->live_count++] = stream;
    else
        weir__stream_free(stream);
    return status;
}

/* Starts the next attempt that can be started at all. */
static void start_next(struct connecting *connecting)
{
    int status = WEIR_EAGAIN;
    while (status != WEIR_OK && connecting->next < connecting->count &&
           connecting->live_count < LIVE_MAX) {
        status = start_attempt(connecting, &connecting->addresses[connecting->next++]);
        if (status != WEIR_OK)
            connecting->status = status;
    }
    if (connecting->next < connecting->count)
        weir__timer_set_after(connecting->loop, &connecting->stagger, STAGGER_MS);
    else
        weir__timer_cancel(&connecting->stagger);
}

static void finish_attempt(weir__io *io, int status)
{
    weir_stream *stream = WEIR__CONTAINER(io, weir_stream, io);
    struct connecting *connecting = stream->owner;
    drop_attempt(connecting, stream);
    if (status == WEIR_OK) {
        weir__stream_leave(stream);
        connecting->winner = stream;
        finish(connecting, WEIR_OK);
        return;
    }
    weir_stream_close(stream);
    connecting->status = status;
    start_next(connecting);
    if (connecting->live_count == 0)
        finish(connecting, connecting->status);
}

static void pass_stagger(weir__timer *timer)
{
    start_next(WEIR__CONTAINER(timer, struct connecting, stagger));
}

static void pass_deadline(weir__timer *timer)
{
    finish(WEIR__CONTAINER(timer, struct connecting, deadline), WEIR_ETIMEDOUT);
}

static void cancel_connecting(struct weir__wait *wait)
{
    withdraw(WEIR__CONTAINER(wait, struct connecting, wait));
}

static int connect_any(struct connecting *connecting, uint64_t timeout_ms)
{
    int status = weir__wait_init(&connecting->wait, "connect", cancel_connecting);
    if (status != WEIR_OK)
        return status;
    connecting->loop = weir_loop_current();
    weir__timer_init(&connecting->deadline, pass_deadline);
    weir__timer_init(&connecting->stagger, pass_stagger);
    start_next(connecting);
    if (connecting->live_count == 0)
        return connecting->status;
    if (timeout_ms != WEIR_UNLIMITED)
        weir__timer_set_after(connecting->loop, &connecting->deadline, timeout_ms);
    return weir__wait_suspend(&connecting->wait);
}

int weir__connect_any(const weir_address *addresses, size_t count, uint64_t timeout_ms,
                      weir_stream **out)
{
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (addresses == NULL || count == 0)
        return WEIR_EINVAL;
    struct connecting connecting = {.addresses = addresses, .count = count};
    int status = connect_any(&connecting, timeout_ms != 0 ? timeout_ms : DEFAULT_TIMEOUT_MS);
    *out = connecting.winner;
    return status;
}

int weir_stream_connect(weir_stream **out, const weir_address *address, uint64_t timeout_ms)
{
    return weir__connect_any(address, 1, timeout_ms, out);
}
