#include "ws/opening/upgrade.h"

#include <string.h>

static weir_loop *loop_of(const weir_upgrade *upgrade)
{
    return upgrade->server->scope.loop;
}

/* --- text in the loop's memory --- */

static char *copy_text(weir_loop *loop, const char *text, size_t size)
{
    char *copy = weir__loop_alloc(loop, size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

static void free_text(weir_loop *loop, const char *text)
{
    if (text != NULL)
        weir__loop_free(loop, (void *)(uintptr_t)text, strlen(text) + 1);
}

/* --- life --- */

/* The fields were parsed into the server's shared room. */
static int keep_fields(weir_upgrade *upgrade)
{
    weir_http_head *head = &upgrade->request.head;
    size_t size = head->field_count * sizeof *head->fields;
    upgrade->fields = weir__loop_alloc(loop_of(upgrade), size);
    if (upgrade->fields == NULL)
        return WEIR_ENOMEM;
    memcpy(upgrade->fields, head->fields, size);
    head->fields = upgrade->fields;
    return WEIR_OK;
}

int weir__upgrade_init(weir_upgrade *upgrade, weir_server *server, weir_session **session)
{
    upgrade->server = server;
    int status = keep_fields(upgrade);
    if (status != WEIR_OK)
        return status;
    upgrade->route = weir__server_route(server, upgrade->request.path);
    const struct weir__session_plan plan = {
        .role = WEIR_ROLE_SERVER,
        .may_park = upgrade->route != NULL && upgrade->route->on_message != NULL,
        .terms = &server->terms,
    };
    status = weir__session_new(session, server->scope.loop, &plan, &server->options.session);
    if (status != WEIR_OK)
        return status;
    upgrade->session = *session;
    upgrade->subprotocol = weir_handshake_choose_subprotocol(
        &upgrade->request, server->options.subprotocols, server->options.subprotocol_count);
    const weir_deflate_options *deflate = &server->options.session.deflate;
    upgrade->deflates = deflate->enabled && weir_deflate_choose(&upgrade->deflate_terms,
                                                                &upgrade->request.head, deflate);
    return WEIR_OK;
}

void weir__upgrade_fini(weir_upgrade *upgrade)
{
    if (upgrade->server == NULL)
        return;
    weir_loop *loop = loop_of(upgrade);
    for (size_t i = 0; i < upgrade->header_count; i++) {
        free_text(loop, upgrade->headers[i].name);
        free_text(loop, upgrade->headers[i].value);
    }
    weir__loop_free(loop, upgrade->headers, WEIR__UPGRADE_HEADERS_MAX * sizeof *upgrade->headers);
    weir__loop_free(loop, upgrade->fields,
                    upgrade->request.head.field_count * sizeof *upgrade->fields);
    free_text(loop, upgrade->own_subprotocol);
    free_text(loop, upgrade->body);
    *upgrade = (weir_upgrade){0};
}

/* --- the answer --- */

void weir__upgrade_set_status(weir_upgrade *upgrade, unsigned http_status)
{
    upgrade->refused = true;
    upgrade->http_status = http_status;
    free_text(loop_of(upgrade), upgrade->body);
    upgrade->body = NULL;
}

int weir__upgrade_write_acceptance(weir_upgrade *upgrade, weir_buffer *out)
{
    char extensions[WEIR_DEFLATE_TEXT_ROOM];
    int size = weir_deflate_answer_write(extensions, sizeof extensions, &upgrade->deflate_terms);
    if (size < 0)
        return size;
    weir_handshake_acceptance acceptance = {.subprotocol = upgrade->subprotocol,
                                            .extensions = upgrade->deflates ? extensions : NULL,
                                            .headers = upgrade->headers,
                                            .header_count = upgrade->header_count};
    size = weir_handshake_response_write(NULL, 0, &upgrade->request, &acceptance);
    if (size < 0)
        return size;
    char *to = (char *)weir_buffer_reserve(out, (size_t)size + 1);
    if (to == NULL)
        return WEIR_ENOMEM;
    size = weir_handshake_response_write(to, (size_t)size + 1, &upgrade->request, &acceptance);
    if (size < 0)
        return size;
    out->size += (size_t)size;
    return WEIR_OK;
}

int weir__upgrade_write_refusal(weir_upgrade *upgrade, weir_buffer *out)
{
    const char *body =
        upgrade->body != NULL ? upgrade->body : weir_http_reason(upgrade->http_status);
    bool bodiless =
        upgrade->http_status == 204 || upgrade->http_status == 205 || upgrade->http_status == 304;
    weir_http_answer answer = {.status = upgrade->http_status,
                               .headers = upgrade->headers,
                               .header_count = upgrade->header_count,
                               .body = body,
                               .body_size = bodiless ? 0 : strlen(body)};
    int size = weir_http_response_write(NULL, 0, &answer);
    if (size < 0)
        return size;
    char *to = (char *)weir_buffer_reserve(out, (size_t)size + 1);
    return to == NULL ? WEIR_ENOMEM : weir_http_response_write(to, (size_t)size + 1, &answer);
}

int weir__upgrade_describe(const weir_upgrade *upgrade, weir_session *session)
{
    weir_loop *loop = loop_of(upgrade);
    weir_view path = upgrade->request.path;
    if (!weir_view_equal(path, weir__route_path(upgrade->route))) {
        session->path = copy_text(loop, path.data, path.size);
        if (session->path == NULL)
            return WEIR_ENOMEM;
    }
    const weir_deflate_options *deflate = &upgrade->server->options.session.deflate;
    if (upgrade->deflates && weir__session_deflate(session, WEIR_ROLE_SERVER, deflate,
                                                   &upgrade->deflate_terms) != WEIR_OK)
        return WEIR_ENOMEM;
    if (upgrade->subprotocol == NULL)
        return WEIR_OK;
    session->subprotocol = copy_text(loop, upgrade->subprotocol, strlen(upgrade->subprotocol));
    return session->subprotocol == NULL ? WEIR_ENOMEM : WEIR_OK;
}

/* --- the hook's view --- */

weir_view weir_upgrade_path(const weir_upgrade *upgrade)
{
    return upgrade->request.path;
}

weir_view weir_upgrade_query(const weir_upgrade *upgrade)
{
    return upgrade->request.query;
}

weir_view weir_upgrade_origin(const weir_upgrade *upgrade)
{
    return upgrade->request.origin;
}

weir_view weir_upgrade_header(const weir_upgrade *upgrade, const char *name)
{
    const weir_http_field *field = weir_http_field_find(&upgrade->request.head, name, 0);
    return field != NULL ? field->value : (weir_view){0};
}

int weir_upgrade_set_subprotocol(weir_upgrade *upgrade, const char *name)
{
    char *copy = NULL;
    if (name != NULL) {
        if (weir_handshake_choose_subprotocol(&upgrade->request, &name, 1) == NULL)
            return WEIR_EINVAL;
        copy = copy_text(loop_of(upgrade), name, strlen(name));
        if (copy == NULL)
            return WEIR_ENOMEM;
    }
    free_text(loop_of(upgrade), upgrade->own_subprotocol);
    upgrade->own_subprotocol = copy;
    upgrade->subprotocol = copy;
    return WEIR_OK;
}

static int check_header(const weir_upgrade *upgrade, const weir_http_header *header)
{
    weir_handshake_acceptance acceptance = {.headers = header, .header_count = 1};
    int size = weir_handshake_response_write(NULL, 0, &upgrade->request, &acceptance);
    return size < 0 ? size : WEIR_OK;
}

static int push_header(weir_upgrade *upgrade, const weir_http_header *header)
{
    weir_loop *loop = loop_of(upgrade);
    if (upgrade->headers == NULL)
        upgrade->headers =
            weir__loop_alloc(loop, WEIR__UPGRADE_HEADERS_MAX * sizeof *upgrade->headers);
    if (upgrade->headers == NULL)
        return WEIR_ENOMEM;
    weir_http_header own = {copy_text(loop, header->name, strlen(header->name)),
                            copy_text(loop, header->value, strlen(header->value))};
    if (own.name == NULL || own.value == NULL) {
        free_text(loop, own.name);
        free_text(loop, own.value);
        return WEIR_ENOMEM;
    }
    upgrade->headers[upgrade->header_count++] = own;
    return WEIR_OK;
}

int weir_upgrade_add_header(weir_upgrade *upgrade, const char *name, const char *value)
{
    weir_http_header header = {name, value};
    if (upgrade == NULL || name == NULL || value == NULL)
        return WEIR_EINVAL;
    if (upgrade->header_count == WEIR__UPGRADE_HEADERS_MAX)
        return WEIR_ELIMIT;
    int status = check_header(upgrade, &header);
    return status != WEIR_OK ? status : push_header(upgrade, &header);
}

int weir_upgrade_refuse(weir_upgrade *upgrade, unsigned http_status, const char *body)
{
    if (upgrade == NULL || http_status < 200 || http_status > 599)
        return WEIR_EINVAL;
    weir__upgrade_set_status(upgrade, http_status);
    if (body == NULL)
        return WEIR_OK;
    upgrade->body = copy_text(loop_of(upgrade), body, strlen(body));
    return upgrade->body == NULL ? WEIR_ENOMEM : WEIR_OK;
}

void *weir_upgrade_user(weir_upgrade *upgrade)
{
    return weir_session_user(upgrade->session);
}
