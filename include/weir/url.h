/** @file
 * weir/url.h - WebSocket URLs: ws, wss (RFC 6455 3, RFC 3986) and ws+unix. Nothing is resolved or
 * decoded here.
 *
 *     ws://HOST[:PORT][/PATH][?QUERY]             HOST: name, IPv4, [IPv6]
 *     wss://HOST[:PORT][/PATH][?QUERY]            the same over TLS
 *     ws+unix:/SOCKET/PATH[:/PATH[?QUERY]]        a Unix socket; ws+unix:///SOCKET/PATH is the same
 *
 * Pure, allocates nothing, never suspends, thread-safe. */
#ifndef WEIR_URL_H
#define WEIR_URL_H

#include <weir/base.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

/** The most bytes that a host may have: the limit of a DNS name (RFC 1035 2.3.4). */
#define WEIR_URL_HOST_MAX 255

/** Room for any Host field that weir_url_host_header_write writes: the host, brackets, colon, port
 * and NUL. */
#define WEIR_URL_HOST_HEADER_ROOM (WEIR_URL_HOST_MAX + 2 + 6 + 1)

/** What a URL's scheme says about the way to the peer. */
enum weir_url_scheme {
    WEIR_URL_WS = 1,   /**< over TCP */
    WEIR_URL_WSS = 2,  /**< over TLS over TCP */
    WEIR_URL_UNIX = 3, /**< over a Unix socket */
};

/** A URL taken apart. All views lie in the text that was parsed; a path that was empty is a
 * literal. */
typedef struct weir_url {
    enum weir_url_scheme scheme; /**< which of the three forms */
    bool ipv6;                   /**< host is an IPv6 address */
    uint16_t port;  /**< 80 or 443 if not given, 0 for ws+unix; 0 given: any free one */
    weir_view host; /**< as given, an IPv6 address without its brackets; absent for ws+unix */
    weir_view socket_path; /**< for ws+unix; else absent */
    weir_view path;        /**< of the request, begins with '/' and is "/" when none was given */
    weir_view query;       /**< what follows '?', maybe empty; absent when there is no '?' */
} weir_url;

/** Takes a URL apart. The case of the scheme does not matter. Percent-encoding stays as it is.
 * Lends the views as long as text. On failure *out is zeroed.
 *
 * Errors: WEIR_EINVAL, and *fault (may be NULL) says why and where:
 * - another scheme;
 * - an empty, too long or malformed host;
 * - an IPv6 zone (RFC 6874), which means nothing to the peer;
 * - a port over 65535;
 * - a user name or password: if it has to be sent, the caller sends a field;
 * - a fragment (RFC 6455 3);
 * - a blank, a control character or a byte outside ASCII anywhere. */
WEIR_API WEIR_MUST_USE int weir_url_parse(weir_url *out, const char *text, size_t size,
                                          weir_fault *fault);

/** Writes the value of the Host field: the host, in brackets if it is IPv6, and the port unless it
 * is the default of the scheme (RFC 6455 4.1). For ws+unix: "localhost". Measures, returns and
 * fails as base.h says of every weir_TYPE_write(). WEIR_URL_HOST_HEADER_ROOM bytes are always
 * enough.
 * Errors: WEIR_EINVAL: a zeroed URL; WEIR_ETOOBIG. */
WEIR_API WEIR_MUST_USE int weir_url_host_header_write(char *out, size_t capacity,
                                                      const weir_url *url);

/** Writes a whole URL, with the port unless it is the default of the scheme. Parsed again it gives
 * the same parts. Measures, returns and fails as base.h says of every weir_TYPE_write().
 * Errors: WEIR_EINVAL: a zeroed URL; WEIR_ETOOBIG. */
WEIR_API WEIR_MUST_USE int weir_url_write(char *out, size_t capacity, const weir_url *url);

WEIR_END_DECLS
#endif
