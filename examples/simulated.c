/* examples/simulated.c - a handler of yours, tested in a simulated world: a network with latency,
 * cut reads and writes and resets, and a virtual clock. A day takes a fraction of a second, and a
 * run that fails is replayed from its seed.
 *
 *     simulated [SEED [RUNS]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

/* The handler under test: sends a greeting once an hour, until a message comes. */
static int greet_hourly(weir_session *session, void *arg)
{
    (void)arg;
    weir_frame frame;
    int status = WEIR_OK;
    while (status == WEIR_OK) {
        weir_select_case asked = {
            .kind = WEIR_SELECT_RECEIVE, .channel = weir_session_incoming(session), .item = &frame};
        int chosen = weir_select(&asked, 1, (uint64_t)3600 * 1000);
        if (chosen == 0 && asked.status == WEIR_OK)
            weir_frame_release(&frame);
        if (chosen != WEIR_ETIMEDOUT)
            return chosen < 0 ? chosen : asked.status;
        status = weir_send_text(session, "good morning");
    }
    return status;
}

struct world {
    bool perfect;
    unsigned greetings;
    int status;
};

static int listen_for_a_day(struct world *world, weir_session *session)
{
    weir_frame frame;
    while (world->greetings < 24) {
        int status = weir_receive(session, &frame);
        if (status != WEIR_OK)
            return status;
        world->greetings++;
        weir_frame_release(&frame);
    }
    return weir_send_text(session, "enough");
}

static int live(void *arg)
{
    struct world *world = arg;
    weir_server *server;
    weir_session *session;
    weir_serve_options options = {.url = "ws://10.0.0.1:80/", .handler = greet_hourly};
    int status = weir_server_start(&server, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return status;
    world->status = weir_client_open(&session, weir_scope_current(),
                                     &(weir_connect_options){.url = weir_server_url(server)});
    if (world->status == WEIR_OK) {
        world->status = listen_for_a_day(world, session);
        weir_session_free(session);
    }
    weir_server_free(server);
    return WEIR_OK;
}

/* Runs one world. Whatever its network does, no coroutine may be left. In a perfect network, all 24
 * greetings are received. */
static bool run(uint64_t seed, bool perfect)
{
    weir_loop *loop;
    weir_sim_stats stats;
    struct world world = {.perfect = perfect};
    weir_sim_options sim = {.seed = seed,
                            .latency_min_ms = 5,
                            .latency_max_ms = 80,
                            .cut_read_ppm = 300000,
                            .cut_write_ppm = 300000};
    if (weir_loop_new(&loop, &(weir_loop_options){.backend = WEIR_BACKEND_SIM, .sim = &sim}) !=
        WEIR_OK)
        return false;
    sim.reset_ppm = perfect ? 0 : 300;
    sim.refuse_ppm = perfect ? 0 : 50000;
    bool good = weir_sim_set(loop, &sim) == WEIR_OK;
    uint64_t start_ms = weir_loop_now(loop);
    good = weir_loop_run(loop, "world", live, &world) == WEIR_OK && good;
    uint64_t hours = (weir_loop_now(loop) - start_ms) / 3600000;
    good = weir_sim_stats_get(&stats, loop) == WEIR_OK && stats.open_ends == 0 && good;
    if (perfect)
        good = good && world.status == WEIR_OK && world.greetings == 24 && hours == 24;
    printf("seed %llu: %u greetings in %llu hours, %llu faults, %s%s\n", (unsigned long long)seed,
           world.greetings, (unsigned long long)hours, (unsigned long long)stats.faults,
           weir_status_name(world.status), good ? "" : "  <-- replay this one");
    weir_loop_free(loop);
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t runs = argc > 2 ? strtoull(argv[2], NULL, 10) : 5;
    bool good = run(seed, true);
    for (uint64_t i = 0; i < runs; i++)
        good = run(seed + i, false) && good;
    return good ? 0 : 1;
}
