/* weir demo: a server and a client in one process, over real sockets. Each step is checked, at both
 * ends where there is something to see, and is reported in one line. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <weir/client.h>
#include <weir/server.h>

#define NAME       "demo"
#define STEP_MS    10000 /* both ends are on this machine: after that time, never */
#define BLOB_SIZE  100000
#define GREETING   "Hello, weir"
#define CLIENT_BYE "that is all"
#define SERVER_BYE "closing time"
#define REFUSAL    "members only"

/* How one end saw the session's end. */
struct seen_end {
    bool clean;
    bool by_peer;
    weir_close_reason reason;
};

struct demo {
    weir_route routes[3];
    weir_scope *scope; /* of the whole demonstration; each step has one of its own below */
    weir_server *server;
    weir_session *session; /* the client's, while there is one */
    weir_channel *ends;    /* of struct seen_end: by the server */
    weir_channel *pongs;   /* a token: the client got an answer to a ping */
    char text[256];        /* what the step reports, success or failure */
};

/* --- the server --- */

static int echo_all(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int close_at_once(weir_session *session, void *arg)
{
    (void)arg;
    return weir_close(session, WEIR_CLOSE_GOING_AWAY, SERVER_BYE);
}

static struct seen_end see(const weir_end *end)
{
    return (struct seen_end){end->kind == WEIR_END_CLEAN, end->by_peer, *weir_end_reason(end)};
}

static void note_end(weir_session *session, const weir_end *end, void *arg)
{
    const struct demo *demo = arg;
    const struct seen_end seen = see(end);
    (void)session;
    if (weir_channel_try_send(demo->ends, &seen) != WEIR_OK)
        cli_complain(NAME, "more sessions have ended than steps have seen");
}

static int guard(weir_upgrade *upgrade, void *arg)
{
    (void)arg;
    if (weir_view_equal(weir_upgrade_path(upgrade), "/members"))
        return weir_upgrade_refuse(upgrade, 403, REFUSAL);
    return WEIR_OK;
}

/* --- what steps do --- */

/* Sets the line that the step reports, and returns status. */
__attribute__((format(printf, 3, 4))) static int say(struct demo *demo, int status,
                                                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(demo->text, sizeof demo->text, format, arguments);
    va_end(arguments);
    return status;
}

static int open_session(struct demo *demo, const char *path, weir_connect_failure *failure)
{
    char url[256];
    (void)snprintf(url, sizeof url, "%.*s%s", (int)strlen(weir_server_url(demo->server)) - 1,
                   weir_server_url(demo->server), path);
    const weir_connect_options options = {.url = url, .failure = failure};
    return weir_client_open(&demo->session, demo->scope, &options);
}

/* The next message has to be this one. */
static int expect_message(struct demo *demo, uint8_t type, const void *data, size_t size)
{
    weir_frame frame = {0};
    int status = weir_receive(demo->session, &frame);
    if (status != WEIR_OK)
        return status;
    bool same = frame.fin && frame.type == type && frame.size == size &&
                memcmp(frame.data, data, size) == 0;
    if (!same) {
        char got[64];
        (void)weir_frame_describe(got, sizeof got, &frame);
        status = say(demo, WEIR_EPROTOCOL, "what came back is not what was sent: %s", got);
    }
    weir_frame_release(&frame);
    return status;
}

static bool is_end(const struct seen_end *end, bool by_peer, const weir_close_reason *reason)
{
    return end->clean && end->by_peer == by_peer && weir_close_reason_equal(&end->reason, reason);
}

/* The session has to end cleanly for this reason, and both ends have to see it so. */
static int expect_end(struct demo *demo, bool by_server, const weir_close_reason *reason)
{
    weir_end end;
    struct seen_end here;
    struct seen_end there;
    int status = weir_session_join(demo->session);
    weir_session_end_get(&end, demo->session);
    weir_session_free(demo->session);
    demo->session = NULL;
    if (status != WEIR_CLOSED)
        return status;
    here = see(&end);
    status = weir_channel_receive(demo->ends, &there);
    if (status != WEIR_OK)
        return status;
    char text[160];
    bool client_agrees = is_end(&here, by_server, reason);
    bool agreed = client_agrees && is_end(&there, !by_server, reason);
    (void)weir_close_reason_describe(text, sizeof text,
                                     client_agrees ? &there.reason : &here.reason);
    if (!agreed)
        return say(demo, WEIR_EPROTOCOL, "the %s saw another end: %s",
                   client_agrees ? "server" : "client", text);
    return say(demo, WEIR_OK, "the %s closed with %s; both ends saw it so",
               by_server ? "server" : "client", text);
}

/* --- the steps --- */

static int listen_step(void *arg)
{
    struct demo *demo = arg;
    const weir_serve_options options = {.url = "ws://127.0.0.1:0/",
                                        .routes = demo->routes,
                                        .route_count = sizeof demo->routes / sizeof *demo->routes,
                                        .on_upgrade = guard};
    int status = weir_server_start(&demo->server, demo->scope, &options);
    if (status != WEIR_OK)
        return status;
    return say(demo, WEIR_OK, "the server is at %s", weir_server_url(demo->server));
}

static int connect_step(void *arg)
{
    struct demo *demo = arg;
    int status = open_session(demo, "/echo", NULL);
    if (status != WEIR_OK)
        return status;
    return say(demo, WEIR_OK, "the client asked for /echo, the server upgraded to WebSocket");
}

static int text_step(void *arg)
{
    struct demo *demo = arg;
    int status = weir_send_text(demo->session, GREETING);
    if (status == WEIR_OK)
        status = expect_message(demo, WEIR_FRAME_TEXT, GREETING, strlen(GREETING));
    if (status != WEIR_OK)
        return status;
    return say(demo, WEIR_OK, "sent \"%s\", and the same came back", GREETING);
}

static int binary_step(void *arg)
{
    static uint8_t blob[BLOB_SIZE];
    struct demo *demo = arg;
    for (size_t i = 0; i < BLOB_SIZE; i++)
        blob[i] = (uint8_t)(i % 251);
    int status = weir_send_binary(demo->session, blob, BLOB_SIZE);
    if (status == WEIR_OK)
        status = expect_message(demo, WEIR_FRAME_BINARY, blob, BLOB_SIZE);
    if (status != WEIR_OK)
        return status;
    return say(demo, WEIR_OK, "sent %d bytes, and the same came back", BLOB_SIZE);
}

static int fragments_step(void *arg)
{
    static const char whole[] = "in three gr\xc3\xbc\xc3\x9f"
                                "e";
    static const size_t cuts[] = {0, 3, 12, sizeof whole - 1}; /* 12 is inside a character */
    struct demo *demo = arg;
    int status = WEIR_OK;
    for (size_t i = 0; i < 3 && status == WEIR_OK; i++) {
        weir_frame frame =
            weir_frame_by_type(i == 2, WEIR_FRAME_TEXT, whole + cuts[i], cuts[i + 1] - cuts[i]);
        status = weir_send(demo->session, &frame);
    }
    if (status == WEIR_OK)
        status = expect_message(demo, WEIR_FRAME_TEXT, whole, sizeof whole - 1);
    if (status != WEIR_OK)
        return status;
    return say(demo, WEIR_OK, "sent one message in 3 fragments, it came back as one");
}

static void note_pong(weir_session *session, const weir_frame *frame, void *arg)
{
    const struct demo *demo = arg;
    if (frame->type != WEIR_FRAME_PONG)
        return;
    /* The first one is enough. */
    if (weir_session_observe(session, NULL) != WEIR_OK ||
        weir_channel_try_send(demo->pongs, &(uint8_t){1}) != WEIR_OK)
        cli_complain(NAME, "more pongs were seen than looked for");
}

/* The client pings every 20 seconds by default. Here it pings at once. */
static int ping_step(void *arg)
{
    struct demo *demo = arg;
    const weir_observer observer = {.frame_in = note_pong, .arg = demo};
    uint8_t token;
    int status = weir_session_observe(demo->session, &observer);
    if (status != WEIR_OK)
        return status;
    weir_session_set_ping(demo->session, 1, STEP_MS);
    status = weir_channel_receive(demo->pongs, &token);
    if (status != WEIR_OK)
        return status;
    weir_session_set_ping(demo->session, WEIR_UNLIMITED, 0);
    uint64_t ms = weir_session_round_trip_ms(demo->session);
    if (ms == WEIR_UNLIMITED)
        return say(demo, WEIR_EPROTOCOL, "a pong came that answers no ping of ours");
    if (ms == 0)
        return say(demo, WEIR_OK, "sent a ping, the pong came back in less than 1 ms");
    return say(demo, WEIR_OK, "sent a ping, the pong came back in %" PRIu64 " ms", ms);
}

static int client_close_step(void *arg)
{
    struct demo *demo = arg;
    weir_close_reason reason;
    int status = weir_close_reason_init(&reason, WEIR_CLOSE_NORMAL, CLIENT_BYE);
    if (status == WEIR_OK)
        status = weir_close(demo->session, reason.code, reason.message);
    return status != WEIR_OK ? status : expect_end(demo, false, &reason);
}

static int server_close_step(void *arg)
{
    struct demo *demo = arg;
    weir_close_reason reason;
    int status = weir_close_reason_init(&reason, WEIR_CLOSE_GOING_AWAY, SERVER_BYE);
    if (status == WEIR_OK)
        status = open_session(demo, "/bye", NULL);
    return status != WEIR_OK ? status : expect_end(demo, true, &reason);
}

static int refusal_step(void *arg)
{
    struct demo *demo = arg;
    weir_connect_failure failure = {0};
    int status = open_session(demo, "/members", &failure);
    if (status == WEIR_OK)
        return say(demo, WEIR_EPROTOCOL, "the server upgraded what it had to refuse");
    if (status != WEIR_EREFUSED)
        return status;
    if (failure.http_status != 403 || strcmp(failure.body, REFUSAL) != 0)
        return say(demo, WEIR_EPROTOCOL, "the server refused with HTTP %u \"%s\"",
                   failure.http_status, failure.body);
    return say(demo, WEIR_OK, "the client asked for /members and was refused: HTTP %u %s, \"%s\"",
               failure.http_status, weir_http_reason(failure.http_status), failure.body);
}

static const struct step {
    const char *name;
    int (*run)(void *arg);
} steps[] = {
    {"listen", listen_step},
    {"connect", connect_step},
    {"text", text_step},
    {"binary", binary_step},
    {"fragments", fragments_step},
    {"ping", ping_step},
    {"close by client", client_close_step},
    {"close by server", server_close_step},
    {"refused upgrade", refusal_step},
};

#define STEP_COUNT (sizeof steps / sizeof *steps)

/* --- running them --- */

static int run_step(struct demo *demo, size_t index)
{
    const struct step *step = &steps[index];
    demo->text[0] = '\0';
    int status = weir_with_deadline(STEP_MS, step->run, demo);
    if (status != WEIR_OK) {
        cli_complain(NAME, "step %zu (%s) failed: %s", index + 1, step->name,
                     demo->text[0] != '\0' ? demo->text : weir_strerror(status));
        return status;
    }
    printf("%zu. %-16s %s\n", index + 1, step->name, demo->text);
    (void)fflush(stdout); /* in order with what a failing step says */
    return WEIR_OK;
}

static int run_steps(void *arg)
{
    struct demo *demo = arg;
    int status = WEIR_OK;
    demo->scope = weir_scope_current();
    for (size_t i = 0; i < STEP_COUNT && status == WEIR_OK; i++)
        status = run_step(demo, i);
    weir_session_free(demo->session);
    weir_server_free(demo->server);
    return status;
}

static int run_on(struct demo *demo, weir_loop *loop)
{
    const weir_channel_options ends = {.item_size = sizeof(struct seen_end), .capacity = 2};
    const weir_channel_options pongs = {.item_size = 1, .capacity = 1};
    printf("A server and a client in one process, over TCP on this machine (%s).\n\n",
           weir_loop_backend_name(loop));
    int status = weir_channel_new(&demo->ends, loop, &ends);
    if (status == WEIR_OK)
        status = weir_channel_new(&demo->pongs, loop, &pongs);
    if (status == WEIR_OK)
        status = weir_loop_run(loop, NAME, run_steps, demo);
    else
        cli_complain(NAME, "%s", weir_strerror(status));
    weir_channel_free(demo->pongs);
    weir_channel_free(demo->ends);
    return status;
}

static void say_how_to_go_on(void)
{
    const char *weir = program_invocation_name;
    printf("\nAll %zu steps went as they should. To go on:\n"
           "  %s echo ws://127.0.0.1:9001/      a server that sends everything back\n"
           "  %s connect ws://127.0.0.1:9001/   in another terminal: type lines, end with Ctrl-C\n"
           "  %s --help                         all commands\n",
           STEP_COUNT, weir, weir, weir);
}

int cli_demo(int argc, char **argv)
{
    struct demo demo = {.routes = {
                            {.path = "/echo", .handler = echo_all},
                            {.path = "/bye", .handler = close_at_once},
                            {.path = "/members", .handler = echo_all},
                        }};
    const cli_syntax syntax = {
        .name = NAME,
        .summary = "Run a server and a client in one process over real sockets, step by step.",
        .epilogue = "Exit status: 0 every step went as it should, 1 one did not, 2 usage.\n"};
    const char *operand;
    weir_loop *loop;
    int status;
    if (!cli_parse(&syntax, argc, argv, &operand, &status))
        return status;
    for (size_t i = 0; i < sizeof demo.routes / sizeof *demo.routes; i++) {
        demo.routes[i].on_close = note_end;
        demo.routes[i].arg = &demo;
    }
    status = weir_loop_new(&loop, NULL);
    if (status != WEIR_OK) {
        cli_complain(NAME, "no loop: %s", weir_strerror(status));
        return CLI_EXIT_FAILED;
    }
    status = run_on(&demo, loop);
    weir_loop_free(loop);
    if (status != WEIR_OK)
        return CLI_EXIT_FAILED;
    say_how_to_go_on();
    return CLI_EXIT_OK;
}
