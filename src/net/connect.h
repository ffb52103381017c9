/* net/connect.h - connecting to the first of several addresses that answers. Single-threaded. */
#ifndef WEIR_NET_CONNECT_H
#define WEIR_NET_CONNECT_H

#include "net/stream.h"

/* Suspends. Tries the addresses (Borrows) in order: the next one when one fails, or has not
 * answered within 250 ms, and takes the first that connects (RFC 8305 5, without its sorting).
 * timeout_ms is for all together; 0: 10,000; WEIR_UNLIMITED: none. On failure *out is NULL.
 * Errors: WEIR_ETIMEDOUT, WEIR_CANCELLED, WEIR_EINVAL (no address), WEIR_ESTATE, WEIR_ENOMEM, or
 * what the last failure was. */
WEIR_MUST_USE int weir__connect_any(const weir_address *addresses, size_t count,
                                    uint64_t timeout_ms, weir_stream **out);

#endif
