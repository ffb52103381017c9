/* A server on several loops, one a thread, each with its own listener on the same port.
 *
 * Any thread may stop or dump it at any time, also in a signal handler. So a request is a bit
 * that a loop looks at in each turn, and the caller neither takes a lock nor waits. */
#include "rt/current.h"
#include "rt/loop.h"

#include <weir/server.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 1024

_Static_assert(ATOMIC_POINTER_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "a signal handler may not take a lock");

enum request { REQUEST_STOP = 1 << 0, REQUEST_DUMP = 1 << 1 };

struct worker {
    weir_service *service;
    weir_loop *_Atomic loop; /* made and run by its thread; NULL: not yet, or not any more */
    weir_server *server;
    pthread_t thread;
    bool threaded;
    int status;
    atomic_uint requests; /* bits of enum request */
};

typedef void dump_writer(const char *text, size_t size, void *arg);

struct weir_service {
    weir_serve_options options;
    struct worker *workers;
    unsigned worker_count;
    char *url; /* with the port that the first listener got */
    atomic_bool begun;
    atomic_uint wakers; /* calls that may be about to wake a loop */
    dump_writer *_Atomic write;
    void *_Atomic write_arg;
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
    if (service->workers == NULL || copy_url(service, options->url) != WEIR_OK) {
        weir_service_free(service);
        return WEIR_ENOMEM;
    }
    for (unsigned i = 0; i < service->worker_count; i++)
        service->workers[i].service = service;
    *out = service;
    return WEIR_OK;
}

void weir_service_free(weir_service *service)
{
    if (service == NULL)
        return;
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
    weir_loop *loop;
    int status = weir_loop_new(&loop, &worker->service->options.loop);
    if (status != WEIR_OK)
        return status;
    atomic_store(&worker->loop, loop);
    weir_loop *before = weir__loop_enter(loop);
    status = start_server(worker);
    weir__loop_leave(before);
    return status;
}

static void serve_requests(struct worker *worker)
{
    weir_service *service = worker->service;
    unsigned requests =
        atomic_load(&worker->requests); /* behind the back-end's flag of a wake-up */
    if (requests == 0)
        return;
    requests = atomic_exchange(&worker->requests, 0);
    weir_loop *loop = atomic_load(&worker->loop);
    weir_loop *before = weir__loop_enter(loop);
    if (requests & REQUEST_STOP)
        weir_server_stop(worker->server);
    if (requests & REQUEST_DUMP)
        weir_loop_dump(loop, atomic_load(&service->write), atomic_load(&service->write_arg));
    weir__loop_leave(before);
}

static int run_until_empty(struct worker *worker)
{
    weir_loop *loop = atomic_load(&worker->loop);
    int status;
    do {
        serve_requests(worker);
        status = weir_loop_turn(loop, -1);
    } while (status > 0);
    return status < 0 ? status : WEIR_OK;
}

static void discard(struct worker *worker)
{
    weir_loop *loop = atomic_exchange(&worker->loop, NULL);
    if (loop == NULL)
        return;
    /* A caller that has seen the loop may still be about to wake it. */
    while (atomic_load(&worker->service->wakers) > 0)
        (void)sched_yield();
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

/* Sets a request for every loop. A loop serves it in its next turn, or once it runs. */
static void request(weir_service *service, enum request what)
{
    int error = errno; /* of what a signal handler interrupts */
    atomic_fetch_add(&service->wakers, 1);
    for (unsigned i = 0; i < service->worker_count; i++) {
        struct worker *worker = &service->workers[i];
        (void)atomic_fetch_or(&worker->requests, what);
        weir_loop *loop = atomic_load(&worker->loop);
        if (loop != NULL)
            weir__loop_wake(loop);
    }
    atomic_fetch_sub(&service->wakers, 1);
    errno = error;
}

static void end(weir_service *service, int status)
{
    if (status != WEIR_OK)
        request(service, REQUEST_STOP);
    discard(&service->workers[0]);
    for (unsigned i = 1; i < service->worker_count; i++)
        if (service->workers[i].threaded)
            pthread_join(service->workers[i].thread, NULL);
}

int weir_service_run(weir_service *service)
{
    if (service == NULL)
        return WEIR_EINVAL;
    if (atomic_exchange(&service->begun, true))
        return WEIR_ESTATE;
    int status = start_workers(service);
    /* All listen: the callback may already stop or dump them. */
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
    if (service != NULL)
        request(service, REQUEST_STOP);
}

int weir_service_dump(weir_service *service, dump_writer *write, void *arg)
{
    if (service == NULL || write == NULL)
        return WEIR_EINVAL;
    atomic_store(&service->write_arg, arg);
    atomic_store(&service->write, write);
    request(service, REQUEST_DUMP);
    return WEIR_OK;
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
