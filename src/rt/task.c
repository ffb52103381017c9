/* What runs in a turn of a loop: the queues of its tasks. */
#include "rt/loop.h"

/* How many ready tasks run before sockets are looked at again: a busy pair of coroutines cannot
 * lock them out. */
#define READY_TASKS 1024

void weir__task_post_late(weir_loop *loop, weir__task *task)
{
    if (weir__list_is_empty(&task->link))
        weir__list_push(&loop->late, &task->link);
}

void weir__task_post_flush(weir_loop *loop, weir__task *task)
{
    if (weir__list_is_empty(&task->link))
        weir__list_push(&loop->flushes, &task->link);
}

void weir__task_post_last(weir_loop *loop, weir__task *task)
{
    if (weir__list_is_empty(&task->link))
        weir__list_push(&loop->last, &task->link);
}

static void run_first(weir__node *queue)
{
    weir__task *task = WEIR__CONTAINER(weir__list_first(queue), weir__task, link);
    weir__list_remove(&task->link);
    task->run(task);
}

/* Those of a queue, but not what comes into it meanwhile. */
static void run_those_there(weir__node *queue)
{
    weir__node now;
    weir__list_move(&now, queue);
    while (!weir__list_is_empty(&now))
        run_first(&now);
}

static inline void run_all(weir__node *queue)
{
    if (!weir__list_is_empty(queue))
        run_those_there(queue);
}

void weir__tasks_run(weir_loop *loop)
{
    loop->ready_budget = READY_TASKS;
    while (loop->ready_budget > 0 && !weir__list_is_empty(&loop->ready)) {
        loop->ready_budget--;
        run_first(&loop->ready);
    }
    run_all(&loop->late);
    run_all(&loop->flushes);
}

void weir__tasks_run_last(weir_loop *loop)
{
    run_all(&loop->last);
}
