/* weir bench: waits for events and acts on them. */
#ifndef WEIR_CLI_BENCH_TURN_H
#define WEIR_CLI_BENCH_TURN_H

#include "bench_state.h"

/* Waits for events until until_ns at most, and acts on all that are there. */
void bench_turn(bench_run *run, uint64_t until_ns);

#endif
