/* ws/opening/location.h - from a URL to the addresses it stands for. */
#ifndef WEIR_WS_OPENING_LOCATION_H
#define WEIR_WS_OPENING_LOCATION_H

#include <weir/address.h>
#include <weir/url.h>

/* The most addresses of a name that are tried. */
#define WEIR__LOCATION_MAX 8

/* The address of a URL whose host is numeric, `localhost` (the IPv4 one) or a Unix socket. Does not
 * suspend. Errors: WEIR_ERESOLVE, WEIR_EINVAL. */
WEIR_MUST_USE int weir__address_of_url(weir_address *out, const weir_url *url);

/* Suspends. All addresses of a URL; resolves its name. Errors: WEIR_ERESOLVE, WEIR_CANCELLED,
 * WEIR_ENOMEM. */
WEIR_MUST_USE int weir__addresses_of_url(weir_address out[WEIR__LOCATION_MAX], size_t *count,
                                         const weir_url *url);

#endif
