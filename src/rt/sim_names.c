#include "rt/sim.h"

#include <errno.h>
#include <string.h>

/* A client's address is the one it connected to, with a port of its own: all machines of the world
 * are one. A client's Unix socket has no name. */
void weir__sim_client_address(const struct weir__sim_link *link, struct sockaddr_storage *address,
                              socklen_t *size)
{
    weir__sim_address_get(link->address, address, size);
    if (weir__sim_is_internet(address)) {
        weir__sim_port_set(address, link->client_port);
        return;
    }
    memset(address, 0, sizeof *address);
    address->ss_family = AF_UNIX;
    *size = sizeof address->ss_family;
}

int weir__sim_io_address(weir__io *io, bool peer, struct sockaddr_storage *address, socklen_t *size)
{
    struct weir__sim_node *node = io->backend;
    if (node->is_listener) {
        if (peer)
            return WEIR_SYSTEM(ENOTCONN);
        struct weir__sim_listener *listener =
            WEIR__CONTAINER(node, struct weir__sim_listener, node);
        weir__sim_address_get(listener->address, address, size);
        return WEIR_OK;
    }
    struct weir__sim_end *end = WEIR__CONTAINER(node, struct weir__sim_end, node);
    if (peer && (end->flags & (SIM_CONNECTING | SIM_REFUSED | SIM_UNANSWERED)) != 0)
        return WEIR_SYSTEM(ENOTCONN);
    const struct weir__sim_link *link = weir__sim_link_of(end);
    bool is_server = (end->flags & SIM_SERVER) != 0;
    if (peer == is_server)
        weir__sim_client_address(link, address, size);
    else
        weir__sim_address_get(link->address, address, size);
    return WEIR_OK;
}
