/* ctest: timeout=300 */
/* Hundreds of sessions in one simulated world, over days of its time. Both ends talk. Some read
 * slowly or not for hours. They compress, close, are cancelled or cut off. The network loses
 * connections and system calls fail.
 *
 * What must hold: - after each step of the world, memory is bounded, the number of coroutines is
 * right, and no session
 *   that ends exceeds its deadline;
 * - each message comes in its place and as it was sent; - each end has received all that was sent
 * before an orderly Close.
 *
 * A failure prints its seed. The environment variables WEIR_SEED and WEIR_SEEDS choose the first
 * seed and their number. */
#include "support/session_rig.h"

#include "crowd.h"
#include "support/seeds.h"

#define SEEDS 150

/* --- servers --- */

static struct end *end_of_path(struct world *world, const char *path)
{
    unsigned long number = strtoul(strrchr(path, '/') + 1, NULL, 10);
    assert_true(number < world->count);
    return &world->ends[2 * number + 1];
}

static int serve(weir_session *session, void *arg)
{
    struct world *world = arg;
    struct end *end = end_of_path(world, weir_session_path(session));
    be_born(end, session);
    world->coroutines++;
    int status = converse(end);
    world->coroutines--;
    return status;
}

/* The other shape: an answer to each message. */
static int open_answering(weir_session *session, void *arg)
{
    struct world *world = arg;
    be_born(end_of_path(world, weir_session_path(session)), session);
    return WEIR_OK;
}

static int answer(weir_session *session, weir_frame *frame, void *arg)
{
    struct world *world = arg;
    struct end *end = end_of_path(world, weir_session_path(session));
    world->coroutines++;
    take_message(end, frame);
    int status = send_message(end);
    if (status == WEIR_OK && roll(&end->dice, 100) == 0)
        status = WEIR_EINVAL;
    if (status != WEIR_OK) {
        end->is_deaf = true;
        begin_to_end(end);
    }
    world->coroutines--;
    return status;
}

static void note_end(weir_session *session, const weir_end *how, void *arg)
{
    take_end(end_of_path(arg, weir_session_path(session)), how);
}

/* --- clients --- */

static int open_client(struct end *end, weir_session **session)
{
    struct world *world = end->world;
    char url[96];
    bool answered = roll(&end->dice, 4) == 0;
    snprintf(url, sizeof url, "%s%s/%u", weir_server_url(world->server),
             answered ? "answer" : "talk", end->index / 2);
    weir_connect_options options = {.url = url, .session = world->session};
    if (roll(&end->dice, 4) == 0)
        options.session.deflate.enabled = false;
    return weir_client_open(session, weir_scope_current(), &options);
}

static int run_client(void *arg)
{
    struct end *end = arg;
    struct world *world = end->world;
    weir_session *session;
    weir_end how;
    world->coroutines++;
    int status =
        weir_sleep(roll(&end->dice, 4) == 0 ? roll_time(&end->dice) : roll(&end->dice, 60000));
    if (status == WEIR_OK)
        status = open_client(end, &session);
    if (status == WEIR_OK) {
        be_born(end, session);
        seen.compressed += weir_session_deflate_terms_get(NULL, session);
        (void)!converse(end);
        (void)weir_close(session, WEIR_CLOSE_NORMAL, NULL);
        (void)!weir_session_join(session);
        weir_session_end_get(&how, session);
        take_end(end, &how);
        weir_session_free(session);
    } else {
        /* A server that terminates at once may cut off its own answer to the handshake. */
        assert_true(!world->perfect || end->other->way == WAY_TERMINATE);
        seen.failed_connects++;
    }
    world->coroutines--;
    return WEIR_OK;
}

/* --- the world --- */

static void choose_end(struct world *world, uint32_t index)
{
    struct end *end = &world->ends[index];
    *end = (struct end){.world = world,
                        .other = &world->ends[index ^ 1],
                        .index = index,
                        .dice = {world->seed * 31 + index}};
    end->way = (enum way)roll(&end->dice, WAY_TERMINATE + 1);
    if (roll(&end->dice, 2) == 0)
        end->way = roll(&end->dice, 2) == 0 ? WAY_CLOSE : WAY_STAY;
    end->sleeps = roll(&end->dice, 16) == 0;
    end->floods = roll(&end->dice, 64) == 0;
    seen.floods += end->floods;
}

static weir_session_options choose_session(struct dice *dice)
{
    weir_session_options options = {
        .close_timeout_ms = CLOSE_MS,
        .ping_timeout_ms = CLOSE_MS,
        .ping_interval_ms = roll(dice, 2) == 0 ? WEIR_UNLIMITED : DAY_MS / (1 + roll(dice, 24)),
        .incoming_capacity = 1 + roll(dice, 8),
        .outgoing_capacity = 1 + roll(dice, 8),
        .high_water = 1 + roll(dice, 32768),
    };
#ifdef WEIR_HAVE_DEFLATE
    options.deflate = (weir_deflate_options){.enabled = roll(dice, 2) == 0,
                                             .server_context_takeover = roll(dice, 2) == 0,
                                             .client_context_takeover = roll(dice, 2) == 0,
                                             .server_max_window_bits = 9,
                                             .client_max_window_bits = 9,
                                             .level = 1,
                                             .memory_level = 1,
                                             .compress_min = 1 + roll(dice, 200)};
#endif
    return options;
}

static weir_sim_options choose_network(struct dice *dice, uint64_t seed, bool *perfect)
{
    weir_sim_options sim = {.seed = seed};
    sim.latency_max_ms = roll(dice, 200);
    sim.latency_min_ms = roll(dice, sim.latency_max_ms + 1);
    sim.socket_buffer = 500 + roll(dice, 65000);
    if (roll(dice, 2) == 0)
        sim.cut_read_ppm = roll(dice, 300000);
    if (roll(dice, 2) == 0)
        sim.cut_write_ppm = roll(dice, 300000);
    *perfect = roll(dice, 2) == 0;
    if (!*perfect) {
        sim.reset_ppm = roll(dice, 4000);
        sim.refuse_ppm = roll(dice, 100000);
        sim.fail_ppm = roll(dice, 4000);
    }
    return sim;
}

static int run_world(void *arg)
{
    struct world *world = arg;
    world->routes[0] = (weir_route){.path = "/answer/...",
                                    .on_message = answer,
                                    .on_open = open_answering,
                                    .on_close = note_end,
                                    .arg = world};
    world->routes[1] = (weir_route){.handler = serve, .on_close = note_end, .arg = world};
    world->coroutines++;
    assert_ok(weir_server_start(&world->server, weir_scope_current(),
                                &(weir_serve_options){.url = "ws://10.0.0.1:0/",
                                                      .routes = world->routes,
                                                      .route_count = 2,
                                                      .session = world->session}));
    assert_ok(weir_scope_open(&world->crowd));
    for (uint32_t i = 0; i < world->count; i++)
        assert_ok(weir_go(&world->crowd, "client", run_client, &world->ends[2 * i]));
    assert_ok(weir_sleep(3 * DAY_MS));
    weir_server_stop(world->server); /* some are still open */
    assert_ok(weir_scope_join(&world->crowd));
    world->coroutines--;
    return WEIR_OK;
}

/* --- what must hold after each step --- */

/* The bytes that an end may hold: the queues and a message in progress each way, input that is
 * held, the codec with small windows, and what is in flight in the network. */
static size_t bound_of_end(const struct world *world)
{
    size_t queue = world->session.high_water + MESSAGE_MAX;
    return 4 * queue + 4 * MESSAGE_MAX + 65536 + 65536 + 40000;
}

static void check_end(const struct end *end, uint64_t now_ms)
{
    size_t high_water = end->world->session.high_water;
    assert_true(weir_session_queued_bytes(end->session) <= 2 * (high_water + MESSAGE_MAX + 100));
    if (end->ending_ms != 0 && now_ms > end->ending_ms + ENDING_MS &&
        !weir_deferred_is_complete(weir_session_close_reason(end->session)))
        fail_end(end, "does not come to its end");
}

static void check_world(struct world *world)
{
    uint64_t now_ms = weir_loop_now(world->loop);
    for (uint32_t i = 0; i < world->living_count; i++)
        check_end(world->living[i], now_ms);
    size_t coroutines = weir_loop_coroutine_count(world->loop);
    /* A server's coroutine is there for a while before and after its handler. */
    size_t sessions = world->server != NULL ? weir_server_session_count(world->server) : 0;
    assert_in_range(coroutines, world->coroutines, world->coroutines + sessions);
    /* Freed blocks stay in the loop's lists for a while. */
    assert_true(world->memory.live_bytes <=
                4000000 + (world->most_living + 10) * bound_of_end(world));
}

static void check_after(struct world *world)
{
    weir_sim_stats stats;
    assert_int_equal(weir_loop_coroutine_count(world->loop), 0);
    for (uint32_t i = 0; i < world->count; i++) {
        const struct end *client = &world->ends[2 * i];
        assert_true(client[0].session == NULL && client[1].session == NULL);
        assert_true(client[0].has_ended || client[1].way == WAY_TERMINATE || !world->perfect);
        assert_true(client[1].has_ended || !client[0].has_ended || !world->perfect);
    }
    while (weir_sim_stats_get(&stats, world->loop) == WEIR_OK && stats.open_ends > 0)
        assert_true(weir_loop_turn(world->loop, -1) >= 0);
    seen.world.resets += stats.resets;
    seen.world.refusals += stats.refusals;
    seen.world.failed_calls += stats.failed_calls;
    seen.world.steps += stats.steps;
    if (world->most_living > seen.most_ends)
        seen.most_ends = world->most_living;
}

static void run_seed(uint64_t seed)
{
    static struct world world;
    struct dice dice = {seed ^ 0x63726f77};
    seed_now = seed;
    memset(&world, 0, sizeof world);
    world.seed = seed;
    weir_sim_options sim = choose_network(&dice, seed, &world.perfect);
    world.session = choose_session(&dice);
    world.count = 100 + roll(&dice, MEMBERS_MAX - 99);
    for (uint32_t i = 0; i < 2 * world.count; i++)
        choose_end(&world, i);
    failing_allocator_init(&world.memory, 0);
    assert_ok(
        weir_loop_new(&world.loop, &(weir_loop_options){.backend = WEIR_BACKEND_SIM,
                                                        .sim = &sim,
                                                        .allocator = world.memory.allocator}));
    uint64_t start_ms = weir_loop_now(world.loop);
    assert_ok(weir_go(weir_loop_scope(world.loop), "world", run_world, &world));
    int status = 1;
    while (status > 0) {
        status = weir_loop_turn(world.loop, -1);
        assert_true(status >= 0);
        check_world(&world);
    }
    seen.virtual_ms += weir_loop_now(world.loop) - start_ms;
    check_after(&world);
    weir_server_free(world.server);
    weir_loop_free(world.loop);
    assert_true(failing_allocator_is_clean(&world.memory));
}

/* --- running --- */

static void report(void)
{
    say("messages", seen.messages);
    say("ends that received all", seen.whole);
    say("compressed sessions", seen.compressed);
    say("floods", seen.floods);
    say("failed connects", seen.failed_connects);
    say("ends at once at the most", seen.most_ends);
    say("virtual days", seen.virtual_ms / DAY_MS);
    say("steps", seen.world.steps);
    say("resets", seen.world.resets);
    say("refusals", seen.world.refusals);
    say("failed system calls", seen.world.failed_calls);
    for (int kind = WEIR_END_NONE + 1; kind <= WEIR_END_IO; kind++) {
        print_message("ended %s: ", weir_end_kind_name((enum weir_end_kind)kind));
        say("", seen.ends[kind]);
    }
}

static void crowds_live_for_days_within_bounds(void **state)
{
    (void)state;
    struct seeds seeds = choose_seeds(SEEDS);
    uint64_t count = seeds.count;
    for (uint64_t i = 0; i < count; i++)
        run_seed(seeds.first + i);
    report();
    if (count < 100)
        return;
    assert_true(seen.messages > count * 500);
    assert_true(seen.whole > count * 10);
#ifdef WEIR_HAVE_DEFLATE
    assert_true(seen.compressed > count * 10);
#endif
    assert_true(seen.most_ends > 100);
    assert_true(seen.virtual_ms > count * DAY_MS);
    assert_true(seen.world.resets > count / 10 && seen.world.failed_calls > count / 10);
    for (int kind = WEIR_END_CLEAN; kind <= WEIR_END_IO; kind++)
        assert_true(kind == WEIR_END_PROTOCOL || kind == WEIR_END_TOO_BIG || seen.ends[kind] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crowds_live_for_days_within_bounds),
    };
    say_seed_on_failure();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
