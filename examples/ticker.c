/* examples/ticker.c - the same line to all guests, four times a second: weir_broadcast() serializes
 * it once. A guest that does not read misses lines and holds up nobody else.
 *
 *     ticker [URL]      weir connect URL from several terminals */
#include <stdio.h>
#include <weir/weir.h>

#define GUESTS_MAX 1000

static weir_session *guests[GUESTS_MAX]; /* used on one loop alone, so no lock is needed */
static size_t guest_count;

static int enter(weir_session *session, void *arg)
{
    (void)arg;
    if (guest_count == GUESTS_MAX)
        return WEIR_ELIMIT;
    guests[guest_count++] = session;
    return WEIR_OK;
}

static void leave(weir_session *session, const weir_end *end, void *arg)
{
    (void)end, (void)arg;
    for (size_t i = 0; i < guest_count; i++)
        if (guests[i] == session)
            guests[i] = guests[--guest_count];
}

static int ignore(weir_session *session, weir_frame *frame, void *arg)
{
    (void)session, (void)frame, (void)arg;
    return WEIR_OK;
}

static int serve(void *arg)
{
    weir_server *server;
    char line[64];
    unsigned number = 0;
    const weir_serve_options options = {
        .url = arg, .on_open = enter, .on_message = ignore, .on_close = leave};
    int status = weir_server_start(&server, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return status;
    printf("listening on %s\n", weir_server_url(server));
    (void)fflush(stdout);
    while (status == WEIR_OK && (status = weir_sleep(250)) == WEIR_OK) {
        int size = snprintf(line, sizeof line, "line %u for %zu", ++number, guest_count);
        weir_frame frame = weir_frame_text(line, (size_t)size);
        status = weir_broadcast(NULL, guests, guest_count, &frame);
    }
    weir_server_free(server);
    return status;
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "ticker", serve, argc > 1 ? argv[1] : "ws://127.0.0.1:9001/");
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "ticker: %s\n", weir_strerror(status));
    return status == WEIR_OK ? 0 : 1;
}
