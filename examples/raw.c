/* examples/raw.c - raw sessions: every frame as it stands on the wire, and no automatic answers.
 * What a default session does (pongs, pings, the answer to a Close) is done here by the program,
 * with the ponger and the pinger as parts.
 *
 *     raw      two sessions over a pair of streams in memory; prints each frame that is received */
#include <stdio.h>
#include <weir/weir.h>

static void show(const char *role, const weir_frame *frame)
{
    char text[128];
    (void)weir_frame_describe(text, sizeof text, frame);
    printf("%s got %s\n", role, text);
}

/* Answers a Close with a Close. */
static int answer_close(weir_session *session, const weir_frame *frame)
{
    weir_close_reason reason;
    int status = weir_frame_close_reason_get(&reason, frame);
    return weir_close(session, status == WEIR_OK ? reason.code : 0, reason.message);
}

/* Passes on a frame that was received. WEIR_CLOSED: it was the last one. */
static int dispatch(weir_session *session, weir_channel *pings, weir_channel *pongs,
                    weir_frame *frame)
{
    switch ((enum weir_frame_type)frame->type) {
    case WEIR_FRAME_PING:
        return weir_channel_send(pings, frame); /* takes it */
    case WEIR_FRAME_PONG:
        return weir_channel_send(pongs, frame);
    case WEIR_FRAME_CLOSE: {
        int status = answer_close(session, frame);
        weir_frame_release(frame);
        return status == WEIR_OK ? WEIR_CLOSED : status;
    }
    case WEIR_FRAME_TEXT:
    case WEIR_FRAME_BINARY:
        break;
    }
    weir_frame_release(frame);
    return WEIR_OK;
}

static int serve(void *arg)
{
    weir_session *session = arg;
    weir_channel *pings, *pongs;
    int status = weir_ponger_start(&pings, session);
    if (status == WEIR_OK)
        status = weir_pinger_start(&pongs, session, 20, 1000);
    while (status == WEIR_OK) {
        weir_frame frame;
        status = weir_channel_receive(weir_session_incoming(session), &frame);
        if (status != WEIR_OK)
            break;
        show("server", &frame);
        status = dispatch(session, pings, pongs, &frame);
    }
    return status;
}

/* Sends a message in two fragments with a ping between them, which the RFC allows. */
static int speak(weir_session *session)
{
    weir_frame first = weir_frame_by_type(false, WEIR_FRAME_TEXT, "frag", 4);
    weir_frame ping = weir_frame_ping("in between", 10);
    weir_frame last = weir_frame_by_type(true, WEIR_FRAME_TEXT, "ments", 5);
    int status = weir_send(session, &first);
    if (status == WEIR_OK)
        status = weir_send(session, &ping);
    if (status == WEIR_OK)
        status = weir_send(session, &last);
    return status == WEIR_OK ? weir_flush(session) : status;
}

static int visit(weir_session *session)
{
    weir_frame frame;
    int pings = 0;
    int status = speak(session);
    while (status == WEIR_OK && (status = weir_receive(session, &frame)) == WEIR_OK) {
        show("client", &frame);
        if (frame.type == WEIR_FRAME_PING) { /* the server's pinger waits for the pong */
            weir_frame pong = weir_frame_pong(frame.data, frame.size);
            status = weir_send(session, &pong);
            if (status == WEIR_OK && ++pings == 2)
                status = weir_close(session, WEIR_CLOSE_NORMAL, "seen enough");
        }
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int run(void *arg)
{
    (void)arg;
    weir_stream *here, *there;
    weir_session *server = NULL, *client = NULL;
    int status = weir_stream_pair(&here, &there, weir_loop_current());
    if (status != WEIR_OK)
        return status;
    weir_scope *scope = weir_scope_current();
    status = weir_session_start_raw(&server, scope, here, WEIR_ROLE_SERVER, NULL);
    int other = weir_session_start_raw(&client, scope, there, WEIR_ROLE_CLIENT, NULL);
    if (status == WEIR_OK && other == WEIR_OK)
        status = weir_go(weir_session_scope(server), "serve", serve, server);
    if (status == WEIR_OK && other == WEIR_OK)
        status = visit(client);
    if (status == WEIR_OK)
        printf("client ended: %s\n", weir_strerror(weir_session_join(client)));
    weir_session_free(client);
    weir_session_free(server);
    return status != WEIR_OK ? status : other;
}

int main(void)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "raw", run, NULL);
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
