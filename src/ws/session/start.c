/* How a session begins and ends, and its handle. */
#include "ws/session/session.h"

#include <stdio.h>
#include <string.h>

/* --- its memory --- */

static size_t tail_offset(size_t user_size)
{
    const size_t alignment = _Alignof(max_align_t);
    return (sizeof(weir_session) + user_size + alignment - 1) / alignment * alignment;
}

static size_t tail_size(bool may_park)
{
    return may_park ? sizeof(struct weir__endpoint_parked) : sizeof(struct weir__active);
}

static size_t session_size(size_t user_size, bool may_park, bool owns_terms)
{
    return tail_offset(user_size) + tail_size(may_park) +
           (owns_terms ? sizeof(struct weir__session_terms) : 0);
}

void *weir__session_tail(const weir_session *session)
{
    return (uint8_t *)(uintptr_t)session + tail_offset(session->user_size);
}

static void free_session(weir_session *session)
{
    weir_loop *loop = session->loop;
    if (session->active != NULL && session->may_park)
        weir__loop_free(loop, session->active, sizeof *session->active);
    if (session->observer != NULL)
        weir__loop_free(loop, session->observer, sizeof *session->observer);
    weir__loop_free(loop, session,
                    session_size(session->user_size, session->may_park, session->owns_terms));
}

static void free_text(weir_loop *loop, char *text)
{
    if (text != NULL)
        weir__loop_free(loop, text, strlen(text) + 1);
}

/* --- awake --- */

static void end_calls(struct weir__active *active, int status)
{
    weir__node *node;
    while ((node = weir__list_first(&active->calls)) != NULL) {
        struct weir__call *call = WEIR__CONTAINER(node, struct weir__call, link);
        weir__list_remove(node);
        if (call->wait != NULL)
            weir__wait_wake(call->wait, status);
    }
}

/* All that lived in the session has ended: its stream, its handler, whatever they started. */
static void end_scope(weir_scope *scope)
{
    struct weir__active *active = WEIR__CONTAINER(scope, struct weir__active, scope);
    weir_session *session = active->session;
    if (session->stream != NULL || active->over || scope->child_count > 0)
        return;
    active->over = true;
    weir__timer_cancel(&session->timer);
    weir__session_tell_closed(session);
    end_calls(active, weir__session_end_status(session, WEIR_OK));
    weir__session_detach(session);
    if (!session->handed_out)
        weir__session_discard(session);
}

void weir__session_tell_closed(weir_session *session)
{
    if (session->route != NULL && session->route->on_close != NULL)
        session->route->on_close(session, session->end, session->route->arg);
}

void weir__session_detach(weir_session *session)
{
    struct weir__session_host *host = session->terms->host;
    weir__scope_detach(&session->job, WEIR_OK);
    if (host != NULL)
        host->finished(host);
}

void weir__active_init(struct weir__active *active, weir_session *session)
{
    weir_loop *loop = session->loop;
    const struct weir__session_terms *terms = session->terms;
    const struct weir__outlet_options outlet = {
        .loop = loop,
        .overflow = (enum weir_overflow)terms->outgoing_overflow,
        .capacity = terms->outgoing_capacity,
        .high_water = terms->high_water,
    };
    const struct weir__inlet_options inlet = {
        .loop = loop,
        .overflow = (enum weir_overflow)terms->incoming_overflow,
        .capacity = terms->incoming_capacity,
        .high_water = terms->high_water,
    };
    memset(active, 0, sizeof *active);
    active->session = session;
    session->active = active;
    weir__scope_init(&active->scope, loop, end_scope);
    weir__outlet_init(&active->outlet, &active->endpoint, &weir__session_outlet_events, &outlet);
    weir__inlet_init(&active->inlet, &active->endpoint, &weir__session_inlet_events, &inlet);
    weir__session_watch(session);
    weir__list_init(&active->calls);
    weir__task_init(&active->update, weir__session_update_task);
}

static void cancel_actor(struct weir__job *job)
{
    weir_scope *scope = WEIR__CONTAINER(job, weir_scope, job);
    weir_close_now(WEIR__CONTAINER(scope, struct weir__active, scope)->session,
                   WEIR_CLOSE_GOING_AWAY, NULL);
}

static const struct weir__job_ops actor_ops = {cancel_actor};

void weir__active_connect(struct weir__active *active, weir_stream *stream)
{
    weir__scope_adopt(&active->scope, &active->scope.job, &actor_ops);
    active->outlet.io = &stream->io;
    active->inlet.io = &stream->io;
}

static void fini_active(struct weir__active *active)
{
    weir_session *session = active->session;
    weir__session_keep_active(session);
    weir__task_cancel(&active->update);
    weir__session_free_attachments(session);
    weir__outlet_fini(&active->outlet);
    weir__inlet_fini(&active->inlet);
    weir__endpoint_fini(&active->endpoint);
    end_calls(active, WEIR_CANCELLED);
    weir_deferred_free(active->close_reason);
    if (active->pending_close != NULL)
        weir__loop_free(session->loop, active->pending_close, sizeof *active->pending_close);
    if (active->end_is_allocated)
        weir__loop_free(session->loop, session->end, sizeof *session->end);
}

/* --- made and freed --- */

static const struct weir__session_terms *terms_of(weir_session *session,
                                                  const struct weir__session_plan *plan,
                                                  const weir_session_options *options)
{
    if (plan->terms != NULL)
        return plan->terms;
    void *room = (uint8_t *)weir__session_tail(session) + tail_size(session->may_park);
    weir__session_terms_init(room, session->loop, plan->role, plan->raw, options);
    return room;
}

/* One that may rest stands apart from what it needs awake. */
static int begin(weir_session *session, const weir_session_options *options)
{
    struct weir__active *active = session->may_park
                                      ? weir__loop_alloc(session->loop, sizeof *active)
                                      : weir__session_tail(session);
    if (active == NULL)
        return WEIR_ENOMEM;
    weir__active_init(active, session);
    int status = weir_session_observe(session, &options->observer);
    if (status != WEIR_OK)
        return status;
    return weir__endpoint_init(&active->endpoint, &session->terms->endpoint, session->loop->now_ms);
}

int weir__session_new(weir_session **out, weir_loop *loop, const struct weir__session_plan *plan,
                      const weir_session_options *options)
{
    static const weir_session_options defaults;
    *out = NULL;
    if (options == NULL)
        options = &defaults;
    if (!weir__session_options_are_valid(options))
        return WEIR_EINVAL;
    bool owns_terms = plan->terms == NULL;
    size_t size = session_size(options->user_size, plan->may_park, owns_terms);
    weir_session *session = weir__loop_alloc(loop, size);
    if (session == NULL)
        return WEIR_ENOMEM;
    memset(session, 0, size);
    session->loop = loop;
    session->raw = plan->raw;
    session->may_park = plan->may_park;
    session->owns_terms = owns_terms;
    session->user_size = (uint32_t)options->user_size;
    session->terms = terms_of(session, plan, options);
    weir__timer_init(&session->timer, weir__session_pass_deadline);
    weir__list_init(&session->dumpable.link);
    int status = begin(session, options);
    if (status == WEIR_OK)
        *out = session;
    else
        free_session(session);
    return status;
}

void weir__session_discard(weir_session *session)
{
    weir__timer_cancel(&session->timer);
    if (session->active != NULL)
        fini_active(session->active);
    free_text(session->loop, session->subprotocol);
    free_text(session->loop, session->path);
    free_session(session);
}

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

static int start(weir_session **out, weir_scope *scope, weir_stream *stream, enum weir_role role,
                 bool raw, const weir_session_options *options)
{
    if (out == NULL || stream == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options != NULL && options->deflate.enabled) {
        weir_stream_close(stream);
        return WEIR_EINVAL;
    }
    if (!weir__stream_is_takeable(stream)) {
        weir_stream_close(stream);
        return WEIR_ESTATE;
    }
    weir_session *session = NULL;
    struct weir__session_plan plan = {.role = role, .raw = raw};
    int status =
        scope == NULL ? WEIR_EINVAL : weir__session_new(&session, scope->loop, &plan, options);
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
                     ? snprintf(out, size, "  session %p: at rest", (const void *)session)
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
