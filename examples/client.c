/* examples/client.c - a WebSocket client: says one thing, prints the answer.
 *
 *     client [URL]      the URL of an echo server, ws://127.0.0.1:9001/echo when none is given */
#include <stdio.h>
#include <weir/weir.h>

static int say_hello(weir_session *session, void *arg)
{
    (void)arg;
    weir_frame frame;
    int status = weir_send_text(session, "Hello, weir!");
    if (status == WEIR_OK && (status = weir_receive(session, &frame)) == WEIR_OK)
        printf("%.*s\n", (int)frame.size, (const char *)frame.data);
    return status;
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001/echo";
    int status = weir_connect(&(weir_connect_options){.url = url, .handler = say_hello});
    if (status != WEIR_OK)
        fprintf(stderr, "%s: %s\n", url, weir_strerror(status));
    return status != WEIR_OK;
}
