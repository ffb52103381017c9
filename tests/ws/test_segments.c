/* ctest: loops */
/* Payloads that go out without a copy, and what stands before and behind them. */
#include "support/session_rig.h"

#include <stdio.h>

#define ONWARD ((size_t)20000)

/* What is sent without a copy goes out as it came, whatever its sender made of the frame: all of
 * it, a part, or other bytes, which may be read-only. */
static int a_large_frame_may_be_changed_before_it_is_sent_on(void *arg)
{
    static const uint8_t other[ONWARD] = {'o', 't', 'h', 'e', 'r'};
    static uint8_t bytes[3 * (ONWARD + 8)];
    static uint8_t payload[ONWARD];
    struct rig rig;
    (void)arg;
    rig_open(&rig, WEIR_ROLE_SERVER, NULL);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < 3; i++) {
        const uint8_t head[8] = {0x82, 0xfe, ONWARD >> 8, ONWARD & 0xff};
        memcpy(bytes + i * (ONWARD + 8), head, sizeof head);
        memcpy(bytes + i * (ONWARD + 8) + 8, payload, ONWARD);
    }
    rig_put(&rig, bytes, sizeof bytes);
    weir_frame frame;
    for (int i = 0; i < 3; i++) {
        assert_ok(weir_receive(rig.session, &frame));
        assert_memory_equal(frame.data, payload, ONWARD);
        if (i == 1) {
            frame.data += 100;
            frame.size -= 200;
        } else if (i == 2) {
            frame.data = (uint8_t *)(uintptr_t)other;
        }
        assert_ok(weir_send(rig.session, &frame));
        assert_ok(weir_flush(rig.session));
    }
    rig_expect_frame(&rig, 0x82, payload, ONWARD);
    rig_expect_frame(&rig, 0x82, payload + 100, ONWARD - 200);
    rig_expect_frame(&rig, 0x82, other, ONWARD);
    rig_close(&rig);
    return WEIR_OK;
}
RUN(a_large_frame_may_be_changed_before_it_is_sent_on)

/* A send covers up to 16 segments. All frames come, whole and in order, whatever is sent beside
 * them. */
static int large_and_small_frames_keep_their_order(void *arg)
{
    static uint8_t payload[ONWARD];
    struct rig rig;
    char text[16];
    (void)arg;
    for (int role = 0; role < 2; role++) {
        rig_open(&rig, (enum weir_role)role, &(weir_session_options){.outgoing_capacity = 100});
        for (unsigned i = 0; i < 40; i++) {
            memset(payload, (int)i, sizeof payload);
            weir_frame large = weir_frame_binary(payload, sizeof payload - i);
            assert_ok(weir_try_send(rig.session, &large));
            int size = snprintf(text, sizeof text, "behind %u", i);
            weir_frame small = weir_frame_text(text, (size_t)size);
            assert_ok(weir_try_send(rig.session, &small));
        }
        for (unsigned i = 0; i < 40; i++) {
            memset(payload, (int)i, sizeof payload);
            rig_expect_frame(&rig, 0x82, payload, sizeof payload - i);
            int size = snprintf(text, sizeof text, "behind %u", i);
            rig_expect_frame(&rig, 0x81, text, (size_t)size);
        }
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(large_and_small_frames_keep_their_order)

/* An observer that sends while it is shown a large frame. */
static void answer_large(weir_session *session, const weir_frame *frame, void *arg)
{
    unsigned *shown = arg;
    if (frame->size != ONWARD)
        return;
    ++*shown;
    weir_frame small = weir_frame_text("from the observer", 17);
    assert_ok(weir_try_send(session, &small));
}

static int what_an_observer_sends_goes_behind_the_frame_it_is_shown(void *arg)
{
    static uint8_t payload[ONWARD];
    struct rig rig;
    (void)arg;
    for (int role = 0; role < 2; role++) {
        unsigned shown = 0;
        rig_open(&rig, (enum weir_role)role, NULL);
        assert_ok(weir_session_observe(rig.session,
                                       &(weir_observer){.frame_out = answer_large, .arg = &shown}));
        weir_frame large = weir_frame_binary(payload, sizeof payload);
        assert_ok(weir_send(rig.session, &large));
        rig_expect_frame(&rig, 0x82, payload, sizeof payload);
        rig_expect_frame(&rig, 0x81, "from the observer", 17);
        assert_int_equal(shown, 1);
        rig_close(&rig);
    }
    return WEIR_OK;
}
RUN(what_an_observer_sends_goes_behind_the_frame_it_is_shown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_frame_may_be_changed_before_it_is_sent_on_),
        cmocka_unit_test(large_and_small_frames_keep_their_order_),
        cmocka_unit_test(what_an_observer_sends_goes_behind_the_frame_it_is_shown_),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
