/* examples/pieces.c - one message of any size in constant memory: the client sends it in pieces,
 * the server receives it in pieces, and both live on one loop.
 *
 *     pieces [MIB]      how large the message is; 64 by default */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

#define PIECE ((size_t)64 * 1024)

static int digest(weir_session *session, void *arg)
{
    (void)arg;
    char answer[64];
    weir_frame piece;
    uint64_t size = 0;
    unsigned sum = 0;
    do {
        int status = weir_receive(session, &piece);
        if (status != WEIR_OK)
            return status;
        size += piece.size;
        for (size_t i = 0; i < piece.size; i++)
            sum = sum * 31 + piece.data[i];
    } while (!piece.fin);
    snprintf(answer, sizeof answer, "%llu bytes, sum %08x", (unsigned long long)size, sum);
    return weir_send_text(session, answer);
}

static int upload(weir_session *session, unsigned long mib)
{
    static uint8_t piece[PIECE];
    weir_message message;
    memset(piece, '*', sizeof piece);
    int status = weir_message_begin(&message, session, WEIR_FRAME_BINARY);
    for (unsigned long i = 0; status == WEIR_OK && i < mib * 16; i++)
        status = weir_message_write(&message, piece, sizeof piece); /* waits for a slow peer */
    int ended = weir_message_end(&message);
    return status == WEIR_OK ? ended : status;
}

static int ask(const char *url, unsigned long mib)
{
    weir_session *session;
    weir_frame answer;
    int status =
        weir_client_open(&session, weir_scope_current(), &(weir_connect_options){.url = url});
    if (status != WEIR_OK)
        return status;
    status = upload(session, mib);
    if (status == WEIR_OK)
        status = weir_receive_message(session, &answer); /* whole, and NUL behind it */
    if (status == WEIR_OK) {
        puts((const char *)answer.data);
        weir_frame_release(&answer);
        (void)weir_close(session, WEIR_CLOSE_NORMAL, "thank you");
        int end = weir_session_join(session);
        printf("closed: %s\n", weir_strerror(end));
    }
    weir_session_free(session);
    return status;
}

static int run(void *arg)
{
    const char *mib = arg;
    weir_server *server;
    weir_scope scope;
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0/digest",
        .handler = digest,
        .session = {.pieces = true, .max_message_size = WEIR_UNLIMITED},
    };
    int status = weir_scope_open(&scope); /* the server runs in it */
    if (status != WEIR_OK)
        return status;
    status = weir_server_start(&server, &scope, &options);
    if (status == WEIR_OK) {
        status = ask(weir_server_url(server), strtoul(mib, NULL, 10));
        weir_server_stop(server);
    }
    int joined = weir_scope_join(&scope);
    if (status == WEIR_OK)
        weir_server_free(server);
    return status == WEIR_OK ? joined : status;
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "pieces", run, argc > 1 ? argv[1] : "64");
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
