/* The simulated network: bytes, their order, back-pressure, ends of file, resets and faults. */
#include "rt/sim_world.h"

static const weir_sim_options perfect = {.seed = 1};

#define ALWAYS 1000000

/* --- order and back-pressure --- */

static void bytes_stay_until_receiving_goes_on(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    weir__io_recv_stop(&pair.server.io);
    assert_int_equal(sock_send(&pair.client, "early", 5), 5);
    assert_int_equal(weir__io_shutdown(&pair.client.io), WEIR_OK);
    world_settle(&world);
    assert_int_equal(pair.server.got_size, 0);
    assert_false(pair.server.ended);
    assert_int_equal(weir__io_recv_start(&pair.server.io), WEIR_OK);
    world_settle(&world);
    assert_memory_equal(pair.server.got, "early", 5);
    assert_int_equal(pair.server.end_status, WEIR_CLOSED);
    pair_close(&pair);
    world_close(&world);
}

static void a_direction_holds_no_more_than_the_socket_buffer(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    static const uint8_t bytes[5000];
    const weir_sim_options sim = {.seed = 2, .socket_buffer = 1000, .latency_max_ms = 50};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    weir__io_recv_stop(&pair.server.io);
    assert_int_equal(sock_send(&pair.client, bytes, sizeof bytes), 1000);
    assert_true(weir__io_is_sending(&pair.client.io));
    world_settle(&world);
    assert_int_equal(pair.client.sent_count, 0);
    assert_int_equal(weir__io_recv_start(&pair.server.io), WEIR_OK);
    world_settle(&world);
    assert_int_equal(pair.server.got_size, 1000);
    assert_int_equal(pair.client.sent_count, 1);
    assert_int_equal(pair.client.sent_status, WEIR_OK);
    assert_int_equal(pair.client.sent_size, 0); /* there is room: try again */
    assert_int_equal(sock_send(&pair.client, bytes, 10), 10);
    pair_close(&pair);
    world_close(&world);
}

static void half_close_lets_the_other_direction_go_on(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 2, .latency_max_ms = 50};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    assert_int_equal(sock_send(&pair.client, "question", 8), 8);
    assert_int_equal(weir__io_shutdown(&pair.client.io), WEIR_OK);
    assert_int_equal(weir__io_shutdown(&pair.client.io), WEIR_OK);
    assert_int_equal(sock_send(&pair.client, "x", 1), WEIR_SYSTEM(EPIPE));
    world_settle(&world);
    assert_memory_equal(pair.server.got, "question", 8);
    assert_true(pair.server.ended);
    assert_int_equal(pair.server.end_status, WEIR_CLOSED);
    assert_in_range(pair.server.end_ms, pair.server.data_ms, UINT64_MAX);
    assert_int_equal(sock_send(&pair.server, "answer", 6), 6);
    world_settle(&world);
    assert_memory_equal(pair.client.got, "answer", 6);
    assert_false(pair.client.ended);
    pair_close(&pair);
    world_close(&world);
}

static void closing_delivers_everything_before_the_end(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 4, .latency_min_ms = 5, .latency_max_ms = 90};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    for (int i = 0; i < 50; i++)
        assert_int_equal(sock_send(&pair.client, "0123456789", 10), 10);
    sock_close(&pair.client);
    assert_int_equal(pair.server.got_size, 500);
    assert_int_equal(pair.server.end_status, WEIR_CLOSED);
    pair_close(&pair);
    world_close(&world);
}

static void kept_bytes_stay_as_they_are(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    pair.server.keep_data = true;
    assert_int_equal(sock_send(&pair.client, "keep me", 7), 7);
    world_settle(&world);
    assert_int_equal(sock_send(&pair.client, "another", 7), 7);
    world_settle(&world);
    assert_int_equal(pair.server.got_size, 14);
    assert_int_equal(pair.server.kept_size, 7);
    assert_memory_equal(pair.server.kept_data, "keep me", 7);
    weir__buf_unref(pair.server.kept);
    pair_close(&pair);
    world_close(&world);
}

static void a_large_write_comes_in_pieces_of_the_read_buffer(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    static const uint8_t bytes[10000];
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    struct iovec pieces[4] = {{(void *)(uintptr_t)bytes, 4000},
                              {NULL, 0},
                              {(void *)(uintptr_t)bytes, 1},
                              {(void *)(uintptr_t)bytes, 5999}};
    assert_int_equal(weir__io_send(&pair.client.io, pieces, 4), 10000);
    world_settle(&world);
    assert_int_equal(pair.server.got_size, 10000);
    assert_int_equal(pair.server.data_count, 3); /* of at most 4096 */
    pair_close(&pair);
    world_close(&world);
}

static void cut_reads_leave_the_rest_for_a_later_turn(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    static const uint8_t bytes[300];
    const weir_sim_options sim = {.seed = 8, .cut_read_ppm = ALWAYS};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    assert_int_equal(sock_send(&pair.client, bytes, sizeof bytes), 300);
    while (pair.server.got_size < sizeof bytes) {
        size_t count = pair.server.data_count;
        assert_true(weir_loop_turn(world.loop, -1) >= 0);
        assert_in_range(pair.server.data_count, count, count + 1);
    }
    assert_true(pair.server.data_count > 2);
    assert_int_equal(world_stats(&world).faults, 0);
    assert_true(world_stats(&world).cuts > 0);
    pair_close(&pair);
    world_close(&world);
}

/* As io_uring, a world with cut writes may read the bytes long after the call: a buffer that
 * changed meanwhile shows. */
static void a_pending_send_reads_the_callers_memory_later(void **state)
{
    (void)state;
    int late = 0, partial = 0;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct world world;
        struct pair pair;
        uint8_t bytes[64] = {0};
        const weir_sim_options sim = {.seed = seed, .cut_write_ppm = ALWAYS};
        world_open(&world, &sim);
        pair_open(&pair, &world);
        int64_t taken = sock_send(&pair.client, bytes, sizeof bytes);
        assert_in_range(taken, 0, 64);
        memset(bytes, 'x', sizeof bytes);
        world_settle(&world);
        assert_false(weir__io_is_sending(&pair.client.io));
        assert_int_equal(pair.server.got_size, (size_t)taken + pair.client.sent_size);
        partial += taken > 0 && taken < 64;
        if (pair.client.sent_size > 0) {
            late++;
            assert_int_equal(taken, 0);
            assert_int_equal(pair.server.got[0], 'x');
        }
        pair_close(&pair);
        world_close(&world);
    }
    assert_in_range(late, 16, 48);
    assert_in_range(partial, 8, 48);
}

static void a_late_send_waits_for_room(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 64; seed++) {
        struct world world;
        struct pair pair;
        static const uint8_t bytes[64];
        weir_sim_options sim = {.seed = seed, .socket_buffer = 64};
        world_open(&world, &sim);
        pair_open(&pair, &world);
        weir__io_recv_stop(&pair.server.io);
        assert_int_equal(sock_send(&pair.client, bytes, 64), 64);
        sim.cut_write_ppm = ALWAYS;
        assert_int_equal(weir_sim_set(world.loop, &sim), WEIR_OK);
        assert_int_equal(sock_send(&pair.client, bytes, 64), 0);
        world_settle(&world);
        assert_int_equal(pair.client.sent_size, 0);
        assert_int_equal(weir__io_recv_start(&pair.server.io), WEIR_OK);
        world_settle(&world);
        assert_int_equal(pair.client.sent_count, 1);
        assert_int_equal(pair.server.got_size, 64 + pair.client.sent_size);
        pair_close(&pair);
        world_close(&world);
    }
}

/* --- resets --- */

static void a_reset_overtakes_and_discards(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 1, .latency_min_ms = 10, .latency_max_ms = 10};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    assert_int_equal(sock_send(&pair.client, "lost", 4), 4);
    weir__io_close(&pair.client.io, true);
    world_settle(&world);
    assert_true(pair.client.closed);
    assert_int_equal(pair.server.got_size, 0);
    assert_int_equal(pair.server.end_status, WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(sock_send(&pair.server, "x", 1), WEIR_SYSTEM(EPIPE));
    assert_int_equal(weir__io_shutdown(&pair.server.io), WEIR_SYSTEM(ENOTCONN));
    pair_close(&pair);
    world_close(&world);
}

static void closing_with_unread_bytes_resets_the_peer(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    weir__io_recv_stop(&pair.server.io);
    assert_int_equal(sock_send(&pair.client, "unread", 6), 6);
    world_settle(&world);
    sock_close(&pair.server);
    assert_int_equal(pair.client.end_status, WEIR_SYSTEM(ECONNRESET));
    pair_close(&pair);
    world_close(&world);
}

static void closing_before_bytes_arrive_resets_the_peer_when_they_do(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 1, .latency_min_ms = 10, .latency_max_ms = 10};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    weir__io_recv_stop(&pair.client.io);
    assert_int_equal(sock_send(&pair.client, "on the way", 10), 10);
    uint64_t start_ms = weir_loop_now(world.loop);
    sock_close(&pair.server);
    assert_int_equal(weir__io_recv_start(&pair.client.io), WEIR_OK);
    world_settle(&world);
    assert_int_equal(pair.client.end_status, WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(pair.client.end_ms - start_ms, 20);
    pair_close(&pair);
    world_close(&world);
}

static void a_write_to_a_closed_peer_is_answered_by_a_reset(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    sock_close(&pair.server);
    assert_int_equal(pair.client.end_status, WEIR_CLOSED);
    assert_int_equal(sock_send(&pair.client, "hello?", 6), 6);
    world_settle(&world);
    assert_int_equal(sock_send(&pair.client, "x", 1), WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(sock_send(&pair.client, "x", 1), WEIR_SYSTEM(EPIPE));
    pair_close(&pair);
    world_close(&world);
}

static void a_pending_send_learns_of_a_reset(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    static const uint8_t bytes[200];
    const weir_sim_options sim = {.seed = 1, .socket_buffer = 100};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    weir__io_recv_stop(&pair.client.io);
    weir__io_recv_stop(&pair.server.io);
    assert_int_equal(sock_send(&pair.client, bytes, 200), 100);
    world_settle(&world);
    sock_close(&pair.server);
    assert_int_equal(pair.client.sent_count, 1);
    assert_int_equal(pair.client.sent_status, WEIR_SYSTEM(ECONNRESET));
    pair_close(&pair);
    world_close(&world);
}

static void a_closed_listener_resets_who_waits_at_it(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, client;
    world_open(&world, &perfect);
    serve(&listener, &world, NULL, 0);
    weir__io_accept_stop(&listener.io);
    call(&client, &world);
    world_settle(&world);
    assert_int_equal(client.connect_status, WEIR_OK);
    assert_int_equal(world_stats(&world).open_ends, 3);
    sock_close(&listener);
    assert_int_equal(weir__io_recv_start(&client.io), WEIR_OK);
    world_settle(&world);
    assert_int_equal(client.end_status, WEIR_SYSTEM(ECONNRESET));
    sock_close(&client);
    world_close(&world);
}

static void a_dropped_connection_ends_for_its_client(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, client;
    world_open(&world, &perfect);
    serve(&listener, &world, NULL, 0);
    call(&client, &world);
    world_settle(&world);
    assert_int_equal(weir__io_recv_start(&client.io), WEIR_OK);
    world_settle(&world);
    assert_int_equal(client.end_status, WEIR_CLOSED);
    sock_close(&client);
    sock_close(&listener);
    world_close(&world);
}

static void close_at_first_accept(weir__io *io, struct weir__accepted *accepted)
{
    struct sock *listener = sock_of(io);
    listener->accept_count++;
    weir__accepted_drop(listener->world->loop, accepted);
    weir__io_close(io, false);
}

static void a_listener_may_be_closed_while_it_accepts(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, clients[3];
    struct weir__io_events events = sock_events;
    events.on_accept = close_at_first_accept;
    world_open(&world, &perfect);
    serve(&listener, &world, NULL, 0);
    listener.io.on = &events;
    for (int i = 0; i < 3; i++)
        call(&clients[i], &world);
    world_settle(&world);
    assert_true(listener.closed);
    assert_int_equal(listener.accept_count, 1);
    for (int i = 0; i < 3; i++)
        sock_close(&clients[i]);
    world_close(&world);
}

static void giving_up_a_connect_leaves_nothing(void **state)
{
    (void)state;
    for (int64_t wait_ms = 0; wait_ms < 40; wait_ms++) {
        struct world world;
        struct sock listener, client, server;
        const weir_sim_options sim = {.seed = 1, .latency_min_ms = 15, .latency_max_ms = 15};
        world_open(&world, &sim);
        serve(&listener, &world, &server, 1);
        call(&client, &world);
        uint64_t until_ms = weir_loop_now(world.loop) + (uint64_t)wait_ms;
        while (weir_loop_now(world.loop) < until_ms)
            if (weir_loop_turn(world.loop, (int64_t)(until_ms - weir_loop_now(world.loop))) < 0)
                break;
        sock_close(&client);
        assert_int_equal(listener.accept_count, wait_ms >= 15);
        if (listener.accept_count > 0) {
            assert_int_equal(server.end_status, WEIR_CLOSED);
            sock_close(&server);
        }
        sock_close(&listener);
        world_close(&world);
    }
}

static void a_full_backlog_makes_clients_wait_and_give_up(void **state)
{
    (void)state;
    enum { CLIENTS = 4100, BACKLOG = 4096 };
    struct world world;
    struct sock listener;
    struct sock *clients = calloc(CLIENTS, sizeof *clients);
    world_open(&world, &perfect);
    serve(&listener, &world, NULL, 0);
    weir__io_accept_stop(&listener.io);
    uint64_t start_ms = weir_loop_now(world.loop);
    for (int i = 0; i < CLIENTS; i++)
        call(&clients[i], &world);
    world_settle(&world);
    int connected = 0, given_up = 0;
    for (int i = 0; i < CLIENTS; i++) {
        connected += clients[i].connect_status == WEIR_OK;
        given_up += clients[i].connect_status == WEIR_SYSTEM(ETIMEDOUT);
    }
    assert_int_equal(connected, BACKLOG);
    assert_int_equal(given_up, CLIENTS - BACKLOG);
    assert_in_range(weir_loop_now(world.loop) - start_ms, 30000, 64000);
    for (int i = 0; i < CLIENTS; i++)
        weir__io_close(&clients[i].io, false);
    sock_close(&listener);
    world_close(&world);
    free(clients);
}

/* --- faults --- */

static void a_refused_connect_is_a_fault(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, client;
    const weir_sim_options sim = {.seed = 1, .refuse_ppm = ALWAYS};
    world_open(&world, &sim);
    serve(&listener, &world, NULL, 0);
    call(&client, &world);
    world_settle(&world);
    assert_int_equal(client.connect_status, WEIR_SYSTEM(ECONNREFUSED));
    assert_int_equal(world_stats(&world).faults, 1);
    assert_int_equal(world_stats(&world).refusals, 1);
    assert_int_equal(world_stats(&world).connections, 0);
    sock_close(&client);
    sock_close(&listener);
    world_close(&world);
}

static void an_injected_reset_reaches_both_ends(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    weir_sim_options sim = {.seed = 1};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    sim.reset_ppm = ALWAYS;
    assert_int_equal(weir_sim_set(world.loop, &sim), WEIR_OK);
    assert_int_equal(sock_send(&pair.client, "x", 1), WEIR_SYSTEM(ECONNRESET));
    world_settle(&world);
    assert_int_equal(pair.server.end_status, WEIR_SYSTEM(ECONNRESET));
    assert_true(pair.client.ended);
    assert_int_equal(world_stats(&world).faults, 1);
    assert_int_equal(world_stats(&world).resets, 1);
    pair_close(&pair);
    world_close(&world);
}

static void failing_calls_report_what_the_kernel_would(void **state)
{
    (void)state;
    int sends = 0, refused = 0, reads = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct world world;
        struct pair pair;
        struct sock more;
        weir_sim_options sim = {.seed = seed};
        world_open(&world, &sim);
        pair_open(&pair, &world);
        assert_int_equal(sock_send(&pair.server, "x", 1), 1);
        sim.fail_ppm = ALWAYS;
        assert_int_equal(weir_sim_set(world.loop, &sim), WEIR_OK);
        int64_t sent = sock_send(&pair.client, "x", 1);
        assert_true(sent == 1 || sent == WEIR_SYSTEM(ENOBUFS) || sent == WEIR_SYSTEM(ENOMEM));
        sends += sent < 0;
        const struct sockaddr_in address = ipv4("10.0.0.9", 80);
        sock_init(&more, &world);
        int status = sock_connect(&more, &address);
        refused += status != WEIR_OK;
        world_settle(&world);
        reads += pair.client.ended;
        assert_int_equal(pair.client.ended, pair.client.got_size == 0);
        assert_true(world_stats(&world).faults >= 2);
        assert_int_equal(world_stats(&world).failed_calls, world_stats(&world).faults);
        sock_close(&more);
        pair_close(&pair);
        world_close(&world);
    }
    assert_in_range(sends, 30, 50); /* one in three is an interruption, which nobody sees */
    assert_in_range(refused, 30, 50);
    assert_in_range(reads, 30, 50);
}

static void accepting_pauses_when_descriptors_run_out(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, client, server;
    weir_sim_options sim = {.seed = 1, .fail_ppm = ALWAYS};
    world_open(&world, &perfect);
    serve(&listener, &world, &server, 1);
    call(&client, &world);
    assert_int_equal(weir_sim_set(world.loop, &sim), WEIR_OK);
    uint64_t start_ms = weir_loop_now(world.loop);
    while (weir_loop_now(world.loop) < start_ms + 1000)
        assert_int_equal(weir_loop_turn(world.loop, 1000), 1);
    assert_int_equal(listener.accept_count, 0);
    assert_in_range(world_stats(&world).faults, 10, 100);
    assert_int_equal(weir_sim_set(world.loop, &perfect), WEIR_OK);
    world_settle(&world);
    assert_int_equal(listener.accept_count, 1);
    sock_close(&listener);
    sock_close(&client);
    sock_close(&server);
    world_close(&world);
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    struct world world;
    const weir_sim_options bad[] = {
        {.latency_min_ms = 2, .latency_max_ms = 1},
        {.cut_read_ppm = ALWAYS + 1},
        {.cut_write_ppm = ALWAYS + 1},
        {.reset_ppm = ALWAYS + 1},
        {.refuse_ppm = ALWAYS + 1},
        {.fail_ppm = ALWAYS + 1},
        {.socket_buffer = SIZE_MAX},
    };
    weir_sim_stats stats;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(world_try_open(&world, &bad[i], 0), WEIR_EINVAL);
    assert_int_equal(world_try_open(&world, NULL, 0), WEIR_EINVAL);
    world_open(&world, &perfect);
    assert_int_equal(weir_sim_set(world.loop, &bad[0]), WEIR_EINVAL);
    assert_int_equal(weir_sim_set(world.loop, NULL), WEIR_EINVAL);
    assert_int_equal(weir_sim_set(NULL, &perfect), WEIR_EINVAL);
    assert_int_equal(weir_sim_stats_get(NULL, world.loop), WEIR_EINVAL);
    assert_int_equal(weir_sim_stats_get(&stats, NULL), WEIR_EINVAL);
    assert_int_equal(weir_loop_fd(world.loop), WEIR_ENOTSUP);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stay_until_receiving_goes_on),
        cmocka_unit_test(a_direction_holds_no_more_than_the_socket_buffer),
        cmocka_unit_test(half_close_lets_the_other_direction_go_on),
        cmocka_unit_test(closing_delivers_everything_before_the_end),
        cmocka_unit_test(kept_bytes_stay_as_they_are),
        cmocka_unit_test(a_large_write_comes_in_pieces_of_the_read_buffer),
        cmocka_unit_test(cut_reads_leave_the_rest_for_a_later_turn),
        cmocka_unit_test(a_pending_send_reads_the_callers_memory_later),
        cmocka_unit_test(a_late_send_waits_for_room),
        cmocka_unit_test(a_reset_overtakes_and_discards),
        cmocka_unit_test(closing_with_unread_bytes_resets_the_peer),
        cmocka_unit_test(closing_before_bytes_arrive_resets_the_peer_when_they_do),
        cmocka_unit_test(a_write_to_a_closed_peer_is_answered_by_a_reset),
        cmocka_unit_test(a_pending_send_learns_of_a_reset),
        cmocka_unit_test(a_closed_listener_resets_who_waits_at_it),
        cmocka_unit_test(a_dropped_connection_ends_for_its_client),
        cmocka_unit_test(a_listener_may_be_closed_while_it_accepts),
        cmocka_unit_test(giving_up_a_connect_leaves_nothing),
        cmocka_unit_test(a_full_backlog_makes_clients_wait_and_give_up),
        cmocka_unit_test(a_refused_connect_is_a_fault),
        cmocka_unit_test(an_injected_reset_reaches_both_ends),
        cmocka_unit_test(failing_calls_report_what_the_kernel_would),
        cmocka_unit_test(accepting_pauses_when_descriptors_run_out),
        cmocka_unit_test(impossible_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
