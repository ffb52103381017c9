/* For processors that the suite's own framework is not built for: coroutines, scopes, channels,
 * deadlines, deep stacks, registers and an echo over a real socket, checked by itself. Prints what
 * failed, and ends with 1. */
#include <weir/channel.h>
#include <weir/client.h>
#include <weir/loop.h>
#include <weir/server.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(fact)                                                                                \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "line %d: not so: %s\n", __LINE__, #fact);                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define NOINLINE __attribute__((noinline))

/* --- registers: more live values across a switch than registers that a call preserves --- */

struct numbers {
    uint64_t seed;
    double real;
    uint64_t whole;
};

NOINLINE static void reckon(struct numbers *numbers, int (*pause)(void))
{
    double r[10];
    uint64_t w[14];
    for (int i = 0; i < 10; i++)
        r[i] = (double)(numbers->seed + (uint64_t)i) * 1.25;
    for (uint64_t i = 0; i < 14; i++)
        w[i] = numbers->seed * (i + 3);
    double r0 = r[0], r1 = r[1], r2 = r[2], r3 = r[3], r4 = r[4], r5 = r[5], r6 = r[6], r7 = r[7];
    uint64_t w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], w4 = w[4], w5 = w[5], w6 = w[6], w7 = w[7];
    uint64_t w8 = w[8], w9 = w[9], w10 = w[10], w11 = w[11];
    for (int i = 0; i < 200; i++) {
        CHECK(pause() == WEIR_OK);
        r0 += r1 * 0.5, r1 -= r2 * 0.25, r2 += r3 * 0.125, r3 -= r4 * 0.5;
        r4 += r5 * 0.25, r5 -= r6 * 0.125, r6 += r7 * 0.5, r7 -= r0 * 0.0625;
        w0 += w1, w1 ^= w2, w2 += w3, w3 ^= w4, w4 += w5, w5 ^= w6;
        w6 += w7, w7 ^= w8, w8 += w9, w9 ^= w10, w10 += w11, w11 ^= w0;
    }
    numbers->real = r0 + r1 + r2 + r3 + r4 + r5 + r6 + r7;
    numbers->whole = w0 + w1 + w2 + w3 + w4 + w5 + w6 + w7 + w8 + w9 + w10 + w11;
}

static int stay(void)
{
    return WEIR_OK;
}

static int reckon_beside_others(void *arg)
{
    reckon(arg, weir_yield);
    return WEIR_OK;
}

#if defined(__aarch64__)

/* The eight floating-point registers that a call preserves, by name. */
NOINLINE static void hold_d_registers(uint64_t seed)
{
    uint64_t now[8];
    for (int i = 0; i < 50; i++) {
        __asm__ volatile("fmov d8, %0\n fmov d9, %1\n fmov d10, %2\n fmov d11, %3"
                         :
                         : "r"(seed), "r"(seed + 1), "r"(seed + 2), "r"(seed + 3)
                         : "d8", "d9", "d10", "d11");
        __asm__ volatile("fmov d12, %0\n fmov d13, %1\n fmov d14, %2\n fmov d15, %3"
                         :
                         : "r"(seed + 4), "r"(seed + 5), "r"(seed + 6), "r"(seed + 7)
                         : "d12", "d13", "d14", "d15");
        CHECK(weir_yield() == WEIR_OK);
        __asm__ volatile("stp d8, d9, [%0]\n stp d10, d11, [%0, #16]\n"
                         "stp d12, d13, [%0, #32]\n stp d14, d15, [%0, #48]"
                         :
                         : "r"(now)
                         : "memory");
        for (uint64_t k = 0; k < 8; k++)
            CHECK(now[k] == seed + k);
    }
}

#else

static void hold_d_registers(uint64_t seed)
{
    (void)seed;
}

#endif

static int hold_beside_others(void *arg)
{
    hold_d_registers(((struct numbers *)arg)->seed << 32);
    return WEIR_OK;
}

static void check_registers(void)
{
    struct numbers alone[8], beside[8];
    weir_scope scope;
    CHECK(weir_scope_open(&scope) == WEIR_OK);
    for (uint64_t i = 0; i < 8; i++) {
        alone[i] = beside[i] = (struct numbers){.seed = i * 1000003 + 17};
        reckon(&alone[i], stay);
        CHECK(weir_go(&scope, "reckon", reckon_beside_others, &beside[i]) == WEIR_OK);
        CHECK(weir_go(&scope, "hold", hold_beside_others, &beside[i]) == WEIR_OK);
    }
    CHECK(weir_scope_join(&scope) == WEIR_OK);
    for (int i = 0; i < 8; i++)
        CHECK(memcmp(&alone[i], &beside[i], sizeof alone[i]) == 0);
}

/* --- deep stacks --- */

NOINLINE static uint64_t descend(int depth)
{
    volatile uint8_t room[128];
    room[7] = (uint8_t)depth;
    if (depth % 10 == 0)
        CHECK(weir_yield() == WEIR_OK);
    uint64_t below = depth > 0 ? descend(depth - 1) : 0;
    CHECK(room[7] == (uint8_t)depth);
    return below + (uint64_t)depth;
}

static int descend_far(void *arg)
{
    uint64_t *sum = arg;
    *sum = descend(150);
    return WEIR_OK;
}

static void check_depth(void)
{
    uint64_t sums[20] = {0};
    weir_scope scope;
    CHECK(weir_scope_open(&scope) == WEIR_OK);
    for (int i = 0; i < 20; i++)
        CHECK(weir_go(&scope, "deep", descend_far, &sums[i]) == WEIR_OK);
    CHECK(weir_scope_join(&scope) == WEIR_OK);
    for (int i = 0; i < 20; i++)
        CHECK(sums[i] == 150 * 151 / 2);
}

/* --- channels, cancellation, deadlines --- */

static int send_hundred(void *arg)
{
    int status = WEIR_OK;
    for (int i = 0; i < 100 && status == WEIR_OK; i++)
        status = weir_channel_send(arg, &i);
    return status;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return weir_sleep(3600000);
}

static int fail(void *arg)
{
    (void)arg;
    return weir_sleep(1) == WEIR_OK ? WEIR_ELOST : WEIR_CANCELLED;
}

static void check_channels(void)
{
    weir_channel *channel;
    weir_scope scope;
    int item, sum = 0;
    const weir_channel_options options = {.item_size = sizeof item, .capacity = 3};
    CHECK(weir_channel_new(&channel, weir_loop_current(), &options) == WEIR_OK);
    CHECK(weir_scope_open(&scope) == WEIR_OK);
    for (int i = 0; i < 5; i++)
        CHECK(weir_go(&scope, "sender", send_hundred, channel) == WEIR_OK);
    for (int i = 0; i < 500; i++) {
        weir_select_case one = {.kind = WEIR_SELECT_RECEIVE, .channel = channel, .item = &item};
        CHECK(weir_select(&one, 1, 10000) == 0 && one.status == WEIR_OK);
        sum += item;
    }
    CHECK(sum == 5 * 99 * 100 / 2);
    CHECK(weir_scope_join(&scope) == WEIR_OK);
    weir_channel_free(channel);
}

static void check_endings(void)
{
    weir_scope scope;
    CHECK(weir_scope_open(&scope) == WEIR_OK);
    for (int i = 0; i < 100; i++)
        CHECK(weir_go(&scope, "sleeper", sleep_long, NULL) == WEIR_OK);
    CHECK(weir_go(&scope, "failing", fail, NULL) == WEIR_OK);
    CHECK(weir_scope_join(&scope) == WEIR_ELOST);
    CHECK(weir_with_deadline(5, sleep_long, NULL) == WEIR_ETIMEDOUT);
    CHECK(weir_loop_coroutine_count(weir_loop_current()) == 1);
}

/* --- the house above --- */

static int echo(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static void check_echo(void)
{
    weir_server *server;
    weir_session *session;
    weir_frame frame;
    const char *texts[] = {"gr\xc3\xbc\xc3\x9f dich", "",
                           "0123456789abcdef0123456789abcdef0123456789"};
    const weir_serve_options options = {.url = "ws://127.0.0.1:0/echo", .handler = echo};
    CHECK(weir_server_start(&server, weir_scope_current(), &options) == WEIR_OK);
    CHECK(weir_client_open(&session, weir_scope_current(),
                           &(weir_connect_options){.url = weir_server_url(server)}) == WEIR_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        CHECK(weir_send_text(session, texts[i]) == WEIR_OK);
        CHECK(weir_receive(session, &frame) == WEIR_OK);
        CHECK(frame.size == strlen(texts[i]) && memcmp(frame.data, texts[i], frame.size) == 0);
        weir_frame_release(&frame);
    }
    CHECK(weir_close(session, WEIR_CLOSE_NORMAL, NULL) == WEIR_OK);
    CHECK(weir_session_join(session) == WEIR_CLOSED);
    weir_session_free(session);
    weir_server_stop(server);
    weir_server_free(server);
}

static int check_all(void *arg)
{
    (void)arg;
    check_registers();
    check_depth();
    check_channels();
    check_endings();
    check_echo();
    return WEIR_OK;
}

int main(void)
{
    weir_loop *loop;
    CHECK(weir_loop_new(&loop, NULL) == WEIR_OK);
    CHECK(weir_loop_run(loop, "main", check_all, NULL) == WEIR_OK);
    weir_loop_free(loop);
    puts("all is so");
    return 0;
}
