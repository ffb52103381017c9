/* ctest: loops timeout=300 */
/* Each system call of the back-ends fails in turn, at its n-th call, for every n until a small
 * conversation passes untouched. Whatever happens, nothing crashes, hangs or leaks. */
#include "io_ends.h"
#include "support/injects.h"

struct fault {
    enum weir__sys_call call;
    size_t at;    /* the call that fails, from 1 */
    int error;    /* 0: cut short to one byte */
    size_t count; /* calls so far */
    bool injected;
};

static struct fault fault;

static int inject(enum weir__sys_call call, size_t *size)
{
    if (call != fault.call || ++fault.count != fault.at)
        return 0;
    fault.injected = true;
    if (fault.error != 0)
        return fault.error;
    if (size != NULL)
        *size = 1;
    return 0;
}

/* --- the conversation: it goes on or it ends, but it does not hang --- */

#define WORDS      6
#define WORD_SIZE  40
#define BULK_SIZE  3000000
#define TIMEOUT_MS 4000

struct talk {
    weir_loop *loop;
    struct hall *hall;
    struct end client;
    uint8_t *bulk;
    uint64_t limit_ms;
};

static bool is_over(const struct end *end)
{
    return end->end_status != NOT_YET || end->sent_status != 0 ||
           (end->connect_status != NOT_YET && end->connect_status != WEIR_OK);
}

/* Whether anybody knows that it went wrong. */
static bool has_failed(const struct talk *talk)
{
    if (is_over(&talk->client))
        return true;
    for (size_t i = 0; i < talk->hall->count; i++)
        if (is_over(&talk->hall->ends[i]))
            return true;
    return false;
}

static bool wait_for_size(struct talk *talk, const struct end *end, size_t size)
{
    while (end->got_size < size && !has_failed(talk)) {
        if (weir__sys_clock_ms() > talk->limit_ms || weir_loop_turn(talk->loop, 20) < 0)
            return false;
    }
    return end->got_size >= size;
}

static bool connect_talk(struct talk *talk)
{
    if (weir__io_connect(&talk->client.io, (struct sockaddr *)&talk->hall->address,
                         talk->hall->size) != WEIR_OK)
        return false;
    while (talk->client.connect_status == NOT_YET || talk->hall->count == 0) {
        if (has_failed(talk))
            return false;
        if (weir__sys_clock_ms() > talk->limit_ms || weir_loop_turn(talk->loop, 20) < 0)
            return false;
        if (talk->client.connect_status == WEIR_OK && !is_over(&talk->client) &&
            weir__io_recv_start(&talk->client.io) != WEIR_OK)
            return false;
    }
    return talk->client.connect_status == WEIR_OK;
}

/* Words there and back, with receiving stopped now and then; then much in one direction, and the
 * half-close. */
static bool speak(struct talk *talk)
{
    struct end *server = &talk->hall->ends[0];
    for (size_t i = 0; i < WORDS; i++) {
        send_bytes(&talk->client, talk->bulk + i * WORD_SIZE, WORD_SIZE);
        weir__io_recv_stop(&talk->client.io);
        if (!wait_for_size(talk, server, (i + 1) * WORD_SIZE))
            return false;
        if (weir__io_recv_start(&talk->client.io) != WEIR_OK)
            return false;
        if (!wait_for_size(talk, &talk->client, (i + 1) * WORD_SIZE))
            return false;
    }
    if (memcmp(talk->client.got, talk->bulk, WORDS * WORD_SIZE) != 0)
        fail_msg("bytes were lost or changed");
    server->echoes = false;
    send_bytes(&talk->client, talk->bulk, BULK_SIZE);
    if (!wait_for_size(talk, server, WORDS * WORD_SIZE + BULK_SIZE))
        return false;
    if (memcmp(server->got + WORDS * WORD_SIZE, talk->bulk, BULK_SIZE) != 0)
        fail_msg("bytes were lost or changed");
    if (weir__io_shutdown(&talk->client.io) != WEIR_OK)
        return false;
    while (server->end_status == NOT_YET)
        if (weir__sys_clock_ms() > talk->limit_ms || weir_loop_turn(talk->loop, 20) < 0)
            return false;
    return server->end_status == WEIR_CLOSED;
}

static bool open_talk(struct talk *talk, struct world *world)
{
    struct sockaddr_storage address;
    socklen_t size = tcp4(&address);
    talk->loop = world->loop;
    talk->limit_ms = weir__sys_clock_ms() + TIMEOUT_MS;
    talk->hall = calloc(1, sizeof *talk->hall);
    assert_non_null(talk->hall);
    talk->hall->receives = talk->hall->echoes = true;
    init_end(&talk->client, talk->loop);
    weir__io_init(&talk->hall->io, talk->loop, &hall_events);
    return weir__io_listen(&talk->hall->io, (struct sockaddr *)&address, size, false) == WEIR_OK &&
           weir__io_local_address(&talk->hall->io, &talk->hall->address, &talk->hall->size) ==
               WEIR_OK &&
           weir__io_accept_start(&talk->hall->io) == WEIR_OK;
}

/* Everything must close, whatever failed: within the time limit, and while the fault is still
 * armed. */
static void close_talk(struct talk *talk)
{
    uint64_t limit_ms = weir__sys_clock_ms() + LIMIT_MS;
    bool closed = false;
    close_end(&talk->client, false);
    weir__io_close(&talk->hall->io, false);
    for (size_t i = 0; i < talk->hall->count; i++)
        close_end(&talk->hall->ends[i], i % 2 == 1);
    while (!closed) {
        (void)weir_loop_turn(talk->loop, 1);
        closed = talk->client.closed && talk->hall->closed;
        for (size_t i = 0; i < talk->hall->count; i++)
            closed = closed && talk->hall->ends[i].closed;
        if (weir__sys_clock_ms() > limit_ms)
            fail_msg("closing hangs");
    }
    for (size_t i = 0; i < talk->hall->count; i++)
        free_end(&talk->hall->ends[i]);
    free_end(&talk->client);
    free(talk->hall);
}

/* Returns whether the fault was injected. Faults that the kernel could repair, or that are none,
 * must leave the conversation whole. */
static bool hold_talk(uint8_t *bulk, bool must_succeed)
{
    int status;
    weir__sys_inject = inject;
    struct world *world = try_world(0, &status);
    if (world == NULL) {
        weir__sys_inject = NULL;
        assert_true(fault.injected);
        return true;
    }
    struct talk talk = {.bulk = bulk};
    bool whole = open_talk(&talk, world) && connect_talk(&talk) && speak(&talk);
    bool hung = !whole && weir__sys_clock_ms() > talk.limit_ms;
    close_talk(&talk);
    weir__sys_inject = NULL;
    if (hung)
        fail_msg("call %d, number %zu, errno %d: hangs", (int)fault.call, fault.at, fault.error);
    if (!whole && (!fault.injected || must_succeed))
        fail_msg("call %d, number %zu, errno %d: fails", (int)fault.call, fault.at, fault.error);
    close_world(world);
    return fault.injected;
}

/* The bulk makes too many calls to fail each of them: the first ones all, then further and further
 * apart. */
static size_t next_number(size_t at)
{
    return at < 40 ? at + 1 : at + at / 8;
}

static void inject_into_each_call(int error, bool must_succeed, enum weir__sys_call first,
                                  enum weir__sys_call end)
{
    uint8_t *bulk = make_pattern(BULK_SIZE);
    for (enum weir__sys_call call = first; call < end; call++) {
        bool injected = can_inject(call);
        for (size_t at = 1; injected; at = next_number(at)) {
            fault = (struct fault){.call = call, .at = at, .error = error};
            injected = hold_talk(bulk, must_succeed);
        }
    }
    free(bulk);
}

static void no_fault_passes(void **state)
{
    (void)state;
    inject_into_each_call(EIO, true, WEIR__SYS_COUNT, WEIR__SYS_COUNT + 1);
}

/* --- what the library must repair --- */

static void interrupted_bytes_are_repaired(void **state)
{
    (void)state;
    inject_into_each_call(EINTR, true, WEIR__SYS_ACCEPT, WEIR__SYS_SHUTDOWN);
    inject_into_each_call(EINTR, true, WEIR__SYS_EPOLL_WAIT, WEIR__SYS_EVENTFD);
    inject_into_each_call(EINTR, true, WEIR__SYS_EVENTFD_WRITE, WEIR__SYS_RING_SETUP);
    inject_into_each_call(EINTR, true, WEIR__SYS_RING_ENTER, WEIR__SYS_RING_REGISTER);
    inject_into_each_call(EINTR, true, WEIR__SYS_RING_ACCEPT, WEIR__SYS_COUNT);
}

static void false_starts_are_repaired(void **state)
{
    (void)state;
    inject_into_each_call(EAGAIN, true, WEIR__SYS_ACCEPT, WEIR__SYS_CONNECT);
    inject_into_each_call(EAGAIN, true, WEIR__SYS_RECV, WEIR__SYS_SHUTDOWN);
    inject_into_each_call(EAGAIN, true, WEIR__SYS_RING_ENTER, WEIR__SYS_RING_REGISTER);
    inject_into_each_call(EAGAIN, true, WEIR__SYS_RING_ACCEPT, WEIR__SYS_RING_CONNECT);
    inject_into_each_call(EAGAIN, true, WEIR__SYS_RING_RECV, WEIR__SYS_COUNT);
    inject_into_each_call(ENOBUFS, true, WEIR__SYS_RING_RECV, WEIR__SYS_RING_SEND);
}

static void cut_reads_and_writes_are_repaired(void **state)
{
    (void)state;
    inject_into_each_call(0, true, WEIR__SYS_RECV, WEIR__SYS_SHUTDOWN);
    inject_into_each_call(0, true, WEIR__SYS_GETRANDOM, WEIR__SYS_RING_SETUP);
    inject_into_each_call(0, true, WEIR__SYS_RING_SEND, WEIR__SYS_RING_POLL);
}

static void exhausted_accepts_are_repaired(void **state)
{
    (void)state;
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED, EPROTO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        inject_into_each_call(errors[i], true, WEIR__SYS_ACCEPT, WEIR__SYS_CONNECT);
        inject_into_each_call(errors[i], true, WEIR__SYS_RING_ACCEPT, WEIR__SYS_RING_CONNECT);
    }
}

/* --- what may end the conversation, but in order --- */

static void any_error_anywhere_ends_in_order(void **state)
{
    (void)state;
    static const int errors[] = {EAGAIN, ECONNRESET, EPIPE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        inject_into_each_call(errors[i], false, WEIR__SYS_SOCKET, WEIR__SYS_COUNT);
}

static void kernel_that_refuses_io_uring_leaves_epoll(void **state)
{
    (void)state;
    static const int errors[] = {ENOSYS, EPERM, EINVAL, ENOMEM};
    if (getenv("WEIR_LOOP") != NULL)
        unsetenv("WEIR_LOOP");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        weir_loop *loop;
        fault = (struct fault){.call = WEIR__SYS_RING_SETUP, .at = 1, .error = errors[i]};
        weir__sys_inject = inject;
        assert_int_equal(weir_loop_new(&loop, NULL), WEIR_OK);
        weir__sys_inject = NULL;
        assert_string_equal(weir_loop_backend_name(loop), "epoll");
        weir_loop_free(loop);
    }
}

/* Returns whether an allocation failed. */
static bool hold_talk_without_memory(uint8_t *bulk, size_t fail_at)
{
    int status;
    struct world *world = try_world(fail_at, &status);
    if (world == NULL) {
        assert_int_equal(status, WEIR_ENOMEM);
        return true;
    }
    struct talk talk = {.bulk = bulk};
    bool whole = open_talk(&talk, world) && connect_talk(&talk) && speak(&talk);
    bool failed = world->memory.failed;
    assert_true(whole || failed);
    assert_true(whole || weir__sys_clock_ms() < talk.limit_ms);
    close_talk(&talk);
    close_world(world);
    return failed;
}

static void no_memory_at_any_call_ends_in_order(void **state)
{
    (void)state;
    uint8_t *bulk = make_pattern(BULK_SIZE);
    size_t at = 1;
    fault = (struct fault){.call = WEIR__SYS_COUNT};
    while (hold_talk_without_memory(bulk, at))
        at++;
    free(bulk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_fault_passes),
        cmocka_unit_test(interrupted_bytes_are_repaired),
        cmocka_unit_test(false_starts_are_repaired),
        cmocka_unit_test(cut_reads_and_writes_are_repaired),
        cmocka_unit_test(exhausted_accepts_are_repaired),
        cmocka_unit_test(any_error_anywhere_ends_in_order),
        cmocka_unit_test(no_memory_at_any_call_ends_in_order),
        cmocka_unit_test(kernel_that_refuses_io_uring_leaves_epoll),
    };
    return RUN_FACTS(tests);
}
