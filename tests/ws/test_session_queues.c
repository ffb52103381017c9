/* ctest: loops */
/* The queues of a session are bounded in frames and bytes, and have a policy. A sender to a peer
 * that does not read waits. No queued frame is ever lost or leaked. */
#include "support/session_rig.h"

#include <errno.h>
#include <stdio.h>

#define MANY  2000
#define CHUNK 16000

/* More than any of the streams holds. */
static uint8_t plenty[2000000];

/* --- a reader that stops --- */

struct flood {
    weir_session *session;
    size_t sent;
};

static void number_chunk(uint8_t chunk[CHUNK], size_t number)
{
    memset(chunk, (int)(number & 0xff), CHUNK);
    memcpy(chunk, &number, sizeof number);
}

static int flood(void *arg)
{
    struct flood *self = arg;
    static uint8_t chunk[CHUNK];
    for (self->sent = 0; self->sent < MANY; self->sent++) {
        number_chunk(chunk, self->sent);
        assert_ok(weir_send_binary(self->session, chunk, sizeof chunk));
    }
    return WEIR_OK;
}

/* Waits until the queue is full and the sender has not gone on for 50 ms. */
static void wait_until_suspended(const struct flood *flood)
{
    const weir_channel *outgoing = weir_session_outgoing(flood->session);
    size_t before = SIZE_MAX;
    while (before != flood->sent || weir_channel_count(outgoing) < 8) {
        before = flood->sent;
        assert_ok(weir_sleep(50));
    }
}

static void expect_flood(weir_session *from)
{
    static uint8_t chunk[CHUNK];
    weir_frame frame;
    for (size_t i = 0; i < MANY; i++) {
        number_chunk(chunk, i);
        assert_ok(weir_receive(from, &frame));
        assert_int_equal(frame.size, sizeof chunk);
        assert_memory_equal(frame.data, chunk, sizeof chunk);
        weir_frame_release(&frame);
    }
}

static int reader_that_stops_suspends_the_sender_and_gets_all_later(void *arg)
{
    const weir_session_options small = {.high_water = 200000};
    (void)arg;
    for (int role = 0; role < 2; role++) {
        struct rig rig;
        weir_session *peer;
        weir_scope scope;
        rig_open(&rig, (enum weir_role)role, &small);
        rig_open_peer(&rig, &peer, &small);
        struct flood self = {.session = rig.session};
        size_t before = rig_memory()->live_bytes;
        assert_ok(weir_scope_open(&scope));
        assert_ok(weir_go(&scope, "flood", flood, &self));
        wait_until_suspended(&self);
        assert_in_range(self.sent, 1, MANY - 1);
        assert_in_range(weir_session_queued_bytes(rig.session), 100000, 400000);
        assert_true(rig_memory()->live_bytes - before < 2000000); /* of 32,000,000 */
        expect_flood(peer);
        assert_ok(weir_scope_join(&scope));
        assert_int_equal(weir_session_queued_bytes(rig.session), 0);
        weir_session_free(peer);
        weir_session_free(rig.session);
    }
    return WEIR_OK;
}
RUN(reader_that_stops_suspends_the_sender_and_gets_all_later)

/* A queue of one frame each way: every part waits for another, and there is no deadlock. */
static int queues_of_one_frame_pass_all_in_order(void *arg)
{
    const weir_session_options tiny = {
        .incoming_capacity = 1, .outgoing_capacity = 1, .high_water = 1};
    struct rig rig;
    weir_session *peer;
    weir_scope scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &tiny);
    rig_open_peer(&rig, &peer, &tiny);
    struct flood self = {.session = peer};
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flood", flood, &self));
    expect_flood(rig.session);
    assert_ok(weir_scope_join(&scope));
    weir_session_free(peer);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(queues_of_one_frame_pass_all_in_order)

/* --- frames that count their releases --- */

struct tally {
    int made;
    int released;
};

static void count_release(void *owner)
{
    ((struct tally *)owner)->released++;
}

static weir_frame counted(struct tally *tally, const void *data, size_t size)
{
    weir_frame frame = weir_frame_binary(data, size);
    frame.release = count_release;
    frame.owner = tally;
    tally->made++;
    return frame;
}

/* Fills the stream and the output, so that from now on frames queue. */
static void stop_the_peer(struct rig *rig, struct tally *tally)
{
    weir_frame frame = counted(tally, plenty, sizeof plenty);
    assert_ok(weir_send(rig->session, &frame));
    assert_null(frame.data);
    assert_ok(weir_sleep(1));
}

static int send_with_tally(struct rig *rig, struct tally *tally, const char *text)
{
    weir_frame frame = counted(tally, text, strlen(text));
    return weir_send(rig->session, &frame);
}

static const char *const letters[] = {"a", "b", "c", "d"};

static void expect_plenty(struct rig *rig)
{
    rig_expect_frame(rig, 0x82, plenty, sizeof plenty);
}

static int send_late(void *arg)
{
    struct rig *rig = arg;
    return weir_send_text(rig->session, "late");
}

static int full_queue_is_reported_and_waited_for(void *arg)
{
    struct rig rig;
    struct tally tally = {0};
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.outgoing_capacity = 3});
    stop_the_peer(&rig, &tally);
    for (int i = 0; i < 3; i++)
        assert_ok(send_with_tally(&rig, &tally, letters[i]));
    weir_frame frame = counted(&tally, "d", 1);
    assert_status(weir_try_send(rig.session, &frame), WEIR_EAGAIN);
    assert_non_null(frame.data); /* still the caller's */
    weir_frame_release(&frame);
    assert_int_equal(tally.released, 1);
    assert_status(weir_with_deadline(20, send_late, &rig), WEIR_ETIMEDOUT);
    assert_in_range(weir_session_queued_bytes(rig.session), 3, sizeof plenty + 13);
    expect_plenty(&rig);
    for (int i = 0; i < 3; i++)
        rig_expect_frame(&rig, 0x82, letters[i], 1);
    assert_eventually(weir_session_queued_bytes(rig.session) == 0);
    assert_int_equal(tally.released, tally.made);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(full_queue_is_reported_and_waited_for)

static int overflow_that_fails_can_still_be_closed(void *arg)
{
    struct rig rig;
    struct tally tally = {0};
    (void)arg;
    rig_open(
        &rig, WEIR_ROLE_SERVER,
        &(weir_session_options){.outgoing_capacity = 1, .outgoing_overflow = WEIR_OVERFLOW_FAIL});
    stop_the_peer(&rig, &tally);
    assert_ok(send_with_tally(&rig, &tally, "queued"));
    assert_status(send_with_tally(&rig, &tally, "too much"), WEIR_ELIMIT);
    assert_status(send_with_tally(&rig, &tally, "after"), WEIR_CLOSED);
    assert_int_equal(tally.released, 2);
    assert_ok(weir_close(rig.session, 1013, NULL));
    expect_plenty(&rig);
    rig_expect_frame(&rig, 0x82, "queued", 6);
    rig_expect_close(&rig, 1013);
    rig_put_frame(&rig, 0x88, "\x03\xf5", 2);
    rig_expect_ended(&rig, WEIR_END_CLEAN, 1013, 1013);
    assert_int_equal(tally.released, tally.made);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(overflow_that_fails_can_still_be_closed)

static int overflow_that_drops_keeps_the_newest(void *arg)
{
    struct rig rig;
    struct tally tally = {0};
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.outgoing_capacity = 2,
                                     .outgoing_overflow = WEIR_OVERFLOW_DROP_OLDEST});
    stop_the_peer(&rig, &tally);
    for (int i = 0; i < 4; i++)
        assert_ok(send_with_tally(&rig, &tally, letters[i]));
    assert_int_equal(tally.released, 2);
    expect_plenty(&rig);
    rig_expect_frame(&rig, 0x82, "c", 1);
    rig_expect_frame(&rig, 0x82, "d", 1);
    rig_close(&rig);
    assert_int_equal(tally.released, tally.made);
    return WEIR_OK;
}
RUN(overflow_that_drops_keeps_the_newest)

static int queued_bytes_are_bounded_like_frames(void *arg)
{
    static uint8_t kilobyte[1000];
    struct rig rig;
    struct tally tally = {0};
    int queued = 0;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.outgoing_capacity = 1000, .high_water = 5000});
    stop_the_peer(&rig, &tally);
    for (;; queued++) {
        weir_frame frame = weir_frame_binary(kilobyte, sizeof kilobyte);
        int status = weir_try_send(rig.session, &frame);
        if (status == WEIR_EAGAIN)
            break;
        assert_ok(status);
    }
    assert_int_equal(queued, 5);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(queued_bytes_are_bounded_like_frames)

/* --- incoming --- */

static void count_in(weir_session *session, const weir_frame *frame, void *count)
{
    (void)session;
    (void)frame;
    ++*(int *)count;
}

static int incoming_overflow_drops_the_oldest(void *arg)
{
    struct rig rig;
    char text[16];
    int seen = 0;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.incoming_capacity = 2,
                                     .incoming_overflow = WEIR_OVERFLOW_DROP_OLDEST,
                                     .observer = {count_in, .arg = &seen}});
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "%d", i);
        rig_put_text(&rig, text);
    }
    assert_eventually(seen == 5);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "3", 1);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "4", 1);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(incoming_overflow_drops_the_oldest)

static int incoming_overflow_that_fails_ends_the_session(void *arg)
{
    struct rig rig;
    weir_frame frame;
    (void)arg;
    rig_open(
        &rig, WEIR_ROLE_SERVER,
        &(weir_session_options){.incoming_capacity = 2, .incoming_overflow = WEIR_OVERFLOW_FAIL});
    for (int i = 0; i < 3; i++)
        rig_put_text(&rig, "x");
    rig_expect_ended(&rig, WEIR_END_CANCELLED, 0, 0);
    int status;
    while ((status = weir_receive(rig.session, &frame)) == WEIR_OK)
        weir_frame_release(&frame);
    assert_status(status, WEIR_ELIMIT);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(incoming_overflow_that_fails_ends_the_session)

static int incoming_bytes_are_bounded_like_frames(void *arg)
{
    static uint8_t large[100000];
    struct rig rig;
    int seen = 0;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.incoming_capacity = 1000,
                                     .high_water = 300000,
                                     .ping_interval_ms = WEIR_UNLIMITED,
                                     .observer = {count_in, .arg = &seen}});
    weir_session *peer;
    rig_open_peer(&rig, &peer, NULL);
    for (int i = 0; i < 10; i++) {
        weir_frame frame = weir_frame_binary(large, sizeof large);
        assert_ok(weir_send(peer, &frame));
    }
    assert_eventually(seen == 3);
    assert_ok(weir_sleep(50));
    assert_int_equal(seen, 3); /* the peer has to wait with the others */
    for (int i = 0; i < 10; i++)
        rig_expect_received(&rig, WEIR_FRAME_BINARY, large, sizeof large);
    weir_session_free(peer);
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(incoming_bytes_are_bounded_like_frames)

/* Puts more than fits the queue on the wire. The remaining input is held, with what stands behind
 * it. */
static void queue_after_a_full_queue(struct rig *rig, int *seen, uint8_t first)
{
    *seen = 0;
    rig_open(rig, WEIR_ROLE_SERVER,
             &(weir_session_options){.incoming_capacity = 2, .observer = {count_in, .arg = seen}});
    for (int i = 0; i < 3; i++)
        rig_put_text(rig, letters[i]);
    rig_put_frame(rig, first, "\x03\xe8", 2);
    assert_eventually(*seen == 2);
    assert_ok(weir_sleep(10));
    assert_int_equal(*seen, 2);
}

static int ping_behind_a_full_queue_waits_for_room_and_no_longer(void *arg)
{
    struct rig rig;
    int seen;
    (void)arg;
    queue_after_a_full_queue(&rig, &seen, 0x89);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "a", 1);
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "b", 1);
    rig_expect_frame(&rig, 0x8a, "\x03\xe8", 2); /* and no coroutine receives */
    rig_expect_received(&rig, WEIR_FRAME_TEXT, "c", 1);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(ping_behind_a_full_queue_waits_for_room_and_no_longer)

static int answer_to_our_close_is_seen_behind_a_full_queue(void *arg)
{
    (void)arg;
    for (int jumping = 0; jumping < 2; jumping++) {
        struct rig rig;
        int seen;
        queue_after_a_full_queue(&rig, &seen, 0x88);
        if (jumping)
            weir_close_now(rig.session, 1001, NULL);
        else
            assert_ok(weir_close(rig.session, 1001, NULL));
        rig_expect_ended(&rig, WEIR_END_CLEAN, 1001, 1000);
        rig_expect_received(&rig, WEIR_FRAME_TEXT, "a", 1);
        rig_expect_received(&rig, WEIR_FRAME_TEXT, "b", 1);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(answer_to_our_close_is_seen_behind_a_full_queue)

/* --- ends --- */

struct blocked {
    struct rig *rig;
    struct tally *tally;
    int status;
};

static int send_blocked(void *arg)
{
    struct blocked *self = arg;
    self->status = send_with_tally(self->rig, self->tally, "blocked");
    return WEIR_OK;
}

static int flush_blocked(void *arg)
{
    struct blocked *self = arg;
    self->status = weir_flush(self->rig->session);
    return WEIR_OK;
}

static void end_by_terminating(struct rig *rig)
{
    weir_terminate(rig->session);
}

static void end_by_closing_outgoing(struct rig *rig)
{
    weir_channel_cancel(weir_session_outgoing(rig->session));
    weir_terminate(rig->session);
}

static void end_by_reset(struct rig *rig)
{
    weir_stream_reset(rig->wire);
    rig->wire = NULL;
}

static int every_end_wakes_all_senders_and_releases_all_frames(void *arg)
{
    static const struct {
        void (*end)(struct rig *rig);
        int status;
    } ends[] = {{end_by_terminating, WEIR_CLOSED},
                {end_by_closing_outgoing, WEIR_CANCELLED},
                {end_by_reset, WEIR_CLOSED}};
    (void)arg;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct rig rig;
        struct tally tally = {0};
        struct blocked senders[3];
        weir_scope scope;
        rig_open(&rig, WEIR_ROLE_SERVER, &(weir_session_options){.outgoing_capacity = 2});
        stop_the_peer(&rig, &tally);
        for (int queued = 0; queued < 2; queued++)
            assert_ok(send_with_tally(&rig, &tally, "queued"));
        assert_ok(weir_scope_open(&scope));
        struct blocked flusher = {.rig = &rig};
        assert_ok(weir_go(&scope, "flush", flush_blocked, &flusher));
        for (int sender = 0; sender < 3; sender++) {
            senders[sender] = (struct blocked){&rig, &tally, WEIR_OK};
            assert_ok(weir_go(&scope, "sender", send_blocked, &senders[sender]));
        }
        assert_ok(weir_sleep(10));
        ends[i].end(&rig);
        assert_ok(weir_scope_join(&scope));
        for (int sender = 0; sender < 3; sender++)
            assert_status(senders[sender].status, ends[i].status);
        assert_int_not_equal(flusher.status, WEIR_OK);
        assert_int_not_equal(weir_session_join(rig.session), WEIR_OK);
        assert_int_equal(tally.released, tally.made);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(every_end_wakes_all_senders_and_releases_all_frames)

/* --- flush --- */

static int read_late(void *arg)
{
    struct rig *rig = arg;
    static uint8_t bytes[sizeof plenty];
    assert_ok(weir_sleep(50));
    assert_ok(weir_stream_read_exactly(rig->wire, bytes, sizeof bytes));
    assert_ok(weir_sleep(50));
    return weir_stream_read_exactly(rig->wire, bytes, sizeof bytes);
}

static int flush_waits_until_the_kernel_has_it(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_flush(rig.session));
    assert_ok(weir_send_binary(rig.session, plenty, sizeof plenty));
    assert_ok(weir_send_binary(rig.session, plenty, sizeof plenty)); /* queues behind it */
    assert_ok(weir_go(weir_scope_current(), "reader", read_late, &rig));
    uint64_t start = weir_loop_now(rig.loop);
    assert_ok(weir_flush(rig.session));
    rig_expect_passed(start, 100, 100);
    assert_int_equal(weir_session_queued_bytes(rig.session), 0);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(flush_waits_until_the_kernel_has_it)

/* It waits only for what can still be sent. */
static int flush_ends_when_what_it_waits_for_is_dropped(void *arg)
{
    struct rig rig;
    struct tally tally = {0};
    struct blocked flusher = {.rig = &rig};
    weir_scope scope;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    stop_the_peer(&rig, &tally);
    assert_ok(send_with_tally(&rig, &tally, "dropped"));
    assert_ok(weir_scope_open(&scope));
    assert_ok(weir_go(&scope, "flush", flush_blocked, &flusher));
    assert_ok(weir_sleep(10));
    weir_channel_cancel(weir_session_outgoing(rig.session));
    assert_int_equal(tally.released, 1);
    expect_plenty(&rig);
    assert_ok(weir_scope_join(&scope));
    assert_status(flusher.status, WEIR_CLOSED);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(flush_ends_when_what_it_waits_for_is_dropped)

static int flush_after_the_end_returns_the_end_at_once(void *arg)
{
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    assert_ok(weir_close(rig.session, 1000, NULL));
    rig_expect_close(&rig, 1000);
    assert_ok(weir_flush(rig.session)); /* the kernel has all that was sent */
    rig_put_frame(&rig, 0x88, "\x03\xe8", 2);
    rig_expect_end(&rig);
    weir_stream_close(rig.wire);
    assert_status(weir_session_join(rig.session), WEIR_CLOSED);
    assert_status(weir_flush(rig.session), WEIR_CLOSED);
    weir_session_free(rig.session);
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    weir_stream_reset(rig.wire);
    rig_expect_ended(&rig, WEIR_END_IO, 0, 0);
    assert_status(weir_flush(rig.session), WEIR_SYSTEM(ECONNRESET));
    weir_session_free(rig.session);
    return WEIR_OK;
}
RUN(flush_after_the_end_returns_the_end_at_once)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_that_stops_suspends_the_sender_and_gets_all_later_),
        cmocka_unit_test(queues_of_one_frame_pass_all_in_order_),
        cmocka_unit_test(full_queue_is_reported_and_waited_for_),
        cmocka_unit_test(overflow_that_fails_can_still_be_closed_),
        cmocka_unit_test(overflow_that_drops_keeps_the_newest_),
        cmocka_unit_test(queued_bytes_are_bounded_like_frames_),
        cmocka_unit_test(incoming_overflow_drops_the_oldest_),
        cmocka_unit_test(incoming_overflow_that_fails_ends_the_session_),
        cmocka_unit_test(incoming_bytes_are_bounded_like_frames_),
        cmocka_unit_test(ping_behind_a_full_queue_waits_for_room_and_no_longer_),
        cmocka_unit_test(answer_to_our_close_is_seen_behind_a_full_queue_),
        cmocka_unit_test(every_end_wakes_all_senders_and_releases_all_frames_),
        cmocka_unit_test(flush_waits_until_the_kernel_has_it_),
        cmocka_unit_test(flush_ends_when_what_it_waits_for_is_dropped_),
        cmocka_unit_test(flush_after_the_end_returns_the_end_at_once_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
