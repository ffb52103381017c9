/* examples/embed_poll.c - weir inside a loop of your own. Here it is a plain poll(2) loop that also
 * watches a pipe.
 *
 *     embed_poll      a server, a client and the work of the host share one thread; ends by
 * itself */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include <weir/weir.h>

struct program {
    weir_loop *loop;
    weir_server *server;
    int pipe_end; /* the host's own descriptor */
    int answers;
};

static int echo(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return weir_send(session, frame);
}

static int converse(struct program *program, weir_session *session)
{
    weir_frame frame;
    for (int i = 0; i < 3; i++) {
        int status = weir_send_text(session, "from a coroutine inside a foreign loop");
        if (status == WEIR_OK)
            status = weir_receive(session, &frame);
        if (status == WEIR_OK)
            status = weir_sleep(20); /* the host's own timers go on meanwhile */
        if (status != WEIR_OK)
            return status;
        program->answers++;
        weir_frame_release(&frame);
        if (write(program->pipe_end, "!", 1) != 1)
            return WEIR_CANCELLED;
    }
    return weir_close(session, WEIR_CLOSE_NORMAL, NULL);
}

static int visit(void *arg)
{
    struct program *program = arg;
    weir_session *session;
    weir_connect_options options = {.url = weir_server_url(program->server)};
    int status = weir_client_open(&session, weir_scope_current(), &options);
    if (status == WEIR_OK) {
        status = converse(program, session);
        weir_session_free(session);
    }
    weir_server_stop(program->server);
    return status;
}

/* The host's loop. weir needs three things of it: watch its descriptor, use its timeout, run its
 * turn. */
static int run(struct program *program, int pipe_end)
{
    int answers = 0, left;
    while ((left = weir_loop_turn(program->loop, 0)) > 0) {
        struct pollfd fds[] = {
            {.fd = weir_loop_fd(program->loop), .events = POLLIN},
            {.fd = pipe_end, .events = POLLIN},
        };
        int64_t timeout_ms = weir_loop_timeout(program->loop);
        if (poll(fds, 2, timeout_ms < 0 ? -1 : (int)timeout_ms) < 0)
            break;
        char byte;
        if (fds[1].revents != 0 && read(pipe_end, &byte, 1) == 1)
            printf("the host is notified of answer %d\n", ++answers);
    }
    return left;
}

int main(void)
{
    struct program program = {0};
    int ends[2];
    if (pipe(ends) != 0)
        return 1;
    program.pipe_end = ends[1];
    int status = weir_loop_new(&program.loop, NULL);
    if (status != WEIR_OK)
        return 1;
    weir_scope *scope = weir_loop_scope(program.loop);
    weir_serve_options options = {.url = "ws://127.0.0.1:0/", .on_message = echo};
    status = weir_server_start(&program.server, scope, &options);
    if (status == WEIR_OK)
        status = weir_go(scope, "visit", visit, &program);
    if (status == WEIR_OK)
        status = run(&program, ends[0]);
    weir_server_free(program.server);
    weir_loop_free(program.loop);
    printf("%d answers\n", program.answers);
    return status == WEIR_OK && program.answers == 3 ? 0 : 1;
}
