/* weir bench: from a socket to a connection that can send messages. */
#ifndef WEIR_CLI_BENCH_OPEN_H
#define WEIR_CLI_BENCH_OPEN_H

#include "bench_state.h"

/* Finds the server's address. Returns false after a complaint. */
bool bench_resolve(bench_run *run);

/* Begins to connect: the state is BENCH_CONNECTING. */
void bench_connect(bench_run *run, bench_connection *connection);

/* The same for one more handshake of the load's quota. Does nothing once that is used up. */
void bench_connect_next(bench_run *run, bench_connection *connection);

/* The socket is connected, or has failed. The state becomes BENCH_OPEN if no answer has to come
 * first, otherwise BENCH_UPGRADING. */
void bench_connected(bench_run *run, bench_connection *connection);

/* Takes the answer to the request. Once it is whole, the state is BENCH_OPEN. Returns how many
 * bytes follow the answer, and *data is then where they are. */
size_t bench_upgrade(bench_run *run, bench_connection *connection, uint8_t **data, size_t size);

#endif
