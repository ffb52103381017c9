/** @file
 * weir/address.h - where a peer is: numeric addresses of TCP and Unix sockets, and the names
 * that stand for them. */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <sys/socket.h>
#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Room for any text that weir_address_describe() writes, its NUL included. */
#define WEIR_ADDRESS_ROOM 128

/** An address, by value. Zeroed: none. */
typedef struct weir_address {
    struct sockaddr_storage storage; /**< as the kernel takes it: AF_INET, AF_INET6 or AF_UNIX */
    socklen_t size;                  /**< bytes of storage that count; 0: no address */
} weir_address;

/** Makes a TCP address of a numeric host ("127.0.0.1", "::1", "fe80::1%eth0", "fe80::1%2"; no
 * brackets, no names) and a port. On failure *out is zeroed. Never suspends, thread-safe.
 * Errors: WEIR_EINVAL. */
WEIR_API WEIR_MUST_USE int weir_address_tcp(weir_address *out, const char *host, uint16_t port);

/** Makes the address of a Unix socket: a path of 1..107 bytes, or "@name" for a name in Linux's
 * abstract space. On failure *out is zeroed. Never suspends, thread-safe. Errors: WEIR_EINVAL
 * (empty, or too long). */
WEIR_API WEIR_MUST_USE int weir_address_unix(weir_address *out, const char *path);

/** Writes an address as text: "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name", "unix:" for a
 * socket without a name, "none" for no address. What cannot be printed in a path is written as '?'.
 * Cuts and returns the length as base.h says of all weir_TYPE_describe(); WEIR_ADDRESS_ROOM bytes are
 * always enough. Thread-safe. */
WEIR_API size_t weir_address_describe(char *out, size_t capacity, const weir_address *address);

/** The port of a TCP address; 0 for any other. Never suspends, thread-safe. */
WEIR_API uint16_t weir_address_port(const weir_address *address);

/** **Suspends**, unless host is numeric or a name of the own machine. Finds the addresses of a
 * host, in the order in which they should be tried: at most max into out, their number into
 * *count (0 on failure). "localhost" and everything below it is ::1 and 127.0.0.1 without asking
 * anybody (RFC 6761 6.3). In the simulated world nothing else has an address.
 * Errors: WEIR_ERESOLVE, WEIR_CANCELLED, WEIR_EINVAL (host empty or over 255 bytes, max 0),
 * WEIR_ESTATE outside a coroutine (when it had to suspend), WEIR_ELIMIT (256 names are being
 * asked for already), WEIR_ENOMEM, WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_resolve(weir_address *out, size_t max, size_t *count,
                                        const char *host, uint16_t port);

WEIR_END_DECLS
#endif
