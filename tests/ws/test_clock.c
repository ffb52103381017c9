/* ctest: loops */
/* A clock that jumps: the process was stopped, or the machine was suspended. Timers fire once each,
 * and no peer times out for what it could not do meanwhile. The time of day, which can be set
 * forward and back, is never read. */
#include "support/session_rig.h"

#include "rt/sim.h"
#include "ws/server/server.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <weir/address.h>

#define HOUR_MS UINT64_C(3600000)

/* --- the clocks of this program: the library's calls end here --- */

static uint64_t ahead_ms;       /* by how much the monotonic clock has jumped */
static unsigned days_looked_at; /* how often the time of day was read */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += (time_t)(ahead_ms / 1000);
    else
        days_looked_at++;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    days_looked_at++;
    return (int)syscall(SYS_gettimeofday, now, NULL);
}

time_t time(time_t *out)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

static void jump(uint64_t ms)
{
    if (rig_is_real())
        ahead_ms += ms;
    else
        weir__sim_of(weir_loop_current())->now_ms += ms;
}

/* --- pings --- */

static void count_ping(weir_session *session, const weir_frame *frame, void *arg)
{
    (void)session;
    *(unsigned *)arg += frame->type == WEIR_FRAME_PING;
}

static int one_ping_follows_a_jump_over_many(void *arg)
{
    struct rig rig;
    weir_session *peer;
    unsigned pings = 0;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.ping_interval_ms = HOUR_MS / 60});
    rig_open_peer(&rig, &peer,
                  &(weir_session_options){.ping_interval_ms = WEIR_UNLIMITED,
                                          .observer = {.frame_in = count_ping, .arg = &pings}});
    assert_ok(weir_sleep(1));
    assert_int_equal(pings, 0);
    for (unsigned i = 1; i <= 3; i++) {
        jump(5 * HOUR_MS);
        assert_eventually(pings == i && weir_session_round_trip_ms(rig.session) < HOUR_MS);
        assert_ok(weir_sleep(20));
        assert_int_equal(pings, i);
    }
    assert_ok(weir_close(peer, 1000, NULL));
    assert_status(weir_session_join(peer), WEIR_CLOSED);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1000, 1000);
    weir_session_free(peer);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(one_ping_follows_a_jump_over_many)

static size_t take_ping(struct rig *rig, uint8_t *payload)
{
    uint8_t first;
    size_t size = rig_take_frame(rig, &first, payload, 125);
    assert_int_equal(first, 0x89);
    return size;
}

static int a_pong_that_could_not_come_in_time_still_counts(void *arg)
{
    uint8_t payload[125];
    struct rig rig;
    (void)arg;
    for (int role = 0; role < 2; role++) {
        rig_open(&rig, (enum weir_role)role,
                 &(weir_session_options){.ping_interval_ms = 10, .ping_timeout_ms = HOUR_MS});
        for (int i = 0; i < 2; i++) {
            size_t size = take_ping(&rig, payload);
            jump(5 * HOUR_MS);
            assert_ok(weir_sleep(20));
            rig_put_frame(&rig, 0x8A, payload, size);
        }
        weir_session_set_ping(rig.session, WEIR_UNLIMITED, 0);
        rig_put_text(&rig, "alive");
        rig_expect_received(&rig, WEIR_FRAME_TEXT, "alive", 5);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(a_pong_that_could_not_come_in_time_still_counts)

static int a_silent_peer_has_grace_once(void *arg)
{
    uint8_t payload[125];
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.ping_interval_ms = 10, .ping_timeout_ms = HOUR_MS});
    take_ping(&rig, payload);
    jump(5 * HOUR_MS);
    assert_ok(weir_sleep(20));
    assert_false(weir_deferred_is_complete(weir_session_close_reason(rig.session)));
    jump(5 * HOUR_MS);
    rig_expect_ended(&rig, WEIR_END_PING_TIMEOUT, 1011, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_silent_peer_has_grace_once)

/* --- other timers --- */

static int wait_for_ever(void *arg)
{
    (void)arg;
    return weir_sleep(24 * HOUR_MS);
}

static int jump_on(void *arg)
{
    assert_ok(weir_sleep(5));
    jump(*(const uint64_t *)arg);
    return WEIR_OK;
}

static int sleeps_and_deadlines_end_with_the_jump(void *arg)
{
    uint64_t hours = 5 * HOUR_MS;
    weir_scope scope;
    (void)arg;
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "jump", jump_on, &hours));
    uint64_t start = weir_loop_now(weir_loop_current());
    assert_status(weir_with_deadline(4 * HOUR_MS, wait_for_ever, NULL), WEIR_ETIMEDOUT);
    rig_expect_passed(start, hours, 100);
    assert_ok(weir_scope_join(&scope));
    return WEIR_OK;
}
RUN(sleeps_and_deadlines_end_with_the_jump)

static int close_that_nobody_answered_times_out_at_once(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.close_timeout_ms = HOUR_MS});
    assert_ok(weir_close(rig.session, 1000, NULL));
    assert_ok(weir_sleep(20));
    jump(2 * HOUR_MS);
    rig_expect_ended(&rig, WEIR_END_CLOSE_TIMEOUT, 1000, 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(close_that_nobody_answered_times_out_at_once)

static weir_session *start_talk(weir_server **server)
{
    weir_session *client;
    weir_serve_options options = {.url = "ws://127.0.0.1:0", .handler = rig_echo};
    assert_ok(weir_server_start(server, weir_scope_current(), &options));
    assert_ok(weir_client_open(&client, weir_scope_current(),
                               &(weir_connect_options){.url = weir_server_url(*server)}));
    return client;
}

static void talk(weir_session *client)
{
    weir_frame frame;
    assert_ok(weir_send_text(client, "hello"));
    assert_ok(weir_receive(client, &frame));
    weir_frame_release(&frame);
}

static void end_talk(weir_session *client, weir_server *server)
{
    assert_ok(weir_close(client, 1000, NULL));
    assert_status(weir_session_join(client), WEIR_CLOSED);
    weir_session_free(client);
    weir_server_free(server);
}

static int half_a_handshake_is_over_and_sessions_are_not(void *arg)
{
    weir_server *server;
    weir_address address;
    weir_stream *half;
    char answer[12];
    (void)arg;
    weir_session *client = start_talk(&server);
    assert_ok(weir_listener_address_get(&address, server->listener));
    assert_ok(weir_stream_connect(&half, &address, 0));
    assert_ok(weir_stream_write(half, "GET / HT", 8));
    assert_eventually(server->admission.pending_count == 1);
    jump(5 * HOUR_MS);
    assert_ok(weir_stream_read_exactly(half, answer, sizeof answer));
    assert_memory_equal(answer, "HTTP/1.1 408", sizeof answer);
    weir_stream_close(half);
    assert_eventually(server->admission.pending_count == 0);
    talk(client);
    end_talk(client, server);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(half_a_handshake_is_over_and_sessions_are_not)

static int the_time_of_day_is_never_looked_at(void *arg)
{
    weir_server *server;
    (void)arg;
    days_looked_at = 0;
    weir_session *client = start_talk(&server);
    talk(client);
    assert_ok(weir_sleep(5));
    end_talk(client, server);
    assert_int_equal(days_looked_at, 0);
    (void)time(NULL);
    assert_int_equal(days_looked_at, 1);
    return WEIR_OK;
}
RUN_OVER_SOCKETS(the_time_of_day_is_never_looked_at)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_ping_follows_a_jump_over_many_),
        cmocka_unit_test(a_pong_that_could_not_come_in_time_still_counts_),
        cmocka_unit_test(a_silent_peer_has_grace_once_),
        cmocka_unit_test(sleeps_and_deadlines_end_with_the_jump_),
        cmocka_unit_test(close_that_nobody_answered_times_out_at_once_),
        cmocka_unit_test(half_a_handshake_is_over_and_sessions_are_not_),
        cmocka_unit_test(the_time_of_day_is_never_looked_at_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
