/* A server on several loops, one a thread, each with its own listener on the same port. */
#include "rt/loop.h"

#include <weir/server.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 1024

struct worker {
    weir_service *service;
    weir_loop *loop; /* made by the thread that prepares it, run by its own */
    weir_server *server;
    pthread_t thread;
    bool threaded;
    int status;
};

struct weir_service {
    weir_serve_options options;
    struct worker *workers;
    unsigned worker_count;
    char *url;            /* with the port that the first listener got */
    pthread_mutex_t lock; /* guards the rest */
    bool ready;           /* all workers have their loops */
    bool stopping;
    bool running;
};

static int copy_url(weir_service *service, const char *url)
{
    char *copy = strdup(url);
    if (copy == NULL)
        return WEIR_ENOMEM;
    free(service->url);
    service->url = copy;
    service->options.url = copy;
    return WEIR_OK;
}

int weir_service_new(weir_service **out, const weir_serve_options *options)
{
    if (out == NULL)
        return WEIR_EINVAL;
    *out = NULL;
    if (options == NULL || options->url == NULL || options->threads > THREADS_MAX)
        return WEIR_EINVAL;
    weir_service *service = calloc(1, sizeof *service);
    if (service == NULL)
        return WEIR_ENOMEM;
    service->options = *options;
    service->worker_count = options->threads != 0 ? options->threads : 1;
    service->workers = calloc(service->worker_count, sizeof *service->workers);
    pthread_mutex_init(&service->lock, NULL);
    if (service->workers == NULL || copy_url(service, options->url) != WEIR_OK) {
        weir_service_free(service);
        return WEIR_ENOMEM;
    }
    *out = service;
    return WEIR_OK;
}

void weir_service_free(weir_service *service)
{
    if (service == NULL)
        return;
    pthread_mutex_destroy(&service->lock);
    free(service->workers);
    free(service->url);
    free(service);
}

/* --- in a worker's thread --- */

static int start_server(void *arg)
{
    struct worker *worker = arg;
    return weir_server_start(&worker->server, weir_loop_scope(worker->loop),
                             &worker->service->options);
}

/* Runs in the thread that will run the loop: a loop belongs to its thread from the start. */
static int prepare(struct worker *worker)
{
    int status = weir_loop_new(&worker->loop, &worker->service->options.loop);
    if (status != WEIR_OK)
        return status;
    weir_loop *before = weir__loop_enter(worker->loop);
    status = start_server(worker);
    weir__loop_leave(before);
    return status;
}

static int run_until_empty(struct worker *worker)
{
    int status;
    do
        status = weir_loop_turn(worker->loop, -1);
    while (status > 0);
    return status < 0 ? status : WEIR_OK;
}

static void discard(struct worker *worker)
{
    weir_loop *loop = worker->loop;
    pthread_mutex_lock(&worker->service->lock);
    worker->loop = NULL; /* nobody posts to it any more */
    pthread_mutex_unlock(&worker->service->lock);
    if (loop == NULL)
        return;
    weir_server_free(worker->server);
    worker->server = NULL;
    weir_loop_free(loop);
}

/* --- threads --- */

struct start {
    struct worker *worker;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool prepared;
    int status;
};

static void *run_thread(void *arg)
{
    struct start *start = arg;
    struct worker *worker = start->worker;
    int status = prepare(worker);
    pthread_mutex_lock(&start->lock);
    start->status = status;
    start->prepared = true;
    pthread_cond_signal(&start->changed);
    pthread_mutex_unlock(&start->lock);
    if (status == WEIR_OK)
        worker->status = run_until_empty(worker);
    discard(worker);
    return NULL;
}

/* Starts a thread and waits until its server listens. */
static int start_thread(struct worker *worker)
{
    struct start start = {.worker = worker};
    pthread_mutex_init(&start.lock, NULL);
    pthread_cond_init(&start.changed, NULL);
    int error = pthread_create(&worker->thread, NULL, run_thread, &start);
    if (error == 0) {
        worker->threaded = true;
        pthread_mutex_lock(&start.lock);
        while (!start.prepared)
            pthread_cond_wait(&start.changed, &start.lock);
        pthread_mutex_unlock(&start.lock);
    }
    pthread_cond_destroy(&start.changed);
    pthread_mutex_destroy(&start.lock);
    return error != 0 ? WEIR_SYSTEM(error) : start.status;
}

static int start_workers(weir_service *service)
{
    struct worker *first = &service->workers[0];
    int status = prepare(first);
    /* The others share the port that the first one got. */
    if (status == WEIR_OK)
        status = copy_url(service, weir_server_url(first->server));
    for (unsigned i = 1; status == WEIR_OK && i < service->worker_count; i++)
        status = start_thread(&service->workers[i]);
    return status;
}

static void stop_server(void *arg)
{
    struct worker *worker = arg;
    weir_server_stop(worker->server);
}

/* With the lock held. */
static void stop_workers(weir_service *service)
{
    for (unsigned i = 0; i < service->worker_count; i++) {
        struct worker *worker = &service->workers[i];
        if (worker->loop != NULL && weir_loop_post(worker->loop, stop_server, worker) != WEIR_OK)
            continue; /* no memory: that loop is stopped by the next call */
    }
}

static bool begin(weir_service *service)
{
    pthread_mutex_lock(&service->lock);
    bool fresh = !service->running;
    service->running = true;
    pthread_mutex_unlock(&service->lock);
    return fresh;
}

static void end(weir_service *service, int status)
{
    pthread_mutex_lock(&service->lock);
    if (status != WEIR_OK)
        stop_workers(service);
    pthread_mutex_unlock(&service->lock);
    discard(&service->workers[0]);
    for (unsigned i = 1; i < service->worker_count; i++)
        if (service->workers[i].threaded)
            pthread_join(service->workers[i].thread, NULL);
    pthread_mutex_lock(&service->lock);
    service->running = false;
    pthread_mutex_unlock(&service->lock);
}

int weir_service_run(weir_service *service)
{
    if (service == NULL)
        return WEIR_EINVAL;
    if (!begin(service))
        return WEIR_ESTATE;
    for (unsigned i = 0; i < service->worker_count; i++)
        service->workers[i] = (struct worker){.service = service};
    int status = start_workers(service);
    pthread_mutex_lock(&service->lock);
    service->ready = status == WEIR_OK;
    if (service->stopping)
        stop_workers(service);
    pthread_mutex_unlock(&service->lock);
    /* Whoever learns that all listen may already stop or dump them. */
    if (status == WEIR_OK && service->options.on_listening != NULL)
        service->options.on_listening(service->url, service->options.listening_arg);
    if (status == WEIR_OK)
        status = run_until_empty(&service->workers[0]);
    end(service, status);
    for (unsigned i = 1; i < service->worker_count && status == WEIR_OK; i++)
        status = service->workers[i].status;
    return status;
}

void weir_service_stop(weir_service *service)
{
    if (service == NULL)
        return;
    pthread_mutex_lock(&service->lock);
    service->stopping = true;
    if (service->ready)
        stop_workers(service);
    pthread_mutex_unlock(&service->lock);
}

/* --- dumping --- */

struct dump {
    weir_loop *loop;
    void (*write)(void *context, const char *text, size_t size);
    void *context;
};

static void dump_loop(void *arg)
{
    struct dump *dump = arg;
    weir_loop_dump(dump->loop, dump->write, dump->context);
    free(dump);
}

int weir_service_dump(weir_service *service,
                      void (*write)(void *context, const char *text, size_t size), void *context)
{
    if (service == NULL || write == NULL)
        return WEIR_EINVAL;
    int status = WEIR_OK;
    pthread_mutex_lock(&service->lock);
    for (unsigned i = 0; service->ready && i < service->worker_count && status == WEIR_OK; i++) {
        struct worker *worker = &service->workers[i];
        struct dump *dump = worker->loop != NULL ? malloc(sizeof *dump) : NULL;
        if (dump == NULL)
            continue;
        *dump = (struct dump){worker->loop, write, context};
        status = weir_loop_post(worker->loop, dump_loop, dump);
        if (status != WEIR_OK)
            free(dump);
    }
    pthread_mutex_unlock(&service->lock);
    return status;
}

int weir_serve(const weir_serve_options *options)
{
    weir_service *service;
    int status = weir_service_new(&service, options);
    if (status != WEIR_OK)
        return status;
    status = weir_service_run(service);
    weir_service_free(service);
    return status;
}
