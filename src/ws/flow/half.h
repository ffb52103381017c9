/* ws/flow/half.h - what a reader and a writer have in common: a job in a scope, without a stack. It
 * has one side of a stream, and an endpoint that delivers frames as they are. Single-threaded. */
#ifndef WEIR_WS_FLOW_HALF_H
#define WEIR_WS_FLOW_HALF_H

#include "net/stream.h"
#include "rt/coroutine.h"
#include "wire/endpoint.h"

struct weir__half {
    struct weir__job job; /* in the scope it was started in */
    struct weir__stream_half on_stream;
    weir_stream *stream; /* NULL: not entered yet, or left */
    weir_endpoint_options options;
    weir_endpoint endpoint;
    weir__task again; /* queued: go on, and look whether it has ended */
    bool handed_out;  /* the user has the handle */
    bool over;        /* has left its scope */
};

/* The half is zeroed. Errors: WEIR_ENOMEM. */
WEIR_MUST_USE int weir__half_init(struct weir__half *half, weir_loop *loop, enum weir_role role,
                                  const struct weir__stream_half_events *on,
                                  void (*again)(weir__task *task));
void weir__half_fini(struct weir__half *half);

/* Joins a scope and enters one side of a stream. Read side: *rest has what was read before. Write
 * side: rest is NULL. Errors: those of weir__stream_enter_reading(), WEIR_CANCELLED. */
WEIR_MUST_USE int weir__half_enter(struct weir__half *half, weir_scope *scope, weir_stream *stream,
                                   const struct weir__job_ops *ops, struct weir__stream_rest *rest);

/* Leaves the scope. Returns whether the memory is to be freed now: the user has no handle. */
WEIR_MUST_USE bool weir__half_end(struct weir__half *half);

#endif
