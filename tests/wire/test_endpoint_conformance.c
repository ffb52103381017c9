/* The groups of the wire conformance list that are pure protocol (1 to 7 but for sizes). Each case
 * is tried in both roles and in four cuts: all at once, frame by frame, in pieces of 3 bytes, byte
 * by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define FRAMES_MAX 24

struct conformance_case {
    const char *name;
    const char *sent; /* what an echo sends: "81:Hello 88:1002" */
    enum weir_end_kind kind;
    struct peer_frame frames[FRAMES_MAX]; /* up to one with bits 0 and no payload */
};

#define TEXT     0x81
#define BINARY   0x82
#define CLOSE    0x88
#define PING     0x89
#define PONG     0x8A
#define TEXT_1ST 0x01
#define MORE     0x00
#define LAST     0x80

#define CLOSE_1000     FRAME(CLOSE, "\x03\xe8")
#define CLEAN(sent_)   .sent = sent_ " 88:1000", .kind = WEIR_END_CLEAN
#define NOTHING        .sent = "88:1000", .kind = WEIR_END_CLEAN
#define FAILS(sent_)   .sent = sent_ " 88:1002", .kind = WEIR_END_PROTOCOL
#define FAILS_ALONE    .sent = "88:1002", .kind = WEIR_END_PROTOCOL
#define NOT_UTF8_ALONE .sent = "88:1007", .kind = WEIR_END_PROTOCOL

#define TEN   "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define P125  FIFTY FIFTY TEN TEN "01234"
#define P126  P125 "5"

static const struct conformance_case cases[] = {
    {"1.1.1", CLEAN("81:"), {FRAME(TEXT, ""), CLOSE_1000}},
    {"1.2.1", CLEAN("82:"), {FRAME(BINARY, ""), CLOSE_1000}},
    {"1.2.2",
     CLEAN("82:\\fe\\fe\\fe\\fe\\fe"),
     {FRAME(BINARY, "\xfe\xfe\xfe\xfe\xfe"), CLOSE_1000}},
    {"2.1 empty ping", CLEAN("8a:"), {FRAME(PING, ""), CLOSE_1000}},
    {"2.2 ping with text", CLEAN("8a:Hello"), {FRAME(PING, "Hello"), CLOSE_1000}},
    {"2.3 ping with bytes",
     CLEAN("8a:\\00\\ff\\fe\\fd\\fc\\fb\\00\\ff"),
     {FRAME(PING, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), CLOSE_1000}},
    {"2.4 ping of 125", CLEAN("8a:#125/0010f236"), {FRAME(PING, P125), CLOSE_1000}},
    {"2.5 ping of 126", FAILS_ALONE, {FRAME(PING, P126), CLOSE_1000}},
    {"2.7 empty pong", NOTHING, {FRAME(PONG, ""), CLOSE_1000}},
    {"2.8 pong with payload", NOTHING, {FRAME(PONG, "unsolicited"), CLOSE_1000}},
    {"2.9 pong, then ping",
     CLEAN("8a:ping"),
     {FRAME(PONG, "unsolicited"), FRAME(PING, "ping"), CLOSE_1000}},
    {"2.10 ten pings",
     CLEAN("8a:0 8a:1 8a:2 8a:3 8a:4 8a:5 8a:6 8a:7 8a:8 8a:9"),
     {FRAME(PING, "0"), FRAME(PING, "1"), FRAME(PING, "2"), FRAME(PING, "3"), FRAME(PING, "4"),
      FRAME(PING, "5"), FRAME(PING, "6"), FRAME(PING, "7"), FRAME(PING, "8"), FRAME(PING, "9"),
      CLOSE_1000}},
    {"3.1 rsv 1", FAILS_ALONE, {FRAME(0x91, "Hello"), CLOSE_1000}},
    {"3.2 rsv 2", FAILS("81:Hello"), {FRAME(TEXT, "Hello"), FRAME(0xA1, "Hello"), FRAME(PING, "")}},
    {"3.3 rsv 3", FAILS("81:Hello"), {FRAME(TEXT, "Hello"), FRAME(0xB1, "Hello"), FRAME(PING, "")}},
    {"3.4 rsv 4", FAILS("81:Hello"), {FRAME(TEXT, "Hello"), FRAME(0xC1, "Hello"), FRAME(PING, "")}},
    {"3.5 rsv 5", FAILS_ALONE, {FRAME(0xD2, "\x00\xff\xfe\xfd"), CLOSE_1000}},
    {"3.6 rsv 6", FAILS_ALONE, {FRAME(0xE9, "Hello"), CLOSE_1000}},
    {"3.7 rsv 7", FAILS_ALONE, {FRAME(0xF8, "\x03\xe8")}},
    {"4.1.1 opcode 3", FAILS_ALONE, {FRAME(0x83, ""), CLOSE_1000}},
    {"4.1.2 opcode 4", FAILS_ALONE, {FRAME(0x84, "reserved"), CLOSE_1000}},
    {"4.1.3 opcode 5", FAILS("81:Hello"), {FRAME(TEXT, "Hello"), FRAME(0x85, ""), FRAME(PING, "")}},
    {"4.1.4 opcode 6",
     FAILS("81:Hello"),
     {FRAME(TEXT, "Hello"), FRAME(0x86, "reserved"), FRAME(PING, "")}},
    {"4.1.5 opcode 7",
     FAILS("81:Hello"),
     {FRAME(TEXT, "Hello"), FRAME(0x87, "reserved"), FRAME(PING, "")}},
    {"4.2.1 opcode 11", FAILS_ALONE, {FRAME(0x8B, ""), CLOSE_1000}},
    {"4.2.2 opcode 12", FAILS_ALONE, {FRAME(0x8C, "reserved"), CLOSE_1000}},
    {"4.2.3 opcode 13",
     FAILS("81:Hello"),
     {FRAME(TEXT, "Hello"), FRAME(0x8D, ""), FRAME(PING, "")}},
    {"4.2.4 opcode 14",
     FAILS("81:Hello"),
     {FRAME(TEXT, "Hello"), FRAME(0x8E, "reserved"), FRAME(PING, "")}},
    {"4.2.5 opcode 15",
     FAILS("81:Hello"),
     {FRAME(TEXT, "Hello"), FRAME(0x8F, "reserved"), FRAME(PING, "")}},
    {"5.1 ping in 2 fragments", FAILS_ALONE, {FRAME(0x09, "frag"), FRAME(LAST, "ment")}},
    {"5.2 pong in 2 fragments", FAILS_ALONE, {FRAME(0x0A, "frag"), FRAME(LAST, "ment")}},
    {"5.3 text in 2 fragments",
     CLEAN("81:fragment"),
     {FRAME(TEXT_1ST, "frag"), FRAME(LAST, "ment"), CLOSE_1000}},
    {"5.6 ping between",
     CLEAN("8a:ping 81:fragment"),
     {FRAME(TEXT_1ST, "frag"), FRAME(PING, "ping"), FRAME(LAST, "ment"), CLOSE_1000}},
    {"5.9 continuation of nothing",
     FAILS_ALONE,
     {FRAME(LAST, "nothing"), FRAME(TEXT, "Hello"), CLOSE_1000}},
    {"5.12 continuation of nothing, not final",
     FAILS_ALONE,
     {FRAME(MORE, "nothing"), FRAME(TEXT, "Hello"), CLOSE_1000}},
    {"5.15 continuation after a whole message",
     FAILS("81:fragment"),
     {FRAME(TEXT_1ST, "frag"), FRAME(LAST, "ment"), FRAME(MORE, "nothing"), FRAME(TEXT, "Hello")}},
    {"5.16",
     FAILS_ALONE,
     {FRAME(MORE, "nothing"), FRAME(TEXT_1ST, "frag"), FRAME(LAST, "ment"), CLOSE_1000}},
    {"5.17",
     FAILS_ALONE,
     {FRAME(LAST, "nothing"), FRAME(TEXT_1ST, "frag"), FRAME(LAST, "ment"), CLOSE_1000}},
    {"5.18 a message inside one", FAILS_ALONE, {FRAME(TEXT_1ST, "frag"), FRAME(TEXT, "ment")}},
    {"5.19 pings between five fragments",
     CLEAN("8a:one 8a:two 81:12345"),
     {FRAME(TEXT_1ST, "1"), FRAME(MORE, "2"), FRAME(PING, "one"), FRAME(MORE, "3"),
      FRAME(MORE, "4"), FRAME(PING, "two"), FRAME(LAST, "5"), CLOSE_1000}},
    {"6.1.1 empty text", CLEAN("81:"), {FRAME(TEXT, ""), CLOSE_1000}},
    {"6.1.2 three empty fragments",
     CLEAN("81:"),
     {FRAME(TEXT_1ST, ""), FRAME(MORE, ""), FRAME(LAST, ""), CLOSE_1000}},
    {"6.1.3 empty, middle, empty",
     CLEAN("81:middle"),
     {FRAME(TEXT_1ST, ""), FRAME(MORE, "middle"), FRAME(LAST, ""), CLOSE_1000}},
    {"6.2.4 characters cut over fragments",
     CLEAN("81:\\ce\\ba\\ce\\bc"),
     {FRAME(TEXT_1ST, "\xce"), FRAME(MORE, "\xba"), FRAME(MORE, "\xce"), FRAME(LAST, "\xbc"),
      CLOSE_1000}},
    {"6.3.1",
     NOT_UTF8_ALONE,
     {FRAME(TEXT, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
                  "edited")}},
    {"6.4.1 in the second fragment",
     NOT_UTF8_ALONE,
     {FRAME(TEXT_1ST, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
      FRAME(MORE, "\xf4\x90\x80\x80")}},
    {"6.4.2 at one byte",
     NOT_UTF8_ALONE,
     {FRAME(TEXT_1ST, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4"), FRAME(MORE, "\x90")}},
    {"6.6 cut character at the end of a message", NOT_UTF8_ALONE, {FRAME(TEXT, "\xce\xba\xe1")}},
    {"6.6 cut character at the end of fragments",
     NOT_UTF8_ALONE,
     {FRAME(TEXT_1ST, "\xce\xba\xe1"), FRAME(LAST, "")}},
    {"binary is not checked",
     CLEAN("82:\\ed\\a0\\80"),
     {FRAME(BINARY, "\xed\xa0\x80"), CLOSE_1000}},
    {"7.1.1", CLEAN("81:Hello"), {FRAME(TEXT, "Hello"), CLOSE_1000}},
    {"7.1.2 two closes", NOTHING, {CLOSE_1000, CLOSE_1000}},
    {"7.1.3 ping after close", NOTHING, {CLOSE_1000, FRAME(PING, "")}},
    {"7.1.4 text after close", NOTHING, {CLOSE_1000, FRAME(TEXT, "Hello")}},
    {"7.1.5 close between fragments",
     NOTHING,
     {FRAME(TEXT_1ST, "frag"), CLOSE_1000, FRAME(LAST, "ment")}},
    {"7.1 garbage after close", NOTHING, {CLOSE_1000, FRAME(0xFF, "\xff\xff")}},
    {"7.3.1 empty close", .sent = "88:", .kind = WEIR_END_CLEAN, {FRAME(CLOSE, "")}},
    {"7.3.2 close of one byte", FAILS_ALONE, {FRAME(CLOSE, "\x03")}},
    {"7.3.4 close with a reason", NOTHING, {FRAME(CLOSE, "\x03\xe8Hello World")}},
    {"7.3.5 close with a reason of 123",
     NOTHING,
     {FRAME(CLOSE, "\x03\xe8" FIFTY FIFTY TEN TEN "012")}},
    {"7.3.6 close with a reason of 124",
     FAILS_ALONE,
     {FRAME(CLOSE, "\x03\xe8" FIFTY FIFTY TEN TEN "0123")}},
    {"7.5.1 reason not UTF-8",
     NOT_UTF8_ALONE,
     {FRAME(CLOSE, "\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
                   "edited")}},
    {"7.5 reason ends inside a character", NOT_UTF8_ALONE, {FRAME(CLOSE, "\x03\xe8\xce")}},
};

static size_t count_frames(const struct conformance_case *c)
{
    size_t count = 0;
    while (count < FRAMES_MAX && c->frames[count].payload != NULL)
        count++;
    return count;
}

/* Plays a case; chunk SIZE_MAX: frame by frame. */
static void play(const struct conformance_case *c, enum weir_role role, size_t chunk)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    rig->echo = true;
    uint8_t bytes[4096];
    size_t size = 0;
    for (size_t i = 0; i < count_frames(c); i++) {
        size_t wire_size = peer_write(bytes + size, &c->frames[i], role == WEIR_ROLE_SERVER);
        if (chunk == SIZE_MAX)
            rig_feed(rig, bytes + size, wire_size);
        size += wire_size;
    }
    if (chunk != SIZE_MAX)
        rig_feed_chunks(rig, bytes, size, chunk);
    const char *sent = rig_sent(rig);
    weir_end end = rig_end(rig);
    if (strcmp(sent, c->sent) != 0 || end.kind != c->kind)
        fail_msg("%s, %s, chunks of %zd: sent \"%s\", not \"%s\"; ended %s (%s)", c->name,
                 role == WEIR_ROLE_SERVER ? "server" : "client", (ssize_t)chunk, sent, c->sent,
                 weir_end_kind_name(end.kind),
                 end.fault.rule != NULL ? end.fault.rule : "no fault");
    rig_free(rig);
}

static void play_all(enum weir_role role)
{
    static const size_t chunks[] = {0, SIZE_MAX, 3, 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++)
            play(&cases[i], role, chunks[k]);
}

static void server_holds_every_case_in_every_cut(void **state)
{
    (void)state;
    play_all(WEIR_ROLE_SERVER);
}

static void client_holds_every_case_in_every_cut(void **state)
{
    (void)state;
    play_all(WEIR_ROLE_CLIENT);
}

/* 7.7 and 7.9: every code there is. */
static void play_code(enum weir_role role, unsigned code, bool valid, size_t chunk)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    char payload[2] = {(char)(code >> 8), (char)code};
    struct peer_frame frame = FRAME_OF(CLOSE, payload, 2);
    uint8_t bytes[32];
    size_t size = peer_write(bytes, &frame, role == WEIR_ROLE_SERVER);
    rig_feed_chunks(rig, bytes, size, chunk);
    char expected[32];
    snprintf(expected, sizeof expected, "88:%u", valid ? code : 1002);
    if (strcmp(rig_sent(rig), expected) != 0)
        fail_msg("code %u: sent %s", code, rig->sent);
    assert_int_equal(rig_end(rig).kind, valid ? WEIR_END_CLEAN : WEIR_END_PROTOCOL);
    rig_free(rig);
}

static bool is_valid_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static void every_valid_close_code_is_echoed_and_every_other_is_1002(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 6000; code++) {
        play_code(WEIR_ROLE_SERVER, code, is_valid_code(code), 0);
        play_code(WEIR_ROLE_CLIENT, code, is_valid_code(code), 1);
    }
    play_code(WEIR_ROLE_SERVER, 65535, false, 0);
    play_code(WEIR_ROLE_SERVER, 59395, false, 1);
}

/* 6.5 to 6.23: single texts. */
struct utf8_case {
    const char *text;
    size_t size;
    bool valid;
};
#define GOOD(text_)                                                                                \
    {                                                                                              \
        text_, sizeof(text_) - 1, true                                                             \
    }
#define BAD(text_)                                                                                 \
    {                                                                                              \
        text_, sizeof(text_) - 1, false                                                            \
    }

static const struct utf8_case texts[] = {
    GOOD("$"),
    GOOD("\xc2\xa2"),
    GOOD("\xe2\x82\xac"),
    GOOD("\xf0\xa4\xad\xa2"),
    GOOD("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    BAD("\xce"),
    GOOD("\xce\xba"),
    BAD("\xce\xba\xe1"),
    BAD("\xce\xba\xe1\xbd"),
    GOOD("\xce\xba\xe1\xbd\xb9"),
    GOOD("\x00"),
    GOOD("\xc2\x80"),
    GOOD("\xe0\xa0\x80"),
    GOOD("\xf0\x90\x80\x80"),
    BAD("\xf8\x88\x80\x80\x80"),
    BAD("\xfc\x84\x80\x80\x80\x80"),
    GOOD("\x7f"),
    GOOD("\xdf\xbf"),
    GOOD("\xef\xbf\xbf"),
    GOOD("\xf4\x8f\xbf\xbf"),
    BAD("\xf7\xbf\xbf\xbf"),
    BAD("\xfb\xbf\xbf\xbf\xbf"),
    BAD("\xfd\xbf\xbf\xbf\xbf\xbf"),
    GOOD("\xed\x9f\xbf"),
    GOOD("\xee\x80\x80"),
    GOOD("\xef\xbf\xbd"),
    BAD("\xf4\x90\x80\x80"),
    BAD("\x80"),
    BAD("\xbf"),
    BAD("\x80\xbf"),
    BAD("\x80\xbf\x80"),
    BAD("\xc0 \xc1 \xc2 \xdf "),
    BAD("\xe0 \xef "),
    BAD("\xf0 \xf6 "),
    BAD("\xf8 "),
    BAD("\xfc "),
    BAD("\xc0"),
    BAD("\xe0\x80"),
    BAD("\xf0\x80\x80"),
    BAD("\xf8\x80\x80\x80"),
    BAD("\xfc\x80\x80\x80\x80"),
    BAD("\xdf"),
    BAD("\xef\xbf"),
    BAD("\xf7\xbf\xbf"),
    BAD("\xfb\xbf\xbf\xbf"),
    BAD("\xfd\xbf\xbf\xbf\xbf"),
    BAD("\xfe"),
    BAD("\xff"),
    BAD("\xfe\xfe\xff\xff"),
    BAD("\xc0\xaf"),
    BAD("\xe0\x80\xaf"),
    BAD("\xf0\x80\x80\xaf"),
    BAD("\xf8\x80\x80\x80\xaf"),
    BAD("\xfc\x80\x80\x80\x80\xaf"),
    BAD("\xc1\xbf"),
    BAD("\xe0\x9f\xbf"),
    BAD("\xf0\x8f\xbf\xbf"),
    BAD("\xf8\x87\xbf\xbf\xbf"),
    BAD("\xfc\x83\xbf\xbf\xbf\xbf"),
    BAD("\xc0\x80"),
    BAD("\xe0\x80\x80"),
    BAD("\xf0\x80\x80\x80"),
    BAD("\xed\xa0\x80"),
    BAD("\xed\xad\xbf"),
    BAD("\xed\xae\x80"),
    BAD("\xed\xaf\xbf"),
    BAD("\xed\xb0\x80"),
    BAD("\xed\xbe\x80"),
    BAD("\xed\xbf\xbf"),
    BAD("\xed\xa0\x80\xed\xb0\x80"),
    BAD("\xed\xaf\xbf\xed\xbf\xbf"),
    GOOD("\xef\xbf\xbe"),
    GOOD("\xf0\x9f\xbf\xbe"),
    GOOD("\xf3\xbf\xbf\xbf"),
    GOOD("\xf4\x8f\xbf\xbe"),
    GOOD("\xef\xbf\xb9"),
    GOOD("\xef\xbf\xbc"),
};

static void play_text(const struct utf8_case *text, enum weir_role role,
                      enum weir_delivery delivery, size_t chunk)
{
    struct rig *rig = rig_new(role, delivery);
    uint8_t bytes[64];
    struct peer_frame frame = FRAME_OF(TEXT, text->text, text->size);
    size_t size = peer_write(bytes, &frame, role == WEIR_ROLE_SERVER);
    rig_feed_chunks(rig, bytes, size, chunk);
    rig_read_output(rig);
    if (strcmp(rig->sent, text->valid ? "" : "88:1007") != 0)
        fail_msg("text %zu: sent \"%s\"", (size_t)(text - texts), rig->sent);
    rig_free(rig);
}

static void texts_are_utf8_or_1007(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t chunk = 0; chunk < 3; chunk++) {
            play_text(&texts[i], WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES, chunk);
            play_text(&texts[i], WEIR_ROLE_CLIENT, WEIR_DELIVER_MESSAGES, chunk);
            play_text(&texts[i], WEIR_ROLE_SERVER, WEIR_DELIVER_PIECES, chunk);
            play_text(&texts[i], WEIR_ROLE_CLIENT, WEIR_DELIVER_FRAMES, chunk);
        }
}

/* 1.1, 1.2 and 9 at their smaller sizes: every length form, in several cuts. */
static void play_size(enum weir_role role, size_t size, size_t chunk)
{
    struct rig *rig = rig_new(role, WEIR_DELIVER_MESSAGES);
    rig->echo = true;
    char *payload = malloc(size + 1);
    uint8_t *bytes = malloc(size + 14);
    assert_non_null(payload);
    assert_non_null(bytes);
    memset(payload, '*', size);
    struct peer_frame frame = FRAME_OF(TEXT, payload, size);
    rig_feed_chunks(rig, bytes, peer_write(bytes, &frame, role == WEIR_ROLE_SERVER), chunk);
    log_frame(rig->events + LOG_SIZE / 2, TEXT, (const uint8_t *)payload, size);
    assert_string_equal(rig_sent(rig), rig->events + LOG_SIZE / 2);
    assert_string_equal(rig->sent, rig->events);
    free(payload);
    free(bytes);
    rig_free(rig);
}

static void messages_of_every_length_form_are_echoed(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 300000};
    static const size_t chunks[] = {0, 997, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++) {
            play_size(WEIR_ROLE_SERVER, sizes[i], chunks[k]);
            play_size(WEIR_ROLE_CLIENT, sizes[i], chunks[k]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_holds_every_case_in_every_cut),
        cmocka_unit_test(client_holds_every_case_in_every_cut),
        cmocka_unit_test(every_valid_close_code_is_echoed_and_every_other_is_1002),
        cmocka_unit_test(texts_are_utf8_or_1007),
        cmocka_unit_test(messages_of_every_length_form_are_echoed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
