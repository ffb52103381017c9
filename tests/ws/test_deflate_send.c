/* Which messages an endpoint compresses, and that its peer understands them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_place.h"

/* Has an endpoint of the other role read all that was sent. */
static void expect_received(struct place *place, const weir_deflate_terms *terms,
                            const char *events)
{
    enum weir_role other =
        place->rig->role == WEIR_ROLE_SERVER ? WEIR_ROLE_CLIENT : WEIR_ROLE_SERVER;
    struct place peer = open_place(other, WEIR_DELIVER_MESSAGES, terms);
    rig_feed(peer.rig, place->rig->out.data, place->rig->out.size);
    place->rig->out.size = 0;
    expect_events(&peer, events);
    close_place(&peer);
}

static uint8_t send_frame(struct place *place, weir_frame frame)
{
    size_t at = place->rig->out.size;
    assert_int_equal(weir_endpoint_send(place->rig->endpoint, &frame, &place->rig->out), WEIR_OK);
    return place->rig->out.data[at];
}

static void large_messages_are_compressed_and_small_ones_not(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'a', sizeof text);
    for (int role = 0; role < 2; role++) {
        struct place place = open_place((enum weir_role)role, WEIR_DELIVER_MESSAGES, &apart);
        weir_frame frame = weir_frame_text(text, 127);
        assert_int_equal(send_frame(&place, frame), 0x81);
        frame.compress = WEIR_COMPRESS_ALWAYS;
        assert_int_equal(send_frame(&place, frame), TEXT_CODED);
        frame = weir_frame_binary(text, 128);
        assert_int_equal(send_frame(&place, frame), BINARY_CODED);
        assert_true(place.rig->out.size < 200);
        frame.compress = WEIR_COMPRESS_NEVER;
        assert_int_equal(send_frame(&place, frame), 0x82);
        assert_int_equal(send_frame(&place, weir_frame_text(NULL, 0)), 0x81);
        frame = weir_frame_text(NULL, 0);
        frame.compress = WEIR_COMPRESS_ALWAYS;
        assert_int_equal(send_frame(&place, frame), TEXT_CODED);
        assert_int_equal(send_frame(&place, weir_frame_ping(text, 125)), 0x89);
        frame.compress = 3;
        assert_int_equal(weir_endpoint_send(place.rig->endpoint, &frame, &place.rig->out),
                         WEIR_EINVAL);
        expect_received(
            &place, &apart,
            "81:#127/ae0d0881 81:#127/ae0d0881 82:#128/13940800 82:#128/13940800 81: 81: "
            "ping");
        close_place(&place);
    }
}

static void the_least_size_is_an_option(void **state)
{
    (void)state;
    struct place place = {.rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES)};
    assert_int_equal(weir_deflate_new(&place.shared, &place.rig->memory.allocator), WEIR_OK);
    add_codec(&place, &(weir_deflate_options){.compress_min = 5}, &together);
    assert_int_equal(send_frame(&place, weir_frame_text("Hell", 4)), 0x81);
    assert_int_equal(send_frame(&place, weir_frame_text("Hello", 5)), TEXT_CODED);
    expect_received(&place, &together, "81:Hell 81:Hello");
    close_place(&place);
}

static void messages_may_all_be_too_small(void **state)
{
    (void)state;
    struct place place = {.rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES)};
    assert_int_equal(weir_deflate_new(&place.shared, &place.rig->memory.allocator), WEIR_OK);
    add_codec(&place, &(weir_deflate_options){.compress_min = (size_t)WEIR_UNLIMITED}, &together);
    static const char text[100000];
    weir_frame frame = weir_frame_binary(text, sizeof text);
    assert_false(weir_endpoint_compresses(place.rig->endpoint, &frame));
    frame.fin = false;
    assert_false(weir_endpoint_compresses(place.rig->endpoint, &frame));
    frame.compress = WEIR_COMPRESS_ALWAYS;
    assert_true(weir_endpoint_compresses(place.rig->endpoint, &frame));
    close_place(&place);
}

static void the_first_fragment_decides(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, &together);
    weir_frame frame = weir_frame_by_type(false, WEIR_FRAME_TEXT, "He", 2);
    assert_int_equal(send_frame(&place, frame), 0x41); /* more may come: it counts as large */
    assert_int_equal(send_frame(&place, weir_frame_ping("p", 1)), 0x89);
    frame.compress = WEIR_COMPRESS_NEVER;
    assert_int_equal(send_frame(&place, frame), 0x00);
    frame.fin = true;
    assert_int_equal(send_frame(&place, frame), 0x80);
    frame.fin = false;
    assert_int_equal(send_frame(&place, frame), 0x01);
    frame.compress = WEIR_COMPRESS_ALWAYS;
    frame.fin = true;
    assert_int_equal(send_frame(&place, frame), 0x80);
    expect_received(&place, &together, "ping 81:HeHeHe 81:HeHe");
    close_place(&place);
}

static void a_head_alone_is_for_what_is_not_compressed(void **state)
{
    (void)state;
    uint8_t key[4];
    char text[200];
    memset(text, 'a', sizeof text);
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &together);
    weir_frame frame = weir_frame_text(text, sizeof text);
    assert_true(weir_endpoint_compresses(place.rig->endpoint, &frame));
    assert_int_equal(weir_endpoint_send_head(place.rig->endpoint, &frame, &place.rig->out, key),
                     WEIR_EINVAL);
    frame.compress = WEIR_COMPRESS_NEVER;
    assert_false(weir_endpoint_compresses(place.rig->endpoint, &frame));
    assert_int_equal(weir_endpoint_send_head(place.rig->endpoint, &frame, &place.rig->out, key),
                     WEIR_OK);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_messages_are_compressed_and_small_ones_not),
        cmocka_unit_test(the_least_size_is_an_option),
        cmocka_unit_test(messages_may_all_be_too_small),
        cmocka_unit_test(the_first_fragment_decides),
        cmocka_unit_test(a_head_alone_is_for_what_is_not_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: built without zlib");
    return 77;
}

#endif
