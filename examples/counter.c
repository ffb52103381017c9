/* examples/counter.c - a server with a function a message instead of a coroutine a session.
 *
 * on_message runs on a coroutine from a pool, so an idle session has no stack. This shape is for
 * very many sessions that are mostly silent. A session keeps its own data in a block of its own
 * (user_size).
 *
 *     counter [URL]      answers each message with its number and the bytes so far */
#include <stdio.h>
#include <weir/weir.h>

struct count {
    unsigned messages;
    size_t bytes;
};

static int greet(weir_session *session, void *arg)
{
    (void)arg;
    return weir_send_text(session, "send me something");
}

static int count(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    char answer[64];
    struct count *so_far = weir_session_user(session);
    so_far->messages++;
    so_far->bytes += frame->size;
    snprintf(answer, sizeof answer, "message %u, %zu bytes so far", so_far->messages,
             so_far->bytes);
    return weir_send_text(session, answer); /* may suspend, as in any coroutine */
}

static void report_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)arg;
    const struct count *so_far = weir_session_user(session);
    printf("a session ended (%s) after %u messages\n", weir_end_kind_name(end->kind),
           so_far->messages);
    fflush(stdout);
}

static void announce(const char *url, void *arg)
{
    (void)arg;
    printf("listening on %s\n", url);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    weir_serve_options options = {
        .url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/count",
        .on_open = greet,
        .on_message = count,
        .on_close = report_end,
        .session.user_size = sizeof(struct count),
        .on_listening = announce,
    };
    int status = weir_serve(&options);
    fprintf(stderr, "%s\n", weir_strerror(status));
    return 1;
}
