/* examples/echo.c - a WebSocket server: each session is a coroutine that sends back what it
 * receives.
 *
 *     echo      then, in another terminal: weir connect ws://127.0.0.1:9001/echo */
#include <weir/weir.h>

static int echo(weir_session *session, void *arg)
{
    (void)arg;
    weir_frame frame;
    int status;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK) /* takes the frame over */
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

int main(void)
{
    return weir_serve(&(weir_serve_options){.url = "ws://127.0.0.1:9001/echo", .handler = echo});
}
