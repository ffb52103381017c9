#include "ws/opening/location.h"

#include <string.h>

#define HOST_ROOM (WEIR_URL_HOST_MAX + 1)
#define PATH_ROOM 256

static bool copy_view(char *out, size_t room, weir_view view)
{
    if (view.data == NULL || view.size >= room)
        return false;
    memcpy(out, view.data, view.size);
    out[view.size] = '\0';
    return true;
}

static int unix_address(weir_address *out, const weir_url *url)
{
    char path[PATH_ROOM];
    return copy_view(path, sizeof path, url->socket_path) ? weir_address_unix(out, path)
                                                          : WEIR_EINVAL;
}

int weir__address_of_url(weir_address *out, const weir_url *url)
{
    char host[HOST_ROOM];
    if (url->scheme == WEIR_URL_UNIX)
        return unix_address(out, url);
    if (!copy_view(host, sizeof host, url->host))
        return WEIR_EINVAL;
    if (weir_view_equal_nocase(url->host, "localhost"))
        return weir_address_tcp(out, "127.0.0.1", url->port);
    return weir_address_tcp(out, host, url->port) == WEIR_OK ? WEIR_OK : WEIR_ERESOLVE;
}

int weir__addresses_of_url(weir_address out[WEIR__LOCATION_MAX], size_t *count, const weir_url *url)
{
    char host[HOST_ROOM];
    *count = 0;
    if (url->scheme == WEIR_URL_UNIX) {
        int status = unix_address(out, url);
        *count = status == WEIR_OK ? 1 : 0;
        return status;
    }
    if (!copy_view(host, sizeof host, url->host))
        return WEIR_EINVAL;
    return weir_resolve(out, WEIR__LOCATION_MAX, count, host, url->port);
}
