/* tests/support/seeds.h - which seeds a simulated world is run for, and how a run prints what it
 * has seen. WEIR_SEED in the environment is the first seed, and the only one unless WEIR_SEEDS is
 * their number. A failure prints its seed. */
#ifndef WEIR_TESTS_SEEDS_H
#define WEIR_TESTS_SEEDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct seeds {
    uint64_t first;
    uint64_t count;
};

static uint64_t seed_now; /* of the world that is running */

static inline uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static inline struct seeds choose_seeds(uint64_t usual_count)
{
    return (struct seeds){
        .first = number_from_environment("WEIR_SEED", 1),
        .count =
            number_from_environment("WEIR_SEEDS", getenv("WEIR_SEED") != NULL ? 1 : usual_count),
    };
}

static inline void say_seed(int number)
{
    char text[64];
    (void)number;
    int size = snprintf(text, sizeof text, "\nWEIR_SEED=%llu\n", (unsigned long long)seed_now);
    ssize_t written = write(STDERR_FILENO, text, (size_t)size);
    (void)written;
}

/* From here on a failure prints the seed and ends the process. */
static inline void say_seed_on_failure(void)
{
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    signal(SIGABRT, say_seed);
}

static inline void say(const char *what, uint64_t count)
{
    print_message("%llu %s\n", (unsigned long long)count, what);
}

#endif
