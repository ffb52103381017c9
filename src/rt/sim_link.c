#include "rt/sim.h"

#include <errno.h>
#include <string.h>

#define CLIENT_PORT_LOWEST 1024

/* A request to connect that finds the backlog full is sent again after about a second, then two,
 * four and so on. After the last try it fails. */
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 1000
#define TRIES_MAX    6

uint64_t weir__sim_end_id(struct weir__sim_end *end)
{
    return (uint64_t)weir__sim_link_of(end)->id << 1 | ((end->flags & SIM_SERVER) != 0);
}

/* --- what happens next --- */

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

static bool is_receiving(const struct weir__sim_end *end)
{
    return (end->flags & SIM_RECEIVING) != 0 && (end->flags & SIM_ENDED) == 0;
}

static uint64_t receive_due_ms(const struct weir__sim_end *end)
{
    if (!is_receiving(end))
        return WEIR__SIM_NEVER;
    if ((end->flags & SIM_RESET) != 0)
        return 0;
    uint64_t first_ms = weir__sim_queue_first_due(&end->queue);
    return first_ms != WEIR__SIM_NEVER ? first_ms : end->eof_ms;
}

static uint64_t send_due_ms(const struct weir__sim_end *end)
{
    if ((end->flags & SIM_SENDING) == 0)
        return WEIR__SIM_NEVER;
    return (end->flags & SIM_RESET) != 0 ? 0 : end->wake_ms;
}

void weir__sim_end_plan(struct weir__sim *sim, struct weir__sim_end *end)
{
    uint64_t due_ms = WEIR__SIM_NEVER;
    if ((end->flags & SIM_ARRIVING) != 0) {
        due_ms = end->wake_ms;
    } else if (end->io != NULL) {
        due_ms = earlier(receive_due_ms(end), send_due_ms(end));
        if ((end->flags & SIM_CONNECTING) != 0)
            due_ms = end->wake_ms;
        if ((end->flags & SIM_RESET) == 0)
            due_ms = earlier(due_ms, end->reset_ms);
    }
    weir__sim_plan(sim, &end->node, due_ms < sim->now_ms ? sim->now_ms : due_ms);
}

/* --- resets --- */

void weir__sim_end_update(struct weir__sim *sim, struct weir__sim_end *end)
{
    if ((end->flags & SIM_RESET) != 0 || end->reset_ms > sim->now_ms)
        return;
    end->flags |= SIM_RESET | SIM_ERROR;
    end->eof_ms = WEIR__SIM_NEVER;
    weir__sim_queue_clear(&end->queue, sim->loop);
}

void weir__sim_end_reset_at(struct weir__sim *sim, struct weir__sim_end *end, uint64_t at_ms)
{
    end->reset_ms = earlier(end->reset_ms, at_ms);
    weir__sim_end_plan(sim, end);
}

void weir__sim_end_break(struct weir__sim *sim, struct weir__sim_end *end)
{
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    end->reset_ms = sim->now_ms;
    weir__sim_end_update(sim, end);
    weir__sim_end_plan(sim, end);
    if ((peer->flags & SIM_GONE) == 0)
        weir__sim_end_reset_at(sim, peer, weir__sim_later(sim));
}

int weir__sim_end_error(struct weir__sim_end *end, int after)
{
    if ((end->flags & SIM_ERROR) == 0)
        return after;
    end->flags &= ~(uint32_t)SIM_ERROR;
    return WEIR_SYSTEM(ECONNRESET);
}

/* --- closing --- */

static void free_link(struct weir__sim *sim, struct weir__sim_link *link)
{
    for (int i = 0; i < 2; i++)
        weir__sim_plan(sim, &link->ends[i].node, WEIR__SIM_NEVER);
    weir__sim_heap_release(&sim->heap, 2);
    weir__sim_address_unref(link->address, sim->loop);
    weir__loop_free(sim->loop, link, sizeof *link);
}

static void release_end(struct weir__sim *sim, struct weir__sim_end *end)
{
    weir__sim_late_free(sim, end);
    weir__sim_queue_clear(&end->queue, sim->loop);
    weir__sim_plan(sim, &end->node, WEIR__SIM_NEVER);
    end->io = NULL;
    end->flags |= SIM_GONE;
    sim->stats.open_ends--;
    if ((weir__sim_peer_of(end)->flags & (SIM_GONE | SIM_ARRIVING)) != 0)
        free_link(sim, weir__sim_link_of(end));
}

/* What happens at the peer when an end is closed. As on Linux, bytes that were not read turn the
 * end-of-file into a reset: at once when they have arrived already, and otherwise when they
 * arrive. */
static void notify_peer(struct weir__sim *sim, struct weir__sim_end *end, bool reset)
{
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    uint64_t first_ms = weir__sim_queue_first_due(&end->queue);
    if (reset || first_ms <= sim->now_ms) {
        weir__sim_end_reset_at(sim, peer, weir__sim_later(sim));
        return;
    }
    if ((end->flags & SIM_SHUT) == 0)
        peer->eof_ms = weir__sim_later(sim);
    if (first_ms != WEIR__SIM_NEVER)
        weir__sim_end_reset_at(sim, peer, first_ms + weir__sim_latency(sim));
    weir__sim_end_plan(sim, peer);
}

void weir__sim_end_close(struct weir__sim *sim, struct weir__sim_end *end, bool reset)
{
    struct weir__sim_end *peer = weir__sim_peer_of(end);
    weir__sim_end_update(sim, end);
    if ((end->flags & SIM_RESET) == 0 && (peer->flags & (SIM_GONE | SIM_ARRIVING)) == 0)
        notify_peer(sim, end, reset);
    release_end(sim, end);
}

/* --- opening --- */

static void init_end(struct weir__sim_end *end, uint32_t flags)
{
    memset(end, 0, sizeof *end);
    end->flags = flags;
    end->eof_ms = end->reset_ms = end->wake_ms = WEIR__SIM_NEVER;
}

/* The address of a connection: shared with its listener where that is the same. NULL: no memory. */
static struct weir__sim_address *share_address(struct weir__sim *sim,
                                               const struct sockaddr_storage *address,
                                               socklen_t size)
{
    struct weir__sim_listener *listener = weir__sim_listener_find(sim, address, size);
    if (listener == NULL || !weir__sim_address_is(listener->address, address, size))
        return weir__sim_address_new(sim->loop, address, size);
    listener->address->refs++;
    return listener->address;
}

static struct weir__sim_link *make_link(struct weir__sim *sim,
                                        const struct sockaddr_storage *address, socklen_t size)
{
    struct weir__sim_link *link = weir__loop_alloc(sim->loop, sizeof *link);
    if (link == NULL)
        return NULL;
    link->address = share_address(sim, address, size);
    if (link->address == NULL || weir__sim_heap_reserve(&sim->heap, sim->loop, 2) != WEIR_OK) {
        weir__sim_address_unref(link->address, sim->loop);
        weir__loop_free(sim->loop, link, sizeof *link);
        return NULL;
    }
    link->next = NULL;
    link->id = ++sim->next_id;
    link->client_port =
        (uint16_t)(CLIENT_PORT_LOWEST + link->id % (UINT16_MAX - CLIENT_PORT_LOWEST));
    init_end(&link->ends[0], SIM_CONNECTING);
    init_end(&link->ends[1], SIM_SERVER | SIM_ARRIVING);
    sim->stats.open_ends++;
    return link;
}

int weir__sim_connect(weir__io *io, const struct sockaddr *address, socklen_t size)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct sockaddr_storage to;
    socklen_t to_size;
    int status = weir__sim_address_normalize(&to, &to_size, address, size);
    if (status != WEIR_OK)
        return status;
    if (weir__sim_is_wildcard(&to))
        weir__sim_make_loopback(&to);
    status = weir__sim_fail(sim);
    if (status != WEIR_OK)
        return status;
    struct weir__sim_link *link = make_link(sim, &to, to_size);
    if (link == NULL)
        return WEIR_ENOMEM;
    link->ends[0].io = io;
    io->backend = &link->ends[0].node;
    link->ends[1].wake_ms = weir__sim_later(sim);
    weir__sim_end_plan(sim, &link->ends[1]);
    return WEIR_OK;
}

int weir__sim_adopt(weir__io *io, struct weir__accepted *accepted)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_end *end = accepted->sim;
    int status = weir__sim_fail(sim);
    if (status != WEIR_OK) {
        weir__sim_end_close(sim, end, false);
        return status;
    }
    end->flags &= ~(uint32_t)SIM_QUEUED;
    end->io = io;
    io->backend = &end->node;
    weir__sim_end_plan(sim, end);
    return WEIR_OK;
}

/* --- the request to connect, at the server and back --- */

static void answer_client(struct weir__sim *sim, struct weir__sim_link *link, uint32_t flag)
{
    struct weir__sim_end *client = &link->ends[0];
    client->flags |= flag;
    client->wake_ms = weir__sim_later(sim);
    weir__sim_end_plan(sim, client);
}

static void refuse_connect(struct weir__sim *sim, struct weir__sim_link *link, uint32_t flag)
{
    link->ends[1].flags &= ~(uint32_t)SIM_ARRIVING;
    link->ends[1].flags |= SIM_GONE;
    answer_client(sim, link, flag);
}

static void try_again(struct weir__sim *sim, struct weir__sim_link *link)
{
    struct weir__sim_end *server = &link->ends[1];
    if (server->tries == TRIES_MAX) {
        refuse_connect(sim, link, SIM_UNANSWERED);
        return;
    }
    uint64_t delay_ms = weir__dice_between(&sim->faults, RETRY_MIN_MS, RETRY_MAX_MS);
    server->wake_ms = sim->now_ms + (delay_ms << server->tries++);
    weir__sim_end_plan(sim, server);
}

static void arrive(struct weir__sim *sim, struct weir__sim_end *server)
{
    struct weir__sim_link *link = weir__sim_link_of(server);
    struct sockaddr_storage address;
    socklen_t size;
    weir__sim_address_get(link->address, &address, &size);
    struct weir__sim_listener *listener = weir__sim_listener_find(sim, &address, size);
    weir__sim_note(sim, SIM_ON_ARRIVE, weir__sim_end_id(server), listener != NULL);
    if (listener == NULL || weir__sim_injects(sim, sim->options.refuse_ppm, &sim->stats.refusals)) {
        refuse_connect(sim, link, SIM_REFUSED);
        return;
    }
    if (!weir__sim_listener_queue(sim, listener, link)) {
        try_again(sim, link);
        return;
    }
    server->flags &= ~(uint32_t)SIM_ARRIVING;
    server->flags |= SIM_QUEUED;
    server->wake_ms = WEIR__SIM_NEVER;
    sim->stats.open_ends++;
    sim->stats.connections++;
    answer_client(sim, link, 0);
}

static int connect_status(struct weir__sim_end *end)
{
    if ((end->flags & SIM_REFUSED) != 0)
        return WEIR_SYSTEM(ECONNREFUSED);
    if ((end->flags & SIM_UNANSWERED) != 0)
        return WEIR_SYSTEM(ETIMEDOUT);
    return weir__sim_end_error(end, WEIR_OK);
}

static void finish_connect(struct weir__sim *sim, struct weir__sim_end *end)
{
    weir__io *io = end->io;
    int status = connect_status(end);
    end->flags &= ~(uint32_t)SIM_CONNECTING;
    end->wake_ms = WEIR__SIM_NEVER;
    io->flags &= ~(uint32_t)WEIR__IO_CONNECTING;
    weir__sim_end_plan(sim, end);
    weir__sim_note(sim, SIM_ON_CONNECT, weir__sim_end_id(end), status);
    io->on->on_connect(io, status);
}

/* --- dispatch --- */

/* One callback a step, and it comes last: it may close the end. When both the read side and the
 * write side have something, the seed decides which comes first. */
void weir__sim_end_dispatch(struct weir__sim *sim, struct weir__sim_end *end)
{
    if ((end->flags & SIM_ARRIVING) != 0) {
        arrive(sim, end);
        return;
    }
    weir__sim_end_update(sim, end);
    if ((end->flags & SIM_CONNECTING) != 0 && end->wake_ms <= sim->now_ms) {
        finish_connect(sim, end);
        return;
    }
    bool receives = receive_due_ms(end) <= sim->now_ms;
    bool sends = send_due_ms(end) <= sim->now_ms;
    if (receives && sends)
        receives = weir__dice_next(&sim->order) >> 63 != 0;
    if (receives)
        weir__sim_receive(sim, end);
    else if (sends)
        weir__sim_go_on_sending(sim, end);
    else
        weir__sim_end_plan(sim, end);
}
