#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <weir/address.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)

static bool parse_v4(weir_address *out, const char *host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return false;
    memcpy(&out->storage, &in, sizeof in);
    out->size = sizeof in;
    return true;
}

/* A zone (RFC 4007 11) is the name of an interface, or its number; 0: neither. */
static uint32_t parse_zone(const char *zone)
{
    uint64_t number = 0;
    const char *digit = zone;
    for (; *digit >= '0' && *digit <= '9' && number <= UINT32_MAX; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    if (*digit != '\0')
        return if_nametoindex(zone);
    return number <= UINT32_MAX ? (uint32_t)number : 0;
}

static bool parse_v6(weir_address *out, const char *host, uint16_t port)
{
    char digits[INET6_ADDRSTRLEN];
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    const char *zone = strchr(host, '%');
    size_t size = zone != NULL ? (size_t)(zone - host) : strlen(host);
    if (size >= sizeof digits)
        return false;
    memcpy(digits, host, size);
    digits[size] = '\0';
    if (inet_pton(AF_INET6, digits, &in6.sin6_addr) != 1)
        return false;
    if (zone != NULL) {
        in6.sin6_scope_id = parse_zone(zone + 1);
        if (in6.sin6_scope_id == 0)
            return false;
    }
    memcpy(&out->storage, &in6, sizeof in6);
    out->size = sizeof in6;
    return true;
}

int weir_address_tcp(weir_address *out, const char *host, uint16_t port)
{
    if (out == NULL)
        return WEIR_EINVAL;
    memset(out, 0, sizeof *out);
    if (host == NULL)
        return WEIR_EINVAL;
    return parse_v4(out, host, port) || parse_v6(out, host, port) ? WEIR_OK : WEIR_EINVAL;
}

int weir_address_unix(weir_address *out, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (out == NULL)
        return WEIR_EINVAL;
    memset(out, 0, sizeof *out);
    size_t size = path == NULL ? 0 : strlen(path);
    bool is_abstract = size > 0 && path[0] == '@';
    if (size == 0 || size >= sizeof un.sun_path || (is_abstract && size == 1))
        return WEIR_EINVAL;
    memcpy(un.sun_path, path, size);
    if (is_abstract)
        un.sun_path[0] = '\0'; /* unix(7): such a name has no terminator, its size counts */
    memcpy(&out->storage, &un, sizeof un);
    out->size = (socklen_t)(PATH_AT + size + (is_abstract ? 0 : 1));
    return WEIR_OK;
}

uint16_t weir_address_port(const weir_address *address)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address == NULL || address->size == 0)
        return 0;
    memcpy(&in, &address->storage, sizeof in);
    memcpy(&in6, &address->storage, sizeof in6);
    if (address->storage.ss_family == AF_INET)
        return ntohs(in.sin_port);
    return address->storage.ss_family == AF_INET6 ? ntohs(in6.sin6_port) : 0;
}

/* --- as text --- */

static void describe_v4(const weir_address *address, char *out)
{
    char digits[INET_ADDRSTRLEN];
    struct sockaddr_in in;
    memcpy(&in, &address->storage, sizeof in);
    inet_ntop(AF_INET, &in.sin_addr, digits, sizeof digits);
    snprintf(out, WEIR_ADDRESS_ROOM, "%s:%u", digits, (unsigned)ntohs(in.sin_port));
}

static void describe_v6(const weir_address *address, char *out)
{
    char digits[INET6_ADDRSTRLEN];
    char zone[16] = "";
    struct sockaddr_in6 in6;
    memcpy(&in6, &address->storage, sizeof in6);
    inet_ntop(AF_INET6, &in6.sin6_addr, digits, sizeof digits);
    if (in6.sin6_scope_id != 0)
        snprintf(zone, sizeof zone, "%%%u", (unsigned)in6.sin6_scope_id);
    snprintf(out, WEIR_ADDRESS_ROOM, "[%s%s]:%u", digits, zone, (unsigned)ntohs(in6.sin6_port));
}

static void describe_unix(const weir_address *address, char *out)
{
    struct sockaddr_un un;
    size_t size = address->size > PATH_AT ? address->size - PATH_AT : 0;
    if (size > sizeof un.sun_path)
        size = sizeof un.sun_path;
    memcpy(&un, &address->storage, sizeof un);
    if (size > 0 && un.sun_path[0] == '\0')
        un.sun_path[0] = '@';
    else
        size = strnlen(un.sun_path, size);
    for (size_t i = 0; i < size; i++)
        if (un.sun_path[i] < ' ' || un.sun_path[i] > '~')
            un.sun_path[i] = '?';
    snprintf(out, WEIR_ADDRESS_ROOM, "unix:%.*s", (int)size, un.sun_path);
}

size_t weir_address_describe(char *out, size_t capacity, const weir_address *address)
{
    char text[WEIR_ADDRESS_ROOM] = "none";
    if (address->size > 0 && address->storage.ss_family == AF_INET)
        describe_v4(address, text);
    else if (address->size > 0 && address->storage.ss_family == AF_INET6)
        describe_v6(address, text);
    else if (address->size > 0 && address->storage.ss_family == AF_UNIX)
        describe_unix(address, text);
    int wanted = snprintf(out, capacity, "%s", text);
    return wanted > 0 ? (size_t)wanted : 0;
}
