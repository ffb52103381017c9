/* ctest: timeout=120 loops */
/* A thousand sessions that are cancelled, terminated, closed or reset at random moments, by either
 * end: no coroutine, descriptor or byte is left of them. The seed is printed. The environment
 * variable WEIR_SEED replays its choices. */
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <weir/address.h>
#include <weir/stream.h>
#include <weir/url.h>

#define MEMBERS 1000

enum way {
    WAY_TERMINATE,
    WAY_CANCEL_USERS,
    WAY_CANCEL_SESSION,
    WAY_CLOSE_NOW,
    WAY_CLOSE,
    WAY_FREE,
    WAY_RESET_BYTES,
    WAY_CLOSE_BYTES,
    WAYS
};

static uint64_t seed;

/* What happened: a run that did nothing must not pass. */
static struct {
    unsigned ways[WAYS];
    unsigned ends[WEIR_END_IO + 1];
    unsigned handlers;
    unsigned messages;
    unsigned gone; /* members that have ended */
} seen;

/* Each member has a generator, so that the order of their turns changes nothing. */
struct dice {
    uint64_t state;
};

static unsigned roll(struct dice *dice, unsigned sides)
{
    dice->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (dice->state ^ dice->state >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (unsigned)((mixed ^ mixed >> 31) % sides);
}

/* --- the servers --- */

static struct dice server_dice;

/* Answers, for a while; then ends in one of the ways that a handler can. */
static int answer(weir_session *session, weir_frame *frame)
{
    seen.messages++;
    switch (roll(&server_dice, 40)) {
    case 0:
        weir_terminate(session);
        return WEIR_OK;
    case 1:
        weir_close_now(session, 1001, "enough");
        return WEIR_OK;
    case 2:
        return WEIR_ELIMIT;
    case 3:
        return weir_sleep(roll(&server_dice, 10));
    case 4:
        weir_scope_cancel(weir_session_scope(session));
        return WEIR_OK;
    default:
        return weir_send(session, frame);
    }
}

static int serve_straight(weir_session *session, void *arg)
{
    weir_frame frame;
    int status;
    (void)arg;
    seen.handlers++;
    while ((status = weir_receive(session, &frame)) == WEIR_OK)
        if ((status = answer(session, &frame)) != WEIR_OK)
            break;
    return status;
}

static int serve_message(weir_session *session, weir_frame *frame, void *arg)
{
    (void)arg;
    return answer(session, frame);
}

/* --- the members --- */

struct member {
    weir_server *server;
    struct dice dice;
    weir_session *session;
    weir_scope users;
};

static int chat(void *arg)
{
    static uint8_t large[70000];
    struct member *member = arg;
    weir_frame frame;
    int status = WEIR_OK;
    while (status == WEIR_OK) {
        if (roll(&member->dice, 8) == 0)
            status = weir_send_binary(member->session, large, sizeof large);
        /* Sometimes more than the queues hold, in both directions. */
        for (unsigned more = roll(&member->dice, 8) == 0 ? 30 : 1; status == WEIR_OK && more > 0;
             more--)
            status = weir_send_text(member->session, "again");
        if (status == WEIR_OK)
            status = weir_receive(member->session, &frame);
        if (status == WEIR_OK)
            weir_frame_release(&frame);
    }
    return WEIR_OK;
}

static void end_session(struct member *member, enum way way)
{
    switch (way) {
    case WAY_TERMINATE:
        weir_terminate(member->session);
        break;
    case WAY_CANCEL_USERS: /* in the middle of a call, and terminated afterwards */
        weir_scope_cancel(&member->users);
        (void)weir_scope_join(&member->users);
        weir_terminate(member->session);
        break;
    case WAY_CANCEL_SESSION:
        weir_scope_cancel(weir_session_scope(member->session));
        break;
    case WAY_CLOSE_NOW:
        weir_close_now(member->session, 1001, NULL);
        break;
    case WAY_CLOSE:
        (void)weir_close(member->session, 1000, NULL);
        break;
    case WAY_FREE: /* no coroutine may wait in a session that is freed */
        weir_scope_cancel(&member->users);
        (void)weir_scope_join(&member->users);
        weir_session_free(member->session);
        member->session = NULL;
        break;
    case WAY_RESET_BYTES:
    case WAY_CLOSE_BYTES:
    case WAYS:
        fail();
    }
}

static void be_a_client(struct member *member, enum way way)
{
    weir_end end;
    weir_connect_options options = {.url = weir_server_url(member->server),
                                    .session.close_timeout_ms = 30000};
    int status = weir_client_open(&member->session, weir_scope_current(), &options);
    if (status != WEIR_OK)
        return; /* the server is stopping */
    assert_ok(weir_scope_open(&member->users));
    assert_ok(weir_go(&member->users, "chat", chat, member));
    (void)weir_sleep(roll(&member->dice, 30));
    end_session(member, way);
    if (member->session == NULL)
        return;
    (void)weir_scope_join(&member->users);
    if (roll(&member->dice, 2) == 0)
        assert_int_not_equal(weir_session_join(member->session), WEIR_OK);
    weir_session_end_get(&end, member->session);
    seen.ends[end.kind]++;
    weir_session_free(member->session);
}

/* A peer that stops anywhere: in its handshake, between frames or inside a frame. */
static void be_bytes(struct member *member, bool reset)
{
    static const char talk[] =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        "\x81\x85\0\0\0\0Hello\x01\x85\0\0\0\0Hello\x80\x85\0\0\0\0World\x88\x80\0\0\0\0";
    weir_url url;
    weir_address address;
    weir_stream *stream;
    const char *text = weir_server_url(member->server);
    assert_ok(weir_url_parse(&url, text, strlen(text), NULL));
    assert_ok(weir_address_tcp(&address, "127.0.0.1", url.port));
    if (weir_stream_connect(&stream, &address, 0) != WEIR_OK)
        return;
    size_t size = roll(&member->dice, sizeof talk);
    int status = size == 0 ? WEIR_OK : weir_stream_write(stream, talk, size);
    if (status == WEIR_OK)
        (void)weir_sleep(roll(&member->dice, 20));
    if (reset)
        weir_stream_reset(stream);
    else
        weir_stream_close(stream);
}

static int take_part(void *arg)
{
    struct member *member = arg;
    if (weir_sleep(roll(&member->dice, 200)) != WEIR_OK)
        return WEIR_OK;
    enum way way = (enum way)roll(&member->dice, WAYS);
    seen.ways[way]++;
    if (way == WAY_RESET_BYTES || way == WAY_CLOSE_BYTES)
        be_bytes(member, way == WAY_RESET_BYTES);
    else
        be_a_client(member, way);
    seen.gone++;
    return WEIR_OK;
}

static int gather(void *arg)
{
    static struct member members[MEMBERS];
    weir_server *servers[2];
    weir_scope scope;
    (void)arg;
    memset(&seen, 0, sizeof seen);
    server_dice.state = seed;
    for (int i = 0; i < 2; i++) {
        weir_serve_options options = {.url = "ws://127.0.0.1:0", .session.close_timeout_ms = 30000};
        options.handler = i == 0 ? serve_straight : NULL;
        options.on_message = i == 0 ? NULL : serve_message;
        assert_ok(weir_server_start(&servers[i], weir_scope_current(), &options));
    }
    assert_ok(weir_scope_open(&scope));
    for (unsigned i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.server = servers[i % 2], .dice = {seed * 1000003 + i}};
        assert_ok(weir_go(&scope, "member", take_part, &members[i]));
    }
    assert_eventually(seen.gone > MEMBERS - MEMBERS / 20);
    weir_server_stop(servers[seed % 2]); /* while the last members are active */
    assert_ok(weir_scope_join(&scope));
    for (int i = 0; i < 2; i++)
        weir_server_free(servers[i]);
    return WEIR_OK;
}

static void expect_variety(void)
{
    for (int way = 0; way < WAYS; way++)
        assert_true(seen.ways[way] > MEMBERS / WAYS / 2);
    print_message("%u handlers, %u messages; ended: %u clean, %u lost, %u io, %u cancelled\n",
                  seen.handlers, seen.messages, seen.ends[WEIR_END_CLEAN], seen.ends[WEIR_END_LOST],
                  seen.ends[WEIR_END_IO], seen.ends[WEIR_END_CANCELLED]);
    assert_true(seen.handlers > MEMBERS / 5);
    assert_true(seen.messages > MEMBERS / 10);
    assert_true(seen.ends[WEIR_END_CANCELLED] > 0);
    /* On the kernel, the order of ends that race depends on speed. */
    assert_true(rig_is_real() || seen.ends[WEIR_END_CLEAN] > 0);
}

static void thousand_sessions_ended_at_random_leave_nothing(void **state)
{
    (void)state;
    print_message("WEIR_SEED=%llu\n", (unsigned long long)seed);
    rig_run(gather, NULL);
    expect_variety();
    rig_run_real(gather, NULL);
    expect_variety();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousand_sessions_ended_at_random_leave_nothing),
    };
    const char *chosen = getenv("WEIR_SEED");
    struct rlimit files;
    seed = chosen != NULL ? strtoull(chosen, NULL, 10) : (uint64_t)time(NULL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
