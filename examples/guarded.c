/* examples/guarded.c - a server that checks each request before it becomes a session: routes by
 * path, a password, an origin, subprotocols, and fields of its own in the answer.
 *
 *     guarded [URL]      weir connect URL/private --header 'Authorization: Bearer open sesame' */
#include <stdio.h>
#include <weir/weir.h>

static bool starts_with(weir_view view, const char *text)
{
    size_t size = weir_view_of(text).size;
    return view.size >= size && weir_view_equal((weir_view){view.data, size}, text);
}

/* A user's name: the hook finds it and stores it in the session's own block. */
struct visitor {
    char name[32];
};

static int inspect(weir_upgrade *upgrade, void *arg)
{
    (void)arg;
    struct visitor *visitor = weir_upgrade_user(upgrade);
    weir_view origin = weir_upgrade_origin(upgrade);
    weir_view query = weir_upgrade_query(upgrade);
    int status = weir_upgrade_add_header(upgrade, "Server", "guarded");
    if (status != WEIR_OK)
        return status;
    if (origin.data != NULL && !weir_view_equal(origin, "https://example.org"))
        return weir_upgrade_refuse(upgrade, 403, "pages of other sites may not use this server");
    if (starts_with(weir_upgrade_path(upgrade), "/private") &&
        !weir_view_equal(weir_upgrade_header(upgrade, "authorization"), "Bearer open sesame")) {
        status = weir_upgrade_add_header(upgrade, "WWW-Authenticate", "Bearer");
        return status == WEIR_OK ? weir_upgrade_refuse(upgrade, 401, "say the password") : status;
    }
    snprintf(visitor->name, sizeof visitor->name, "%.*s", (int)query.size,
             query.data == NULL ? "" : query.data);
    /* A client that offers v1.experimental gets it. For any other the table of subprotocols
     * holds. */
    if (weir_upgrade_set_subprotocol(upgrade, "v1.experimental") == WEIR_EINVAL)
        return WEIR_OK;
    return weir_upgrade_add_header(upgrade, "X-Experiment", "yes");
}

static int serve(weir_session *session, void *arg)
{
    char text[128];
    const struct visitor *visitor = weir_session_user(session);
    const char *subprotocol = weir_session_subprotocol(session);
    snprintf(text, sizeof text, "%s: hello %s at %s, we speak %s", (const char *)arg,
             visitor->name[0] == '\0' ? "stranger" : visitor->name, weir_session_path(session),
             subprotocol == NULL ? "nothing special" : subprotocol);
    return weir_send_text(session, text);
}

static void announce(const char *url, void *arg)
{
    (void)arg;
    printf("listening on %s\n", url);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static char public[] = "public", private[] = "private";
    const weir_route routes[] = {
        {.path = "/public", .handler = serve, .arg = public},
        {.path = "/private/...", .handler = serve, .arg = private},
    };
    const char *const subprotocols[] = {"v2", "v1"};
    weir_serve_options options = {
        .url = argc > 1 ? argv[1] : "ws://127.0.0.1:9001",
        .routes = routes,
        .route_count = 2,
        .subprotocols = subprotocols,
        .subprotocol_count = 2,
        .on_upgrade = inspect,
        .session.user_size = sizeof(struct visitor),
        .on_listening = announce,
    };
    int status = weir_serve(&options);
    fprintf(stderr, "%s\n", weir_strerror(status));
    return 1;
}
