/* ctest: timeout=120 loops */
/* Floods of pings, of tiny and empty fragments, of messages whose echo is not read; and peers that
 * never answer a Close or a ping. Each costs what the limits allow, and another session is served
 * meanwhile. The server is in another process, which counts what it allocates. */
#include "support/victim.h"

#include <stdlib.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* Bytes that may be read of a connection before reading stops, and what a session sends: one
 * buffer. With io_uring the kernel goes on receiving until the request to stop has reached it:
 * twice the ring's 64 buffers. */
static size_t read_ahead(void)
{
    const char *loop = getenv("WEIR_LOOP");
    return loop != NULL && strcmp(loop, "io_uring") == 0 ? 8 * MIB + 128 * KIB : 80 * KIB;
}

/* A server, a session that attacks, and one that only has to be served. */
struct siege {
    struct victim victim;
    int attacker;
    int bystander;
};

/* The server sends pings only where a test asks for it. The attacker answers none, and neither does
 * the other session during an attack. On a busy machine an attack can take so long that both would
 * be closed for that, which is not what the test is about. */
static void lay_siege(struct siege *siege, const weir_serve_options *options)
{
    weir_serve_options own = *options;
    if (own.session.ping_interval_ms == 0)
        own.session.ping_interval_ms = WEIR_UNLIMITED;
    victim_start(&siege->victim, &own, 0);
    siege->bystander = attacker_open(&siege->victim);
    siege->attacker = attacker_open(&siege->victim);
    attacker_expect_echo(siege->attacker, "warm");
    attacker_expect_echo(siege->bystander, "warm");
    victim_mark(&siege->victim);
}

static void expect_growth(struct siege *siege, const char *what, size_t most)
{
    attacker_expect_echo(siege->bystander, "all the same");
    print_message("%s: %zu bytes more at most\n", what, victim_growth(&siege->victim));
    assert_in_range(victim_growth(&siege->victim), 0, most + read_ahead());
}

static void lift_siege(struct siege *siege)
{
    close(siege->attacker);
    close(siege->bystander);
    victim_stop(&siege->victim);
}

/* Allocates one block with the same bytes count times. */
static uint8_t *repeat(const void *unit, size_t size, size_t count)
{
    uint8_t *all = malloc(size * count);
    assert_non_null(all);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * size, unit, size);
    return all;
}

/* Pushes the same frame count times. Returns how many bytes were sent. */
static size_t flood(int fd, uint8_t first, const char *payload, size_t count)
{
    uint8_t frame[256];
    size_t size = attacker_frame(frame, first, payload, strlen(payload));
    uint8_t *all = repeat(frame, size, count);
    size_t sent = attacker_push(fd, all, size * count, 1000);
    free(all);
    return sent;
}

/* 5.5.3: only the newest ping is answered when the answers cannot go out. */
static void pings_whose_pongs_are_not_read_cost_one_pong(void **state)
{
    static const char payload[] = "125 bytes of a ping............................................."
                                  "........................................................";
    struct siege siege;
    char got[125];
    uint8_t first;
    size_t pongs = 0;
    bool last = false;
    bool echoed = false;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo});
    size_t wanted = 200000 * (sizeof payload - 1 + 6);
    assert_int_equal(flood(siege.attacker, 0x89, payload, 200000),
                     wanted); /* it never stopped reading */
    /* The pongs of one read fill a buffer of 64 KiB. The loop keeps the smaller blocks that it
     * replaced. */
    expect_growth(&siege, "200,000 pings, unread", 64 * KIB);
    attacker_send_frame(siege.attacker, 0x89, "the last", 8);
    attacker_send_frame(siege.attacker, 0x81, "no harm done", 12);
    /* Over 16 KiB of output the pong waits for its place, and the echo may come before it. */
    while (!last || !echoed) {
        int64_t size = attacker_take_frame(siege.attacker, &first, got, sizeof got);
        if (first == 0x8a) {
            pongs++;
            last |= size == 8 && memcmp(got, "the last", 8) == 0;
        } else {
            assert_int_equal(first, 0x81);
            assert_memory_equal(got, "no harm done", 12);
            echoed = true;
        }
    }
    print_message("%zu pongs came\n", pongs);
    assert_true(pongs < 200000);
    lift_siege(&siege);
}

static void pongs_that_nobody_asked_for_cost_nothing(void **state)
{
    struct siege siege;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo});
    assert_int_equal(flood(siege.attacker, 0x8a, "unasked", 500000), 500000 * 13);
    attacker_expect_echo(siege.attacker, "no harm done");
    expect_growth(&siege, "500,000 pongs", 0);
    lift_siege(&siege);
}

static void fragments_of_one_byte_cost_the_message_and_get_1009(void **state)
{
    struct siege siege;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo});
    attacker_send_frame(siege.attacker, 0x02, "x", 1);
    (void)flood(siege.attacker, 0x00, "x", MIB);
    attacker_expect_close(siege.attacker, 1009);
    expect_growth(&siege, "1,048,577 fragments of a byte", 4 * MIB);
    lift_siege(&siege);
}

static void empty_fragments_cost_nothing(void **state)
{
    struct siege siege;
    char got[8];
    uint8_t first;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo});
    attacker_send_frame(siege.attacker, 0x01, "a", 1);
    assert_int_equal(flood(siege.attacker, 0x00, "", 1000000), 6000000);
    attacker_send_frame(siege.attacker, 0x80, "b", 1);
    assert_int_equal(attacker_take_frame(siege.attacker, &first, got, sizeof got), 2);
    assert_memory_equal(got, "ab", 2);
    expect_growth(&siege, "1,000,000 empty fragments", 0);
    lift_siege(&siege);
}

/* With pieces: every fragment is a piece that the handler gets and sends back. */
static void empty_pieces_cost_nothing(void **state)
{
    struct siege siege;
    (void)state;
    lay_siege(&siege,
              &(weir_serve_options){.on_message = victim_echo_message, .session.pieces = true});
    attacker_send_frame(siege.attacker, 0x01, "a", 1);
    (void)flood(siege.attacker, 0x00, "", 500000);
    expect_growth(&siege, "500,000 empty pieces, echoed and not read", 4 * MIB);
    lift_siege(&siege);
}

static void empty_messages_whose_echo_is_not_read_make_the_peer_wait(void **state)
{
    struct siege siege;
    (void)state;
    lay_siege(&siege,
              &(weir_serve_options){.handler = victim_echo, .session.high_water = 64 * KIB});
    assert_true(flood(siege.attacker, 0x82, "", 20000000) < 120000000);
    expect_growth(&siege, "empty messages without end, echoed and not read", 4 * 64 * KIB);
    lift_siege(&siege);
}

/* The echo of large messages is not read: the server stops reading, and goes on when its output is
 * taken. */
static void a_peer_that_never_reads_is_made_to_wait(void **state)
{
    static uint8_t payload[100000];
    static uint8_t got[sizeof payload];
    static uint8_t frame[sizeof payload + 14];
    struct siege siege;
    size_t whole = 0;
    size_t rest;
    uint8_t first;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo});
    size_t size = attacker_frame(frame, 0x82, payload, sizeof payload);
    while ((rest = attacker_push(siege.attacker, frame, size, 1000)) == size)
        assert_true(++whole < 1000); /* 100 MB: more than the kernel may hold */
    /* high_water, a queue of 8 frames each way, and one that is being collected */
    expect_growth(&siege, "messages of 100,000 bytes, echoed and not read", 4 * MIB);
    for (size_t i = 0; i < whole; i++)
        assert_int_equal(attacker_take_frame(siege.attacker, &first, got, sizeof got),
                         sizeof payload);
    attacker_send(siege.attacker, frame + rest, size - rest);
    assert_int_equal(attacker_take_frame(siege.attacker, &first, got, sizeof got), sizeof payload);
    attacker_expect_echo(siege.attacker, "and goes on");
    lift_siege(&siege);
}

/* Neither reads nor sends: from the outside, like a machine that is gone. */
static void a_peer_that_vanishes_is_dropped(void **state)
{
    struct siege siege;
    (void)state;
    lay_siege(&siege, &(weir_serve_options){.handler = victim_echo,
                                            .session.ping_interval_ms = 100,
                                            .session.ping_timeout_ms = 300});
    size_t before = victim_descriptors(&siege.victim);
    size_t with_sessions = victim_bytes(&siege.victim);
    attacker_send_frame(siege.attacker, 0x82, NULL, MIB); /* in mid-message */
    attacker_send(siege.attacker, "begun", 5);
    assert_soon(victim_descriptors(&siege.victim) == before - 2);
    print_message("%zu bytes with two sessions, %zu when they are dropped\n", with_sessions,
                  victim_bytes(&siege.victim));
    attacker_expect_close(siege.attacker, 1011);
    lift_siege(&siege);
}

static int say_goodbye(weir_session *session, void *arg)
{
    weir_frame frame;
    (void)arg;
    return weir_receive(session, &frame) == WEIR_OK ? WEIR_OK : WEIR_CLOSED;
}

/* After our Close, the peer sends anything but a Close. */
static void a_peer_that_never_answers_a_close_is_dropped(void **state)
{
    struct siege siege;
    (void)state;
    victim_start(&siege.victim,
                 &(weir_serve_options){.handler = say_goodbye,
                                       .session.close_timeout_ms = 500,
                                       .session.ping_interval_ms = WEIR_UNLIMITED},
                 0);
    siege.bystander = attacker_open(&siege.victim);
    siege.attacker = attacker_open(&siege.victim);
    size_t before = victim_descriptors(&siege.victim);
    victim_mark(&siege.victim);
    attacker_send_frame(siege.attacker, 0x81, "go", 2);
    attacker_expect_close(siege.attacker, 1000);
    uint64_t start = attacker_now_ms();
    while (flood(siege.attacker, 0x81, "still talking", 1000) == 19000)
        assert_true(attacker_now_ms() - start < 30000);
    assert_soon(victim_descriptors(&siege.victim) == before - 1);
    print_message("messages behind the Close: %zu bytes more at most\n",
                  victim_growth(&siege.victim));
    assert_in_range(victim_growth(&siege.victim), 0, read_ahead());
    lift_siege(&siege);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pings_whose_pongs_are_not_read_cost_one_pong),
        cmocka_unit_test(pongs_that_nobody_asked_for_cost_nothing),
        cmocka_unit_test(fragments_of_one_byte_cost_the_message_and_get_1009),
        cmocka_unit_test(empty_fragments_cost_nothing),
        cmocka_unit_test(empty_pieces_cost_nothing),
        cmocka_unit_test(empty_messages_whose_echo_is_not_read_make_the_peer_wait),
        cmocka_unit_test(a_peer_that_never_reads_is_made_to_wait),
        cmocka_unit_test(a_peer_that_vanishes_is_dropped),
        cmocka_unit_test(a_peer_that_never_answers_a_close_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
