#include "rt/sim.h"

#include <errno.h>
#include <string.h>

#define PPM_ALL           1000000
#define SOCKET_BUFFER     65536
#define SOCKET_BUFFER_MAX ((size_t)1 << 30)
#define PORT_FIRST        32768
#define ORDER_BITS        24
#define IDLE_STEPS_MAX    10000
#define START_MAX         (UINT64_C(1) << 40)
#define PURPOSE_FAULTS    1
#define PURPOSE_ORDER     2
#define PURPOSE_USER      3
#define DIGEST_MULTIPLIER UINT64_C(0x9ddfea08eb382d69)

/* --- the digest --- */

static void fold(struct weir__sim *sim, uint64_t word)
{
    uint64_t digest = (sim->stats.digest ^ word) * DIGEST_MULTIPLIER;
    sim->stats.digest = digest ^ digest >> 29;
}

void weir__sim_note(struct weir__sim *sim, enum weir__sim_event event, uint64_t id, int64_t value)
{
    fold(sim, (uint64_t)event << 56 | id);
    fold(sim, sim->now_ms);
    fold(sim, (uint64_t)value);
}

void weir__sim_note_bytes(struct weir__sim *sim, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        uint64_t word = 0;
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(&word, bytes, part);
        fold(sim, word);
        bytes += part;
        size -= part;
    }
}

/* --- chances --- */

bool weir__sim_cuts(struct weir__sim *sim, uint32_t ppm)
{
    bool cut = weir__dice_chance(&sim->faults, ppm);
    sim->stats.cuts += cut;
    return cut;
}

bool weir__sim_injects(struct weir__sim *sim, uint32_t ppm, uint64_t *kind)
{
    if (!weir__dice_chance(&sim->faults, ppm))
        return false;
    sim->stats.faults++;
    ++*kind;
    weir__sim_note(sim, SIM_ON_FAULT, 0, 0);
    return true;
}

int weir__sim_fail(struct weir__sim *sim)
{
    static const int errors[] = {ENOBUFS, ENOMEM, EINTR};
    if (!weir__sim_injects(sim, sim->options.fail_ppm, &sim->stats.failed_calls))
        return WEIR_OK;
    int error = errors[weir__dice_between(&sim->faults, 0, 2)];
    return error == EINTR ? WEIR_OK : WEIR_SYSTEM(error);
}

uint64_t weir__sim_latency(struct weir__sim *sim)
{
    return weir__dice_between(&sim->faults, sim->options.latency_min_ms,
                              sim->options.latency_max_ms);
}

uint64_t weir__sim_later(struct weir__sim *sim)
{
    return sim->now_ms + weir__sim_latency(sim);
}

static int check_options(const weir_sim_options *options)
{
    const uint32_t chances[] = {options->cut_read_ppm, options->cut_write_ppm, options->reset_ppm,
                                options->refuse_ppm, options->fail_ppm};
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++)
        if (chances[i] > PPM_ALL)
            return WEIR_EINVAL;
    if (options->latency_min_ms > options->latency_max_ms)
        return WEIR_EINVAL;
    return options->socket_buffer <= SOCKET_BUFFER_MAX ? WEIR_OK : WEIR_EINVAL;
}

static void set_options(struct weir__sim *sim, const weir_sim_options *options)
{
    sim->options = *options;
    if (sim->options.socket_buffer == 0)
        sim->options.socket_buffer = SOCKET_BUFFER;
}

/* --- life --- */

static int open_world(weir_loop *loop, const weir_loop_options *options)
{
    int status = check_options(options->sim);
    if (status != WEIR_OK)
        return status;
    struct weir__sim *sim = weir__loop_alloc(loop, sizeof *sim);
    if (sim == NULL)
        return WEIR_ENOMEM;
    memset(sim, 0, sizeof *sim);
    sim->loop = loop;
    set_options(sim, options->sim);
    uint64_t seed = options->sim->seed;
    weir__dice_init(&sim->faults, seed, PURPOSE_FAULTS);
    weir__dice_init(&sim->order, seed, PURPOSE_ORDER);
    weir__dice_init(&sim->user, seed, PURPOSE_USER);
    /* A clock that is often beyond 32 bits, so that a deadline kept in too few shows. */
    sim->now_ms = weir__dice_between(&sim->order, 1, START_MAX);
    sim->share_turn = (uint32_t)weir__dice_next(&sim->order);
    sim->next_port = PORT_FIRST;
    atomic_init(&sim->woken, false);
    weir__sim_note(sim, SIM_ON_ARRIVE, 0, 0);
    loop->backend_state = sim;
    return WEIR_OK;
}

static void close_world(weir_loop *loop)
{
    struct weir__sim *sim = weir__sim_of(loop);
    if (sim->read_buf != NULL)
        weir__buf_unref(sim->read_buf);
    weir__sim_heap_fini(&sim->heap, loop);
    weir__loop_free(loop, sim, sizeof *sim);
    loop->backend_state = NULL;
}

/* --- the clock and what happens --- */

void weir__sim_plan(struct weir__sim *sim, struct weir__sim_node *node, uint64_t due_ms)
{
    if (due_ms == WEIR__SIM_NEVER) {
        weir__sim_heap_unset(&sim->heap, node);
        return;
    }
    if (node->place != 0 && node->due_ms == due_ms)
        return;
    uint64_t order = weir__dice_next(&sim->order) >> (64 - ORDER_BITS);
    /* What is due at once comes in the next round, so that no poll goes on for ever, and a cut read
     * leaves what it did not read to a later turn. */
    if (due_ms <= sim->now_ms)
        order |= (sim->round + 1) << ORDER_BITS;
    weir__sim_heap_set(&sim->heap, node, due_ms, order);
}

static void advance(struct weir__sim *sim, uint64_t to_ms)
{
    if (to_ms > sim->now_ms) {
        sim->now_ms = to_ms;
        sim->idle_steps = 0;
    }
}

/* Moves the clock to whatever is first: the next event, or the end of the wait. */
static int move_clock(struct weir__sim *sim, int64_t timeout_ms)
{
    /* Work takes time, if little: without this, two ends that answer each other without latency
     * would keep every timer waiting for ever. */
    if (++sim->idle_steps > IDLE_STEPS_MAX)
        advance(sim, sim->now_ms + 1);
    if (timeout_ms == 0)
        return WEIR_OK;
    const struct weir__sim_node *first = weir__sim_heap_first(&sim->heap);
    if (first == NULL && timeout_ms < 0)
        return WEIR_EDEADLOCK;
    uint64_t until_ms = WEIR__SIM_NEVER;
    if (timeout_ms > 0)
        until_ms = sim->now_ms + (uint64_t)timeout_ms;
    if (first != NULL && first->due_ms < until_ms)
        until_ms = first->due_ms;
    advance(sim, until_ms);
    return WEIR_OK;
}

static void dispatch(struct weir__sim *sim, struct weir__sim_node *node)
{
    sim->stats.steps++;
    sim->idle_steps++;
    if (node->is_listener)
        weir__sim_listener_dispatch(sim, WEIR__CONTAINER(node, struct weir__sim_listener, node));
    else
        weir__sim_end_dispatch(sim, WEIR__CONTAINER(node, struct weir__sim_end, node));
}

static int poll_world(weir_loop *loop, int64_t timeout_ms)
{
    struct weir__sim *sim = weir__sim_of(loop);
    if (atomic_exchange(&sim->woken, false))
        timeout_ms = 0;
    int status = move_clock(sim, timeout_ms);
    loop->now_ms = sim->now_ms;
    sim->round++;
    struct weir__sim_node *node = weir__sim_heap_first(&sim->heap);
    while (node != NULL && node->due_ms <= sim->now_ms && node->order >> ORDER_BITS <= sim->round) {
        weir__sim_heap_unset(&sim->heap, node);
        dispatch(sim, node);
        node = weir__sim_heap_first(&sim->heap);
    }
    return status;
}

static uint64_t clock_of_world(weir_loop *loop)
{
    return weir__sim_of(loop)->now_ms;
}

static void wake_world(weir_loop *loop)
{
    atomic_store(&weir__sim_of(loop)->woken, true);
}

static void random_of_world(weir_loop *loop, void *out, size_t size)
{
    weir__dice_fill(&weir__sim_of(loop)->user, out, size);
}

/* --- small parts of the contract --- */

static int no_fd(weir_loop *loop)
{
    (void)loop;
    return WEIR_ENOTSUP;
}

static void drop_accepted(weir_loop *loop, struct weir__accepted *accepted)
{
    if (accepted->sim != NULL)
        weir__sim_end_close(weir__sim_of(loop), accepted->sim, false);
    accepted->sim = NULL;
}

static void report_closed(weir__task *task)
{
    weir__io *io = WEIR__CONTAINER(task, weir__io, task);
    weir__io_report_closed(io);
}

static void close_io(weir__io *io, bool reset)
{
    struct weir__sim *sim = weir__sim_of(io->loop);
    struct weir__sim_node *node = io->backend;
    io->backend = NULL;
    if (node != NULL && node->is_listener)
        weir__sim_listener_close(sim, WEIR__CONTAINER(node, struct weir__sim_listener, node));
    else if (node != NULL)
        weir__sim_end_close(sim, WEIR__CONTAINER(node, struct weir__sim_end, node), reset);
    io->flags &= ~(uint32_t)WEIR__IO_SENDING;
    weir__task_init(&io->task, report_closed);
    weir__task_post(io->loop, &io->task);
}

/* Simulated machines do not vanish: there is nothing to probe. */
static int accept_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s)
{
    (void)io;
    (void)idle_s;
    (void)interval_s;
    return WEIR_OK;
}

static const struct weir__io_ops socket_ops = {
    .recv_start = weir__sim_recv_start,
    .recv_stop = weir__sim_recv_stop,
    .send = weir__sim_send,
    .shutdown = weir__sim_shutdown,
    .close = close_io,
    .address = weir__sim_io_address,
    .keep_alive = accept_keep_alive,
};

const struct weir__loop_ops weir__backend_sim = {
    .name = "sim",
    .open = open_world,
    .close = close_world,
    .fd = no_fd,
    .poll = poll_world,
    .wake = wake_world,
    .clock_ms = clock_of_world,
    .random = random_of_world,
    .listen = weir__sim_listen,
    .accept_start = weir__sim_accept_start,
    .accept_stop = weir__sim_accept_stop,
    .adopt = weir__sim_adopt,
    .drop = drop_accepted,
    .connect = weir__sim_connect,
    .sockets = &socket_ops,
};

/* --- public --- */

int weir_sim_set(weir_loop *loop, const weir_sim_options *options)
{
    if (loop == NULL || options == NULL || loop->backend != &weir__backend_sim)
        return WEIR_EINVAL;
    int status = check_options(options);
    if (status == WEIR_OK)
        set_options(weir__sim_of(loop), options);
    return status;
}

int weir_sim_stats_get(weir_sim_stats *out, weir_loop *loop)
{
    if (loop == NULL || out == NULL || loop->backend != &weir__backend_sim)
        return WEIR_EINVAL;
    *out = weir__sim_of(loop)->stats;
    return WEIR_OK;
}
