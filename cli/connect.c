/* weir connect: lines of standard input are sent, messages are written to standard output.
 *
 * One thread around poll(2), in which the weir loop is a guest: weir_loop_fd(), weir_loop_timeout() and weir_loop_turn(). Neither a standard output that
 * is not read nor a standard input that says nothing ever keeps the session from answering pings. */
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
#include <weir/url.h>

#define NAME "connect"

/* Bytes that may wait for standard output before the server has to wait. */
#define OUTPUT_ROOM ((size_t)256 * 1024)

/* Behind our own Close nobody can make the server wait: what was on its way is kept, so far. */
#define OUTPUT_ROOM_CLOSING ((size_t)64 * 1024 * 1024)

struct talk {
    weir_connect_options options;
    weir_connect_failure failure;
    bool exit_on_eof;
    weir_loop *loop;
    weir_session *session; /* while there is one */
    weir_channel *room;    /* tells the receiver that output has been written */
    int signals;           /* descriptor that signals come from */
    bool closing;          /* our Close was sent, or theirs came */
    bool over;             /* the conversation has ended: status and end are final */
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

static int keep(struct talk *talk, const weir_frame *frame)
{
    int status = cli_output_add(&talk->output, frame);
    if (status == WEIR_OK && cli_output_pending(&talk->output) > OUTPUT_ROOM_CLOSING)
        status = WEIR_ELIMIT;
    while (status == WEIR_OK && output_is_full(talk)) {
        uint8_t token;
        status = weir_channel_receive(talk->room, &token);
    }
    return status;
}

static void receive_all(struct talk *talk)
{
    weir_frame frame = {0};
    int status;
    while ((status = weir_receive(talk->session, &frame)) == WEIR_OK) {
        status = keep(talk, &frame);
        if (status == WEIR_OK)
            continue;
        weir_frame_release(&frame);
        if (status == WEIR_CANCELED)
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
        weir_session_end(talk->session, &talk->end);
        weir_session_free(talk->session);
        talk->session = NULL;
    }
    talk->over = true;
    return WEIR_OK;
}

/* --- sending: between turns of the loop --- */

static void leave(struct talk *talk, unsigned code)
{
    talk->closing = true;
    if (talk->session != NULL)
        weir_going_away(talk->session, code, NULL);
    else
        weir_scope_cancel(weir_loop_scope(talk->loop));
}

/* Behind all that was sent, however long that takes: weir_close() would lose patience. */
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
        if (status != WEIR_OK) { /* the session is ending; how, the receiver learns */
            talk->closing = true;
            return;
        }
        cli_input_pass(&talk->input, fin, size);
    }
    if (talk->session != NULL && !talk->closing && cli_input_is_empty(&talk->input) &&
        (talk->exit_on_eof || talk->input.error != 0))
        close_in_order(talk);
}

/* --- the poll loop --- */

static void take_signal(struct talk *talk)
{
    struct signalfd_siginfo info;
    if (read(talk->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (talk->signal != 0 || talk->over) {
        talk->quit = true;
        return;
    }
    talk->signal = (int)info.ssi_signo;
    leave(talk, WEIR_CLOSE_NORMAL);
}

static void take_input(struct talk *talk)
{
    cli_input_read(&talk->input);
    if (talk->input.error == 0)
        return;
    cli_complain(NAME, "standard input: %s", strerror(talk->input.error));
    talk->local_failure = true;
}

static void write_output(struct talk *talk)
{
    static const uint8_t token;
    bool failed_before = talk->output.error != 0;
    cli_output_write(&talk->output);
    if (talk->output.error != 0 && !failed_before) {
        cli_complain(NAME, "standard output: %s", strerror(talk->output.error));
        talk->local_failure = true;
        leave(talk, WEIR_CLOSE_GOING_AWAY);
    }
    /* When it is full, the receiver is already told. */
    if (!output_is_full(talk) && weir_channel_try_send(talk->room, &token) != WEIR_OK)
        return;
}

static bool wants_input(struct talk *talk)
{
    weir_frame frame;
    return talk->session != NULL && !talk->closing && !talk->input.ended &&
           !cli_input_peek(&talk->input, &frame);
}

static int wait_for_events(struct talk *talk)
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
    if (poll(fds, COUNT, (int)timeout_ms) < 0)
        return errno == EINTR ? WEIR_OK : WEIR_SYSTEM(errno);
    if (fds[SIGNALS].revents != 0)
        take_signal(talk);
    if (fds[INPUT].revents != 0)
        take_input(talk);
    if ((fds[OUTPUT].revents & (POLLERR | POLLNVAL)) != 0 && talk->output.error == 0) {
        cli_output_fail(&talk->output, EPIPE); /* whoever read it is gone */
        leave(talk, WEIR_CLOSE_GOING_AWAY);
    }
    return WEIR_OK;
}

static int run_until_over(struct talk *talk)
{
    int status = weir_go(weir_loop_scope(talk->loop), NAME, converse, talk);
    while (status >= 0 && !talk->quit) {
        send_lines(talk);
        status = weir_loop_turn(talk->loop, 0);
        write_output(talk);
        if (talk->over && cli_output_pending(&talk->output) == 0)
            return WEIR_OK;
        if (status >= 0)
            status = wait_for_events(talk);
    }
    if (talk->session != NULL)
        weir_terminate(talk->session);
    return status < 0 ? status : WEIR_OK;
}

/* --- how it ended --- */

static int report_no_session(const struct talk *talk)
{
    const char *url = talk->options.url;
    const weir_connect_failure *failure = &talk->failure;
    int error = weir_status_errno(talk->status);
    if (talk->status == WEIR_EREFUSED) {
        cli_complain(NAME, "%s refused: HTTP %u %s%s%s", url, failure->http_status,
                     weir_http_reason(failure->http_status), failure->body[0] != '\0' ? ": " : "",
                     failure->body);
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
    (void)weir_close_reason_describe(reason, text, sizeof text);
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
    case WEIR_END_CANCELED:
        break;
    }
    cli_complain(NAME, "ended without a Close from the server: %s", weir_end_kind_name(end->kind));
    return CLI_EXIT_ABNORMAL;
}

static int report(const struct talk *talk)
{
    if (!talk->over || talk->status == WEIR_CANCELED) {
        if (talk->signal != 0)
            return CLI_EXIT_SIGNALED + talk->signal;
    }
    int status = talk->end.kind == WEIR_END_NONE ? report_no_session(talk) : report_end(talk);
    if (talk->output.error == EPIPE || talk->local_failure)
        return CLI_EXIT_LOCAL;
    return status;
}

/* --- setting up --- */

static int open_signals(void)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &wanted, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a write says it, too */
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
    /* Frees what is still alive, which uses the channel. */
    if (talk->loop != NULL && weir_scope_is_cancelled(weir_loop_scope(talk->loop)))
        talk->closing = true;
    weir_channel_free(talk->room);
    weir_loop_free(talk->loop);
    if (talk->signals >= 0)
        (void)close(talk->signals);
    if (status == WEIR_OK)
        return report(talk);
    cli_complain(NAME, "%s", weir_strerror(status));
    return CLI_EXIT_FAILED;
}
