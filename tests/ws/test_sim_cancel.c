/* ctest: timeout=300 */
/* A conversation that is cancelled at its k-th suspension, for every k, or whose n-th allocation
 * fails, for every n, leaves nothing behind. */
#include "support/session_rig.h"

#include "rt/loop.h"

#include <stdio.h>
#include <stdlib.h>

static int ticking_echo(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    int status = weir_sleep(1);
    return status == WEIR_OK ? weir_send(session, frame) : status;
}

static int look_closely(weir_upgrade *upgrade, void *arg)
{
    (void)arg;
    int status = weir_sleep(1);
    return status == WEIR_OK ? weir_upgrade_add_header(upgrade, "X-Looked", "yes") : status;
}

/* Some of every call that suspends. Any status may be the result. */
static int talk(weir_session *session)
{
    static uint8_t large[100000];
    weir_frame frame = {0};
    weir_message message;
    int status = weir_send_text(session, "hello");
    if (status == WEIR_OK)
        status = weir_receive(session, &frame);
    if (status == WEIR_OK)
        status = weir_send_binary(session, large, sizeof large);
    if (status == WEIR_OK)
        status = weir_flush(session);
    if (status == WEIR_OK)
        status = weir_receive(session, &frame);
    weir_frame_release(&frame);
    if (status == WEIR_OK)
        status = weir_message_begin(&message, session, WEIR_FRAME_TEXT);
    if (status == WEIR_OK) {
        status = weir_message_write(&message, "in ", 3);
        int ended = weir_message_end(&message);
        status = status == WEIR_OK ? ended : status;
    }
    if (status == WEIR_OK)
        status = weir_receive_message(session, &frame);
    weir_frame_release(&frame);
    int closed = weir_close(session, 1000, "done");
    return status == WEIR_OK ? closed : status;
}

enum shape {
    SHAPE_HANDLER,
    SHAPE_ON_MESSAGE,
    SHAPE_RAW,
    SHAPE_STOP,
#ifdef WEIR_HAVE_DEFLATE
    SHAPE_DEFLATE,  /* a compressor at work for each message */
    SHAPE_TAKEOVER, /* one for each session */
#endif
    SHAPES
};

static weir_session_options options_of(enum shape shape)
{
    weir_session_options options = {.close_timeout_ms = 100};
#ifdef WEIR_HAVE_DEFLATE
    options.deflate = (weir_deflate_options){.enabled = shape >= SHAPE_DEFLATE,
                                             .server_context_takeover = shape == SHAPE_TAKEOVER,
                                             .client_context_takeover = shape == SHAPE_TAKEOVER,
                                             .compress_min = 1};
#else
    (void)shape;
#endif
    return options;
}

struct scene {
    weir_scope all;
    enum shape shape;
    size_t suspensions;
    size_t cancel_at; /* 0: never */
    bool done;        /* the conversation came to its end */
    int ends;         /* calls of on_close */
};

static int sleepy_open(weir_session *session, void *arg)
{
    (void)session;
    (void)arg;
    return weir_sleep(1);
}

static void count_end(weir_session *session, const weir_end *end, void *arg)
{
    (void)session;
    assert_non_null(end);
    ++*(int *)arg;
}

/* A server and a client of it. */
static int play_served(struct scene *scene)
{
    weir_server *server;
    weir_session *client;
    weir_serve_options options = {.url = "ws://127.0.0.1:0",
                                  .on_upgrade = look_closely,
                                  .on_close = count_end,
                                  .arg = &scene->ends,
                                  .session = options_of(scene->shape)};
    if (scene->shape == SHAPE_ON_MESSAGE) {
        options.on_message = ticking_echo;
        options.on_open = sleepy_open;
    } else {
        options.handler = rig_echo;
    }
    int status = weir_server_start(&server, &scene->all, &options);
    if (status != WEIR_OK)
        return status;
    weir_connect_options connect = {.url = weir_server_url(server),
                                    .session = options_of(scene->shape)};
    status = weir_client_open(&client, &scene->all, &connect);
    if (status == WEIR_OK && scene->shape == SHAPE_STOP)
        weir_server_stop(server);
    if (status == WEIR_OK) {
        status = talk(client);
        int joined = weir_session_join(client);
        scene->done = joined == WEIR_CLOSED && (status == WEIR_OK || scene->shape == SHAPE_STOP);
        weir_session_free(client);
    }
    weir_server_free(server);
    return status;
}

/* What the user of a raw session has to do. */
static int serve_raw(void *arg)
{
    weir_session *session = arg;
    weir_channel *pings;
    weir_channel *pongs;
    weir_frame frame;
    int status = weir_ponger_start(&pings, session);
    if (status == WEIR_OK)
        status = weir_pinger_start(&pongs, session, 1, 1000);
    while (status == WEIR_OK && (status = weir_receive(session, &frame)) == WEIR_OK) {
        if (frame.type == WEIR_FRAME_PING)
            status = weir_channel_send(pings, &frame);
        else if (frame.type == WEIR_FRAME_PONG)
            status = weir_channel_send(pongs, &frame);
        else
            status = weir_send(session, &frame);
    }
    return WEIR_OK;
}

/* A raw session and a default one over a stream in memory. */
static int play_raw(struct scene *scene)
{
    weir_stream *ends[2];
    weir_session *raw;
    weir_session *client;
    weir_session_options options = {.close_timeout_ms = 100, .ping_interval_ms = 1};
    int status = weir_stream_pair(&ends[0], &ends[1], weir_loop_current());
    if (status != WEIR_OK)
        return status;
    status = weir_session_start_raw(&raw, &scene->all, ends[0], WEIR_ROLE_SERVER, &options);
    if (status != WEIR_OK) {
        weir_stream_close(ends[1]);
        return status;
    }
    status = weir_session_start(&client, &scene->all, ends[1], WEIR_ROLE_CLIENT, &options);
    if (status == WEIR_OK) {
        status = weir_go(weir_session_scope(raw), "raw", serve_raw, raw);
        if (status == WEIR_OK)
            status = talk(client);
        else
            weir_terminate(client);
        int joined = weir_session_join(client);
        scene->done = status == WEIR_OK && joined == WEIR_CLOSED;
        weir_session_free(client);
    }
    int joined = weir_session_join(raw);
    assert_int_not_equal(joined, WEIR_OK);
    weir_session_free(raw);
    return status;
}

static int play(struct scene *scene)
{
    return scene->shape == SHAPE_RAW ? play_raw(scene) : play_served(scene);
}

static int play_in_scope(void *arg)
{
    struct scene *scene = arg;
    int status = weir_scope_open(&scene->all);
    if (status != WEIR_OK)
        return status;
    (void)play(scene);
    (void)weir_scope_join(&scene->all);
    return WEIR_OK;
}

static void count_suspension(weir_loop *loop, void *context)
{
    struct scene *scene = context;
    (void)loop;
    if (++scene->suspensions == scene->cancel_at)
        weir_scope_cancel(&scene->all);
}

/* Returns the status of the loop. All else is checked here. */
static int run_scene(struct scene *scene, failing_allocator *memory)
{
    weir_loop *loop;
    weir_sim_options sim = {.seed = 7, .latency_max_ms = 2, .cut_read_ppm = 200000};
    weir_loop_options options = {
        .backend = WEIR_BACKEND_SIM, .sim = &sim, .allocator = memory->allocator};
    int status = weir_loop_new(&loop, &options);
    if (status != WEIR_OK) {
        assert_true(failing_allocator_is_clean(memory));
        return status;
    }
    loop->on_suspend = count_suspension;
    loop->on_suspend_context = scene;
    status = weir_loop_run(loop, "scene", play_in_scope, scene);
    assert_int_equal(weir_loop_coroutine_count(loop), 0);
    assert_in_range(scene->ends, scene->done && scene->shape != SHAPE_RAW, 1);
    weir_loop_free(loop);
    if (!failing_allocator_is_clean(memory))
        print_error("cancel_at %zu, fail_at %zu: %zu bytes left\n", scene->cancel_at,
                    memory->fail_at, memory->live_bytes);
    assert_true(failing_allocator_is_clean(memory));
    return status;
}

static void cancelled_at_every_suspension_leaves_nothing(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        bool done = false;
        size_t at;
        for (at = 1; !done; at++) {
            failing_allocator memory;
            struct scene scene = {.shape = (enum shape)shape, .cancel_at = at};
            failing_allocator_init(&memory, 0);
            assert_ok(run_scene(&scene, &memory));
            done = scene.suspensions < at;
            if (done)
                assert_true(scene.done);
        }
        print_message("%zu suspensions\n", at - 2);
        assert_true(at > 5);
    }
}

static void failing_at_every_allocation_leaves_nothing(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        bool failed = true;
        size_t at;
        for (at = 1; failed; at++) {
            failing_allocator memory;
            struct scene scene = {.shape = (enum shape)shape};
            failing_allocator_init(&memory, at);
            (void)run_scene(&scene, &memory);
            failed = memory.failed;
            if (!failed)
                assert_true(scene.done);
        }
        print_message("%zu allocations\n", at - 2);
        assert_true(at > 20);
    }
}

static void failing_from_an_allocation_on_leaves_nothing(void **state)
{
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        bool failed = true;
        for (size_t at = 1; failed; at++) {
            failing_allocator memory;
            struct scene scene = {.shape = (enum shape)shape};
            failing_allocator_init(&memory, at);
            memory.fail_after = true;
            (void)run_scene(&scene, &memory);
            failed = memory.failed;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_at_every_suspension_leaves_nothing),
        cmocka_unit_test(failing_at_every_allocation_leaves_nothing),
        cmocka_unit_test(failing_from_an_allocation_on_leaves_nothing),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
