/* bench/bench_scale.c - what do more idle sessions cost than a process may have sockets? Opens
 * pairs of sessions over streams in memory. The server's end of each sends pings. Waits for a whole
 * interval, and counts the processor time of both ends. Exits 1 when a ping was not answered.
 *
 *     bench_scale [SESSIONS [PING_INTERVAL_MS]]      default: 200000, 60000 */
#include "echo_process.h"

#include <inttypes.h>
#include <time.h>
#include <weir/session.h>

struct crowd {
    size_t wanted;
    size_t opened;
    uint64_t interval_ms;
    weir_session **servers;
    weir_session **clients;
    double cpu; /* of a core, in the interval */
    size_t memory_kib;
    size_t answered;
};

static double cpu_seconds(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int open_pair(struct crowd *crowd, const weir_session_options *server)
{
    const weir_session_options client = {.ping_interval_ms = WEIR_UNLIMITED};
    weir_stream *ends[2];
    size_t i = crowd->opened;
    int status = weir_stream_pair(&ends[0], &ends[1], weir_loop_current());
    if (status != WEIR_OK)
        return status;
    status = weir_session_start(&crowd->servers[i], weir_scope_current(), ends[0], WEIR_ROLE_SERVER,
                                server);
    if (status != WEIR_OK) {
        weir_stream_close(ends[1]);
        return status;
    }
    status = weir_session_start(&crowd->clients[i], weir_scope_current(), ends[1], WEIR_ROLE_CLIENT,
                                &client);
    crowd->opened += status == WEIR_OK;
    return status;
}

/* Sleeps now and then, so that the pings are spread like those of sessions that come one by one. */
static int open_all(struct crowd *crowd)
{
    const weir_session_options options = {.ping_interval_ms = crowd->interval_ms,
                                          .ping_timeout_ms = crowd->interval_ms};
    int status = WEIR_OK;
    while (status == WEIR_OK && crowd->opened < crowd->wanted) {
        status = open_pair(crowd, &options);
        if (status == WEIR_OK && crowd->opened % 1000 == 0)
            status = weir_sleep(1);
    }
    return status;
}

static int run(void *arg)
{
    struct crowd *crowd = arg;
    int status = open_all(crowd);
    if (status == WEIR_OK) {
        double before = cpu_seconds();
        uint64_t start_ms = weir_loop_now(weir_loop_current());
        status = weir_sleep(crowd->interval_ms * 21 / 20);
        uint64_t passed_ms = weir_loop_now(weir_loop_current()) - start_ms;
        crowd->cpu = (cpu_seconds() - before) * 1000 / (double)passed_ms;
    }
    crowd->memory_kib = memory_kib(getpid(), "VmRSS:");
    for (size_t i = 0; i < crowd->opened; i++)
        crowd->answered += weir_session_round_trip_ms(crowd->servers[i]) != WEIR_UNLIMITED;
    for (size_t i = 0; i < crowd->wanted; i++) {
        weir_session_free(crowd->servers[i]);
        weir_session_free(crowd->clients[i]);
    }
    return status;
}

int main(int argc, char **argv)
{
    struct crowd crowd = {.wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000,
                          .interval_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 60000};
    weir_loop *loop;
    crowd.servers = calloc(crowd.wanted, sizeof(weir_session *));
    crowd.clients = calloc(crowd.wanted, sizeof(weir_session *));
    if (crowd.servers == NULL || crowd.clients == NULL || weir_loop_new(&loop, NULL) != WEIR_OK)
        return 1;
    size_t before_kib = memory_kib(getpid(), "VmRSS:");
    int status = weir_loop_run(loop, "crowd", run, &crowd);
    printf("in memory: %zu sessions, %.2f %% of a core with both ends, %zu pings answered within "
           "%" PRIu64 " ms, %zu bytes each with both ends and their stream: %s\n",
           crowd.opened, crowd.cpu * 100, crowd.answered, crowd.interval_ms,
           crowd.opened > 0 ? (crowd.memory_kib - before_kib) * 1024 / crowd.opened : 0,
           weir_strerror(status));
    weir_loop_free(loop);
    free(crowd.servers);
    free(crowd.clients);
    return status == WEIR_OK && crowd.answered == crowd.wanted ? 0 : 1;
}
