/* ctest: loops */
/* A server that may open no more files: sessions go on, it does not spin, and waiting connections
 * are accepted once there is room. */
#include "support/victim.h"

#include <unistd.h>

#define DESCRIPTORS 64
#define WORKERS     10
#define CROWD       200 /* connections to a server that can take about 50 of them */
#define WATCHED_MS  1000

static void expect_all_work(const int *workers)
{
    for (int i = 0; i < WORKERS; i++)
        attacker_expect_echo(workers[i], "as before");
}

static void out_of_descriptors_it_serves_on_and_recovers(void **state)
{
    static int crowd[CROWD];
    int workers[WORKERS];
    struct victim victim;
    (void)state;
    victim_start(&victim,
                 &(weir_serve_options){.handler = victim_echo, .handshake_timeout_ms = 60000},
                 DESCRIPTORS);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = attacker_open(&victim);
    size_t before = victim_descriptors(&victim);
    for (int i = 0; i < CROWD; i++)
        crowd[i] = attacker_connect(&victim);
    assert_soon(victim_descriptors(&victim) == DESCRIPTORS);
    expect_all_work(workers);

    uint64_t cpu_ms = victim_cpu_ms(&victim);
    attacker_sleep_ms(WATCHED_MS);
    cpu_ms = victim_cpu_ms(&victim) - cpu_ms;
    print_message("%llu ms of processor time in %d ms without descriptors\n",
                  (unsigned long long)cpu_ms, WATCHED_MS);
    assert_in_range(cpu_ms, 0, WATCHED_MS / 4);
    expect_all_work(workers);

    /* The accepted ones end, and the others are accepted in their place, one batch after the
     * other. */
    for (int i = 0; i < CROWD - 10; i++)
        close(crowd[i]);
    for (int i = CROWD - 10; i < CROWD; i++) {
        attacker_finish_opening(crowd[i]);
        attacker_expect_echo(crowd[i], "at last");
    }
    int late = attacker_open(&victim);
    attacker_expect_echo(late, "and more");
    expect_all_work(workers);
    close(late);
    for (int i = CROWD - 10; i < CROWD; i++)
        close(crowd[i]);
    assert_soon(victim_descriptors(&victim) == before);
    for (int i = 0; i < WORKERS; i++)
        close(workers[i]);
    victim_stop(&victim);
}

/* A session that ends is enough. */
static void one_descriptor_that_comes_free_lets_one_in(void **state)
{
    static int crowd[DESCRIPTORS];
    struct victim victim;
    int count = 0;
    (void)state;
    victim_start(&victim, &(weir_serve_options){.handler = victim_echo}, DESCRIPTORS);
    while (victim_descriptors(&victim) < DESCRIPTORS)
        crowd[count++] = attacker_open(&victim);
    int waiting = attacker_connect(&victim);
    attacker_expect_echo(crowd[0], "still here");
    close(crowd[--count]);
    attacker_finish_opening(waiting);
    attacker_expect_echo(waiting, "in its place");
    close(waiting);
    while (count > 0)
        close(crowd[--count]);
    victim_stop(&victim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_of_descriptors_it_serves_on_and_recovers),
        cmocka_unit_test(one_descriptor_that_comes_free_lets_one_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
