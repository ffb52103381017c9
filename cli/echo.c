/* weir echo: a server that sends every message back. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/server.h>

#define NAME        "echo"
#define THREADS_MAX 1024

struct settings {
    const char *url;
    enum weir_backend backend;
    uint64_t threads;
    uint64_t max_frame;
    uint64_t max_message;
    uint64_t ping_interval_ms;
    uint64_t ping_timeout_ms;
    bool stream;
    bool on_message;
    weir_deflate_options deflate;
};

/* --- the two shapes of handler --- */

static int echo_session(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

/* --- signals --- */

static const int signals[] = {SIGINT, SIGTERM, SIGUSR1};
/* The service that the signals act on, while they are handled. */
static weir_service *served;
static volatile sig_atomic_t stopping;

static void write_error(const char *text, size_t size, void *arg)
{
    (void)arg;
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

static void take_signal(int number)
{
    if (number == SIGUSR1) {
        weir_service_dump(served, write_error, NULL);
    } else if (stopping) { /* the user does not wait for peers that do not answer */
        _exit(CLI_EXIT_SIGNALED + number);
    } else {
        stopping = 1;
        weir_service_stop(served);
    }
}

static void set_handlers(void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)sigaddset(&action.sa_mask, signals[i]);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)sigaction(signals[i], &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* the reader of our standard error may be gone */
}

/* --- serving --- */

static void say_where(const char *url, void *arg)
{
    (void)arg;
    fprintf(stderr, "listening on %s\n", url);
}

static weir_serve_options make_options(const struct settings *settings)
{
    weir_serve_options options = {
        .url = settings->url,
        .threads = (unsigned)settings->threads,
        .loop.backend = settings->backend,
        /* By default as the message's, which would refuse a larger frame anyway. */
        .session.max_frame_size =
            settings->max_frame != 0 ? settings->max_frame : settings->max_message,
        .session.max_message_size = settings->max_message,
        .session.ping_interval_ms = settings->ping_interval_ms,
        .session.ping_timeout_ms = settings->ping_timeout_ms,
        .session.pieces = settings->stream,
        .session.deflate = settings->deflate,
        .on_listening = say_where,
    };
    if (settings->on_message)
        options.on_message = echo_message;
    else
        options.handler = echo_session;
    return options;
}

static int serve(const struct settings *settings)
{
    weir_serve_options options = make_options(settings);
    weir_service *service;
    int status = weir_service_new(&service, &options);
    if (status == WEIR_OK) {
        served = service;
        set_handlers(take_signal);
        status = weir_service_run(service);
        set_handlers(SIG_IGN);
        weir_service_free(service);
    }
    if (status == WEIR_OK)
        return CLI_EXIT_OK;
    int error = weir_status_errno(status);
    cli_complain(NAME, "cannot serve %s: %s", settings->url,
                 error != 0 ? strerror(error) : weir_strerror(status));
    return CLI_EXIT_FAILED;
}

static const char epilogue[] =
    "URL is ws://HOST:PORT[/PATH], port 0 for a free one, or ws+unix:/SOCKET[:/PATH].\n"
    "Without a path every path is served. BYTES may end in K, M or G (1024, ...).\n"
    "A limit or a time of 0 is the default, none is no limit.\n\n"
    "Prints `listening on URL` to standard error once it serves. SIGINT and SIGTERM close every\n"
    "session with 1001 and end it with status 0; a second one ends it at once. SIGUSR1 prints\n"
    "every coroutine and what it waits for.\n\n"
    "Exit status: 0 stopped by a signal, 1 cannot serve, 2 usage.\n";

int cli_echo(int argc, char **argv)
{
    struct settings settings = {.threads = 1};
    const cli_option options[] = {
        {"loop", CLI_BACKEND, &settings.backend, 0, 0, "epoll|io_uring",
         "how to wait for sockets\n(default: $WEIR_LOOP, else io_uring if allowed)"},
        {"threads", CLI_COUNT, &settings.threads, 1, THREADS_MAX, "N",
         "loops, one a thread (default 1)"},
        {"max-frame", CLI_LIMIT, &settings.max_frame, 0, 0, "BYTES|none",
         "largest frame; larger gets 1009 (default: as --max-message)"},
        {"max-message", CLI_LIMIT, &settings.max_message, 0, 0, "BYTES|none",
         "largest message, all its fragments together; larger gets 1009\n(default 1M)"},
        {"stream", CLI_FLAG, &settings.stream, 0, 0, NULL,
         "echo each piece of a message as it comes, never holding a whole one"},
        {"on-message", CLI_FLAG, &settings.on_message, 0, 0, NULL,
         "a function per message instead of a coroutine per session"},
        {"ping-interval", CLI_TIMEOUT, &settings.ping_interval_ms, 0, UINT32_MAX, "MS|none",
         "pause between pings (default 20000)"},
        {"ping-timeout", CLI_TIMEOUT, &settings.ping_timeout_ms, 0, UINT32_MAX, "MS|none",
         "how long a pong may take (default 20000)"},
        {"deflate", CLI_DEFLATE, &settings.deflate, 0, 0, "[=SETTING,...]", CLI_DEFLATE_HELP},
    };
    const cli_syntax syntax = {NAME,     "URL",   "Serve WebSocket and send every message back.",
                               epilogue, options, sizeof options / sizeof *options};
    int status;
    if (!cli_parse(&syntax, argc, argv, &settings.url, &status))
        return status;
    if (!cli_check_url(NAME, settings.url))
        return CLI_EXIT_USAGE;
    cli_raise_file_limit();
    return serve(&settings);
}
