/** @file
 * weir/sim.h - the simulated world: a deterministic network and clock in one process, driven by a
 * seed. For tests of weir and of your handlers.
 *
 * A loop of back-end WEIR_BACKEND_SIM has no kernel below it. Its sockets are queues of bytes in
 * memory. Its clock jumps to the next event. Its randomness follows from the seed. All servers and
 * clients of one world live on one loop. The same seed and the same program give the same run. Any
 * address can be used: nothing leaves the process.
 *
 * Time and order:
 * - Connecting takes a round trip.
 * - The order of what happens within one millisecond follows from the seed. The bytes of a
 *   connection stay in order.
 * - The clock stands still while anything is ready to run, but for 1 ms after each 10,000 steps of
 *   work. Without that, two peers that answer each other without latency would keep every timer
 *   waiting for ever.
 * - The clock starts at a time that follows from the seed. Real time is never read. */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H

#include <weir/base.h>
#include <weir/loop.h>

WEIR_BEGIN_DECLS

/** How the world behaves. All zero: a perfect network without latency.
 *
 * Chances are in parts per million, at most 1,000,000, and rolled each time. Times are in
 * milliseconds. These are values and have no default but for socket_buffer: a chance of 0 is never.
 * weir_loop_new() returns WEIR_EINVAL when a field is out of its range. */
typedef struct weir_sim_options {
    uint64_t seed; /**< what everything is drawn from */
    /** Time that bytes take from one end to the other: uniform in min..max. */
    uint32_t latency_min_ms;
    uint32_t latency_max_ms; /**< at least latency_min_ms */
    uint32_t cut_read_ppm; /**< a read gets only a random part of what is there, at least 1 byte */
    /** A write takes only a random part (possibly nothing), at once or some time later. */
    uint32_t cut_write_ppm;
    uint32_t reset_ppm;  /**< a read or write finds the connection reset, at both ends */
    uint32_t refuse_ppm; /**< a connect is refused */
    uint32_t fail_ppm; /**< a system call fails: ENOBUFS, ENOMEM, EMFILE at accept, EINTR inside */
    /** Bytes that a direction holds before its sender has to wait, at most 1 GiB. 0: 65,536. */
    size_t socket_buffer;
} weir_sim_options;

/** Changes the chances and times while the world runs. The seed is ignored. Copies the options.
 * Errors: WEIR_EINVAL: the loop is not simulated, or a field is out of its range. */
WEIR_API WEIR_MUST_USE int weir_sim_set(weir_loop *loop, const weir_sim_options *options);

/** What happened so far: for assertions and for reports. */
typedef struct weir_sim_stats {
    uint64_t steps;       /**< events dispatched */
    uint64_t connections; /**< connections made */
    /** Sockets that are not closed, with listeners and connections that were not accepted. */
    uint64_t open_ends;
    uint64_t faults;       /**< injected: resets, refusals and failed calls together */
    uint64_t resets;       /**< connections reset */
    uint64_t refusals;     /**< connects refused although somebody listened */
    uint64_t failed_calls; /**< system calls failed or interrupted, accepts included */
    uint64_t cuts;         /**< reads and writes cut or made late; these are no faults */
    uint64_t digest;       /**< a hash over all that happened: equal for equal runs */
} weir_sim_stats;

/** Fills *out with what has happened so far. Errors: WEIR_EINVAL: the loop is not simulated. */
WEIR_API WEIR_MUST_USE int weir_sim_stats_get(weir_sim_stats *out, weir_loop *loop);

WEIR_END_DECLS
#endif
