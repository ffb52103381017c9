/* ctest: loops */
/* Bytes that a socket has taken and not yet passed on to the kernel: only io_uring has them. */
#include "io_ends.h"

/* Whether small sends wait for the end of the turn. */
static bool takes_early(weir_loop *loop)
{
    return strcmp(weir_loop_backend_name(loop), "io_uring") == 0;
}

static void send_some(struct end *end, const void *data, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)data, size};
    end->inside = true;
    assert_int_equal(weir__io_send(&end->io, &piece, 1), size);
    end->inside = false;
}

static bool await_drained(struct end *end)
{
    end->inside = true;
    bool comes = weir__io_await_drained(&end->io);
    end->inside = false;
    return comes;
}

static void what_a_turn_has_not_submitted_is_unsent(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    size_t kept = takes_early(loop) ? 1 : 0;
    int fd;
    struct end *server = plain_meet(&fd, hall);
    assert_int_equal(weir__io_unsent(&server->io), 0);
    assert_false(await_drained(server));
    send_some(server, "hello", 5);
    assert_int_equal(weir__io_unsent(&server->io), 5 * kept);
    send_some(server, "weir", 4);
    assert_int_equal(weir__io_unsent(&server->io), 9 * kept);
    assert_int_equal(await_drained(server), kept == 1);
    turn(loop, 0);
    turn(loop, 0);
    assert_int_equal(weir__io_unsent(&server->io), 0);
    assert_int_equal(server->drained_calls, kept);
    assert_int_equal(server->drained_status, kept == 1 ? WEIR_OK : NOT_YET);
    send_some(server, "again", 5);
    turn_for(loop, 20);
    assert_int_equal(server->drained_calls, kept); /* once */
    close(fd);
    close_hall(hall);
}

static void ask_again(struct end *end, enum event event)
{
    if (event != ON_DRAINED || end->drained_calls == 3)
        return;
    assert_false(await_drained(end)); /* nothing is unsent now */
    send_some(end, "more", 4);
    assert_true(await_drained(end));
    assert_true(await_drained(end)); /* which changes nothing */
}

static void drained_may_be_asked_for_from_inside(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    server->on_event = ask_again;
    send_some(server, "some", 4);
    if (await_drained(server))
        TURN_UNTIL(loop, server->drained_calls == 3);
    turn_for(loop, 20);
    assert_int_equal(server->drained_calls, takes_early(loop) ? 3 : 0);
    close(fd);
    close_hall(hall);
}

/* A large send takes what is queued with it, and a half-close sends it: both from inside a call. */
static void what_goes_out_inside_a_call_is_reported_later(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(20000);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    bool early = takes_early(loop);
    send_some(server, bytes, 10);
    assert_int_equal(await_drained(server), early);
    send_some(server, bytes, 20000);
    assert_int_equal(weir__io_unsent(&server->io), 0);
    turn(loop, 0);
    assert_int_equal(server->drained_calls, early ? 1 : 0);
    send_some(server, bytes, 10);
    assert_int_equal(await_drained(server), early);
    server->inside = true;
    assert_int_equal(weir__io_shutdown(&server->io), WEIR_OK);
    server->inside = false;
    assert_int_equal(weir__io_unsent(&server->io), 0);
    turn(loop, 0);
    assert_int_equal(server->drained_calls, early ? 2 : 0);
    assert_int_not_equal(server->drained_status, early ? NOT_YET : WEIR_OK);
    free(bytes);
    close(fd);
    close_hall(hall);
}

/* Bytes that were taken while the kernel was full stay unsent until the peer reads. */
static void a_full_socket_drains_when_the_peer_reads(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    static uint8_t part[65536];
    struct iovec words = {(void *)(uintptr_t) "words", 5};
    int fd;
    struct end *server = plain_meet(&fd, hall);
    size_t total = fill_up(server);
    int64_t taken = weir__io_send(&server->io, &words, 1);
    server->out = words.iov_base; /* for on_sent */
    server->out_size = words.iov_len - (size_t)taken;
    assert_int_equal(taken, takes_early(loop) ? 5 : 0);
    assert_int_equal(weir__io_unsent(&server->io), taken);
    if (await_drained(server)) {
        turn_for(loop, 30);
        assert_int_equal(server->drained_calls, 0);
        assert_int_equal(weir__io_unsent(&server->io), 5);
    }
    for (total += 5; total > 0;) {
        ssize_t size = recv(fd, part, sizeof part, MSG_DONTWAIT);
        total -= size > 0 ? (size_t)size : 0;
        turn(loop, 0);
    }
    turn(loop, 0);
    assert_int_equal(server->drained_calls, taken > 0 ? 1 : 0);
    assert_int_equal(weir__io_unsent(&server->io), 0);
    close(fd);
    close_hall(hall);
}

static void lost_bytes_are_reported_with_the_error(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    plain_reset(fd);
    turn_for(loop, 20);
    struct iovec words = {(void *)(uintptr_t) "words", 5};
    int64_t taken = weir__io_send(&server->io, &words, 1);
    if (await_drained(server)) {
        assert_int_equal(taken, 5);
        TURN_UNTIL(loop, server->drained_calls == 1);
        assert_true(server->drained_status == WEIR_SYSTEM(ECONNRESET) ||
                    server->drained_status == WEIR_SYSTEM(EPIPE));
        assert_int_equal(weir__io_unsent(&server->io), 0);
    } else {
        assert_true(taken < 0); /* the call itself has said so */
    }
    close_hall(hall);
}

static void a_closed_one_reports_nothing(void **state)
{
    weir_loop *loop = loop_of(state);
    for (int turns = 0; turns < 2; turns++) {
        struct hall *hall = open_hall(loop);
        int fd;
        struct end *server = plain_meet(&fd, hall);
        (void)fill_up(server);
        struct iovec words = {(void *)(uintptr_t) "words", 5};
        assert_true(weir__io_send(&server->io, &words, 1) >= 0);
        (void)await_drained(server);
        if (turns == 1)
            turn(loop, 0);
        close_end(server, true);
        assert_int_equal(weir__io_unsent(&server->io), 0);
        assert_false(await_drained(server));
        TURN_UNTIL(loop, server->closed);
        assert_int_equal(server->drained_calls, 0);
        close(fd);
        close_hall(hall);
    }
}

static void what_is_not_wanted_any_more_does_not_come(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    send_some(server, "words", 5);
    if (await_drained(server))
        weir__io_cancel_drained(&server->io);
    turn_for(loop, 10);
    assert_int_equal(server->drained_calls, 0);
    send_some(server, "words", 5);
    if (await_drained(server))
        TURN_UNTIL(loop, server->drained_calls == 1);
    close(fd);
    close_hall(hall);
}

/* What is asked for again, before what was cancelled would have come, counts for the new bytes. */
static void what_was_cancelled_does_not_come_in_place_of_the_next(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    uint8_t *bytes = make_pattern(20000);
    int fd;
    struct end *server = plain_meet(&fd, hall);
    send_some(server, bytes, 10);
    if (await_drained(server)) {
        send_some(server, bytes, 20000); /* takes them along: on_drained will come */
        weir__io_cancel_drained(&server->io);
        fill_up(server);
        send_some(server, bytes, 10);
        assert_true(await_drained(server));
        turn_for(loop, 20);
        assert_int_equal(server->drained_calls, 0);
    }
    free(bytes);
    close(fd);
    close_hall(hall);
}

static void without_a_connection_nothing_is_unsent(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct end client;
    init_end(&client, loop);
    assert_int_equal(weir__io_unsent(&client.io), 0);
    assert_false(weir__io_await_drained(&client.io));
    connect_end(&client, hall);
    assert_int_equal(weir__io_unsent(&client.io), 0);
    assert_int_equal(weir__io_unsent(&hall->io), 0);
    assert_false(weir__io_await_drained(&hall->io));
    TURN_UNTIL(loop, client.connect_status == WEIR_OK && hall->count == 1);
    reap(&client);
    close_hall(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(what_a_turn_has_not_submitted_is_unsent),
        FACT(drained_may_be_asked_for_from_inside),
        FACT(what_goes_out_inside_a_call_is_reported_later),
        FACT(a_full_socket_drains_when_the_peer_reads),
        FACT(lost_bytes_are_reported_with_the_error),
        FACT(a_closed_one_reports_nothing),
        FACT(what_is_not_wanted_any_more_does_not_come),
        FACT(what_was_cancelled_does_not_come_in_place_of_the_next),
        FACT(without_a_connection_nothing_is_unsent),
    };
    return RUN_FACTS(tests);
}
