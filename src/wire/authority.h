/* wire/authority.h - "HOST[:PORT]" as in URLs and in the Host field (RFC 3986 3.2, RFC 9110
 * 7.2), and what follows it. Private to the library. */
#ifndef WEIR_WIRE_AUTHORITY_H
#define WEIR_WIRE_AUTHORITY_H

#include <weir/view.h>

typedef struct weir__authority {
    weir_view host; /* an IPv6 address without its brackets */
    bool ipv6;
    bool has_port; /* one was given; an empty one ("host:") is none, RFC 3986 3.2.3 */
    uint16_t port;
} weir__authority;

/* Takes text apart, whose host must not be empty nor over WEIR_URL_HOST_MAX bytes. WEIR_OK; or
 * WEIR_EINVAL, and *fault has the rule and the offset within text. Lends the view as long as
 * text. */
WEIR_MUST_USE int weir__authority_parse(weir__authority *out, weir_view text, weir_fault *fault);

/* Bytes of the authority at the front of what follows "scheme://". */
size_t weir__authority_size(weir_view text);

/* Parts "[/path][?query]": an empty path becomes the literal "/"; the query is absent when there
 * is no '?'. */
void weir__target_split(weir_view target, weir_view *path, weir_view *query);

#endif
