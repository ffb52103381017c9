/* ctest: timeout=120 loops once */
/* 10,000 connections that never finish their opening handshake, beside 100 working sessions. These
 * go on as before, also while all the others are dropped at once at their deadline, and new
 * connections are accepted. The server is in another process. */
#include "support/victim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WORKERS     100
#define HALF_OPEN   10000
#define ROUNDS      100 /* of all workers, for one figure */
#define TRIES       3
#define EVERY       500 /* half-open ones: a round of all workers */
#define DEADLINE_MS 8000

/* A half-open connection costs its pending connection and its bytes. Beside that, there is what
 * many at once need for a moment. */
#define EACH_MAX   ((size_t)2048)
#define BESIDE_MAX ((size_t)16 * 1024 * 1024)

static int workers[WORKERS];
static int half_open[HALF_OPEN];

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* Every worker asks and is answered, one after the other. */
static void work(uint64_t *took_us)
{
    for (int i = 0; i < WORKERS; i++) {
        uint64_t start = now_us();
        attacker_expect_echo(workers[i], "a round trip");
        took_us[i] = now_us() - start;
    }
}

struct figures {
    uint64_t p99_us;
    uint64_t max_us;
};

static struct figures report(const char *when, uint64_t *took_us, size_t count)
{
    qsort(took_us, count, sizeof *took_us, compare);
    uint64_t p99 = took_us[count * 99 / 100];
    print_message("%-36s %6zu round trips: median %4llu us, p99 %5llu us, max %6llu us\n", when,
                  count, (unsigned long long)took_us[count / 2], (unsigned long long)p99,
                  (unsigned long long)took_us[count - 1]);
    return (struct figures){p99, took_us[count - 1]};
}

/* The bound while thousands come or go at once, with room for a busy machine. */
static void expect_alive(struct figures figures)
{
    assert_in_range(figures.p99_us, 0, 1000000);
    assert_in_range(figures.max_us, 0, 10000000);
}

static uint64_t work_for_a_while(const char *when)
{
    static uint64_t took_us[ROUNDS * WORKERS];
    for (int i = 0; i < ROUNDS; i++)
        work(&took_us[i * WORKERS]);
    return report(when, took_us, ROUNDS * WORKERS).p99_us;
}

/* One of a few tries has to be about as good as without the half-open connections. A busy machine
 * can disturb some tries; the half-open connections would disturb all of them. */
static void expect_undisturbed(const char *when, uint64_t alone_us)
{
    uint64_t limit_us = alone_us * 20 > 50000 ? alone_us * 20 : 50000;
    for (int i = 0; i < TRIES; i++)
        if (work_for_a_while(when) <= limit_us)
            return;
    fail_msg("%s: a p99 over %llu us, %d times", when, (unsigned long long)limit_us, TRIES);
}

/* Some send nothing, some half of a request, some all of it except the last byte. */
static void begin(const struct victim *victim, int i)
{
    size_t whole = strlen(attacker_request);
    size_t sizes[] = {0, whole / 2, whole - 1};
    half_open[i] = attacker_connect(victim);
    attacker_send(half_open[i], attacker_request, sizes[i % 3]);
}

static void begin_all(const struct victim *victim)
{
    static uint64_t took_us[HALF_OPEN / EVERY * WORKERS];
    for (int i = 0; i < HALF_OPEN; i++) {
        begin(victim, i);
        if (i % EVERY == EVERY - 1)
            work(&took_us[i / EVERY * WORKERS]);
    }
    expect_alive(report("while they come", took_us, sizeof took_us / sizeof *took_us));
}

static void work_until_they_are_dropped(const struct victim *victim, size_t descriptors)
{
    static uint64_t took_us[2000 * WORKERS];
    size_t count = 0;
    uint64_t cpu_ms = victim_cpu_ms(victim);
    do {
        work(took_us + count * WORKERS);
        count++;
    } while (victim_descriptors(victim) > descriptors && count < 2000);
    assert_soon(victim_descriptors(victim) == descriptors);
    expect_alive(report("until they are dropped", took_us, count * WORKERS));
    cpu_ms = victim_cpu_ms(victim) - cpu_ms;
    print_message("%llu ms of processor time for that\n", (unsigned long long)cpu_ms);
    assert_in_range(cpu_ms, 0, 3000); /* what grows with the square of their number takes more */
}

static bool may_open(rlim_t files)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max >= files;
}

static void half_open_handshakes_do_not_disturb_sessions(void **state)
{
    struct victim victim;
    (void)state;
    victim_start(&victim,
                 &(weir_serve_options){.handler = victim_echo, .handshake_timeout_ms = DEADLINE_MS},
                 0);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = attacker_open(&victim);
    uint64_t alone_us = work_for_a_while("alone");
    size_t descriptors = victim_descriptors(&victim);
    size_t resident_kib = victim_resident_kib(&victim);
    victim_mark(&victim);

    begin_all(&victim);
    size_t open = victim_descriptors(&victim) - descriptors;
    print_message("%zu half open at once\n", open);
    assert_int_equal(open, HALF_OPEN);
    expect_undisturbed("beside them", alone_us);
    work_until_they_are_dropped(&victim, descriptors);
    print_message("%zu KiB more allocated at most, resident %zu KiB before, %zu KiB now\n",
                  victim_growth(&victim) / 1024, resident_kib, victim_resident_kib(&victim));
    assert_in_range(victim_growth(&victim), 0, HALF_OPEN * EACH_MAX + BESIDE_MAX);

    int late = attacker_open(&victim);
    attacker_expect_echo(late, "let in");
    expect_undisturbed("alone again", alone_us);
    close(late);
    for (int i = 0; i < HALF_OPEN; i++)
        close(half_open[i]);
    for (int i = 0; i < WORKERS; i++)
        close(workers[i]);
    victim_stop(&victim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_open_handshakes_do_not_disturb_sessions),
    };
    if (!may_open(HALF_OPEN + WORKERS + 100)) {
        puts("skipped: a process may not open 10,200 files here");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
