/* A server on one loop: listens, accepts while there is room, stops. */
#include "ws/server/server.h"

#include "ws/opening/http1.h"
#include "ws/opening/location.h"

#include <stdio.h>
#include <string.h>

static weir_loop *loop_of(const weir_server *server)
{
    return server->scope.loop;
}

/* --- accepting --- */

static void go_on_accepting(struct weir__admission *admission)
{
    weir_server *server = WEIR__CONTAINER(admission, weir_server, admission);
    if (server->listener != NULL && weir__admission_has_room(admission))
        weir__listener_resume(server->listener);
}

static void take_stream(void *owner, weir_stream *accepted)
{
    weir_server *server = owner;
    weir_stream *stream = weir__stream_layered(accepted);
    if (stream == NULL)
        return;
    weir__http1_start(&server->admission, stream);
    if (server->listener != NULL && !weir__admission_has_room(&server->admission))
        weir__listener_pause(server->listener);
}

/* --- life --- */

static void free_server(weir_server *server)
{
    weir_loop *loop = loop_of(server);
    weir__admission_fini(&server->admission);
    if (server->url != NULL)
        weir__loop_free(loop, server->url, strlen(server->url) + 1);
    weir__loop_free(loop, server, sizeof *server);
}

/* It has stopped listening, and all connections and sessions have ended. */
static void end_server(weir_scope *scope)
{
    weir_server *server = WEIR__CONTAINER(scope, weir_server, scope);
    if (server->listener != NULL || server->over || scope->child_count > 0)
        return;
    server->over = true;
    weir__scope_detach(&scope->job, WEIR_OK);
    if (!server->handed_out)
        weir__task_post(loop_of(server), &server->deferred_free);
}

static void free_deferred(weir__task *task)
{
    free_server(WEIR__CONTAINER(task, weir_server, deferred_free));
}

static void stop_listening(struct weir__job *job)
{
    weir_server *server = WEIR__CONTAINER(job, weir_server, listening);
    weir_listener *listener = server->listener;
    server->listener = NULL;
    weir_listener_close(listener);
    weir__scope_detach(job, WEIR_OK);
}

static const struct weir__job_ops listening_ops = {stop_listening};

/* The URL with the port that was taken. */
static int describe_url(weir_server *server, weir_url *url)
{
    weir_address address;
    int status = weir_listener_address_get(&address, server->listener);
    if (status == WEIR_OK && url->scheme != WEIR_URL_UNIX)
        url->port = weir_address_port(&address);
    int size = status == WEIR_OK ? weir_url_write(NULL, 0, url) : status;
    if (size < 0)
        return size;
    server->url = weir__loop_alloc(loop_of(server), (size_t)size + 1);
    if (server->url == NULL)
        return WEIR_ENOMEM;
    size = weir_url_write(server->url, (size_t)size + 1, url);
    return size < 0 ? size : WEIR_OK;
}

static int listen_on(weir_server *server, weir_url *url)
{
    weir_address address;
    int status = weir__address_of_url(&address, url);
    if (status != WEIR_OK)
        return status;
    status = weir_listener_open(&server->listener, loop_of(server), &address,
                                server->admission.options.threads > 1);
    if (status != WEIR_OK)
        return status;
    status = describe_url(server, url);
    if (status == WEIR_OK)
        status = weir__scope_attach(&server->scope, &server->listening, &listening_ops);
    if (status == WEIR_OK)
        status = weir__listener_start(server->listener, take_stream, server);
    if (status != WEIR_OK) {
        if (server->listening.parent != NULL)
            weir__scope_detach(&server->listening, WEIR_OK);
        weir_listener_close(server->listener);
        server->listener = NULL;
    }
    return status;
}

int weir_server_start(weir_server **out, weir_scope *scope, const weir_serve_options *options)
{
    weir_url url;
    if (out == NULL || scope == NULL || options == NULL || options->url == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    int status = weir_url_parse(&url, options->url, strlen(options->url), NULL);
    if (status != WEIR_OK)
        return status;
    if (url.scheme == WEIR_URL_WSS)
        return WEIR_ENOTSUP;
    weir_server *server = weir__loop_alloc(scope->loop, sizeof *server);
    if (server == NULL)
        return WEIR_ENOMEM;
    memset(server, 0, sizeof *server);
    weir__scope_init(&server->scope, scope->loop, end_server);
    weir__task_init(&server->deferred_free, free_deferred);
    server->over = true; /* until it is in its scope */
    status = weir__admission_init(&server->admission, &server->scope, options, url.path);
    server->admission.freed = go_on_accepting;
    if (status == WEIR_OK)
        status = listen_on(server, &url);
    if (status == WEIR_OK)
        status = weir__scope_attach(scope, &server->scope.job, server->scope.job.ops);
    if (status != WEIR_OK) {
        if (server->listener != NULL)
            stop_listening(&server->listening);
        free_server(server);
        return status;
    }
    server->over = false;
    server->handed_out = true;
    *out = server;
    return WEIR_OK;
}

void weir_server_stop(weir_server *server)
{
    if (server != NULL)
        weir_scope_cancel(&server->scope);
}

void weir_server_free(weir_server *server)
{
    if (server == NULL)
        return;
    server->handed_out = false;
    if (server->over)
        free_server(server);
    else
        weir_server_stop(server);
}

const char *weir_server_url(const weir_server *server)
{
    return server->url;
}

size_t weir_server_session_count(const weir_server *server)
{
    return server->admission.session_count;
}
