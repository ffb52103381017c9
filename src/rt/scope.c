#include "rt/coroutine.h"

/* A coroutine between weir_scope_open() and weir_scope_join() is inside the scope without being a
 * child of it: it is the owner. Cancelling reaches it through coroutine->scope, which is always the
 * innermost scope that it has open. */

struct weir__deadline {
    weir__timer timer;
    weir_scope *scope;
    bool body_ended;
};

static void cancel_scope_job(struct weir__job *job)
{
    weir_scope_cancel(WEIR__CONTAINER(job, weir_scope, job));
}

static const struct weir__job_ops scope_ops = {cancel_scope_job};

void weir__scope_init(weir_scope *scope, weir_loop *loop, void (*emptied)(weir_scope *scope))
{
    scope->job.parent = NULL;
    scope->job.ops = &scope_ops;
    scope->loop = loop;
    scope->child_count = 0;
    weir__list_init(&scope->children);
    scope->owner = NULL;
    scope->emptied = emptied;
    scope->status = WEIR_OK;
    scope->cancelled = false;
    scope->joining = false;
    scope->timed_out = false;
}

int weir__scope_attach(weir_scope *scope, struct weir__job *job, const struct weir__job_ops *ops)
{
    if (scope->cancelled) {
        job->parent = NULL;
        return WEIR_CANCELLED;
    }
    weir__scope_adopt(scope, job, ops);
    return WEIR_OK;
}

/* One child less. The last act on a scope: emptied() may free it. */
static void uncount_child(weir_scope *scope)
{
    if (--scope->child_count > 0)
        return;
    if (scope->owner != NULL && scope->joining) {
        scope->joining = false;
        weir__wait_wake(scope->owner->wait, WEIR_OK);
    }
    if (scope->emptied != NULL)
        scope->emptied(scope);
}

void weir__scope_detach(struct weir__job *job, int status)
{
    weir_scope *scope = job->parent;
    if (scope == NULL)
        return;
    weir__list_unlink(&job->link);
    job->parent = NULL;
    if (weir__status_is_failure(status)) {
        if (scope->status == WEIR_OK)
            scope->status = status;
        weir_scope_cancel(scope);
    }
    uncount_child(scope);
}

static void cancel_children(weir_scope *scope)
{
    weir__node pending;
    /* A child may end, and others with it, while it is cancelled: so each is taken from a list that
     * all removals keep right. */
    weir__list_init(&pending);
    while (!weir__list_is_empty(&scope->children)) {
        weir__node *node = weir__list_first(&scope->children);
        weir__list_remove(node);
        weir__list_push(&pending, node);
    }
    while (!weir__list_is_empty(&pending)) {
        weir__node *node = weir__list_first(&pending);
        struct weir__job *job = WEIR__CONTAINER(node, struct weir__job, link);
        weir__list_remove(node);
        weir__list_push(&scope->children, node);
        job->ops->cancel(job);
    }
}

void weir_scope_cancel(weir_scope *scope)
{
    if (scope == NULL || scope->cancelled)
        return;
    scope->cancelled = true;
    bool had_children = scope->child_count > 0;
    if (had_children) {
        scope->child_count++; /* it is not empty before all have been cancelled */
        cancel_children(scope);
    }
    if (scope->owner != NULL && scope->owner->scope == scope)
        weir__coroutine_cancel_wait(scope->owner);
    if (had_children)
        uncount_child(scope);
}

bool weir_scope_is_cancelled(const weir_scope *scope)
{
    return scope->cancelled;
}

weir_scope *weir_scope_current(void)
{
    struct weir__coroutine *coroutine = weir__coroutine_current();
    return coroutine == NULL ? NULL : coroutine->scope;
}

int weir_scope_open(weir_scope *scope)
{
    struct weir__coroutine *coroutine = weir__coroutine_current();
    if (scope == NULL)
        return WEIR_EINVAL;
    if (coroutine == NULL)
        return WEIR_ESTATE;
    if (coroutine->scope->cancelled)
        return WEIR_CANCELLED;
    weir__scope_init(scope, coroutine->loop, NULL);
    weir__scope_adopt(coroutine->scope, &scope->job, &scope_ops);
    scope->owner = coroutine;
    coroutine->scope = scope;
    return WEIR_OK;
}

static void wait_for_children(weir_scope *scope)
{
    struct weir__wait wait = {.coroutine = scope->owner, .what = "join"};
    while (scope->child_count > 0) {
        scope->joining = true;
        (void)weir__wait_suspend(&wait);
    }
}

static int scope_result(const weir_scope *scope)
{
    if (scope->timed_out)
        return WEIR_ETIMEDOUT;
    if (scope->status != WEIR_OK)
        return scope->status;
    return scope->cancelled ? WEIR_CANCELLED : WEIR_OK;
}

int weir_scope_join(weir_scope *scope)
{
    struct weir__coroutine *coroutine = weir__coroutine_current();
    if (scope == NULL || coroutine == NULL || coroutine->scope != scope ||
        scope->owner != coroutine)
        return WEIR_ESTATE;
    wait_for_children(scope);
    coroutine->scope = scope->job.parent;
    scope->owner = NULL;
    weir__scope_detach(&scope->job, WEIR_OK);
    return scope_result(scope);
}

static void pass_deadline(weir__timer *timer)
{
    struct weir__deadline *deadline = WEIR__CONTAINER(timer, struct weir__deadline, timer);
    weir_scope *scope = deadline->scope;
    if (scope->cancelled || (deadline->body_ended && scope->child_count == 0))
        return; /* too late: how it ends is decided, only its owner has not run since */
    scope->timed_out = true;
    weir_scope_cancel(scope);
}

int weir_with_deadline(uint64_t timeout_ms, int (*body)(void *arg), void *arg)
{
    weir_scope scope;
    struct weir__deadline deadline = {.scope = &scope};
    if (body == NULL)
        return WEIR_EINVAL;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    weir__timer_init(&deadline.timer, pass_deadline);
    weir__timer_set_after(scope.loop, &deadline.timer, timeout_ms);
    status = body(arg);
    deadline.body_ended = true;
    if (weir__status_is_failure(status))
        weir_scope_cancel(&scope);
    int joined = weir_scope_join(&scope);
    weir__timer_cancel(&deadline.timer);
    if (scope.timed_out)
        return WEIR_ETIMEDOUT;
    return joined == WEIR_OK || weir__status_is_failure(status) ? status : joined;
}
