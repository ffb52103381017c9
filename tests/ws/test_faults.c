/* ctest: loops timeout=300 */
/* First, a conversation whose every read and write is cut at every byte. Then one in which each
 * system call of either end fails once, at its n-th time, for every n. What can be repaired is
 * repaired. Otherwise the end that was hit gets that error, the other one gets a plain end, and
 * nothing is left at either. */
#include "support/session_rig.h"

#include "support/injects.h"
#include "two_loops.h"

#include <errno.h>

struct fault {
    bool of_server; /* whose calls */
    enum weir__sys_call call;
    size_t at; /* the call that fails, from 1 */
    int error;
    size_t cut; /* the byte of all that is written before which a write ends; 0: none */
    size_t single_reads;
    bool single_writes; /* byte by byte */
    /* What has happened. */
    size_t count;
    size_t written;
    bool injected;
    bool in_session; /* ... while the end that was hit had a session that had not ended */
};

static struct fault fault;
static struct stage stage;

static bool is_write(enum weir__sys_call call)
{
    return call == WEIR__SYS_SEND || call == WEIR__SYS_RING_SEND;
}

static struct side *side_hit(void)
{
    return fault.of_server ? &stage.server : &stage.client;
}

static bool has_living_session(const struct side *side)
{
    weir_end end;
    if (side->session == NULL)
        return false;
    weir_session_end_get(&end, side->session);
    return end.kind == WEIR_END_NONE;
}

static void cut_write(size_t *size)
{
    if (fault.single_writes) {
        fault.injected = fault.injected || *size > 1;
        *size = 1;
    }
    if (fault.written < fault.cut && fault.written + *size > fault.cut) {
        *size = fault.cut - fault.written;
        fault.injected = true;
    }
    fault.written += *size;
}

static int inject(enum weir__sys_call call, size_t *size)
{
    if (acting != side_hit())
        return 0;
    if (is_write(call))
        cut_write(size);
    if (call == WEIR__SYS_RECV && fault.single_reads > 0) {
        fault.injected = --fault.single_reads == 0;
        *size = 1;
    }
    if (call != fault.call || fault.error == 0 || ++fault.count != fault.at)
        return 0;
    fault.injected = true;
    fault.in_session = has_living_session(acting);
    return fault.error;
}

static void say_fault(const char *what)
{
    print_error("%s, call %d, number %zu: %s: %s; cut at %zu, %zu single reads\n", side_hit()->name,
                (int)fault.call, fault.at, strerror(fault.error), what, fault.cut,
                fault.single_reads);
    print_error("client: open %s, talk %s, %u pings, end %s (%s); server: served %u, end %s (%s)\n",
                weir_strerror(stage.open_status), weir_strerror(stage.talk_status), stage.pings,
                weir_end_kind_name(stage.client.end.kind), weir_strerror(stage.client.end.status),
                stage.served, weir_end_kind_name(stage.server.end.kind),
                weir_strerror(stage.server.end.status));
}

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    say_fault(what);
    fail();
}

/* A loop whose poll fails returns that error, and goes on in its next turn. */
static void take_turn(const struct side *side, int status)
{
    if (status >= 0)
        return;
    expect(fault.injected && side == side_hit() && status == WEIR_SYSTEM(fault.error) &&
               (fault.call == WEIR__SYS_EPOLL_WAIT || fault.call == WEIR__SYS_RING_ENTER ||
                fault.call == WEIR__SYS_RING_REGISTER),
           "a turn fails");
}

/* --- cut --- */

/* Returns whether there was something to cut. */
static bool hold_cut(struct fault cut)
{
    fault = cut;
    fault.call = WEIR__SYS_COUNT;
    expect(hold_conversation(&stage, take_turn), "hangs");
    expect(was_whole(&stage), "is not whole");
    return fault.injected;
}

static void cut_everywhere(bool of_server)
{
    size_t writes = 0;
    size_t reads = 0;
    hold_cut((struct fault){.of_server = of_server, .single_writes = true});
    hold_cut((struct fault){.of_server = of_server, .single_reads = SIZE_MAX});
    /* A cut between two writes changes nothing, and more cuts follow it. */
    for (size_t at = 1, end = 2; at < end; at++) {
        writes += hold_cut((struct fault){.of_server = of_server, .cut = at});
        end = fault.written;
    }
    while (hold_cut((struct fault){.of_server = of_server, .single_reads = reads + 1}))
        reads++;
    print_message("%s: writes cut at %zu bytes, reads at %zu\n", side_hit()->name, writes, reads);
    assert_true(writes > 250); /* the handshake alone has fewer */
    /* io_uring reads as much as there is, so the writes of the other end are cut. */
    if (strcmp(weir_loop_backend_name(stage.client.loop), "epoll") == 0)
        assert_true(reads > 200);
}

static void reads_and_writes_are_cut_at_every_byte(void **state)
{
    (void)state;
    fault = (struct fault){.call = WEIR__SYS_COUNT};
    weir__sys_inject = inject;
    assert_ok(open_stage(&stage, take_turn));
    cut_everywhere(true);
    cut_everywhere(false);
    expect(close_stage(&stage), "something is left");
    weir__sys_inject = NULL;
}

/* --- injected --- */

/* Whether no end may notice the fault. Any other fault cannot be repaired: a connection whose write
 * fails is lost. */
static bool heals(void)
{
    switch (fault.call) {
    case WEIR__SYS_ACCEPT: /* the next one is accepted, at once or after a pause */
    case WEIR__SYS_RING_ACCEPT:
    case WEIR__SYS_EPOLL_WAIT: /* the next turn waits */
    case WEIR__SYS_RING_ENTER:
    case WEIR__SYS_RING_CANCEL: /* is repeated */
    case WEIR__SYS_SHUTDOWN:    /* both have closed already */
        return true;
    case WEIR__SYS_RECV:
    case WEIR__SYS_SEND:
    case WEIR__SYS_RING_SEND:
    case WEIR__SYS_RING_POLL:
    case WEIR__SYS_EVENTFD_READ:
    case WEIR__SYS_EVENTFD_WRITE:
        return fault.error == EINTR || fault.error == EAGAIN;
    case WEIR__SYS_RING_RECV:
        return fault.error == EINTR || fault.error == EAGAIN || fault.error == ENOBUFS;
    case WEIR__SYS_CONNECT:
    case WEIR__SYS_RING_CONNECT:
    case WEIR__SYS_GETRANDOM:
        return fault.error == EINTR;
    case WEIR__SYS_SOCKET:
    case WEIR__SYS_BIND:
    case WEIR__SYS_LISTEN:
    case WEIR__SYS_SET_OPTION:
    case WEIR__SYS_GET_OPTION:
    case WEIR__SYS_GET_NAME:
    case WEIR__SYS_EPOLL_CREATE:
    case WEIR__SYS_EPOLL_CTL:
    case WEIR__SYS_EVENTFD:
    case WEIR__SYS_RING_SETUP:
    case WEIR__SYS_RING_REGISTER:
    case WEIR__SYS_COUNT:
        break;
    }
    return false;
}

static bool is_the_error(int status)
{
    return status == WEIR_SYSTEM(fault.error);
}

/* Whether an end is one that is seen when the peer is gone. */
static bool is_plain_end(const weir_end *end)
{
    return end->kind == WEIR_END_NONE || end->kind == WEIR_END_CLEAN ||
           end->kind == WEIR_END_LOST ||
           (end->kind == WEIR_END_IO &&
            (end->status == WEIR_SYSTEM(ECONNRESET) || end->status == WEIR_SYSTEM(EPIPE)));
}

static bool is_plain_failure(int status)
{
    return status == WEIR_OK || status == WEIR_ELOST || status == WEIR_SYSTEM(ECONNRESET) ||
           status == WEIR_SYSTEM(EPIPE);
}

/* The conversation was not whole: the end that was hit has the reason. */
static void expect_right_ends(void)
{
    const struct side *hit = side_hit();
    if (fault.in_session)
        expect(hit->end.kind == WEIR_END_IO && is_the_error(hit->end.status),
               "a session that was hit has another end");
    else if (!fault.of_server && stage.open_status != WEIR_OK)
        expect(is_the_error(stage.open_status), "a client that was hit has another status");
    if (fault.of_server)
        expect(is_plain_failure(stage.open_status) && is_plain_end(&stage.client.end),
               "the client has a strange end");
    else
        expect(is_plain_end(&stage.server.end), "the server has a strange end");
}

/* Returns whether the fault was injected. */
static bool hold_injected(struct fault next)
{
    fault = next;
    weir__sys_inject = inject;
    int status = open_stage(&stage, take_turn);
    if (status != WEIR_OK) {
        weir__sys_inject = NULL;
        expect(fault.injected && !heals() && is_the_error(status), "the stage does not open");
        return true;
    }
    stage.large = true;
    expect(hold_conversation(&stage, take_turn), "hangs");
    expect(was_whole(&stage) || (fault.injected && !heals()), "is not whole");
    if (!was_whole(&stage))
        expect_right_ends();
    expect(close_stage(&stage), "something is left");
    weir__sys_inject = NULL;
    return fault.injected;
}

/* Returns how many times something was made to fail. */
static size_t inject_into_each_call(bool of_server, int error)
{
    size_t sum = 0;
    for (enum weir__sys_call call = 0; call < WEIR__SYS_COUNT; call++) {
        struct fault next = {.of_server = of_server, .call = call, .at = 1, .error = error};
        for (; can_inject(call) && hold_injected(next); next.at++)
            sum++;
    }
    return sum;
}

static void each_call_fails_once_with_each_error(void **state)
{
    static const int errors[] = {EINTR, EAGAIN, ECONNRESET, EPIPE, ENOBUFS, EMFILE};
    (void)state;
    assert_false(hold_injected((struct fault){.call = WEIR__SYS_COUNT}));
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        size_t server = inject_into_each_call(true, errors[i]);
        size_t client = inject_into_each_call(false, errors[i]);
        print_message("%s: %zu calls of the server, %zu of the client\n", strerror(errors[i]),
                      server, client);
        assert_true(server > 20 && client > 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_are_cut_at_every_byte),
        cmocka_unit_test(each_call_fails_once_with_each_error),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
