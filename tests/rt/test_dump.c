/* weir_loop_dump(): who lives in a loop, where, and what each waits for. */
#include "rt/rt_rig.h"

#include <stdio.h>

struct text {
    char bytes[8192];
    size_t size;
    size_t lines;
};

static struct text text;

static void append(const char *line, size_t size, void *arg)
{
    struct text *into = arg;
    assert_true(size > 0 && line[size - 1] == '\n');
    assert_null(memchr(line, '\n', size - 1));
    assert_true(into->size + size < sizeof into->bytes);
    memcpy(into->bytes + into->size, line, size);
    into->size += size;
    into->bytes[into->size] = '\0';
    into->lines++;
}

static void dump(weir_loop *loop)
{
    text = (struct text){.size = 0};
    weir_loop_dump(loop, append, &text);
}

static void assert_told(const char *name, const weir_scope *scope, const char *state)
{
    char expected[1024];
    (void)snprintf(expected, sizeof expected, "  coroutine \"%s\" in scope %p%s\n", name,
                   (const void *)scope, state);
    if (strstr(text.bytes, expected) == NULL)
        fail_msg("no line\n%s in\n%s", expected, text.bytes);
}

static weir_channel *channel, *full;
static weir_deferred *deferred;

static int sleep_long(void *arg)
{
    (void)arg;
    return weir_sleep(10000);
}

static int receive_one(void *arg)
{
    int item;
    (void)arg;
    return weir_channel_receive(channel, &item);
}

static int send_one(void *arg)
{
    int item = 1;
    (void)arg;
    return weir_channel_send(full, &item);
}

static int choose(void *arg)
{
    int item;
    weir_select_case one = {.kind = WEIR_SELECT_RECEIVE, .channel = channel, .item = &item};
    (void)arg;
    return weir_select(&one, 1, WEIR_UNLIMITED);
}

static int await(void *arg)
{
    (void)arg;
    return weir_deferred_await(deferred, NULL);
}

static weir_scope *inner_of_join;

static int join(void *arg)
{
    weir_scope inner;
    (void)arg;
    inner_of_join = &inner;
    assert_int_equal(weir_scope_open(&inner), WEIR_OK);
    assert_int_equal(weir_go(&inner, "grandchild", sleep_long, NULL), WEIR_OK);
    return weir_scope_join(&inner);
}

static int wait_in_every_way(void *arg)
{
    static int (*const ways[])(void *arg) = {sleep_long, receive_one, send_one,
                                             choose,     await,       join};
    static const char *const names[] = {"sleeps",  "receives", "sends",
                                        "selects", "awaits",   "joins"};
    weir_scope scope;
    (void)arg;
    channel = rig_channel(sizeof(int), 1);
    full = rig_channel(sizeof(int), 0);
    assert_int_equal(weir_deferred_new(&deferred, weir_loop_current()), WEIR_OK);
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        assert_int_equal(weir_go(&scope, names[i], ways[i], NULL), WEIR_OK);
    assert_int_equal(weir_sleep(1), WEIR_OK);
    assert_int_equal(weir_go(&scope, NULL, sleep_long, NULL), WEIR_OK);
    dump(weir_loop_current());
    assert_non_null(strstr(text.bytes, "weir loop sim: 9 coroutines\n"));
    assert_int_equal(text.lines, 10);
    assert_told("main", &scope, ": running");
    assert_told("sleeps", &scope, ": sleep");
    assert_told("receives", &scope, ": channel receive");
    assert_told("sends", &scope, ": channel send");
    assert_told("selects", &scope, ": select");
    assert_told("awaits", &scope, ": deferred");
    assert_told("joins", inner_of_join, ": join");
    assert_told("grandchild", inner_of_join, ": sleep");
    assert_told("coroutine", &scope, ": ready");
    weir_scope_cancel(&scope);
    dump(weir_loop_current());
    assert_told("main", &scope, " (cancelled): running");
    assert_told("sleeps", &scope, " (cancelled): ready");
    assert_told("joins", inner_of_join, " (cancelled): join");
    assert_int_equal(weir_scope_join(&scope), WEIR_CANCELLED);
    weir_deferred_free(deferred);
    weir_channel_free(channel);
    weir_channel_free(full);
    return WEIR_OK;
}

static void every_coroutine_is_told_with_scope_and_what_it_waits_for(void **state)
{
    (void)state;
    assert_int_equal(rig_play(wait_in_every_way, NULL), WEIR_OK);
}

static int dump_with_long_name(void *arg)
{
    char name[2000];
    weir_scope scope;
    (void)arg;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    assert_int_equal(weir_go(&scope, name, sleep_long, NULL), WEIR_OK);
    dump(weir_loop_current());
    assert_int_equal(text.lines, 3);
    assert_non_null(strstr(text.bytes, "nnnnn\n"));
    return weir_scope_join(&scope);
}

static void a_line_too_long_is_cut_and_still_a_line(void **state)
{
    (void)state;
    assert_int_equal(rig_play(dump_with_long_name, NULL), WEIR_OK);
}

static size_t describe_short(struct weir__dumpable *self, char *out, size_t size)
{
    (void)self;
    return (size_t)snprintf(out, size, "  a thing");
}

static size_t describe_long(struct weir__dumpable *self, char *out, size_t size)
{
    (void)self;
    memset(out, 'l', size);
    return size * 3; /* as snprintf() tells what it would have needed */
}

static void other_things_are_told_after_the_coroutines(void **state)
{
    (void)state;
    struct rig rig;
    struct weir__dumpable things[] = {{.describe = describe_short}, {.describe = describe_long}};
    rig_open(&rig);
    for (size_t i = 0; i < 2; i++)
        weir__list_push(&rig.loop->dumpables, &things[i].link);
    dump(rig.loop);
    static const char start[] = "weir loop sim: 0 coroutines\n  a thing\nllll";
    assert_memory_equal(text.bytes, start, sizeof start - 1);
    assert_int_equal(text.lines, 3);
    for (size_t i = 0; i < 2; i++)
        weir__list_remove(&things[i].link);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coroutine_is_told_with_scope_and_what_it_waits_for),
        cmocka_unit_test(a_line_too_long_is_cut_and_still_a_line),
        cmocka_unit_test(other_things_are_told_after_the_coroutines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
