#include <weir/url.h>

#include "wire/authority.h"
#include "wire/chars.h"
#include "wire/text.h"

static const struct scheme {
    const char *prefix; /* without the authority's slashes */
    enum weir_url_scheme scheme;
    uint16_t default_port;
} SCHEMES[] = {
    {"ws:", WEIR_URL_WS, 80},
    {"wss:", WEIR_URL_WSS, 443},
    {"ws+unix:", WEIR_URL_UNIX, 0},
};

static int refuse_url(weir_fault *fault, size_t offset, const char *rule)
{
    *fault = (weir_fault){WEIR_EINVAL, offset, rule};
    return WEIR_EINVAL;
}

static const struct scheme *scheme_of_text(weir_view text)
{
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++) {
        weir_view prefix = weir_view_of(SCHEMES[i].prefix);
        if (text.size >= prefix.size &&
            weir__view_same_nocase(weir__view_first(text, prefix.size), prefix))
            return &SCHEMES[i];
    }
    return NULL;
}

static const struct scheme *scheme_of_url(const weir_url *url)
{
    for (size_t i = 0; i < sizeof SCHEMES / sizeof SCHEMES[0]; i++)
        if (SCHEMES[i].scheme == url->scheme)
            return &SCHEMES[i];
    return NULL;
}

static int check_chars(weir_view text, weir_fault *fault)
{
    for (size_t i = 0; i < text.size; i++) {
        if (!weir__is_visible(text.data[i]))
            return refuse_url(fault, i, "RFC 3986 2: blank, control character or non-ASCII");
        if (text.data[i] == '#')
            return refuse_url(fault, i, "RFC 6455 3: a fragment");
    }
    return WEIR_OK;
}

/* Behind "ws://" or "wss://"; base: offset of rest in the whole text. */
static int parse_network(weir_url *out, weir_view rest, size_t base, weir_fault *fault)
{
    size_t end = weir__authority_size(rest);
    weir_view text = weir__view_first(rest, end);
    if (weir__view_find(text, '@') < text.size)
        return refuse_url(fault, base, "RFC 9110 4.2.4: user name or password in the URL");
    weir__authority authority;
    int status = weir__authority_parse(&authority, text, fault);
    if (status != WEIR_OK) {
        fault->offset += base;
        return status;
    }
    out->host = authority.host;
    out->ipv6 = authority.ipv6;
    if (authority.has_port)
        out->port = authority.port;
    weir__target_split(weir__view_after(rest, end), &out->path, &out->query);
    return WEIR_OK;
}

/* Behind "ws+unix:"; base: offset of rest in the whole text. */
static int parse_unix(weir_url *out, weir_view rest, size_t base, weir_fault *fault)
{
    if (rest.size >= 2 && rest.data[0] == '/' && rest.data[1] == '/') { /* an authority */
        rest = weir__view_after(rest, 2);
        base += 2;
    }
    if (rest.size < 2 || rest.data[0] != '/')
        return refuse_url(fault, base, "ws+unix: the socket's path does not begin with a slash");
    size_t colon = weir__view_find(rest, ':');
    out->socket_path = weir__view_first(rest, colon);
    size_t mark = weir__view_find(out->socket_path, '?');
    if (mark < colon)
        return refuse_url(fault, base + mark, "ws+unix: a query belongs behind the second colon");
    weir_view target = weir__view_after(rest, colon < rest.size ? colon + 1 : colon);
    if (target.size > 0 && target.data[0] != '/' && target.data[0] != '?')
        return refuse_url(fault, base + colon + 1, "ws+unix: the path does not begin with a slash");
    weir__target_split(target, &out->path, &out->query);
    return WEIR_OK;
}

static int parse(weir_url *out, weir_view text, weir_fault *fault)
{
    int status = check_chars(text, fault);
    if (status != WEIR_OK)
        return status;
    const struct scheme *scheme = scheme_of_text(text);
    if (scheme == NULL)
        return refuse_url(fault, 0, "RFC 6455 3: the scheme is not ws, wss or ws+unix");
    out->scheme = scheme->scheme;
    out->port = scheme->default_port;
    size_t base = weir_view_of(scheme->prefix).size;
    weir_view rest = weir__view_after(text, base);
    if (scheme->scheme == WEIR_URL_UNIX)
        return parse_unix(out, rest, base, fault);
    if (rest.size < 2 || rest.data[0] != '/' || rest.data[1] != '/')
        return refuse_url(fault, base, "RFC 6455 3: no host");
    return parse_network(out, weir__view_after(rest, 2), base + 2, fault);
}

int weir_url_parse(weir_url *out, const char *text, size_t size, weir_fault *fault)
{
    weir_fault ignored;
    if (fault == NULL)
        fault = &ignored;
    *fault = (weir_fault){0};
    *out = (weir_url){0};
    int status = parse(out, (weir_view){text, size}, fault);
    if (status != WEIR_OK)
        *out = (weir_url){0};
    return status;
}

static void put_authority(weir__text *text, const weir_url *url, const struct scheme *scheme)
{
    weir__text_put_string(text, url->ipv6 ? "[" : "");
    weir__text_put_view(text, url->host);
    weir__text_put_string(text, url->ipv6 ? "]" : "");
    if (url->port != scheme->default_port) {
        weir__text_put_string(text, ":");
        weir__text_put_number(text, url->port);
    }
}

int weir_url_host_header_write(char *out, size_t capacity, const weir_url *url)
{
    weir__text text = {.out = out, .capacity = capacity};
    const struct scheme *scheme = scheme_of_url(url);
    if (scheme == NULL)
        return WEIR_EINVAL;
    if (scheme->scheme == WEIR_URL_UNIX)
        weir__text_put_string(&text, "localhost");
    else
        put_authority(&text, url, scheme);
    return weir__text_end(&text);
}

int weir_url_write(char *out, size_t capacity, const weir_url *url)
{
    weir__text text = {.out = out, .capacity = capacity};
    const struct scheme *scheme = scheme_of_url(url);
    if (scheme == NULL)
        return WEIR_EINVAL;
    weir__text_put_string(&text, scheme->prefix);
    if (scheme->scheme == WEIR_URL_UNIX) {
        if (url->socket_path.size >= 2 && url->socket_path.data[1] == '/')
            weir__text_put_string(&text, "//"); /* else its own would be taken for these */
        weir__text_put_view(&text, url->socket_path);
        weir__text_put_string(&text, ":");
    } else {
        weir__text_put_string(&text, "//");
        put_authority(&text, url, scheme);
    }
    weir__text_put_view(&text, url->path);
    if (url->query.data != NULL) {
        weir__text_put_string(&text, "?");
        weir__text_put_view(&text, url->query);
    }
    return weir__text_end(&text);
}
