/* rt/task.h - something to run in the loop's own context, soon: an element of the ready queue. Not
 * a coroutine, though one of these makes a coroutine ready. Single-threaded. */
#ifndef WEIR_RT_TASK_H
#define WEIR_RT_TASK_H

#include "rt/list.h"

typedef struct weir__task weir__task;
struct weir__task {
    weir__node link; /* in the ready queue, or alone */
    void (*run)(weir__task *task);
};

static inline void weir__task_init(weir__task *task, void (*run)(weir__task *task))
{
    weir__list_init(&task->link);
    task->run = run;
}

/* Takes it out of the queue, if it is in. */
static inline void weir__task_cancel(weir__task *task)
{
    weir__list_remove(&task->link);
}

#endif
