/* Whole conversations in the simulated network, over thousands of seeds: what arrives is what was
 * sent, and the same seed gives the same run.
 * ctest: timeout=120 */
#include "rt/sim_world.h"

#include "rt/sim_random.h"

#define TALKERS     4
#define CHUNK_MAX   4096
#define ALL_FAULTS  (FAULT_RESET | FAULT_REFUSE | FAULT_FAIL)
#define TURNS_MAX   2000000
#define SEEDS_EACH  500
#define SEEDS_MIXED 3000

enum trouble {
    LATENCY = 1 << 0,
    CUT_READ = 1 << 1,
    CUT_WRITE = 1 << 2,
    SMALL_BUFFER = 1 << 3,
    FAULT_RESET = 1 << 4,
    FAULT_REFUSE = 1 << 5,
    FAULT_FAIL = 1 << 6,
    EVERYTHING = (1 << 7) - 1,
};

static weir_sim_options options_of(uint64_t seed, unsigned troubles)
{
    weir_sim_options sim = {.seed = seed};
    struct weir__dice dice;
    weir__dice_init(&dice, seed, 100);
    if (troubles & LATENCY) {
        sim.latency_min_ms = (uint32_t)weir__dice_between(&dice, 0, 50);
        sim.latency_max_ms = sim.latency_min_ms + (uint32_t)weir__dice_between(&dice, 0, 300);
    }
    if (troubles & CUT_READ)
        sim.cut_read_ppm = (uint32_t)weir__dice_between(&dice, 10000, 800000);
    if (troubles & CUT_WRITE)
        sim.cut_write_ppm = (uint32_t)weir__dice_between(&dice, 10000, 800000);
    if (troubles & SMALL_BUFFER)
        sim.socket_buffer = weir__dice_between(&dice, 1, 2000);
    if (troubles & FAULT_RESET)
        sim.reset_ppm = (uint32_t)weir__dice_between(&dice, 1000, 20000);
    if (troubles & FAULT_REFUSE)
        sim.refuse_ppm = (uint32_t)weir__dice_between(&dice, 10000, 300000);
    if (troubles & FAULT_FAIL)
        sim.fail_ppm = (uint32_t)weir__dice_between(&dice, 1000, 20000);
    return sim;
}

/* --- one end of a conversation --- */

struct play;

/* A client sends total bytes of its own stream and checks that they come back. A server sends what
 * it gets. */
struct talker {
    weir__io io;
    struct play *play;
    struct weir__dice dice;
    struct weir__dice expected; /* (client) the stream again, as it must come back */
    uint64_t word;              /* of the stream, and how many of its bytes are used */
    unsigned word_used;
    uint64_t expected_word;
    unsigned expected_used;
    size_t total;      /* (client) */
    size_t sent, back; /* bytes handed over, bytes received */
    uint8_t chunk[CHUNK_MAX];
    size_t chunk_begin, chunk_end; /* unsent */
    bool is_server, input_ended, shut, closing, closed, lost, complete;
};

struct play {
    struct world world;
    weir_sim_options sim;
    struct weir__dice sizes;
    weir__io listener;
    bool listener_closed;
    struct talker clients[TALKERS];
    struct talker servers[TALKERS];
    size_t server_count;
    size_t closed_count; /* talkers, of those that began */
    size_t open_count;
};

static struct talker *talker_of(weir__io *io)
{
    return WEIR__CONTAINER(io, struct talker, io);
}

static uint8_t stream_byte(struct weir__dice *dice, uint64_t *word, unsigned *used)
{
    if (*used % 8 == 0)
        *word = weir__dice_next(dice);
    return (uint8_t)(*word >> (*used)++ % 8 * 8);
}

static void leave(struct talker *talker, bool lost)
{
    if (talker->closing)
        return;
    talker->closing = true;
    talker->lost = lost;
    weir__io_close(&talker->io, false);
}

static void fill_chunk(struct talker *talker)
{
    size_t left = talker->total - talker->sent;
    size_t size = weir__dice_between(&talker->play->sizes, 1, 700);
    if (size > left)
        size = left;
    for (size_t i = 0; i < size; i++)
        talker->chunk[i] = stream_byte(&talker->dice, &talker->word, &talker->word_used);
    talker->sent += size;
    talker->chunk_begin = 0;
    talker->chunk_end = size;
}

/* Bytes that were taken are ruined, so that whoever took them had better have a copy. */
static void taken(struct talker *talker, size_t size)
{
    memset(talker->chunk + talker->chunk_begin, 0xdd, size);
    talker->chunk_begin += size;
    assert_true(talker->chunk_begin <= talker->chunk_end);
}

static void finish_sending(struct talker *talker)
{
    if (!talker->shut && weir__io_shutdown(&talker->io) != WEIR_OK) {
        leave(talker, true);
        return;
    }
    talker->shut = true;
    if (talker->is_server)
        leave(talker, false);
}

/* Sends as long as it can. Returns whether everything at hand is gone. */
static bool pump(struct talker *talker)
{
    while (!talker->closing && !weir__io_is_sending(&talker->io)) {
        if (talker->chunk_begin == talker->chunk_end) {
            if (talker->is_server || talker->sent == talker->total)
                return true;
            fill_chunk(talker);
        }
        size_t size = talker->chunk_end - talker->chunk_begin;
        size_t half = size / 2;
        uint8_t *at = talker->chunk + talker->chunk_begin;
        const struct iovec pieces[] = {{at, half}, {at + half, size - half}};
        int64_t took = weir__io_send(&talker->io, pieces, 2);
        if (took < 0)
            leave(talker, true);
        else
            taken(talker, (size_t)took);
    }
    return false;
}

static void go_on(struct talker *talker)
{
    if (!pump(talker))
        return;
    if (!talker->is_server || talker->input_ended)
        finish_sending(talker);
    else if (weir__io_recv_start(&talker->io) != WEIR_OK)
        leave(talker, true);
}

static void on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct talker *talker = talker_of(io);
    (void)buf;
    assert_false(talker->closing);
    talker->back += size;
    if (talker->is_server) {
        assert_true(talker->chunk_begin == talker->chunk_end && size <= CHUNK_MAX);
        memcpy(talker->chunk, data, size);
        talker->chunk_begin = 0;
        talker->chunk_end = size;
        weir__io_recv_stop(io);
        go_on(talker);
        return;
    }
    for (size_t i = 0; i < size; i++)
        assert_int_equal(data[i], stream_byte(&talker->expected, &talker->expected_word,
                                              &talker->expected_used));
    memset(data, 0xee, size); /* a receiver may change what it is lent */
}

static void on_end(weir__io *io, int status)
{
    struct talker *talker = talker_of(io);
    assert_false(talker->closing);
    if (status != WEIR_CLOSED) {
        leave(talker, true);
        return;
    }
    talker->input_ended = true;
    if (talker->is_server) {
        go_on(talker);
        return;
    }
    talker->complete = talker->back == talker->total;
    leave(talker, !talker->complete);
}

static void on_sent(weir__io *io, int status, size_t size)
{
    struct talker *talker = talker_of(io);
    assert_false(talker->closing);
    if (status != WEIR_OK) {
        leave(talker, true);
        return;
    }
    taken(talker, size);
    go_on(talker);
}

static void on_connect(weir__io *io, int status)
{
    struct talker *talker = talker_of(io);
    if (status != WEIR_OK || weir__io_recv_start(io) != WEIR_OK)
        leave(talker, true);
    else
        go_on(talker);
}

static void close_listener(struct play *play)
{
    if (!play->listener_closed)
        weir__io_close(&play->listener, false);
    play->listener_closed = true;
}

static void on_closed(weir__io *io)
{
    struct talker *talker = talker_of(io);
    assert_false(talker->closed);
    talker->closed = true;
    talker->play->closed_count++;
}

static const struct weir__io_events talker_events = {
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_connect = on_connect,
    .on_closed = on_closed,
};

static void begin(struct talker *talker, struct play *play, bool is_server)
{
    memset(talker, 0, sizeof *talker);
    talker->play = play;
    talker->is_server = is_server;
    weir__io_init(&talker->io, play->world.loop, &talker_events);
}

static void on_accept(weir__io *io, struct weir__accepted *accepted)
{
    struct play *play = WEIR__CONTAINER(io, struct play, listener);
    struct talker *server = &play->servers[play->server_count++];
    assert_true(play->server_count <= TALKERS);
    begin(server, play, true);
    int status = weir__io_adopt(&server->io, accepted);
    if (status != WEIR_OK) {
        play->server_count--;
        return;
    }
    play->open_count++;
    if (weir__io_recv_start(&server->io) != WEIR_OK)
        leave(server, true);
}

static const struct weir__io_events listener_events = {.on_accept = on_accept};

/* --- a whole run --- */

static void begin_client(struct play *play, size_t number)
{
    const struct sockaddr_in address = ipv4("10.1.2.3", 9001);
    struct talker *client = &play->clients[number];
    begin(client, play, false);
    weir__dice_init(&client->dice, play->sim.seed, 1000 + number);
    client->expected = client->dice;
    client->total =
        weir__dice_between(&play->sizes, 0, play->sim.socket_buffer == 0 ? 20000 : 3000);
    play->open_count++;
    int status = weir__io_connect(&client->io, (const struct sockaddr *)&address, sizeof address);
    if (status != WEIR_OK)
        leave(client, true);
}

static void run_to_the_end(struct play *play)
{
    int turns = 0;
    while (play->closed_count < play->open_count) {
        if (++turns >= TURNS_MAX)
            fail_msg("seed %llu does not end", (unsigned long long)play->sim.seed);
        if (weir_loop_turn(play->world.loop, -1) < 0)
            break;
    }
}

static void check_complete(struct play *play)
{
    if (play->closed_count < play->open_count)
        fail_msg("seed %llu is stuck", (unsigned long long)play->sim.seed);
    if (world_stats(&play->world).faults > 0)
        return;
    for (size_t i = 0; i < TALKERS; i++)
        if (!play->clients[i].complete || play->clients[i].lost || play->servers[i].lost)
            fail_msg("seed %llu lost bytes", (unsigned long long)play->sim.seed);
}

/* Runs a conversation of several clients with their servers. fail_at: the allocation that fails.
 * Returns whether the world could be made. */
static bool run_play(struct play *play, weir_sim_options sim, size_t fail_at, weir_sim_stats *stats)
{
    const struct sockaddr_in address = ipv4("0.0.0.0", 9001);
    memset(play, 0, offsetof(struct play, clients));
    play->server_count = play->closed_count = play->open_count = 0;
    play->sim = sim;
    weir__dice_init(&play->sizes, sim.seed, 200);
    if (world_try_open(&play->world, &sim, fail_at) != WEIR_OK) {
        assert_int_equal(play->world.bytes, 0);
        return false;
    }
    weir__io_init(&play->listener, play->world.loop, &listener_events);
    int status =
        weir__io_listen(&play->listener, (const struct sockaddr *)&address, sizeof address, false);
    if (status == WEIR_OK)
        assert_int_equal(weir__io_accept_start(&play->listener), WEIR_OK);
    for (size_t i = 0; i < TALKERS; i++)
        begin_client(play, i);
    run_to_the_end(play);
    if (fail_at == 0)
        check_complete(play);
    else
        assert_int_equal(play->closed_count, play->open_count);
    *stats = world_stats(&play->world);
    close_listener(play);
    world_close(&play->world);
    return true;
}

static struct play *new_play(void)
{
    struct play *play = calloc(1, sizeof *play);
    assert_non_null(play);
    return play;
}

static void run_seeds(unsigned troubles, uint64_t count)
{
    struct play *play = new_play();
    weir_sim_stats stats;
    uint64_t faults = 0;
    for (uint64_t seed = 0; seed < count; seed++) {
        assert_true(run_play(play, options_of(seed, troubles), 0, &stats));
        faults += stats.faults;
    }
    if (troubles & ALL_FAULTS)
        assert_true(faults > count / 10);
    else
        assert_int_equal(faults, 0);
    free(play);
}

static void echo_comes_back_from_a_perfect_network(void **state)
{
    (void)state;
    run_seeds(0, SEEDS_EACH);
}

static void echo_comes_back_under_each_trouble_alone(void **state)
{
    (void)state;
    for (unsigned trouble = 1; trouble <= EVERYTHING; trouble <<= 1)
        run_seeds(trouble, SEEDS_EACH);
}

static void echo_comes_back_without_faults_but_under_all_else(void **state)
{
    (void)state;
    run_seeds(EVERYTHING & ~(unsigned)ALL_FAULTS, SEEDS_MIXED);
}

static void echo_ends_cleanly_under_all_troubles_together(void **state)
{
    (void)state;
    run_seeds(EVERYTHING, SEEDS_MIXED);
}

/* --- sameness --- */

static void the_same_seed_gives_the_same_run(void **state)
{
    (void)state;
    struct play *play = new_play();
    for (uint64_t seed = 0; seed < 200; seed++) {
        weir_sim_stats first, second;
        const weir_sim_options sim = options_of(seed, EVERYTHING);
        assert_true(run_play(play, sim, 0, &first));
        assert_true(run_play(play, sim, 0, &second));
        assert_memory_equal(&first, &second, sizeof first);
    }
    free(play);
}

static int compare_words(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void different_seeds_give_different_runs(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct play *play = new_play();
    uint64_t digests[COUNT];
    for (uint64_t seed = 0; seed < COUNT; seed++) {
        weir_sim_stats stats;
        weir_sim_options sim = options_of(1, 0);
        sim.seed = seed;
        assert_true(run_play(play, sim, 0, &stats));
        digests[seed] = stats.digest;
    }
    qsort(digests, COUNT, sizeof *digests, compare_words);
    for (size_t i = 1; i < COUNT; i++)
        assert_true(digests[i - 1] != digests[i]);
    free(play);
}

static void random_bytes_come_from_the_seed_and_move_nothing_else(void **state)
{
    (void)state;
    weir_sim_options sim = {.seed = 77, .latency_max_ms = 100, .cut_read_ppm = 500000};
    weir_sim_stats stats[2];
    uint8_t bytes[2][37];
    for (int draws = 0; draws < 2; draws++) {
        struct world world;
        struct pair pair;
        world_open(&world, &sim);
        weir_loop_random(bytes[draws], sizeof bytes[draws], world.loop);
        for (int i = 0; i < draws * 1000; i++)
            weir_loop_random(&(uint64_t){0}, 8, world.loop);
        pair_open(&pair, &world);
        for (int i = 0; i < 20; i++)
            assert_int_equal(sock_send(&pair.client, "some bytes", 10), 10);
        world_settle(&world);
        stats[draws] = world_stats(&world);
        pair_close(&pair);
        world_close(&world);
    }
    assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
    assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
    struct world world;
    sim.seed = 78;
    world_open(&world, &sim);
    weir_loop_random(bytes[1], sizeof bytes[1], world.loop);
    assert_memory_not_equal(bytes[0], bytes[1], sizeof bytes[0]);
    world_close(&world);
}

/* --- memory --- */

static void each_allocation_may_fail(void **state)
{
    (void)state;
    struct play *play = new_play();
    for (uint64_t seed = 0; seed < 4; seed++) {
        const weir_sim_options sim =
            options_of(seed, LATENCY | CUT_READ | CUT_WRITE | (seed % 2 != 0 ? SMALL_BUFFER : 0));
        weir_sim_stats stats;
        assert_true(run_play(play, sim, 0, &stats));
        size_t calls = play->world.calls;
        size_t step = calls > 2000 ? calls / 1000 : 1;
        for (size_t n = 1; n <= calls; n += n < 500 ? 1 : step)
            (void)run_play(play, sim, n, &stats);
    }
    free(play);
}

/* Very many connections, with nothing but what the simulated world keeps of them. */
static struct crowd {
    struct world world;
    weir__io listener;
    weir__io *clients, *servers;
    size_t connected, accepted, got, closed;
} crowd;

static void crowd_on_connect(weir__io *io, int status)
{
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(weir__io_recv_start(io), WEIR_OK);
    crowd.connected++;
}

static void crowd_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    (void)io;
    (void)buf;
    (void)data;
    crowd.got += size;
}

static void crowd_on_end(weir__io *io, int status)
{
    (void)io;
    assert_int_equal(status, WEIR_CLOSED);
}

static void crowd_on_closed(weir__io *io)
{
    (void)io;
    crowd.closed++;
}

static void crowd_on_accept(weir__io *io, struct weir__accepted *accepted);

static const struct weir__io_events crowd_events = {
    .on_connect = crowd_on_connect,
    .on_accept = crowd_on_accept,
    .on_data = crowd_on_data,
    .on_end = crowd_on_end,
    .on_closed = crowd_on_closed,
};

static void crowd_on_accept(weir__io *io, struct weir__accepted *accepted)
{
    weir__io *server = &crowd.servers[crowd.accepted++];
    weir__io_init(server, io->loop, &crowd_events);
    assert_int_equal(weir__io_adopt(server, accepted), WEIR_OK);
    assert_int_equal(weir__io_recv_start(server), WEIR_OK);
}

static void crowd_gather(size_t count)
{
    const struct sockaddr_in at = ipv4("10.0.0.1", 80);
    const struct sockaddr *address = (const struct sockaddr *)&at;
    weir_loop *loop = crowd.world.loop;
    weir__io_init(&crowd.listener, loop, &crowd_events);
    assert_int_equal(weir__io_listen(&crowd.listener, address, sizeof at, false), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&crowd.listener), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        weir__io_init(&crowd.clients[i], loop, &crowd_events);
        assert_int_equal(weir__io_connect(&crowd.clients[i], address, sizeof at), WEIR_OK);
    }
    world_settle(&crowd.world);
    assert_int_equal(crowd.connected, count);
    assert_int_equal(crowd.accepted, count);
}

static void idle_connections_are_many_and_cheap(void **state)
{
    (void)state;
    const size_t count = 200000;
    const weir_sim_options sim = {.seed = 1, .latency_min_ms = 1, .latency_max_ms = 1000};
    memset(&crowd, 0, sizeof crowd);
    world_open(&crowd.world, &sim);
    crowd.clients = calloc(count, sizeof(weir__io));
    crowd.servers = calloc(count, sizeof(weir__io));
    crowd_gather(count);
    print_message("%zu bytes a connection\n", crowd.world.bytes / count);
    assert_in_range(crowd.world.bytes / count, 1, 300);
    for (size_t i = 0; i < count; i++) {
        struct iovec piece = {"hello", 5};
        assert_int_equal(weir__io_send(&crowd.clients[i], &piece, 1), 5);
    }
    world_settle(&crowd.world);
    assert_int_equal(crowd.got, 5 * count);
    for (size_t i = 0; i < count; i++) {
        weir__io_close(&crowd.clients[i], false);
        weir__io_close(&crowd.servers[i], false);
    }
    weir__io_close(&crowd.listener, false);
    world_close(&crowd.world);
    assert_int_equal(crowd.closed, 2 * count + 1);
    free(crowd.clients);
    free(crowd.servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_comes_back_from_a_perfect_network),
        cmocka_unit_test(echo_comes_back_under_each_trouble_alone),
        cmocka_unit_test(echo_comes_back_without_faults_but_under_all_else),
        cmocka_unit_test(echo_ends_cleanly_under_all_troubles_together),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
        cmocka_unit_test(different_seeds_give_different_runs),
        cmocka_unit_test(random_bytes_come_from_the_seed_and_move_nothing_else),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(idle_connections_are_many_and_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
