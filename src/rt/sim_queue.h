/* rt/sim_queue.h - the bytes under way in one direction of a simulated connection, and those that
 * have arrived and wait to be read. */
#ifndef WEIR_RT_SIM_QUEUE_H
#define WEIR_RT_SIM_QUEUE_H

#include <weir/loop.h>

#include <sys/uio.h>

/* Bytes that arrive together. A segment that comes sooner than the one before it waits for it. */
struct weir__sim_segment;

struct weir__sim_queue {
    struct weir__sim_segment *first;
    struct weir__sim_segment *last;
    size_t held; /* bytes in all segments */
};

/* Appends the first size bytes of the pieces (there are at least that many). Errors: WEIR_ENOMEM
 * (nothing appended). */
WEIR_MUST_USE int weir__sim_queue_put(struct weir__sim_queue *queue, weir_loop *loop,
                                      const struct iovec *pieces, size_t size, uint64_t due_ms);

/* How many bytes have arrived by now_ms, counted up to most. */
size_t weir__sim_queue_ready(const struct weir__sim_queue *queue, uint64_t now_ms, size_t most);

/* Takes size bytes, which are there, off the front. */
void weir__sim_queue_take(struct weir__sim_queue *queue, weir_loop *loop, uint8_t *out,
                          size_t size);

/* When the first byte arrives or has arrived; UINT64_MAX: the queue is empty. */
uint64_t weir__sim_queue_first_due(const struct weir__sim_queue *queue);

/* Drops everything. */
void weir__sim_queue_clear(struct weir__sim_queue *queue, weir_loop *loop);

#endif
