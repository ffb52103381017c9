#include "rt/sim_address.h"

#include "rt/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* struct sockaddr_storage may hold any of the others: these are its views. */

static struct sockaddr_in *as_in(struct sockaddr_storage *address)
{
    return (struct sockaddr_in *)(void *)address;
}

static struct sockaddr_in6 *as_in6(struct sockaddr_storage *address)
{
    return (struct sockaddr_in6 *)(void *)address;
}

static const struct sockaddr_in *as_const_in(const struct sockaddr_storage *address)
{
    return (const struct sockaddr_in *)(const void *)address;
}

static const struct sockaddr_in6 *as_const_in6(const struct sockaddr_storage *address)
{
    return (const struct sockaddr_in6 *)(const void *)address;
}

static void normalize_in(struct sockaddr_storage *out, const struct sockaddr_storage *given)
{
    struct sockaddr_in *to = as_in(out);
    to->sin_family = AF_INET;
    to->sin_port = as_const_in(given)->sin_port;
    to->sin_addr = as_const_in(given)->sin_addr;
}

static void normalize_in6(struct sockaddr_storage *out, const struct sockaddr_storage *given)
{
    struct sockaddr_in6 *to = as_in6(out);
    to->sin6_family = AF_INET6;
    to->sin6_port = as_const_in6(given)->sin6_port;
    to->sin6_addr = as_const_in6(given)->sin6_addr;
    to->sin6_scope_id = as_const_in6(given)->sin6_scope_id;
}

/* A path counts up to its NUL, an abstract name (which begins with one) to its end. */
static int normalize_unix(struct sockaddr_storage *out, socklen_t *out_size,
                          const struct sockaddr_storage *given, socklen_t size)
{
    struct sockaddr_un *to = (struct sockaddr_un *)(void *)out;
    const struct sockaddr_un *from = (const struct sockaddr_un *)(const void *)given;
    const size_t path_at = offsetof(struct sockaddr_un, sun_path);
    if (size <= path_at || size > sizeof *from)
        return WEIR_EINVAL;
    size_t length = size - path_at;
    if (from->sun_path[0] != '\0')
        length = strnlen(from->sun_path, length);
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, from->sun_path, length);
    if (from->sun_path[0] != '\0' && length < sizeof to->sun_path)
        length++;
    *out_size = (socklen_t)(path_at + length);
    return WEIR_OK;
}

int weir__sim_address_normalize(struct sockaddr_storage *out, socklen_t *out_size,
                                const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_storage given;
    memset(out, 0, sizeof *out);
    memset(&given, 0, sizeof given);
    *out_size = 0;
    if (address == NULL || size < sizeof address->sa_family || size > sizeof given)
        return WEIR_EINVAL;
    memcpy(&given, address, size);
    if (given.ss_family == AF_UNIX)
        return normalize_unix(out, out_size, &given, size);
    if (given.ss_family == AF_INET)
        *out_size = sizeof(struct sockaddr_in);
    else if (given.ss_family == AF_INET6)
        *out_size = sizeof(struct sockaddr_in6);
    else
        return WEIR_SYSTEM(EAFNOSUPPORT);
    if (size < *out_size)
        return WEIR_EINVAL;
    if (given.ss_family == AF_INET)
        normalize_in(out, &given);
    else
        normalize_in6(out, &given);
    return WEIR_OK;
}

struct weir__sim_address *weir__sim_address_new(weir_loop *loop,
                                                const struct sockaddr_storage *address,
                                                socklen_t size)
{
    struct weir__sim_address *copy = weir__loop_alloc(loop, sizeof *copy + size);
    if (copy == NULL)
        return NULL;
    copy->refs = 1;
    copy->size = size;
    memcpy(copy->bytes, address, size);
    return copy;
}

void weir__sim_address_unref(struct weir__sim_address *address, weir_loop *loop)
{
    if (address != NULL && --address->refs == 0)
        weir__loop_free(loop, address, sizeof *address + address->size);
}

bool weir__sim_address_is(const struct weir__sim_address *address,
                          const struct sockaddr_storage *other, socklen_t size)
{
    return address->size == size && memcmp(address->bytes, other, size) == 0;
}

void weir__sim_address_get(const struct weir__sim_address *address, struct sockaddr_storage *out,
                           socklen_t *size)
{
    memset(out, 0, sizeof *out);
    memcpy(out, address->bytes, address->size);
    *size = address->size;
}

uint16_t weir__sim_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(as_const_in(address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(as_const_in6(address)->sin6_port);
    return 0;
}

void weir__sim_port_set(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        as_in(address)->sin_port = htons(port);
    else if (address->ss_family == AF_INET6)
        as_in6(address)->sin6_port = htons(port);
}

bool weir__sim_is_wildcard(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return as_const_in(address)->sin_addr.s_addr == htonl(INADDR_ANY);
    if (address->ss_family == AF_INET6)
        return memcmp(&as_const_in6(address)->sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
    return false;
}

void weir__sim_make_wildcard(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        as_in(address)->sin_addr.s_addr = htonl(INADDR_ANY);
    else if (address->ss_family == AF_INET6)
        as_in6(address)->sin6_addr = in6addr_any;
}

void weir__sim_make_loopback(struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        as_in(address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (address->ss_family == AF_INET6)
        as_in6(address)->sin6_addr = in6addr_loopback;
}
