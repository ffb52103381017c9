/* bench/bench_stream.c - one message of many GiB through `weir echo --stream --max-message none`.
 * How fast, and in how much memory at either end? Exits 1 when a byte differs, or when the server's
 * peak is over the given limit.
 *
 *     bench_stream [MIB [PEAK_KIB_MAX [ARGUMENTS OF weir echo...]]]
 *
 * The defaults are 4096 and 0 (no limit). */
#include "echo_process.h"

#include <time.h>
#include <weir/client.h>

#define PIECE ((size_t)256 * 1024)

struct plan {
    const struct echo_process *server;
    weir_session *session;
    uint64_t size;
    uint64_t received;
    bool differs;
    size_t peak_kib;
};

/* Byte number `at` of the message. */
static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at % 251);
}

static int send_all(void *arg)
{
    struct plan *plan = arg;
    weir_message message;
    /* The pattern repeats every 251 bytes, so any piece of it can be taken from this array. */
    uint8_t *pattern = malloc(PIECE + 251);
    if (pattern == NULL)
        return WEIR_ENOMEM;
    for (size_t i = 0; i < PIECE + 251; i++)
        pattern[i] = byte_at(i);
    int status = weir_message_begin(&message, plan->session, WEIR_FRAME_BINARY);
    for (uint64_t at = 0; status == WEIR_OK && at < plan->size; at += PIECE) {
        uint64_t rest = plan->size - at;
        status =
            weir_message_write(&message, pattern + at % 251, rest < PIECE ? (size_t)rest : PIECE);
    }
    if (status == WEIR_OK)
        status = weir_message_end(&message);
    free(pattern);
    return status;
}

static void check(struct plan *plan, const weir_frame *frame)
{
    for (size_t i = 0; i < frame->size; i += 61) /* each place of the pattern is met */
        if (frame->data[i] != byte_at(plan->received + i))
            plan->differs = true;
    plan->received += frame->size;
}

static int run(void *arg)
{
    struct plan *plan = arg;
    weir_scope scope;
    weir_frame frame;
    weir_connect_options options = {
        .url = plan->server->url,
        /* No pings: while both ends have megabytes in the kernel, TCP itself may stall on a busy
         * machine for longer than a pong may take. */
        .session = {.ping_interval_ms = WEIR_UNLIMITED,
                    .pieces = true,
                    .max_message_size = WEIR_UNLIMITED}};
    int status = weir_client_open(&plan->session, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return status;
    status = weir_scope_open(&scope);
    if (status == WEIR_OK) {
        status = weir_go(&scope, "sender", send_all, plan);
        bool last = false;
        while (status == WEIR_OK && !last &&
               (status = weir_receive(plan->session, &frame)) == WEIR_OK) {
            check(plan, &frame);
            last = frame.fin;
            weir_frame_release(&frame);
        }
        int joined = weir_scope_join(&scope);
        status = status == WEIR_OK ? joined : status;
    }
    plan->peak_kib = memory_kib(plan->server->pid, "VmHWM:");
    weir_session_free(plan->session);
    return status;
}

int main(int argc, char **argv)
{
    static const char *const plain[] = {"--stream",        "--max-message", "none",
                                        "--ping-interval", "none",          NULL};
    struct plan plan = {.size = (argc > 1 ? strtoull(argv[1], NULL, 10) : 4096) << 20};
    size_t most_kib = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct timespec start;
    struct timespec end;
    weir_loop *loop;
    struct echo_process server = start_echo(argc > 3 ? (const char *const *)argv + 3 : plain);
    plan.server = &server;
    if (weir_loop_new(&loop, NULL) != WEIR_OK)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int status = weir_loop_run(loop, "stream", run, &plan);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("stream: %llu MiB there and back in %.1f s, %.0f MiB/s; server's peak %zu KiB, own peak "
           "%zu KiB (%s): %s\n",
           (unsigned long long)(plan.received >> 20), seconds,
           (double)(plan.received >> 20) / seconds, plan.peak_kib, memory_kib(getpid(), "VmHWM:"),
           weir_loop_backend_name(loop), plan.differs ? "BYTES DIFFER" : weir_strerror(status));
    weir_loop_free(loop);
    stop_echo(&server);
    bool good = status == WEIR_OK && !plan.differs && plan.received == plan.size;
    return good && (most_kib == 0 || plan.peak_kib <= most_kib) ? 0 : 1;
}
