/* ctest: loops threads timeout=120 */
/* Waiting and waking on the kernel's back-ends: the same facts on each. */
#include "io_ends.h"

#include <pthread.h>

/* --- the loop --- */

static void *post_soon(void *arg)
{
    weir_loop *loop = arg;
    static int posted;
    usleep(20000);
    for (int i = 0; i < 1000; i++)
        if (weir_loop_post(loop, (void (*)(void *))(uintptr_t)NULL, &posted) != WEIR_EINVAL)
            return arg;
    return NULL;
}

static unsigned mail_count;

static void count_mail(void *arg)
{
    (void)arg;
    mail_count++;
}

static void *post_many(void *arg)
{
    for (int i = 0; i < 5000; i++)
        if (weir_loop_post(arg, count_mail, NULL) != WEIR_OK)
            return arg;
    return NULL;
}

static void post_from_other_threads_wakes_the_loop(void **state)
{
    weir_loop *loop = loop_of(state);
    pthread_t threads[3];
    void *failed;
    mail_count = 0;
    assert_int_equal(pthread_create(&threads[0], NULL, post_soon, loop), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, post_many, loop), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, post_many, loop), 0);
    uint64_t limit_ms = weir__sys_clock_ms() + LIMIT_MS;
    while (mail_count < 10000 && weir__sys_clock_ms() < limit_ms)
        turn(loop, 1000);
    assert_int_equal(mail_count, 10000);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

static void *post_one_late(void *arg)
{
    usleep(30000);
    return weir_loop_post(arg, count_mail, NULL) == WEIR_OK ? NULL : arg;
}

static void waiting_turn_ends_at_a_post(void **state)
{
    weir_loop *loop = loop_of(state);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        mail_count = 0;
        uint64_t start_ms = weir__sys_clock_ms();
        assert_int_equal(pthread_create(&thread, NULL, post_one_late, loop), 0);
        while (mail_count == 0)
            turn(loop, 5000);
        assert_true(weir__sys_clock_ms() - start_ms < 2000);
        pthread_join(thread, NULL);
    }
}

static void turn_waits_as_long_as_it_is_told(void **state)
{
    weir_loop *loop = loop_of(state);
    turn(loop, 0);
    uint64_t start_ms = weir__sys_clock_ms();
    turn(loop, 40);
    uint64_t time_ms = weir__sys_clock_ms() - start_ms;
    assert_true(time_ms >= 39 && time_ms < 1000);
    start_ms = weir__sys_clock_ms();
    for (int i = 0; i < 100; i++)
        turn(loop, 0);
    assert_true(weir__sys_clock_ms() - start_ms < 1000);
}

/* One round of a foreign loop: poll the descriptor, then turn without waiting. */
static void turn_in_foreign_loop(weir_loop *loop)
{
    struct pollfd watched = {.fd = weir_loop_fd(loop), .events = POLLIN};
    int64_t timeout_ms = weir_loop_timeout(loop);
    int ready = poll(&watched, 1, timeout_ms < 0 || timeout_ms > 1000 ? 1000 : (int)timeout_ms);
    assert_true(ready >= 0);
    /* Nothing but a time that has come or the descriptor makes us turn. */
    if (ready > 0 || timeout_ms >= 0)
        turn(loop, 0);
    else
        fail_msg("the descriptor never became readable");
}

static void loop_lives_in_a_foreign_one(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    static struct end client;
    hall->receives = hall->echoes = true;
    connect_end(&client, hall);
    while (client.connect_status == NOT_YET)
        turn_in_foreign_loop(loop);
    start_receiving(&client);
    for (size_t i = 1; i <= 50; i++) {
        send_bytes(&client, "abc", 3);
        while (client.got_size < 3 * i)
            turn_in_foreign_loop(loop);
    }
    uint8_t *bytes = make_pattern(3000000);
    struct end *server = &hall->ends[0];
    server->echoes = false;
    send_bytes(&client, bytes, 3000000);
    while (server->got_size < 150 + 3000000)
        turn_in_foreign_loop(loop);
    pthread_t thread;
    mail_count = 0;
    assert_int_equal(pthread_create(&thread, NULL, post_one_late, loop), 0);
    while (mail_count == 0)
        turn_in_foreign_loop(loop);
    pthread_join(thread, NULL);
    free(bytes);
    reap(&client);
    close_hall(hall);
}

/* Speaks to a hall from a thread of its own, as another process would: a byte at a time, waiting
 * for each answer. */
static void *speak_from_elsewhere(void *arg)
{
    const struct hall *hall = arg;
    char byte = 'x';
    int fd = socket(hall->address.ss_family, SOCK_STREAM, 0);
    bool good = fd >= 0 && connect(fd, (const struct sockaddr *)&hall->address, hall->size) == 0;
    for (int i = 0; good && i < 5; i++) {
        usleep(200);
        good = send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1;
    }
    if (fd >= 0)
        close(fd);
    return good ? NULL : arg;
}

/* Fresh loops, since the first waits are the delicate ones. */
static void what_comes_from_elsewhere_wakes_a_foreign_loop(void **state)
{
    (void)state;
    for (int i = 0; i < 40; i++) {
        weir_loop *loop;
        pthread_t thread;
        void *failed;
        assert_int_equal(weir_loop_new(&loop, NULL), WEIR_OK);
        struct hall *hall = open_hall(loop);
        hall->receives = hall->echoes = true;
        assert_true(weir_loop_fd(loop) >= 0);
        turn(loop, 0);
        assert_int_equal(pthread_create(&thread, NULL, speak_from_elsewhere, hall), 0);
        while (hall->count == 0 || hall->ends[0].got_size < 5)
            turn_in_foreign_loop(loop);
        pthread_join(thread, &failed);
        assert_null(failed);
        close_hall(hall);
        weir_loop_free(loop);
    }
}

static void *run_world(void *arg)
{
    weir_loop *loop = arg;
    struct hall *hall = open_hall(loop);
    struct end client;
    hall->receives = hall->echoes = true;
    (void)meet(&client, hall);
    start_receiving(&client);
    send_bytes(&client, "hello", 5);
    TURN_UNTIL(loop, client.got_size == 5);
    reap(&client);
    close_hall(hall);
    return NULL;
}

static void loop_may_be_made_in_one_thread_and_turned_in_another(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_world, loop_of(state)), 0);
    pthread_join(thread, NULL);
}

static void random_bytes_differ(void **state)
{
    weir_loop *loop = loop_of(state);
    uint8_t first[300] = {0};
    uint8_t second[300] = {0};
    size_t zeros = 0;
    weir_loop_random(first, sizeof first, loop);
    weir_loop_random(second, sizeof second, loop);
    assert_memory_not_equal(first, second, sizeof first);
    for (size_t i = 0; i < sizeof first; i++)
        zeros += first[i] == 0;
    assert_true(zeros < 20);
}

static void one_busy_connection_leaves_room_for_others(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(50000000);
    struct end hog;
    struct end guest;
    hall->receives = true;
    struct end *hog_server = meet(&hog, hall);
    struct end *guest_server = meet(&guest, hall);
    send_bytes(&hog, bytes, 50000000);
    send_bytes(&guest, "please", 6);
    TURN_UNTIL(loop, guest_server->got_size == 6);
    assert_true(hog_server->got_size < 25000000);
    free(bytes);
    close_end(&hog, true);
    reap(&hog);
    reap(&guest);
    close_hall(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(post_from_other_threads_wakes_the_loop),
        FACT(waiting_turn_ends_at_a_post),
        FACT(turn_waits_as_long_as_it_is_told),
        FACT(loop_lives_in_a_foreign_one),
        FACT(what_comes_from_elsewhere_wakes_a_foreign_loop),
        FACT(loop_may_be_made_in_one_thread_and_turned_in_another),
        FACT(random_bytes_differ),
        FACT(one_busy_connection_leaves_room_for_others),
    };
    return RUN_FACTS(tests);
}
