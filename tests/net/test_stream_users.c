/* ctest: loops
 * Several coroutines at one stream, and what becomes of it when one of them is cancelled. */
#include "net/net_place.h"

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
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
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
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
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
    assert_int_equal(reader.status, WEIR_CANCELLED);
    assert_int_equal(writer.status, WEIR_CANCELLED);
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
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    assert_int_equal(writer.status, WEIR_CANCELLED);
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
    assert_int_equal(reader.status, WEIR_CANCELLED);
    assert_false(weir__stream_is_takeable(a));
    assert_int_equal(weir_stream_write(a, "x", 1), WEIR_CANCELLED);
    assert_int_equal(read_once(a), WEIR_CANCELLED);
    assert_int_equal(weir_stream_shutdown(a), WEIR_CANCELLED);
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

/* --- several streams --- */

struct stuck {
    weir_stream *stream;
    int writes;
};

static int write_until_stuck(void *arg)
{
    struct stuck *stuck = arg;
    int status = WEIR_OK;
    while (status == WEIR_OK) {
        status = weir_stream_write(stuck->stream, large, (size_t)16 * 1024);
        stuck->writes++;
        if (status == WEIR_OK)
            status = weir_sleep(1);
    }
    return status;
}

struct busy {
    weir_stream *stream;
    const struct stuck *other;
};

/* Always on its way, so that some byte goes out together with what makes the other stream stuck.
 * Nobody reads them: nothing else happens that would wake the loop. */
static int write_bytes(void *arg)
{
    const struct busy *busy = arg;
    int status = WEIR_OK;
    for (int left = 20000; left > 0 && status == WEIR_OK; left -= busy->other->writes >= 2) {
        status = weir_stream_write(busy->stream, "x", 1);
        if (status == WEIR_OK)
            status = weir_yield();
    }
    return status;
}

/* So that it takes little to get stuck, and nothing comes loose again. */
static void make_narrow(const weir_stream *from, const weir_stream *to)
{
    const int size = 4096;
    assert_int_equal(setsockopt(from->io.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    assert_int_equal(setsockopt(to->io.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
}

static int get_one_stuck(void *arg)
{
    weir_stream *a, *b, *near, *far;
    weir_scope scope;
    (void)arg;
    connect_both(&a, &b);
    connect_both(&near, &far);
    struct stuck stuck = {.stream = near};
    struct busy busy = {.stream = a, .other = &stuck};
    make_narrow(near, far);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, "stuck", write_until_stuck, &stuck), WEIR_OK);
    assert_int_equal(weir_with_deadline(5000, write_bytes, &busy), WEIR_OK);
    weir_scope_cancel(&scope);
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    close_both(near, far);
    close_both(a, b);
    return WEIR_OK;
}

static void a_stream_that_is_stuck_holds_up_no_other(void **state)
{
    place_run(*state, get_one_stuck, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_second_reader_is_refused),
        ON_BOTH(a_second_writer_is_refused),
        ON_BOTH(closing_wakes_who_is_suspended_in_it),
        ON_BOTH(closing_under_a_cancelled_writer_is_safe),
        ON_BOTH(a_cancelled_read_loses_nothing),
        ON_BOTH(a_cancelled_write_breaks_the_stream_for_both_ends),
        ON_KERNEL(a_stream_that_is_stuck_holds_up_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
