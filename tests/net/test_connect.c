/* ctest: loops
 * Connecting: to one address and to the first of several that answers; on the
 * kernel and in the simulated world. */
#include "net/net_place.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* A port that nobody listens at (any more). */
static weir_address nowhere(void)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener_close(listen_at(&address));
    assert_int_equal(weir_sleep(10), WEIR_OK);
    return address;
}

/* A place of the kernel that never answers: a listener whose backlog is full. */
struct black_hole {
    int fds[8];
    weir_address address;
};

static void open_hole(struct black_hole *hole)
{
    hole->address = tcp("127.0.0.1", 0);
    struct sockaddr *where = (struct sockaddr *)&hole->address.storage;
    for (int i = 0; i < 8; i++) {
        hole->fds[i] = socket(AF_INET, SOCK_STREAM | (i > 0 ? SOCK_NONBLOCK : 0), 0);
        assert_true(hole->fds[i] >= 0);
        if (i > 0) {
            (void)connect(hole->fds[i], where, hole->address.size);
            continue;
        }
        assert_int_equal(bind(hole->fds[0], where, hole->address.size), 0);
        assert_int_equal(listen(hole->fds[0], 0), 0);
        assert_int_equal(getsockname(hole->fds[0], where, &hole->address.size), 0);
    }
}

static void close_hole(const struct black_hole *hole)
{
    for (int i = 0; i < 8; i++)
        close(hole->fds[i]);
}

static uint64_t since_ms(uint64_t start_ms)
{
    return weir_loop_now(weir_loop_current()) - start_ms;
}

static uint64_t now_ms(void)
{
    return weir_loop_now(weir_loop_current());
}

/* --- one address --- */

static int be_refused(void *arg)
{
    weir_stream *stream;
    weir_address address = nowhere();
    (void)arg;
    assert_int_equal(weir_stream_connect(&stream, &address, 5000), WEIR_SYSTEM(ECONNREFUSED));
    assert_null(stream);
    assert_int_equal(weir_address_unix(&address, "/tmp/weir-no-such-socket"), WEIR_OK);
    int status = weir_stream_connect(&stream, &address, 5000);
    assert_true(status == WEIR_SYSTEM(ENOENT) || status == WEIR_SYSTEM(ECONNREFUSED));
    assert_null(stream);
    return WEIR_OK;
}

static void nobody_there_is_refused(void **state)
{
    place_run(*state, be_refused, NULL);
}

static int time_out(void *arg)
{
    struct black_hole hole;
    weir_stream *stream;
    (void)arg;
    open_hole(&hole);
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_stream_connect(&stream, &hole.address, 50), WEIR_ETIMEDOUT);
    assert_null(stream);
    assert_in_range(since_ms(start_ms), 40, 2000);
    close_hole(&hole);
    return WEIR_OK;
}

static void no_answer_times_out(void **state)
{
    place_run(*state, time_out, NULL);
}

static void slow_down(uint32_t latency_ms)
{
    const weir_sim_options slow = {.latency_min_ms = latency_ms, .latency_max_ms = latency_ms};
    assert_int_equal(weir_sim_set(weir_loop_current(), &slow), WEIR_OK);
}

static int time_out_in_sim(void *arg)
{
    weir_address address = tcp("192.0.2.1", 0);
    weir_listener *listener = listen_at(&address);
    weir_stream *stream;
    (void)arg;
    slow_down(8000);
    uint64_t start_ms = now_ms();
    assert_int_equal(weir_stream_connect(&stream, &address, 50), WEIR_ETIMEDOUT);
    assert_int_equal(since_ms(start_ms), 50);
    assert_int_equal(weir_stream_connect(&stream, &address, 0), WEIR_ETIMEDOUT);
    assert_int_equal(since_ms(start_ms), 10050);
    assert_int_equal(weir_stream_connect(&stream, &address, WEIR_UNLIMITED), WEIR_OK);
    assert_in_range(since_ms(start_ms), 26050, 26060);
    weir_stream_close(stream);
    weir_listener_close(listener);
    return WEIR_OK;
}

static void the_deadline_is_exact_and_has_a_default(void **state)
{
    place_run(*state, time_out_in_sim, NULL);
}

/* --- several addresses --- */

static int go_on_after_failures(void *arg)
{
    weir_address addresses[] = {nowhere(), {.size = 0}, nowhere(), tcp("127.0.0.1", 0)};
    weir_listener *listener = listen_at(&addresses[3]);
    weir_stream *client, *server;
    (void)arg;
    uint64_t start_ms = now_ms();
    assert_int_equal(weir__connect_any(addresses, 4, 5000, &client), WEIR_OK);
    assert_in_range(since_ms(start_ms), 0, 200);
    assert_int_equal(weir_listener_accept(&server, listener), WEIR_OK);
    write_text(client, "hello");
    expect_text(server, "hello");
    weir_stream_close(client);
    weir_stream_close(server);
    weir_listener_close(listener);
    return WEIR_OK;
}

static void a_failure_starts_the_next_attempt_at_once(void **state)
{
    place_run(*state, go_on_after_failures, NULL);
}

static int fail_everywhere(void *arg)
{
    const weir_address addresses[] = {{.size = 0}, nowhere(), nowhere()};
    weir_stream *stream;
    (void)arg;
    assert_int_equal(weir__connect_any(addresses, 3, 5000, &stream), WEIR_SYSTEM(ECONNREFUSED));
    assert_null(stream);
    assert_int_equal(weir__connect_any(addresses, 1, 5000, &stream), WEIR_EINVAL);
    assert_null(stream);
    return WEIR_OK;
}

static void when_all_fail_the_last_failure_is_told(void **state)
{
    place_run(*state, fail_everywhere, NULL);
}

static int overtake(void *arg)
{
    struct black_hole hole;
    weir_stream *client;
    weir_address addresses[2];
    (void)arg;
    open_hole(&hole);
    addresses[0] = hole.address;
    addresses[1] = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&addresses[1]);
    uint64_t start_ms = now_ms();
    assert_int_equal(weir__connect_any(addresses, 2, 5000, &client), WEIR_OK);
    assert_in_range(since_ms(start_ms), 240, 1000);
    weir_stream_close(client);
    weir_listener_close(listener);
    close_hole(&hole);
    return WEIR_OK;
}

static void an_address_that_does_not_answer_is_overtaken(void **state)
{
    place_run(*state, overtake, NULL);
}

/* Twelve addresses that answer after a second: eight are tried at once, the first of them wins,
 * and the rest is let go. */
static int win(void *arg)
{
    weir_address addresses[12];
    weir_listener *listeners[12];
    weir_stream *client;
    weir_address peer;
    (void)arg;
    for (int i = 0; i < 12; i++) {
        addresses[i] = tcp("192.0.2.1", 0);
        listeners[i] = listen_at(&addresses[i]);
    }
    slow_down(5000);
    uint64_t start_ms = now_ms();
    assert_int_equal(weir__connect_any(addresses, 12, WEIR_UNLIMITED, &client), WEIR_OK);
    assert_in_range(since_ms(start_ms), 10000, 10010);
    assert_int_equal(weir_stream_peer_address_get(&peer, client), WEIR_OK);
    assert_int_equal(weir_address_port(&peer), weir_address_port(&addresses[0]));
    weir_stream_close(client);
    for (int i = 0; i < 12; i++)
        weir_listener_close(listeners[i]);
    return WEIR_OK;
}

static void the_first_that_connects_wins(void **state)
{
    place_run(*state, win, NULL);
}

/* --- giving up --- */

static int connect_twice(void *arg)
{
    weir_stream *stream;
    int status = weir__connect_any(arg, 2, WEIR_UNLIMITED, &stream);
    if (status == WEIR_OK)
        weir_stream_close(stream);
    return status;
}

static int be_cancelled(void *arg)
{
    struct black_hole hole;
    (void)arg;
    open_hole(&hole);
    weir_address addresses[] = {hole.address, hole.address};
    assert_int_equal(weir_with_deadline(50, connect_twice, addresses), WEIR_ETIMEDOUT);
    assert_int_equal(weir_with_deadline(300, connect_twice, addresses), WEIR_ETIMEDOUT);
    close_hole(&hole);
    return WEIR_OK;
}

static void all_attempts_end_when_the_caller_is_cancelled(void **state)
{
    place_run(*state, be_cancelled, NULL);
}

static int connect_cancelled(void *arg)
{
    weir_stream *stream;
    weir_scope_cancel(weir_scope_current());
    assert_int_equal(weir_stream_connect(&stream, arg, 5000), WEIR_CANCELLED);
    assert_null(stream);
    return WEIR_OK;
}

static void who_is_cancelled_does_not_begin(void **state)
{
    struct place *place = *state;
    weir_address address = tcp("127.0.0.1", 1);
    (void)weir_loop_run(place->loop, "test", connect_cancelled, &address);
}

static int connect_once(void *arg)
{
    weir_address addresses[] = {tcp("127.0.0.1", 0), tcp("127.0.0.1", 0)};
    weir_listener *listener;
    weir_stream *client = NULL;
    int *status = arg;
    *status = weir_listener_open(&listener, weir_loop_current(), &addresses[1], false);
    if (*status != WEIR_OK)
        return WEIR_OK;
    assert_int_equal(weir_listener_address_get(&addresses[1], listener), WEIR_OK);
    addresses[0].size = 0;
    *status = weir__connect_any(addresses, 2, 500, &client);
    assert_true((*status == WEIR_OK) == (client != NULL));
    weir_stream_close(client);
    weir_listener_close(listener);
    return WEIR_OK;
}

static void oom_connecting_says_so_and_leaves_nothing(void **state)
{
    struct place *place = *state;
    bool failed = true;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct place once;
        if (place_try_open(&once, place->is_sim, fail_at) != WEIR_OK)
            continue;
        int status = WEIR_OK;
        (void)weir_loop_run(once.loop, "test", connect_once, &status);
        failed = once.memory.failed;
        assert_true(failed || status == WEIR_OK);
        place_close(&once);
    }
}

static int misuse(void *arg)
{
    weir_address address = tcp("127.0.0.1", 1);
    weir_stream *stream;
    (void)arg;
    assert_int_equal(weir_stream_connect(NULL, &address, 1), WEIR_EINVAL);
    assert_int_equal(weir_stream_connect(&stream, NULL, 1), WEIR_EINVAL);
    assert_null(stream);
    assert_int_equal(weir__connect_any(&address, 0, 1, &stream), WEIR_EINVAL);
    address.size = sizeof address.storage + 1;
    assert_int_equal(weir_stream_connect(&stream, &address, 1), WEIR_EINVAL);
    assert_null(stream);
    return WEIR_OK;
}

static void bad_arguments_are_refused(void **state)
{
    place_run(*state, misuse, NULL);
}

static void outside_of_a_coroutine_nobody_connects(void **state)
{
    weir_address address = tcp("127.0.0.1", 1);
    weir_stream *stream;
    (void)state;
    assert_int_equal(weir_stream_connect(&stream, &address, 5000), WEIR_ESTATE);
    assert_null(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(nobody_there_is_refused),
        ON_KERNEL(no_answer_times_out),
        IN_SIM(the_deadline_is_exact_and_has_a_default),
        ON_BOTH(a_failure_starts_the_next_attempt_at_once),
        ON_BOTH(when_all_fail_the_last_failure_is_told),
        ON_KERNEL(an_address_that_does_not_answer_is_overtaken),
        IN_SIM(the_first_that_connects_wins),
        ON_KERNEL(all_attempts_end_when_the_caller_is_cancelled),
        ON_BOTH(who_is_cancelled_does_not_begin),
        ON_BOTH(oom_connecting_says_so_and_leaves_nothing),
        ON_BOTH(bad_arguments_are_refused),
        ON_BOTH(outside_of_a_coroutine_nobody_connects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
