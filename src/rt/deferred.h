/* rt/deferred.h - the inside of a deferred, for rooms that embed one. Single-threaded. */
#ifndef WEIR_RT_DEFERRED_H
#define WEIR_RT_DEFERRED_H

#include "rt/coroutine.h"

#include <weir/channel.h>

struct weir_deferred {
    weir_loop *loop;
    weir__node awaiting; /* empty once complete */
    void *value;
    int status;
    bool complete;
};

void weir__deferred_init(weir_deferred *deferred, weir_loop *loop);

/* Whoever still waits gets WEIR_CANCELED. */
void weir__deferred_fini(weir_deferred *deferred);

#endif
