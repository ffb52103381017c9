/* However a stream is cut, an endpoint delivers, sends and ends the same. Thousands of streams are
 * made from seeds, good ones and broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define STREAM_MAX 16384
#define SEEDS      4000

struct stream {
    uint32_t random;
    uint8_t bytes[STREAM_MAX];
    size_t size;
};

static uint32_t draw(struct stream *stream, uint32_t below)
{
    stream->random = stream->random * 1664525u + 1013904223u;
    return (stream->random >> 8) % below;
}

static void add_frame(struct stream *stream, unsigned bits, const char *payload, size_t size,
                      bool masked)
{
    struct peer_frame frame = FRAME_OF((uint8_t)bits, payload, size);
    if (stream->size + size + 14 < STREAM_MAX)
        stream->size += peer_write(stream->bytes + stream->size, &frame, masked);
}

static void add_control(struct stream *stream, bool masked)
{
    char payload[125];
    size_t size = draw(stream, 4) == 0 ? 125 : draw(stream, 12);
    memset(payload, 'p', sizeof payload);
    add_frame(stream, 0x89 + draw(stream, 2), payload, size, masked);
}

/* Text whose characters may be cut by fragments. */
static size_t make_text(struct stream *stream, char *out, size_t size)
{
    static const char *const parts[] = {"a", "plain text ", "\xc3\xa4", "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80"};
    size_t at = 0;
    while (at + 12 < size) {
        const char *part = parts[draw(stream, 5)];
        memcpy(out + at, part, strlen(part));
        at += strlen(part);
    }
    return at;
}

static void add_message(struct stream *stream, bool masked)
{
    char text[1400];
    static const size_t sizes[] = {0, 13, 40, 138, 140, 1300};
    size_t size = make_text(stream, text, sizes[draw(stream, 6)]);
    unsigned type = 1 + draw(stream, 2);
    bool first = true;
    size_t at = 0;
    do {
        size_t part = draw(stream, 3) == 0 ? size - at : draw(stream, (uint32_t)(size - at) + 1);
        bool fin = at + part == size && draw(stream, 3) != 0;
        add_frame(stream, (fin ? 0x80 : 0) | (first ? type : 0), text + at, part, masked);
        first = false;
        at += part;
        if (draw(stream, 4) == 0)
            add_control(stream, masked);
        if (fin)
            return;
    } while (at < size);
    add_frame(stream, 0x80 | (first ? type : 0), "", 0, masked);
}

static void make_stream(struct stream *stream, uint32_t seed, bool masked)
{
    *stream = (struct stream){.random = seed};
    for (uint32_t count = 1 + draw(stream, 8); count > 0; count--) {
        if (draw(stream, 3) == 0)
            add_control(stream, masked);
        else
            add_message(stream, masked);
    }
    if (draw(stream, 2) == 0)
        add_frame(stream, 0x88,
                  "\x03\xe8"
                  "bye",
                  draw(stream, 2) == 0 ? 5 : 2, masked);
    if (draw(stream, 3) == 0)
        add_message(stream, masked);
    for (uint32_t count = draw(stream, 4) == 0 ? 1 + draw(stream, 3) : 0; count > 0; count--)
        stream->bytes[draw(stream, (uint32_t)stream->size)] = (uint8_t)draw(stream, 256);
}

/* Pieces are joined before they are logged. */
static void log_joined(struct rig *rig, const weir_event *event, char *joined, size_t *size)
{
    if (event->kind != WEIR_EVENT_FRAME) {
        log_event(rig, event);
        return;
    }
    assert_int_equal(event->first, *size == SIZE_MAX);
    if (event->first)
        *size = 0;
    assert_true(*size + event->frame.size <= STREAM_MAX);
    if (event->frame.size > 0)
        memcpy(joined + *size, event->frame.data, event->frame.size);
    *size += event->frame.size;
    if (!event->last)
        return;
    log_frame(rig->events, 0x80u | event->frame.type, (const uint8_t *)joined, *size);
    *size = SIZE_MAX;
}

/* Puts a part of the stream where the endpoint asks for it, if it does; *part may then get smaller.
 * *own: to be freed. */
static uint8_t *place(const struct rig *rig, const uint8_t *bytes, size_t *part, uint8_t **own)
{
    uint8_t *room;
    size_t size = weir_endpoint_room(&room, rig->endpoint);
    assert_int_equal(size == 0, room == NULL);
    *own = size == 0 ? malloc(*part) : NULL;
    assert_true(size > 0 || *own != NULL);
    if (size > 0 && size < *part)
        *part = size;
    return memcpy(size > 0 ? room : *own, bytes, *part);
}

static struct rig *play(struct stream *stream, enum weir_role role, enum weir_delivery delivery,
                        uint32_t longest)
{
    static char joined[STREAM_MAX];
    size_t joined_size = SIZE_MAX;
    struct rig *rig = rig_new(role, delivery);
    weir_endpoint_options options = rig_options(rig, role, delivery);
    options.max_frame_size = 4000;
    options.max_message_size = 2000;
    rig_reopen(rig, &options);
    for (size_t at = 0; at < stream->size;) {
        size_t part = longest == 0 ? stream->size : 1 + draw(stream, longest);
        part = part < stream->size - at ? part : stream->size - at;
        uint8_t *own;
        uint8_t *in = place(rig, stream->bytes + at, &part, &own);
        assert_int_equal(weir_endpoint_feed(rig->endpoint, in, part, rig->now), WEIR_OK);
        weir_event event;
        while (weir_endpoint_next(rig->endpoint, &event) == WEIR_OK) {
            if (delivery == WEIR_DELIVER_PIECES)
                log_joined(rig, &event, joined, &joined_size);
            else
                log_event(rig, &event);
            weir_frame_release(&event.frame);
            assert_int_equal(weir_endpoint_flush(rig->endpoint, rig->now, &rig->out), WEIR_OK);
        }
        free(own);
        at += part;
    }
    rig_read_output(rig);
    return rig;
}

static void compare(const struct rig *a, const struct rig *b, uint32_t seed)
{
    weir_end end_a = rig_end(a);
    weir_end end_b = rig_end(b);
    if (strcmp(a->events, b->events) != 0 || strcmp(a->sent, b->sent) != 0 ||
        end_a.kind != end_b.kind || end_a.fault.offset != end_b.fault.offset ||
        end_a.fault.rule != end_b.fault.rule)
        fail_msg("seed %u:\n%s\n%s\nsent\n%s\n%s\nfault %llu %s / %llu %s", seed, a->events,
                 b->events, a->sent, b->sent, (unsigned long long)end_a.fault.offset,
                 end_a.fault.rule != NULL ? end_a.fault.rule : "none",
                 (unsigned long long)end_b.fault.offset,
                 end_b.fault.rule != NULL ? end_b.fault.rule : "none");
}

static void any_cut(enum weir_role role, enum weir_delivery delivery)
{
    static struct stream stream;
    static const uint32_t longest[] = {1, 4, 60, 1500};
    size_t faults = 0;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        make_stream(&stream, seed, role == WEIR_ROLE_SERVER);
        struct rig *whole = play(&stream, role, delivery, 0);
        struct rig *cut = play(&stream, role, delivery, longest[seed % 4]);
        compare(whole, cut, seed);
        faults += rig_end(whole).fault.rule != NULL;
        rig_free(whole);
        rig_free(cut);
    }
    /* The seeds must give both kinds of streams. */
    assert_true(faults > SEEDS / 20 && faults < SEEDS / 2);
}

static void server_messages_are_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
}

static void client_messages_are_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES);
}

static void server_pieces_join_to_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES);
}

static void client_pieces_join_to_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_CLIENT, WEIR_DELIVER_PIECES);
}

static void server_frames_are_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_SERVER, WEIR_DELIVER_FRAMES);
}

static void client_frames_are_the_same_in_any_cut(void **state)
{
    (void)state;
    any_cut(WEIR_ROLE_CLIENT, WEIR_DELIVER_FRAMES);
}

/* Messages, and pieces that are joined, must be the same. */
static void pieces_join_to_the_messages(void **state)
{
    (void)state;
    static struct stream stream;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        make_stream(&stream, seed, true);
        struct rig *messages = play(&stream, WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, 0);
        struct rig *pieces = play(&stream, WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES, 50);
        compare(messages, pieces, seed);
        rig_free(messages);
        rig_free(pieces);
    }
}

/* One endpoint takes what the other sends: a client and a server echo to each other in random
 * cuts. */
static void what_one_role_sends_the_other_takes(void **state)
{
    (void)state;
    static struct stream stream;
    for (uint32_t seed = 1; seed <= 500; seed++) {
        enum weir_role role = seed % 2 == 0 ? WEIR_ROLE_SERVER : WEIR_ROLE_CLIENT;
        struct rig *sender = rig_new(role, WEIR_DELIVER_FRAMES);
        struct rig *taker = rig_new(role == WEIR_ROLE_SERVER ? WEIR_ROLE_CLIENT : WEIR_ROLE_SERVER,
                                    WEIR_DELIVER_FRAMES);
        make_stream(&stream, seed, role == WEIR_ROLE_SERVER);
        sender->echo = true;
        rig_feed(sender, stream.bytes, stream.size);
        for (size_t at = 0; at < sender->out.size;) {
            size_t part = 1 + draw(&stream, 300);
            part = part < sender->out.size - at ? part : sender->out.size - at;
            rig_feed(taker, sender->out.data + at, part);
            at += part;
        }
        sender->out.size = 0;
        /* Only the sender knows of a fault of the stream; its Close has the code. */
        if (rig_end(sender).fault.rule == NULL)
            assert_string_equal(taker->events, sender->events);
        assert_null(rig_end(taker).fault.rule);
        rig_free(sender);
        rig_free(taker);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_messages_are_the_same_in_any_cut),
        cmocka_unit_test(client_messages_are_the_same_in_any_cut),
        cmocka_unit_test(server_pieces_join_to_the_same_in_any_cut),
        cmocka_unit_test(client_pieces_join_to_the_same_in_any_cut),
        cmocka_unit_test(server_frames_are_the_same_in_any_cut),
        cmocka_unit_test(client_frames_are_the_same_in_any_cut),
        cmocka_unit_test(pieces_join_to_the_messages),
        cmocka_unit_test(what_one_role_sends_the_other_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
