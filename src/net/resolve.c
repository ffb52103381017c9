/* Names to addresses. The C library's resolver blocks, so each question runs on a short-lived
 * thread of its own; the answer comes back through the loop's mailbox. A question and its answer
 * stand in a block of the C library's memory that the loop and the thread share. */
#include "rt/backend.h"
#include "rt/coroutine.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <weir/address.h>

#define HOST_MAX    255
#define ANSWERS_MAX 32
#define THREADS_MAX 256

/* Two references: the loop's, which passes to the mail once that is posted, and the thread's. */
struct question {
    atomic_int refs;
    pthread_mutex_t lock; /* guards the next two */
    weir_loop *loop; /* NULL: the answer is not wanted any more. While it is set, the loop lives */
    bool is_posted;
    struct weir__wait *wait; /* the loop's thread only */
    int status;              /* the answer: the thread's until it is posted, then the loop's */
    size_t count;
    weir_address addresses[ANSWERS_MAX];
    uint16_t port;
    char host[HOST_MAX + 1];
};

static atomic_int thread_count;

static void unref(struct question *question)
{
    if (atomic_fetch_sub(&question->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&question->lock);
    free(question);
}

/* --- on the thread --- */

static void set_port(weir_address *address, uint16_t port)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->storage.ss_family == AF_INET) {
        memcpy(&in, &address->storage, sizeof in);
        in.sin_port = htons(port);
        memcpy(&address->storage, &in, sizeof in);
    } else {
        memcpy(&in6, &address->storage, sizeof in6);
        in6.sin6_port = htons(port);
        memcpy(&address->storage, &in6, sizeof in6);
    }
}

static void keep_answers(struct question *question, const struct addrinfo *info)
{
    for (; info != NULL && question->count < ANSWERS_MAX; info = info->ai_next) {
        weir_address *address = &question->addresses[question->count];
        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        memset(address, 0, sizeof *address);
        memcpy(&address->storage, info->ai_addr, info->ai_addrlen);
        address->size = info->ai_addrlen;
        set_port(address, question->port);
        question->count++;
    }
}

static int status_of(int error, int errno_value)
{
    if (error == EAI_MEMORY)
        return WEIR_ENOMEM;
    return error == EAI_SYSTEM && errno_value != 0 ? WEIR_SYSTEM(errno_value) : WEIR_ERESOLVE;
}

static void ask(struct question *question)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *info = NULL;
    int error = getaddrinfo(question->host, NULL, &hints, &info);
    if (error != 0) {
        question->status = status_of(error, errno);
        return;
    }
    keep_answers(question, info);
    freeaddrinfo(info);
    question->status = question->count > 0 ? WEIR_OK : WEIR_ERESOLVE;
}

static void take_answer(void *arg);

/* Whether that is done: it was posted, or it is not wanted. While the lock is held, the loop
 * lives. */
static bool post_answer(struct question *question)
{
    pthread_mutex_lock(&question->lock);
    if (question->loop != NULL)
        question->is_posted = weir_loop_post(question->loop, take_answer, question) == WEIR_OK;
    bool is_done = question->loop == NULL || question->is_posted;
    pthread_mutex_unlock(&question->lock);
    return is_done;
}

static void *run_question(void *arg)
{
    static const struct timespec moment = {.tv_nsec = 10L * 1000 * 1000};
    struct question *question = arg;
    ask(question);
    /* no memory for the mail: a coroutine waits for it, so it is tried again */
    while (!post_answer(question))
        nanosleep(&moment, NULL);
    unref(question);
    atomic_fetch_sub(&thread_count, 1);
    return NULL;
}

/* Signals are for the program's own threads. */
static int create_thread(struct question *question)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    if (pthread_attr_init(&attributes) != 0)
        return WEIR_ENOMEM;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, &attributes, run_question, question);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0 ? WEIR_OK : WEIR_SYSTEM(error);
}

static int start_thread(struct question *question)
{
    if (atomic_fetch_add(&thread_count, 1) >= THREADS_MAX) {
        atomic_fetch_sub(&thread_count, 1);
        return WEIR_ELIMIT;
    }
    atomic_fetch_add(&question->refs, 1);
    int status = create_thread(question);
    if (status != WEIR_OK) {
        atomic_fetch_sub(&question->refs, 1);
        atomic_fetch_sub(&thread_count, 1);
    }
    return status;
}

/* --- on the loop --- */

struct asking {
    struct weir__wait wait;
    struct question *question;
    weir_address *out;
    size_t max;
    size_t count;
};

static void take_answer(void *arg)
{
    struct question *question = arg;
    pthread_mutex_lock(&question->lock); /* and so the thread is done with the loop */
    question->loop = NULL;
    pthread_mutex_unlock(&question->lock);
    if (question->wait != NULL) {
        struct asking *asking = WEIR__CONTAINER(question->wait, struct asking, wait);
        asking->count = question->count < asking->max ? question->count : asking->max;
        memcpy(asking->out, question->addresses, asking->count * sizeof *asking->out);
        weir__wait_wake(question->wait, question->status);
    }
    unref(question);
}

/* An answer that is posted already will still be taken, and dropped. */
static void withdraw_question(struct weir__wait *wait)
{
    struct question *question = WEIR__CONTAINER(wait, struct asking, wait)->question;
    question->wait = NULL;
    pthread_mutex_lock(&question->lock);
    bool is_posted = question->is_posted;
    question->loop = NULL;
    pthread_mutex_unlock(&question->lock);
    if (!is_posted)
        unref(question);
}

static struct question *make_question(const char *host, uint16_t port)
{
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL)
        return NULL;
    if (pthread_mutex_init(&question->lock, NULL) != 0) {
        free(question);
        return NULL;
    }
    atomic_init(&question->refs, 1);
    question->loop = weir_loop_current();
    question->port = port;
    memcpy(question->host, host, strlen(host) + 1);
    return question;
}

static int ask_others(struct asking *asking, const char *host, uint16_t port)
{
    int status = weir__wait_init(&asking->wait, "resolve", withdraw_question);
    if (status != WEIR_OK)
        return status;
    asking->question = make_question(host, port);
    if (asking->question == NULL)
        return WEIR_ENOMEM;
    asking->question->wait = &asking->wait;
    status = start_thread(asking->question);
    if (status != WEIR_OK) {
        unref(asking->question);
        return status;
    }
    return weir__wait_suspend(&asking->wait);
}

/* RFC 6761 6.3: such names are the own machine's, whatever a name server says. One final dot
 * does not matter. */
static bool is_localhost(const char *host)
{
    static const char name[] = "localhost";
    const size_t size = sizeof name - 1;
    size_t length = strlen(host);
    if (length > 0 && host[length - 1] == '.')
        length--;
    return length >= size && strncasecmp(host + length - size, name, size) == 0 &&
           (length == size || host[length - size - 1] == '.');
}

static int answer_localhost(uint16_t port, weir_address *out, size_t max, size_t *count)
{
    static const char *const hosts[] = {"::1", "127.0.0.1"};
    for (*count = 0; *count < max && *count < 2; ++*count) {
        int status = weir_address_tcp(&out[*count], hosts[*count], port);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

int weir_resolve(weir_address *out, size_t max, size_t *count, const char *host, uint16_t port)
{
    if (count != NULL)
        *count = 0;
    if (host == NULL || out == NULL || max == 0 || count == NULL)
        return WEIR_EINVAL;
    size_t length = strlen(host);
    if (length == 0 || length > HOST_MAX)
        return WEIR_EINVAL;
    if (weir_address_tcp(out, host, port) == WEIR_OK) {
        *count = 1;
        return WEIR_OK;
    }
    if (is_localhost(host))
        return answer_localhost(port, out, max, count);
    const weir_loop *loop = weir_loop_current();
    if (loop != NULL && loop->backend == &weir__backend_sim)
        return WEIR_ERESOLVE;
    struct asking asking = {.out = out, .max = max};
    int status = ask_others(&asking, host, port);
    *count = status == WEIR_OK ? asking.count : 0;
    return status;
}
