/* rt/current.h - which loop this thread turns now, and which coroutine of it runs. Thread-local. */
#ifndef WEIR_RT_CURRENT_H
#define WEIR_RT_CURRENT_H

#include <weir/loop.h>

struct weir__coroutine;

/* The coroutine that runs on this thread now; NULL: none. */
struct weir__coroutine *weir__coroutine_current(void);

/* Makes loop the current one of this thread and returns the one before (NULL: none). */
weir_loop *weir__loop_enter(weir_loop *loop);
void weir__loop_leave(weir_loop *before);

#endif
