/* ctest: timeout=600 */
/* Whole conversations between servers and clients in the simulated world: cut reads and writes,
 * latency, resets, refused connects and failing system calls, for ten thousand seeds.
 *
 * For each seed, every answer equals its question unless a fault was injected, every session ends,
 * and nothing is left. A failure prints its seed. The environment variables WEIR_SEED and
 * WEIR_SEEDS choose the first seed and their number. WEIR_SEED alone runs that one. */
#include "support/seeds.h"
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <weir/stream.h>

#define SEEDS       10000
#define CLIENTS_MAX 4

/* What happened over all seeds: a run that did nothing must not pass. */
static struct {
    uint64_t answers;
    uint64_t failed_connects;
    uint64_t compressed; /* sessions */
    weir_sim_stats world;
    uint64_t ends[WEIR_END_IO + 1];
} seen;

/* A small generator of the test's own, so that its choices do not depend on the library's. */
struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (dice->state ^ dice->state >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((mixed ^ mixed >> 31) % sides);
}

struct world {
    uint64_t seed;
    bool perfect; /* no fault that may end a connection */
    bool slow;    /* the receiver is slow, so that queues fill and reading stops */
    struct dice server_dice;
    weir_server *server;
};

static int dawdle(const struct world *world, struct dice *dice)
{
    return world->slow && roll(dice, 4) == 0 ? weir_sleep(roll(dice, 30)) : WEIR_OK;
}

/* --- the server --- */

static int echo(weir_session *session, void *arg)
{
    struct world *world = arg;
    weir_frame frame;
    int status;
    while ((status = weir_receive(session, &frame)) == WEIR_OK) {
        status = dawdle(world, &world->server_dice);
        if (status == WEIR_OK)
            status = weir_send(session, &frame);
        if (status != WEIR_OK)
            break;
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int echo_message(weir_session *session, weir_frame *frame, void *arg)
{
    struct world *world = arg;
    int status = dawdle(world, &world->server_dice);
    return status == WEIR_OK ? weir_send(session, frame) : status;
}

/* --- the clients --- */

struct client {
    struct world *world;
    struct dice dice;
    weir_session *session;
};

static size_t size_of_message(struct dice *dice)
{
    switch (roll(dice, 8)) {
    case 0:
        return 0;
    case 1:
        return 125 + roll(dice, 3);
    case 2:
        return 1000 + roll(dice, 5000);
    case 3:
        return roll(dice, 16) == 0 ? 65530 + roll(dice, 10000) : roll(dice, 300);
    default:
        return roll(dice, 200);
    }
}

static void fill(struct dice *dice, uint8_t *payload, size_t size)
{
    for (size_t i = 0; i < size; i++)
        payload[i] = (uint8_t)(roll(dice, 95) + 32);
}

static int send_message(struct client *client, const uint8_t *payload, size_t size,
                        enum weir_frame_type type)
{
    struct dice *dice = &client->dice;
    weir_message message;
    if (roll(dice, 3) > 0) {
        weir_frame frame = weir_frame_by_type(true, type, payload, size);
        return weir_send(client->session, &frame);
    }
    int status = weir_message_begin(&message, client->session, type);
    for (size_t at = 0; status == WEIR_OK && at < size;) {
        size_t part = 1 + roll(dice, (uint32_t)(size - at));
        status = weir_message_write(&message, payload + at, part);
        at += part;
    }
    int ended = weir_message_end(&message);
    return status != WEIR_OK ? status : ended;
}

/* One question and its answer. */
static int exchange(struct client *client)
{
    struct dice *dice = &client->dice;
    weir_frame frame = {0};
    size_t size = size_of_message(dice);
    uint8_t *payload = malloc(size + 1);
    assert_non_null(payload);
    enum weir_frame_type type = roll(dice, 2) == 0 ? WEIR_FRAME_TEXT : WEIR_FRAME_BINARY;
    fill(dice, payload, size);
    int status = send_message(client, payload, size, type);
    if (status == WEIR_OK)
        status = weir_receive(client->session, &frame);
    if (status == WEIR_OK) {
        assert_int_equal(frame.type, type);
        assert_int_equal(frame.size, size);
        if (size > 0)
            assert_memory_equal(frame.data, payload, size);
        weir_frame_release(&frame);
        seen.answers++;
    }
    free(payload);
    return status;
}

/* Pipelined: many messages are sent while their answers come. */
struct pipeline {
    struct client *client;
    unsigned count;
};

static int fill_pipeline(void *arg)
{
    const struct pipeline *pipeline = arg;
    char text[16];
    int status = WEIR_OK;
    for (unsigned i = 0; status == WEIR_OK && i < pipeline->count; i++) {
        snprintf(text, sizeof text, "%u", i);
        status = weir_send_text(pipeline->client->session, text);
    }
    return WEIR_OK; /* the receiver gets the end */
}

static int drain_pipeline(const struct pipeline *pipeline)
{
    struct client *client = pipeline->client;
    weir_frame frame;
    char text[16];
    int status = WEIR_OK;
    for (unsigned i = 0; status == WEIR_OK && i < pipeline->count; i++) {
        status = dawdle(client->world, &client->dice);
        if (status == WEIR_OK)
            status = weir_receive(client->session, &frame);
        if (status != WEIR_OK)
            break;
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(frame.size, strlen(text));
        assert_memory_equal(frame.data, text, frame.size);
        weir_frame_release(&frame);
        seen.answers++;
    }
    return status;
}

static int pipeline(struct client *client)
{
    struct pipeline pipeline = {client, 1 + roll(&client->dice, 40)};
    weir_scope scope;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    status = weir_go(&scope, "sender", fill_pipeline, &pipeline);
    if (status == WEIR_OK)
        status = drain_pipeline(&pipeline);
    if (status != WEIR_OK)
        weir_scope_cancel(&scope);
    int joined = weir_scope_join(&scope);
    return status != WEIR_OK ? status : joined;
}

static int converse(struct client *client)
{
    struct dice *dice = &client->dice;
    unsigned steps = roll(dice, 8);
    int status = WEIR_OK;
    for (unsigned i = 0; status == WEIR_OK && i < steps; i++) {
        switch (roll(dice, 6)) {
        case 0:
            status = weir_send_ping(client->session, "?", 1);
            break;
        case 1:
            status = weir_sleep(roll(dice, 100));
            break;
        case 2:
            status = pipeline(client);
            break;
        default:
            status = exchange(client);
        }
    }
    return status;
}

static void expect_sane_end(struct client *client)
{
    weir_end end;
    weir_session_end_get(&end, client->session);
    assert_int_not_equal(end.kind, WEIR_END_NONE);
    assert_int_not_equal(end.kind, WEIR_END_PROTOCOL); /* both ends are ours */
    assert_int_not_equal(end.kind, WEIR_END_TOO_BIG);
    if (client->world->perfect && end.kind != WEIR_END_CANCELLED)
        assert_int_equal(end.kind, WEIR_END_CLEAN);
    seen.ends[end.kind]++;
}

static void choose_queues(weir_session_options *options, struct dice *dice)
{
    if (roll(dice, 2) == 0)
        return;
    options->incoming_capacity = 1 + roll(dice, 8);
    options->outgoing_capacity = 1 + roll(dice, 8);
    options->high_water = 1 + roll(dice, 20000);
}

/* Each end may compress. They do when both ask for it. */
static void choose_deflate(weir_session_options *options, struct dice *dice)
{
#ifdef WEIR_HAVE_DEFLATE
    options->deflate =
        (weir_deflate_options){.enabled = roll(dice, 2) == 0,
                               .server_context_takeover = roll(dice, 2) == 0,
                               .client_context_takeover = roll(dice, 2) == 0,
                               .server_max_window_bits = (uint8_t)(8 + roll(dice, 8)),
                               .level = 1,
                               .memory_level = (uint8_t)(1 + roll(dice, 4)),
                               .compress_min = 1 + roll(dice, 200)};
#else
    (void)options;
    (void)dice;
#endif
}

static int run_client(void *arg)
{
    struct client *client = arg;
    weir_connect_options options = {.url = weir_server_url(client->world->server)};
    choose_queues(&options.session, &client->dice);
    choose_deflate(&options.session, &client->dice);
    int status = weir_client_open(&client->session, weir_scope_current(), &options);
    if (status != WEIR_OK) {
        assert_false(client->world->perfect);
        seen.failed_connects++;
        return WEIR_OK;
    }
    seen.compressed += weir_session_deflate_terms_get(NULL, client->session);
    status = converse(client);
    if (client->world->perfect)
        assert_status(status, WEIR_OK);
    switch (roll(&client->dice, 4)) {
    case 0:
        weir_terminate(client->session);
        break;
    case 1:
        weir_close_now(client->session, 1001, "bye");
        break;
    default:
        (void)weir_close(client->session, 1000, "done");
    }
    status = weir_session_join(client->session);
    assert_int_not_equal(status, WEIR_OK);
    expect_sane_end(client);
    weir_session_free(client->session);
    return WEIR_OK;
}

static int run_world(void *arg)
{
    struct world *world = arg;
    struct client clients[CLIENTS_MAX];
    struct dice dice = {world->seed};
    weir_scope scope;
    weir_serve_options options = {.url = "ws://10.0.0.1:0/echo", .arg = world};
    world->slow = roll(&dice, 2) == 0;
    world->server_dice.state = ~world->seed;
    choose_queues(&options.session, &dice);
    if (roll(&dice, 2) == 0)
        options.handler = echo;
    else
        options.on_message = echo_message;
    options.session.ping_interval_ms = roll(&dice, 2) == 0 ? 20 : 0;
    options.session.close_timeout_ms = 500;
    choose_deflate(&options.session, &dice);
    assert_ok(weir_server_start(&world->server, weir_scope_current(), &options));
    assert_ok(weir_scope_open(&scope));
    unsigned count = 1 + roll(&dice, CLIENTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct client){.world = world, .dice = {world->seed * 31 + i}};
        assert_ok(weir_go(&scope, "client", run_client, &clients[i]));
    }
    assert_ok(weir_scope_join(&scope));
    weir_server_free(world->server);
    return WEIR_OK;
}

static weir_sim_options world_of(uint64_t seed, bool *perfect)
{
    struct dice dice = {seed ^ 0x77656972};
    weir_sim_options sim = {.seed = seed};
    if (roll(&dice, 3) > 0) {
        sim.latency_max_ms = roll(&dice, 30);
        sim.latency_min_ms = roll(&dice, sim.latency_max_ms + 1);
    }
    if (roll(&dice, 2) == 0)
        sim.cut_read_ppm = roll(&dice, 1000000);
    if (roll(&dice, 2) == 0)
        sim.cut_write_ppm = roll(&dice, 900000);
    if (roll(&dice, 4) == 0)
        sim.socket_buffer = 100 + roll(&dice, 5000);
    *perfect = roll(&dice, 3) > 0;
    if (!*perfect) {
        sim.reset_ppm = roll(&dice, 20000);
        sim.refuse_ppm = roll(&dice, 100000);
        sim.fail_ppm = roll(&dice, 20000);
    }
    return sim;
}

static uint64_t run_seed(uint64_t seed)
{
    failing_allocator memory;
    weir_loop *loop;
    weir_sim_stats stats;
    struct world world = {.seed = seed};
    seed_now = seed;
    failing_allocator_init(&memory, 0);
    weir_sim_options sim = world_of(seed, &world.perfect);
    weir_loop_options options = {
        .backend = WEIR_BACKEND_SIM, .sim = &sim, .allocator = memory.allocator};
    assert_ok(weir_loop_new(&loop, &options));
    assert_ok(weir_loop_run(loop, "world", run_world, &world));
    assert_int_equal(weir_loop_coroutine_count(loop), 0);
    while (weir_sim_stats_get(&stats, loop) == WEIR_OK && stats.open_ends > 0)
        assert_true(weir_loop_turn(loop, -1) >= 0);
    seen.world.faults += stats.faults;
    seen.world.resets += stats.resets;
    seen.world.refusals += stats.refusals;
    seen.world.failed_calls += stats.failed_calls;
    seen.world.cuts += stats.cuts;
    weir_loop_free(loop);
    assert_true(failing_allocator_is_clean(&memory));
    return stats.digest;
}

static void report(void)
{
    say("answers", seen.answers);
    say("failed connects", seen.failed_connects);
    say("compressed sessions", seen.compressed);
    say("resets", seen.world.resets);
    say("refusals", seen.world.refusals);
    say("failed system calls", seen.world.failed_calls);
    say("cut reads and writes", seen.world.cuts);
    for (int kind = WEIR_END_NONE + 1; kind <= WEIR_END_IO; kind++) {
        print_message("ended %s: ", weir_end_kind_name((enum weir_end_kind)kind));
        say("", seen.ends[kind]);
    }
}

static void conversations_hold_under_all_faults(void **state)
{
    (void)state;
    struct seeds seeds = choose_seeds(SEEDS);
    uint64_t count = seeds.count;
    for (uint64_t i = 0; i < count; i++)
        (void)run_seed(seeds.first + i);
    report();
    if (count < 1000)
        return;
    assert_true(seen.answers > count * 5);
#ifdef WEIR_HAVE_DEFLATE
    assert_true(seen.compressed > count / 4);
#endif
    assert_true(seen.world.resets > count / 50);
    assert_true(seen.world.refusals > count / 50);
    assert_true(seen.world.failed_calls > count / 50);
    assert_true(seen.world.cuts > count * 5);
    assert_true(seen.ends[WEIR_END_CLEAN] > count / 2);
    assert_true(seen.ends[WEIR_END_IO] > 0 && seen.ends[WEIR_END_CANCELLED] > 0);
}

static void same_seed_gives_the_same_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        assert_int_equal(run_seed(seed), run_seed(seed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_run),
        cmocka_unit_test(conversations_hold_under_all_faults),
    };
    say_seed_on_failure();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
