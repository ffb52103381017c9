/* weir bench: clocks, durations, and what another process uses. */
#ifndef WEIR_CLI_BENCH_METER_H
#define WEIR_CLI_BENCH_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t bench_now_ns(void);

/* Processor time of the calling thread. */
uint64_t bench_thread_ns(void);

/* Durations in nanoseconds. Each is kept to within 1.6 %. */
#define BENCH_HISTOGRAM_STEPS 64 /* a power of two is split into so many */
typedef struct bench_histogram {
    uint64_t counts[64 * BENCH_HISTOGRAM_STEPS];
    uint64_t total;
    uint64_t largest_ns;
} bench_histogram;

void bench_histogram_add(bench_histogram *histogram, uint64_t ns);

/* The duration in microseconds that share (0..1) of all do not exceed. 0: there is none. */
double bench_histogram_quantile_us(const bench_histogram *histogram, double share);

/* What a process has used so far. */
typedef struct bench_usage {
    uint64_t cpu_ns;   /* exact, all its threads */
    uint64_t user_ns;  /* counted by the kernel in ticks of 10 ms */
    size_t memory_kib; /* in RAM */
} bench_usage;

/* False: there is no such process. */
bool bench_usage_of(uint64_t pid, bench_usage *out);

#endif
