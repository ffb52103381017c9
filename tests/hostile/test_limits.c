/* ctest: loops */
/* A size is refused by the header that declares it, before a byte is allocated. What is allowed
 * costs only the bytes received. The server is in another process, which counts. */
#include "support/victim.h"

#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

/* What a session may take from its allocator to send why it ends. */
#define TO_SAY_SO ((size_t)4096)

static const weir_serve_options defaults = {.handler = victim_echo};
static const weir_serve_options unlimited = {
    .handler = victim_echo,
    .session.max_frame_size = WEIR_UNLIMITED,
    .session.max_message_size = WEIR_UNLIMITED,
};

/* Starts a server with one session that has ended and one that is open. */
static int start_warm(struct victim *victim, const weir_serve_options *options)
{
    victim_start(victim, options, 0);
    for (int i = 0; i < 2; i++) {
        int fd = attacker_open(victim);
        attacker_expect_echo(fd, "warm");
        attacker_send_frame(fd, 0x88, "\x03\xe8", 2);
        attacker_expect_close(fd, 1000);
        close(fd);
    }
    int fd = attacker_open(victim);
    attacker_expect_echo(fd, "warm");
    victim_mark(victim);
    return fd;
}

static void stop(struct victim *victim, int fd)
{
    close(fd);
    victim_stop(victim);
}

static void a_frame_over_the_limit_costs_nothing(void **state)
{
    static const uint64_t sizes[] = {MIB + 1, UINT64_C(1) << 32, UINT64_C(1) << 62, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct victim victim;
        int fd = start_warm(&victim, &defaults);
        attacker_send_frame(fd, 0x82, NULL, sizes[i]); /* and not one byte of payload */
        attacker_expect_close(fd, 1009);
        assert_in_range(victim_growth(&victim), 0, TO_SAY_SO);
        stop(&victim, fd);
    }
}

static void a_fragment_that_passes_the_message_limit_costs_nothing(void **state)
{
    static const uint64_t sizes[] = {MIB - 9, MIB, UINT64_C(1) << 62, INT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct victim victim;
        int fd = start_warm(&victim, &(weir_serve_options){
                                         .handler = victim_echo,
                                         .session.max_frame_size = WEIR_UNLIMITED,
                                     });
        attacker_send_frame(fd, 0x01, "ten bytes.", 10);
        attacker_send_frame(fd, 0x80, NULL, sizes[i]);
        attacker_expect_close(fd, 1009);
        assert_in_range(victim_growth(&victim), 0, TO_SAY_SO);
        stop(&victim, fd);
    }
}

/* 5.2: the most significant bit must be 0. */
static void a_length_of_64_bits_is_a_violation(void **state)
{
    struct victim victim;
    (void)state;
    int fd = start_warm(&victim, &unlimited);
    attacker_send_frame(fd, 0x82, NULL, UINT64_MAX);
    attacker_expect_close(fd, 1002);
    assert_in_range(victim_growth(&victim), 0, TO_SAY_SO);
    stop(&victim, fd);
}

/* Also without any limit, although the sum of both lengths does not fit in 63 bits. */
static void a_promise_costs_nothing_without_limits(void **state)
{
    struct victim victim;
    (void)state;
    int fd = start_warm(&victim, &unlimited);
    int other = attacker_open(&victim);
    attacker_expect_echo(other, "before");
    victim_mark(&victim);
    attacker_send_frame(fd, 0x02, "ten bytes.", 10);
    attacker_send_frame(fd, 0x80, NULL, INT64_MAX);
    attacker_send(fd, "a little of it", 14);
    attacker_expect_echo(other, "behind it");
    assert_in_range(victim_growth(&victim), 0, 65536);
    close(other);
    stop(&victim, fd);
}

static void what_has_arrived_is_what_it_costs(void **state)
{
    static const uint8_t payload[50000];
    struct victim victim;
    (void)state;
    int fd = start_warm(&victim, &defaults);
    int other = attacker_open(&victim);
    attacker_expect_echo(other, "before");
    attacker_send_frame(fd, 0x82, NULL, MIB);
    victim_mark(&victim);
    size_t before = victim_bytes(&victim);
    for (size_t sent = 0; sent < sizeof payload; sent += 1000)
        attacker_send(fd, payload + sent, 1000);
    assert_soon(victim_bytes(&victim) >= before + sizeof payload);
    attacker_expect_echo(other, "behind it");
    print_message("50,000 bytes of a frame of 1 MiB: %zu more, %zu at most\n",
                  victim_bytes(&victim) - before, victim_growth(&victim));
    assert_in_range(victim_growth(&victim), sizeof payload, 7 * sizeof payload);
    close(other);
    stop(&victim, fd);
}

/* A head is collected up to its limit, and at most one read of the socket beyond it. */
static void a_head_over_its_limit_costs_one_read(void **state)
{
    static char head[1 << 20];
    struct victim victim;
    char answer[1024];
    (void)state;
    int other = start_warm(&victim, &defaults);
    memset(head, 'a', sizeof head);
    memcpy(head, "GET / HTTP/1.1\r\nName: ", 22);
    int fd = attacker_connect(&victim);
    (void)attacker_push(fd, head, sizeof head, 1000);
    (void)attacker_read_all(fd, answer, sizeof answer);
    assert_memory_equal(answer, "HTTP/1.1 431 ", 13);
    print_message("a head without end: %zu at most\n", victim_growth(&victim));
    assert_in_range(victim_growth(&victim), 0, 4 * 65536);
    attacker_expect_echo(other, "as before");
    close(other);
    stop(&victim, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_over_the_limit_costs_nothing),
        cmocka_unit_test(a_fragment_that_passes_the_message_limit_costs_nothing),
        cmocka_unit_test(a_length_of_64_bits_is_a_violation),
        cmocka_unit_test(a_promise_costs_nothing_without_limits),
        cmocka_unit_test(what_has_arrived_is_what_it_costs),
        cmocka_unit_test(a_head_over_its_limit_costs_one_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
