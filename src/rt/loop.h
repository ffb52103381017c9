/* rt/loop.h - the inside of a loop: the phases of a turn and what the rooms of rt share.
 * Single-threaded but for the mailbox. */
#ifndef WEIR_RT_LOOP_H
#define WEIR_RT_LOOP_H

#include "rt/buf.h"
#include "rt/fiber.h"
#include "rt/list.h"
#include "rt/mailbox.h"
#include "rt/pool.h"
#include "rt/stack.h"
#include "rt/task.h"
#include "rt/timer.h"

/* The main coroutine of weir_loop_run(). It stands in the loop, because an error of the back-end
 * may end the call before the coroutine. */
struct weir__main {
    int (*run)(void *arg);
    void *arg;
    int status;
};

/* Data of a storey above that all its users on a loop share, one of a kind. It is released with the
 * loop. */
struct weir__loop_data {
    struct weir__loop_data *next;
    const void *kind; /* an address that is this kind's alone */
    void (*fini)(struct weir__loop_data *data);
};

struct weir__loop_ops;

struct weir_loop {
    const struct weir__loop_ops *backend;
    void *backend_state; /* the back-end's own */
    uint64_t now_ms;     /* the clock of this turn; set by backend->poll */
    weir__node ready;    /* of weir__task: run in this turn */
    /* Of weir__task: run when ready is empty, just before waiting. Sessions write their output. */
    weir__node late;
    /* Of weir__task: run behind all that is late. Transports join what sessions wrote. */
    weir__node flushes;
    /* Of weir__task: run once a turn, behind those. What has had its share of the turn reads on. */
    weir__node last;
    uint32_t ready_budget; /* how many ready tasks may still run before late ones */
    /* The coroutine that runs was next in the ready queue: when it suspends, the next may follow
     * directly. */
    bool chains;
    struct weir__wheel wheel; /* timers */
    struct weir__fiber main_fiber;
    struct weir__coroutine *current; /* the coroutine that runs now; NULL: the loop's own context */
    /* The one that has just ended. The next context to run takes its stack back. */
    struct weir__coroutine *finished;
    weir__node coroutines; /* all live coroutines, for dumps */
    size_t coroutine_count;
    size_t closing_count; /* of weir__io between weir__io_close() and on_closed */
    weir__node dumpables; /* of struct weir__dumpable: sessions and the like, for dumps */
    struct weir__stack_pool stacks;
    size_t read_buffer_size;
    weir__buf *free_bufs; /* at most WEIR__FREE_BUFS_MAX */
    size_t free_buf_count;
    struct weir__loop_data *attached;
    struct weir__pool pool;
    weir_scope root;
    struct weir__main main;
    bool turning;                                       /* inside weir_loop_turn() */
    void (*on_suspend)(weir_loop *loop, void *context); /* test seam: called at each suspension */
    void *on_suspend_context;
    struct weir__mailbox mailbox;
};

/* Queues a task to run this turn or the next; nothing happens when it is queued already. */
static inline void weir__task_post(weir_loop *loop, weir__task *task)
{
    if (weir__list_is_empty(&task->link))
        weir__list_push(&loop->ready, &task->link);
}

/* Like weir__task_post, but after everything that is ready: for sessions, whose output is written
 * once a turn. */
void weir__task_post_late(weir_loop *loop, weir__task *task);

/* Like weir__task_post, but after everything that is late, with what that posts here: for
 * transports, which join what sessions write. */
void weir__task_post_flush(weir_loop *loop, weir__task *task);

/* Like weir__task_post, but for work that has had its share of a turn: all that others wait for
 * comes first. */
void weir__task_post_last(weir_loop *loop, weir__task *task);

/* Runs what is ready, with what that makes ready, then what is late, then what is to be flushed. */
void weir__tasks_run(weir_loop *loop);

/* Runs those that have had their share of the turn. */
void weir__tasks_run_last(weir_loop *loop);

/* Whether there is one in any queue. */
static inline bool weir__tasks_are_queued(const weir_loop *loop)
{
    return !weir__list_is_empty(&loop->ready) || !weir__list_is_empty(&loop->late) ||
           !weir__list_is_empty(&loop->flushes) || !weir__list_is_empty(&loop->last);
}

/* Memory of the loop, undefined at first; size is that of the allocation. */
static inline void *weir__loop_alloc(weir_loop *loop, size_t size)
{
    return __builtin_constant_p(size) ? weir__pool_take_fixed(&loop->pool, size)
                                      : weir__pool_take(&loop->pool, size);
}
static inline void weir__loop_free(weir_loop *loop, void *block, size_t size)
{
    if (__builtin_constant_p(size))
        weir__pool_give_fixed(&loop->pool, block, size);
    else
        weir__pool_give(&loop->pool, block, size);
}

/* The same as an allocator, for rooms that know no loop. Lends it as long as the loop lives. */
static inline const weir_allocator *weir__loop_allocator(weir_loop *loop)
{
    return &loop->pool.face;
}

/* The data of that kind; NULL: none is attached yet. */
struct weir__loop_data *weir__loop_data_find(const weir_loop *loop, const void *kind);
void weir__loop_attach(weir_loop *loop, struct weir__loop_data *data);

/* Runs one turn, as weir_loop_turn() does, by the clock as it was read last. Not from inside a
 * turn. */
WEIR_MUST_USE int weir__loop_turn(weir_loop *loop, int64_t timeout_ms);

/* Makes a poll that waits return. Thread-safe, and from signal handlers. */
void weir__loop_wake(weir_loop *loop);

/* Something that a dump describes, besides coroutines. */
struct weir__dumpable {
    weir__node link;
    size_t (*describe)(struct weir__dumpable *self, char *out,
                       size_t size); /* one line without newline */
};

#endif
