/* weir bench: what was measured, for people and for programs. */
#ifndef WEIR_CLI_BENCH_REPORT_H
#define WEIR_CLI_BENCH_REPORT_H

#include "bench_state.h"

/* Prints some lines of text. */
void bench_report(const bench_run *run);

/* Prints one line of JSON. */
void bench_report_json(const bench_run *run);

#endif
