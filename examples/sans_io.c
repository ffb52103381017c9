/* examples/sans_io.c - the protocol without the runtime: an opening handshake and a weir_endpoint
 * over a plain blocking socket. It needs only libweir-wire.a, and is for programs with a loop of
 * their own.
 *
 *     sans_io HOST PORT PATH [--unmasked]      sends one message to an echo server, prints the
 *                                              answer, closes; a server refuses --unmasked */
#define WEIR_USE_INTERNAL_API
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weir/endpoint.h>
#include <weir/handshake.h>

static void fill_random(void *out, size_t size, void *arg)
{
    (void)arg;
    for (size_t done = 0; done < size;) {
        ssize_t got = getrandom((char *)out + done, size - done, 0);
        done += got > 0 ? (size_t)got : 0;
    }
}

static uint64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next) {
        fd = socket(one->ai_family, one->ai_socktype, 0);
        if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* Shakes hands. Frames that came with the answer are moved to the front of in. Returns their size
 * in bytes, or a negative status. */
static int shake_hands(int fd, const char *host, const char *path, uint8_t *in, size_t room)
{
    char request[1024];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_http_scan scan = {0};
    weir_handshake_response response = {.head.fields = fields,
                                        .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_offer offer = {.host = host, .path = weir_view_of(path)};
    fill_random(offer.nonce, sizeof offer.nonce, NULL);
    int size = weir_handshake_request_write(request, sizeof request, &offer);
    if (size < 0 || write(fd, request, (size_t)size) != size)
        return size < 0 ? size : WEIR_ELOST;
    size_t have = 0;
    for (;;) {
        ssize_t got = read(fd, in + have, room - have);
        if (got <= 0)
            return WEIR_ELOST;
        have += (size_t)got;
        int head = weir_handshake_response_parse(&response, in, have, &scan, &offer);
        if (head < 0)
            return head;
        if (head > 0) {
            memmove(in, in + head, have - (size_t)head);
            return (int)(have - (size_t)head);
        }
    }
}

struct talk {
    int fd;
    weir_endpoint *endpoint;
    weir_buffer out;
    bool answered;
};

/* Handles one event of the endpoint. Returns false when there is no memory for the Close. */
static bool handle(struct talk *talk, const weir_event *event)
{
    static const weir_close_reason bye = {.code = WEIR_CLOSE_NORMAL};
    if (event->kind != WEIR_EVENT_FRAME)
        return true; /* pings are answered by the flush that follows */
    printf("%.*s\n", (int)event->frame.size, (const char *)event->frame.data);
    weir_frame frame = event->frame;
    weir_frame_release(&frame);
    talk->answered = true;
    return weir_endpoint_close(talk->endpoint, &bye, now_ms(), &talk->out) == WEIR_OK;
}

static int take(struct talk *talk, uint8_t *in, size_t size)
{
    weir_event event;
    int status = weir_endpoint_feed(talk->endpoint, in, size, now_ms());
    while (status == WEIR_OK && (status = weir_endpoint_next(talk->endpoint, &event)) == WEIR_OK)
        if (!handle(talk, &event))
            return WEIR_ENOMEM;
    return status == WEIR_EAGAIN || status == WEIR_CLOSED ? WEIR_OK : status;
}

static int put(struct talk *talk)
{
    int status = weir_endpoint_flush(talk->endpoint, now_ms(), &talk->out);
    if (status == WEIR_OK && talk->out.size > 0 &&
        write(talk->fd, talk->out.data, talk->out.size) != (ssize_t)talk->out.size)
        status = WEIR_ELOST;
    weir_buffer_consume(&talk->out, talk->out.size);
    if (weir_endpoint_wants(talk->endpoint) & WEIR_WANT_SHUTDOWN)
        shutdown(talk->fd, SHUT_WR);
    return status;
}

/* Drives the endpoint until it wants the stream closed. A blocking read takes the place of a loop,
 * so deadlines have no effect. */
static int drive(struct talk *talk, uint8_t *in, size_t room, size_t have)
{
    int status = WEIR_OK;
    uint8_t *to = in;
    while (status == WEIR_OK) {
        status = take(talk, to, have);
        if (status == WEIR_OK)
            status = put(talk);
        if (status != WEIR_OK || (weir_endpoint_wants(talk->endpoint) & WEIR_WANT_CLOSE))
            break;
        /* A large message is read into the memory where it is joined. */
        size_t wanted = weir_endpoint_room(&to, talk->endpoint);
        if (wanted == 0) {
            to = in;
            wanted = room;
        }
        ssize_t got = read(talk->fd, to, wanted);
        have = got > 0 ? (size_t)got : 0;
        if (got <= 0)
            weir_endpoint_eof(talk->endpoint, WEIR_OK, now_ms());
    }
    return status;
}

int main(int argc, char **argv)
{
    static uint8_t in[65536];
    weir_endpoint_options options = {.role = WEIR_ROLE_CLIENT,
                                     .ping_interval_ms =
                                         WEIR_UNLIMITED, /* nobody watches the clock */
                                     .random = fill_random};
    struct talk talk = {.fd = argc >= 4 ? dial(argv[1], argv[2]) : -1};
    weir_end end = {0};
    if (talk.fd < 0) {
        fprintf(stderr, argc >= 4 ? "no connection\n" : "sans_io HOST PORT PATH [--unmasked]\n");
        return 2;
    }
    int have = shake_hands(talk.fd, argv[1], argv[3], in, sizeof in);
    int status = have < 0 ? have : weir_endpoint_new(&talk.endpoint, &options, now_ms());
    weir_frame hello = weir_frame_text("Hello, plain socket!", 20);
    if (status == WEIR_OK && argc > 4)
        weir_endpoint_set_masking(talk.endpoint, false);
    if (status == WEIR_OK)
        status = weir_endpoint_send(talk.endpoint, &hello, &talk.out);
    if (status == WEIR_OK)
        status = drive(&talk, in, sizeof in, (size_t)have);
    if (talk.endpoint != NULL)
        weir_endpoint_end_get(&end, talk.endpoint);
    weir_endpoint_free(talk.endpoint);
    weir_buffer_fini(&talk.out);
    close(talk.fd);
    printf("%s, ended: %s\n", weir_strerror(status), weir_end_kind_name(end.kind));
    if (end.theirs.code >= WEIR_CLOSE_PROTOCOL_ERROR)
        printf("the server said %u %s\n", (unsigned)end.theirs.code, end.theirs.message);
    return status == WEIR_OK && talk.answered && end.kind == WEIR_END_CLEAN ? 0 : 1;
}
