/** @file
 * weir/address.h - numeric addresses of TCP and Unix sockets, and the names that stand for them. */
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

/** Makes a TCP address of a numeric host and a port. The host is written like "127.0.0.1", "::1",
 * "fe80::1%eth0" or "fe80::1%2": without brackets, and not a name. Borrows it. Does not suspend.
 * Thread-safe. On failure *out is zeroed.
 * Errors: WEIR_EINVAL. */
WEIR_API WEIR_MUST_USE int weir_address_tcp(weir_address *out, const char *host, uint16_t port);

/** Makes the address of a Unix socket: of a path of 1..107 bytes, or of "@name" in Linux's abstract
 * namespace. Borrows it. Does not suspend. Thread-safe. On failure *out is zeroed.
 * Errors: WEIR_EINVAL: empty or too long. */
WEIR_API WEIR_MUST_USE int weir_address_unix(weir_address *out, const char *path);

/** Writes an address as text: "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name", "unix:" for a
 * socket without a name, "none" for no address. What cannot be printed in a path is written as '?'.
 * Cuts and returns the length as base.h says of every weir_TYPE_describe(). WEIR_ADDRESS_ROOM bytes
 * are always enough. Thread-safe. */
WEIR_API size_t weir_address_describe(char *out, size_t capacity, const weir_address *address);

/** The port of a TCP address. 0 for any other. Thread-safe. */
WEIR_API uint16_t weir_address_port(const weir_address *address);

/** **Suspends**, unless host is numeric or a name of this machine. Finds the addresses of a host,
 * in the order in which they should be tried: at most max of them into out, and their number into
 * *count (0 on failure).
 *
 * "localhost" and all names below it are ::1 and 127.0.0.1, and nobody is asked for them (RFC 6761
 * 6.3). In the simulated world no other name has an address.
 * Errors:
 * - WEIR_ERESOLVE: the name has no address;
 * - WEIR_CANCELLED: the caller was cancelled;
 * - WEIR_EINVAL: host is empty or over 255 bytes, or max is 0;
 * - WEIR_ESTATE: outside a coroutine, and it would have to wait;
 * - WEIR_ELIMIT: 256 names are being resolved already;
 * - WEIR_ENOMEM; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_resolve(weir_address *out, size_t max, size_t *count,
                                        const char *host, uint16_t port);

WEIR_END_DECLS
#endif
