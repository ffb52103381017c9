#include "rt/sim_random.h"

#include <string.h>

/* A Weyl sequence (the state steps by an odd constant, so its period is 2^64), whitened by a mix of
 * shifts and odd multipliers. */

#define STEP UINT64_C(0x9e3779b97f4a7c15)

uint64_t weir__dice_mix(uint64_t word)
{
    word ^= word >> 32;
    word *= UINT64_C(0xd6e8feb86659fd93);
    word ^= word >> 29;
    word *= UINT64_C(0xcf1bbcdcb7a56463);
    word ^= word >> 32;
    return word;
}

void weir__dice_init(struct weir__dice *dice, uint64_t seed, uint64_t purpose)
{
    dice->state = weir__dice_mix(seed + STEP) ^ weir__dice_mix(~purpose);
}

uint64_t weir__dice_next(struct weir__dice *dice)
{
    dice->state += STEP;
    return weir__dice_mix(dice->state);
}

uint64_t weir__dice_between(struct weir__dice *dice, uint64_t low, uint64_t high)
{
    uint64_t span = high - low;
    if (span == 0)
        return low;
    return low + weir__dice_next(dice) % (span + 1);
}

bool weir__dice_chance(struct weir__dice *dice, uint32_t ppm)
{
    return ppm != 0 && weir__dice_next(dice) % 1000000 < ppm;
}

void weir__dice_fill(struct weir__dice *dice, void *out, size_t size)
{
    uint8_t *at = out;
    while (size > 0) {
        uint64_t word = weir__dice_next(dice);
        size_t part = size < sizeof word ? size : sizeof word;
        memcpy(at, &word, part);
        at += part;
        size -= part;
    }
}
