/* weir bench: the phases of a run. */
#ifndef WEIR_CLI_BENCH_RUN_H
#define WEIR_CLI_BENCH_RUN_H

#include "bench_state.h"

/* Opens all connections, lets the clock run, closes them. Returns an exit status. */
int bench_run_all(bench_run *run);

#endif
