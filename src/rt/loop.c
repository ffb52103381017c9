#include "rt/loop.h"

#include "rt/backend.h"
#include "rt/coroutine.h"
#include "rt/overflow.h"

#include <limits.h>
#include <string.h>

#define STACK_SIZE_DEFAULT  ((size_t)64 * 1024)
#define READ_BUFFER_DEFAULT ((size_t)64 * 1024)
#define FAILURES_MAX        16 /* of polls, while a loop is freed */
#define READ_BUFFER_MIN     ((size_t)512)
#define READ_BUFFER_MAX     ((size_t)16 * 1024 * 1024)

/* --- life --- */

static int prepare(weir_loop *loop, const weir_loop_options *options)
{
    size_t read_size =
        options->read_buffer_size != 0 ? options->read_buffer_size : READ_BUFFER_DEFAULT;
    if (read_size < READ_BUFFER_MIN || read_size > READ_BUFFER_MAX)
        return WEIR_EINVAL;
    loop->read_buffer_size = read_size;
    weir__list_init(&loop->ready);
    weir__list_init(&loop->late);
    weir__list_init(&loop->flushes);
    weir__list_init(&loop->last);
    weir__list_init(&loop->coroutines);
    weir__list_init(&loop->dumpables);
    weir__scope_init(&loop->root, loop, NULL);
    weir__fiber_init_main(&loop->main_fiber);
    return weir__stack_pool_init(&loop->stacks, options->stack_size != 0 ? options->stack_size
                                                                         : STACK_SIZE_DEFAULT);
}

static void free_memory(weir_loop *loop)
{
    struct weir__pool last = loop->pool; /* the loop itself is a block of it */
    weir__pool_give(&last, loop, sizeof *loop);
    weir__pool_fini(&last);
}

/* In the handler of a signal. */
static bool find_running(struct weir__overflow_stack *out)
{
    const struct weir__coroutine *coroutine = weir__coroutine_current();
    if (coroutine == NULL)
        return false;
    const struct weir__stack_pool *stacks = &coroutine->loop->stacks;
    *out = (struct weir__overflow_stack){coroutine->name, coroutine->stack.low, stacks->page,
                                         stacks->stride};
    return true;
}

int weir_loop_new(weir_loop **out, const weir_loop_options *options)
{
    static const weir_loop_options defaults;
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options == NULL)
        options = &defaults;
    struct weir__pool first;
    weir__pool_init(&first, &options->allocator);
    weir_loop *loop = weir__pool_take(&first, sizeof *loop);
    if (loop == NULL)
        return WEIR_ENOMEM;
    memset(loop, 0, sizeof *loop);
    weir__pool_init(&loop->pool, &options->allocator);
    int status = prepare(loop, options);
    if (status != WEIR_OK)
        goto fail_memory;
    weir__mailbox_init(&loop->mailbox);
    status = weir__backend_open(loop, options);
    if (status != WEIR_OK)
        goto fail_stacks;
    loop->now_ms = loop->backend->clock_ms(loop);
    weir__wheel_init(&loop->wheel, loop->now_ms);
    weir__overflow_install(find_running);
    *out = loop;
    return WEIR_OK;
fail_stacks:
    weir__stack_pool_fini(&loop->stacks);
    weir__mailbox_fini(&loop->mailbox);
fail_memory:
    free_memory(loop);
    return status;
}

static void free_bufs(weir_loop *loop)
{
    while (loop->free_bufs != NULL) {
        weir__buf *buf = loop->free_bufs;
        loop->free_bufs = buf->next;
        weir__loop_free(loop, buf, sizeof(weir__buf) + buf->size);
    }
    loop->free_buf_count = 0;
}

/* One failure of a poll says nothing of the next. A loop that cannot be polled at all is left as it
 * is. */
static bool turn_on(weir_loop *loop, int64_t timeout_ms, unsigned *failures)
{
    int status = weir__loop_turn(loop, timeout_ms);
    return status >= 0 || (weir_status_errno(status) != 0 && ++*failures < FAILURES_MAX);
}

static void run_to_the_end(weir_loop *loop)
{
    unsigned failures = 0;
    weir_scope_cancel(&loop->root);
    while (loop->root.child_count > 0)
        if (!turn_on(loop, -1, &failures))
            break;
    while (loop->closing_count > 0)
        if (!turn_on(loop, -1, &failures))
            break;
    while (weir__tasks_are_queued(loop))
        if (!turn_on(loop, 0, &failures))
            break;
}

struct weir__loop_data *weir__loop_data_find(const weir_loop *loop, const void *kind)
{
    struct weir__loop_data *data = loop->attached;
    while (data != NULL && data->kind != kind)
        data = data->next;
    return data;
}

void weir__loop_attach(weir_loop *loop, struct weir__loop_data *data)
{
    data->next = loop->attached;
    loop->attached = data;
}

static void detach_data(weir_loop *loop)
{
    while (loop->attached != NULL) {
        struct weir__loop_data *data = loop->attached;
        loop->attached = data->next;
        data->fini(data);
    }
}

void weir_loop_free(weir_loop *loop)
{
    if (loop == NULL)
        return;
    weir_loop *before = weir__loop_enter(loop);
    weir__mailbox_open(&loop->mailbox); /* what was posted is always called */
    weir__loop_leave(before);
    run_to_the_end(loop);
    before = weir__loop_enter(loop);
    loop->backend->close(loop);
    weir__loop_leave(before);
    detach_data(loop);
    free_bufs(loop);
    weir__mailbox_fini(&loop->mailbox);
    weir__overflow_uninstall();
    weir__stack_pool_fini(&loop->stacks);
    free_memory(loop);
}

/* --- the turn --- */

/* How many timers fire at most before tasks run: thousands of connections may come to their
 * deadline at once. */
#define DUE_TIMERS 256

int64_t weir_loop_timeout(weir_loop *loop)
{
    if (weir__tasks_are_queued(loop))
        return 0;
    uint64_t next = weir__wheel_next(&loop->wheel);
    if (next == UINT64_MAX)
        return -1;
    uint64_t now_ms = loop->backend->clock_ms(loop);
    if (next <= now_ms)
        return 0;
    return next - now_ms < INT32_MAX ? (int64_t)(next - now_ms) : INT32_MAX;
}

static bool is_empty(const weir_loop *loop)
{
    return loop->root.child_count == 0 && loop->closing_count == 0;
}

int weir__loop_turn(weir_loop *loop, int64_t timeout_ms)
{
    weir_loop *before = weir__loop_enter(loop);
    bool was_empty = is_empty(loop); /* then the caller waits for a post */
    loop->turning = true;
    weir__tasks_run(loop);
    weir__tasks_run_last(loop);
    int64_t due_ms = weir_loop_timeout(loop);
    if (due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms))
        timeout_ms = due_ms;
    if (!was_empty && is_empty(loop))
        timeout_ms = 0; /* nothing is left to wait for */
    int status = loop->backend->poll(loop, timeout_ms);
    weir__wheel_advance(&loop->wheel, loop->now_ms, DUE_TIMERS);
    weir__mailbox_open(&loop->mailbox);
    weir__tasks_run(loop);
    loop->turning = false;
    weir__loop_leave(before);
    if (status < 0)
        return status;
    return loop->root.child_count < INT_MAX ? (int)loop->root.child_count : INT_MAX;
}

int weir_loop_turn(weir_loop *loop, int64_t timeout_ms)
{
    if (loop == NULL)
        return WEIR_EINVAL;
    if (loop->current != NULL || loop->turning)
        return WEIR_ESTATE;
    loop->now_ms = loop->backend->clock_ms(loop); /* the caller may have been away for long */
    return weir__loop_turn(loop, timeout_ms);
}

/* --- small answers --- */

weir_scope *weir_loop_scope(weir_loop *loop)
{
    return &loop->root;
}

int weir_loop_fd(weir_loop *loop)
{
    return loop->backend->fd(loop);
}

uint64_t weir_loop_now(const weir_loop *loop)
{
    return loop->now_ms;
}

const char *weir_loop_backend_name(const weir_loop *loop)
{
    return loop->backend->name;
}

void weir_loop_random(void *out, size_t size, weir_loop *loop)
{
    loop->backend->random(loop, out, size);
}

size_t weir_loop_coroutine_count(const weir_loop *loop)
{
    return loop->coroutine_count;
}

void weir__loop_wake(weir_loop *loop)
{
    loop->backend->wake(loop);
}

int weir_loop_post(weir_loop *loop, void (*fn)(void *arg), void *arg)
{
    if (loop == NULL || fn == NULL)
        return WEIR_EINVAL;
    int status = weir__mailbox_post(&loop->mailbox, fn, arg);
    if (status == WEIR_OK)
        weir__loop_wake(loop);
    return status;
}
