/** @file
 * weir/loop.h - the event loop: one a thread, which shares nothing with others.
 *
 * There are three back-ends: io_uring, epoll, and a simulated world (weir/sim.h). The default is
 * io_uring where the kernel allows it, and epoll elsewhere. The environment variable WEIR_LOOP
 * (epoll or io_uring) overrides the default.
 *
 * A loop is made, run and freed on one thread. Only weir_loop_post() may be called from other
 * threads. */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <weir/base.h>
#include <weir/scope.h>

WEIR_BEGIN_DECLS

/** What stands below a loop. */
enum weir_backend {
    WEIR_BACKEND_DEFAULT = 0, /**< $WEIR_LOOP, else io_uring if allowed, else epoll */
    WEIR_BACKEND_EPOLL,
    WEIR_BACKEND_IO_URING,
    WEIR_BACKEND_SIM, /**< a simulated network and clock: needs options.sim */
};

struct weir_sim_options;

/** How a loop is made. Zeroed: all defaults. */
typedef struct weir_loop_options {
    enum weir_backend backend; /**< what stands below the loop */
    /** Bytes of stack of a coroutine, rounded up to pages, at least 16 KiB. 0: 64 KiB. */
    size_t stack_size;
    size_t read_buffer_size;  /**< bytes of a read buffer, 512..16,777,216; 0: 64 KiB */
    weir_allocator allocator; /**< resize NULL: the C library's; stacks are mapped, not allocated */
    const struct weir_sim_options *sim; /**< Borrows; for WEIR_BACKEND_SIM */
} weir_loop_options;

/** Makes a loop for the calling thread. Does not suspend. options NULL: all defaults. The loop is
 * the caller's until weir_loop_free().
 * Errors: WEIR_ENOTSUP: the back-end is not built in, or the kernel refuses it; WEIR_EINVAL;
 * WEIR_ENOMEM; WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_loop_new(weir_loop **out, const weir_loop_options *options);

/** Frees a loop (Takes). First it cancels what still lives in its root scope and runs that to its
 * end, and calls what was posted. NULL is allowed. Must not be called from a coroutine or a
 * callback of that loop. */
WEIR_API void weir_loop_free(weir_loop *loop);

/** Runs run(arg) as a coroutine, and the loop until that coroutine and everything in the root scope
 * has ended. Blocks the thread.
 *
 * Keeps name, for dumps, until the coroutine has ended.
 * Returns what run returned, or the status of the first child of the root scope that failed.
 * Errors besides:
 * - WEIR_EDEADLOCK: all coroutines wait for each other and no event can ever come; they are
 *   cancelled first;
 * - WEIR_ESTATE: called from a coroutine;
 * - WEIR_EINVAL: an argument is NULL; WEIR_ENOMEM. */
WEIR_API int weir_loop_run(weir_loop *loop, const char *name, int (*run)(void *arg), void *arg);

/** The root scope of a loop: it holds everything that is started outside a coroutine. Lends it as
 * long as the loop. */
WEIR_API weir_scope *weir_loop_scope(weir_loop *loop);

/** The loop of the running coroutine or callback. NULL outside. Lends it as long as the loop. */
WEIR_API weir_loop *weir_loop_current(void);

/** Has fn(arg) called on the loop's thread, soon, outside any coroutine. Thread-safe, but not safe
 * in a signal handler. Does not suspend.
 * Errors: WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_loop_post(weir_loop *loop, void (*fn)(void *arg), void *arg);

/** For a foreign loop: a descriptor that is readable when weir_loop_turn() has something to do
 * (level-triggered). Lends it as long as the loop.
 * Errors: WEIR_ENOTSUP: the simulated back-end; WEIR_SYSTEM(EMFILE), ... */
WEIR_API int weir_loop_fd(weir_loop *loop);

/** For a foreign loop: in how many milliseconds weir_loop_turn() has to be called at the latest. 0:
 * now. -1: when the descriptor is readable. */
WEIR_API int64_t weir_loop_timeout(weir_loop *loop);

/** Does what is ready, and waits for something at most timeout_ms. 0: it does not wait. -1: without
 * limit, as for poll(). It does not wait when the root scope is empty.
 *
 * Returns the number of children left in the root scope, or a negative status: WEIR_ESTATE: called
 * from a coroutine; WEIR_EINVAL: loop is NULL; WEIR_SYSTEM(...). */
WEIR_API int weir_loop_turn(weir_loop *loop, int64_t timeout_ms);

/** The loop's clock: monotonic milliseconds, read once a turn, and virtual in the simulated world.
 * It counts from an arbitrary moment, so that only differences mean something. */
WEIR_API uint64_t weir_loop_now(const weir_loop *loop);

/** The name of the back-end that was chosen: "epoll", "io_uring" or "sim". Lends a string that
 * stays valid for ever. */
WEIR_API const char *weir_loop_backend_name(const weir_loop *loop);

/** Fills out with size unpredictable bytes of the kernel's generator. In the simulated world they
 * follow from the seed. Does not suspend. */
WEIR_API void weir_loop_random(void *out, size_t size, weir_loop *loop);

/** Writes one line for every coroutine and every session of a loop: its name, its scope, and what
 * it waits for. Does not suspend.
 *
 * write() gets whole lines with their newline and without a NUL. It must not suspend, and must not
 * use the loop. To dump a loop of another thread use weir_service_dump() or weir_loop_post(). */
WEIR_API void weir_loop_dump(weir_loop *loop,
                             void (*write)(const char *text, size_t size, void *arg), void *arg);

/** How many coroutines live in the loop now. */
WEIR_API size_t weir_loop_coroutine_count(const weir_loop *loop);

WEIR_END_DECLS
#endif
