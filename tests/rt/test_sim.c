/* The simulated network and clock, seen from one socket at a time.
 * ctest: threads */
#include "rt/sim_world.h"

#include "rt/sim_heap.h"
#include "rt/sim_random.h"

#include <pthread.h>

static const weir_sim_options perfect = {.seed = 1};

/* --- time --- */

static void connecting_takes_a_round_trip(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 5, .latency_min_ms = 40, .latency_max_ms = 40};
    world_open(&world, &sim);
    uint64_t start_ms = weir_loop_now(world.loop);
    assert_true(start_ms > 0);
    pair_open(&pair, &world);
    assert_int_equal(pair.client.connect_ms - start_ms, 80);
    pair_close(&pair);
    world_close(&world);
}

static void bytes_take_the_latency(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 5, .latency_min_ms = 25, .latency_max_ms = 25};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    uint64_t start_ms = weir_loop_now(world.loop);
    assert_int_equal(sock_send(&pair.client, "hello", 5), 5);
    world_settle(&world);
    assert_int_equal(pair.server.data_ms - start_ms, 25);
    assert_int_equal(pair.server.got_size, 5);
    assert_memory_equal(pair.server.got, "hello", 5);
    pair_close(&pair);
    world_close(&world);
}

static void latency_stays_in_its_range_and_bytes_in_order(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    const weir_sim_options sim = {.seed = 9, .latency_min_ms = 10, .latency_max_ms = 500};
    world_open(&world, &sim);
    pair_open(&pair, &world);
    uint64_t start_ms = weir_loop_now(world.loop);
    for (uint8_t i = 0; i < 100; i++)
        assert_int_equal(sock_send(&pair.client, &i, 1), 1);
    world_settle(&world);
    assert_int_equal(pair.server.got_size, 100);
    for (uint8_t i = 0; i < 100; i++)
        assert_int_equal(pair.server.got[i], i);
    assert_in_range(pair.server.data_ms - start_ms, 10, 500);
    assert_true(pair.server.data_count > 1);
    pair_close(&pair);
    world_close(&world);
}

static void a_wait_ends_at_its_timeout_when_nothing_happens(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &perfect);
    uint64_t start_ms = weir_loop_now(world.loop);
    assert_int_equal(weir_loop_turn(world.loop, 70), 1);
    assert_int_equal(weir_loop_now(world.loop) - start_ms, 70);
    assert_int_equal(weir_loop_turn(world.loop, 0), 1);
    assert_int_equal(weir_loop_now(world.loop) - start_ms, 70);
    world_close(&world);
}

static void a_loop_that_nothing_can_wake_says_deadlock(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    world_open(&world, &perfect);
    assert_int_equal(weir_loop_turn(world.loop, -1), WEIR_EDEADLOCK);
    pair_open(&pair, &world); /* both ends wait for each other */
    assert_int_equal(weir_loop_turn(world.loop, -1), WEIR_EDEADLOCK);
    pair_close(&pair);
    world_close(&world);
}

struct ticker {
    weir__timer timer;
    weir_loop *loop;
    uint64_t left;
};

static void tick(weir__timer *timer)
{
    struct ticker *ticker = WEIR__CONTAINER(timer, struct ticker, timer);
    if (--ticker->left > 0)
        weir__timer_set_after(ticker->loop, timer, 60000);
}

static void virtual_days_pass_at_once(void **state)
{
    (void)state;
    struct world world;
    world_open(&world, &perfect);
    uint64_t start_ms = weir_loop_now(world.loop);
    struct ticker ticker = {.loop = world.loop, .left = UINT64_C(30) * 24 * 60};
    weir__timer_init(&ticker.timer, tick);
    weir__timer_set_after(world.loop, &ticker.timer, 60000);
    world_settle(&world);
    assert_int_equal(ticker.left, 0);
    assert_int_equal(weir_loop_now(world.loop) - start_ms, UINT64_C(30) * 24 * 3600 * 1000);
    world_close(&world);
}

struct busy {
    weir__task task;
    weir_loop *loop;
    int left;
    uint64_t start_ms;
};

static void run_busy(weir__task *task)
{
    struct busy *busy = WEIR__CONTAINER(task, struct busy, task);
    assert_int_equal(weir_loop_now(busy->loop), busy->start_ms);
    if (--busy->left > 0)
        weir__task_post(busy->loop, task);
}

static void the_clock_stands_while_tasks_are_ready(void **state)
{
    (void)state;
    struct world world;
    struct sock client;
    const weir_sim_options sim = {.seed = 3, .latency_min_ms = 10, .latency_max_ms = 10};
    world_open(&world, &sim);
    call(&client, &world);
    struct busy busy = {.loop = world.loop, .left = 1000, .start_ms = weir_loop_now(world.loop)};
    weir__task_init(&busy.task, run_busy);
    weir__task_post(world.loop, &busy.task);
    while (busy.left > 0)
        assert_int_equal(weir_loop_turn(world.loop, -1), 1);
    sock_close(&client);
    world_close(&world);
}

/* Two sides that throw a byte to and fro for ever, in no time at all. */
static void throw_back(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    (void)buf;
    struct iovec piece = {data, size};
    assert_int_equal(weir__io_send(io, &piece, 1), (int64_t)size);
}

static void stop_throwing(weir__timer *timer)
{
    struct ticker *ticker = WEIR__CONTAINER(timer, struct ticker, timer);
    ticker->left = 0;
}

static void a_conversation_without_latency_does_not_keep_timers_waiting(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    struct weir__io_events events = sock_events;
    events.on_data = throw_back;
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    pair.client.io.on = pair.server.io.on = &events;
    struct ticker ticker = {.loop = world.loop, .left = 1};
    weir__timer_init(&ticker.timer, stop_throwing);
    weir__timer_set_after(world.loop, &ticker.timer, 5);
    assert_int_equal(sock_send(&pair.client, "x", 1), 1);
    while (ticker.left > 0)
        assert_int_equal(weir_loop_turn(world.loop, -1), 1);
    pair.client.io.on = pair.server.io.on = &sock_events;
    pair_close(&pair);
    world_close(&world);
}

static void count_post(void *arg)
{
    ++*(int *)arg;
}

static void a_post_ends_a_wait_without_moving_the_clock(void **state)
{
    (void)state;
    struct world world;
    int posts = 0;
    world_open(&world, &perfect);
    uint64_t start_ms = weir_loop_now(world.loop);
    assert_int_equal(weir_loop_post(world.loop, count_post, &posts), WEIR_OK);
    assert_int_equal(weir_loop_turn(world.loop, 1000), 1);
    assert_int_equal(posts, 1);
    assert_int_equal(weir_loop_now(world.loop), start_ms);
    world_close(&world);
}

#define POSTS 1000

static void *post_many(void *arg)
{
    static int count;
    count = 0;
    for (int i = 0; i < POSTS; i++)
        if (weir_loop_post(arg, count_post, &count) != WEIR_OK)
            return NULL;
    return &count;
}

static void other_threads_may_post(void **state)
{
    (void)state;
    struct world world;
    pthread_t thread;
    void *count;
    world_open(&world, &perfect);
    assert_int_equal(pthread_create(&thread, NULL, post_many, world.loop), 0);
    for (int i = 0; i < POSTS; i++)
        assert_int_equal(weir_loop_turn(world.loop, 1), 1);
    assert_int_equal(pthread_join(thread, &count), 0);
    assert_int_equal(weir_loop_turn(world.loop, 1), 1);
    assert_non_null(count);
    assert_int_equal(*(int *)count, POSTS);
    world_close(&world);
}

/* --- addresses --- */

static void connecting_to_nobody_is_refused_after_a_round_trip(void **state)
{
    (void)state;
    struct world world;
    struct sock client;
    struct sockaddr_storage address;
    socklen_t size;
    const weir_sim_options sim = {.seed = 5, .latency_min_ms = 7, .latency_max_ms = 7};
    world_open(&world, &sim);
    uint64_t start_ms = weir_loop_now(world.loop);
    call(&client, &world);
    world_settle(&world);
    assert_int_equal(client.connect_status, WEIR_SYSTEM(ECONNREFUSED));
    assert_int_equal(client.connect_ms - start_ms, 14);
    assert_int_equal(weir__io_peer_address(&client.io, &address, &size), WEIR_SYSTEM(ENOTCONN));
    assert_int_equal(sock_send(&client, "x", 1), WEIR_SYSTEM(ENOTCONN));
    assert_int_equal(weir__io_shutdown(&client.io), WEIR_SYSTEM(ENOTCONN));
    sock_close(&client);
    world_close(&world);
}

static void port_0_becomes_a_free_port(void **state)
{
    (void)state;
    struct world world;
    struct sock socks[3];
    uint16_t ports[3];
    const struct sockaddr_in address = ipv4("127.0.0.1", 0);
    world_open(&world, &perfect);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_storage bound;
        socklen_t size = 0;
        sock_init(&socks[i], &world);
        assert_int_equal(sock_listen(&socks[i], &address, false), WEIR_OK);
        assert_int_equal(weir__io_local_address(&socks[i].io, &bound, &size), WEIR_OK);
        assert_int_equal(size, sizeof(struct sockaddr_in));
        ports[i] = ((struct sockaddr_in *)(void *)&bound)->sin_port;
        assert_int_equal(weir__io_peer_address(&socks[i].io, &bound, &size), WEIR_SYSTEM(ENOTCONN));
    }
    assert_true(ports[0] != 0 && ports[0] != ports[1] && ports[1] != ports[2]);
    for (int i = 0; i < 3; i++)
        sock_close(&socks[i]);
    world_close(&world);
}

static void both_ends_know_both_addresses(void **state)
{
    (void)state;
    struct world world;
    struct pair pair;
    struct sockaddr_storage addresses[4];
    socklen_t sizes[4];
    world_open(&world, &perfect);
    pair_open(&pair, &world);
    weir__io *client = &pair.client.io;
    weir__io *server = &pair.server.io;
    assert_int_equal(weir__io_local_address(client, &addresses[0], &sizes[0]), WEIR_OK);
    assert_int_equal(weir__io_peer_address(server, &addresses[1], &sizes[1]), WEIR_OK);
    assert_int_equal(weir__io_peer_address(client, &addresses[2], &sizes[2]), WEIR_OK);
    assert_int_equal(weir__io_local_address(server, &addresses[3], &sizes[3]), WEIR_OK);
    assert_memory_equal(&addresses[0], &addresses[1], sizes[0]);
    assert_memory_equal(&addresses[2], &addresses[3], sizes[2]);
    const struct sockaddr_in at = ipv4("10.0.0.1", 80);
    assert_memory_equal(&addresses[2], &at, sizeof at);
    assert_true(((struct sockaddr_in *)(void *)&addresses[0])->sin_port != 0);
    pair_close(&pair);
    world_close(&world);
}

static void an_address_in_use_is_refused(void **state)
{
    (void)state;
    struct world world;
    struct sock first, second;
    const struct sockaddr_in one = ipv4("10.0.0.1", 80);
    const struct sockaddr_in all = ipv4("0.0.0.0", 80);
    const struct sockaddr_in other = ipv4("10.0.0.2", 80);
    world_open(&world, &perfect);
    serve(&first, &world, NULL, 0);
    sock_init(&second, &world);
    assert_int_equal(sock_listen(&second, &one, false), WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(sock_listen(&second, &one, true), WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(sock_listen(&second, &all, false), WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(sock_listen(&second, &other, false), WEIR_OK);
    sock_close(&first);
    sock_close(&second);
    sock_init(&second, &world);
    assert_int_equal(sock_listen(&second, &one, false), WEIR_OK);
    sock_close(&second);
    world_close(&world);
}

static void a_wildcard_listener_serves_every_address(void **state)
{
    (void)state;
    struct world world;
    struct sock listener, client, server;
    struct sockaddr_storage local;
    socklen_t size;
    const struct sockaddr_in all = ipv4("0.0.0.0", 80);
    world_open(&world, &perfect);
    sock_init(&listener, &world);
    listener.accept_into = &server;
    listener.accept_room = 1;
    assert_int_equal(sock_listen(&listener, &all, false), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&listener.io), WEIR_OK);
    call(&client, &world);
    world_settle(&world);
    assert_int_equal(client.connect_status, WEIR_OK);
    assert_int_equal(weir__io_local_address(&server.io, &local, &size), WEIR_OK);
    const struct sockaddr_in at = ipv4("10.0.0.1", 80);
    assert_memory_equal(&local, &at, sizeof at);
    sock_close(&listener);
    sock_close(&client);
    sock_close(&server);
    world_close(&world);
}

static void ipv6_and_unix_sockets_connect_too(void **state)
{
    (void)state;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};
    v6.sin6_addr.s6_addr[15] = 1;
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/weir.sock"};
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0weir"};
    const struct {
        const void *address;
        socklen_t size;
    } all[] = {{&v6, sizeof v6},
               {&path, sizeof path},
               {&path, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 14)},
               {&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 5)}};
    for (size_t i = 0; i < 4; i++) {
        struct world world;
        struct sock listener, client, server;
        struct sockaddr_storage address;
        socklen_t size;
        world_open(&world, &perfect);
        sock_init(&listener, &world);
        sock_init(&client, &world);
        listener.accept_into = &server;
        listener.accept_room = 1;
        assert_int_equal(weir__io_listen(&listener.io, all[i].address, all[i].size, false),
                         WEIR_OK);
        assert_int_equal(weir__io_accept_start(&listener.io), WEIR_OK);
        assert_int_equal(weir__io_connect(&client.io, all[i].address, all[i].size), WEIR_OK);
        world_settle(&world);
        assert_int_equal(client.connect_status, WEIR_OK);
        assert_int_equal(weir__io_peer_address(&client.io, &address, &size), WEIR_OK);
        assert_int_equal(weir__io_peer_address(&server.io, &address, &size), WEIR_OK);
        assert_int_equal(address.ss_family, ((const struct sockaddr *)all[i].address)->sa_family);
        sock_close(&listener);
        sock_close(&client);
        sock_close(&server);
        world_close(&world);
    }
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    struct world world;
    struct sock sock;
    struct sockaddr_in address = ipv4("10.0.0.1", 80);
    world_open(&world, &perfect);
    sock_init(&sock, &world);
    const struct sockaddr *as = (const struct sockaddr *)&address;
    assert_int_equal(weir__io_connect(&sock.io, as, sizeof address - 1), WEIR_EINVAL);
    assert_int_equal(weir__io_listen(&sock.io, as, 1, false), WEIR_EINVAL);
    address.sin_family = AF_UNIX;
    assert_int_equal(weir__io_connect(&sock.io, as, 2), WEIR_EINVAL);
    address.sin_family = AF_APPLETALK;
    assert_int_equal(weir__io_connect(&sock.io, as, sizeof address), WEIR_SYSTEM(EAFNOSUPPORT));
    sock_close(&sock);
    world_close(&world);
}

static void sharers_of_a_port_take_turns(void **state)
{
    (void)state;
    struct world world;
    struct sock listeners[3], servers[3][10], clients[30];
    const struct sockaddr_in address = ipv4("10.0.0.1", 80);
    const struct sockaddr_in elsewhere = ipv4("10.0.0.2", 80);
    struct sock other;
    world_open(&world, &perfect);
    sock_init(&other, &world);
    assert_int_equal(sock_listen(&other, &elsewhere, false), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        sock_init(&listeners[i], &world);
        listeners[i].accept_into = servers[i];
        listeners[i].accept_room = 10;
        assert_int_equal(sock_listen(&listeners[i], &address, true), WEIR_OK);
        assert_int_equal(weir__io_accept_start(&listeners[i].io), WEIR_OK);
    }
    for (int i = 0; i < 30; i++)
        call(&clients[i], &world);
    world_settle(&world);
    for (int i = 0; i < 30; i++)
        sock_close(&clients[i]);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(listeners[i].accept_count, 10);
        for (int k = 0; k < 10; k++)
            sock_close(&servers[i][k]);
        sock_close(&listeners[i]);
    }
    sock_close(&other);
    assert_int_equal(world_stats(&world).connections, 30);
    world_close(&world);
}

static void connecting_to_all_addresses_means_this_machine(void **state)
{
    (void)state;
    const struct sockaddr_in v4 = ipv4("0.0.0.0", 80);
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    const struct sockaddr *all[] = {(const struct sockaddr *)&v4, (const struct sockaddr *)&v6};
    const socklen_t sizes[] = {sizeof v4, sizeof v6};
    for (int i = 0; i < 2; i++) {
        struct world world;
        struct sock listener, client, server;
        struct sockaddr_storage address;
        socklen_t size;
        world_open(&world, &perfect);
        sock_init(&listener, &world);
        sock_init(&client, &world);
        listener.accept_into = &server;
        listener.accept_room = 1;
        assert_int_equal(weir__io_listen(&listener.io, all[i], sizes[i], false), WEIR_OK);
        assert_int_equal(weir__io_accept_start(&listener.io), WEIR_OK);
        assert_int_equal(weir__io_connect(&client.io, all[i], sizes[i]), WEIR_OK);
        world_settle(&world);
        assert_int_equal(client.connect_status, WEIR_OK);
        assert_int_equal(weir__io_peer_address(&client.io, &address, &size), WEIR_OK);
        assert_memory_not_equal(&address, all[i], sizes[i]);
        assert_int_equal(weir__io_keep_alive(&client.io, 60, 10), WEIR_OK);
        sock_close(&listener);
        sock_close(&client);
        sock_close(&server);
        world_close(&world);
    }
}

/* --- the heap --- */

static void the_earliest_is_always_first(void **state)
{
    (void)state;
    enum { NODES = 200 };
    struct world world;
    struct weir__sim_heap heap = {0};
    struct weir__sim_node nodes[NODES] = {0};
    struct weir__dice dice;
    world_open(&world, &perfect);
    weir__dice_init(&dice, 1, 1);
    assert_int_equal(weir__sim_heap_reserve(&heap, world.loop, NODES), WEIR_OK);
    for (int step = 0; step < 20000; step++) {
        struct weir__sim_node *node = &nodes[weir__dice_between(&dice, 0, NODES - 1)];
        if (weir__dice_chance(&dice, 300000))
            weir__sim_heap_unset(&heap, node);
        else
            weir__sim_heap_set(&heap, node, weir__dice_between(&dice, 0, 50),
                               weir__dice_between(&dice, 0, 9));
        const struct weir__sim_node *first = NULL;
        for (int i = 0; i < NODES; i++)
            if (nodes[i].place != 0 &&
                (first == NULL || nodes[i].due_ms < first->due_ms ||
                 (nodes[i].due_ms == first->due_ms && nodes[i].order < first->order)))
                first = &nodes[i];
        const struct weir__sim_node *found = weir__sim_heap_first(&heap);
        assert_int_equal(found == NULL, first == NULL);
        assert_true(found == NULL ||
                    (found->due_ms == first->due_ms && found->order == first->order));
        for (uint32_t i = 1; i < heap.count; i++)
            assert_true(heap.nodes[(i - 1) / 2]->due_ms <= heap.nodes[i]->due_ms);
    }
    weir__sim_heap_fini(&heap, world.loop);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connecting_takes_a_round_trip),
        cmocka_unit_test(bytes_take_the_latency),
        cmocka_unit_test(latency_stays_in_its_range_and_bytes_in_order),
        cmocka_unit_test(a_wait_ends_at_its_timeout_when_nothing_happens),
        cmocka_unit_test(a_loop_that_nothing_can_wake_says_deadlock),
        cmocka_unit_test(virtual_days_pass_at_once),
        cmocka_unit_test(the_clock_stands_while_tasks_are_ready),
        cmocka_unit_test(a_conversation_without_latency_does_not_keep_timers_waiting),
        cmocka_unit_test(a_post_ends_a_wait_without_moving_the_clock),
        cmocka_unit_test(connecting_to_nobody_is_refused_after_a_round_trip),
        cmocka_unit_test(port_0_becomes_a_free_port),
        cmocka_unit_test(both_ends_know_both_addresses),
        cmocka_unit_test(an_address_in_use_is_refused),
        cmocka_unit_test(a_wildcard_listener_serves_every_address),
        cmocka_unit_test(ipv6_and_unix_sockets_connect_too),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(sharers_of_a_port_take_turns),
        cmocka_unit_test(connecting_to_all_addresses_means_this_machine),
        cmocka_unit_test(the_earliest_is_always_first),
        cmocka_unit_test(other_threads_may_post),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
