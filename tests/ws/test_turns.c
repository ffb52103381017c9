/* ctest: loops */
/* Messages of several senders do not mix, although the senders wait for room in the queue and run
 * again in another order than their frames were taken. */
#include "support/session_rig.h"

static uint8_t plenty[8 << 20];

/* From here on a frame queues, and the next sender waits. */
static void stop_the_peer(struct rig *rig)
{
    rig_open(rig, WEIR_ROLE_SERVER, &(weir_session_options){.outgoing_capacity = 1});
    assert_ok(weir_send_binary(rig->session, plenty, sizeof plenty));
    assert_ok(weir_sleep(1));
    assert_ok(weir_send_text(rig->session, "queued"));
}

static void expect_on_wire(struct rig *rig, uint8_t first, const char *text)
{
    rig_expect_frame(rig, first, text, strlen(text));
}

static void expect_beginning(struct rig *rig)
{
    rig_expect_frame(rig, 0x82, plenty, sizeof plenty);
    expect_on_wire(rig, 0x81, "queued");
}

static int send_twice(void *arg)
{
    struct rig *rig = arg;
    assert_ok(weir_send_text(rig->session, "one"));
    return weir_send_text(rig->session, "two");
}

static int send_fragments(void *arg)
{
    struct rig *rig = arg;
    weir_frame first = weir_frame_text("in ", 3);
    weir_frame last = weir_frame_text("pieces", 6);
    first.fin = false;
    assert_ok(weir_send(rig->session, &first));
    return weir_send(rig->session, &last);
}

static int who_runs_before_the_sender_of_a_first_fragment_waits(void *arg)
{
    struct rig rig;
    (void)arg;
    stop_the_peer(&rig);
    assert_ok(weir_go(weir_scope_current(), "twice", send_twice, &rig));
    assert_ok(weir_go(weir_scope_current(), "fragments", send_fragments, &rig));
    assert_ok(weir_sleep(1));
    expect_beginning(&rig);
    expect_on_wire(&rig, 0x81, "one");
    expect_on_wire(&rig, 0x01, "in ");
    expect_on_wire(&rig, 0x80, "pieces");
    expect_on_wire(&rig, 0x81, "two");
    rig_close(&rig);
    return WEIR_OK;
}
RUN(who_runs_before_the_sender_of_a_first_fragment_waits)

static int send_whole(void *arg)
{
    struct rig *rig = arg;
    return weir_send_text(rig->session, "whole");
}

static int send_message(void *arg)
{
    struct rig *rig = arg;
    weir_message message;
    assert_ok(weir_message_begin(&message, rig->session, WEIR_FRAME_TEXT));
    assert_ok(weir_message_write(&message, "x", 1));
    assert_ok(weir_sleep(5));
    assert_ok(weir_message_write(&message, "y", 1));
    return weir_message_end(&message);
}

static int send_behind(void *arg)
{
    struct rig *rig = arg;
    return weir_send_text(rig->session, "behind");
}

static int a_whole_frame_that_waited_lets_nobody_into_another_message(void *arg)
{
    struct rig rig;
    (void)arg;
    stop_the_peer(&rig);
    assert_ok(weir_go(weir_scope_current(), "whole", send_whole, &rig));
    assert_ok(weir_go(weir_scope_current(), "message", send_message, &rig));
    assert_ok(weir_go(weir_scope_current(), "behind", send_behind, &rig));
    assert_ok(weir_sleep(1));
    expect_beginning(&rig);
    expect_on_wire(&rig, 0x81, "whole");
    expect_on_wire(&rig, 0x01, "x");
    expect_on_wire(&rig, 0x00, "y");
    expect_on_wire(&rig, 0x80, "");
    expect_on_wire(&rig, 0x81, "behind");
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_whole_frame_that_waited_lets_nobody_into_another_message)

static int send_first(void *arg)
{
    struct rig *rig = arg;
    weir_frame first = weir_frame_text("never ", 6);
    first.fin = false;
    return weir_send(rig->session, &first);
}

static int a_first_fragment_that_was_not_taken_keeps_nobody_out(void *arg)
{
    struct rig rig;
    (void)arg;
    stop_the_peer(&rig);
    assert_status(weir_with_deadline(5, send_first, &rig), WEIR_ETIMEDOUT);
    assert_ok(weir_go(weir_scope_current(), "behind", send_behind, &rig));
    expect_beginning(&rig);
    expect_on_wire(&rig, 0x81, "behind");
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_first_fragment_that_was_not_taken_keeps_nobody_out)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_runs_before_the_sender_of_a_first_fragment_waits_),
        cmocka_unit_test(a_whole_frame_that_waited_lets_nobody_into_another_message_),
        cmocka_unit_test(a_first_fragment_that_was_not_taken_keeps_nobody_out_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
