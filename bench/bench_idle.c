/* bench/bench_idle.c - what does an idle session cost? Opens many sessions to a `weir echo` in a
 * process of its own, measures that process's resident memory, and then has each session echo a
 * message. Exits 1 when one does not answer, or when memory is over the given limit.
 *
 *     bench_idle [SESSIONS [BYTES_MAX [ARGUMENTS OF weir echo...]]]      default: 15000, 0 (no
 * limit) */
#include "echo_process.h"

#include <weir/client.h>

struct plan {
    const struct echo_process *server;
    size_t wanted;
    size_t opened;
    size_t answered;
    size_t before_kib;
    size_t idle_kib;
    weir_session **sessions;
};

static int open_all(struct plan *plan)
{
    weir_connect_options options = {.url = plan->server->url,
                                    .session.ping_interval_ms = WEIR_UNLIMITED};
    for (plan->opened = 0; plan->opened < plan->wanted; plan->opened++) {
        int status =
            weir_client_open(&plan->sessions[plan->opened], weir_scope_current(), &options);
        if (status == WEIR_OK)
            continue;
        fprintf(stderr, "stopped at %zu sessions by: %s\n", plan->opened, weir_strerror(status));
        break;
    }
    return WEIR_OK;
}

static int ask_all(struct plan *plan)
{
    weir_frame frame;
    for (size_t i = 0; i < plan->opened; i++)
        if (weir_send_text(plan->sessions[i], "still there?") != WEIR_OK)
            return WEIR_ELOST;
    for (size_t i = 0; i < plan->opened; i++)
        if (weir_receive_message(plan->sessions[i], &frame) == WEIR_OK) {
            plan->answered += strcmp((const char *)frame.data, "still there?") == 0;
            weir_frame_release(&frame);
        }
    return WEIR_OK;
}

static int run(void *arg)
{
    struct plan *plan = arg;
    plan->before_kib = memory_kib(plan->server->pid, "VmRSS:");
    int status = open_all(plan);
    if (status == WEIR_OK)
        status = weir_sleep(300);
    plan->idle_kib = memory_kib(plan->server->pid, "VmRSS:");
    if (status == WEIR_OK)
        status = ask_all(plan);
    for (size_t i = 0; i < plan->opened; i++)
        weir_session_free(plan->sessions[i]);
    return status;
}

int main(int argc, char **argv)
{
    static const char *const none[] = {NULL};
    struct plan plan = {.wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 15000};
    size_t most = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    weir_loop *loop;
    size_t files = raise_file_limit();
    if (plan.wanted + 100 > files)
        fprintf(stderr,
                "a process may open %zu files: fewer sessions than asked for are possible\n",
                files);
    struct echo_process server = start_echo(argc > 3 ? (const char *const *)argv + 3 : none);
    plan.server = &server;
    plan.sessions = calloc(plan.wanted, sizeof(weir_session *));
    if (plan.sessions == NULL || weir_loop_new(&loop, NULL) != WEIR_OK)
        return 1;
    int status = weir_loop_run(loop, "idle", run, &plan);
    size_t bytes = plan.opened == 0 ? 0 : (plan.idle_kib - plan.before_kib) * 1024 / plan.opened;
    printf("idle sessions: %zu open, %zu answered; server: %zu KiB before, %zu KiB with them: "
           "%zu bytes each (%s)\n",
           plan.opened, plan.answered, plan.before_kib, plan.idle_kib, bytes,
           weir_loop_backend_name(loop));
    weir_loop_free(loop);
    free(plan.sessions);
    stop_echo(&server);
    bool good = status == WEIR_OK && plan.opened == plan.wanted && plan.answered == plan.opened;
    return good && (most == 0 || bytes <= most) ? 0 : 1;
}
