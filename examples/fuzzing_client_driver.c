/* Drives a fuzzing server of WebSocket: fuzzing_client_driver [--deflate] URL AGENT
 *
 * Such a server runs one case a connection and judges how its peer behaves. The peer only has to
 * send every message back until the connection ends. This program asks it for the number of cases,
 * runs them all, and makes it write its report under the name AGENT. --deflate offers
 * compression. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#define MESSAGE_MAX (16 << 20)

static bool deflates;

/* The whole of an echo client. */
static int echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status;
}

/* The first message is the number of cases; then the server closes. */
static int read_count(weir_session *session, void *arg)
{
    unsigned long *count = arg;
    weir_frame frame;
    int status = weir_receive_message(session, &frame);
    if (status != WEIR_OK)
        return status;
    *count = strtoul((const char *)frame.data, NULL, 10);
    weir_frame_release(&frame);
    return weir_receive(session, &frame);
}

static int run(const char *server, const char *resource, weir_handler handler, void *arg)
{
    char url[1024];
    int length = snprintf(url, sizeof url, "%s%s", server, resource);
    if (length < 0 || (size_t)length >= sizeof url)
        return WEIR_ETOOBIG;
    return weir_connect(&(weir_connect_options){
        .url = url,
        .handler = handler,
        .arg = arg,
        .session = {.max_frame_size = MESSAGE_MAX,
                    .max_message_size = MESSAGE_MAX,
                    .ping_interval_ms = WEIR_UNLIMITED, /* the server counts every frame */
                    .deflate = {.enabled = deflates,
                                .server_context_takeover = true,
                                .client_context_takeover = true,
                                .level = 1}}, /* how small it gets is not judged */
    });
}

static int fail(const char *doing, int status)
{
    fprintf(stderr, "%s: %s\n", doing, weir_strerror(status));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    char resource[256];
    unsigned long count = 0;
    deflates = argc > 1 && strcmp(argv[1], "--deflate") == 0;
    if (argc != (deflates ? 4 : 3)) {
        fprintf(stderr, "usage: %s [--deflate] ws://HOST:PORT AGENT\n", argv[0]);
        return 2;
    }
    argv += deflates;
    int status = run(argv[1], "/getCaseCount", read_count, &count);
    if (status != WEIR_CLOSED)
        return fail("asking for the number of cases", status);
    for (unsigned long number = 1; number <= count; number++) {
        snprintf(resource, sizeof resource, "/runCase?case=%lu&agent=%s", number, argv[2]);
        status = run(argv[1], resource, echo, NULL);
        printf("%lu/%lu: %s\n", number, count, weir_strerror(status)); /* the server is the judge */
    }
    snprintf(resource, sizeof resource, "/updateReports?agent=%s", argv[2]);
    status = run(argv[1], resource, echo, NULL);
    return status == WEIR_CLOSED ? EXIT_SUCCESS : fail("having the report written", status);
}
