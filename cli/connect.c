/* weir connect: lines of standard input are sent, messages are written to standard output.
 *
 * One thread runs a loop around poll(2), and the weir loop runs inside it: weir_loop_fd(),
 * weir_loop_timeout() and weir_loop_turn(). So the session answers pings even while standard output
 * is not read and standard input gives nothing. */
#include "cli.h"
#include "pipes.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <weir/channel.h>
#include <weir/client.h>

#define NAME "connect"

/* Bytes that may wait for standard output before the server has to wait. */
#define OUTPUT_ROOM ((size_t)256 * 1024)

/* After our own Close there is no back-pressure: what was in flight is buffered, up to this
 * size. */
#define OUTPUT_ROOM_CLOSING ((size_t)64 * 1024 * 1024)

/* After the end of input an answer may still be in flight. The session is closed when the server
 * has been silent for SILENCE_MS, and after LINGER_MS in any case. */
#define SILENCE_MS 200
#define LINGER_MS  5000

struct talk {
    weir_connect_options options;
    weir_connect_failure failure;
    bool exit_on_eof;
    weir_loop *loop;
    weir_session *session; /* while there is one */
    weir_channel *room;    /* a token means that output has been written */
    int signals;           /* descriptor that signals come from */
    uint64_t received_ms;  /* loop's clock: when something came, or could not as output is full */
    uint64_t sent_ms;      /* loop's clock: when all input had gone out; 0: not yet */
    bool closing;          /* our Close was sent, or theirs came */
    bool over;             /* the conversation has ended; status and end are final */
    bool quit;             /* the user asked twice */
    bool local_failure;    /* standard input or output failed */
    int signal;            /* the one that asked to end; 0: none */
    int status;
    weir_end end;
    cli_output output;
    cli_input input;
};

/* --- receiving: a coroutine --- */

static bool output_is_full(const struct talk *talk)
{
    return cli_output_pending(&talk->output) > OUTPUT_ROOM && !talk->closing;
}

static int queue_frame(struct talk *talk, const weir_frame *frame)
{
    int status = cli_output_add(&talk->output, frame);
    if (status == WEIR_OK && cli_output_pending(&talk->output) > OUTPUT_ROOM_CLOSING)
        status = WEIR_ELIMIT;
    while (status == WEIR_OK && output_is_full(talk)) {
        uint8_t token;
        status = weir_channel_receive(talk->room, &token);
    }
    talk->received_ms = weir_loop_now(talk->loop);
    return status;
}

static void receive_all(struct talk *talk)
{
    weir_frame frame = {0};
    while (weir_receive(talk->session, &frame) == WEIR_OK) {
        int status = queue_frame(talk, &frame);
        if (status == WEIR_OK)
            continue;
        weir_frame_release(&frame);
        if (status == WEIR_CANCELLED)
            return;
        cli_complain(NAME, "messages are lost: standard output is not read, and %s",
                     weir_strerror(status));
        talk->local_failure = true;
        weir_terminate(talk->session);
        return;
    }
}

static int converse(void *arg)
{
    struct talk *talk = arg;
    talk->status = weir_client_open(&talk->session, weir_scope_current(), &talk->options);
    if (talk->status == WEIR_OK) {
        receive_all(talk);
        talk->closing = true;
        talk->status = weir_session_join(talk->session);
        weir_session_end_get(&talk->end, talk->session);
        weir_session_free(talk->session);
        talk->session = NULL;
    }
    talk->over = true;
    return WEIR_OK;
}

/* --- sending: between turns of the loop --- */

static void close_now(struct talk *talk, unsigned code)
{
    talk->closing = true;
    if (talk->session != NULL)
        weir_close_now(talk->session, code, NULL);
    else
        weir_scope_cancel(weir_loop_scope(talk->loop));
}

/* Sends the Close after all that was sent, however long that takes. weir_close() would stop waiting
 * after a time. */
static void close_in_order(struct talk *talk)
{
    static uint8_t normal[] = {WEIR_CLOSE_NORMAL >> 8, WEIR_CLOSE_NORMAL & 0xff};
    weir_frame frame = weir_frame_by_type(true, WEIR_FRAME_CLOSE, normal, sizeof normal);
    if (weir_try_send(talk->session, &frame) != WEIR_EAGAIN)
        talk->closing = true;
}

static void send_lines(struct talk *talk)
{
    weir_frame frame;
    while (talk->session != NULL && !talk->closing && cli_input_peek(&talk->input, &frame)) {
        bool fin = frame.fin;
        size_t size = frame.size;
        int status = weir_try_send(talk->session, &frame);
        if (status == WEIR_EAGAIN)
            return;
        if (status != WEIR_OK) { /* the session is ending; the receiver gets the reason */
            talk->closing = true;
            return;
        }
        cli_input_pass(&talk->input, fin, size);
    }
}

/* Input has ended, and its end has to end the conversation. */
static bool wants_to_close(const struct talk *talk)
{
    return talk->session != NULL && !talk->closing && cli_input_is_empty(&talk->input) &&
           (talk->exit_on_eof || talk->input.error != 0);
}

/* How long to wait for an answer, in milliseconds. 0: close now. Input is sent first. */
static int64_t linger_ms(struct talk *talk)
{
    uint64_t now_ms = weir_loop_now(talk->loop);
    if (weir_session_queued_bytes(talk->session) > 0)
        return SILENCE_MS;
    if (talk->sent_ms == 0)
        talk->sent_ms = now_ms;
    if (output_is_full(talk) || talk->received_ms < talk->sent_ms)
        talk->received_ms = output_is_full(talk) ? now_ms : talk->sent_ms;
    uint64_t silence_ms = now_ms - talk->received_ms;
    if (silence_ms >= SILENCE_MS || now_ms - talk->sent_ms >= LINGER_MS)
        return 0;
    return (int64_t)(SILENCE_MS - silence_ms);
}

/* --- the poll loop --- */

static void take_signal(struct talk *talk)
{
    struct signalfd_siginfo info;
    if (read(talk->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    talk->quit = talk->signal != 0 || talk->over;
    talk->signal = (int)info.ssi_signo;
    if (!talk->quit)
        close_now(talk, WEIR_CLOSE_NORMAL);
}

static void take_input(struct talk *talk)
{
    cli_input_read(&talk->input);
    if (talk->input.error == 0)
        return;
    cli_complain(NAME, "standard input: %s", strerror(talk->input.error));
    talk->local_failure = true;
}

static void lose_output(struct talk *talk, int error)
{
    cli_complain(NAME, "standard output: %s", strerror(error));
    cli_output_fail(&talk->output, error);
    talk->local_failure = true;
    close_now(talk, WEIR_CLOSE_GOING_AWAY);
}

static int write_output(struct talk *talk)
{
    static const uint8_t token;
    if (talk->output.error != 0)
        return WEIR_OK;
    cli_output_write(&talk->output);
    if (talk->output.error != 0)
        lose_output(talk, talk->output.error);
    int status = output_is_full(talk) ? WEIR_OK : weir_channel_try_send(talk->room, &token);
    return status == WEIR_EAGAIN ? WEIR_OK : status; /* a token is there already */
}

static bool wants_input(struct talk *talk)
{
    weir_frame frame;
    return talk->session != NULL && !talk->closing && !talk->input.ended &&
           !cli_input_peek(&talk->input, &frame);
}

/* Waits until there is something to do, most_ms at most (-1: no limit). */
static int wait_for_events(struct talk *talk, int64_t most_ms)
{
    enum { SIGNALS, LOOP, INPUT, OUTPUT, COUNT };
    short output_events = cli_output_pending(&talk->output) > 0 ? POLLOUT : 0;
    struct pollfd fds[COUNT] = {
        [SIGNALS] = {.fd = talk->signals, .events = POLLIN},
        [LOOP] = {.fd = weir_loop_fd(talk->loop), .events = POLLIN},
        [INPUT] = {.fd = wants_input(talk) ? talk->input.fd : -1, .events = POLLIN},
        [OUTPUT] = {.fd = talk->output.error == 0 ? talk->output.fd : -1, .events = output_events},
    };
    int64_t timeout_ms = talk->over ? -1 : weir_loop_timeout(talk->loop);
    if (most_ms >= 0 && (timeout_ms < 0 || most_ms < timeout_ms))
        timeout_ms = most_ms;
    if (poll(fds, COUNT, (int)timeout_ms) < 0)
        return errno == EINTR ? WEIR_OK : WEIR_SYSTEM(errno);
    if (fds[SIGNALS].revents != 0)
        take_signal(talk);
    if (fds[INPUT].revents != 0)
        take_input(talk);
    if ((fds[OUTPUT].revents & (POLLERR | POLLNVAL)) != 0)
        lose_output(talk, EPIPE); /* its reader is gone */
    return WEIR_OK;
}

static int run_until_over(struct talk *talk)
{
    int status = weir_go(weir_loop_scope(talk->loop), NAME, converse, talk);
    while (status >= 0 && !talk->quit) {
        send_lines(talk);
        status = weir_loop_turn(talk->loop, 0);
        if (status >= 0)
            status = write_output(talk);
        if (talk->over && cli_output_pending(&talk->output) == 0)
            break;
        int64_t most_ms = wants_to_close(talk) ? linger_ms(talk) : -1;
        if (most_ms == 0)
            close_in_order(talk);
        if (status >= 0)
            status = wait_for_events(talk, most_ms);
    }
    if (talk->session != NULL)
        weir_terminate(talk->session);
    weir_scope_cancel(weir_loop_scope(talk->loop));
    while (!talk->over && weir_loop_turn(talk->loop, -1) >= 0)
        continue;
    return status < 0 ? status : WEIR_OK;
}

/* --- how it ended --- */

static int report_no_session(const struct talk *talk)
{
    const char *url = talk->options.url;
    const weir_connect_failure *failure = &talk->failure;
    int error = weir_status_errno(talk->status);
    if (talk->status == WEIR_EREFUSED) {
        const char *reason = weir_http_reason(failure->http_status);
        int size = (int)strcspn(failure->body, "\r\n");
        bool says_more = size > 0 && strcmp(failure->body, reason) != 0;
        cli_complain(NAME, "%s refused: HTTP %u %s%s%.*s", url, failure->http_status, reason,
                     says_more ? ": " : "", says_more ? size : 0, failure->body);
        return CLI_EXIT_REFUSED;
    }
    if (talk->status == WEIR_EINVAL) {
        cli_complain(NAME, "a header, subprotocol or origin cannot be sent as it is");
        return CLI_EXIT_USAGE;
    }
    if (talk->status == WEIR_EPROTOCOL || talk->status == WEIR_ETOOBIG) {
        cli_complain(NAME, "%s is no WebSocket server: %s", url,
                     failure->fault.rule != NULL ? failure->fault.rule
                                                 : weir_strerror(talk->status));
        return CLI_EXIT_PROTOCOL;
    }
    cli_complain(NAME, "no connection to %s: %s", url,
                 error != 0 ? strerror(error) : weir_strerror(talk->status));
    return CLI_EXIT_FAILED;
}

static int report_clean_close(const struct talk *talk)
{
    char text[256];
    const weir_close_reason *reason = weir_end_reason(&talk->end);
    (void)weir_close_reason_describe(text, sizeof text, reason);
    cli_complain(NAME, "closed by %s: %s", talk->end.by_peer ? "server" : "client", text);
    bool good = reason->code == WEIR_CLOSE_NORMAL || reason->code == WEIR_CLOSE_GOING_AWAY ||
                reason->code == WEIR_CLOSE_NO_STATUS;
    return good ? CLI_EXIT_OK : CLI_EXIT_CLOSED;
}

static int report_end(const struct talk *talk)
{
    const weir_end *end = &talk->end;
    switch (end->kind) {
    case WEIR_END_CLEAN:
        return report_clean_close(talk);
    case WEIR_END_PROTOCOL:
    case WEIR_END_TOO_BIG:
        cli_complain(NAME, "the server broke the protocol: %s",
                     end->fault.rule != NULL ? end->fault.rule : weir_end_kind_name(end->kind));
        return CLI_EXIT_PROTOCOL;
    case WEIR_END_IO:
        cli_complain(NAME, "connection lost: %s", weir_strerror(end->status));
        return CLI_EXIT_ABNORMAL;
    case WEIR_END_NONE:
    case WEIR_END_LOST:
    case WEIR_END_PING_TIMEOUT:
    case WEIR_END_CLOSE_TIMEOUT:
    case WEIR_END_CANCELLED:
        break;
    }
    cli_complain(NAME, "ended without a Close from the server: %s", weir_end_kind_name(end->kind));
    return CLI_EXIT_ABNORMAL;
}

static int report(const struct talk *talk)
{
    bool opened = talk->end.kind != WEIR_END_NONE;
    if (talk->quit || (!opened && talk->signal != 0))
        return CLI_EXIT_SIGNALED + talk->signal;
    int status = opened ? report_end(talk) : report_no_session(talk);
    return talk->local_failure ? CLI_EXIT_LOCAL : status;
}

/* --- setting up --- */

static int open_signals(void)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &wanted, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a write reports it as EPIPE */
    return signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int talk_to(struct talk *talk)
{
    const weir_channel_options room = {.item_size = 1, .capacity = 1};
    talk->signals = open_signals();
    int status = talk->signals < 0 ? WEIR_SYSTEM(errno) : WEIR_OK;
    if (status == WEIR_OK)
        status = weir_loop_new(&talk->loop, &talk->options.loop);
    if (status == WEIR_OK)
        status = weir_channel_new(&talk->room, talk->loop, &room);
    if (status == WEIR_OK)
        status = run_until_over(talk);
    weir_channel_free(talk->room);
    weir_loop_free(talk->loop);
    if (talk->signals >= 0)
        (void)close(talk->signals);
    if (status == WEIR_OK)
        return report(talk);
    cli_complain(NAME, "%s", weir_strerror(status));
    return CLI_EXIT_FAILED;
}

/* Splits "Name: value" into two strings in one block, which is to be freed by the name. Returns
 * false when there is no colon, or no memory. */
static bool split_header(const char *text, weir_http_header *out)
{
    const char *colon = strchr(text, ':');
    char *name = colon != NULL && colon != text ? strdup(text) : NULL;
    if (name == NULL)
        return false;
    char *value = name + (colon - text);
    *value++ = '\0';
    value += strspn(value, " \t");
    size_t size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        value[--size] = '\0';
    *out = (weir_http_header){name, value};
    return true;
}

static bool make_headers(const cli_list *texts, weir_http_header *out)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (!split_header(texts->items[i], &out[i])) {
            cli_complain(NAME, "--header: '%s' is not of the form 'Name: value'", texts->items[i]);
            return false;
        }
    }
    return true;
}

static int connect_with(struct talk *talk, const cli_list *texts)
{
    if (!cli_check_url(NAME, talk->options.url))
        return CLI_EXIT_USAGE;
    weir_http_header *headers = calloc(texts->count + 1, sizeof *headers);
    if (headers == NULL)
        return CLI_EXIT_FAILED;
    int status = CLI_EXIT_USAGE;
    if (make_headers(texts, headers)) {
        talk->options.headers = headers;
        talk->options.header_count = texts->count;
        cli_raise_file_limit();
        status = talk_to(talk);
    }
    for (size_t i = 0; i < texts->count; i++)
        free((char *)headers[i].name);
    free(headers);
    return status;
}

static const char epilogue[] =
    "URL is ws://HOST[:PORT][/PATH] or ws+unix:/SOCKET[:/PATH].\n\n"
    "Each line of standard input is sent as a message without its newline; a line may have any\n"
    "length. Each message is written to standard output as it is, and a newline. How it ended is\n"
    "said on standard error. Ctrl-C (or SIGTERM) closes with 1000; a second one ends it at\n"
    "once.\n\n"
    "Exit status: 0 closed with 1000, 1001 or no code; 1 no connection; 2 usage; 3 the connection\n"
    "was lost or something took too long; 4 refused by the server with an HTTP status; 5 the\n"
    "server broke the protocol; 6 closed with another code; 7 standard input or output failed;\n"
    "128 + N ended at once by signal N.\n";

int cli_connect(int argc, char **argv)
{
    static struct talk talk; /* holds the input's buffer */
    bool binary = false;
    cli_list headers = {0};
    cli_list subprotocols = {0};
    const cli_option options[] = {
        {"header", CLI_LIST, &headers, 0, 0, "'N: V'", "send a field with the request; repeatable"},
        {"subprotocol", CLI_LIST, &subprotocols, 0, 0, "P",
         "offer it; repeatable, preferred ones first"},
        {"origin", CLI_TEXT, &talk.options.origin, 0, 0, "O", "send an Origin field"},
        {"binary", CLI_FLAG, &binary, 0, 0, NULL, "send lines as binary messages, not as text"},
        {"exit-on-eof", CLI_FLAG, &talk.exit_on_eof, 0, 0, NULL,
         "close with 1000 when standard input has ended and the server\n"
         "is silent for 0.2 s, or after 5 s (default: until the server\ncloses)"},
        {"deflate", CLI_DEFLATE, &talk.options.session.deflate, 0, 0, "[=SETTING,...]",
         CLI_DEFLATE_HELP},
        {"loop", CLI_BACKEND, &talk.options.loop.backend, 0, 0, "epoll|io_uring",
         "how to wait for sockets\n(default: $WEIR_LOOP, else io_uring if allowed)"},
    };
    const cli_syntax syntax = {
        NAME,     "URL",   "Talk to a WebSocket server: lines in, messages out.",
        epilogue, options, sizeof options / sizeof *options};
    int status;
    if (cli_parse(&syntax, argc, argv, &talk.options.url, &status)) {
        talk.options.subprotocols = subprotocols.items;
        talk.options.subprotocol_count = subprotocols.count;
        talk.options.failure = &talk.failure;
        talk.options.session.pieces = true; /* messages of any size in constant memory */
        talk.options.session.max_frame_size = WEIR_UNLIMITED;
        talk.options.session.max_message_size = WEIR_UNLIMITED;
        talk.input.fd = STDIN_FILENO;
        talk.input.type = binary ? WEIR_FRAME_BINARY : WEIR_FRAME_TEXT;
        talk.output.fd = STDOUT_FILENO;
        status = connect_with(&talk, &headers);
    }
    weir_buffer_fini(&talk.output.data);
    cli_list_free(&headers);
    cli_list_free(&subprotocols);
    return status;
}
