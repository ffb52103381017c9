/* tests/support/seeds.h - which seeds a simulated world is run for, by the environment, and how a run says what it has seen. */
#ifndef WEIR_TESTS_SEEDS_H
#define WEIR_TESTS_SEEDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

static inline uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static inline void say(const char *what, uint64_t count)
{
    print_message("%llu %s\n", (unsigned long long)count, what);
}

#endif
