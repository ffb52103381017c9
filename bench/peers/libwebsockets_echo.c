/* bench/peers/libwebsockets_echo.c - an echo on libwebsockets, to be measured beside weir's. Each
 * session queues what it has to send back, because libwebsockets allows a write only after a
 * request for it. With --deflate it compresses, without context takeover. */
#include <libwebsockets.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct piece {
    struct piece *next;
    size_t size;
    bool first, last, binary;
    unsigned char room[LWS_PRE]; /* libwebsockets puts the header before the payload */
    unsigned char data[];
};

struct session {
    struct piece *head;
    struct piece **tail;
};

static void queue(struct lws *wsi, struct session *session, const void *in, size_t size)
{
    struct piece *piece = malloc(sizeof *piece + size);
    if (piece == NULL)
        exit(1);
    piece->next = NULL;
    piece->size = size;
    piece->first = lws_is_first_fragment(wsi);
    piece->last = lws_is_final_fragment(wsi);
    piece->binary = lws_frame_is_binary(wsi);
    memcpy(piece->data, in, size);
    *session->tail = piece;
    session->tail = &piece->next;
    lws_callback_on_writable(wsi);
}

static struct piece *take(struct session *session)
{
    struct piece *piece = session->head;
    if (piece == NULL)
        return NULL;
    session->head = piece->next;
    if (session->head == NULL)
        session->tail = &session->head;
    return piece;
}

/* Sends what is queued, as long as the socket takes it. */
static int write_queue(struct lws *wsi, struct session *session)
{
    struct piece *piece;
    while (!lws_send_pipe_choked(wsi) && (piece = take(session)) != NULL) {
        int flags = lws_write_ws_flags(piece->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT,
                                       piece->first, piece->last);
        int written = lws_write(wsi, piece->data, piece->size, (enum lws_write_protocol)flags);
        bool good = written >= (int)piece->size;
        free(piece);
        if (!good)
            return -1;
    }
    if (session->head != NULL)
        lws_callback_on_writable(wsi);
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t size)
{
    struct session *session = user;
    struct piece *piece;
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
        session->head = NULL;
        session->tail = &session->head;
        return 0;
    case LWS_CALLBACK_RECEIVE:
        queue(wsi, session, in, size);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_queue(wsi, session);
    case LWS_CALLBACK_CLOSED:
        while ((piece = take(session)) != NULL)
            free(piece);
        return 0;
    default:
        return 0;
    }
}

int main(int argc, char **argv)
{
    static const struct lws_protocols protocols[] = {
        {.name = "echo",
         .callback = on_event,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 64 * 1024},
        {0}};
    static const struct lws_extension extensions[] = {
        {"permessage-deflate", lws_extension_callback_pm_deflate,
         "permessage-deflate; client_no_context_takeover; server_no_context_takeover"},
        {0}};
    struct lws_context_creation_info info = {.port = 0,
                                             .iface = "127.0.0.1",
                                             .protocols = protocols,
                                             .options = LWS_SERVER_OPTION_VALIDATE_UTF8};
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (argc > 1 && strcmp(argv[1], "--deflate") == 0)
        info.extensions = extensions;
    lws_set_log_level(LLL_ERR, NULL);
    info.options |= LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    struct lws_context *context = lws_create_context(&info);
    struct lws_vhost *vhost = context != NULL ? lws_create_vhost(context, &info) : NULL;
    if (vhost == NULL)
        return 1;
    printf("listening on ws://127.0.0.1:%d/\n", lws_get_vhost_listen_port(vhost));
    fflush(stdout);
    while (lws_service(context, 0) >= 0)
        continue;
    return 0;
}
