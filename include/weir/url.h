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

/** Room for any Host field that weir_url_host_header_write writes: the host, brackets, colon, port and
 * NUL. */
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

/** Takes a URL apart. The scheme's case does not matter; percent-encoding is left as it is.
 *
 * Refused with WEIR_EINVAL, and *fault (may be NULL) then says why and where: any other scheme;
 * an empty, over-long or malformed host; an IPv6 zone (RFC 6874: it means nothing to the peer);
 * a port over 65535; a user name or password (it would have to be sent as a field, which is the
 * caller's choice to make); a fragment (RFC 6455 3); a blank, a control character or a byte
 * outside ASCII anywhere. *out is zeroed then. Lends the views as long as text. */
WEIR_API WEIR_MUST_USE int weir_url_parse(weir_url *out, const char *text, size_t size,
                                          weir_fault *fault);

/** Writes the value of the Host field: the host, in brackets if it is IPv6, and the port unless
 * it is the default of the scheme (RFC 6455 4.1); "localhost" for ws+unix.
 * WEIR_URL_HOST_HEADER_ROOM bytes are always enough. Returns the size in bytes, not counting the
 * NUL that ends the text; out needs one byte more. out NULL: only measures. Errors: WEIR_EINVAL
 * for a zeroed URL; WEIR_ETOOBIG when capacity is short. */
WEIR_API WEIR_MUST_USE int weir_url_host_header_write(char *out, size_t capacity,
                                                      const weir_url *url);

/** Writes a URL in full, the port always said unless it is the scheme's default; parsed again it
 * gives the same parts. Returns and errors: as weir_url_host_header_write. */
WEIR_API WEIR_MUST_USE int weir_url_write(char *out, size_t capacity, const weir_url *url);

WEIR_END_DECLS
#endif
