/* ctest: timeout=120 */
/* Conversations of a reader and a writer at each end of a simulated connection. They are whole when
 * bytes come late and in pieces. Nothing is left when they are cancelled at any suspension, when
 * any allocation fails, or when the connection breaks. */
#include "support/session_rig.h"

#include "rt/loop.h"

#include <stdlib.h>
#include <weir/reader.h>
#include <weir/writer.h>

#define LARGE ((size_t)100000)

struct end {
    weir_stream *stream;
    weir_reader *reader;
    weir_writer *writer;
};

struct scene {
    weir_scope all;
    weir_sim_options sim;
    weir_listener *listener;
    size_t suspensions;
    size_t cancel_at;  /* 0: never */
    bool stream_first; /* an end closes its stream before it frees its halves */
    bool done;         /* all that was sent came back, and the Close */
};

static int open_end(struct end *end, enum weir_role role)
{
    weir_scope *scope = weir_scope_current();
    int status = weir_reader_start(
        &end->reader, scope, end->stream,
        &(weir_reader_options){.role = role, .capacity = 2, .max_frame_size = LARGE});
    if (status == WEIR_OK)
        status = weir_writer_start(
            &end->writer, scope, end->stream,
            &(weir_writer_options){.role = role, .capacity = 2, .high_water = 40000});
    return status;
}

static void close_end(struct end *end, bool stream_first)
{
    if (stream_first)
        weir_stream_close(end->stream);
    weir_reader_free(end->reader);
    weir_writer_free(end->writer);
    if (!stream_first)
        weir_stream_close(end->stream);
}

static int echo(void *arg)
{
    struct scene *scene = arg;
    struct end end = {0};
    weir_frame frame;
    int status = weir_listener_accept(&end.stream, scene->listener);
    if (status == WEIR_OK)
        status = open_end(&end, WEIR_ROLE_SERVER);
    while (status == WEIR_OK) {
        status = weir_channel_receive(weir_reader_incoming(end.reader), &frame);
        if (status == WEIR_OK)
            status = weir_writer_send(end.writer, &frame);
    }
    if (status == WEIR_CLOSED)
        status = weir_writer_flush(end.writer); /* the Close must not be lost */
    close_end(&end, scene->stream_first);
    return status == WEIR_CANCELLED ? status : WEIR_OK;
}

/* What a client sends and receives back: fragments around a ping, a payload that is sent in masked
 * pieces, a Close. */
static weir_frame nth_frame(int n)
{
    static uint8_t large[LARGE];
    switch (n) {
    case 0:
        return weir_frame_by_type(false, WEIR_FRAME_TEXT, "hel", 3);
    case 1:
        return weir_frame_ping("between", 7);
    case 2:
        return weir_frame_by_type(true, WEIR_FRAME_TEXT, "lo", 2);
    case 3:
        for (size_t i = 0; i < LARGE; i++)
            large[i] = (uint8_t)(i * 7 + i / 251);
        return weir_frame_binary(large, LARGE);
    default:
        return weir_frame_by_type(true, WEIR_FRAME_CLOSE, "\x03\xe8", 2);
    }
}

#define FRAMES 5

static int talk(struct end *end)
{
    int status = WEIR_OK;
    for (int n = 0; n < FRAMES && status == WEIR_OK; n++) {
        weir_frame frame = nth_frame(n);
        status = weir_writer_send(end->writer, &frame);
    }
    for (int n = 0; n < FRAMES && status == WEIR_OK; n++) {
        weir_frame frame;
        weir_frame sent = nth_frame(n);
        status = weir_channel_receive(weir_reader_incoming(end->reader), &frame);
        if (status != WEIR_OK)
            break;
        assert_int_equal(frame.type, sent.type);
        assert_int_equal(frame.fin, sent.fin);
        assert_int_equal(frame.size, sent.size);
        assert_memory_equal(frame.data, sent.data, sent.size);
        weir_frame_release(&frame);
    }
    if (status == WEIR_OK)
        status = weir_channel_receive(weir_reader_incoming(end->reader), &(weir_frame){0});
    return status;
}

static int play(struct scene *scene)
{
    struct end end = {0};
    weir_address address;
    int status = weir_address_tcp(&address, "127.0.0.1", 0);
    if (status == WEIR_OK)
        status = weir_listener_open(&scene->listener, weir_loop_current(), &address, false);
    if (status == WEIR_OK)
        status = weir_listener_address_get(&address, scene->listener);
    if (status == WEIR_OK)
        status = weir_go(&scene->all, "echo", echo, scene);
    if (status == WEIR_OK)
        status = weir_stream_connect(&end.stream, &address, 1000);
    if (status == WEIR_OK)
        status = open_end(&end, WEIR_ROLE_CLIENT);
    if (status == WEIR_OK)
        status = talk(&end);
    scene->done = status == WEIR_CLOSED;
    close_end(&end, scene->stream_first);
    return status;
}

static int play_in_scope(void *arg)
{
    struct scene *scene = arg;
    weir_sim_stats stats;
    int status = weir_scope_open(&scene->all);
    if (status != WEIR_OK)
        return status;
    (void)play(scene);
    if (!scene->done)
        weir_scope_cancel(&scene->all);
    (void)weir_scope_join(&scene->all);
    weir_listener_close(scene->listener);
    /* A peer may still have to notice the end. Without memory the loop may have cancelled all. */
    if (weir_sleep(50) == WEIR_OK) {
        assert_ok(weir_sim_stats_get(&stats, weir_loop_current()));
        assert_int_equal(stats.open_ends, 0);
    }
    return WEIR_OK;
}

static void count_suspension(weir_loop *loop, void *context)
{
    struct scene *scene = context;
    (void)loop;
    if (++scene->suspensions == scene->cancel_at)
        weir_scope_cancel(&scene->all);
}

static void run_scene(struct scene *scene, failing_allocator *memory)
{
    weir_loop *loop;
    weir_loop_options options = {
        .backend = WEIR_BACKEND_SIM, .sim = &scene->sim, .allocator = memory->allocator};
    if (weir_loop_new(&loop, &options) == WEIR_OK) {
        loop->on_suspend = count_suspension;
        loop->on_suspend_context = scene;
        (void)weir_loop_run(loop, "scene", play_in_scope, scene);
        assert_int_equal(weir_loop_coroutine_count(loop), 0);
        weir_loop_free(loop);
    }
    if (!failing_allocator_is_clean(memory))
        print_error("seed %llu, cancel_at %zu, fail_at %zu: %zu bytes left\n",
                    (unsigned long long)scene->sim.seed, scene->cancel_at, memory->fail_at,
                    memory->live_bytes);
    assert_true(failing_allocator_is_clean(memory));
}

static const weir_sim_options slow = {
    .seed = 3, .latency_max_ms = 2, .cut_read_ppm = 200000, .socket_buffer = 30000};

static void cancelled_at_every_suspension_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        bool done = false;
        size_t at;
        for (at = 1; !done; at++) {
            failing_allocator memory;
            struct scene scene = {.sim = slow, .cancel_at = at, .stream_first = i == 1};
            failing_allocator_init(&memory, 0);
            run_scene(&scene, &memory);
            done = scene.suspensions < at;
            assert_true(scene.done || !done);
        }
        print_message("%zu suspensions\n", at - 2);
        assert_true(at > 5);
    }
}

static void failing_at_every_allocation_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool failed = true;
        size_t at;
        for (at = 1; failed; at++) {
            failing_allocator memory;
            struct scene scene = {.sim = slow, .stream_first = (i & 1) != 0};
            failing_allocator_init(&memory, at);
            memory.fail_after = (i & 2) != 0;
            run_scene(&scene, &memory);
            failed = memory.failed;
            assert_true(scene.done || failed);
        }
        print_message("%zu allocations\n", at - 2);
        assert_true(at > 20);
    }
}

static void late_and_cut_bytes_change_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        failing_allocator memory;
        struct scene scene = {.sim = {.seed = seed,
                                      .latency_max_ms = (uint32_t)(seed % 5),
                                      .cut_read_ppm = 300000,
                                      .cut_write_ppm = 300000,
                                      .socket_buffer = 1000 + seed * 400}};
        failing_allocator_init(&memory, 0);
        run_scene(&scene, &memory);
        if (!scene.done)
            print_error("seed %llu: not all came back\n", (unsigned long long)seed);
        assert_true(scene.done);
    }
}

static void broken_connections_leave_nothing(void **state)
{
    size_t done = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        failing_allocator memory;
        struct scene scene = {.sim = {.seed = seed,
                                      .latency_max_ms = (uint32_t)(seed % 3),
                                      .cut_read_ppm = 200000,
                                      .cut_write_ppm = 200000,
                                      .reset_ppm = 20000,
                                      .fail_ppm = 10000,
                                      .socket_buffer = 20000},
                              .stream_first = seed % 2 == 1};
        failing_allocator_init(&memory, 0);
        run_scene(&scene, &memory);
        done += scene.done;
    }
    print_message("%zu of 400 came to their end\n", done);
    assert_in_range(done, 1, 399);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_at_every_suspension_leaves_nothing),
        cmocka_unit_test(failing_at_every_allocation_leaves_nothing),
        cmocka_unit_test(late_and_cut_bytes_change_nothing),
        cmocka_unit_test(broken_connections_leave_nothing),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
