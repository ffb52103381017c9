#include "ws/flow/half.h"

#include "ws/flow/limits.h"

int weir__half_init(struct weir__half *half, weir_loop *loop, enum weir_role role,
                    const struct weir__stream_half_events *on, void (*again)(weir__task *task))
{
    half->options = weir__endpoint_options_for(loop, role, true, &(weir_session_options){0});
    half->on_stream.on = on;
    weir__task_init(&half->again, again);
    return weir__endpoint_init(&half->endpoint, &half->options, loop->now_ms);
}

void weir__half_fini(struct weir__half *half)
{
    weir__task_cancel(&half->again);
    weir__endpoint_fini(&half->endpoint);
}

int weir__half_enter(struct weir__half *half, weir_scope *scope, weir_stream *stream,
                     const struct weir__job_ops *ops, struct weir__stream_rest *rest)
{
    int status = weir__scope_attach(scope, &half->job, ops);
    if (status != WEIR_OK)
        return status;
    status = rest != NULL ? weir__stream_enter_reading(stream, &half->on_stream, rest)
                          : weir__stream_enter_writing(stream, &half->on_stream);
    if (status != WEIR_OK) {
        weir__scope_detach(&half->job, WEIR_OK);
        return status;
    }
    half->stream = stream;
    half->handed_out = true;
    return WEIR_OK;
}

bool weir__half_end(struct weir__half *half)
{
    half->over = true;
    weir__scope_detach(&half->job, WEIR_OK);
    return !half->handed_out;
}
