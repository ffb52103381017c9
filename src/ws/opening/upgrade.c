#include "ws/opening/upgrade.h"

#include "wire/http_rules.h"

#include <string.h>

static weir_loop *loop_of(const weir_upgrade *upgrade)
{
    return upgrade->admission->scope->loop;
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

/* The fields were parsed into room that all connections share. */
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

/* Makes the session that it may become, and proposes what the options say. */
static int prepare(weir_upgrade *upgrade)
{
    struct weir__admission *admission = upgrade->admission;
    const weir_serve_options *options = &admission->options;
    const struct weir__session_plan plan = {
        .terms = &admission->terms,
        .options = &options->session,
        .may_park = upgrade->route != NULL && upgrade->route->on_message != NULL,
    };
    int status = weir__session_new(&upgrade->session, loop_of(upgrade), &plan);
    if (status != WEIR_OK)
        return status;
    upgrade->subprotocol = weir_handshake_choose_subprotocol(
        &upgrade->request, options->subprotocols, options->subprotocol_count);
    upgrade->deflates = options->session.deflate.enabled &&
                        weir_deflate_choose(&upgrade->deflate_terms, &upgrade->request.head,
                                            &options->session.deflate);
    return WEIR_OK;
}

void weir__upgrade_fini(weir_upgrade *upgrade)
{
    if (upgrade->admission == NULL)
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
    if (upgrade->session != NULL)
        weir__session_discard(upgrade->session);
    *upgrade = (weir_upgrade){0};
}

/* --- the decision --- */

void weir__upgrade_set_status(weir_upgrade *upgrade, unsigned http_status)
{
    upgrade->refused = true;
    upgrade->http_status = http_status;
    free_text(loop_of(upgrade), upgrade->body);
    upgrade->body = NULL;
}

int weir__upgrade_describe(const weir_upgrade *upgrade)
{
    weir_session *session = upgrade->session;
    weir_loop *loop = loop_of(upgrade);
    weir_view path = upgrade->request.path;
    if (!weir_view_equal(path, weir__route_path(upgrade->route))) {
        session->path = copy_text(loop, path.data, path.size);
        if (session->path == NULL)
            return WEIR_ENOMEM;
    }
    const weir_deflate_options *deflate = &upgrade->admission->options.session.deflate;
    if (upgrade->deflates && weir__session_deflate(session, WEIR_ROLE_SERVER, deflate,
                                                   &upgrade->deflate_terms) != WEIR_OK)
        return WEIR_ENOMEM;
    if (upgrade->subprotocol == NULL)
        return WEIR_OK;
    session->subprotocol = copy_text(loop, upgrade->subprotocol, strlen(upgrade->subprotocol));
    return session->subprotocol == NULL ? WEIR_ENOMEM : WEIR_OK;
}

static int run_hook(void *arg)
{
    weir_upgrade *upgrade = arg;
    const weir_serve_options *options = &upgrade->admission->options;
    upgrade->hook_status = options->on_upgrade(upgrade, options->upgrade_arg);
    return WEIR_OK;
}

/* The hook's coroutine has ended. The carrier is notified in a context of its own. */
static void end_hook(weir_scope *scope)
{
    weir_upgrade *upgrade = WEIR__CONTAINER(scope, weir_upgrade, scope);
    weir__scope_detach(&scope->job, WEIR_OK);
    weir__task_post(loop_of(upgrade), &upgrade->task);
}

static void take_decision(weir__task *task)
{
    weir_upgrade *upgrade = WEIR__CONTAINER(task, weir_upgrade, task);
    upgrade->hook_runs = false;
    if (upgrade->hook_status != WEIR_OK && !upgrade->refused)
        weir__upgrade_set_status(upgrade, upgrade->scope.cancelled ? 503 : 500);
    upgrade->decided(upgrade);
}

static int start_hook(weir_upgrade *upgrade)
{
    upgrade->hook_status = WEIR_CANCELLED;
    weir__task_init(&upgrade->task, take_decision);
    weir__scope_init(&upgrade->scope, loop_of(upgrade), end_hook);
    int status =
        weir__scope_attach(upgrade->admission->scope, &upgrade->scope.job, upgrade->scope.job.ops);
    if (status != WEIR_OK)
        return status;
    upgrade->hook_runs = true;
    if (weir_go(&upgrade->scope, "on_upgrade", run_hook, upgrade) == WEIR_OK)
        return WEIR_EAGAIN;
    upgrade->hook_runs = false;
    weir__scope_detach(&upgrade->scope.job, WEIR_OK);
    return WEIR_ENOMEM;
}

int weir__upgrade_decide(weir_upgrade *upgrade, struct weir__admission *admission,
                         void (*decided)(weir_upgrade *upgrade))
{
    upgrade->admission = admission;
    upgrade->decided = decided;
    int status = keep_fields(upgrade);
    if (status != WEIR_OK)
        return status;
    upgrade->route = weir__admission_route(admission, upgrade->request.path);
    status = prepare(upgrade);
    if (status != WEIR_OK)
        return status;
    if (upgrade->route == NULL)
        weir__upgrade_set_status(upgrade, 404);
    if (upgrade->refused || admission->options.on_upgrade == NULL)
        return WEIR_OK;
    return start_hook(upgrade);
}

void weir__upgrade_cancel(weir_upgrade *upgrade)
{
    if (upgrade->hook_runs)
        weir_scope_cancel(&upgrade->scope);
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
    if (!weir__http_headers_check(&header, 1, weir__handshake_own_fields))
        return WEIR_EINVAL;
    return push_header(upgrade, &header);
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
