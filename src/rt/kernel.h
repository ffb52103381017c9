/* rt/kernel.h - what the back-ends over the kernel (epoll, io_uring) have in common: waking, clock,
 * random bytes, and what a socket does by itself. Single-threaded, but for weir__kernel_wake(). */
#ifndef WEIR_RT_KERNEL_H
#define WEIR_RT_KERNEL_H

#include "rt/backend.h"
#include "rt/random.h"

#include <stdatomic.h>

/* Stands first in the state of such a back-end. */
struct weir__kernel {
    int wake_fd;       /* to be polled edge-triggered, so that it never has to be read; -1: none */
    atomic_bool woken; /* it was written to, and the loop has not come to it yet */
    struct weir__random random;
};

/* Errors: WEIR_SYSTEM(...); to be released by weir__kernel_fini() then, too. */
WEIR_MUST_USE int weir__kernel_init(struct weir__kernel *kernel);
void weir__kernel_fini(struct weir__kernel *kernel);

/* The loop has come to wake_fd: the next wake-up writes to it again. */
static inline void weir__kernel_clear_wake(struct weir__kernel *kernel)
{
    atomic_store(&kernel->woken, false);
}

/* Of the table of a loop. */
void weir__kernel_wake(weir_loop *loop);
uint64_t weir__kernel_clock_ms(weir_loop *loop);
void weir__kernel_random(weir_loop *loop, void *out, size_t size);
void weir__kernel_drop(weir_loop *loop, struct weir__accepted *accepted);

/* Of the table of a socket. */
WEIR_MUST_USE int weir__kernel_address(weir__io *io, bool peer, struct sockaddr_storage *address,
                                       socklen_t *size);
WEIR_MUST_USE int weir__kernel_keep_alive(weir__io *io, unsigned idle_s, unsigned interval_s);

#endif
