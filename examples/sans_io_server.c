/* examples/sans_io_server.c - a WebSocket server without the runtime: poll(2), the handshake codec
 * and a weir_endpoint per connection. It needs only libweir-wire.a. The client is
 * examples/sans_io.c.
 *
 *     sans_io_server [PORT]      echoes; GET /health is answered with a page; ends when it has been
 *                                idle for ten seconds */
#define WEIR_USE_INTERNAL_API
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <weir/buffer.h>
#include <weir/endpoint.h>
#include <weir/handshake.h>
#include <weir/mask.h>

#define CONNECTIONS  16
#define IDLE_MS      10000
#define HANDSHAKE_MS 5000
#define BACKLOG_MAX  ((size_t)256 * 1024) /* unsent bytes from which on reading stops */

struct connection {
    weir_endpoint *endpoint;
    weir_buffer in;  /* the request; later what the endpoint has not consumed yet */
    weir_buffer out; /* bytes for the kernel */
    weir_http_scan scan;
    uint64_t request_due_ms; /* when the request has to be complete */
    int fd;                  /* -1: free */
    bool refused;            /* close it when out is written */
    bool eof;                /* the peer's output has ended */
};

static struct connection connections[CONNECTIONS];

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

static void drop(struct connection *connection)
{
    weir_end end;
    if (connection->endpoint != NULL) {
        weir_endpoint_terminate(connection->endpoint); /* does nothing when it has ended */
        weir_endpoint_end_get(&end, connection->endpoint);
        printf("ended: %s%s\n", weir_end_kind_name(end.kind),
               weir_endpoint_round_trip_ms(connection->endpoint) == WEIR_UNLIMITED
                   ? ""
                   : ", pings were answered");
        fflush(stdout);
    }
    weir_endpoint_free(connection->endpoint);
    weir_buffer_fini(&connection->in);
    weir_buffer_fini(&connection->out);
    close(connection->fd);
    *connection = (struct connection){.fd = -1};
}

/* --- the opening handshake --- */

static bool put_text(struct connection *connection, int size,
                     int (*write)(char *out, size_t capacity, const void *what), const void *what)
{
    if (size < 0)
        return false;
    uint8_t *out = weir_buffer_reserve(&connection->out, (size_t)size + 1);
    if (out == NULL || write((char *)out, (size_t)size + 1, what) != size)
        return false;
    connection->out.size += (size_t)size;
    return true;
}

static int write_refusal(char *out, size_t capacity, const void *what)
{
    return weir_handshake_refusal_write(out, capacity, what);
}

static int write_page(char *out, size_t capacity, const void *what)
{
    return weir_http_response_write(out, capacity, what);
}

/* A plain HTTP request can still have an answer. */
static bool refuse(struct connection *connection, const weir_http_head *head,
                   const weir_handshake_refusal *refusal)
{
    static const weir_http_answer healthy = {.status = 200, .body = "well\n", .body_size = 5};
    connection->refused = true;
    if (refusal->http_status == 426 && weir_view_equal(head->target, "/health"))
        return put_text(connection, weir_http_response_write(NULL, 0, &healthy), write_page,
                        &healthy);
    return put_text(connection, weir_handshake_refusal_write(NULL, 0, refusal), write_refusal,
                    refusal);
}

struct acceptance {
    const weir_handshake_request *request;
    weir_handshake_acceptance answer;
};

static int write_acceptance(char *out, size_t capacity, const void *what)
{
    const struct acceptance *acceptance = what;
    return weir_handshake_response_write(out, capacity, acceptance->request, &acceptance->answer);
}

/* Prints what the client sent with its request. */
static void describe(const weir_handshake_request *request)
{
    weir_http_cursor cursor = {0};
    weir_view element;
    const weir_http_field *agent = weir_http_field_find(&request->head, "User-Agent", 0);
    printf("%.*s asks for %.*s;", agent != NULL ? (int)agent->value.size : 8,
           agent != NULL ? agent->value.data : "somebody", (int)request->path.size,
           request->path.data);
    while (weir_handshake_subprotocol_next(&element, request, &cursor))
        printf(" speaks %.*s;", (int)element.size, element.data);
    cursor = (weir_http_cursor){0};
    while (weir_http_list_next(&element, &request->head, "Accept-Language", &cursor))
        printf(" reads %.*s;", (int)element.size, element.data);
    printf("\n");
    fflush(stdout);
}

static bool accept_request(struct connection *connection, const weir_handshake_request *request)
{
    static const char *const spoken[] = {"echo", "mirror"};
    struct acceptance acceptance = {.request = request,
                                    .answer.subprotocol =
                                        weir_handshake_choose_subprotocol(request, spoken, 2)};
    static const weir_endpoint_options options = {.role = WEIR_ROLE_SERVER, .random = fill_random};
    describe(request);
    if (!put_text(connection, write_acceptance(NULL, 0, &acceptance), write_acceptance,
                  &acceptance) ||
        weir_endpoint_new(&connection->endpoint, &options, now_ms()) != WEIR_OK)
        return false;
    weir_endpoint_set_limits(connection->endpoint, (uint64_t)64 * 1024, WEIR_UNLIMITED);
    weir_endpoint_set_delivery(connection->endpoint, WEIR_DELIVER_PIECES);
    weir_endpoint_set_ping(connection->endpoint, 5000, 20000, now_ms());
    return true;
}

/* --- the session --- */

/* A large piece is copied once: its header is written by itself, then the payload is copied from
 * where it lies. It is masked on the way if frames are masked (a server's are not). */
static int echo_piece(struct connection *connection, const weir_frame *piece)
{
    uint8_t key[4];
    if (weir_endpoint_output_ended(connection->endpoint))
        return WEIR_OK; /* our Close was sent: what still comes is dropped */
    if (piece->size < 4096)
        return weir_endpoint_send(connection->endpoint, piece, &connection->out);
    int status = weir_endpoint_send_head(connection->endpoint, piece, &connection->out, key);
    uint8_t *to = status == WEIR_OK ? weir_buffer_reserve(&connection->out, piece->size) : NULL;
    if (to == NULL)
        return status != WEIR_OK ? status : WEIR_ENOMEM;
    if (weir_endpoint_masking(connection->endpoint))
        weir_mask_copy(to, piece->data, piece->size, key, 0);
    else
        memcpy(to, piece->data, piece->size);
    connection->out.size += piece->size;
    return WEIR_OK;
}

static bool has_rest(const struct connection *connection)
{
    uint8_t *rest;
    return connection->endpoint != NULL &&
           weir_endpoint_pending_input(&rest, connection->endpoint) > 0;
}

/* Moves what is not consumed yet to the front. As long as there is some, nothing is read, and the
 * ping timeout of the peer is suspended. */
static void keep_rest(struct connection *connection)
{
    uint8_t *rest;
    size_t size = weir_endpoint_pending_input(&rest, connection->endpoint);
    if (size > 0) {
        memmove(connection->in.data, rest, size);
        weir_endpoint_move_input(connection->endpoint, connection->in.data);
    }
    connection->in.size = size;
    weir_endpoint_hold(connection->endpoint, size > 0, now_ms());
}

/* Consumes what has been fed, as long as less than BACKLOG_MAX is unsent. */
static bool consume(struct connection *connection)
{
    weir_endpoint *endpoint = connection->endpoint;
    weir_event event;
    int status = WEIR_OK;
    while (connection->out.size < BACKLOG_MAX &&
           (status = weir_endpoint_next(endpoint, &event)) == WEIR_OK) {
        if (event.kind == WEIR_EVENT_FRAME) {
            status = echo_piece(connection, &event.frame);
            weir_frame_release(&event.frame);
        }
        if (status == WEIR_OK)
            status = weir_endpoint_flush(endpoint, now_ms(), &connection->out);
        if (status != WEIR_OK)
            return false;
    }
    keep_rest(connection);
    return status != WEIR_ENOMEM;
}

static bool feed(struct connection *connection, size_t from)
{
    weir_buffer *in = &connection->in;
    if (weir_endpoint_feed(connection->endpoint, in->data + from, in->size - from, now_ms()) !=
        WEIR_OK)
        return false;
    return consume(connection);
}

/* Takes the request, in part or whole. */
static bool take_request(struct connection *connection)
{
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request = {.head.fields = fields,
                                      .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_refusal refusal;
    int head = weir_handshake_request_parse(&request, connection->in.data, connection->in.size,
                                            &connection->scan, &refusal);
    if (head == 0)
        return true;
    if (head < 0)
        return refuse(connection, &request.head, &refusal);
    return accept_request(connection, &request) && feed(connection, (size_t)head);
}

static bool take_input(struct connection *connection)
{
    uint8_t *to = weir_buffer_reserve(&connection->in, 16384);
    if (to == NULL)
        return false;
    ssize_t got = read(connection->fd, to, 16384);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0) {
        connection->eof = true;
        if (connection->endpoint == NULL)
            return false;
        weir_endpoint_eof(connection->endpoint, got == 0 ? WEIR_OK : WEIR_SYSTEM(errno), now_ms());
        return true;
    }
    size_t from = connection->in.size;
    connection->in.size += (size_t)got;
    if (connection->endpoint == NULL)
        return take_request(connection);
    if (!weir_endpoint_input_ended(connection->endpoint))
        return feed(connection, from);
    connection->in.size = 0; /* after a Close or an error, only the end of the stream is awaited */
    return true;
}

/* Sends as many bytes as the kernel takes. Returns false when the connection is broken. */
static bool write_out(struct connection *connection)
{
    while (connection->out.size > 0) {
        ssize_t put = send(connection->fd, connection->out.data, connection->out.size,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno != EAGAIN && errno != EINTR) {
            if (connection->endpoint != NULL)
                weir_endpoint_eof(connection->endpoint, WEIR_SYSTEM(errno), now_ms());
            return false;
        }
        if (put < 0)
            return true;
        weir_buffer_consume(&connection->out, (size_t)put);
    }
    return true;
}

/* Flushes the endpoint, sends its bytes, and shuts the stream down if the endpoint wants that.
 * Returns false when the connection has to be closed. */
static bool put_output(struct connection *connection)
{
    weir_endpoint *endpoint = connection->endpoint;
    if (endpoint != NULL && weir_endpoint_flush(endpoint, now_ms(), &connection->out) != WEIR_OK)
        return false;
    if (!write_out(connection))
        return false;
    if (endpoint == NULL)
        return !connection->refused || connection->out.size > 0;
    if ((weir_endpoint_wants(endpoint) & WEIR_WANT_SHUTDOWN) && connection->out.size == 0)
        shutdown(connection->fd, SHUT_WR);
    return (weir_endpoint_wants(endpoint) & WEIR_WANT_CLOSE) == 0;
}

/* --- the loop --- */

static uint64_t deadline_of(const struct connection *connection)
{
    return connection->endpoint != NULL ? weir_endpoint_deadline(connection->endpoint)
                                        : connection->request_due_ms;
}

/* Its deadline has passed. Returns false when the connection has to be closed. */
static bool tick(struct connection *connection)
{
    bool roomy = connection->out.size < BACKLOG_MAX;
    return connection->endpoint != NULL &&
           weir_endpoint_tick(connection->endpoint, now_ms(), roomy ? &connection->out : NULL) ==
               WEIR_OK;
}

/* Whether to read from the peer now. */
static bool reads(const struct connection *connection)
{
    return !connection->eof && !connection->refused && !has_rest(connection);
}

static bool serve(struct connection *connection, short events)
{
    bool readable = (events & (POLLIN | POLLHUP | POLLERR)) != 0 && reads(connection);
    if (now_ms() >= deadline_of(connection) && !tick(connection))
        return false;
    if (readable && !take_input(connection))
        return false;
    while (put_output(connection)) {
        if (!has_rest(connection) || connection->out.size >= BACKLOG_MAX)
            return true;
        if (!consume(connection))
            return false;
    }
    return false;
}

static void accept_one(int listener)
{
    int fd = accept(listener, NULL, NULL);
    for (int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
        if (connections[i].fd >= 0)
            continue;
        connections[i].fd = fd;
        connections[i].request_due_ms = now_ms() + HANDSHAKE_MS;
        return;
    }
    if (fd >= 0)
        close(fd);
}

static int wait_ms(void)
{
    uint64_t now = now_ms(), first = now + IDLE_MS;
    for (int i = 0; i < CONNECTIONS; i++) {
        uint64_t deadline = connections[i].fd >= 0 ? deadline_of(&connections[i]) : WEIR_UNLIMITED;
        first = deadline < first ? deadline : first;
    }
    return first > now ? (int)(first - now) : 0;
}

static bool turn(int listener)
{
    struct pollfd fds[CONNECTIONS + 1] = {[CONNECTIONS] = {.fd = listener, .events = POLLIN}};
    bool busy = false;
    for (int i = 0; i < CONNECTIONS; i++) {
        busy = busy || connections[i].fd >= 0;
        fds[i].fd = connections[i].fd;
        fds[i].events = (short)((reads(&connections[i]) ? POLLIN : 0) |
                                (connections[i].out.size > 0 ? POLLOUT : 0));
    }
    int ready = poll(fds, CONNECTIONS + 1, wait_ms());
    if (ready == 0 && !busy)
        return false;
    for (int i = 0; i < CONNECTIONS; i++)
        if (connections[i].fd >= 0 && !serve(&connections[i], fds[i].revents))
            drop(&connections[i]);
    if (fds[CONNECTIONS].revents != 0)
        accept_one(listener);
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons(argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("sans_io_server");
        return 1;
    }
    printf("listening on ws://127.0.0.1:%u/\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].fd = -1;
    while (turn(listener))
        ;
    close(listener);
    return 0;
}
