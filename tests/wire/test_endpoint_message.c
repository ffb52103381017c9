/* What is delivered: messages, pieces, raw frames; the limits; where the bytes lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

static struct rig *open_with_limits(enum weir_role role, enum weir_delivery delivery,
                                    uint64_t max_frame, uint64_t max_message)
{
    struct rig *rig = rig_new(role, delivery);
    weir_endpoint_options options = rig_options(rig, role, delivery);
    options.max_frame_size = max_frame;
    options.max_message_size = max_message;
    rig_reopen(rig, &options);
    return rig;
}

static void assert_fault(struct rig *rig, enum weir_end_kind kind, uint64_t offset,
                         const char *rule)
{
    weir_end end = rig_end(rig);
    assert_int_equal(end.kind, kind);
    assert_string_equal(end.fault.rule, rule);
    assert_int_equal(end.fault.offset, offset);
    assert_int_equal(end.status, end.fault.status);
}

static void fragments_are_joined_around_a_ping(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        rig_peer_text(rig, 0x01, "ABC");
        rig_peer_text(rig, 0x89, "p");
        rig_peer_text(rig, 0x00, "12");
        rig_peer_text(rig, 0x80, "3");
        assert_string_equal(rig->events, "ping 81:ABC123");
        assert_string_equal(rig_sent(rig), "8a:p");
        rig_free(rig);
    }
}

/* A message that lies whole in the input is delivered there. */
static void is_a_view(enum weir_role role, enum weir_delivery delivery, size_t size)
{
    struct rig *rig = rig_new(role, delivery);
    char *payload = calloc(1, size + 1);
    uint8_t *bytes = calloc(1, size + 14);
    assert_non_null(payload);
    assert_non_null(bytes);
    memset(payload, 'x', size);
    struct peer_frame frame = FRAME_OF(0x82, payload, size);
    size_t wire_size = peer_write(bytes, &frame, role == WEIR_ROLE_SERVER);
    size_t calls = rig->memory.calls;
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, bytes, wire_size, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_ptr_equal(event.frame.data, bytes + wire_size - size);
    assert_int_equal(event.frame.size, size);
    assert_memory_equal(event.frame.data, payload, size);
    assert_null(event.frame.release);
    assert_true(event.first && event.last && event.frame.fin);
    assert_int_equal(rig->memory.calls, calls);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    free(payload);
    free(bytes);
    rig_free(rig);
}

static void a_message_whole_in_the_input_is_a_view_without_allocation(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 5, 125, 126, 65535, 65536, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int delivery = 0; delivery < 3; delivery++) {
            is_a_view(WEIR_ROLE_SERVER, (enum weir_delivery)delivery, sizes[i]);
            is_a_view(WEIR_ROLE_CLIENT, (enum weir_delivery)delivery, sizes[i]);
        }
}

static void a_message_cut_over_inputs_owns_its_bytes(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t first[] = "\x81\x05He";
    uint8_t second[] = "llo";
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, first, 4, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, second, 3, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_non_null(event.frame.release);
    memset(second, 0, sizeof second);
    weir_endpoint_free(rig->endpoint);
    rig->endpoint = NULL;
    assert_memory_equal(event.frame.data, "Hello", 5);
    weir_frame_release(&event.frame);
    rig_free(rig);
}

static void ten_messages_in_one_input_come_in_order(void **state)
{
    (void)state;
    for (int role = 0; role < 2; role++) {
        struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_MESSAGES);
        uint8_t bytes[256];
        size_t size = 0;
        for (char letter = 'a'; letter < 'k'; letter++) {
            struct peer_frame frame = FRAME_OF(0x81, &letter, 1);
            size += peer_write(bytes + size, &frame, role == WEIR_ROLE_SERVER);
        }
        rig_feed(rig, bytes, size);
        assert_string_equal(rig->events, "81:a 81:b 81:c 81:d 81:e 81:f 81:g 81:h 81:i 81:j");
        rig_free(rig);
    }
}

static void uneaten_input_can_be_moved(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t bytes[] = "\x81\x01"
                      "a\x81\x01"
                      "b\x81\x05He";
    uint8_t moved[16];
    uint8_t *rest;
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, bytes, 10, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, bytes, 1, rig->now), WEIR_ESTATE);
    assert_int_equal(weir_endpoint_pending_input(&rest, rig->endpoint), 7);
    assert_ptr_equal(rest, bytes + 3);
    memcpy(moved, rest, 7);
    memset(bytes, 0xFF, sizeof bytes);
    weir_endpoint_move_input(rig->endpoint, moved);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_memory_equal(event.frame.data, "b", 1);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    assert_int_equal(weir_endpoint_pending_input(&rest, rig->endpoint), 0);
    assert_null(rest);
    weir_endpoint_move_input(rig->endpoint, bytes);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, moved, 0, rig->now), WEIR_OK);
    rig_free(rig);
}

/* Only in the middle of the payload of a data frame that is being joined. */
static void the_room_is_where_a_message_is_joined(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t *room;
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0);
    assert_null(room);
    rig_feed(rig, "\x81\x09", 2);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0);
    rig_feed(rig, "abc", 3);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 6);
    uint8_t *begin = memcpy(room, "defghi", 6);
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, room, 6, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0); /* the input is not eaten */
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(event.frame.size, 9);
    assert_memory_equal(event.frame.data, "abcdefghi", 9);
    assert_ptr_equal(event.frame.data + 3, begin);
    weir_frame_release(&event.frame);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0);
    rig_feed(rig, "\x01\x09part", 6);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 5);
    rig_feed(rig, "-one \x89\x04pi", 9); /* a ping between fragments, and cut */
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0);
    rig_free(rig);
}

/* A piece in the room breaks a rule like one that lies elsewhere. */
static void text_is_checked_in_the_room(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    uint8_t *room;
    weir_event event;
    rig_feed(rig,
             "\x81\x09"
             "abc",
             5);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 6);
    memcpy(room, "de\xff", 3);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, room, 3, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    assert_int_equal(event.kind, WEIR_EVENT_FAULT);
    assert_int_equal(weir_endpoint_room(&room, rig->endpoint), 0);
    rig_free(rig);
}

/* One piece as "first/last:bytes". */
static void log_piece(char *log, const weir_event *event)
{
    log_text(log, event->first ? "<" : "(");
    log_payload(log, event->frame.data, event->frame.size);
    log_text(log, event->last ? ">" : ")");
    assert_int_equal(event->frame.fin, event->last);
    assert_null(event->frame.release);
}

static const char *pieces_of(struct rig *rig, const uint8_t *bytes, size_t size, size_t chunk)
{
    uint8_t in[256];
    memcpy(in, bytes, size);
    rig->events[0] = 0;
    for (size_t at = 0; at < size; at += chunk) {
        weir_event event;
        size_t part = size - at < chunk ? size - at : chunk;
        assert_int_equal(weir_endpoint_feed(rig->endpoint, in + at, part, rig->now), WEIR_OK);
        while (weir_endpoint_next(rig->endpoint, &event) == WEIR_OK)
            log_piece(rig->events, &event);
    }
    return rig->events;
}

static void pieces_come_as_they_arrive(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        size_t chunk;
        const char *pieces;
    } cases[] = {
        {"\x81\x05Hello", 7, 100, "<Hello>"},
        {"\x81\x05Hello", 7, 3, "<H)(ell)(o>"},
        {"\x81\x05Hello", 7, 2, "<He)(ll)(o>"},
        {"\x81\x00", 2, 100, "<>"},
        {"\x01\x03"
         "ABC\x00\x00\x80\x02"
         "12",
         11, 100, "<ABC)(12>"},
        {"\x01\x03"
         "ABC\x80\x00",
         7, 100, "<ABC)(>"},
        {"\x01\x00\x00\x00\x80\x00", 6, 100, "<>"},
        {"\x01\x00\x80\x02hi", 6, 100, "<hi>"},
        {"\x01\x01"
         "a\x80\x01"
         "b\x81\x01"
         "c",
         9, 100, "<a)(b><c>"},
        {"\x01\x01"
         "a\x80\x01"
         "b\x81\x01"
         "c",
         9, 1, "<a)(b><c>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_PIECES);
        assert_string_equal(
            pieces_of(rig, (const uint8_t *)cases[i].bytes, cases[i].size, cases[i].chunk),
            cases[i].pieces);
        rig_free(rig);
    }
}

static void pieces_need_no_memory_however_long_the_message(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES);
    size_t calls = rig->memory.calls;
    static const uint8_t head[] = {0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}; /* 4 GiB */
    static uint8_t chunk[1 << 20];
    weir_event event;
    rig_feed(rig, head, sizeof head);
    for (int i = 0; i < 4096; i++) {
        assert_int_equal(weir_endpoint_feed(rig->endpoint, chunk, sizeof chunk, rig->now), WEIR_OK);
        assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
        assert_int_equal(event.first, i == 0);
        assert_int_equal(event.last, i == 4095);
        assert_int_equal(event.frame.size, sizeof chunk);
        assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    }
    assert_int_equal(rig->memory.calls, calls);
    rig_free(rig);
}

static void raw_frames_come_as_on_the_wire(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 5; chunk++)
        for (int role = 0; role < 2; role++) {
            struct rig *rig = rig_new((enum weir_role)role, WEIR_DELIVER_FRAMES);
            static const struct peer_frame frames[] = {
                FRAME(0x01, "ABC"),  FRAME(0x89, "ping"), FRAME(0x00, ""),        FRAME(0x80, "3"),
                FRAME(0x8A, "pong"), FRAME(0x82, "bin"),  FRAME(0x88, "\x03\xe8")};
            uint8_t bytes[256];
            size_t size = 0;
            for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
                size += peer_write(bytes + size, &frames[i], role == WEIR_ROLE_SERVER);
            rig_feed_chunks(rig, bytes, size, chunk);
            assert_string_equal(rig->events, "01:ABC 89:ping 01: 81:3 8a:pong 82:bin 88:1000");
            assert_string_equal(rig_sent(rig), "");
            rig_free(rig);
        }
}

static void a_raw_control_frame_cut_over_inputs_owns_its_bytes(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_FRAMES);
    uint8_t first[] = "\x89\x05He";
    uint8_t second[] = "llo\x89\x01x";
    weir_event event;
    assert_int_equal(weir_endpoint_feed(rig->endpoint, first, 4, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, second, 6, rig->now), WEIR_OK);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_OK);
    weir_event other;
    assert_int_equal(weir_endpoint_next(rig->endpoint, &other), WEIR_OK);
    assert_memory_equal(event.frame.data, "Hello", 5);
    weir_frame_release(&event.frame);
    rig_free(rig);
}

static void the_frame_limit_is_held_before_any_payload(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x81\x7e\x04\x00";
    struct rig *rig = open_with_limits(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, 1023, 0);
    rig_feed(rig, bytes, 4);
    assert_string_equal(rig->events, "fault");
    assert_string_equal(rig_sent(rig), "88:1009");
    assert_fault(rig, WEIR_END_TOO_BIG, 2, "frame over the size limit");
    assert_int_equal(rig_end(rig).status, WEIR_ETOOBIG);
    rig_free(rig);
}

static void the_message_limit_counts_over_fragments(void **state)
{
    (void)state;
    char payload[1024] = {0};
    for (int delivery = WEIR_DELIVER_MESSAGES; delivery <= WEIR_DELIVER_PIECES; delivery++) {
        struct rig *rig =
            open_with_limits(WEIR_ROLE_SERVER, (enum weir_delivery)delivery, 1025, 2 * 1024);
        rig_peer(rig, 0x02, payload, 1024);
        rig_peer(rig, 0x80, payload, 1024);
        assert_string_equal(rig_sent(rig), "");
        rig_peer(rig, 0x02, payload, 1024);
        rig_peer(rig, 0x00, payload, 1024);
        rig_peer(rig, 0x80, payload, 1);
        assert_string_equal(rig_sent(rig), "88:1009");
        /* Four headers with their payloads, and the fifth header. */
        assert_fault(rig, WEIR_END_TOO_BIG, 4 * (1024 + 8) + 6, "message over the size limit");
        rig_free(rig);
    }
}

static void a_whole_message_over_the_message_limit_is_too_big(void **state)
{
    (void)state;
    for (int delivery = 0; delivery < 3; delivery++) {
        struct rig *rig = open_with_limits(WEIR_ROLE_CLIENT, (enum weir_delivery)delivery, 100, 10);
        rig_peer_text(rig, 0x81, "0123456789");
        assert_string_equal(rig_sent(rig), "");
        rig_peer_text(rig, 0x81, "0123456789a");
        assert_string_equal(rig_sent(rig), delivery == WEIR_DELIVER_FRAMES ? "" : "88:1009");
        rig_free(rig);
    }
}

static void the_default_limits_are_1_mib(void **state)
{
    (void)state;
    static const uint8_t good[] = "\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00";
    static const uint8_t bad[] = "\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01";
    struct rig *rig = open_with_limits(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, 0, 0);
    rig_feed(rig, good, 10);
    assert_string_equal(rig->events, "");
    rig_free(rig);
    rig = open_with_limits(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, 0, 0);
    rig_feed(rig, bad, 10);
    assert_string_equal(rig->events, "fault");
    rig_free(rig);
}

static void limits_can_be_changed_between_frames(void **state)
{
    (void)state;
    struct rig *rig = open_with_limits(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, 10, 10);
    weir_endpoint_set_limits(rig->endpoint, 20, 20);
    rig_peer_text(rig, 0x81, "0123456789abcdef");
    assert_string_equal(rig->events, "81:0123456789abcdef");
    rig_peer_text(rig, 0x01, "0123456789abcdef");
    weir_endpoint_set_limits(rig->endpoint, 10, 10);
    rig_peer_text(rig, 0x80, "");
    assert_string_equal(rig_sent(rig), "88:1009");
    rig_free(rig);
}

static void a_promised_length_costs_nothing(void **state)
{
    (void)state;
    static const uint8_t head[] = "\x82\x7f\x3f\xff\xff\xff\xff\xff\xff\xff";
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    rig->memory.largest = 0;
    rig_feed(rig, head, 10);
    rig_feed(rig, "abc", 3);
    assert_true(rig->memory.largest < 1024);
    assert_int_equal(rig_end(rig).kind, WEIR_END_NONE);
    rig_free(rig);
}

static void a_length_beyond_the_address_space_is_out_of_memory(void **state)
{
    (void)state;
    static const uint8_t head[] = "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
    rig_feed(rig, head, 10);
    assert_int_equal(rig_feed(rig, "abc", 3), WEIR_ENOMEM);
    assert_string_equal(rig_sent(rig), "88:1011");
    rig_free(rig);
}

static void an_idle_endpoint_holds_nothing_but_itself(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    size_t idle = rig->memory.live_bytes;
    rig_peer_text(rig, 0x89, "ping");
    assert_int_equal(rig->memory.live_bytes, idle);
    rig_peer_text(rig, 0x01, "frag");
    assert_true(rig->memory.live_bytes > idle);
    rig_peer_text(rig, 0x80, "ment");
    assert_int_equal(rig->memory.live_bytes, idle);
    rig_peer_text(rig, 0x8A, "unasked");
    assert_int_equal(rig->memory.live_bytes, idle);
    rig_free(rig);
}

static void text_fails_at_its_first_impossible_byte_in_every_delivery(void **state)
{
    (void)state;
    static const uint8_t whole[] = "\x81\x0a"
                                   "abc\xce\xba\xed\xa0"
                                   "def";
    for (int delivery = 0; delivery < 3; delivery++)
        for (size_t chunk = 0; chunk < 4; chunk++) {
            struct rig *rig = rig_new(WEIR_ROLE_CLIENT, (enum weir_delivery)delivery);
            size_t size = chunk == 0 ? 12 : 9; /* with more behind the wrong byte, and without */
            rig_feed_chunks(rig, whole, size, chunk);
            assert_string_equal(rig_sent(rig), "88:1007");
            assert_fault(rig, WEIR_END_PROTOCOL, 8, "8.1: text is not UTF-8");
            assert_int_equal(rig_end(rig).status, WEIR_EUTF8);
            rig_free(rig);
        }
}

static void text_that_ends_inside_a_character_fails_at_its_end(void **state)
{
    (void)state;
    static const uint8_t whole[] = "\x81\x04"
                                   "abc\xce";
    static const uint8_t parts[] = "\x01\x04"
                                   "abc\xce\x80\x00";
    for (size_t chunk = 0; chunk < 4; chunk++) {
        struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
        rig_feed_chunks(rig, whole, 6, chunk);
        assert_fault(rig, WEIR_END_PROTOCOL, 6, "8.1: text ends inside a character");
        rig_free(rig);
        rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
        rig_feed_chunks(rig, parts, 8, chunk);
        assert_fault(rig, WEIR_END_PROTOCOL, 8, "8.1: text ends inside a character");
        rig_free(rig);
    }
}

static void a_close_fails_at_its_first_impossible_byte(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint64_t offset;
        const char *rule;
    } cases[] = {
        {"\x88\x02\xe8\x03", 4, 2, "7.4: close code that may not be sent"},
        {"\x88\x02\x00\x00", 4, 2, "7.4: close code that may not be sent"},
        {"\x88\x02\x03\xed", 4, 3, "7.4: close code that may not be sent"},
        {"\x88\x05\x03\xe8"
         "a\xff"
         "b",
         7, 5, "5.5.1: close reason is not UTF-8"},
        {"\x88\x03\x03\xe8\xce", 5, 5, "5.5.1: close reason is not UTF-8"},
        {"\x88\x01", 2, 1, "5.5.1: Close payload of one byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t chunk = 0; chunk < 4; chunk++) {
            struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
            rig_feed_chunks(rig, (const uint8_t *)cases[i].bytes, cases[i].size, chunk);
            assert_string_equal(rig->events, "fault");
            assert_fault(rig, WEIR_END_PROTOCOL, cases[i].offset, cases[i].rule);
            rig_free(rig);
        }
}

static void a_close_between_text_fragments_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 4; chunk++) {
        struct rig *rig = rig_new(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
        static const uint8_t bytes[] = "\x01\x01\xce\x88\x04\x03\xe8\xc3\xa4";
        rig_feed_chunks(rig, bytes, 9, chunk);
        assert_string_equal(rig->events, "close");
        assert_string_equal(rig_end(rig).theirs.message, "\xc3\xa4");
        rig_free(rig);
    }
}

static void a_change_of_delivery_counts_from_the_next_message(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    rig_peer_text(rig, 0x01, "a");
    weir_endpoint_set_delivery(rig->endpoint, WEIR_DELIVER_PIECES);
    rig_peer_text(rig, 0x80, "b");
    assert_string_equal(rig->events, "81:ab");
    rig_peer_text(rig, 0x01, "c");
    weir_endpoint_set_delivery(rig->endpoint, WEIR_DELIVER_FRAMES);
    rig_peer_text(rig, 0x89, "p");
    rig_peer_text(rig, 0x80, "d");
    assert_string_equal(rig->events, "81:ab 01:c ping 81:d");
    rig_peer_text(rig, 0x89, "q");
    assert_string_equal(rig->events, "81:ab 01:c ping 81:d 89:q");
    assert_string_equal(rig_sent(rig), "8a:p");
    rig_free(rig);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    weir_endpoint *endpoint;
    weir_endpoint_options options = rig_options(rig, WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    options.random = NULL;
    assert_int_equal(weir_endpoint_new(&endpoint, &options, 0), WEIR_EINVAL);
    assert_null(endpoint);
    options = rig_options(rig, (enum weir_role)2, WEIR_DELIVER_MESSAGES);
    assert_int_equal(weir_endpoint_new(&endpoint, &options, 0), WEIR_EINVAL);
    options = rig_options(rig, WEIR_ROLE_SERVER, (enum weir_delivery)3);
    assert_int_equal(weir_endpoint_new(&endpoint, &options, 0), WEIR_EINVAL);
    weir_endpoint_free(NULL);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_are_joined_around_a_ping),
        cmocka_unit_test(a_message_whole_in_the_input_is_a_view_without_allocation),
        cmocka_unit_test(a_message_cut_over_inputs_owns_its_bytes),
        cmocka_unit_test(ten_messages_in_one_input_come_in_order),
        cmocka_unit_test(the_room_is_where_a_message_is_joined),
        cmocka_unit_test(text_is_checked_in_the_room),
        cmocka_unit_test(uneaten_input_can_be_moved),
        cmocka_unit_test(pieces_come_as_they_arrive),
        cmocka_unit_test(pieces_need_no_memory_however_long_the_message),
        cmocka_unit_test(raw_frames_come_as_on_the_wire),
        cmocka_unit_test(a_raw_control_frame_cut_over_inputs_owns_its_bytes),
        cmocka_unit_test(the_frame_limit_is_held_before_any_payload),
        cmocka_unit_test(the_message_limit_counts_over_fragments),
        cmocka_unit_test(a_whole_message_over_the_message_limit_is_too_big),
        cmocka_unit_test(the_default_limits_are_1_mib),
        cmocka_unit_test(limits_can_be_changed_between_frames),
        cmocka_unit_test(a_promised_length_costs_nothing),
        cmocka_unit_test(a_length_beyond_the_address_space_is_out_of_memory),
        cmocka_unit_test(an_idle_endpoint_holds_nothing_but_itself),
        cmocka_unit_test(text_fails_at_its_first_impossible_byte_in_every_delivery),
        cmocka_unit_test(text_that_ends_inside_a_character_fails_at_its_end),
        cmocka_unit_test(a_close_fails_at_its_first_impossible_byte),
        cmocka_unit_test(a_close_between_text_fragments_has_a_text_of_its_own),
        cmocka_unit_test(a_change_of_delivery_counts_from_the_next_message),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
