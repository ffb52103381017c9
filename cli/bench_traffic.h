/* weir bench: messages out, answers in, on connections that are open. */
#ifndef WEIR_CLI_BENCH_TRAFFIC_H
#define WEIR_CLI_BENCH_TRAFFIC_H

#include "bench_state.h"

/* Sends as many messages as depth and quota allow, and what was left unsent. */
void bench_send(bench_run *run, bench_connection *connection);

/* Takes bytes that came. The state is BENCH_CLOSED afterwards when they completed a handshake. */
void bench_take(bench_run *run, bench_connection *connection, uint8_t *data, size_t size);

/* Sends the messages that are due by the rate. */
void bench_pace(bench_run *run, bench_load *load);

#endif
