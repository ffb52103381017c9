#include "bench_open.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static bool resolve_unix(bench_run *run)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&run->address;
    if (run->url.socket_path.size >= sizeof address->sun_path) {
        cli_complain(BENCH_NAME, "the path of the socket is too long");
        return false;
    }
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, run->url.socket_path.data, run->url.socket_path.size);
    run->address_size = sizeof *address;
    return true;
}

bool bench_resolve(bench_run *run)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char host[WEIR_URL_HOST_MAX + 1];
    char port[8];
    if (weir_url_host_header_write(run->host, sizeof run->host, &run->url) < 0)
        return false;
    if (run->url.scheme == WEIR_URL_UNIX)
        return resolve_unix(run);
    (void)snprintf(host, sizeof host, "%.*s", (int)run->url.host.size, run->url.host.data);
    (void)snprintf(port, sizeof port, "%u", run->url.port);
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        cli_complain(BENCH_NAME, "%s: %s", host, gai_strerror(error));
        return false;
    }
    memcpy(&run->address, found->ai_addr, found->ai_addrlen);
    run->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static void fail_to_connect(bench_run *run, int error)
{
    bench_fail(run, CLI_EXIT_FAILED, "no connection to %s: %s", run->url_text, strerror(error));
}

void bench_connect(bench_run *run, bench_connection *connection)
{
    const int on = 1;
    struct epoll_event event = {.events = BENCH_EVENTS, .data.ptr = connection};
    connection->opened_ns = bench_now_ns();
    connection->fd = socket(run->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) {
        fail_to_connect(run, errno);
        return;
    }
    connection->state = BENCH_CONNECTING;
    run->opening++;
    if (run->url.scheme != WEIR_URL_UNIX)
        (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((connect(connection->fd, (struct sockaddr *)&run->address, run->address_size) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(run->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        fail_to_connect(run, errno);
}

void bench_connect_next(bench_run *run, bench_connection *connection)
{
    bench_load *load = connection->load;
    if (load->sent < load->quota) {
        load->sent++;
        bench_connect(run, connection);
    }
}

static weir_handshake_offer offer_of(const bench_run *run, const bench_connection *connection)
{
    weir_handshake_offer offer = {.host = run->host,
                                  .path = run->url.path,
                                  .query = run->url.query,
                                  .extensions = run->offer[0] != '\0' ? run->offer : NULL};
    memcpy(offer.nonce, connection->nonce, sizeof offer.nonce);
    return offer;
}

static void send_request(bench_run *run, bench_connection *connection)
{
    char request[WEIR_HTTP_HEAD_DEFAULT];
    bench_random(connection->nonce, sizeof connection->nonce, NULL);
    weir_handshake_offer offer = offer_of(run, connection);
    int size = weir_handshake_request_write(request, sizeof request, &offer);
    if (size < 0) {
        bench_fail(run, CLI_EXIT_FAILED, "no request: %s", weir_strerror(size));
        return;
    }
    run->request_size = (size_t)size;
    connection->state = BENCH_UPGRADING;
    if (send(connection->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        bench_fail(run, CLI_EXIT_ABNORMAL, "the request could not be sent: %s", strerror(errno));
}

/* The frames depend on what was negotiated, so they are made for the first connection. */
static int make_rings(bench_run *run)
{
    int status = WEIR_OK;
    for (size_t i = 0; i < BENCH_LOADS && status == WEIR_OK; i++)
        if (run->loads[i].connection_count > 0)
            status = bench_ring_init(&run->loads[i].ring, run->loads[i].depth, &run->deflate);
    run->rings_ready = true;
    return status;
}

static void open_connection(bench_run *run, bench_connection *connection)
{
    int status = run->rings_ready ? WEIR_OK : make_rings(run);
    const bench_deflate *deflate = &run->deflate;
    if (status == WEIR_OK && deflate->options.enabled)
        status = weir_deflate_codec_new(&connection->codec, deflate->codecs, WEIR_ROLE_CLIENT,
                                        &deflate->options, &deflate->terms);
    if (status != WEIR_OK) {
        bench_fail(run, CLI_EXIT_FAILED, "%s", weir_strerror(status));
        return;
    }
    weir_parser_init(&connection->parser, WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    connection->parser.rsv_allowed = deflate->options.enabled ? 4 : 0;
    connection->received = 0;
    connection->state = BENCH_OPEN;
}

void bench_connected(bench_run *run, bench_connection *connection)
{
    int error = 0;
    socklen_t size = sizeof error;
    (void)getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        fail_to_connect(run, error);
    } else if (run->raw && !run->handshakes) {
        open_connection(run, connection);
    } else {
        send_request(run, connection);
    }
}

/* Compression that was asked for has to be agreed on, in the same terms for all connections. */
static bool agree(bench_run *run, const weir_handshake_response *response, const void *in)
{
    bench_deflate *deflate = &run->deflate;
    weir_deflate_terms terms;
    weir_fault fault;
    if (!deflate->options.enabled)
        return true;
    int agreed = weir_deflate_answer_parse(&terms, &response->head, in, &deflate->options, &fault);
    if (agreed < 0)
        bench_fail(run, CLI_EXIT_PROTOCOL, "the server broke the protocol: %s", fault.rule);
    else if (agreed == 0)
        bench_fail(run, CLI_EXIT_FAILED, "the server does not compress");
    else if (run->rings_ready && memcmp(&terms, &deflate->terms, sizeof terms) != 0)
        bench_fail(run, CLI_EXIT_FAILED, "the server does not agree to the same each time");
    else
        deflate->terms = terms;
    return run->failed == 0;
}

static size_t take_answer(bench_run *run, bench_connection *connection, const uint8_t *in,
                          size_t size)
{
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_response response = {
        .head = {.fields = fields, .field_capacity = WEIR_HTTP_FIELDS_DEFAULT}};
    weir_handshake_offer offer = offer_of(run, connection);
    int status = weir_handshake_response_parse(&response, in, size, NULL, &offer);
    if (status == WEIR_EREFUSED)
        bench_fail(run, CLI_EXIT_REFUSED, "%s refused: HTTP %u %s", run->url_text,
                   response.head.status, weir_http_reason(response.head.status));
    else if (status < 0)
        bench_fail(run, CLI_EXIT_PROTOCOL, "%s is no WebSocket server: %s", run->url_text,
                   response.fault.rule != NULL ? response.fault.rule : weir_strerror(status));
    if (status <= 0 || !agree(run, &response, in))
        return 0;
    return (size_t)status;
}

static size_t take_echo(const bench_run *run, bench_connection *connection, size_t size)
{
    size_t missing = run->request_size - (size_t)connection->received;
    connection->received += size;
    return size < missing ? 0 : missing;
}

size_t bench_upgrade(bench_run *run, bench_connection *connection, uint8_t **data, size_t size)
{
    size_t eaten;
    if (run->raw) {
        eaten = take_echo(run, connection, size);
    } else {
        if (connection->head.size > 0) {
            if (weir_buffer_append(&connection->head, *data, size) != WEIR_OK)
                bench_fail(run, CLI_EXIT_FAILED, "%s", weir_strerror(WEIR_ENOMEM));
            *data = connection->head.data;
            size = connection->head.size;
        }
        eaten = take_answer(run, connection, *data, size);
        if (eaten == 0 && connection->head.size == 0 &&
            weir_buffer_append(&connection->head, *data, size) != WEIR_OK)
            bench_fail(run, CLI_EXIT_FAILED, "%s", weir_strerror(WEIR_ENOMEM));
    }
    if (eaten == 0 || run->failed != 0)
        return 0;
    open_connection(run, connection);
    *data += eaten;
    return size - eaten;
}
