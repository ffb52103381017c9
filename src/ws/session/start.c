/* How a session begins, and its handle. */
#include "ws/session/session.h"

#include <stdio.h>
#include <string.h>

/* --- opened --- */

static void cancel_session(struct weir__job *job)
{
    weir_session *session = WEIR__CONTAINER(job, weir_session, job);
    if (weir__session_activate_for_event(session))
        weir_scope_cancel(&session->active->scope);
}

static const struct weir__job_ops session_ops = {cancel_session};

static size_t describe(struct weir__dumpable *self, char *out, size_t size);

static int append_first(weir_session *session, const weir_buffer *first)
{
    weir_buffer *to = weir__outlet_buffer(&session->active->outlet);
    return to == NULL ? WEIR_ENOMEM : weir_buffer_append(to, first->data, first->size);
}

int weir__session_open(weir_session *session, weir_scope *scope, weir_stream *stream,
                       const weir_buffer *first)
{
    struct weir__active *active = session->active;
    struct weir__stream_rest rest;
    int status = first != NULL ? append_first(session, first) : WEIR_OK;
    if (status == WEIR_OK)
        status = weir__scope_attach(scope, &session->job, &session_ops);
    if (status != WEIR_OK) {
        weir_stream_close(stream);
        weir__session_discard(session);
        return status;
    }
    session->stream = stream;
    weir__stream_take(stream, &weir__session_stream_events, session, &rest);
    weir__active_connect(active, stream);
    session->dumpable.describe = describe;
    weir__list_push(&session->loop->dumpables, &session->dumpable.link);
    if (first != NULL)
        weir__outlet_pump_late(&active->outlet);
    status = weir__io_recv_start(&stream->io);
    if (status != WEIR_OK)
        weir_endpoint_eof(&active->endpoint, status, session->loop->now_ms);
    if (rest.buf != NULL) {
        weir__inlet_keep(&active->inlet, rest.buf, rest.data, rest.size);
        weir__task_post_late(session->loop, &active->update);
    }
    if (rest.end_status != WEIR_OK)
        weir_endpoint_eof(&active->endpoint,
                          rest.end_status == WEIR_CLOSED ? WEIR_OK : rest.end_status,
                          session->loop->now_ms);
    weir__session_update(session);
    return WEIR_OK;
}

static void cancel_actor(struct weir__job *job)
{
    weir_scope *scope = WEIR__CONTAINER(job, weir_scope, job);
    weir_close_now(WEIR__CONTAINER(scope, struct weir__active, scope)->session,
                   WEIR_CLOSE_GOING_AWAY, NULL);
}

static const struct weir__job_ops actor_ops = {cancel_actor};

static const struct weir__session_machine machine = {
    .outlet = &weir__session_outlet_events,
    .inlet = &weir__session_inlet_events,
    .actor = &actor_ops,
    .update = weir__session_update_task,
    .pass_deadline = weir__session_pass_deadline,
    .serve = weir__session_serve_messages,
};

int weir__session_terms_init(struct weir__session_terms *out, weir_loop *loop, enum weir_role role,
                             bool raw, const weir_session_options *options)
{
    *out = (struct weir__session_terms){.machine = &machine};
    return weir__limits_init(&out->limits, loop, role, raw, options);
}

static int make(weir_session **out, weir_loop *loop, enum weir_role role, bool raw,
                const weir_session_options *options)
{
    static const weir_session_options defaults;
    struct weir__session_terms terms;
    if (options == NULL)
        options = &defaults;
    if (options->deflate.enabled)
        return WEIR_EINVAL;
    int status = weir__session_terms_init(&terms, loop, role, raw, options);
    const struct weir__session_plan plan = {&terms, options, .owns_terms = true};
    return status == WEIR_OK ? weir__session_new(out, loop, &plan) : status;
}

static int start(weir_session **out, weir_scope *scope, weir_stream *stream, enum weir_role role,
                 bool raw, const weir_session_options *options)
{
    if (out == NULL || stream == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    weir_session *session = NULL;
    int status = WEIR_EINVAL;
    if (scope != NULL)
        status = weir__stream_is_takeable(stream) ? make(&session, scope->loop, role, raw, options)
                                                  : WEIR_ESTATE;
    if (status != WEIR_OK) {
        weir_stream_close(stream);
        return status;
    }
    session->handed_out = true;
    status = weir__session_open(session, scope, stream, NULL);
    if (status == WEIR_OK)
        *out = session;
    return status;
}

int weir_session_start(weir_session **out, weir_scope *scope, weir_stream *stream,
                       enum weir_role role, const weir_session_options *options)
{
    return start(out, scope, stream, role, false, options);
}

int weir_session_start_raw(weir_session **out, weir_scope *scope, weir_stream *stream,
                           enum weir_role role, const weir_session_options *options)
{
    return start(out, scope, stream, role, true, options);
}

void weir_session_free(weir_session *session)
{
    if (session == NULL)
        return;
    session->handed_out = false;
    if (session->active != NULL && session->active->over)
        weir__session_discard(session);
    else
        weir_terminate(session);
}

struct joiner {
    struct weir__wait wait;
    struct weir__call call;
};

static void withdraw_joiner(struct weir__wait *wait)
{
    weir__list_remove(&WEIR__CONTAINER(wait, struct joiner, wait)->call.link);
}

int weir_session_join(weir_session *session)
{
    struct joiner joiner;
    int status = weir__session_activate_for_call(session);
    if (status != WEIR_OK)
        return status;
    struct weir__active *active = session->active;
    active->exposed = true;
    if (active->over)
        return weir__session_end_status(session, WEIR_OK);
    status = weir__wait_init(&joiner.wait, "session", withdraw_joiner);
    if (status != WEIR_OK)
        return status;
    weir__call_begin(&joiner.call, session);
    joiner.call.wait = &joiner.wait;
    return weir__wait_suspend(&joiner.wait);
}

/* --- the dump --- */

static size_t describe(struct weir__dumpable *self, char *out, size_t size)
{
    const weir_session *session = WEIR__CONTAINER(self, weir_session, dumpable);
    const struct weir__active *active = session->active;
    int length = active == NULL
                     ? snprintf(out, size, "  session %p: parked", (const void *)session)
                     : snprintf(out, size,
                                "  session %p%s: incoming %zu, outgoing %zu, unsent %zu bytes%s%s",
                                (const void *)session, session->raw ? " (raw)" : "",
                                weir_channel_count(&active->inlet.incoming),
                                weir_channel_count(&active->outlet.outgoing),
                                weir__outlet_unsent(&active->outlet),
                                active->inlet.held ? ", not reading" : "",
                                session->end != NULL ? ", ended" : "");
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}
