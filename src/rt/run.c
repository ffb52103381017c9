/* weir_loop_run(): turning a loop until its main coroutine and all that this started have ended. */
#include "rt/backend.h"
#include "rt/coroutine.h"

static int call_main(void *arg)
{
    struct weir__main *call = arg;
    call->status = call->run(call->arg);
    return call->status;
}

static int turn_until_empty(weir_loop *loop)
{
    bool stuck = false;
    while (loop->root.child_count > 0) {
        int status = weir__loop_turn(loop, -1);
        if (status >= 0)
            continue;
        if (status != WEIR_EDEADLOCK || stuck)
            return status;
        stuck = true;
        weir_scope_cancel(&loop->root);
    }
    return stuck ? WEIR_EDEADLOCK : WEIR_OK;
}

int weir_loop_run(weir_loop *loop, const char *name, int (*run)(void *arg), void *arg)
{
    if (loop == NULL || run == NULL)
        return WEIR_EINVAL;
    if (loop->current != NULL || loop->turning)
        return WEIR_ESTATE;
    loop->main = (struct weir__main){run, arg, WEIR_CANCELLED};
    loop->now_ms = loop->backend->clock_ms(loop); /* what came before may have taken its time */
    int status = weir_go(&loop->root, name != NULL ? name : "main", call_main, &loop->main);
    if (status == WEIR_OK)
        status = turn_until_empty(loop);
    if (status == WEIR_OK)
        status = loop->root.status != WEIR_OK ? loop->root.status : loop->main.status;
    if (loop->root.child_count == 0) { /* as good as new */
        loop->root.status = WEIR_OK;
        loop->root.cancelled = false;
    }
    return status;
}
