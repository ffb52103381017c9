#include "ws/opening/admission.h"

#include <string.h>

#define DEFAULT_HANDSHAKE_MS 10000
#define HEAD_SIZE_MAX        ((size_t)65536)
#define HEAD_FIELDS_MAX      ((size_t)1000)

static weir_loop *loop_of(const struct weir__admission *admission)
{
    return admission->scope->loop;
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

const weir_route *weir__admission_route(const struct weir__admission *admission, weir_view path)
{
    for (size_t i = 0; i < admission->route_count; i++)
        if (admission->routes[i].path == NULL || fits(admission->routes[i].path, path))
            return &admission->routes[i];
    return NULL;
}

static int take_table(struct weir__admission *admission)
{
    const weir_serve_options *options = &admission->options;
    if (options->routes == NULL || options->handler != NULL || options->on_message != NULL)
        return WEIR_EINVAL;
    for (size_t i = 0; i < options->route_count; i++)
        if (!route_is_valid(&options->routes[i]))
            return WEIR_EINVAL;
    admission->routes = options->routes;
    admission->route_count = options->route_count;
    return WEIR_OK;
}

static int take_single(struct weir__admission *admission, weir_view path)
{
    const weir_serve_options *options = &admission->options;
    admission->single = (weir_route){.handler = options->handler,
                                     .on_message = options->on_message,
                                     .on_open = options->on_open,
                                     .on_close = options->on_close,
                                     .arg = options->arg};
    if (!route_is_valid(&admission->single))
        return WEIR_EINVAL;
    admission->routes = &admission->single;
    admission->route_count = 1;
    if (weir_view_equal(path, "/"))
        return WEIR_OK;
    admission->single_path = weir__loop_alloc(loop_of(admission), path.size + 1);
    if (admission->single_path == NULL)
        return WEIR_ENOMEM;
    memcpy(admission->single_path, path.data, path.size);
    admission->single_path[path.size] = '\0';
    admission->single.path = admission->single_path;
    return WEIR_OK;
}

/* --- counts --- */

bool weir__admission_has_room(const struct weir__admission *admission)
{
    return admission->session_count + admission->pending_count < admission->options.max_sessions;
}

void weir__admission_begin(struct weir__admission *admission)
{
    admission->pending_count++;
}

void weir__admission_end(struct weir__admission *admission)
{
    admission->pending_count--;
    admission->freed(admission);
}

static void forget_session(struct weir__session_host *host)
{
    struct weir__admission *admission = WEIR__CONTAINER(host, struct weir__admission, host);
    admission->session_count--;
    admission->freed(admission);
}

int weir__admission_open(struct weir__admission *admission, weir_session *session,
                         weir_stream *stream, const weir_buffer *first)
{
    admission->session_count++;
    int status = weir__session_open(session, admission->scope, stream, first);
    if (status != WEIR_OK)
        admission->session_count--;
    return status;
}

/* --- life --- */

static int fill_in(struct weir__admission *admission)
{
    weir_serve_options *options = &admission->options;
    weir_loop *loop = loop_of(admission);
    if (options->handshake_timeout_ms == 0)
        options->handshake_timeout_ms = DEFAULT_HANDSHAKE_MS;
    if (options->max_head_size == 0)
        options->max_head_size = WEIR_HTTP_HEAD_DEFAULT;
    if (options->max_head_fields == 0)
        options->max_head_fields = WEIR_HTTP_FIELDS_DEFAULT;
    if (options->max_sessions == 0)
        options->max_sessions = SIZE_MAX;
    if (options->max_head_size > HEAD_SIZE_MAX || options->max_head_fields > HEAD_FIELDS_MAX ||
        options->session.user_size > UINT32_MAX)
        return WEIR_EINVAL;
    int status = weir__deflate_prepare(loop, &options->session.deflate);
    if (status == WEIR_OK)
        status = weir__session_terms_init(&admission->terms, loop, WEIR_ROLE_SERVER, false,
                                          &options->session);
    admission->terms.host = &admission->host;
    return status;
}

int weir__admission_init(struct weir__admission *admission, weir_scope *scope,
                         const weir_serve_options *options, weir_view path)
{
    *admission = (struct weir__admission){
        .scope = scope, .host.finished = forget_session, .options = *options};
    int status = fill_in(admission);
    if (status == WEIR_OK)
        status = options->route_count > 0 ? take_table(admission) : take_single(admission, path);
    if (status != WEIR_OK)
        return status;
    size_t size = admission->options.max_head_fields * sizeof *admission->fields;
    admission->fields = weir__loop_alloc(loop_of(admission), size);
    return admission->fields == NULL ? WEIR_ENOMEM : WEIR_OK;
}

void weir__admission_fini(struct weir__admission *admission)
{
    weir_loop *loop = loop_of(admission);
    if (admission->single_path != NULL)
        weir__loop_free(loop, admission->single_path, strlen(admission->single_path) + 1);
    if (admission->fields != NULL)
        weir__loop_free(loop, admission->fields,
                        admission->options.max_head_fields * sizeof *admission->fields);
}
