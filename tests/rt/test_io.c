/* ctest: loops threads timeout=120 */
/* Sockets on the kernel's back-ends: the same facts on each. */
#include "io_ends.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void make_world(void **state)
{
    *state = open_world();
}

static int set_up(void **state)
{
    make_world(state);
    return 0;
}

static int tear_down(void **state)
{
    close_world(*state);
    return 0;
}

static weir_loop *loop_of(void **state)
{
    return ((struct world *)*state)->loop;
}

/* --- conversations --- */

static void converse(weir_loop *loop, const struct sockaddr_storage *address, socklen_t size)
{
    struct hall *hall = open_hall_at(loop, address, size);
    struct end client;
    hall->receives = hall->echoes = true;
    meet(&client, hall);
    start_receiving(&client);
    for (unsigned i = 1; i <= 100; i++) {
        send_bytes(&client, "hello, weir", 11);
        TURN_UNTIL(loop, client.got_size == 11 * i);
    }
    assert_memory_equal(client.got, "hello, weirhello, weir", 22);
    bury(&client);
    close_hall(hall);
}

static void tcp4_echo(void **state)
{
    struct sockaddr_storage address;
    socklen_t size = tcp4(&address);
    converse(loop_of(state), &address, size);
}

static void tcp6_echo(void **state)
{
    struct sockaddr_storage address;
    socklen_t size = tcp6(&address);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    int bound = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, size);
    if (fd >= 0)
        close(fd);
    if (bound != 0)
        skip();
    converse(loop_of(state), &address, size);
}

static void unix_echo(void **state)
{
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    converse(loop_of(state), &address, size);
    unlink(((struct sockaddr_un *)&address)->sun_path);
}

static void many_connections_echo_at_once(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    static struct end clients[ENDS_MAX];
    hall->receives = hall->echoes = true;
    for (size_t i = 0; i < ENDS_MAX; i++)
        connect_end(&clients[i], hall);
    TURN_UNTIL(loop, hall->count == ENDS_MAX);
    for (size_t i = 0; i < ENDS_MAX; i++) {
        TURN_UNTIL(loop, clients[i].connect_status == WEIR_OK);
        start_receiving(&clients[i]);
        send_bytes(&clients[i], "ping", 4);
    }
    for (size_t i = 0; i < ENDS_MAX; i++)
        TURN_UNTIL(loop, clients[i].got_size == 4);
    for (size_t i = 0; i < ENDS_MAX; i++)
        bury(&clients[i]);
    close_hall(hall);
}

static void small_and_large_sends_of_one_turn_keep_their_order(void **state)
{
    static const size_t sizes[] = {10, 300, 5, 20000, 7, 1, 100000, 16384, 16385, 3, 900, 900};
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(200000);
    struct end client;
    size_t sent = 0;
    struct end *server = meet(&client, hall);
    start_receiving(server);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        send_bytes(&client, bytes + sent, sizes[i]);
        TURN_UNTIL(loop, client.out_size == 0);
        sent += sizes[i];
    }
    TURN_UNTIL(loop, server->got_size == sent);
    assert_memory_equal(server->got, bytes, sent);
    free(bytes);
    bury(&client);
    close_hall(hall);
}

static void pieces_go_out_in_order(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(16 * 3000);
    struct iovec pieces[17];
    struct end client;
    struct end *server = meet(&client, hall);
    start_receiving(server);
    for (size_t i = 0; i < 17; i++)
        pieces[i] = (struct iovec){bytes + i % 16 * 3000, 3000};
    assert_int_equal(weir__io_send(&client.io, pieces, 17), WEIR_EINVAL);
    assert_int_equal(weir__io_send(&client.io, pieces, 0), WEIR_EINVAL);
    assert_int_equal(weir__io_send(&client.io, pieces, 16), 16 * 3000);
    TURN_UNTIL(loop, server->got_size == 16 * 3000);
    assert_memory_equal(server->got, bytes, 16 * 3000);
    free(bytes);
    bury(&client);
    close_hall(hall);
}

/* --- receiving --- */

static void data_before_recv_start_is_delivered_after(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    assert_int_equal(write(fd, "early", 5), 5);
    turn_for(loop, 30);
    assert_int_equal(server->data_calls, 0);
    start_receiving(server);
    TURN_UNTIL(loop, server->got_size == 5);
    close(fd);
    TURN_UNTIL(loop, server->end_status == WEIR_CLOSED);
    assert_int_equal(weir__io_recv_start(&server->io), WEIR_CLOSED);
    weir__io_recv_stop(&server->io);
    assert_int_equal(weir__io_recv_start(&server->io), WEIR_CLOSED);
    close_hall(hall);
}

static void recv_stop_keeps_data_and_end(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    hall->receives = true;
    struct end *server = plain_meet(&fd, hall);
    weir__io_recv_stop(&server->io);
    assert_int_equal(write(fd, "one", 3), 3);
    turn_for(loop, 20);
    assert_int_equal(write(fd, "two", 3), 3);
    close(fd);
    turn_for(loop, 20);
    assert_int_equal(server->data_calls, 0);
    start_receiving(server);
    TURN_UNTIL(loop, server->end_status != NOT_YET);
    assert_int_equal(server->end_status, WEIR_CLOSED);
    assert_int_equal(server->got_size, 6);
    assert_memory_equal(server->got, "onetwo", 6);
    close_hall(hall);
}

static void stop_after_data(struct end *end, enum event event)
{
    if (event == ON_DATA)
        weir__io_recv_stop(&end->io);
}

static void stopping_at_every_piece_loses_nothing(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    size_t size = 3000000;
    uint8_t *bytes = make_pattern(size);
    struct end client;
    hall->receives = true;
    hall->on_event = stop_after_data;
    struct end *server = meet(&client, hall);
    send_bytes(&client, bytes, size);
    while (server->got_size < size) {
        unsigned before = server->data_calls;
        TURN_UNTIL(loop, server->data_calls > before);
        assert_int_equal(server->data_calls, before + 1);
        if (server->data_calls % 3 == 0)
            turn_for(loop, 2);
        start_receiving(server);
    }
    assert_memory_equal(server->got, bytes, size);
    close_end(&client, false);
    TURN_UNTIL(loop, server->end_status == WEIR_CLOSED);
    free(bytes);
    bury(&client);
    close_hall(hall);
}

static void starting_and_stopping_in_one_turn_changes_nothing(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    hall->receives = true;
    struct end *server = plain_meet(&fd, hall);
    for (int i = 0; i < 50; i++) {
        size_t before = server->got_size;
        assert_int_equal(write(fd, "x", 1), 1);
        weir__io_recv_stop(&server->io);
        start_receiving(server);
        weir__io_recv_stop(&server->io);
        if (i % 2 == 0)
            turn(loop, 0);
        assert_int_equal(server->got_size, before);
        start_receiving(server);
        TURN_UNTIL(loop, server->got_size == before + 1);
    }
    close(fd);
    close_hall(hall);
}

static void kept_buffers_stay_as_they_are(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    weir__buf *bufs[200];
    uint8_t *data[200];
    struct end client;
    hall->receives = true;
    struct end *server = meet(&client, hall);
    server->keeps = true;
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "%07d", i);
        size_t before = server->got_size;
        send_bytes(&client, text, 7);
        TURN_UNTIL(loop, server->got_size == before + 7);
        bufs[i] = weir__buf_ref(server->kept);
        data[i] = server->kept_data;
    }
    for (int i = 0; i < 200; i++) {
        char text[16];
        snprintf(text, sizeof text, "%07d", i);
        assert_memory_equal(data[i], text, 7);
        weir__buf_unref(bufs[i]);
    }
    bury(&client);
    close_hall(hall);
}

static void stop_for_good_at_a_megabyte(struct end *end, enum event event)
{
    if (event == ON_DATA && end->got_size >= 1000000)
        weir__io_recv_stop(&end->io);
}

static void slow_reader_stops_the_sender_and_gets_all_in_order(void **state)
{
    struct world *world = *state;
    weir_loop *loop = world->loop;
    struct hall *hall = open_hall(loop);
    size_t size = 64000000;
    uint8_t *bytes = make_pattern(size);
    struct end client;
    hall->receives = true;
    hall->on_event = stop_for_good_at_a_megabyte;
    struct end *server = meet(&client, hall);
    send_bytes(&client, bytes, size);
    turn_for(loop, 200);
    size_t left = client.out_size;
    assert_true(left > 0);
    turn_for(loop, 50);
    assert_int_equal(client.out_size, left);
    assert_true(world->memory.peak_bytes < 24000000);
    server->on_event = NULL;
    start_receiving(server);
    TURN_UNTIL(loop, server->got_size == size);
    assert_memory_equal(server->got, bytes, size);
    assert_int_equal(client.out_size, 0);
    assert_true(client.sent_calls > 0);
    free(bytes);
    bury(&client);
    close_hall(hall);
}

/* --- ends --- */

static void half_close_leaves_the_other_direction_open(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct end client;
    hall->receives = true;
    struct end *server = meet(&client, hall);
    start_receiving(&client);
    send_bytes(&client, "request", 7);
    assert_int_equal(weir__io_shutdown(&client.io), WEIR_OK);
    TURN_UNTIL(loop, server->end_status == WEIR_CLOSED);
    assert_int_equal(server->got_size, 7);
    turn_for(loop, 20);
    send_bytes(server, "answer", 6);
    TURN_UNTIL(loop, client.got_size == 6);
    assert_int_equal(client.end_status, NOT_YET);
    assert_int_equal(weir__io_shutdown(&server->io), WEIR_OK);
    TURN_UNTIL(loop, client.end_status == WEIR_CLOSED);
    bury(&client);
    close_hall(hall);
}

static void reset_by_the_peer_ends_receiving_with_an_error(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    hall->receives = true;
    struct end *server = plain_meet(&fd, hall);
    plain_reset(fd);
    TURN_UNTIL(loop, server->end_status != NOT_YET);
    assert_int_equal(server->end_status, WEIR_SYSTEM(ECONNRESET));
    struct iovec piece = {(void *)(uintptr_t) "late", 4};
    assert_true(weir__io_send(&server->io, &piece, 1) < 0);
    close_hall(hall);
}

static void reset_while_stopped_is_told_at_the_next_start(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    plain_reset(fd);
    turn_for(loop, 20);
    start_receiving(server);
    TURN_UNTIL(loop, server->end_status != NOT_YET);
    assert_int_equal(server->end_status, WEIR_SYSTEM(ECONNRESET));
    close_hall(hall);
}

static void closing_with_reset_sends_one(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    char byte;
    int fd;
    hall->receives = true;
    struct end *server = plain_meet(&fd, hall);
    close_end(server, true);
    TURN_UNTIL(loop, server->closed);
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    close_hall(hall);
}

static void sending_into_a_closed_connection_fails(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    close(fd);
    uint64_t limit_ms = weir__sys_clock_ms() + LIMIT_MS;
    while (server->sent_status == 0 && weir__sys_clock_ms() < limit_ms) {
        if (server->out_size == 0)
            send_bytes(server, "into the void", 13);
        turn(loop, 2);
    }
    int error = weir_status_errno(server->sent_status);
    assert_true(error == EPIPE || error == ECONNRESET);
    close_hall(hall);
}

static void failed_small_send_ends_receiving(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    hall->receives = true;
    struct end *server = plain_meet(&fd, hall);
    assert_int_equal(shutdown(server->io.fd, SHUT_WR), 0);
    struct iovec piece = {(void *)(uintptr_t) "x", 1};
    int64_t taken = weir__io_send(&server->io, &piece, 1);
    if (taken >= 0) {
        TURN_UNTIL(loop, server->end_status != NOT_YET);
        assert_int_equal(server->end_status, WEIR_SYSTEM(EPIPE));
    } else {
        assert_int_equal(taken, WEIR_SYSTEM(EPIPE));
    }
    close(fd);
    close_hall(hall);
}

static void refused_connect_is_reported(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct sockaddr_storage address = hall->address;
    struct end client;
    close_hall(hall);
    init_end(&client, loop);
    int status =
        weir__io_connect(&client.io, (struct sockaddr *)&address, sizeof(struct sockaddr_in));
    assert_int_equal(status, WEIR_OK);
    TURN_UNTIL(loop, client.connect_status != NOT_YET);
    assert_int_equal(client.connect_status, WEIR_SYSTEM(ECONNREFUSED));
    bury(&client);
}

static void connect_to_a_path_that_is_not_there_fails(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    struct end client;
    init_end(&client, loop);
    int status = weir__io_connect(&client.io, (struct sockaddr *)&address, size);
    if (status == WEIR_OK) {
        TURN_UNTIL(loop, client.connect_status != NOT_YET);
        status = client.connect_status;
    }
    assert_int_equal(status, WEIR_SYSTEM(ENOENT));
    bury(&client);
}

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
    bury(&client);
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
        bury(&client);
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
        bury(&client);
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
    size_t heard = 0;
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
        heard += hall->ends[i].data_calls;
        close(fds[i]);
    }
    assert_int_equal(heard, 1);
    close_hall(hall);
}

static void close_of_an_io_that_was_never_opened(void **state)
{
    struct end end;
    init_end(&end, loop_of(state));
    bury(&end);
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

/* Sends small pieces until the kernel takes no more, then ends the connection at once: whatever was reported as taken must arrive. */
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

static void loop_with_stuck_bytes_can_be_freed(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    static const uint8_t zeros[4096];
    int fd;
    struct end *server = plain_meet(&fd, hall);
    while (!weir__io_is_sending(&server->io)) {
        struct iovec piece = {(void *)(uintptr_t)zeros, sizeof zeros};
        assert_true(weir__io_send(&server->io, &piece, 1) >= 0);
        turn(loop, 0);
    }
    close_end(server, false);
    TURN_UNTIL(loop, server->closed);
    close(fd);
    close_hall(hall);
}

/* --- listening --- */

static void stopped_listener_keeps_connections_for_the_next_start(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fds[3];
    weir__io_accept_stop(&hall->io);
    for (int i = 0; i < 3; i++)
        fds[i] = plain_connect(hall);
    turn_for(loop, 30);
    assert_int_equal(hall->count, 0);
    assert_int_equal(weir__io_accept_start(&hall->io), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&hall->io), WEIR_OK);
    TURN_UNTIL(loop, hall->count == 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    weir__io_accept_stop(&hall->io);
    close(plain_connect(hall));
    turn_for(loop, 5);
    close_hall(hall);
}

static void dropped_connection_is_closed(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    char byte;
    hall->drops = true;
    int fd = plain_connect(hall);
    turn_for(loop, 20);
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    close_hall(hall);
}

static void accepted_and_connected_sockets_have_no_delay(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct end client;
    struct end *ends[2] = {meet(&client, hall), &client};
    for (int i = 0; i < 2; i++) {
        int value = 0;
        socklen_t size = sizeof value;
        assert_int_equal(getsockopt(ends[i]->io.fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
        assert_int_equal(value, 1);
    }
    bury(&client);
    close_hall(hall);
}

static void addresses_of_both_ends_match(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct sockaddr_storage here;
    struct sockaddr_storage there;
    socklen_t here_size;
    socklen_t there_size;
    struct end client;
    struct end *server = meet(&client, hall);
    assert_int_equal(weir__io_local_address(&client.io, &here, &here_size), WEIR_OK);
    assert_int_equal(weir__io_peer_address(&server->io, &there, &there_size), WEIR_OK);
    assert_int_equal(here_size, there_size);
    assert_memory_equal(&here, &there, here_size);
    assert_int_equal(weir__io_peer_address(&client.io, &there, &there_size), WEIR_OK);
    assert_memory_equal(&there, &hall->address, there_size);
    bury(&client);
    close_hall(hall);
}

static void keep_alive_is_set_on_tcp_and_harmless_elsewhere(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    for (int i = 0; i < 2; i++) {
        socklen_t size = i == 0 ? tcp4(&address) : unix_path(&address);
        struct hall *hall = open_hall_at(loop, &address, size);
        struct end client;
        struct end *server = meet(&client, hall);
        assert_int_equal(weir__io_keep_alive(&server->io, 30, 5), WEIR_OK);
        assert_int_equal(weir__io_keep_alive(&server->io, 0, 5), WEIR_EINVAL);
        if (i == 0) {
            int value = 0;
            socklen_t value_size = sizeof value;
            assert_int_equal(
                getsockopt(server->io.fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &value_size), 0);
            assert_int_equal(value, 30);
        }
        bury(&client);
        close_hall(hall);
    }
    unlink(((struct sockaddr_un *)&address)->sun_path);
}

static void stale_unix_path_is_replaced(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    for (int i = 0; i < 2; i++) {
        struct hall *hall = open_hall_at(loop, &address, size);
        close_hall(hall);
    }
    unlink(((struct sockaddr_un *)&address)->sun_path);
}

static void live_unix_path_and_ordinary_file_are_left_alone(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    const char *path = ((struct sockaddr_un *)&address)->sun_path;
    struct hall *hall = open_hall_at(loop, &address, size);
    weir__io second;
    weir__io_init(&second, loop, &hall_events);
    assert_int_equal(weir__io_listen(&second, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    hall->drops = true;
    close(plain_connect(hall));
    close_hall(hall);
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(weir__io_listen(&second, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

static void shared_port_is_listened_to_twice(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall first = {0};
    struct hall second = {0};
    struct sockaddr_storage address;
    socklen_t size = tcp4(&address);
    weir__io_init(&first.io, loop, &hall_events);
    weir__io_init(&second.io, loop, &hall_events);
    assert_int_equal(weir__io_listen(&first.io, (struct sockaddr *)&address, size, true), WEIR_OK);
    assert_int_equal(weir__io_local_address(&first.io, &address, &size), WEIR_OK);
    assert_int_equal(weir__io_listen(&second.io, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(weir__io_listen(&second.io, (struct sockaddr *)&address, size, true), WEIR_OK);
    weir__io_close(&first.io, false);
    weir__io_close(&second.io, false);
    TURN_UNTIL(loop, first.closed && second.closed);
}

/* Runs in a child, so that the limit does not stay. Returns 0 when accepting went on. */
static int exhaust_descriptors(void)
{
    struct world *world = open_world();
    struct hall *hall = open_hall(world->loop);
    struct rlimit limit;
    int fds[4];
    hall->receives = hall->echoes = true;
    for (int i = 0; i < 4; i++)
        fds[i] = plain_connect(hall);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)fds[3] + 3; /* two more */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    turn_for(world->loop, 120);
    if (hall->count != 2)
        return 3;
    if (write(fds[0], "x", 1) != 1)
        return 4;
    turn_for(world->loop, 60);
    if (hall->ends[0].got_size != 1)
        return 5;
    limit.rlim_cur = before;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 6;
    turn_for(world->loop, 200);
    if (hall->count != 4)
        return 7;
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close_hall(hall);
    close_world(world);
    return 0;
}

static void out_of_descriptors_pauses_accepting_for_a_moment(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(exhaust_descriptors());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- misuse --- */

static void calls_in_the_wrong_state_are_refused(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct sockaddr_storage address;
    socklen_t size;
    struct iovec piece = {(void *)(uintptr_t) "x", 1};
    struct end end;
    init_end(&end, loop);
    assert_int_equal(weir__io_recv_start(&end.io), WEIR_ESTATE);
    assert_int_equal(weir__io_send(&end.io, &piece, 1), WEIR_ESTATE);
    assert_int_equal(weir__io_shutdown(&end.io), WEIR_ESTATE);
    assert_int_equal(weir__io_accept_start(&end.io), WEIR_ESTATE);
    assert_int_equal(weir__io_keep_alive(&end.io, 1, 1), WEIR_ESTATE);
    assert_int_equal(weir__io_local_address(&end.io, &address, &size), WEIR_ESTATE);
    assert_int_equal(weir__io_connect(&end.io, NULL, 16), WEIR_EINVAL);
    assert_int_equal(weir__io_listen(&end.io, NULL, 16, false), WEIR_EINVAL);
    assert_int_equal(weir__io_recv_start(&hall->io), WEIR_ESTATE);
    assert_int_equal(weir__io_send(&hall->io, &piece, 1), WEIR_ESTATE);
    (void)meet(&end, hall);
    piece.iov_len = 0;
    assert_int_equal(weir__io_send(&end.io, &piece, 1), 0);
    assert_false(weir__io_is_sending(&end.io));
    assert_int_equal(weir__io_connect(&end.io, (struct sockaddr *)&hall->address, hall->size),
                     WEIR_ESTATE);
    bury(&end);
    close_hall(hall);
}

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
    bury(&client);
    close_hall(hall);
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
    bury(&client);
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
    weir_loop_random(loop, first, sizeof first);
    weir_loop_random(loop, second, sizeof second);
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
    bury(&hog);
    bury(&guest);
    close_hall(hall);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(tcp4_echo),
        FACT(tcp6_echo),
        FACT(unix_echo),
        FACT(many_connections_echo_at_once),
        FACT(small_and_large_sends_of_one_turn_keep_their_order),
        FACT(pieces_go_out_in_order),
        FACT(data_before_recv_start_is_delivered_after),
        FACT(recv_stop_keeps_data_and_end),
        FACT(stopping_at_every_piece_loses_nothing),
        FACT(starting_and_stopping_in_one_turn_changes_nothing),
        FACT(kept_buffers_stay_as_they_are),
        FACT(slow_reader_stops_the_sender_and_gets_all_in_order),
        FACT(half_close_leaves_the_other_direction_open),
        FACT(reset_by_the_peer_ends_receiving_with_an_error),
        FACT(reset_while_stopped_is_told_at_the_next_start),
        FACT(closing_with_reset_sends_one),
        FACT(sending_into_a_closed_connection_fails),
        FACT(failed_small_send_ends_receiving),
        FACT(refused_connect_is_reported),
        FACT(connect_to_a_path_that_is_not_there_fails),
        FACT(close_inside_each_callback),
        FACT(close_of_the_listener_inside_on_accept),
        FACT(close_while_sending_and_receiving),
        FACT(close_while_connecting),
        FACT(several_closed_in_one_batch_hear_nothing_more),
        FACT(close_of_an_io_that_was_never_opened),
        FACT(what_was_taken_arrives_before_the_end),
        FACT(close_right_after_a_send_delivers_it),
        FACT(loop_with_stuck_bytes_can_be_freed),
        FACT(stopped_listener_keeps_connections_for_the_next_start),
        FACT(dropped_connection_is_closed),
        FACT(accepted_and_connected_sockets_have_no_delay),
        FACT(addresses_of_both_ends_match),
        FACT(keep_alive_is_set_on_tcp_and_harmless_elsewhere),
        FACT(stale_unix_path_is_replaced),
        FACT(live_unix_path_and_ordinary_file_are_left_alone),
        FACT(shared_port_is_listened_to_twice),
        FACT(out_of_descriptors_pauses_accepting_for_a_moment),
        FACT(calls_in_the_wrong_state_are_refused),
        FACT(post_from_other_threads_wakes_the_loop),
        FACT(waiting_turn_ends_at_a_post),
        FACT(turn_waits_as_long_as_it_is_told),
        FACT(loop_lives_in_a_foreign_one),
        FACT(loop_may_be_made_in_one_thread_and_turned_in_another),
        FACT(random_bytes_differ),
        FACT(one_busy_connection_leaves_room_for_others),
    };
    if (!loop_is_there()) {
        printf("skipped: the loop that WEIR_LOOP asks for cannot be had here\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
