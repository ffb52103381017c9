/* ctest: loops Streams as coroutines use them: over TCP, over pairs in memory, on the kernel and
 * in the simulated world. */
#include "net/net_place.h"

/* How the two ends of a test come about. */
typedef void (*join_ends)(weir_stream **a, weir_stream **b);

static void join_by_pair(weir_stream **a, weir_stream **b)
{
    assert_int_equal(weir_stream_pair(weir_loop_current(), a, b), WEIR_OK);
}

static const join_ends ways[] = {connect_both, join_by_pair};

/* Runs a conversation over each of them. */
struct talk {
    int (*run)(weir_stream *a, weir_stream *b);
};

static int run_talk(void *arg)
{
    const struct talk *talk = arg;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        weir_stream *a, *b;
        ways[i](&a, &b);
        int status = talk->run(a, b);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void talk(void **state, int (*run)(weir_stream *a, weir_stream *b))
{
    struct talk talk = {run};
    place_run(*state, run_talk, &talk);
}

static void close_both(weir_stream *a, weir_stream *b)
{
    weir_stream_close(a);
    weir_stream_close(b);
}

/* --- bytes --- */

static int exchange(weir_stream *a, weir_stream *b)
{
    write_text(a, "hello");
    expect_text(b, "hello");
    write_text(b, "good day");
    expect_text(a, "good day");
    close_both(a, b);
    return WEIR_OK;
}

static void what_is_written_is_read_at_the_other_end(void **state)
{
    talk(state, exchange);
}

static int read_in_pieces(weir_stream *a, weir_stream *b)
{
    write_text(a, "abcdefgh");
    for (const char *letter = "abcdefgh"; *letter != '\0'; letter++) {
        char got;
        size_t size;
        assert_int_equal(weir_stream_read(b, &got, 1, &size), WEIR_OK);
        assert_int_equal(size, 1);
        assert_int_equal(got, *letter);
    }
    close_both(a, b);
    return WEIR_OK;
}

static void what_was_read_and_not_taken_waits_for_the_next_read(void **state)
{
    talk(state, read_in_pieces);
}

static int half_close(weir_stream *a, weir_stream *b)
{
    write_text(a, "question");
    assert_int_equal(weir_stream_shutdown(a), WEIR_OK);
    expect_text(b, "question");
    assert_int_equal(read_once(b), WEIR_CLOSED);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    write_text(b, "answer");
    assert_int_equal(weir_stream_shutdown(b), WEIR_OK);
    expect_text(a, "answer");
    assert_int_equal(read_once(a), WEIR_CLOSED);
    assert_int_equal(weir_stream_write(b, "more", 4), WEIR_SYSTEM(EPIPE));
    close_both(a, b);
    return WEIR_OK;
}

static void each_direction_ends_by_itself(void **state)
{
    talk(state, half_close);
}

static int close_after_writing(weir_stream *a, weir_stream *b)
{
    write_text(a, "last words");
    weir_stream_close(a);
    expect_text(b, "last words");
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_loses_nothing_that_was_written(void **state)
{
    talk(state, close_after_writing);
}

static int end_too_early(weir_stream *a, weir_stream *b)
{
    char got[8];
    write_text(a, "abc");
    weir_stream_close(a);
    assert_int_equal(weir_stream_read_exactly(b, got, 8), WEIR_ELOST);
    assert_int_equal(weir_stream_read_exactly(b, got, 8), WEIR_CLOSED);
    assert_int_equal(weir_stream_read_exactly(b, got, 0), WEIR_OK);
    weir_stream_close(b);
    return WEIR_OK;
}

static void an_end_inside_of_what_was_expected_is_a_loss(void **state)
{
    talk(state, end_too_early);
}

static int reset(weir_stream *a, weir_stream *b)
{
    write_text(a, "hello");
    expect_text(b, "hello");
    weir_stream_reset(a);
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    int status = weir_stream_write(b, "x", 1);
    assert_true(status == WEIR_SYSTEM(EPIPE) || status == WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void a_reset_is_told_apart_from_an_end(void **state)
{
    talk(state, reset);
}

static int close_unread(weir_stream *a, weir_stream *b)
{
    write_text(b, "nobody reads this");
    assert_int_equal(weir_sleep(20), WEIR_OK);
    weir_stream_close(a);
    assert_int_equal(read_once(b), WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_with_unread_bytes_is_a_reset(void **state)
{
    talk(state, close_unread);
}

static int write_to_nobody(weir_stream *a, weir_stream *b)
{
    int status = WEIR_OK;
    weir_stream_close(a);
    for (int tries = 0; status == WEIR_OK && tries < 100; tries++) {
        status = weir_stream_write(b, "x", 1);
        assert_int_equal(weir_sleep(1), WEIR_OK);
    }
    assert_true(status == WEIR_SYSTEM(EPIPE) || status == WEIR_SYSTEM(ECONNRESET));
    weir_stream_close(b);
    return WEIR_OK;
}

static void writing_to_a_closed_peer_fails(void **state)
{
    talk(state, write_to_nobody);
}

/* --- back-pressure --- */

#define BULK ((size_t)24 * 1024 * 1024)

struct bulk {
    weir_stream *from;
    weir_stream *to;
    bool written;
};

static uint8_t bulk_byte(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static int write_bulk(void *arg)
{
    struct bulk *bulk = arg;
    uint8_t *data = malloc(BULK);
    assert_non_null(data);
    for (size_t i = 0; i < BULK; i++)
        data[i] = bulk_byte(i);
    assert_int_equal(weir_stream_write(bulk->from, data, BULK), WEIR_OK);
    bulk->written = true;
    free(data);
    return WEIR_OK;
}

static void read_bulk(const struct bulk *bulk)
{
    uint8_t *got = malloc(100000);
    size_t sum = 0;
    assert_non_null(got);
    while (sum < BULK) {
        size_t size;
        assert_int_equal(weir_stream_read(bulk->to, got, 100000, &size), WEIR_OK);
        for (size_t i = 0; i < size; i++)
            if (got[i] != bulk_byte(sum + i))
                fail_msg("byte %zu is wrong", sum + i);
        sum += size;
    }
    assert_int_equal(sum, BULK);
    free(got);
}

static int press_back(weir_stream *a, weir_stream *b)
{
    struct bulk bulk = {.from = a, .to = b};
    assert_int_equal(weir_go(weir_scope_current(), "writer", write_bulk, &bulk), WEIR_OK);
    assert_int_equal(weir_sleep(100), WEIR_OK);
    assert_false(bulk.written);
    read_bulk(&bulk);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_true(bulk.written);
    close_both(a, b);
    return WEIR_OK;
}

static void a_reader_that_pauses_stops_the_writer_and_costs_no_memory(void **state)
{
    struct place *place = *state;
    talk(state, press_back);
    assert_true(place->memory.peak_bytes < (size_t)8 * 1024 * 1024);
}

/* --- several at one stream --- */

static int read_in_vain(void *arg)
{
    return read_once(arg);
}

static int second_reader(weir_stream *a, weir_stream *b)
{
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "reader", read_in_vain, a), WEIR_OK);
    assert_int_equal(weir_yield(), WEIR_OK);
    assert_int_equal(read_once(a), WEIR_ESTATE);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELED);
    close_both(a, b);
    return WEIR_OK;
}

static void a_second_reader_is_refused(void **state)
{
    talk(state, second_reader);
}

static uint8_t large[(size_t)16 * 1024 * 1024];

static int write_large(void *arg)
{
    return weir_stream_write(arg, large, sizeof large);
}

static int second_writer(weir_stream *a, weir_stream *b)
{
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "writer", write_large, a), WEIR_OK);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    assert_int_equal(weir_stream_write(a, "x", 1), WEIR_ESTATE);
    assert_int_equal(weir_stream_shutdown(a), WEIR_ESTATE);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELED);
    close_both(a, b);
    return WEIR_OK;
}

static void a_second_writer_is_refused(void **state)
{
    talk(state, second_writer);
}

struct user {
    int (*use)(void *stream);
    weir_stream *stream;
    int status;
};

static int use_stream(void *arg)
{
    struct user *user = arg;
    user->status = user->use(user->stream);
    return WEIR_OK;
}

static int close_under_users(weir_stream *a, weir_stream *b)
{
    struct user reader = {.use = read_in_vain, .stream = a};
    struct user writer = {.use = write_large, .stream = a};
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "reader", use_stream, &reader), WEIR_OK);
    assert_int_equal(weir_go(&scope, "writer", use_stream, &writer), WEIR_OK);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    weir_stream_close(a);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(reader.status, WEIR_CANCELED);
    assert_int_equal(writer.status, WEIR_CANCELED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_wakes_who_is_suspended_in_it(void **state)
{
    talk(state, close_under_users);
}

/* The writer was cancelled, and has not run since, when the stream is closed. */
static int close_under_cancelled(weir_stream *a, weir_stream *b)
{
    struct user writer = {.use = write_large, .stream = a};
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "writer", use_stream, &writer), WEIR_OK);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    weir_scope_cancel(&scope);
    weir_stream_close(a);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELED);
    assert_int_equal(writer.status, WEIR_CANCELED);
    weir_stream_close(b);
    return WEIR_OK;
}

static void closing_under_a_cancelled_writer_is_safe(void **state)
{
    talk(state, close_under_cancelled);
}

/* --- cancelling --- */

static int read_one_byte(void *arg)
{
    char got;
    size_t size;
    return weir_stream_read(arg, &got, 1, &size);
}

static int cancel_reading(weir_stream *a, weir_stream *b)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_with_deadline(5, read_one_byte, b), WEIR_ETIMEDOUT);
        write_text(a, "still there");
        expect_text(b, "still there");
    }
    close_both(a, b);
    return WEIR_OK;
}

static void a_cancelled_read_loses_nothing(void **state)
{
    talk(state, cancel_reading);
}

static int cancel_writing(weir_stream *a, weir_stream *b)
{
    struct user reader = {.use = read_in_vain, .stream = a};
    weir_scope scope;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "reader", use_stream, &reader), WEIR_OK);
    assert_int_equal(weir_with_deadline(20, write_large, a), WEIR_ETIMEDOUT);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    assert_int_equal(reader.status, WEIR_CANCELED);
    assert_false(weir__stream_is_takeable(a));
    assert_int_equal(weir_stream_write(a, "x", 1), WEIR_CANCELED);
    assert_int_equal(read_once(a), WEIR_CANCELED);
    assert_int_equal(weir_stream_shutdown(a), WEIR_CANCELED);
    int status = WEIR_OK;
    while (status == WEIR_OK)
        status = read_once(b);
    assert_int_equal(status, WEIR_SYSTEM(ECONNRESET));
    close_both(a, b);
    return WEIR_OK;
}

static void a_cancelled_write_breaks_the_stream_for_both_ends(void **state)
{
    talk(state, cancel_writing);
}

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
    int status = weir_listener_accept(conversation->listener, &stream);
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

#define ECHO_SIZE ((size_t)1024 * 1024)

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
        assert_true(status == WEIR_OK || status == WEIR_CANCELED);
        place_close(&once);
    } while (conversation.suspensions >= cancel_at && cancel_at < 400);
    assert_true(cancel_at > 5);
    assert_int_equal(conversation.echoed, ECHO_SIZE);
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
    assert_int_equal(weir_listener_address(conversation->listener, &conversation->address),
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

static int use_pair(void *arg)
{
    weir_stream *a, *b;
    int *status = arg;
    *status = weir_stream_pair(weir_loop_current(), &a, &b);
    if (*status != WEIR_OK) {
        assert_null(a);
        assert_null(b);
        return WEIR_OK;
    }
    char got[10];
    *status = weir_stream_write(a, "0123456789", 10);
    if (*status == WEIR_OK)
        *status = weir_stream_read_exactly(b, got, 10);
    close_both(a, b);
    return WEIR_OK;
}

static void oom_a_pair_says_so_and_leaves_nothing(void **state)
{
    struct place *place = *state;
    bool failed = true;
    size_t failures = 0;
    for (size_t fail_at = 1; failed; fail_at++) {
        struct place once;
        int status = place_try_open(&once, place->is_sim, fail_at);
        if (status != WEIR_OK)
            continue;
        int result = WEIR_OK;
        int ran = weir_loop_run(once.loop, "test", use_pair, &result);
        failed = once.memory.failed;
        if (ran == WEIR_OK && failed) {
            assert_int_equal(result, WEIR_ENOMEM);
            failures++;
        }
        place_close(&once);
    }
    assert_true(failures >= 5);
}

/* --- actors --- */

struct actor {
    weir_stream *stream;
    char got[64];
    size_t size;
    int end_status;
    bool is_closed;
};

static struct actor *actor_of(weir__io *io)
{
    return WEIR__CONTAINER(io, weir_stream, io)->owner;
}

static void act_on_data(weir__io *io, weir__buf *buf, uint8_t *data, size_t size)
{
    struct actor *actor = actor_of(io);
    (void)buf;
    assert_true(actor->size + size <= sizeof actor->got);
    memcpy(actor->got + actor->size, data, size);
    actor->size += size;
}

static void act_on_end(weir__io *io, int status)
{
    actor_of(io)->end_status = status;
    weir__io_close(io, false);
}

static void act_on_closed(weir__io *io)
{
    struct actor *actor = actor_of(io);
    actor->is_closed = true;
    weir__stream_free(actor->stream);
}

static const struct weir__io_events actor_events = {
    .on_data = act_on_data,
    .on_end = act_on_end,
    .on_closed = act_on_closed,
};

static int take_over(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    write_text(a, "head and body");
    expect_text(b, "head ");
    assert_true(weir__stream_is_takeable(b));
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_null(b->side);
    assert_non_null(rest.buf);
    assert_int_equal(rest.size, 8);
    assert_memory_equal(rest.data, "and body", 8);
    assert_int_equal(rest.end_status, WEIR_OK);
    weir__buf_unref(rest.buf);
    assert_int_equal(read_once(b), WEIR_ESTATE);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_OK);
    write_text(a, ", and tail");
    weir_stream_close(a);
    while (!actor.is_closed)
        assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.end_status, WEIR_CLOSED);
    assert_int_equal(actor.size, 10);
    assert_memory_equal(actor.got, ", and tail", 10);
    return WEIR_OK;
}

static void an_actor_gets_what_was_read_and_all_that_comes(void **state)
{
    talk(state, take_over);
}

/* The bytes and the end arrive together, while a coroutine reads: the end is not lost between it
 * and the actor. */
static int take_over_at_the_end(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    write_text(a, "head");
    weir_stream_close(a);
    assert_int_equal(weir_sleep(10), WEIR_OK);
    expect_text(b, "head");
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_null(rest.buf);
    assert_int_equal(rest.end_status, WEIR_OK);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_OK);
    while (!actor.is_closed)
        assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(actor.end_status, WEIR_CLOSED);
    return WEIR_OK;
}

static void an_actor_sees_the_end_that_came_before_it(void **state)
{
    talk(state, take_over_at_the_end);
}

static int take_over_after_the_end(weir_stream *a, weir_stream *b)
{
    struct actor actor = {.stream = b};
    struct weir__stream_rest rest;
    weir_stream_close(a);
    assert_int_equal(read_once(b), WEIR_CLOSED);
    weir__stream_take(b, &actor_events, &actor, &rest);
    assert_int_equal(rest.end_status, WEIR_CLOSED);
    assert_int_equal(weir__io_recv_start(&b->io), WEIR_CLOSED);
    weir_stream_close(b); /* an actor may also give it back for closing */
    assert_int_equal(weir_sleep(10), WEIR_OK);
    assert_false(actor.is_closed);
    return WEIR_OK;
}

static void an_actor_is_told_of_an_end_that_was_read_before(void **state)
{
    talk(state, take_over_after_the_end);
}

/* --- small things --- */

static int ask_who(void *arg)
{
    struct place *place = arg;
    weir_stream *a, *b;
    weir_address local, peer;
    char text[WEIR_ADDRESS_ROOM];
    connect_both(&a, &b);
    assert_ptr_equal(weir_stream_loop(a), place->loop);
    assert_int_equal(weir_stream_local_address(a, &local), WEIR_OK);
    assert_int_equal(weir_stream_peer_address(b, &peer), WEIR_OK);
    assert_int_equal(weir_address_port(&local), weir_address_port(&peer));
    assert_int_not_equal(weir_address_port(&local), 0);
    assert_true(weir_address_describe(&local, text, sizeof text) > 0);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_int_equal(weir_stream_keep_alive(a, 30, 5), WEIR_OK);
    assert_int_equal(weir_stream_keep_alive(a, 0, 5), WEIR_EINVAL);
    close_both(a, b);
    join_by_pair(&a, &b);
    assert_int_equal(weir_stream_peer_address(a, &peer), WEIR_OK);
    assert_int_equal(weir_address_describe(&peer, text, sizeof text), 5);
    assert_string_equal(text, "unix:");
    assert_int_equal(weir_stream_keep_alive(a, 30, 5), WEIR_OK);
    close_both(a, b);
    return WEIR_OK;
}

static void a_stream_knows_its_ends(void **state)
{
    place_run(*state, ask_who, *state);
}

static int misuse(weir_stream *a, weir_stream *b)
{
    char got[4];
    size_t size = 7;
    weir_address address;
    assert_int_equal(weir_stream_read(NULL, got, 4, &size), WEIR_EINVAL);
    assert_int_equal(size, 0);
    assert_int_equal(weir_stream_read(a, NULL, 4, &size), WEIR_EINVAL);
    assert_int_equal(weir_stream_read(a, got, 0, &size), WEIR_EINVAL);
    assert_int_equal(weir_stream_read(a, got, 4, NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_read_exactly(a, NULL, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(NULL, got, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(a, NULL, 4), WEIR_EINVAL);
    assert_int_equal(weir_stream_write(a, NULL, 0), WEIR_OK);
    assert_int_equal(weir_stream_shutdown(NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_keep_alive(NULL, 1, 1), WEIR_EINVAL);
    assert_int_equal(weir_stream_local_address(NULL, &address), WEIR_EINVAL);
    assert_int_equal(weir_stream_peer_address(a, NULL), WEIR_EINVAL);
    assert_int_equal(weir_stream_pair(NULL, &a, &b), WEIR_EINVAL);
    weir_stream_close(NULL);
    weir_stream_reset(NULL);
    return WEIR_OK;
}

static int misuse_and_close(weir_stream *a, weir_stream *b)
{
    int status = misuse(a, b);
    close_both(a, b);
    return status;
}

static void bad_arguments_are_refused(void **state)
{
    talk(state, misuse_and_close);
}

static void outside_of_a_coroutine_nothing_waits(void **state)
{
    struct place *place = *state;
    weir_stream *a, *b;
    char got[4];
    size_t size;
    assert_int_equal(weir_stream_pair(place->loop, &a, &b), WEIR_OK);
    assert_int_equal(weir_stream_read(a, got, 4, &size), WEIR_ESTATE);
    assert_int_equal(weir_stream_write(a, got, 4), WEIR_ESTATE);
    close_both(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_is_written_is_read_at_the_other_end),
        ON_BOTH(what_was_read_and_not_taken_waits_for_the_next_read),
        ON_BOTH(each_direction_ends_by_itself),
        ON_BOTH(closing_loses_nothing_that_was_written),
        ON_BOTH(an_end_inside_of_what_was_expected_is_a_loss),
        ON_BOTH(a_reset_is_told_apart_from_an_end),
        ON_BOTH(closing_with_unread_bytes_is_a_reset),
        ON_BOTH(writing_to_a_closed_peer_fails),
        ON_BOTH(a_reader_that_pauses_stops_the_writer_and_costs_no_memory),
        ON_BOTH(a_second_reader_is_refused),
        ON_BOTH(a_second_writer_is_refused),
        ON_BOTH(closing_wakes_who_is_suspended_in_it),
        ON_BOTH(closing_under_a_cancelled_writer_is_safe),
        ON_BOTH(a_cancelled_read_loses_nothing),
        ON_BOTH(a_cancelled_write_breaks_the_stream_for_both_ends),
        ON_BOTH(cancelling_at_any_suspension_leaves_nothing),
        ON_BOTH(oom_a_conversation_ends_with_an_error_and_leaves_nothing),
        ON_BOTH(oom_a_pair_says_so_and_leaves_nothing),
        ON_BOTH(an_actor_gets_what_was_read_and_all_that_comes),
        ON_BOTH(an_actor_sees_the_end_that_came_before_it),
        ON_BOTH(an_actor_is_told_of_an_end_that_was_read_before),
        ON_BOTH(a_stream_knows_its_ends),
        ON_BOTH(bad_arguments_are_refused),
        ON_BOTH(outside_of_a_coroutine_nothing_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
