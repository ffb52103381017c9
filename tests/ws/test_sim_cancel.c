/* ctest: timeout=300 */
/* Nothing is left behind: a conversation cancelled at its k-th suspension, for every k, and with its n-th allocation failing, for every n. */
#include "support/session_rig.h"

#include "rt/loop.h"

#include <stdio.h>
#include <stdlib.h>

static int echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

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

/* A bit of everything that suspends. Any status may come out. */
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

struct scene {
    weir_scope all;
    bool on_message;
    size_t suspensions;
    size_t cancel_at; /* 0: never */
    bool done;        /* the conversation came to its end */
};

static int play(struct scene *scene)
{
    weir_server *server;
    weir_session *client;
    weir_serve_options options = {
        .url = "ws://127.0.0.1:0", .on_upgrade = look_closely, .session.close_timeout_ms = 100};
    if (scene->on_message)
        options.on_message = ticking_echo;
    else
        options.handler = echo;
    int status = weir_server_start(&server, &scene->all, &options);
    if (status != WEIR_OK)
        return status;
    weir_connect_options connect = {.url = weir_server_url(server),
                                    .session.close_timeout_ms = 100};
    status = weir_client_open(&client, &scene->all, &connect);
    if (status == WEIR_OK) {
        status = talk(client);
        int joined = weir_session_join(client);
        scene->done = status == WEIR_OK && joined == WEIR_CLOSED;
        weir_session_free(client);
    }
    weir_server_free(server);
    return status;
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

/* Returns the status of the loop; the rest is checked here. */
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
    for (int shape = 0; shape < 2; shape++) {
        bool done = false;
        size_t at;
        for (at = 1; !done; at++) {
            failing_allocator memory;
            struct scene scene = {.on_message = shape == 1, .cancel_at = at};
            failing_allocator_init(&memory, 0);
            assert_ok(run_scene(&scene, &memory));
            done = scene.suspensions < at;
            if (done)
                assert_true(scene.done);
        }
        print_message("%zu suspensions\n", at - 2);
        assert_true(at > 15);
    }
}

static void failing_at_every_allocation_leaves_nothing(void **state)
{
    (void)state;
    for (int shape = 0; shape < 2; shape++) {
        bool failed = true;
        size_t at;
        for (at = 1; failed; at++) {
            failing_allocator memory;
            struct scene scene = {.on_message = shape == 1};
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
    bool failed = true;
    for (size_t at = 1; failed; at++) {
        failing_allocator memory;
        struct scene scene = {0};
        failing_allocator_init(&memory, at);
        memory.fail_after = true;
        (void)run_scene(&scene, &memory);
        failed = memory.failed;
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
