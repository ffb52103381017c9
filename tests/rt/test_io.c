/* ctest: loops timeout=120 */
/* Bytes through sockets on the kernel's back-ends: the same facts on each. */
#include "io_ends.h"

#include <sys/resource.h>

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
    reap(&client);
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

/* How many connections a process may have both ends of. */
static size_t raise_limit(size_t wanted)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur / 2 > wanted + 100 ? wanted : (size_t)limit.rlim_cur / 2 - 100;
}

/* More than a submission queue holds. */
static void more_than_a_thousand_connections_echo_in_one_turn(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    size_t count = raise_limit(1200);
    int *fds = calloc(count, sizeof *fds);
    assert_non_null(fds);
    hall->receives = hall->echoes = true;
    for (size_t i = 0; i < count; i++) {
        fds[i] = plain_connect(hall);
        if (i % 100 == 0)
            turn(loop, 0);
    }
    TURN_UNTIL(loop, hall->count == count);
    for (int round = 0; round < 3; round++) {
        char answer[4];
        for (size_t i = 0; i < count; i++)
            assert_int_equal(write(fds[i], "ping", 4), 4);
        for (size_t i = 0; i < count; i++)
            TURN_UNTIL(loop, hall->ends[i].got_size == 4 * (size_t)(round + 1));
        turn(loop, 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(recv(fds[i], answer, 4, MSG_WAITALL), 4);
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    free(fds);
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
    reap(&client);
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
    reap(&client);
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
    reap(&client);
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
    reap(&client);
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
    size_t left;
    do { /* until it has not come on for a while */
        left = client.out_size;
        turn_for(loop, 200);
    } while (client.out_size != left);
    assert_true(left > 0);
    assert_true(world->memory.peak_bytes < 24000000);
    server->on_event = NULL;
    start_receiving(server);
    TURN_UNTIL(loop, server->got_size == size);
    assert_memory_equal(server->got, bytes, size);
    assert_int_equal(client.out_size, 0);
    assert_true(client.sent_calls > 0);
    free(bytes);
    reap(&client);
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
    reap(&client);
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
    reap(&client);
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
    reap(&client);
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
    weir__io_accept_stop(&end.io);
    weir__io_recv_stop(&end.io);
    struct iovec endless[2] = {{piece.iov_base, SIZE_MAX}, {piece.iov_base, 2}};
    assert_int_equal(weir__io_send(&end.io, endless, 2), WEIR_EINVAL);
    assert_int_equal(weir__io_listen(&end.io, (struct sockaddr *)&hall->address, hall->size, false),
                     WEIR_ESTATE);
    piece.iov_len = 0;
    assert_int_equal(weir__io_send(&end.io, &piece, 1), 0);
    assert_false(weir__io_is_sending(&end.io));
    assert_int_equal(weir__io_connect(&end.io, (struct sockaddr *)&hall->address, hall->size),
                     WEIR_ESTATE);
    reap(&end);
    close_hall(hall);
}

/* --- where bytes are read to --- */

enum { WHOLE = 1 << 20 };

/* An end that has a place for all that is to come. */
struct place {
    struct end end;
    uint8_t *bytes;
    size_t size;
    size_t direct; /* of which the loop read to where they belong */
};

static struct place *place_of(weir__io *io)
{
    return WEIR__CONTAINER(WEIR__CONTAINER(io, struct end, io), struct place, end);
}

static size_t offer_place(weir__io *io, uint8_t **room)
{
    struct place *place = place_of(io);
    *room = place->size < WHOLE ? place->bytes + place->size : NULL;
    return WHOLE - place->size;
}

static void fill_place(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct place *place = place_of(io);
    assert_true(size <= WHOLE - place->size);
    if (data == place->bytes + place->size) {
        place->direct += size;
    } else {
        assert_true(data >= buf->data && data + size <= buf->data + buf->size);
        memcpy(place->bytes + place->size, data, size);
    }
    place->size += size;
}

static const struct weir__io_events place_events = {
    .on_room = offer_place,
    .on_data = fill_place,
    .on_end = end_on_end,
    .on_closed = end_on_closed,
};

/* All but the end of it, after which more may come. A loop that need not ask reads nothing
 * there. */
static void bytes_are_read_to_the_place_that_is_offered(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct place place = {.bytes = malloc(WHOLE)};
    uint8_t *sent = malloc(WHOLE);
    assert_true(place.bytes != NULL && sent != NULL);
    for (size_t i = 0; i < WHOLE; i++)
        sent[i] = (uint8_t)(i * 7 + i / 251);
    meet(&place.end, hall);
    place.end.io.on = &place_events;
    start_receiving(&place.end);
    send_bytes(&hall->ends[0], sent, WHOLE);
    TURN_UNTIL(loop, place.size == WHOLE);
    assert_memory_equal(place.bytes, sent, WHOLE);
    if (strcmp(weir_loop_backend_name(loop), "epoll") == 0)
        assert_in_range(place.direct, WHOLE - loop->read_buffer_size, WHOLE);
    else
        assert_int_equal(place.direct, 0);
    reap(&place.end);
    close_hall(hall);
    free(place.bytes);
    free(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(tcp4_echo),
        FACT(tcp6_echo),
        FACT(unix_echo),
        FACT(more_than_a_thousand_connections_echo_in_one_turn),
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
        FACT(calls_in_the_wrong_state_are_refused),
        FACT(bytes_are_read_to_the_place_that_is_offered),
    };
    return RUN_FACTS(tests);
}
