/** @file
 * weir/loop.h - the event loop: one a thread, sharing nothing with others.
 *
 * Three back-ends: io_uring, epoll, and a simulated world (weir/sim.h). The environment variable WEIR_LOOP (epoll or
 * io_uring) overrides the default choice, which is io_uring where the kernel allows it and epoll elsewhere. A loop is made,
 * run and freed on one thread; only weir_loop_post() may be called from others. */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <weir/base.h>
#include <weir/scope.h>

WEIR_BEGIN_DECLS

/** What stands below a loop. */
enum weir_backend {
    WEIR_BACKEND_DEFAULT = 0, /**< WEIR_LOOP, else io_uring if the kernel allows it, else epoll */
    WEIR_BACKEND_EPOLL,
    WEIR_BACKEND_IO_URING,
    WEIR_BACKEND_SIM, /**< a simulated network and clock: needs options.sim */
};

struct weir_sim_options;

/** How a loop is made. Zeroed: all defaults. */
typedef struct weir_loop_options {
    enum weir_backend backend; /**< which of them */
    /** Bytes of stack of a coroutine; 0: 64 KiB; rounded up to pages, at least 16 KiB. */
    size_t stack_size;
    size_t read_buffer_size;  /**< bytes of a read buffer; 0: 64 KiB */
    weir_allocator allocator; /**< resize NULL: the C library's; stacks are mapped, not allocated */
    const struct weir_sim_options *sim; /**< Borrows; for WEIR_BACKEND_SIM */
} weir_loop_options;

/** Makes a loop for the calling thread. options NULL: all defaults. Errors: WEIR_ENOTSUP (the back-end is not built in or the
 * kernel refuses it), WEIR_EINVAL, WEIR_ENOMEM, WEIR_SYSTEM(...). */
WEIR_API WEIR_MUST_USE int weir_loop_new(weir_loop **out, const weir_loop_options *options);

/** Frees a loop (Takes). What still lives in its root scope is cancelled and run to its end first; what was posted is called.
 * NULL is allowed. Not callable from a coroutine or callback of that loop. */
WEIR_API void weir_loop_free(weir_loop *loop);

/** Runs run(arg) as a coroutine, and the loop until it and everything in the root scope has ended. Returns what run returned,
 * or the first failure in the root scope; WEIR_EDEADLOCK when all coroutines wait for each other and no event can ever come
 * (they are cancelled first). Not callable from a coroutine (WEIR_ESTATE). Keeps name, for dumps, until run has ended.
 * Errors also: WEIR_EINVAL, WEIR_ENOMEM. */
WEIR_API int weir_loop_run(weir_loop *loop, const char *name, int (*run)(void *arg), void *arg);

/** The scope that holds everything started from outside a coroutine. Lends it as long as the loop lives. */
WEIR_API weir_scope *weir_loop_scope(weir_loop *loop);

/** The loop of the running coroutine or callback; NULL outside. */
WEIR_API weir_loop *weir_loop_current(void);

/** Has fn(arg) called on the loop's thread, soon, outside any coroutine. Thread-safe: the one door from other threads; not
 * safe in a signal handler. Errors: WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_loop_post(weir_loop *loop, void (*fn)(void *arg), void *arg);

/** For a foreign loop: a descriptor that is readable when weir_loop_turn() has something to do (level-triggered). Valid as
 * long as the loop. Errors: WEIR_ENOTSUP on the simulated back-end, WEIR_SYSTEM(EMFILE), ... */
WEIR_API int weir_loop_fd(weir_loop *loop);

/** For a foreign loop: how long weir_loop_turn() may stay uncalled, in milliseconds; 0: call it now; -1: until the descriptor
 * is readable. */
WEIR_API int64_t weir_loop_timeout(weir_loop *loop);

/** Does what is ready now, waiting at most timeout_ms for something (0: not at all, -1: without limit; an
 * empty root scope is not waited for). Returns the number of children left
 * in the root scope, or a negative status. Not callable from a coroutine (WEIR_ESTATE). */
WEIR_API int weir_loop_turn(weir_loop *loop, int64_t timeout_ms);

/** The loop's clock: monotonic milliseconds, read once a turn (virtual in the simulated world). It counts from
 * an arbitrary moment: only differences mean something. */
WEIR_API uint64_t weir_loop_now(const weir_loop *loop);

/** "epoll", "io_uring" or "sim": what was chosen. Lends a string that stays valid for ever. */
WEIR_API const char *weir_loop_backend_name(const weir_loop *loop);

/** Unpredictable bytes from the kernel's generator (in the simulated world: from the seed). */
WEIR_API void weir_loop_random(void *out, size_t size, weir_loop *loop);

/** Writes one line for every live coroutine and every session: name, scope, what it waits for. write() gets whole lines with
 * their newline, not ended by NUL; it must not suspend and not use the loop. From another thread: weir_service_dump(), or
 * weir_loop_post(). */
WEIR_API void weir_loop_dump(weir_loop *loop,
                             void (*write)(const char *text, size_t size, void *arg), void *arg);

/** How many coroutines live in the loop now. */
WEIR_API size_t weir_loop_coroutine_count(const weir_loop *loop);

WEIR_END_DECLS
#endif
