/* ctest: loops threads timeout=120 */
/* Closing at any moment, on the kernel's back-ends: the same facts on each. */
#include "io_ends.h"

#include <pthread.h>

/* --- closing --- */

static enum event close_at;
static bool close_resets;

static void close_at_event(struct end *end, enum event event)
{
    if (event == close_at)
        close_end(end, close_resets);
}

static void close_listener_in_accept(struct hall *hall)
{
    weir__io_close(&hall->io, false);
}

static void close_in(weir_loop *loop, enum event event, bool reset)
{
    struct hall *hall = open_hall(loop);
    size_t size = 8000000;
    uint8_t *bytes = make_pattern(size);
    struct end client;
    close_at = event;
    close_resets = reset;
    hall->on_event = close_at_event;
    connect_end(&client, hall);
    if (event == ON_CONNECT)
        client.on_event = close_at_event;
    TURN_UNTIL(loop, hall->count == 1 && client.connect_status != NOT_YET);
    struct end *server = &hall->ends[0];
    if (event == ON_SENT) {
        send_bytes(server, bytes, size);
        assert_true(weir__io_is_sending(&server->io));
        start_receiving(&client);
    } else if (event != ON_CONNECT) {
        start_receiving(server);
        send_bytes(&client, "data", 4);
        if (event == ON_END)
            assert_int_equal(weir__io_shutdown(&client.io), WEIR_OK);
    }
    TURN_UNTIL(loop, event == ON_CONNECT ? client.closed : server->closed);
    turn_for(loop, 5);
    reap(&client);
    close_hall(hall);
    free(bytes);
}

static void close_inside_each_callback(void **state)
{
    static const enum event events[] = {ON_DATA, ON_END, ON_SENT, ON_CONNECT};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        close_in(loop_of(state), events[i], false);
        close_in(loop_of(state), events[i], true);
    }
}

static void close_of_the_listener_inside_on_accept(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fds[5];
    hall->on_accept = close_listener_in_accept;
    for (int i = 0; i < 5; i++)
        fds[i] = plain_connect(hall);
    TURN_UNTIL(loop, hall->closed);
    assert_int_equal(hall->count, 1);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    close_hall(hall);
}

static void close_while_sending_and_receiving(void **state)
{
    weir_loop *loop = loop_of(state);
    uint8_t *bytes = make_pattern(8000000);
    for (int reset = 0; reset < 2; reset++) {
        struct hall *hall = open_hall(loop);
        struct end client;
        hall->receives = true;
        struct end *server = meet(&client, hall);
        send_bytes(server, bytes, 8000000);
        assert_true(weir__io_is_sending(&server->io));
        if (reset != 0)
            turn_for(loop, 10);
        close_end(server, reset != 0);
        close_end(server, false);
        TURN_UNTIL(loop, server->closed);
        assert_int_equal(server->end_status, NOT_YET);
        reap(&client);
        close_hall(hall);
    }
    free(bytes);
}

static void close_while_connecting(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    for (int turns = 0; turns < 3; turns++) {
        struct end client;
        connect_end(&client, hall);
        for (int i = 0; i < turns; i++)
            turn(loop, 0);
        reap(&client);
    }
    close_hall(hall);
}

static struct end *batch;
static size_t batch_size;

static void close_the_whole_batch(struct end *end, enum event event)
{
    (void)end;
    if (event != ON_DATA)
        return;
    for (size_t i = 0; i < batch_size; i++)
        close_end(&batch[i], i % 2 == 0);
}

static void several_closed_in_one_batch_hear_nothing_more(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fds[20];
    size_t data_calls = 0;
    hall->receives = true;
    hall->on_event = close_the_whole_batch;
    for (int i = 0; i < 20; i++)
        (void)plain_meet(&fds[i], hall);
    batch = hall->ends;
    batch_size = hall->count;
    for (int i = 0; i < 20; i++)
        assert_int_equal(write(fds[i], "now", 3), 3);
    TURN_UNTIL(loop, hall->ends[19].closed);
    for (int i = 0; i < 20; i++) {
        data_calls += hall->ends[i].data_calls;
        close(fds[i]);
    }
    assert_int_equal(data_calls, 1);
    close_hall(hall);
}

static void close_of_an_io_that_was_never_opened(void **state)
{
    struct end end;
    init_end(&end, loop_of(state));
    reap(&end);
}

static void read_all(int fd, size_t *count, const uint8_t *expected)
{
    static uint8_t part[65536];
    ssize_t size;
    while ((size = read(fd, part, sizeof part)) > 0) {
        assert_memory_equal(part, expected + *count, (size_t)size);
        *count += (size_t)size;
    }
    assert_int_equal(size, 0);
}

struct reading {
    int fd;
    size_t count;
    const uint8_t *expected;
    int delay_ms;
};

static void *read_in_thread(void *arg)
{
    struct reading *reading = arg;
    usleep((useconds_t)reading->delay_ms * 1000);
    read_all(reading->fd, &reading->count, reading->expected);
    close(reading->fd);
    return NULL;
}

/* Sends small pieces until the kernel takes no more, then ends the connection at once: whatever was
 * reported as taken must arrive. */
static void end_after_small_sends(weir_loop *loop, size_t piece_size, bool by_shutdown)
{
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(32000000);
    struct reading reading = {.expected = bytes, .delay_ms = 50};
    size_t taken = 0;
    pthread_t thread;
    struct end *server = plain_meet(&reading.fd, hall);
    for (int i = 0; !weir__io_is_sending(&server->io); i++) {
        struct iovec piece = {bytes + taken, piece_size};
        int64_t now = weir__io_send(&server->io, &piece, 1);
        assert_true(now >= 0);
        taken += (size_t)now;
        if (i % 4 == 3)
            turn(loop, 0);
        assert_true(taken < 31000000);
    }
    assert_int_equal(pthread_create(&thread, NULL, read_in_thread, &reading), 0);
    if (by_shutdown) {
        TURN_UNTIL(loop, !weir__io_is_sending(&server->io));
        struct iovec last = {bytes + taken, 1};
        assert_int_equal(weir__io_send(&server->io, &last, 1), 1);
        taken++;
        assert_int_equal(weir__io_shutdown(&server->io), WEIR_OK);
    } else {
        close_end(server, false);
    }
    turn_for(loop, 150);
    pthread_join(thread, NULL);
    assert_int_equal(reading.count, taken);
    free(bytes);
    close_hall(hall);
}

static void what_was_taken_arrives_before_the_end(void **state)
{
    end_after_small_sends(loop_of(state), 4096, false);
    end_after_small_sends(loop_of(state), 100, false);
    end_after_small_sends(loop_of(state), 4096, true);
    end_after_small_sends(loop_of(state), 40000, false);
}

static void close_right_after_a_send_delivers_it(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    char text[16];
    int fd;
    struct end *server = plain_meet(&fd, hall);
    send_bytes(server, "last words", 10);
    close_end(server, false);
    TURN_UNTIL(loop, server->closed);
    assert_int_equal(read(fd, text, sizeof text), 10);
    assert_int_equal(read(fd, text, sizeof text), 0);
    close(fd);
    close_hall(hall);
}

static size_t count_rest(int fd)
{
    static uint8_t part[65536];
    size_t total = 0;
    ssize_t size;
    while ((size = read(fd, part, sizeof part)) > 0)
        total += (size_t)size;
    assert_int_equal(size, 0);
    return total;
}

static void *count_in_thread(void *arg)
{
    struct reading *reading = arg;
    reading->count = count_rest(reading->fd);
    return NULL;
}

/* Whatever came to be promised while the kernel was full goes out before the end. */
static void last_words_into_a_full_socket_arrive(void **state)
{
    weir_loop *loop = loop_of(state);
    for (int by_shutdown = 0; by_shutdown < 2; by_shutdown++) {
        struct hall *hall = open_hall(loop);
        struct reading reading = {0};
        struct iovec words = {(void *)(uintptr_t) "last words", 10};
        pthread_t thread;
        struct end *server = plain_meet(&reading.fd, hall);
        size_t total = fill_up(server);
        int64_t taken = weir__io_send(&server->io, &words, 1);
        assert_true(taken >= 0);
        if (by_shutdown != 0 && taken == 10)
            assert_int_equal(weir__io_shutdown(&server->io), WEIR_OK);
        else
            close_end(server, false);
        turn_for(loop, 20);
        assert_int_equal(pthread_create(&thread, NULL, count_in_thread, &reading), 0);
        turn_for(loop, 100);
        if (by_shutdown != 0 && taken < 10)
            close_end(server, false);
        pthread_join(thread, NULL);
        assert_int_equal(reading.count, total + (size_t)taken);
        close(reading.fd);
        close_hall(hall);
    }
}

static void send_into_a_full_socket_goes_on_when_there_is_room(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct reading reading = {0};
    pthread_t thread;
    struct end *server = plain_meet(&reading.fd, hall);
    size_t total = fill_up(server);
    for (int i = 0; i < 3; i++) {
        if (server->out_size == 0) {
            send_bytes(server, "more", 4);
            total += 4;
        }
        turn_for(loop, 5);
    }
    assert_int_equal(pthread_create(&thread, NULL, count_in_thread, &reading), 0);
    TURN_UNTIL(loop, server->out_size == 0);
    close_end(server, false);
    turn_for(loop, 20);
    pthread_join(thread, NULL);
    assert_int_equal(reading.count, total);
    close(reading.fd);
    close_hall(hall);
}

static void stop_after_data(struct end *end, enum event event)
{
    if (event == ON_DATA)
        weir__io_recv_stop(&end->io);
}

static void close_with_data_that_nobody_wanted(void **state)
{
    weir_loop *loop = loop_of(state);
    uint8_t *bytes = make_pattern(3000000);
    for (int reset = 0; reset < 2; reset++) {
        struct hall *hall = open_hall(loop);
        struct end client;
        hall->receives = true;
        hall->on_event = stop_after_data;
        struct end *server = meet(&client, hall);
        send_bytes(&client, bytes, 3000000);
        TURN_UNTIL(loop, server->data_calls == 1);
        turn_for(loop, 5);
        close_end(server, reset != 0);
        TURN_UNTIL(loop, server->closed);
        assert_int_equal(server->data_calls, 1);
        reap(&client);
        close_hall(hall);
    }
    free(bytes);
}

static void loop_with_stuck_bytes_can_be_freed(void **state)
{
    struct world *second = open_world();
    struct hall *hall = open_hall(second->loop);
    struct iovec words = {(void *)(uintptr_t) "last words", 10};
    int fd;
    (void)state;
    struct end *server = plain_meet(&fd, hall);
    (void)fill_up(server);
    assert_true(weir__io_send(&server->io, &words, 1) >= 0);
    close_end(server, false);
    TURN_UNTIL(second->loop, server->closed);
    close_hall(hall);
    second->descriptors++; /* ours, still open */
    close_world(second);
    close(fd);
}

/* A peer that never reads does not hold a closed connection for ever. */
static void stuck_bytes_are_given_up_after_a_while(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct iovec words = {(void *)(uintptr_t) "last words", 10};
    int fd;
    struct end *server = plain_meet(&fd, hall);
    (void)fill_up(server);
    assert_true(weir__io_send(&server->io, &words, 1) >= 0);
    close_end(server, false);
    TURN_UNTIL(loop, server->closed);
    size_t before = count_descriptors();
    turn_for(loop, 100);
    uint64_t limit_ms = weir__sys_clock_ms() + 5500;
    if (strcmp(weir_loop_backend_name(loop), "io_uring") == 0)
        while (count_descriptors() == before && weir__sys_clock_ms() < limit_ms)
            turn(loop, 50);
    close(fd);
    close_hall(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(close_inside_each_callback),
        FACT(close_of_the_listener_inside_on_accept),
        FACT(close_while_sending_and_receiving),
        FACT(close_while_connecting),
        FACT(several_closed_in_one_batch_hear_nothing_more),
        FACT(close_of_an_io_that_was_never_opened),
        FACT(what_was_taken_arrives_before_the_end),
        FACT(close_right_after_a_send_delivers_it),
        FACT(last_words_into_a_full_socket_arrive),
        FACT(send_into_a_full_socket_goes_on_when_there_is_room),
        FACT(close_with_data_that_nobody_wanted),
        FACT(loop_with_stuck_bytes_can_be_freed),
        FACT(stuck_bytes_are_given_up_after_a_while),
    };
    return RUN_FACTS(tests);
}
