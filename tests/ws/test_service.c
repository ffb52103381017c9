/* ctest: loops threads */
/* A service: one server on several loops in several threads, stopped and dumped from another one;
 * and the blocking calls. */
#include "support/session_rig.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct running {
    weir_service *service;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char url[128];
    bool listening;
    int status;
};

static void note_listening(const char *url, void *arg)
{
    struct running *running = arg;
    pthread_mutex_lock(&running->lock);
    snprintf(running->url, sizeof running->url, "%s", url);
    running->listening = true;
    pthread_cond_signal(&running->changed);
    pthread_mutex_unlock(&running->lock);
}

static void *run_service(void *arg)
{
    struct running *running = arg;
    running->status = weir_service_run(running->service);
    return NULL;
}

static void start(struct running *running, unsigned threads)
{
    memset(running, 0, sizeof *running);
    pthread_mutex_init(&running->lock, NULL);
    pthread_cond_init(&running->changed, NULL);
    weir_serve_options options = {.url = "ws://127.0.0.1:0/echo",
                                  .handler = rig_echo,
                                  .threads = threads,
                                  .on_listening = note_listening,
                                  .listening_arg = running};
    assert_ok(weir_service_new(&running->service, &options));
    assert_int_equal(pthread_create(&running->thread, NULL, run_service, running), 0);
    pthread_mutex_lock(&running->lock);
    while (!running->listening)
        pthread_cond_wait(&running->changed, &running->lock);
    pthread_mutex_unlock(&running->lock);
}

static void stop(struct running *running)
{
    weir_service_stop(running->service);
    pthread_join(running->thread, NULL);
    assert_status(running->status, WEIR_OK);
    weir_service_free(running->service);
    pthread_cond_destroy(&running->changed);
    pthread_mutex_destroy(&running->lock);
}

/* --- cases --- */

#define CLIENTS 40

static int talk_and_close(void *arg)
{
    const char *url = arg;
    weir_session *session;
    weir_frame frame;
    assert_ok(
        weir_client_open(&session, weir_scope_current(), &(weir_connect_options){.url = url}));
    for (int i = 0; i < 20; i++) {
        assert_ok(weir_send_text(session, "hello"));
        assert_ok(weir_receive(session, &frame));
        assert_int_equal(frame.size, 5);
        weir_frame_release(&frame);
    }
    assert_ok(weir_close(session, 1000, NULL));
    assert_status(weir_session_join(session), WEIR_CLOSED);
    weir_session_free(session);
    return WEIR_OK;
}

static int talk_all(void *arg)
{
    for (int i = 0; i < CLIENTS; i++)
        assert_ok(weir_go(weir_loop_scope(weir_loop_current()), "client", talk_and_close, arg));
    return WEIR_OK;
}

static void threads_serve_together(void **state)
{
    struct running running;
    weir_loop *loop;
    (void)state;
    start(&running, 3);
    assert_ok(weir_loop_new(&loop, NULL));
    assert_ok(weir_loop_run(loop, "clients", talk_all, running.url));
    weir_loop_free(loop);
    stop(&running);
}

static int wait_for_close_now(void *arg)
{
    struct running *running = arg;
    weir_session *sessions[8];
    weir_end end;
    for (int i = 0; i < 8; i++)
        assert_ok(weir_client_open(&sessions[i], weir_scope_current(),
                                   &(weir_connect_options){.url = running->url}));
    weir_service_stop(running->service);
    for (int i = 0; i < 8; i++) {
        assert_status(weir_session_join(sessions[i]), WEIR_CLOSED);
        weir_session_end_get(&end, sessions[i]);
        assert_int_equal(end.theirs.code, WEIR_CLOSE_GOING_AWAY);
        weir_session_free(sessions[i]);
    }
    return WEIR_OK;
}

static void stopping_closes_every_session_with_1001(void **state)
{
    struct running running;
    weir_loop *loop;
    (void)state;
    start(&running, 2);
    assert_ok(weir_loop_new(&loop, NULL));
    assert_ok(weir_loop_run(loop, "clients", wait_for_close_now, &running));
    weir_loop_free(loop);
    stop(&running);
}

static _Atomic size_t dumped;

static void count_dump(const char *text, size_t size, void *arg)
{
    (void)arg;
    assert_int_equal(text[size - 1], '\n');
    atomic_fetch_add(&dumped, 1);
}

static void every_loop_is_dumped_on_its_own_thread(void **state)
{
    struct running running;
    (void)state;
    atomic_store(&dumped, 0);
    start(&running, 2);
    assert_ok(weir_service_dump(running.service, count_dump, NULL));
    stop(&running); /* a loop that has to do both dumps before it stops */
    assert_true(atomic_load(&dumped) >= 2);
}

static void service_can_be_stopped_before_it_runs(void **state)
{
    weir_service *service;
    (void)state;
    assert_ok(weir_service_new(
        &service, &(weir_serve_options){.url = "ws://127.0.0.1:0", .handler = rig_echo}));
    weir_service_stop(service);
    assert_ok(weir_service_run(service));
    weir_service_free(service);
}

static weir_service *to_stop;

static void stop_by_signal(int number)
{
    (void)number;
    weir_service_stop(to_stop);
}

static void raise_one(const char *url, void *arg)
{
    (void)url;
    (void)arg;
    (void)raise(SIGUSR2);
}

/* The handler runs in the middle of weir_service_run(). */
static void a_signal_handler_may_stop_it(void **state)
{
    struct sigaction action = {.sa_handler = stop_by_signal};
    struct sigaction before;
    (void)state;
    assert_ok(weir_service_new(&to_stop, &(weir_serve_options){.url = "ws://127.0.0.1:0",
                                                               .handler = rig_echo,
                                                               .threads = 2,
                                                               .on_listening = raise_one}));
    assert_int_equal(sigaction(SIGUSR2, &action, &before), 0);
    assert_ok(weir_service_run(to_stop));
    assert_status(weir_service_run(to_stop), WEIR_ESTATE);
    assert_int_equal(sigaction(SIGUSR2, &before, NULL), 0);
    weir_service_free(to_stop);
}

static int hello(weir_session *session, void *arg)
{
    weir_frame frame;
    int status = weir_send_text(session, "hello");
    if (status == WEIR_OK)
        status = weir_receive(session, &frame);
    if (status == WEIR_OK)
        *(size_t *)arg = frame.size;
    return status;
}

static void blocking_client_runs_its_handler(void **state)
{
    struct running running;
    size_t size = 0;
    (void)state;
    start(&running, 1);
    assert_ok(
        weir_connect(&(weir_connect_options){.url = running.url, .handler = hello, .arg = &size}));
    assert_int_equal(size, 5);
    stop(&running);
    weir_connect_failure failure;
    weir_connect_options gone = {
        .url = running.url, .handler = hello, .arg = &size, .failure = &failure};
    assert_true(weir_status_errno(weir_connect(&gone)) != 0);
}

static void address_in_use_is_reported(void **state)
{
    struct running running;
    (void)state;
    start(&running, 1);
    assert_status(weir_serve(&(weir_serve_options){.url = running.url, .handler = rig_echo}),
                  WEIR_SYSTEM(EADDRINUSE));
    stop(&running);
}

static void bad_options_are_refused(void **state)
{
    weir_service *service;
    (void)state;
    assert_status(weir_service_new(&service, NULL), WEIR_EINVAL);
    assert_status(weir_service_new(&service, &(weir_serve_options){.handler = rig_echo}),
                  WEIR_EINVAL);
    assert_status(weir_serve(&(weir_serve_options){.url = "ws://127.0.0.1:0"}), WEIR_EINVAL);
    assert_status(
        weir_serve(&(weir_serve_options){.url = "wss://127.0.0.1:0", .handler = rig_echo}),
        WEIR_ENOTSUP);
    assert_status(weir_connect(&(weir_connect_options){.url = "ws://127.0.0.1:1"}), WEIR_EINVAL);
    assert_status(weir_service_run(NULL), WEIR_EINVAL);
    weir_service_stop(NULL);
    weir_service_free(NULL);
}

int main(void)
{
    transport_choose();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_serve_together),
        cmocka_unit_test(stopping_closes_every_session_with_1001),
        cmocka_unit_test(every_loop_is_dumped_on_its_own_thread),
        cmocka_unit_test(service_can_be_stopped_before_it_runs),
        cmocka_unit_test(a_signal_handler_may_stop_it),
        cmocka_unit_test(blocking_client_runs_its_handler),
        cmocka_unit_test(address_in_use_is_reported),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
