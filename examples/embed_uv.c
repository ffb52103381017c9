/* examples/embed_uv.c - weir inside a libuv loop: a poll handle for its descriptor, a timer for its
 * timeout, a prepare handle for its turns.
 *
 *     embed_uv      an echo server and a client in a libuv program; ends by itself */
#include <stdio.h>
#include <uv.h>
#include <weir/weir.h>

/* What any libuv program needs to run a weir loop inside its own. */
struct guest {
    weir_loop *loop;
    uv_poll_t readable;
    uv_timer_t timer;
    uv_prepare_t prepare;
};

static void on_timer(uv_timer_t *timer)
{
    (void)timer; /* it only ends the wait */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)poll, (void)status, (void)events; /* the next prepare runs the turn */
}

/* Before libuv waits: runs what is ready, then sets how long libuv may wait. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct guest *guest = prepare->data;
    if (weir_loop_turn(guest->loop, 0) <= 0) { /* nothing is left to run, or the loop is broken */
        uv_close((uv_handle_t *)&guest->readable, NULL);
        uv_close((uv_handle_t *)&guest->timer, NULL);
        uv_close((uv_handle_t *)&guest->prepare, NULL);
        return;
    }
    int64_t timeout_ms = weir_loop_timeout(guest->loop);
    if (timeout_ms < 0)
        uv_timer_stop(&guest->timer);
    else
        uv_timer_start(&guest->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static int open_guest(struct guest *guest, uv_loop_t *host)
{
    if (weir_loop_new(&guest->loop, NULL) != WEIR_OK)
        return -1;
    guest->prepare.data = guest;
    if (uv_poll_init(host, &guest->readable, weir_loop_fd(guest->loop)) != 0 ||
        uv_timer_init(host, &guest->timer) != 0 || uv_prepare_init(host, &guest->prepare) != 0)
        return -1;
    uv_poll_start(&guest->readable, UV_READABLE, on_readable);
    return uv_prepare_start(&guest->prepare, on_prepare);
}

/* The program itself. */

static weir_server *server;

static int echo(weir_session *session, void *arg)
{
    (void)arg;
    weir_frame frame;
    int status;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int visit(void *arg)
{
    (void)arg;
    weir_session *session;
    weir_frame frame;
    weir_connect_options options = {.url = weir_server_url(server)};
    int status = weir_client_open(&session, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return status;
    status = weir_send_text(session, "hello from libuv's loop");
    if (status == WEIR_OK)
        status = weir_receive(session, &frame);
    if (status == WEIR_OK) {
        printf("%.*s\n", (int)frame.size, (const char *)frame.data);
        weir_frame_release(&frame);
    }
    (void)weir_close(session, WEIR_CLOSE_NORMAL, NULL);
    int end = weir_session_join(session);
    printf("closed: %s\n", weir_strerror(end));
    weir_session_free(session);
    weir_server_stop(server);
    return status;
}

static void tick(uv_timer_t *timer)
{
    static int count;
    printf("libuv's own timer %d\n", ++count);
    if (count == 3)
        uv_close((uv_handle_t *)timer, NULL);
}

int main(void)
{
    uv_loop_t *host = uv_default_loop();
    uv_timer_t own;
    struct guest guest;
    if (open_guest(&guest, host) != 0)
        return 1;
    uv_timer_init(host, &own);
    uv_timer_start(&own, tick, 10, 10);
    weir_scope *scope = weir_loop_scope(guest.loop);
    weir_serve_options options = {.url = "ws://127.0.0.1:0/", .handler = echo};
    int status = weir_server_start(&server, scope, &options);
    if (status == WEIR_OK)
        status = weir_go(scope, "visit", visit, NULL);
    uv_run(host, UV_RUN_DEFAULT);
    weir_server_free(server);
    weir_loop_free(guest.loop);
    uv_loop_close(host);
    return status != WEIR_OK;
}
