/* ctest: loops timeout=120 */
/* Listeners and addresses on the kernel's back-ends: the same facts on each. */
#include "io_ends.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* --- listening --- */

static void stopped_listener_keeps_connections_for_the_next_start(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    int fds[3];
    weir__io_accept_stop(&hall->io);
    for (int i = 0; i < 3; i++)
        fds[i] = plain_connect(hall);
    turn_for(loop, 30);
    assert_int_equal(hall->count, 0);
    assert_int_equal(weir__io_accept_start(&hall->io), WEIR_OK);
    assert_int_equal(weir__io_accept_start(&hall->io), WEIR_OK);
    TURN_UNTIL(loop, hall->count == 3);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    turn_for(loop, 5);
    weir__io_accept_stop(&hall->io);
    close(plain_connect(hall));
    turn_for(loop, 5);
    close_hall(hall);
}

static void dropped_connection_is_closed(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    char byte;
    hall->drops = true;
    int fd = plain_connect(hall);
    turn_for(loop, 20);
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    close_hall(hall);
}

static void accepted_and_connected_sockets_have_no_delay(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct end client;
    struct end *ends[2] = {meet(&client, hall), &client};
    for (int i = 0; i < 2; i++) {
        int value = 0;
        socklen_t size = sizeof value;
        assert_int_equal(getsockopt(ends[i]->io.fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
        assert_int_equal(value, 1);
    }
    reap(&client);
    close_hall(hall);
}

static void addresses_of_both_ends_match(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall *hall = open_hall(loop);
    struct sockaddr_storage here;
    struct sockaddr_storage there;
    socklen_t here_size;
    socklen_t there_size;
    struct end client;
    struct end *server = meet(&client, hall);
    assert_int_equal(weir__io_local_address(&client.io, &here, &here_size), WEIR_OK);
    assert_int_equal(weir__io_peer_address(&server->io, &there, &there_size), WEIR_OK);
    assert_int_equal(here_size, there_size);
    assert_memory_equal(&here, &there, here_size);
    assert_int_equal(weir__io_peer_address(&client.io, &there, &there_size), WEIR_OK);
    assert_memory_equal(&there, &hall->address, there_size);
    reap(&client);
    close_hall(hall);
}

static void keep_alive_is_set_on_tcp_and_harmless_elsewhere(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    for (int i = 0; i < 2; i++) {
        socklen_t size = i == 0 ? tcp4(&address) : unix_path(&address);
        struct hall *hall = open_hall_at(loop, &address, size);
        struct end client;
        struct end *server = meet(&client, hall);
        assert_int_equal(weir__io_keep_alive(&server->io, 30, 5), WEIR_OK);
        assert_int_equal(weir__io_keep_alive(&server->io, 0, 5), WEIR_EINVAL);
        if (i == 0) {
            int value = 0;
            socklen_t value_size = sizeof value;
            assert_int_equal(
                getsockopt(server->io.fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &value_size), 0);
            assert_int_equal(value, 30);
        }
        reap(&client);
        close_hall(hall);
    }
    unlink(((struct sockaddr_un *)&address)->sun_path);
}

static void stale_unix_path_is_replaced(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    for (int i = 0; i < 2; i++) {
        struct hall *hall = open_hall_at(loop, &address, size);
        close_hall(hall);
    }
    unlink(((struct sockaddr_un *)&address)->sun_path);
}

static void live_unix_path_and_ordinary_file_are_left_alone(void **state)
{
    weir_loop *loop = loop_of(state);
    struct sockaddr_storage address;
    socklen_t size = unix_path(&address);
    const char *path = ((struct sockaddr_un *)&address)->sun_path;
    struct hall *hall = open_hall_at(loop, &address, size);
    weir__io second;
    weir__io_init(&second, loop, &hall_events);
    assert_int_equal(weir__io_listen(&second, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    hall->drops = true;
    close(plain_connect(hall));
    close_hall(hall);
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(weir__io_listen(&second, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

static void shared_port_is_listened_to_twice(void **state)
{
    weir_loop *loop = loop_of(state);
    struct hall first = {0};
    struct hall second = {0};
    struct sockaddr_storage address;
    socklen_t size = tcp4(&address);
    weir__io_init(&first.io, loop, &hall_events);
    weir__io_init(&second.io, loop, &hall_events);
    assert_int_equal(weir__io_listen(&first.io, (struct sockaddr *)&address, size, true), WEIR_OK);
    assert_int_equal(weir__io_local_address(&first.io, &address, &size), WEIR_OK);
    assert_int_equal(weir__io_listen(&second.io, (struct sockaddr *)&address, size, false),
                     WEIR_SYSTEM(EADDRINUSE));
    assert_int_equal(weir__io_listen(&second.io, (struct sockaddr *)&address, size, true), WEIR_OK);
    weir__io_close(&first.io, false);
    weir__io_close(&second.io, false);
    TURN_UNTIL(loop, first.closed && second.closed);
}

/* Runs in a child, so that the limit does not stay. Returns 0 when accepting went on. */
static int exhaust_descriptors(void)
{
    struct world *world = open_world();
    struct hall *hall = open_hall(world->loop);
    struct rlimit limit;
    int fds[4];
    hall->receives = hall->echoes = true;
    for (int i = 0; i < 4; i++)
        fds[i] = plain_connect(hall);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)fds[3] + 3; /* two more */
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    turn_for(world->loop, 120);
    if (hall->count != 2)
        return 3;
    if (write(fds[0], "x", 1) != 1)
        return 4;
    turn_for(world->loop, 60);
    if (hall->ends[0].got_size != 1)
        return 5;
    limit.rlim_cur = before;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 6;
    turn_for(world->loop, 200);
    if (hall->count != 4)
        return 7;
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close_hall(hall);
    close_world(world);
    return 0;
}

static void out_of_descriptors_pauses_accepting_for_a_moment(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(exhaust_descriptors());
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(stopped_listener_keeps_connections_for_the_next_start),
        FACT(dropped_connection_is_closed),
        FACT(accepted_and_connected_sockets_have_no_delay),
        FACT(addresses_of_both_ends_match),
        FACT(keep_alive_is_set_on_tcp_and_harmless_elsewhere),
        FACT(stale_unix_path_is_replaced),
        FACT(live_unix_path_and_ordinary_file_are_left_alone),
        FACT(shared_port_is_listened_to_twice),
        FACT(out_of_descriptors_pauses_accepting_for_a_moment),
    };
    return RUN_FACTS(tests);
}
