/* examples/gateway.c - a bridge from TCP to WebSocket: what comes over a TCP connection goes out as
 * binary messages, and back.
 *
 * One coroutine a connection opens a scope. In the scope, one coroutine carries bytes each way.
 * When one of them ends, so does the other, and both connections are closed.
 *
 *     gateway URL [PORT]      nc 127.0.0.1 PORT then talks to the server at URL */
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

struct bridge {
    weir_stream *stream;
    weir_session *session;
};

static const char *target;

static int carry_out(void *arg)
{
    struct bridge *bridge = arg;
    char bytes[4096];
    size_t got;
    int status;
    while ((status = weir_stream_read(bridge->stream, bytes, sizeof bytes, &got)) == WEIR_OK)
        if ((status = weir_send_binary(bridge->session, bytes, got)) != WEIR_OK)
            return status;
    /* The TCP peer has ended its output: close the session, and wait for what is in flight. */
    return status == WEIR_CLOSED ? weir_close(bridge->session, WEIR_CLOSE_NORMAL, NULL) : status;
}

static int carry_in(void *arg)
{
    struct bridge *bridge = arg;
    weir_frame frame;
    int status;
    while ((status = weir_receive(bridge->session, &frame)) == WEIR_OK)
        if ((status = weir_stream_write(bridge->stream, frame.data, frame.size)) != WEIR_OK)
            return status;
    int shut = weir_stream_shutdown(bridge->stream);
    return status == WEIR_CLOSED ? shut : status;
}

static int carry_both_ways(struct bridge *bridge)
{
    weir_scope scope;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    status = weir_go(&scope, "out", carry_out, bridge);
    if (status == WEIR_OK)
        status = carry_in(bridge);
    weir_scope_cancel(&scope); /* the server has ended: what TCP still sends is dropped */
    (void)weir_scope_join(&scope);
    return status;
}

static int serve_one(void *arg)
{
    struct bridge bridge = {.stream = arg};
    weir_address peer;
    char name[WEIR_ADDRESS_ROOM];
    if (weir_stream_peer_address_get(&peer, bridge.stream) != WEIR_OK)
        peer = (weir_address){0};
    (void)weir_address_describe(name, sizeof name, &peer);
    int status = weir_stream_keep_alive(bridge.stream, 60, 10);
    if (status == WEIR_OK)
        status = weir_client_open(&bridge.session, weir_scope_current(),
                                  &(weir_connect_options){.url = target});
    if (status == WEIR_OK) {
        status = carry_both_ways(&bridge);
        weir_session_free(bridge.session);
    }
    printf("%s: %s\n", name, weir_strerror(status));
    fflush(stdout);
    if (status == WEIR_OK || status == WEIR_CLOSED)
        weir_stream_close(bridge.stream);
    else
        weir_stream_reset(bridge.stream);
    return WEIR_OK; /* a failed connection must not cancel the others */
}

static int run(void *arg)
{
    weir_address address;
    weir_listener *listener;
    weir_stream *stream;
    uint16_t port = (uint16_t)strtoul(arg, NULL, 10);
    int status = weir_address_tcp(&address, "127.0.0.1", port);
    if (status == WEIR_OK)
        status = weir_listener_open(&listener, weir_loop_current(), &address, false);
    if (status != WEIR_OK)
        return status;
    if (weir_listener_address_get(&address, listener) == WEIR_OK)
        printf("listening on 127.0.0.1:%u\n", (unsigned)weir_address_port(&address));
    fflush(stdout);
    while ((status = weir_listener_accept(&stream, listener)) == WEIR_OK) {
        status = weir_go(weir_scope_current(), "bridge", serve_one, stream);
        if (status != WEIR_OK)
            weir_stream_close(stream);
    }
    weir_listener_close(listener);
    return status;
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    if (argc < 2) {
        fprintf(stderr, "gateway URL [PORT]\n");
        return 2;
    }
    target = argv[1];
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "gateway", run, argc > 2 ? argv[2] : "0");
        weir_loop_free(loop);
    }
    fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
