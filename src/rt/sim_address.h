/* rt/sim_address.h - addresses of the simulated world, brought to one form so that equal means
 * equal bytes, and shared by all ends that have one. */
#ifndef WEIR_RT_SIM_ADDRESS_H
#define WEIR_RT_SIM_ADDRESS_H

#include <weir/loop.h>

#include <sys/socket.h>

/* One form: fields that do not name the place are zero, a path ends with its NUL. */
struct weir__sim_address {
    uint32_t refs;
    uint32_t size;
    uint8_t bytes[]; /* of a struct sockaddr */
};

/* Brings an address to its one form. Errors: WEIR_EINVAL (too short or too long),
 * WEIR_SYSTEM(EAFNOSUPPORT). */
WEIR_MUST_USE int weir__sim_address_normalize(struct sockaddr_storage *out, socklen_t *out_size,
                                              const struct sockaddr *address, socklen_t size);

/* A copy with one reference; NULL: no memory. */
struct weir__sim_address *weir__sim_address_new(weir_loop *loop,
                                                const struct sockaddr_storage *address,
                                                socklen_t size);
/* Drops a reference; NULL is allowed. */
void weir__sim_address_unref(struct weir__sim_address *address, weir_loop *loop);

bool weir__sim_address_is(const struct weir__sim_address *address,
                          const struct sockaddr_storage *other, socklen_t size);
void weir__sim_address_get(const struct weir__sim_address *address, struct sockaddr_storage *out,
                           socklen_t *size);

/* The port of an internet address, 0 for others. */
uint16_t weir__sim_port(const struct sockaddr_storage *address);
void weir__sim_port_set(struct sockaddr_storage *address, uint16_t port);

/* Whether it stands for all addresses of this machine (0.0.0.0, ::). */
bool weir__sim_is_wildcard(const struct sockaddr_storage *address);
void weir__sim_make_wildcard(struct sockaddr_storage *address);
/* Connecting to all addresses means this very machine: 127.0.0.1 or ::1. */
void weir__sim_make_loopback(struct sockaddr_storage *address);

static inline bool weir__sim_is_internet(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET || address->ss_family == AF_INET6;
}

#endif
