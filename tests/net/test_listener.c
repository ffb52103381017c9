/* ctest: loops
 * Listeners: for coroutines that accept and for actors that are called; on the
 * kernel and in the simulated world. */
#include "net/net_place.h"
#include "rt/sys.h"

#include <sys/stat.h>
#include <sys/un.h>

/* --- kinds of addresses --- */

static void converse_at(weir_address address)
{
    weir_stream *client, *server;
    weir_listener *listener = listen_at(&address);
    assert_int_equal(weir_stream_connect(&client, &address, 5000), WEIR_OK);
    assert_int_equal(weir_listener_accept(&server, listener), WEIR_OK);
    write_text(client, "hello");
    expect_text(server, "hello");
    write_text(server, "good day");
    expect_text(client, "good day");
    weir_stream_close(client);
    assert_int_equal(read_once(server), WEIR_CLOSED);
    weir_stream_close(server);
    weir_listener_close(listener);
}

static int use_ipv4(void *arg)
{
    (void)arg;
    converse_at(tcp("127.0.0.1", 0));
    return WEIR_OK;
}

static void ipv4_is_spoken(void **state)
{
    place_run(*state, use_ipv4, NULL);
}

static bool has_ipv6(void)
{
    weir_address address = tcp("::1", 0);
    weir_listener *listener;
    int status = weir_listener_open(&listener, weir_loop_current(), &address, false);
    if (status == WEIR_OK)
        weir_listener_close(listener);
    return status == WEIR_OK;
}

static int use_ipv6(void *arg)
{
    (void)arg;
    if (has_ipv6())
        converse_at(tcp("::1", 0));
    else
        print_message("skipped: this machine has no IPv6\n");
    return WEIR_OK;
}

static void ipv6_is_spoken(void **state)
{
    place_run(*state, use_ipv6, NULL);
}

static weir_address unix_at(const char *name)
{
    char path[64];
    weir_address address;
    snprintf(path, sizeof path, name, (long)getpid());
    assert_int_equal(weir_address_unix(&address, path), WEIR_OK);
    return address;
}

static const char *path_of(const weir_address *address)
{
    return ((const struct sockaddr_un *)(const void *)&address->storage)->sun_path;
}

static int use_unix(void *arg)
{
    (void)arg;
    weir_address address = unix_at("/tmp/weir-listener-%ld");
    converse_at(address);
    (void)unlink(path_of(&address));
    converse_at(unix_at("@weir-listener-%ld"));
    return WEIR_OK;
}

static void unix_sockets_are_spoken(void **state)
{
    place_run(*state, use_unix, NULL);
}

static int replace_stale(void *arg)
{
    weir_address address = unix_at("/tmp/weir-stale-%ld");
    weir_listener *listener, *second;
    (void)arg;
    listener = listen_at(&address);
    assert_int_equal(weir_listener_open(&second, weir_loop_current(), &address, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_null(second);
    weir_listener_close(listener);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    converse_at(address);
    (void)unlink(path_of(&address));
    return WEIR_OK;
}

static void a_path_that_nobody_listens_on_is_replaced(void **state)
{
    place_run(*state, replace_stale, NULL);
}

static int keep_file(void *arg)
{
    weir_address address = unix_at("/tmp/weir-file-%ld");
    weir_listener *listener;
    struct stat info;
    (void)arg;
    FILE *file = fopen(path_of(&address), "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(weir_listener_open(&listener, weir_loop_current(), &address, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(stat(path_of(&address), &info), 0);
    assert_int_equal(unlink(path_of(&address)), 0);
    return WEIR_OK;
}

static void a_file_that_is_no_socket_is_not_replaced(void **state)
{
    place_run(*state, keep_file, NULL);
}

static int share(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *first, *second, *third;
    (void)arg;
    assert_int_equal(weir_listener_open(&first, weir_loop_current(), &address, true), WEIR_OK);
    assert_int_equal(weir_listener_address_get(&address, first), WEIR_OK);
    assert_int_equal(weir_listener_open(&second, weir_loop_current(), &address, true), WEIR_OK);
    assert_int_equal(weir_listener_open(&third, weir_loop_current(), &address, false),
                     WEIR_SYSTEM(EADDRINUSE));
    weir_listener_close(first);
    weir_listener_close(second);
    return WEIR_OK;
}

static void a_port_is_shared_only_when_all_want_it(void **state)
{
    place_run(*state, share, NULL);
}

/* --- accepting --- */

struct accepting {
    weir_listener *listener;
    weir_stream *stream;
    int status;
};

static int accept_one(void *arg)
{
    struct accepting *accepting = arg;
    accepting->status = weir_listener_accept(&accepting->stream, accepting->listener);
    return WEIR_OK;
}

static int accept_by_several(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&address);
    struct accepting accepting[3];
    weir_stream *clients[3];
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        accepting[i] = (struct accepting){.listener = listener};
        assert_int_equal(weir_go(&scope, "acceptor", accept_one, &accepting[i]), WEIR_OK);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_stream_connect(&clients[i], &address, 5000), WEIR_OK);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(accepting[i].status, WEIR_OK);
        weir_stream_close(accepting[i].stream);
        weir_stream_close(clients[i]);
    }
    weir_listener_close(listener);
    return WEIR_OK;
}

static void each_connection_goes_to_one_of_those_who_wait(void **state)
{
    place_run(*state, accept_by_several, NULL);
}

static int close_under_acceptors(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    struct accepting accepting[2];
    weir_listener *listener = listen_at(&address);
    weir_scope scope;
    (void)arg;
    assert_int_equal(weir_scope_open(&scope), WEIR_OK);
    for (int i = 0; i < 2; i++) {
        accepting[i] = (struct accepting){.listener = listener};
        assert_int_equal(weir_go(&scope, "acceptor", accept_one, &accepting[i]), WEIR_OK);
    }
    assert_int_equal(weir_sleep(5), WEIR_OK);
    weir_listener_close(listener);
    assert_int_equal(weir_scope_join(&scope), WEIR_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(accepting[i].status, WEIR_CLOSED);
        assert_null(accepting[i].stream);
    }
    return WEIR_OK;
}

static void closing_wakes_those_who_wait(void **state)
{
    place_run(*state, close_under_acceptors, NULL);
}

static int accept_too_late(void *arg)
{
    weir_stream *stream;
    return weir_listener_accept(&stream, arg);
}

static int cancel_accepting(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&address);
    weir_stream *client, *server;
    (void)arg;
    assert_int_equal(weir_with_deadline(10, accept_too_late, listener), WEIR_ETIMEDOUT);
    assert_int_equal(weir_stream_connect(&client, &address, 5000), WEIR_OK);
    assert_int_equal(weir_sleep(10), WEIR_OK);
    assert_int_equal(weir_listener_accept(&server, listener), WEIR_OK);
    weir_stream_close(client);
    weir_stream_close(server);
    weir_listener_close(listener);
    return WEIR_OK;
}

static void a_cancelled_accept_loses_no_connection(void **state)
{
    place_run(*state, cancel_accepting, NULL);
}

#define MANY 150

static int connect_many(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&address);
    weir_stream *clients[MANY], *servers[MANY];
    struct place *place = arg;
    assert_int_equal(weir_with_deadline(5, accept_too_late, listener), WEIR_ETIMEDOUT);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_stream_connect(&clients[i], &address, 5000), WEIR_OK);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    if (!place->is_sim) /* client, listener and at most 64 (and what a batch brought) in advance */
        assert_true(count_descriptors() < place->descriptors + 2 * MANY - 10);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(weir_listener_accept(&servers[i], listener), WEIR_OK);
    for (int i = 0; i < MANY; i++) {
        weir_stream_close(clients[i]);
        weir_stream_close(servers[i]);
    }
    weir_listener_close(listener);
    return WEIR_OK;
}

static void few_connections_are_accepted_in_advance_and_none_is_lost(void **state)
{
    place_run(*state, connect_many, *state);
}

static int close_with_queued(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener = listen_at(&address);
    weir_stream *clients[3];
    (void)arg;
    assert_int_equal(weir_with_deadline(5, accept_too_late, listener), WEIR_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_stream_connect(&clients[i], &address, 5000), WEIR_OK);
    assert_int_equal(weir_sleep(10), WEIR_OK);
    weir_listener_close(listener);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(read_once(clients[i]), WEIR_SYSTEM(ECONNRESET));
        weir_stream_close(clients[i]);
    }
    return WEIR_OK;
}

static void connections_that_nobody_accepted_are_reset(void **state)
{
    place_run(*state, close_with_queued, NULL);
}

/* --- for actors --- */

struct actor {
    weir_listener *listener;
    size_t count;
    size_t limit; /* pauses (or closes) when it has so many */
    bool closes;
    weir_stream *streams[8];
};

static void act_on_stream(void *owner, weir_stream *stream)
{
    struct actor *actor = owner;
    assert_true(actor->count < 8);
    actor->streams[actor->count++] = stream;
    if (actor->count < actor->limit)
        return;
    if (actor->closes)
        weir_listener_close(actor->listener);
    else
        weir__listener_pause(actor->listener);
}

static void close_clients(weir_stream **clients, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir_stream_close(clients[i]);
}

static int act(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    struct actor actor = {.listener = listen_at(&address), .limit = 2};
    weir_stream *clients[5], *stream;
    (void)arg;
    weir__listener_pause(actor.listener);
    weir__listener_resume(actor.listener);
    assert_int_equal(weir__listener_start(actor.listener, act_on_stream, &actor), WEIR_OK);
    assert_int_equal(weir__listener_start(actor.listener, act_on_stream, &actor), WEIR_ESTATE);
    assert_int_equal(weir_listener_accept(&stream, actor.listener), WEIR_ESTATE);
    for (int i = 0; i < 5; i++)
        assert_int_equal(weir_stream_connect(&clients[i], &address, 5000), WEIR_OK);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    assert_int_equal(actor.count, 2);
    actor.limit = 4;
    weir__listener_resume(actor.listener);
    weir__listener_resume(actor.listener);
    assert_int_equal(weir_sleep(20), WEIR_OK);
    assert_int_equal(actor.count, 4);
    write_text(clients[3], "hello");
    expect_text(actor.streams[3], "hello");
    weir_listener_close(actor.listener);
    close_clients(clients, 5);
    close_clients(actor.streams, actor.count);
    return WEIR_OK;
}

static void an_actor_is_called_until_it_pauses_and_again_when_it_resumes(void **state)
{
    place_run(*state, act, NULL);
}

static int act_and_close(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    struct actor actor = {.listener = listen_at(&address), .limit = 1, .closes = true};
    weir_stream *clients[3];
    size_t count = 0;
    (void)arg;
    assert_int_equal(weir__listener_start(actor.listener, act_on_stream, &actor), WEIR_OK);
    for (; count < 3; count++)
        if (weir_stream_connect(&clients[count], &address, 5000) != WEIR_OK)
            break;
    assert_int_equal(weir_sleep(20), WEIR_OK);
    assert_int_equal(actor.count, 1);
    close_clients(clients, count);
    weir_stream_close(actor.streams[0]);
    return WEIR_OK;
}

static void an_actor_may_close_from_inside_its_call(void **state)
{
    place_run(*state, act_and_close, NULL);
}

/* --- when the kernel refuses --- */

static size_t refusals;

static int refuse_to_watch(enum weir__sys_call call, size_t *size)
{
    (void)size;
    if (call != WEIR__SYS_EPOLL_CTL || refusals == 0)
        return 0;
    refusals--;
    return ENOMEM;
}

static int resume_without_memory(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    struct actor actor = {.listener = listen_at(&address), .limit = 8};
    weir_stream *client;
    (void)arg;
    assert_int_equal(weir__listener_start(actor.listener, act_on_stream, &actor), WEIR_OK);
    weir__listener_pause(actor.listener);
    assert_int_equal(weir_stream_connect(&client, &address, 5000), WEIR_OK);
    weir__sys_inject = refuse_to_watch;
    refusals = 2;
    weir__listener_resume(actor.listener);
    assert_int_equal(weir_sleep(80), WEIR_OK);
    assert_int_equal(actor.count, 0);
    assert_int_equal(weir_sleep(60), WEIR_OK);
    weir__sys_inject = NULL;
    assert_int_equal(actor.count, 1);
    weir_stream_close(client);
    weir_stream_close(actor.streams[0]);
    weir_listener_close(actor.listener);
    return WEIR_OK;
}

static void accepting_that_cannot_go_on_is_tried_again(void **state)
{
    struct place *place = *state;
    if (strcmp(weir_loop_backend_name(place->loop), "epoll") != 0)
        return; /* only there it can fail */
    place_run(place, resume_without_memory, NULL);
}

/* --- refusals --- */

static int misuse(void *arg)
{
    weir_address address = tcp("127.0.0.1", 0);
    const weir_address none = {.size = 0};
    weir_listener *listener;
    weir_stream *stream;
    weir_loop *loop = weir_loop_current();
    (void)arg;
    assert_int_equal(weir_listener_open(NULL, loop, &address, false), WEIR_EINVAL);
    assert_int_equal(weir_listener_open(&listener, NULL, &address, false), WEIR_EINVAL);
    assert_int_equal(weir_listener_open(&listener, loop, NULL, false), WEIR_EINVAL);
    assert_int_equal(weir_listener_open(&listener, loop, &none, false), WEIR_EINVAL);
    assert_null(listener);
    assert_int_equal(weir_listener_accept(&stream, NULL), WEIR_EINVAL);
    assert_null(stream);
    listener = listen_at(&address);
    assert_int_equal(weir_listener_accept(NULL, listener), WEIR_EINVAL);
    assert_int_equal(weir_listener_address_get(NULL, listener), WEIR_EINVAL);
    assert_int_equal(weir_listener_address_get(&address, NULL), WEIR_EINVAL);
    weir_listener_close(listener);
    weir_listener_close(NULL);
    return WEIR_OK;
}

static void bad_arguments_are_refused(void **state)
{
    place_run(*state, misuse, NULL);
}

static void outside_of_a_coroutine_nobody_accepts(void **state)
{
    struct place *place = *state;
    weir_address address = tcp("127.0.0.1", 0);
    weir_listener *listener;
    weir_stream *stream;
    assert_int_equal(weir_listener_open(&listener, place->loop, &address, false), WEIR_OK);
    assert_int_equal(weir_listener_accept(&stream, listener), WEIR_ESTATE);
    weir_listener_close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(ipv4_is_spoken),
        ON_BOTH(ipv6_is_spoken),
        ON_BOTH(unix_sockets_are_spoken),
        ON_BOTH(a_path_that_nobody_listens_on_is_replaced),
        ON_KERNEL(a_file_that_is_no_socket_is_not_replaced),
        ON_BOTH(a_port_is_shared_only_when_all_want_it),
        ON_BOTH(each_connection_goes_to_one_of_those_who_wait),
        ON_BOTH(closing_wakes_those_who_wait),
        ON_BOTH(a_cancelled_accept_loses_no_connection),
        ON_BOTH(few_connections_are_accepted_in_advance_and_none_is_lost),
        ON_BOTH(connections_that_nobody_accepted_are_reset),
        ON_BOTH(an_actor_is_called_until_it_pauses_and_again_when_it_resumes),
        ON_BOTH(an_actor_may_close_from_inside_its_call),
        ON_KERNEL(accepting_that_cannot_go_on_is_tried_again),
        ON_BOTH(bad_arguments_are_refused),
        ON_BOTH(outside_of_a_coroutine_nobody_accepts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
