#include "bench_run.h"

#include "bench_open.h"
#include "bench_traffic.h"
#include "bench_turn.h"

#define OPENING_MAX 64    /* at once, so that the listener's queue does not overflow */
#define PAUSE_MS    200   /* between the last first message and the clock's start */
#define SILENCE_MS  10000 /* without progress: the server does not answer */
#define MILLISECOND UINT64_C(1000000)
#define TURN_NS     (100 * MILLISECOND)

/* Fails the run when the server has made no progress for SILENCE_MS. */
static bool is_answering(bench_run *run, uint64_t progress, uint64_t *seen, uint64_t *since_ns)
{
    if (progress != *seen) {
        *seen = progress;
        *since_ns = run->now_ns;
    }
    if (run->now_ns - *since_ns > SILENCE_MS * MILLISECOND)
        bench_fail(run, CLI_EXIT_ABNORMAL, "the server does not answer");
    return run->failed == 0;
}

/* Every connection gets its first message back before anything is measured. */
static void open_all(bench_run *run)
{
    uint64_t since_ns = run->now_ns = bench_now_ns();
    uint64_t seen = 0;
    while (run->failed == 0 && (run->opened < run->connection_count || run->opening > 0)) {
        while (run->opened < run->connection_count && run->opening < OPENING_MAX &&
               run->failed == 0)
            bench_connect(run, &run->connections[run->opened++]);
        bench_turn(run, run->now_ns + TURN_NS);
        (void)is_answering(run, run->opened - run->opening, &seen, &since_ns);
    }
}

static void pause_before_clock(bench_run *run)
{
    uint64_t end_ns = run->now_ns + PAUSE_MS * MILLISECOND;
    while (run->failed == 0 && run->now_ns < end_ns)
        bench_turn(run, end_ns);
}

static void measure_server(bench_run *run, bench_usage *out)
{
    if (run->pid != 0 && !bench_usage_of(run->pid, out))
        bench_fail(run, CLI_EXIT_FAILED, "there is no process %llu to measure",
                   (unsigned long long)run->pid);
}

static void start_load(bench_run *run, bench_load *load)
{
    load->next_ns = run->now_ns;
    for (size_t i = 0; i < load->connection_count && run->failed == 0; i++) {
        bench_connection *connection = &run->connections[load->first + i];
        if (run->handshakes)
            bench_connect_next(run, connection);
        else
            bench_send(run, connection);
    }
}

static void let_the_clock_run(bench_run *run)
{
    const bench_load *load = &run->loads[BENCH_MEASURED];
    measure_server(run, &run->start);
    uint64_t thread_ns = bench_thread_ns();
    uint64_t looking_ns = run->looking_ns;
    uint64_t since_ns = run->start_ns = run->now_ns = bench_now_ns();
    uint64_t seen = 0;
    uint64_t end_ns = run->start_ns + run->seconds * 1000 * MILLISECOND;
    run->measuring = true;
    for (size_t i = 0; i < BENCH_LOADS; i++)
        start_load(run, &run->loads[i]);
    while (run->failed == 0 && run->now_ns < end_ns && load->answered < load->quota) {
        uint64_t until_ns = run->now_ns + TURN_NS;
        bench_turn(run, until_ns < end_ns ? until_ns : end_ns);
        if (load->connection_count > 0 && load->rate == 0)
            (void)is_answering(run, load->answered, &seen, &since_ns);
    }
    run->measuring = false;
    run->end_ns = run->now_ns;
    thread_ns = bench_thread_ns() - thread_ns;
    looking_ns = run->looking_ns - looking_ns;
    run->busy_ns = thread_ns > looking_ns ? thread_ns - looking_ns : 0;
    measure_server(run, &run->end);
}

int bench_run_all(bench_run *run)
{
    measure_server(run, &run->before);
    if (run->failed != 0)
        return run->failed;
    if (bench_state_init(run)) {
        if (!run->handshakes) {
            open_all(run);
            pause_before_clock(run);
        }
        measure_server(run, &run->open);
        if (run->failed == 0)
            let_the_clock_run(run);
    }
    bench_state_fini(run);
    return run->failed;
}
