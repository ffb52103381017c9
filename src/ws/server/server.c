/* A server on one loop: listens, counts, routes, stops. */
#include "ws/server/server.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_HANDSHAKE_MS 10000
#define HEAD_SIZE_MAX        ((size_t)65536)
#define HEAD_FIELDS_MAX      ((size_t)1000)

static weir_loop *loop_of(const weir_server *server)
{
    return server->scope.loop;
}

/* --- routes --- */

static bool route_is_valid(const weir_route *route)
{
    return (route->handler != NULL) != (route->on_message != NULL) &&
           (route->on_open == NULL || route->on_message != NULL) &&
           (route->path == NULL || route->path[0] == '/');
}

/* "/chat/..." fits what lies below "/chat/". */
static bool fits(const char *pattern, weir_view path)
{
    size_t size = strlen(pattern);
    if (size >= 4 && strcmp(pattern + size - 4, "/...") == 0)
        return path.size >= size - 3 && memcmp(path.data, pattern, size - 3) == 0;
    return weir_view_equal(path, pattern);
}

const weir_route *weir__server_route(const weir_server *server, weir_view path)
{
    for (size_t i = 0; i < server->route_count; i++)
        if (server->routes[i].path == NULL || fits(server->routes[i].path, path))
            return &server->routes[i];
    return NULL;
}

static int take_routes(weir_server *server, const weir_url *url)
{
    const weir_serve_options *options = &server->options;
    if (options->route_count > 0) {
        if (options->routes == NULL || options->handler != NULL || options->on_message != NULL)
            return WEIR_EINVAL;
        for (size_t i = 0; i < options->route_count; i++)
            if (!route_is_valid(&options->routes[i]))
                return WEIR_EINVAL;
        server->routes = options->routes;
        server->route_count = options->route_count;
        return WEIR_OK;
    }
    server->single = (weir_route){.handler = options->handler,
                                  .on_message = options->on_message,
                                  .on_open = options->on_open,
                                  .on_close = options->on_close,
                                  .arg = options->arg};
    if (!route_is_valid(&server->single))
        return WEIR_EINVAL;
    server->routes = &server->single;
    server->route_count = 1;
    if (weir_view_equal(url->path, "/"))
        return WEIR_OK;
    server->single_path = weir__loop_alloc(loop_of(server), url->path.size + 1);
    if (server->single_path == NULL)
        return WEIR_ENOMEM;
    memcpy(server->single_path, url->path.data, url->path.size);
    server->single_path[url->path.size] = '\0';
    server->single.path = server->single_path;
    return WEIR_OK;
}

/* --- sessions --- */

static bool has_room(const weir_server *server)
{
    size_t most = server->options.max_sessions;
    return most == 0 || server->session_count + server->pending_count < most;
}

static void go_on_accepting(weir_server *server)
{
    if (server->listener != NULL && has_room(server))
        weir__listener_resume(server->listener);
}

void weir__server_pending_ended(weir_server *server)
{
    server->pending_count--;
    go_on_accepting(server);
}

static void forget_session(struct weir__session_host *host)
{
    weir_server *server = WEIR__CONTAINER(host, weir_server, host);
    server->session_count--;
    go_on_accepting(server);
}

int weir__server_open_session(weir_server *server, weir_session *session, weir_stream *stream,
                              const weir_buffer *first)
{
    server->session_count++;
    int status = weir__session_open(session, &server->scope, stream, first);
    if (status != WEIR_OK)
        server->session_count--;
    return status;
}

static void take_stream(void *owner, weir_stream *stream)
{
    weir_server *server = owner;
    weir__server_take_connection(server, stream);
    if (server->listener != NULL && !has_room(server))
        weir__listener_pause(server->listener);
}

/* --- life --- */

static void free_server(weir_server *server)
{
    weir_loop *loop = loop_of(server);
    if (server->single_path != NULL)
        weir__loop_free(loop, server->single_path, strlen(server->single_path) + 1);
    if (server->url != NULL)
        weir__loop_free(loop, server->url, strlen(server->url) + 1);
    weir__loop_free(loop, server->fields, server->options.max_head_fields * sizeof *server->fields);
    weir__loop_free(loop, server, sizeof *server);
}

/* Emptied: it has stopped listening, and all arrivals and sessions have ended. */
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

static int fill_in(weir_server *server)
{
    weir_serve_options *options = &server->options;
    if (options->handshake_timeout_ms == 0)
        options->handshake_timeout_ms = DEFAULT_HANDSHAKE_MS;
    if (options->max_head_size == 0)
        options->max_head_size = WEIR_HTTP_HEAD_DEFAULT;
    if (options->max_head_fields == 0)
        options->max_head_fields = WEIR_HTTP_FIELDS_DEFAULT;
    if (options->max_head_size > HEAD_SIZE_MAX || options->max_head_fields > HEAD_FIELDS_MAX)
        return WEIR_EINVAL;
    int status = weir__deflate_prepare(loop_of(server), &options->session.deflate);
    if (status != WEIR_OK)
        return status;
    if (!weir__session_options_are_valid(&options->session))
        return WEIR_EINVAL;
    weir__session_terms_init(&server->terms, loop_of(server), WEIR_ROLE_SERVER, false,
                             &options->session);
    server->terms.host = &server->host;
    server->fields =
        weir__loop_alloc(loop_of(server), options->max_head_fields * sizeof *server->fields);
    return server->fields == NULL ? WEIR_ENOMEM : WEIR_OK;
}

/* The URL with the port that was taken. */
static int describe_url(weir_server *server, weir_url *url)
{
    weir_address address;
    int status = weir_listener_address(server->listener, &address);
    if (status == WEIR_OK && url->scheme != WEIR_URL_UNIX)
        url->port = weir_address_port(&address);
    int size = status == WEIR_OK ? weir_url_write(url, NULL, 0) : status;
    if (size < 0)
        return size;
    server->url = weir__loop_alloc(loop_of(server), (size_t)size + 1);
    if (server->url == NULL)
        return WEIR_ENOMEM;
    size = weir_url_write(url, server->url, (size_t)size + 1);
    return size < 0 ? size : WEIR_OK;
}

static int listen_on(weir_server *server, weir_url *url)
{
    weir_address address;
    int status = weir__address_of_url(&address, url);
    if (status != WEIR_OK)
        return status;
    status = weir_listener_open(&server->listener, loop_of(server), &address,
                                server->options.threads > 1);
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
    server->host.finished = forget_session;
    server->options = *options;
    server->over = true; /* until it is in its scope */
    status = fill_in(server);
    if (status == WEIR_OK)
        status = take_routes(server, &url);
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
    return server->session_count;
}
