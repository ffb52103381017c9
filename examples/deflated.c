/* examples/deflated.c - permessage-deflate without the runtime: two endpoints in memory shake
 * hands, agree on compression, and exchange a message. It shows what a driver of weir_endpoint has
 * to do for that. Sessions do it by themselves (options.deflate).
 *
 *     deflated [TIMES]      sends the same sentence so many times (20), and prints its bytes on the
 *                           wire */
#define WEIR_USE_INTERNAL_API
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/deflate_codec.h>
#include <weir/endpoint.h>
#include <weir/handshake.h>

static const weir_deflate_options wanted = {.enabled = true, .server_context_takeover = true};

static void count_up(void *out, size_t size, void *arg)
{
    unsigned char *next = arg; /* nothing is sent out of this process, so it may be guessed */
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (*next)++;
}

struct peer {
    weir_endpoint *endpoint;
    weir_deflate *shared; /* one a thread is enough; here each peer stands for a process */
    weir_deflate_terms terms;
    unsigned char random;
};

static int open_peer(struct peer *peer, enum weir_role role)
{
    weir_codec *codec;
    weir_endpoint_options options = {.role = role, .random = count_up, .random_arg = &peer->random};
    int status = weir_deflate_new(&peer->shared, NULL);
    if (status == WEIR_OK)
        status = weir_endpoint_new(&peer->endpoint, &options, 0);
    if (status == WEIR_OK)
        status = weir_deflate_codec_new(&codec, peer->shared, role, &wanted, &peer->terms);
    if (status == WEIR_OK)
        weir_endpoint_set_codec(peer->endpoint, codec); /* takes it */
    return status;
}

static void close_peer(struct peer *peer)
{
    weir_endpoint_free(peer->endpoint);
    weir_deflate_free(peer->shared);
}

/* The server's half of the handshake: takes the first offer that it supports. */
static int answer(struct peer *server, const char *request_text, size_t size, char *out,
                  size_t room)
{
    char extensions[WEIR_DEFLATE_TEXT_ROOM];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request = {.head.fields = fields,
                                      .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_acceptance acceptance = {.extensions = NULL};
    int head = weir_handshake_request_parse(&request, request_text, size, NULL, NULL);
    if (head <= 0)
        return WEIR_EPROTOCOL;
    if (!weir_deflate_choose(&server->terms, &request.head, &wanted))
        return WEIR_EREFUSED;
    int length = weir_deflate_answer_write(extensions, sizeof extensions, &server->terms);
    acceptance.extensions = extensions;
    return length < 0 ? length : weir_handshake_response_write(out, room, &request, &acceptance);
}

static int shake_hands(struct peer *client, struct peer *server)
{
    char offered[WEIR_DEFLATE_TEXT_ROOM], request[1024], response[1024];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_response answered = {.head.fields = fields,
                                        .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_offer offer = {.host = "here", .extensions = offered};
    weir_fault fault = {.rule = NULL};
    int size = weir_deflate_offer_write(offered, sizeof offered, &wanted);
    if (size >= 0)
        size = weir_handshake_request_write(request, sizeof request, &offer);
    if (size >= 0)
        size = answer(server, request, (size_t)size, response, sizeof response);
    if (size >= 0)
        size = weir_handshake_response_parse(&answered, response, (size_t)size, NULL, &offer);
    if (size < 0)
        return size;
    int agreed =
        weir_deflate_answer_parse(&client->terms, &answered.head, response, &wanted, &fault);
    printf("offered: %s\nagreed: %s\n", offered, agreed == 1 ? "yes" : "no");
    if (fault.rule != NULL)
        printf("the answer broke %s\n", fault.rule);
    return agreed == 1 ? WEIR_OK : WEIR_EPROTOCOL;
}

static int carry(struct peer *from, struct peer *to, const char *text)
{
    weir_buffer wire = {0};
    weir_event event;
    weir_frame frame = weir_frame_text(text, strlen(text));
    bool compresses = weir_endpoint_compresses(from->endpoint, &frame);
    int status = weir_endpoint_send(from->endpoint, &frame, &wire);
    if (status == WEIR_OK)
        status = weir_endpoint_feed(to->endpoint, wire.data, wire.size, 0);
    if (status == WEIR_OK)
        status = weir_endpoint_next(to->endpoint, &event);
    if (status == WEIR_OK) {
        bool same = event.kind == WEIR_EVENT_FRAME && event.frame.size == strlen(text) &&
                    memcmp(event.frame.data, text, event.frame.size) == 0;
        printf("%zu bytes of text, %zu on the wire, %s: %s\n", strlen(text), wire.size,
               compresses ? "compressed" : "as they are", same ? "arrived" : "DIFFERENT");
        if (event.kind == WEIR_EVENT_FRAME)
            weir_frame_release(&event.frame);
        status = same ? WEIR_OK : WEIR_EPROTOCOL;
    }
    weir_buffer_fini(&wire);
    return status;
}

int main(int argc, char **argv)
{
    static const char sentence[] = "the weir holds the water back. ";
    static char text[4096];
    unsigned long times = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
    struct peer client = {.random = 1}, server = {.random = 2};
    for (size_t i = 0; i < times && (i + 1) * (sizeof sentence - 1) < sizeof text; i++)
        memcpy(text + i * (sizeof sentence - 1), sentence, sizeof sentence);
    int status = shake_hands(&client, &server);
    if (status == WEIR_OK)
        status = open_peer(&client, WEIR_ROLE_CLIENT);
    if (status == WEIR_OK)
        status = open_peer(&server, WEIR_ROLE_SERVER);
    if (status == WEIR_OK)
        status = carry(&client, &server, text);
    for (int i = 0; status == WEIR_OK && i < 2; i++) /* the second one refers back to the first */
        status = carry(&server, &client, text);
    close_peer(&client);
    close_peer(&server);
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status == WEIR_OK || status == WEIR_ENOTSUP ? 0 : 1;
}
