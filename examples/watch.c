/* examples/watch.c - watches a session: an observer of its frames, the round-trip time of its
 * pings, the close reason as a deferred.
 *
 *     watch URL [MESSAGES]      talks to an echo server and prints what happens */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

static void print_frame(const char *direction, const weir_frame *frame)
{
    char text[128];
    (void)weir_frame_describe(text, sizeof text, frame);
    printf("  %s %s\n", direction, text);
}

static void on_frame_in(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session, (void)arg;
    print_frame("<-", frame);
}

static void on_frame_out(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session, (void)arg;
    print_frame("->", frame);
}

static void on_ended(weir_session *session, const weir_end *end, void *arg)
{
    (void)session, (void)arg;
    printf("  ended: %s\n", weir_end_kind_name(end->kind));
}

/* A coroutine of the session's own scope: it ends when the session does. */
static int wait_for_reason(void *arg)
{
    void *value;
    char text[256];
    int status = weir_deferred_await(weir_session_close_reason(arg), &value);
    if (status == WEIR_CANCELLED)
        return status;
    (void)weir_close_reason_describe(text, sizeof text, weir_end_reason(value));
    printf("the close reason: %s\n", text);
    return WEIR_OK;
}

static int converse(weir_session *session, void *arg)
{
    unsigned long count = strtoul(arg, NULL, 10);
    weir_observer observer = {on_frame_in, on_frame_out, on_ended, NULL};
    weir_frame frame;
    int status = weir_session_observe(session, &observer);
    if (status != WEIR_OK)
        return status;
    printf("messages are %scompressed\n",
           weir_session_deflate_terms_get(NULL, session) ? "" : "not ");
    weir_session_set_ping(session, 20, 1000);
    status = weir_go(weir_session_scope(session), "reason", wait_for_reason, session);
    for (unsigned long i = 0; status == WEIR_OK && i < count; i++) {
        status = weir_send_text(session, "tick");
        if (status == WEIR_OK)
            status = weir_receive(session, &frame);
        if (status == WEIR_OK)
            status = weir_sleep(30); /* pings come and go meanwhile */
    }
    if (weir_session_round_trip_ms(session) != WEIR_UNLIMITED)
        printf("a ping takes less than %llu ms\n",
               (unsigned long long)weir_session_round_trip_ms(session) + 1);
    return status;
}

int main(int argc, char **argv)
{
    static char three[] = "3";
    weir_connect_failure failure = {0};
    if (argc < 2) {
        fprintf(stderr, "watch URL [MESSAGES]\n");
        return 2;
    }
    weir_connect_options options = {
        .url = argv[1],
        .handler = converse,
        .session.deflate.enabled = true, /* if the server agrees */
        .arg = argc > 2 ? argv[2] : three,
        .connect_timeout_ms = 2000,
        .failure = &failure,
    };
    int status = weir_connect(&options);
    if (status == WEIR_EREFUSED)
        fprintf(stderr, "refused: HTTP %u %s\n", failure.http_status, failure.body);
    else if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
