/* examples/handmade.c - a client session over a stream that the program has opened by itself: it
 * resolves the name, tries the addresses in turn, and writes and reads the handshake. This is for
 * proxies and other ways that weir_client_open() does not know.
 *
 *     handmade URL      ws://... or ws+unix:...; sends one message to an echo server */
#define WEIR_USE_INTERNAL_API
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

#define ADDRESSES 8

/* The addresses of the URL, the preferred ones first. */
static int find(const weir_url *url, weir_address *addresses, size_t *count)
{
    char text[WEIR_URL_HOST_MAX + 1];
    weir_view place = url->scheme == WEIR_URL_UNIX ? url->socket_path : url->host;
    snprintf(text, sizeof text, "%.*s", (int)place.size, place.data);
    *count = 1;
    return url->scheme == WEIR_URL_UNIX
               ? weir_address_unix(&addresses[0], text)
               : weir_resolve(addresses, ADDRESSES, count, text, url->port);
}

static int dial(weir_stream **out, const weir_url *url)
{
    weir_address addresses[ADDRESSES];
    size_t count;
    int status = find(url, addresses, &count);
    if (status != WEIR_OK)
        return status;
    status = WEIR_ERESOLVE; /* if there is none */
    for (size_t i = 0; i < count; i++)
        if ((status = weir_stream_connect(out, &addresses[i], 2000)) == WEIR_OK)
            return WEIR_OK;
    return status;
}

/* Reads the answer a byte at a time. A server may send frames at once, and the session has to read
 * all that follows the head. */
static int read_answer(weir_stream *stream, const weir_handshake_offer *offer)
{
    char in[4096];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_http_scan scan = {.size_max = sizeof in};
    weir_handshake_response response = {.head.fields = fields,
                                        .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    int head = 0;
    for (size_t have = 0; head == 0 && have < sizeof in; have++) {
        int status = weir_stream_read_exactly(stream, in + have, 1);
        if (status != WEIR_OK)
            return status;
        head = weir_handshake_response_parse(&response, in, have + 1, &scan, offer);
    }
    if (head == WEIR_EREFUSED)
        printf("HTTP %u\n", response.head.status);
    return head > 0 ? WEIR_OK : head == 0 ? WEIR_ETOOBIG : head;
}

static int shake_hands(weir_stream *stream, const weir_url *url)
{
    char host[WEIR_URL_HOST_HEADER_ROOM];
    char request[2048];
    weir_handshake_offer offer = {.host = host, .path = url->path, .query = url->query};
    weir_loop_random(offer.nonce, sizeof offer.nonce, weir_stream_loop(stream));
    int size = weir_url_host_header_write(host, sizeof host, url);
    if (size >= 0)
        size = weir_handshake_request_write(request, sizeof request, &offer);
    if (size < 0)
        return size;
    int status = weir_stream_write(stream, request, (size_t)size);
    return status == WEIR_OK ? read_answer(stream, &offer) : status;
}

/* A frame without a mask breaks the protocol, and a server has to answer with 1002. Tries that. */
static int provoke(weir_session *session)
{
    void *end;
    char text[256];
    weir_deferred *reason = weir_session_close_reason(session);
    weir_session_set_masking(session, false);
    printf("frames are %smasked\n", weir_session_masking(session) ? "" : "not ");
    int status = weir_send_text(session, "unmasked");
    if (status != WEIR_OK)
        return status;
    status = weir_deferred_await(reason, &end);
    if (!weir_deferred_is_complete(reason))
        return status; /* we were cancelled, and it goes on */
    (void)weir_close_reason_describe(text, sizeof text, weir_end_reason(end));
    printf("the server says: %s\n", text);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int converse(weir_session *session)
{
    weir_frame answer;
    size_t size;
    weir_frame question = weir_frame_text("made by hand", 12);
    int status = weir_channel_try_send(weir_session_outgoing(session), &question);
    if (status == WEIR_OK)
        status = weir_receive_message(session, &answer);
    if (status != WEIR_OK)
        return status;
    const uint8_t *bytes = weir_frame_bytes(&answer, &size);
    printf("%.*s\n", (int)size, (const char *)bytes);
    weir_frame_release(&answer);
    return provoke(session);
}

static int run(void *arg)
{
    const weir_url *url = arg;
    weir_stream *stream;
    weir_session *session;
    weir_address own;
    char text[WEIR_ADDRESS_ROOM];
    int status = dial(&stream, url);
    if (status != WEIR_OK)
        return status;
    if (weir_stream_local_address_get(&own, stream) == WEIR_OK) {
        (void)weir_address_describe(text, sizeof text, &own);
        printf("from %s\n", text);
    }
    status = shake_hands(stream, url);
    if (status != WEIR_OK) {
        weir_stream_close(stream);
        return status;
    }
    status = weir_session_start(&session, weir_scope_current(), stream, WEIR_ROLE_CLIENT, NULL);
    if (status == WEIR_OK) {
        status = converse(session);
        weir_session_free(session);
    }
    return status;
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    weir_url url;
    weir_fault fault = {.rule = "handmade URL"};
    char text[512];
    if (argc != 2 || weir_url_parse(&url, argv[1], strlen(argv[1]), &fault) != WEIR_OK ||
        url.scheme == WEIR_URL_WSS || weir_url_write(text, sizeof text, &url) < 0) {
        fprintf(stderr, "%s\n", fault.rule != NULL ? fault.rule : "only ws and ws+unix");
        return 2;
    }
    printf("to %s\n", text);
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "handmade", run, &url);
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
