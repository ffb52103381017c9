/* rt/random.h - unpredictable bytes from the kernel's generator, fetched many at a time: masking
 * keys are four bytes each. What was handed out is wiped here. Not safe across fork().
 * Single-threaded. */
#ifndef WEIR_RT_RANDOM_H
#define WEIR_RT_RANDOM_H

#include <weir/base.h>

#define WEIR__RANDOM_SIZE 256 /* the kernel never cuts a request of up to 256 bytes short */

struct weir__random {
    size_t left; /* unused bytes: the last ones of the array */
    uint8_t bytes[WEIR__RANDOM_SIZE];
};

/* Fills the store: proves that the generator works. Errors: WEIR_SYSTEM(...). */
WEIR_MUST_USE int weir__random_init(struct weir__random *random);

/* Tries again until it has them: after a successful init the generator cannot fail for good. */
void weir__random_fill(struct weir__random *random, void *out, size_t size);

#endif
