/* A session's memory: how it is made, and how it is freed when all in its scope has ended. */
#include "ws/session/lru.h"
#include "ws/session/session.h"

#include <string.h>

/* --- its block --- */

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

/* --- the end of all that lived in it --- */

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

/* Its stream, its handler and whatever they started have ended. */
static void end_scope(weir_scope *scope)
{
    struct weir__active *active = WEIR__CONTAINER(scope, struct weir__active, scope);
    weir_session *session = active->session;
    if (session->stream != NULL || active->over || scope->child_count > 0)
        return;
    active->over = true;
    weir__timer_cancel(&session->timer);
    weir__session_notify_closed(session);
    end_calls(active, weir__session_end_status(session, WEIR_OK));
    weir__session_detach(session);
    if (!session->handed_out)
        weir__session_discard(session);
}

void weir__session_notify_closed(weir_session *session)
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

/* --- what it needs active --- */

void weir__active_init(struct weir__active *active, weir_session *session)
{
    weir_loop *loop = session->loop;
    const struct weir__session_machine *machine = session->terms->machine;
    const struct weir__limits *limits = &session->terms->limits;
    const struct weir__outlet_options outlet = {
        .loop = loop,
        .overflow = (enum weir_overflow)limits->outgoing_overflow,
        .capacity = limits->outgoing_capacity,
        .high_water = limits->high_water,
    };
    const struct weir__inlet_options inlet = {
        .loop = loop,
        .overflow = (enum weir_overflow)limits->incoming_overflow,
        .capacity = limits->incoming_capacity,
        .high_water = limits->high_water,
    };
    memset(active, 0, sizeof *active);
    active->session = session;
    session->active = active;
    weir__scope_init(&active->scope, loop, end_scope);
    weir__outlet_init(&active->outlet, &active->endpoint, machine->outlet, &outlet);
    weir__inlet_init(&active->inlet, &active->endpoint, machine->inlet, &inlet);
    weir__session_watch(session);
    weir__list_init(&active->calls);
    weir__task_init(&active->update, machine->update);
}

void weir__active_connect(struct weir__active *active, weir_stream *stream)
{
    weir__scope_adopt(&active->scope, &active->scope.job, active->session->terms->machine->actor);
    active->outlet.io = &stream->io;
    active->inlet.io = &stream->io;
}

static void free_attachments(weir_session *session)
{
    while (session->active->attachments != NULL) {
        struct weir__attachment *attachment = session->active->attachments;
        session->active->attachments = attachment->next;
        attachment->fini(attachment);
        weir__loop_free(session->loop, attachment, attachment->size);
    }
}

static void fini_active(struct weir__active *active)
{
    weir_session *session = active->session;
    weir__lru_remove(session);
    weir__task_cancel(&active->update);
    free_attachments(session);
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
                                                  const struct weir__session_plan *plan)
{
    if (!plan->owns_terms)
        return plan->terms;
    struct weir__session_terms *own =
        (struct weir__session_terms *)(void *)((uint8_t *)weir__session_tail(session) +
                                               tail_size(session->may_park));
    *own = *plan->terms;
    return own;
}

/* A session that may be parked stands apart from what it needs active. */
static int begin(weir_session *session, const weir_observer *observer)
{
    struct weir__active *active = session->may_park
                                      ? weir__loop_alloc(session->loop, sizeof *active)
                                      : weir__session_tail(session);
    if (active == NULL)
        return WEIR_ENOMEM;
    weir__active_init(active, session);
    int status = weir_session_observe(session, observer);
    if (status != WEIR_OK)
        return status;
    return weir__endpoint_init(&active->endpoint, &session->terms->limits.endpoint,
                               session->loop->now_ms);
}

int weir__session_new(weir_session **out, weir_loop *loop, const struct weir__session_plan *plan)
{
    *out = NULL;
    if (plan->options->user_size > UINT32_MAX)
        return WEIR_EINVAL;
    size_t size = session_size(plan->options->user_size, plan->may_park, plan->owns_terms);
    weir_session *session = weir__loop_alloc(loop, size);
    if (session == NULL)
        return WEIR_ENOMEM;
    memset(session, 0, size);
    session->loop = loop;
    session->raw = plan->terms->limits.endpoint.delivery == WEIR_DELIVER_FRAMES;
    session->may_park = plan->may_park;
    session->owns_terms = plan->owns_terms;
    session->user_size = (uint32_t)plan->options->user_size;
    session->terms = terms_of(session, plan);
    weir__timer_init(&session->timer, session->terms->machine->pass_deadline);
    weir__list_init(&session->dumpable.link);
    int status = begin(session, &plan->options->observer);
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
