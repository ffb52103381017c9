/* bench/measure.h - contests: several ways are measured in turns, round by round, so that a change
 * of the machine's speed affects all of them. The first one is the yardstick. */
#ifndef WEIR_BENCH_MEASURE_H
#define WEIR_BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MEASURE_ROUNDS 201

struct contestant {
    const char *name;
    void (*run)(void *context, size_t count); /* does it count times */
    void *context;
    size_t count; /* calls a round: about 100 us, enough for the clock */
    double bar;   /* the median must not be above it; 0: none */
    double samples[MEASURE_ROUNDS];
    double ratio; /* the median of its time divided by the yardstick's in the same round */
};

static inline uint64_t measure_now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline int measure_compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static inline double measure_median(const struct contestant *one)
{
    return one->samples[MEASURE_ROUNDS / 2];
}

static inline void measure_sort(double samples[MEASURE_ROUNDS])
{
    qsort(samples, MEASURE_ROUNDS, sizeof *samples, measure_compare);
}

static inline void measure_print(const struct contestant *one)
{
    double median = measure_median(one);
    printf("%-44s ns  n=%-4d median %9.2f  p99 %9.2f  ratio %6.3f", one->name, MEASURE_ROUNDS,
           median, one->samples[MEASURE_ROUNDS * 99 / 100], one->ratio);
    if (one->bar > 0)
        printf("  bar %g: %s", one->bar, median <= one->bar ? "held" : "missed");
    printf("\n");
}

/* Measures all contestants. Their samples are nanoseconds a call, and are sorted afterwards. */
static inline void measure_rounds(struct contestant *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        all[i].run(all[i].context, all[i].count);
    for (size_t round = 0; round < MEASURE_ROUNDS; round++)
        for (size_t i = 0; i < count; i++) {
            uint64_t start_ns = measure_now_ns();
            all[i].run(all[i].context, all[i].count);
            all[i].samples[round] = (double)(measure_now_ns() - start_ns) / (double)all[i].count;
        }
    for (size_t i = count; i-- > 0;) { /* the yardstick is sorted last */
        double ratios[MEASURE_ROUNDS];
        for (size_t round = 0; round < MEASURE_ROUNDS; round++)
            ratios[round] = all[i].samples[round] / all[0].samples[round];
        measure_sort(ratios);
        all[i].ratio = ratios[MEASURE_ROUNDS / 2];
        measure_sort(all[i].samples);
    }
}

static inline void measure_contest(struct contestant *all, size_t count)
{
    measure_rounds(all, count);
    for (size_t i = 0; i < count; i++)
        measure_print(&all[i]);
}

#endif
