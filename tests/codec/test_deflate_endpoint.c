/* Compressed messages through an endpoint: what the peer may send, what it may not, and what it
 * costs. The peer's bytes are made by plain zlib, or are constants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_place.h"

#include <zlib.h>

static void set_message_limit(struct place *place, uint64_t limit)
{
    weir_endpoint_set_limits(place->rig->endpoint, WEIR_UNLIMITED, limit);
}

/* A message as the peer compresses it; to be freed. */
static uint8_t *peer_deflate(const void *data, size_t size, size_t *coded_size)
{
    z_stream z = {0};
    size_t room = size + size / 100 + 100;
    uint8_t *out = malloc(room);
    assert_non_null(out);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    assert_int_equal(z.avail_in, 0);
    *coded_size = room - z.avail_out - 4;
    deflateEnd(&z);
    return out;
}

static void put_deflated(struct place *place, uint8_t bits, const void *data, size_t size)
{
    size_t coded_size;
    uint8_t *coded = peer_deflate(data, size, &coded_size);
    rig_peer(place->rig, bits, coded, coded_size);
    free(coded);
}

/* The conversation has ended with that code, for a rule that begins with that text. */
static void expect_broken(struct place *place, const char *close, int status, const char *rule)
{
    weir_end end = rig_end(place->rig);
    assert_string_equal(rig_sent(place->rig), close);
    assert_int_equal(end.status, status);
    assert_non_null(end.fault.rule);
    if (strncmp(end.fault.rule, rule, strlen(rule)) != 0)
        print_error("%s\n", end.fault.rule);
    assert_memory_equal(end.fault.rule, rule, strlen(rule));
}

/* --- receiving --- */

static void compressed_messages_are_delivered_as_any_other(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct place place = open_place((enum weir_role)role, WEIR_DELIVER_MESSAGES, &apart);
        rig_peer(place.rig, TEXT_CODED, HELLO, HELLO_SIZE);
        rig_peer(place.rig, BINARY_CODED, HELLO, HELLO_SIZE);
        rig_peer_text(place.rig, 0x81, "plain");
        rig_peer(place.rig, TEXT_CODED, "\0", 1); /* an empty message */
        expect_events(&place, "81:Hello 82:Hello 81:plain 81:");
        close_place(&place);
    }
}

static void context_goes_on_where_it_was_agreed(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &together);
    rig_peer(place.rig, TEXT_CODED, HELLO, HELLO_SIZE);
    rig_peer_text(place.rig, 0x81, "plain"); /* is not part of it */
    rig_peer(place.rig, TEXT_CODED, "\xf2\x00\x11\x00\x00", 5);
    expect_events(&place, "81:Hello 81:plain 81:Hello");
    close_place(&place);
    place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    rig_peer(place.rig, TEXT_CODED, HELLO, HELLO_SIZE);
    rig_peer(place.rig, TEXT_CODED, "\xf2\x00\x11\x00\x00", 5);
    expect_events(&place, "81:Hello fault");
    expect_broken(&place, "88:1007", WEIR_EPROTOCOL, "RFC 7692");
    close_place(&place);
}

static void fragments_are_joined_and_pings_between_them_answered(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    rig_peer(place.rig, 0x41, HELLO, 3);
    rig_peer_text(place.rig, 0x89, "a");
    rig_peer(place.rig, 0x00, "", 0);
    rig_peer(place.rig, 0x00, &HELLO[3], 2);
    rig_peer_text(place.rig, 0x89, "b");
    rig_peer(place.rig, 0x80, &HELLO[5], HELLO_SIZE - 5);
    expect_events(&place, "ping ping 81:Hello");
    assert_string_equal(rig_sent(place.rig), "8a:a 8a:b");
    rig_peer(place.rig, 0x41, "", 0); /* nothing of it is in the first and in the last */
    rig_peer(place.rig, 0x00, HELLO, HELLO_SIZE);
    rig_peer(place.rig, 0x80, "", 0);
    expect_events(&place, "81:Hello");
    close_place(&place);
}

static void rsv1_is_for_the_first_frame_of_a_message(void **state)
{
    (void)state;
    static const uint8_t bits[] = {0xC0, 0x40, 0xC9, 0xCA, 0xC8, 0xE1, 0xD1, 0xA0};
    for (size_t i = 0; i < sizeof bits; i++) {
        struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
        rig_peer(place.rig, 0x41, HELLO, 3);
        rig_peer(place.rig, bits[i], &HELLO[3], HELLO_SIZE - 3);
        expect_events(&place, "fault");
        expect_broken(&place, "88:1002", WEIR_EPROTOCOL, "5.2: reserved bit");
        close_place(&place);
    }
}

static void without_the_extension_rsv1_is_refused(void **state)
{
    (void)state;
    for (int delivery = 0; delivery < 3; delivery++) {
        struct rig *rig = rig_new(WEIR_ROLE_SERVER, (enum weir_delivery)delivery);
        rig_peer(rig, TEXT_CODED, HELLO, HELLO_SIZE);
        assert_string_equal(rig->events, "fault");
        assert_string_equal(rig_sent(rig), "88:1002");
        rig_free(rig);
    }
}

static void raw_frames_are_not_inflated(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES, &apart);
    rig_peer(place.rig, 0x41, HELLO, 3);
    rig_peer(place.rig, 0x80, "\xff", 1); /* compressed text is no text */
    rig_peer(place.rig, 0x81, "\xff", 1);
    expect_events(&place, "41:\\f2H\\cd 81:\\ff fault");
    expect_broken(&place, "88:1007", WEIR_EUTF8, "8.1");
    close_place(&place);
}

/* --- what breaks --- */

static void what_cannot_be_inflated_is_1007(void **state)
{
    (void)state;
    static const struct peer_frame frames[] = {
        FRAME(BINARY_CODED, "\xff\xff\xff\xff"),
        FRAME(BINARY_CODED, "\xf2\x48\xcd\xc9\xc9"),
        FRAME(BINARY_CODED, ""), /* not even the empty block */
        FRAME(TEXT_CODED, "plain text"),
    };
    for (size_t i = 0; i < 2 * sizeof frames / sizeof *frames; i++) {
        const struct peer_frame *frame = &frames[i / 2];
        struct place place =
            open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, i % 2 == 0 ? &apart : &together);
        rig_peer(place.rig, frame->bits, frame->payload, frame->size);
        expect_events(&place, "fault");
        expect_broken(&place, "88:1007", WEIR_EPROTOCOL, "RFC 7692 7.2.2");
        assert_int_equal(rig_end(place.rig).kind, WEIR_END_PROTOCOL);
        close_place(&place);
    }
}

static void text_is_checked_as_it_is_inflated(void **state)
{
    (void)state;
    uint8_t text[] = "\xce\xba\xe1\xbd\xb9\xcf\x83 \xed\xa0\x80 and so on, and so on, and so on";
    size_t coded_size;
    uint8_t *coded = peer_deflate(text, sizeof text - 1, &coded_size);
    struct place place = open_place(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, &apart);
    /* The fault is found before the message ends. */
    rig_peer(place.rig, 0x41, coded, coded_size / 2);
    expect_events(&place, "fault");
    expect_broken(&place, "88:1007", WEIR_EUTF8, "8.1: text is not UTF-8");
    close_place(&place);
    free(coded);
    place = open_place(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, &apart);
    put_deflated(&place, TEXT_CODED, text, sizeof text - 1);
    expect_broken(&place, "88:1007", WEIR_EUTF8, "8.1: text is not UTF-8");
    close_place(&place);
    place = open_place(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, &apart);
    put_deflated(&place, TEXT_CODED, text, 3);
    expect_broken(&place, "88:1007", WEIR_EUTF8, "8.1: text ends");
    close_place(&place);
    place = open_place(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, &apart);
    put_deflated(&place, BINARY_CODED, text, sizeof text - 1);
    assert_int_equal(rig_end(place.rig).kind, WEIR_END_NONE);
    close_place(&place);
}

/* Text with a wrong byte behind the limit is too big; before it, it is no text: as if the bytes
 * came one by one. */
static void the_first_that_is_wrong_decides(void **state)
{
    (void)state;
    uint8_t text[3000];
    memset(text, 'a', sizeof text);
    text[1500] = 0xff;
    for (unsigned i = 0; i < 4; i++) {
        size_t coded_size;
        uint8_t *coded = peer_deflate(text, sizeof text, &coded_size);
        struct place place =
            open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, i < 2 ? &apart : &together);
        set_message_limit(&place, i % 2 == 0 ? 1500 : 1501);
        rig_peer(place.rig, TEXT_CODED, coded, coded_size);
        assert_string_equal(rig_sent(place.rig), i % 2 == 0 ? "88:1009" : "88:1007");
        close_place(&place);
        free(coded);
    }
}

static void the_limit_is_on_what_comes_out(void **state)
{
    (void)state;
    uint8_t zeros[2000] = {0};
    uint8_t noise[1000];
    for (unsigned i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)((i * 2654435761u) >> 13);
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    set_message_limit(&place, 1000);
    put_deflated(&place, BINARY_CODED, zeros, 1000);
    put_deflated(&place, BINARY_CODED, noise, 1000); /* a frame of more bytes than the limit */
    assert_int_equal(rig_end(place.rig).kind, WEIR_END_NONE);
    put_deflated(&place, BINARY_CODED, zeros, 1001);
    expect_broken(&place, "88:1009", WEIR_ETOOBIG, "message over the size limit");
    assert_int_equal(rig_end(place.rig).kind, WEIR_END_TOO_BIG);
    close_place(&place);
}

static void the_frame_limit_is_for_what_was_compressed(void **state)
{
    (void)state;
    uint8_t noise[1001];
    for (unsigned i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)((i * 2654435761u) >> 13);
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    weir_endpoint_set_limits(place.rig->endpoint, 1000, WEIR_UNLIMITED);
    put_deflated(&place, BINARY_CODED, noise, 1000); /* does not shrink: its frame is larger */
    rig_peer(place.rig, 0x82, noise, 1000);
    assert_int_equal(rig_end(place.rig).kind, WEIR_END_NONE);
    rig_peer(place.rig, 0x82, noise, 1001);
    expect_broken(&place, "88:1009", WEIR_ETOOBIG, "frame over the size limit");
    close_place(&place);
    place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    weir_endpoint_set_limits(place.rig->endpoint, 100, WEIR_UNLIMITED);
    rig_peer(place.rig, BINARY_CODED, noise, 200);
    expect_broken(&place, "88:1009", WEIR_ETOOBIG, "frame over the size limit");
    close_place(&place);
}

/* 64 MiB in 64 KiB, with a limit of 100,000 bytes: memory is bounded by the limit, in both
 * deliveries. */
static void a_bomb_costs_at_most_the_limit(void **state)
{
    (void)state;
    size_t size = (size_t)64 << 20;
    uint8_t *zeros = calloc(size, 1);
    size_t coded_size;
    assert_non_null(zeros);
    uint8_t *coded = peer_deflate(zeros, size, &coded_size);
    free(zeros);
    assert_true(coded_size < size / 900);
    for (unsigned i = 0; i < 4; i++) {
        struct place place =
            open_place(WEIR_ROLE_SERVER, i / 2 == 0 ? WEIR_DELIVER_MESSAGES : WEIR_DELIVER_PIECES,
                       i % 2 == 0 ? &apart : &together);
        set_message_limit(&place, 100000);
        size_t before = place.rig->memory.live_bytes;
        rig_peer(place.rig, BINARY_CODED, coded, coded_size);
        expect_broken(&place, "88:1009", WEIR_ETOOBIG, "message over the size limit");
        /* The inflater with its window, and the message with room to grow. */
        assert_true(place.rig->memory.peak_bytes - before < 100000 + 150000 + 64 * 1024);
        close_place(&place);
    }
    free(coded);
}

/* --- every split --- */

static void play_split(const struct peer_frame *frames, size_t count, enum weir_delivery delivery,
                       const weir_deflate_terms *terms, size_t cut, size_t chunk, char *events)
{
    uint8_t bytes[4096];
    size_t size = 0;
    struct place place = open_place(WEIR_ROLE_SERVER, delivery, terms);
    set_message_limit(&place, 2000);
    for (size_t i = 0; i < count; i++)
        size += peer_write(bytes + size, &frames[i], true);
    if (chunk > 0) {
        rig_feed_chunks(place.rig, bytes, size, chunk);
    } else {
        rig_feed(place.rig, bytes, cut < size ? cut : size);
        if (cut < size)
            rig_feed(place.rig, bytes + cut, size - cut);
    }
    strcpy(events, place.rig->events);
    strcat(events, " | ");
    strcat(events, rig_sent(place.rig));
    close_place(&place);
}

static void any_split_gives_the_same_events(void **state)
{
    (void)state;
    uint8_t long_text[1500];
    size_t long_size;
    memset(long_text, 'x', sizeof long_text);
    uint8_t *long_coded = peer_deflate(long_text, sizeof long_text, &long_size);
    const struct peer_frame conversations[][5] = {
        {FRAME(TEXT_CODED, HELLO), FRAME(0x81, "plain"), FRAME(0x41, "\xf2\x48\xcd"),
         FRAME(0x89, "p"), FRAME(0x80, "\xc9\xc9\x07\x00")},
        {FRAME_OF(TEXT_CODED, (const char *)long_coded, long_size), FRAME(TEXT_CODED, HELLO),
         FRAME(BINARY_CODED, "\0"), FRAME(0x01, "not "), FRAME(0x80, "compressed")},
        {FRAME(TEXT_CODED, HELLO), FRAME(TEXT_CODED, "\xf2\x48\xcd"), FRAME(0x81, "unseen"),
         FRAME(0x81, "unseen"), FRAME(0x81, "unseen")},
        {FRAME(0x41, "\xf2\x48"), FRAME(0xC0, "\xcd\xc9\xc9\x07\x00"), FRAME(0x81, "unseen"),
         FRAME(0x81, "unseen"), FRAME(0x81, "unseen")},
    };
    static char whole[2 * LOG_SIZE];
    static char split[2 * LOG_SIZE];
    for (size_t i = 0; i < 2 * sizeof conversations / sizeof *conversations; i++) {
        const struct peer_frame *frames = conversations[i / 2];
        const weir_deflate_terms *terms = i % 2 == 0 ? &apart : &together;
        play_split(frames, 5, WEIR_DELIVER_MESSAGES, terms, SIZE_MAX, 0, whole);
        for (size_t cut = 1; cut < 100; cut++) {
            play_split(frames, 5, WEIR_DELIVER_MESSAGES, terms, cut, 0, split);
            assert_string_equal(split, whole);
        }
        for (size_t chunk = 1; chunk < 8; chunk++) {
            play_split(frames, 5, WEIR_DELIVER_MESSAGES, terms, 0, chunk, split);
            assert_string_equal(split, whole);
        }
    }
    free(long_coded);
}

/* --- pieces --- */

static void pieces_come_as_they_are_inflated_in_constant_memory(void **state)
{
    (void)state;
    size_t size = (size_t)8 << 20;
    uint8_t *data = malloc(size);
    size_t coded_size;
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i / 5000);
    uint8_t *coded = peer_deflate(data, size, &coded_size);
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES, &together);
    size_t before = place.rig->memory.live_bytes;
    uint8_t *bytes = malloc(coded_size + 14);
    assert_non_null(bytes);
    struct peer_frame frame = FRAME_OF(BINARY_CODED, (const char *)coded, coded_size);
    size_t wire_size = peer_write(bytes, &frame, true);
    size_t got = 0;
    weir_event event = {0};
    assert_int_equal(weir_endpoint_feed(place.rig->endpoint, bytes, wire_size, 1000), WEIR_OK);
    for (int status; (status = weir_endpoint_next(place.rig->endpoint, &event)) != WEIR_EAGAIN;) {
        assert_int_equal(status, WEIR_OK);
        assert_int_equal(event.first, got == 0);
        assert_int_equal(event.last, event.frame.fin);
        assert_true(got + event.frame.size <= size);
        if (event.frame.size > 0)
            assert_memory_equal(event.frame.data, data + got, event.frame.size);
        got += event.frame.size;
        weir_frame_release(&event.frame);
        /* The driver may move what is not consumed, at any time. */
        uint8_t *rest;
        size_t rest_size = weir_endpoint_pending_input(&rest, place.rig->endpoint);
        assert_true(rest_size > 0 || event.last);
        uint8_t *moved = malloc(rest_size + 1);
        assert_non_null(moved);
        if (rest_size > 0)
            memcpy(moved, rest, rest_size);
        weir_endpoint_move_input(place.rig->endpoint, moved);
        free(bytes);
        bytes = moved;
    }
    assert_true(event.last);
    assert_int_equal(got, size);
    assert_true(place.rig->memory.peak_bytes - before < 256 * 1024);
    free(bytes);
    free(coded);
    free(data);
    close_place(&place);
}

static void an_empty_last_piece_ends_the_message(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES, &apart);
    rig_peer(place.rig, 0x41, HELLO, HELLO_SIZE);
    rig_peer(place.rig, 0x80, "", 0);
    rig_peer(place.rig, TEXT_CODED, HELLO, HELLO_SIZE);
    rig_peer(place.rig, TEXT_CODED, "\0", 1);
    expect_events(&place, "01:Hello 81: 81:Hello 81:");
    close_place(&place);
}

/* --- memory --- */

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof text);
    for (unsigned i = 0; i < 4; i++) {
        bool passed = false;
        for (size_t fail_at = 1; !passed; fail_at++) {
            struct place place = open_place(
                WEIR_ROLE_SERVER, i / 2 == 0 ? WEIR_DELIVER_MESSAGES : WEIR_DELIVER_PIECES,
                i % 2 == 0 ? &apart : &together);
            place.rig->echo = true;
            place.rig->memory.fail_at = place.rig->memory.calls + fail_at;
            rig_peer(place.rig, 0x41, HELLO, 3);
            if (!place.rig->stopped)
                rig_peer(place.rig, 0x80, &HELLO[3], HELLO_SIZE - 3);
            if (!place.rig->stopped)
                put_deflated(&place, TEXT_CODED, text, sizeof text);
            passed = !place.rig->memory.failed;
            if (place.rig->stopped)
                assert_int_equal(rig_end(place.rig).status, WEIR_ENOMEM);
            if (passed)
                assert_false(place.rig->stopped);
            close_place(&place);
            assert_true(fail_at < 100);
        }
    }
}

static void nothing_is_held_when_all_is_told(void **state)
{
    (void)state;
    struct place place = open_place(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, &apart);
    rig_peer(place.rig, 0x41, HELLO, 3);
    rig_peer(place.rig, 0x80, &HELLO[3], HELLO_SIZE - 3);
    size_t idle_bytes = place.rig->memory.live_bytes;
    for (int i = 0; i < 10; i++) {
        rig_peer(place.rig, TEXT_CODED, HELLO, HELLO_SIZE);
        rig_peer(place.rig, 0x41, HELLO, 3);
        rig_peer(place.rig, 0x80, &HELLO[3], HELLO_SIZE - 3);
        assert_int_equal(place.rig->memory.live_bytes, idle_bytes);
    }
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_messages_are_delivered_as_any_other),
        cmocka_unit_test(context_goes_on_where_it_was_agreed),
        cmocka_unit_test(fragments_are_joined_and_pings_between_them_answered),
        cmocka_unit_test(rsv1_is_for_the_first_frame_of_a_message),
        cmocka_unit_test(without_the_extension_rsv1_is_refused),
        cmocka_unit_test(raw_frames_are_not_inflated),
        cmocka_unit_test(what_cannot_be_inflated_is_1007),
        cmocka_unit_test(text_is_checked_as_it_is_inflated),
        cmocka_unit_test(the_first_that_is_wrong_decides),
        cmocka_unit_test(the_limit_is_on_what_comes_out),
        cmocka_unit_test(the_frame_limit_is_for_what_was_compressed),
        cmocka_unit_test(a_bomb_costs_at_most_the_limit),
        cmocka_unit_test(any_split_gives_the_same_events),
        cmocka_unit_test(pieces_come_as_they_are_inflated_in_constant_memory),
        cmocka_unit_test(an_empty_last_piece_ends_the_message),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(nothing_is_held_when_all_is_told),
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
