#include "bench_meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_thread_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* Each duration below 64 ns has a place of its own. From 64 ns on, the highest bit and the six bits
 * below it choose the place. */
static size_t place_of(uint64_t ns)
{
    if (ns < BENCH_HISTOGRAM_STEPS)
        return (size_t)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - 6u;
    return (size_t)(shift + 1) * BENCH_HISTOGRAM_STEPS +
           (size_t)((ns >> shift) & (BENCH_HISTOGRAM_STEPS - 1));
}

/* The middle of the durations that share a place. */
static double value_of(size_t place)
{
    if (place < BENCH_HISTOGRAM_STEPS)
        return (double)place;
    unsigned shift = (unsigned)(place / BENCH_HISTOGRAM_STEPS) - 1;
    uint64_t low = (BENCH_HISTOGRAM_STEPS + place % BENCH_HISTOGRAM_STEPS) << shift;
    return (double)low + (double)(UINT64_C(1) << shift) / 2;
}

void bench_histogram_add(bench_histogram *histogram, uint64_t ns)
{
    histogram->counts[place_of(ns)]++;
    histogram->total++;
    if (ns > histogram->largest_ns)
        histogram->largest_ns = ns;
}

double bench_histogram_quantile_us(const bench_histogram *histogram, double share)
{
    double wanted = share * (double)histogram->total;
    uint64_t passed = 0;
    for (size_t i = 0; i < sizeof histogram->counts / sizeof *histogram->counts; i++) {
        passed += histogram->counts[i];
        if (passed > 0 && (double)passed >= wanted)
            return value_of(i) / 1000;
    }
    return 0;
}

/* Reads a number of /proc/PID/NAME: field counts from 0, and starts behind the process's name in
 * parentheses if the file has one. */
static bool read_field(uint64_t pid, const char *name, int field, uint64_t *out)
{
    char path[64];
    char line[1024] = "";
    (void)snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)pid, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool good = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    char *at = strrchr(line, ')');
    char *word = strtok_r(at != NULL ? at + 1 : line, " \n", &at);
    for (int i = 0; i < field && word != NULL; i++)
        word = strtok_r(NULL, " \n", &at);
    if (!good || word == NULL)
        return false;
    *out = strtoull(word, NULL, 10);
    return true;
}

bool bench_usage_of(uint64_t pid, bench_usage *out)
{
    clockid_t clock;
    uint64_t ticks;
    uint64_t pages;
    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || !read_field(pid, "stat", 11, &ticks) ||
        !read_field(pid, "statm", 1, &pages))
        return false;
    out->cpu_ns = read_clock(clock);
    out->user_ns = ticks * UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
    out->memory_kib = (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
    return true;
}
