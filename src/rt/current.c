#include "rt/current.h"

#include "rt/loop.h"

/* Every call that suspends asks for it. The model spares each of them a call into the dynamic
 * linker. A pointer fits into the room that every C library keeps for libraries loaded later. */
static _Thread_local weir_loop *current_loop __attribute__((tls_model("initial-exec")));

weir_loop *weir_loop_current(void)
{
    return current_loop;
}

struct weir__coroutine *weir__coroutine_current(void)
{
    return current_loop == NULL ? NULL : current_loop->current;
}

weir_loop *weir__loop_enter(weir_loop *loop)
{
    weir_loop *before = current_loop;
    current_loop = loop;
    return before;
}

void weir__loop_leave(weir_loop *before)
{
    current_loop = before;
}
