#include "rt/sim.h"

#include <errno.h>
#include <string.h>

#define ACCEPTS_PER_STEP 64
#define PORT_LOWEST      1024
#define PAUSE_MIN_MS     10
#define PAUSE_MAX_MS     100

/* All listeners at one port stand in one bucket, so that an address and its wildcard are found
 * together. */
static struct weir__sim_listener **bucket_of(struct weir__sim *sim,
                                             const struct sockaddr_storage *address, socklen_t size)
{
    uint64_t hash = weir__sim_port(address);
    const uint8_t *bytes = (const uint8_t *)address;
    if (!weir__sim_is_internet(address))
        for (socklen_t i = 0; i < size; i++)
            hash = weir__dice_mix(hash ^ bytes[i]);
    return &sim->listeners[hash % WEIR__SIM_BUCKETS];
}

static struct weir__sim_listener **bucket_of_listener(struct weir__sim *sim,
                                                      const struct weir__sim_listener *listener)
{
    struct sockaddr_storage address;
    socklen_t size;
    weir__sim_address_get(listener->address, &address, &size);
    return bucket_of(sim, &address, size);
}

/* --- binding --- */

/* Whether two listeners would get the same connections. */
static bool overlaps(const struct weir__sim_listener *listener,
                     const struct sockaddr_storage *address, socklen_t size)
{
    struct sockaddr_storage other;
    socklen_t other_size;
    if (weir__sim_address_is(listener->address, address, size))
        return true;
    weir__sim_address_get(listener->address, &other, &other_size);
    if (other.ss_family != address->ss_family || !weir__sim_is_internet(address))
        return false;
    return weir__sim_port(&other) == weir__sim_port(address) &&
           (weir__sim_is_wildcard(&other) || weir__sim_is_wildcard(address));
}

static bool is_free(struct weir__sim *sim, const struct sockaddr_storage *address, socklen_t size,
                    bool share_port)
{
    const struct weir__sim_listener *listener = *bucket_of(sim, address, size);
    for (; listener != NULL; listener = listener->next)
        if (!(share_port && listener->share_port) && overlaps(listener, address, size))
            return false;
    return true;
}

static int choose_port(struct weir__sim *sim, struct sockaddr_storage *address, socklen_t size)
{
    for (int tries = 0; tries <= UINT16_MAX - PORT_LOWEST; tries++) {
        uint16_t port = sim->next_port;
        sim->next_port = port < UINT16_MAX ? (uint16_t)(port + 1) : PORT_LOWEST;
        weir__sim_port_set(address, port);
        if (is_free(sim, address, size, false))
            return WEIR_OK;
    }
    return WEIR_SYSTEM(EADDRINUSE);
}

static int make_listener(weir__io *io, const struct sockaddr_storage *address, socklen_t size,
                         bool share_port)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_listener *listener = weir__loop_alloc(io->loop, sizeof *listener);
    if (listener == NULL)
        return WEIR_ENOMEM;
    memset(listener, 0, sizeof *listener);
    listener->address = weir__sim_address_new(io->loop, address, size);
    if (listener->address == NULL || weir__sim_heap_reserve(&sim->heap, io->loop, 1) != WEIR_OK) {
        weir__sim_address_unref(listener->address, io->loop);
        weir__loop_free(io->loop, listener, sizeof *listener);
        return WEIR_ENOMEM;
    }
    listener->node.is_listener = true;
    listener->io = io;
    listener->id = ++sim->next_id;
    listener->share_port = share_port;
    struct weir__sim_listener **bucket = bucket_of(sim, address, size);
    listener->next = *bucket;
    *bucket = listener;
    sim->stats.open_ends++;
    io->backend = &listener->node;
    return WEIR_OK;
}

int weir__sim_listen(weir__io *io, const struct sockaddr *address, socklen_t size, bool share_port)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct sockaddr_storage at;
    socklen_t at_size;
    int status = weir__sim_address_normalize(&at, &at_size, address, size);
    if (status != WEIR_OK)
        return status;
    /* Unix sockets have no ports to share. */
    share_port = share_port && weir__sim_is_internet(&at);
    if (weir__sim_is_internet(&at) && weir__sim_port(&at) == 0)
        status = choose_port(sim, &at, at_size);
    else if (!is_free(sim, &at, at_size, share_port))
        status = WEIR_SYSTEM(EADDRINUSE);
    return status == WEIR_OK ? make_listener(io, &at, at_size, share_port) : status;
}

/* --- finding --- */

static struct weir__sim_listener *find_at(struct weir__sim *sim,
                                          const struct sockaddr_storage *address, socklen_t size)
{
    struct weir__sim_listener *first = *bucket_of(sim, address, size);
    uint32_t count = 0;
    for (const struct weir__sim_listener *one = first; one != NULL; one = one->next)
        count += weir__sim_address_is(one->address, address, size);
    if (count == 0)
        return NULL;
    uint32_t turn = count > 1 ? sim->share_turn++ % count : 0;
    struct weir__sim_listener *listener = first;
    for (; listener != NULL; listener = listener->next)
        if (weir__sim_address_is(listener->address, address, size) && turn-- == 0)
            break;
    return listener;
}

struct weir__sim_listener *weir__sim_listener_find(struct weir__sim *sim,
                                                   const struct sockaddr_storage *address,
                                                   socklen_t size)
{
    struct weir__sim_listener *listener = find_at(sim, address, size);
    if (listener != NULL || !weir__sim_is_internet(address))
        return listener;
    struct sockaddr_storage all = *address;
    weir__sim_make_wildcard(&all);
    return find_at(sim, &all, size);
}

/* --- accepting --- */

static void plan_accept(struct weir__sim *sim, struct weir__sim_listener *listener)
{
    uint64_t due_ms = WEIR__SIM_NEVER;
    if (listener->accepting && listener->first != NULL)
        due_ms = listener->paused_ms > sim->now_ms ? listener->paused_ms : sim->now_ms;
    weir__sim_plan(sim, &listener->node, due_ms);
}

bool weir__sim_listener_queue(struct weir__sim *sim, struct weir__sim_listener *listener,
                              struct weir__sim_link *link)
{
    if (listener->count >= WEIR__SIM_BACKLOG)
        return false;
    link->next = NULL;
    *(listener->first != NULL ? &listener->last->next : &listener->first) = link;
    listener->last = link;
    listener->count++;
    plan_accept(sim, listener);
    return true;
}

static struct weir__sim_link *unqueue(struct weir__sim_listener *listener)
{
    struct weir__sim_link *link = listener->first;
    listener->first = link->next;
    link->next = NULL;
    listener->count--;
    return link;
}

int weir__sim_accept_start(weir__io *io)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_listener *listener =
        WEIR__CONTAINER(io->backend, struct weir__sim_listener, node);
    listener->accepting = true;
    plan_accept(sim, listener);
    return WEIR_OK;
}

void weir__sim_accept_stop(weir__io *io)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_listener *listener =
        WEIR__CONTAINER(io->backend, struct weir__sim_listener, node);
    listener->accepting = false;
    plan_accept(sim, listener);
}

static void accept_one(struct weir__sim *sim, struct weir__sim_listener *listener)
{
    struct weir__accepted accepted = {.fd = -1};
    struct weir__sim_link *link = unqueue(listener);
    accepted.sim = &link->ends[1];
    weir__sim_client_address(link, &accepted.peer, &accepted.peer_size);
    weir__sim_note(sim, SIM_ON_ACCEPT, weir__sim_end_id(&link->ends[1]), listener->id);
    listener->io->on->on_accept(listener->io, &accepted);
}

void weir__sim_listener_dispatch(struct weir__sim *sim, struct weir__sim_listener *listener)
{
    sim->accepting = listener;
    for (int count = 0; count < ACCEPTS_PER_STEP; count++) {
        if (!listener->accepting || listener->first == NULL)
            break;
        if (weir__sim_injects(sim, sim->options.fail_ppm, &sim->stats.failed_calls)) { /* EMFILE */
            listener->paused_ms =
                sim->now_ms + weir__dice_between(&sim->faults, PAUSE_MIN_MS, PAUSE_MAX_MS);
            break;
        }
        accept_one(sim, listener);
        if (sim->accepting != listener) /* closed by its owner */
            return;
    }
    sim->accepting = NULL;
    plan_accept(sim, listener);
}

void weir__sim_listener_close(struct weir__sim *sim, struct weir__sim_listener *listener)
{
    weir_loop *loop = sim->loop;
    struct weir__sim_listener **at = bucket_of_listener(sim, listener);
    while (*at != listener)
        at = &(*at)->next;
    *at = listener->next;
    if (sim->accepting == listener)
        sim->accepting = NULL;
    while (listener->first != NULL)
        weir__sim_end_close(sim, &unqueue(listener)->ends[1], true);
    weir__sim_plan(sim, &listener->node, WEIR__SIM_NEVER);
    weir__sim_heap_release(&sim->heap, 1);
    weir__sim_address_unref(listener->address, loop);
    weir__loop_free(loop, listener, sizeof *listener);
    sim->stats.open_ends--;
}
