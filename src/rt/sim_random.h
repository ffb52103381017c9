/* rt/sim_random.h - the simulated world's dice: a small generator of 64 bits of state, one for each
 * purpose, so that what one purpose draws never shifts what another gets. Not for secrets. */
#ifndef WEIR_RT_SIM_RANDOM_H
#define WEIR_RT_SIM_RANDOM_H

#include <weir/base.h>

struct weir__dice {
    uint64_t state;
};

/* Dice of one world and one purpose. Equal arguments give equal draws. */
void weir__dice_init(struct weir__dice *dice, uint64_t seed, uint64_t purpose);

/* 64 random bits. */
uint64_t weir__dice_next(struct weir__dice *dice);

/* Uniform in low..high, both included; low <= high, and not the whole range of 64 bits. Draws
 * nothing when they are equal. */
uint64_t weir__dice_between(struct weir__dice *dice, uint64_t low, uint64_t high);

/* True with a chance of ppm in a million; draws nothing when ppm is 0. */
bool weir__dice_chance(struct weir__dice *dice, uint32_t ppm);

/* Fills out with random bytes. */
void weir__dice_fill(struct weir__dice *dice, void *out, size_t size);

/* A strong mix of 64 bits: a bijection in which each input bit moves about half of the output. */
uint64_t weir__dice_mix(uint64_t word);

#endif
