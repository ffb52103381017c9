/* ctest: loops
 * Whole conversations of a server and a client: cancelled anywhere, in bad weather, without
 * memory. */
#include "net/net_place.h"

#define ECHO_SIZE ((size_t)1024 * 1024)

static uint8_t large[ECHO_SIZE];

/* A whole conversation with everything that can suspend in it, to be cancelled at each
 * suspension in turn. */

struct conversation {
    weir_listener *listener;
    weir_address address;
    size_t echoed;      /* bytes that came back */
    size_t suspensions; /* so far */
    size_t cancel_at;
    weir_scope *scope;
};

static int serve(void *arg)
{
    struct conversation *conversation = arg;
    weir_stream *stream;
    uint8_t data[4096];
    size_t size;
    int status = weir_listener_accept(&stream, conversation->listener);
    if (status != WEIR_OK)
        return status;
    while ((status = weir_stream_read(stream, data, sizeof data, &size)) == WEIR_OK)
        if ((status = weir_stream_write(stream, data, size)) != WEIR_OK)
            break;
    if (status == WEIR_CLOSED)
        status = weir_stream_shutdown(stream);
    weir_stream_close(stream);
    return status;
}

static int send_echo(void *arg)
{
    weir_stream *stream = arg;
    int status = weir_stream_write(stream, large, ECHO_SIZE);
    return status == WEIR_OK ? weir_stream_shutdown(stream) : status;
}

static int read_echo(weir_stream *stream, size_t *sum)
{
    uint8_t data[10000];
    size_t size;
    int status;
    while ((status = weir_stream_read(stream, data, sizeof data, &size)) == WEIR_OK)
        *sum += size;
    return status;
}

static int ask(void *arg)
{
    struct conversation *conversation = arg;
    weir_stream *stream;
    weir_scope scope;
    int status = weir_stream_connect(&stream, &conversation->address, 5000);
    if (status != WEIR_OK)
        return status;
    status = weir_scope_open(&scope);
    if (status == WEIR_OK) {
        status = weir_go(&scope, "sender", send_echo, stream);
        if (status == WEIR_OK)
            status = read_echo(stream, &conversation->echoed);
        if (weir__status_is_failure(status))
            weir_scope_cancel(&scope);
        int joined = weir_scope_join(&scope);
        status = joined != WEIR_OK ? joined : status;
    }
    weir_stream_close(stream);
    return status;
}

static int converse(void *arg)
{
    struct conversation *conversation = arg;
    weir_scope scope;
    conversation->address = tcp("127.0.0.1", 0);
    conversation->listener = listen_at(&conversation->address);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    conversation->scope = &scope;
    int status = weir_go(&scope, "server", serve, conversation);
    if (status == WEIR_OK)
        status = weir_go(&scope, "client", ask, conversation);
    int joined = weir_scope_join(&scope);
    conversation->scope = NULL;
    weir_listener_close(conversation->listener);
    return joined != WEIR_OK ? joined : status;
}

static void cancel_then(weir_loop *loop, void *context)
{
    struct conversation *conversation = context;
    (void)loop;
    if (++conversation->suspensions == conversation->cancel_at && conversation->scope != NULL)
        weir_scope_cancel(conversation->scope);
}

static void cancelling_at_any_suspension_leaves_nothing(void **state)
{
    struct place *place = *state;
    struct conversation conversation;
    size_t cancel_at = 0;
    do {
        struct place once;
        memset(&conversation, 0, sizeof conversation);
        conversation.cancel_at = ++cancel_at;
        assert_int_equal(place_try_open(&once, place->is_sim, 0), WEIR_OK);
        once.loop->on_suspend = cancel_then;
        once.loop->on_suspend_context = &conversation;
        int status = weir_loop_run(once.loop, "test", converse, &conversation);
        assert_true(status == WEIR_OK || status == WEIR_CANCELLED);
        place_close(&once);
    } while (conversation.suspensions >= cancel_at && cancel_at < 400);
    assert_true(cancel_at > 5);
    assert_int_equal(conversation.echoed, ECHO_SIZE);
}

/* --- in a bad world --- */

#define STORM_SIZE ((size_t)20000)

struct storm {
    weir_sim_options weather;
    struct conversation conversation;
    weir_stream *stream;
};

static uint8_t storm_byte(const struct storm *storm, size_t at)
{
    return (uint8_t)(storm->weather.seed * 7 + at * 13 + at / 300);
}

static int send_storm(void *arg)
{
    const struct storm *storm = arg;
    uint8_t data[STORM_SIZE];
    for (size_t i = 0; i < STORM_SIZE; i++)
        data[i] = storm_byte(storm, i);
    int status = weir_stream_write(storm->stream, data, STORM_SIZE);
    return status == WEIR_OK ? weir_stream_shutdown(storm->stream) : status;
}

/* Whatever happens, what comes back is what was sent. */
static int read_storm(struct storm *storm)
{
    uint8_t data[3000];
    size_t size;
    int status;
    while ((status = weir_stream_read(storm->stream, data, sizeof data, &size)) == WEIR_OK)
        for (size_t i = 0; i < size; i++)
            if (data[i] != storm_byte(storm, storm->conversation.echoed++))
                fail_msg("seed %llu: a wrong byte", (unsigned long long)storm->weather.seed);
    return status;
}

static int ask_in_storm(void *arg)
{
    struct storm *storm = arg;
    weir_scope scope;
    int status = weir_stream_connect(&storm->stream, &storm->conversation.address, 20000);
    if (status != WEIR_OK)
        return status;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "sender", send_storm, storm), WEIR_OK);
    status = read_storm(storm);
    if (weir__status_is_failure(status))
        weir_scope_cancel(&scope);
    int joined = weir_scope_join(&scope);
    weir_stream_close(storm->stream);
    return weir__status_is_failure(status) ? status : joined;
}

static int live_in_storm(void *arg)
{
    struct storm *storm = arg;
    weir_scope scope;
    storm->conversation.address = tcp("192.0.2.1", 0);
    storm->conversation.listener = listen_at(&storm->conversation.address);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "server", serve, &storm->conversation), WEIR_OK);
    assert_int_equal(weir_go(&scope, "client", ask_in_storm, storm), WEIR_OK);
    int joined = weir_scope_join(&scope);
    weir_listener_close(storm->conversation.listener);
    return joined;
}

/* The server may wait for a client that never came through. */
static int live_for_a_while(void *arg)
{
    return weir_with_deadline(600000, live_in_storm, arg);
}

static size_t live_through(uint64_t seed, uint32_t fault_ppm)
{
    struct place once;
    struct storm storm = {.weather = {.seed = seed,
                                      .latency_min_ms = seed % 3 == 0 ? 0 : 1,
                                      .latency_max_ms = (uint32_t)(seed % 50),
                                      .cut_read_ppm = 300000,
                                      .cut_write_ppm = 300000,
                                      .reset_ppm = fault_ppm,
                                      .refuse_ppm = fault_ppm,
                                      .fail_ppm = fault_ppm,
                                      .socket_buffer = 100 + seed % 7 * 1000}};
    if (storm.weather.latency_max_ms < storm.weather.latency_min_ms)
        storm.weather.latency_max_ms = storm.weather.latency_min_ms;
    assert_int_equal(place_open_with(&once, &storm.weather, 0), WEIR_OK);
    (void)weir_loop_run(once.loop, "test", live_for_a_while, &storm);
    place_close(&once);
    return storm.conversation.echoed;
}

static void sim_an_echo_survives_every_cut_and_delay(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++)
        if (live_through(seed, 0) != STORM_SIZE)
            fail_msg("seed %llu: bytes are missing", (unsigned long long)seed);
}

static void sim_an_echo_that_breaks_leaves_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 1000; seed++)
        (void)live_through(seed, 30000);
}

/* --- without memory --- */

static int converse_as_far_as_it_goes(void *arg)
{
    struct conversation *conversation = arg;
    weir_scope scope;
    conversation->address = tcp("127.0.0.1", 0);
    int status = weir_listener_open(&conversation->listener, weir_loop_current(),
                                    &conversation->address, false);
    if (status != WEIR_OK)
        return status;
    assert_int_equal(weir_listener_address_get(&conversation->address, conversation->listener),
                     WEIR_OK);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    status = weir_go(&scope, "server", serve, conversation);
    if (status == WEIR_OK)
        status = weir_go(&scope, "client", ask, conversation);
    if (status != WEIR_OK)
        weir_scope_cancel(&scope);
    int joined = weir_scope_join(&scope);
    weir_listener_close(conversation->listener);
    return status != WEIR_OK ? status : joined;
}

/* A connection that could not be taken is dropped, so its client may see anything, and the
 * server may wait for another one. */
static int converse_for_a_while(void *arg)
{
    return weir_with_deadline(2000, converse_as_far_as_it_goes, arg);
}

static void oom_a_conversation_ends_with_an_error_and_leaves_nothing(void **state)
{
    struct place *place = *state;
    bool failed = true;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct place once;
        struct conversation conversation = {.listener = NULL};
        int status = place_try_open(&once, place->is_sim, fail_at);
        if (status == WEIR_OK) {
            (void)weir_loop_run(once.loop, "test", converse_for_a_while, &conversation);
            failed = once.memory.failed;
            assert_true(failed || conversation.echoed == ECHO_SIZE);
            place_close(&once);
        } else {
            assert_true(failing_allocator_is_clean(&once.memory));
        }
        assert_true(fail_at < 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(cancelling_at_any_suspension_leaves_nothing),
        IN_SIM(sim_an_echo_survives_every_cut_and_delay),
        IN_SIM(sim_an_echo_that_breaks_leaves_nothing),
        ON_BOTH(oom_a_conversation_ends_with_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
