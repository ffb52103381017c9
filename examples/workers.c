/* examples/workers.c - threads do work that blocks. Its results come back to the loop by
 * weir_loop_post(), which other threads may call.
 *
 *     workers      a server that answers with what threads compute, and three clients at once */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

/* One piece of work: the coroutine fills it, a thread computes it, the loop completes it. */
struct job {
    weir_loop *loop;
    weir_deferred *done;
    unsigned number;
    unsigned long result;
};

static void complete(void *arg) /* on the loop's thread again */
{
    struct job *job = arg;
    weir_deferred_complete(job->done, WEIR_OK, &job->result);
}

static void *compute(void *arg) /* in a thread: of weir, it calls only weir_loop_post() */
{
    struct job *job = arg;
    unsigned long a = 0, b = 1;
    for (unsigned i = 0; i < job->number; i++) {
        unsigned long sum = a + b;
        a = b;
        b = sum;
    }
    job->result = a;
    if (weir_loop_post(job->loop, complete, job) != WEIR_OK)
        abort(); /* no memory for 24 bytes: the coroutine would wait for ever */
    return NULL;
}

static int ask_thread(struct job *job, unsigned long *result)
{
    pthread_t thread;
    void *value;
    if (pthread_create(&thread, NULL, compute, job) != 0)
        return WEIR_ELIMIT;
    int status = weir_deferred_await(job->done, &value); /* the loop goes on meanwhile */
    pthread_join(thread, NULL);
    if (status == WEIR_OK)
        *result = *(unsigned long *)value;
    return status;
}

static int answer(weir_session *session, weir_frame *question, void *arg)
{
    (void)arg;
    struct job job = {.loop = weir_session_loop(session)};
    unsigned long result;
    char text[64] = {0};
    int status = weir_deferred_new(&job.done, job.loop);
    if (status != WEIR_OK)
        return status;
    snprintf(text, sizeof text, "%.*s", (int)question->size, (const char *)question->data);
    job.number = (unsigned)strtoul(text, NULL, 10) % 90;
    status = ask_thread(&job, &result);
    weir_deferred_free(job.done);
    if (status != WEIR_OK)
        return status;
    snprintf(text, sizeof text, "fibonacci(%u) = %lu", job.number, result);
    return weir_send_text(session, text);
}

struct visit {
    weir_server *server;
    const char *question;
};

static int visit(void *arg)
{
    const struct visit *visit = arg;
    weir_session *session;
    weir_frame frame;
    int status = weir_client_open(&session, weir_scope_current(),
                                  &(weir_connect_options){.url = weir_server_url(visit->server)});
    if (status != WEIR_OK)
        return status;
    status = weir_send_text(session, visit->question);
    if (status == WEIR_OK)
        status = weir_receive(session, &frame);
    if (status == WEIR_OK) {
        printf("%.*s\n", (int)frame.size, (const char *)frame.data);
        weir_frame_release(&frame);
    }
    weir_session_free(session);
    return status;
}

static int run(void *arg)
{
    (void)arg;
    weir_scope clients;
    weir_server *server;
    struct visit visits[] = {{NULL, "10"}, {NULL, "50"}, {NULL, "80"}};
    weir_serve_options options = {.url = "ws://127.0.0.1:0/", .on_message = answer};
    int status = weir_server_start(&server, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return status;
    status = weir_scope_open(&clients);
    if (status == WEIR_OK) {
        for (int i = 0; status == WEIR_OK && i < 3; i++) {
            visits[i].server = server;
            status = weir_go(&clients, "visit", visit, &visits[i]);
        }
        int joined = weir_scope_join(&clients); /* all three have ended */
        status = status == WEIR_OK ? joined : status;
    }
    weir_server_free(server);
    return status;
}

int main(void)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "workers", run, NULL);
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
