#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <weir/parser.h>

#include <stdlib.h>
#include <string.h>

/* What a parser has reported so far: its frames, and its last status. */
struct record {
    weir_parser parser;
    size_t frames;
    weir_frame_head heads[32];
    uint8_t payload[70000]; /* all payloads, one after the other */
    size_t payload_size;
    size_t payload_ends; /* frames whose payload is whole */
    size_t eaten;
    int status;
};

static struct record *new_record(enum weir_parser_mask mask, uint64_t max_frame_size)
{
    struct record *record = calloc(1, sizeof *record);
    assert_non_null(record);
    weir_parser_init(&record->parser, mask, max_frame_size);
    record->status = WEIR_EAGAIN;
    return record;
}

static void keep_event(struct record *record, const weir_parser_event *event)
{
    if (event->kind == WEIR_PARSER_HEAD) {
        assert_true(record->frames < 32);
        record->heads[record->frames++] = event->head;
        return;
    }
    assert_true(record->payload_size + event->size <= sizeof record->payload);
    if (event->size > 0)
        memcpy(record->payload + record->payload_size, event->data, event->size);
    record->payload_size += event->size;
    record->payload_ends += event->last;
    assert_int_equal(event->last, record->parser.left == 0);
}

/* Feeds a piece in an allocation of exactly its size. */
static void feed(struct record *record, const uint8_t *bytes, size_t size)
{
    uint8_t *in = malloc(size > 0 ? size : 1);
    assert_non_null(in);
    if (size > 0)
        memcpy(in, bytes, size);
    size_t at = 0;
    weir_parser_event event;
    for (;;) {
        size_t eaten;
        record->status = weir_parser_feed(&record->parser, in + at, size - at, &eaten, &event);
        at += eaten;
        record->eaten += eaten;
        if (record->status != WEIR_OK)
            break;
        keep_event(record, &event);
    }
    free(in);
}

static void feed_chunks(struct record *record, const uint8_t *bytes, size_t size, size_t chunk)
{
    for (size_t at = 0; at < size; at += chunk)
        feed(record, bytes + at, size - at < chunk ? size - at : chunk);
}

#define BYTES(text_) (const uint8_t *)(text_), sizeof(text_) - 1

static void unmasked_hello_of_the_model(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x05Hello"));
    assert_int_equal(record->frames, 1);
    assert_int_equal(record->heads[0].type, WEIR_FRAME_TEXT);
    assert_true(record->heads[0].fin);
    assert_false(record->heads[0].masked);
    assert_int_equal(record->heads[0].size, 5);
    assert_memory_equal(record->payload, "Hello", 5);
    free(record);
}

static void masked_hello_of_the_model(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"));
    assert_true(record->heads[0].masked);
    assert_memory_equal(record->heads[0].key, "\x37\xfa\x21\x3d", 4);
    assert_int_equal(record->payload_size, 5);
    assert_memory_equal(record->payload, "Hello", 5);
    free(record);
}

static void fragments_carry_the_type_of_their_message(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    feed(record, BYTES("\x01\x01\x31\x00\x01\x32\x80\x01\x33"));
    assert_int_equal(record->frames, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(record->heads[i].type, WEIR_FRAME_TEXT);
        assert_int_equal(record->heads[i].opcode, i == 0 ? 1 : 0);
        assert_int_equal(record->heads[i].fin, i == 2);
    }
    assert_memory_equal(record->payload, "123", 3);
    assert_int_equal(record->eaten, 9);
    assert_true(weir_parser_is_between_frames(&record->parser));
    free(record);
}

static void control_frames_between_fragments_do_not_touch_their_type(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    feed(record, BYTES("\x02\x01\x31\x89\x01p\x80\x01\x33"));
    assert_int_equal(record->heads[1].type, WEIR_FRAME_PING);
    assert_int_equal(record->heads[2].type, WEIR_FRAME_BINARY);
    free(record);
}

static void a_63_bit_length_is_read_and_left_to_the_limit(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x7f\x12\x34\x56\x78\x9a\xbc\xde\xef"));
    assert_int_equal(record->frames, 1);
    assert_true(record->heads[0].size == UINT64_C(0x123456789abcdeef));
    assert_false(weir_parser_is_between_frames(&record->parser));
    free(record);
}

static void an_empty_frame_gives_one_empty_payload(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x80\x01\x02\x03\x04\x8a\x80\xff\xff\xff\xff"));
    assert_int_equal(record->frames, 2);
    assert_int_equal(record->payload_ends, 2);
    free(record);
}

static void the_keys_of_zeros_and_ones_are_ordinary(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x82\x00\x00\x00\x00Hi\x81\x82\xff\xff\xff\xff\xb7\x96"));
    assert_int_equal(record->payload_size, 4);
    assert_memory_equal(record->payload, "HiHi", 4);
    free(record);
}

/* A rule: the bytes that break it, the status, the offset of the byte that does, the rule's first
 * words. */
struct rule_case {
    const char *bytes;
    size_t size;
    int status;
    uint64_t offset;
    const char *rule;
    enum weir_parser_mask mask;
    uint64_t max_frame_size;
};

#define RULE(bytes_, offset_, rule_)                                                               \
    {                                                                                              \
        bytes_, sizeof(bytes_) - 1, WEIR_EPROTOCOL, offset_, rule_, WEIR_MASK_FORBIDDEN,           \
            WEIR_UNLIMITED                                                                         \
    }
#define RULE_SERVER(bytes_, offset_, rule_)                                                        \
    {                                                                                              \
        bytes_, sizeof(bytes_) - 1, WEIR_EPROTOCOL, offset_, rule_, WEIR_MASK_REQUIRED,            \
            WEIR_UNLIMITED                                                                         \
    }
#define TOO_BIG(bytes_, offset_, max_)                                                             \
    {                                                                                              \
        bytes_, sizeof(bytes_) - 1, WEIR_ETOOBIG, offset_, "frame over the size limit",            \
            WEIR_MASK_FORBIDDEN, max_                                                              \
    }

static const struct rule_case rules[] = {
    RULE("\x91", 0, "5.2: reserved bit"),
    RULE("\xa1", 0, "5.2: reserved bit"),
    RULE("\xc1", 0, "5.2: reserved bit"),
    RULE("\xf2", 0, "5.2: reserved bit"),
    RULE("\xc9", 0, "5.2: reserved bit"),
    RULE("\xf8", 0, "5.2: reserved bit"),
    RULE("\x83", 0, "5.2: reserved opcode"),
    RULE("\x07", 0, "5.2: reserved opcode"),
    RULE("\x8b", 0, "5.2: reserved opcode"),
    RULE("\x8f", 0, "5.2: reserved opcode"),
    RULE("\x0f", 0, "5.2: reserved opcode"),
    RULE("\x09", 0, "5.5: fragmented control"),
    RULE("\x08", 0, "5.5: fragmented control"),
    RULE("\x0a", 0, "5.5: fragmented control"),
    RULE("\x80", 0, "5.4: continuation"),
    RULE("\x00", 0, "5.4: continuation"),
    RULE("\x81\x00\x80", 2, "5.4: continuation"),
    RULE("\x01\x00\x81", 2, "5.4: new message"),
    RULE("\x02\x01x\x01", 3, "5.4: new message"),
    RULE("\x01\x00\x89\x00\x82", 4, "5.4: new message"),
    RULE("\x89\x7e", 1, "5.5: control frame longer"),
    RULE("\x8a\x7f", 1, "5.5: control frame longer"),
    RULE("\x88\x7e", 1, "5.5: control frame longer"),
    RULE("\x88\x01", 1, "5.5.1: Close payload of one"),
    RULE("\x81\x80", 1, "5.1: masked frame"),
    RULE("\x88\x81", 1, "5.1: masked frame"),
    RULE_SERVER("\x81\x05", 1, "5.1: frame from a client"),
    RULE_SERVER("\x89\x00", 1, "5.1: frame from a client"),
    RULE_SERVER("\x88\x81", 1, "5.5.1: Close payload of one"),
    RULE_SERVER("\x89\xfe", 1, "5.5: control frame longer"),
    RULE("\x81\x7e\x00\x06", 3, "5.2: length not"),
    RULE("\x81\x7e\x00\x7d", 3, "5.2: length not"),
    RULE("\x81\x7e\x00\x00", 3, "5.2: length not"),
    RULE("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 7, "5.2: length not"),
    RULE("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x06", 7, "5.2: length not"),
    RULE("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 2, "5.2: length with its top"),
    RULE("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 2, "5.2: length with its top"),
    TOO_BIG("\x81\x0b", 1, 10),
    TOO_BIG("\x81\x7d", 1, 124),
    TOO_BIG("\x81\x7e\x00\x7e", 3, 125),
    TOO_BIG("\x81\x7e\x01\x01", 3, 256),
    TOO_BIG("\x81\x7e\x02\x00", 2, 511),
    TOO_BIG("\x81\x7f\x40\x00\x00\x00\x00\x00\x00\x00", 2, UINT64_C(1) << 40),
    TOO_BIG("\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00", 7, 1000000),
    TOO_BIG("\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x01", 9, 1 << 20),
    TOO_BIG("\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x01", 9, 0), /* the default */
    TOO_BIG("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 7, 65535),
};

static void check_rule(const struct rule_case *rule, size_t chunk)
{
    struct record *record = new_record(rule->mask, rule->max_frame_size);
    uint8_t bytes[64];
    memcpy(bytes, rule->bytes, rule->size);
    memset(bytes + rule->size, 0xFF, sizeof bytes - rule->size);
    size_t size = chunk == 0 ? sizeof bytes : (size_t)rule->offset + 1;
    feed_chunks(record, bytes, size, chunk == 0 ? size : chunk);
    weir_fault fault;
    weir_parser_fault_get(&fault, &record->parser);
    if (record->status != rule->status || fault.offset != rule->offset ||
        strncmp(fault.rule, rule->rule, strlen(rule->rule)) != 0)
        fail_msg("case %zu, chunks of %zu: status %d at %llu: %s", (size_t)(rule - rules), chunk,
                 record->status, (unsigned long long)fault.offset,
                 fault.rule != NULL ? fault.rule : "no fault");
    assert_int_equal(fault.status, rule->status);
    assert_int_equal(record->eaten, rule->offset);
    feed(record, BYTES("\x81\x00"));
    assert_int_equal(record->status, rule->status);
    assert_int_equal(record->eaten, rule->offset);
    free(record);
}

static void each_rule_fails_at_the_earliest_byte_that_proves_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        check_rule(&rules[i], 0); /* with more behind it */
        check_rule(&rules[i], 64);
        check_rule(&rules[i], 1); /* when that byte is all there is */
    }
}

static void what_is_just_within_a_rule_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint64_t length;
        uint64_t max;
    } good[] = {
        {"\x81\x0a", 2, 10, 10},
        {"\x81\x7d", 2, 125, 125},
        {"\x89\x7d", 2, 125, 1}, /* control frames have a limit of their own */
        {"\x81\x7e\x00\x7e", 4, 126, 126},
        {"\x81\x7e\xff\xff", 4, 65535, 65535},
        {"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10, 65536, 65536},
        {"\x81\x7f\x00\x00\x00\x00\x00\x10\x00\x00", 10, 1 << 20, 0}, /* the default */
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", 10, INT64_MAX, WEIR_UNLIMITED},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t chunk = 1; chunk < 11; chunk += 9) {
            struct record *record = new_record(WEIR_MASK_FORBIDDEN, good[i].max);
            feed_chunks(record, (const uint8_t *)good[i].bytes, good[i].size, chunk);
            assert_int_equal(record->status, WEIR_EAGAIN);
            assert_int_equal(record->frames, 1);
            assert_true(record->heads[0].size == good[i].length);
            weir_fault fault;
            weir_parser_fault_get(&fault, &record->parser);
            assert_int_equal(fault.status, 0);
            assert_null(fault.rule);
            free(record);
        }
}

static void a_watcher_takes_either_mask_bit(void **state)
{
    (void)state;
    struct record *record = new_record(WEIR_MASK_ANY, WEIR_UNLIMITED);
    feed(record, BYTES("\x81\x02Hi\x81\x82\xff\xff\xff\xff\xb7\x96"));
    assert_int_equal(record->frames, 2);
    assert_memory_equal(record->payload, "HiHi", 4);
    free(record);
}

static void allowed_reserved_bits_stand_on_first_data_frames_alone(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int status;
    } cases[] = {
        {"\xc1\x00", 2, WEIR_EAGAIN},
        {"\x41\x00\x80\x00", 4, WEIR_EAGAIN},
        {"\x41\x00\xc0\x00", 4, WEIR_EPROTOCOL},
        {"\xc9\x00", 2, WEIR_EPROTOCOL},
        {"\xe1\x00", 2, WEIR_EPROTOCOL},
        {"\xa1\x00", 2, WEIR_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record *record = new_record(WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
        record->parser.rsv_allowed = 4;
        feed(record, (const uint8_t *)cases[i].bytes, cases[i].size);
        assert_int_equal(record->status, cases[i].status);
        if (cases[i].status == WEIR_EAGAIN)
            assert_int_equal(record->heads[0].rsv, 4);
        free(record);
    }
}

static uint32_t random_state = 7;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* A stream of frames written by the encoder, with the heads that it was given. */
static size_t make_stream(uint8_t *out, weir_frame_head *heads, size_t count, bool masked)
{
    static const uint64_t sizes[] = {0, 1, 4, 100, 125, 126, 127, 1000, 1500};
    size_t at = 0;
    uint8_t message = 0;
    for (size_t i = 0; i < count; i++) {
        weir_frame_head *head = &heads[i];
        bool control = next_random() % 4 == 0;
        *head = (weir_frame_head){.masked = masked};
        head->size = control ? 2 + next_random() % 124 : sizes[next_random() % 9];
        if (i == count / 2 && !control)
            head->size = 66000;
        head->fin = control || next_random() % 2 == 0;
        head->type = control        ? (uint8_t)(9 + next_random() % 2)
                     : message != 0 ? message
                                    : (uint8_t)(1 + next_random() % 2);
        head->opcode = !control && message != 0 ? 0 : head->type;
        if (!control)
            message = head->fin ? 0 : head->type;
        for (size_t k = 0; masked && k < 4; k++)
            head->key[k] = (uint8_t)next_random();
        at += weir_frame_head_write(out + at, head);
        for (uint64_t k = 0; k < head->size; k++)
            out[at++] = (uint8_t)next_random();
    }
    return at;
}

#define STREAM_MAX (32 * 1600 + 66100)

static void assert_heads_equal(const weir_frame_head *a, const weir_frame_head *b)
{
    assert_true(a->size == b->size);
    assert_memory_equal(a->key, b->key, 4);
    assert_int_equal(a->opcode, b->opcode);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->rsv, b->rsv);
    assert_int_equal(a->fin, b->fin);
    assert_int_equal(a->masked, b->masked);
}

static void what_is_written_is_read_the_same_however_it_is_cut(void **state)
{
    (void)state;
    uint8_t *stream = malloc(STREAM_MAX);
    assert_non_null(stream);
    for (int round = 0; round < 400; round++) {
        bool masked = round % 2 == 0;
        weir_frame_head heads[20];
        size_t count = 1 + next_random() % 20;
        size_t size = make_stream(stream, heads, count, masked);
        enum weir_parser_mask mask = masked ? WEIR_MASK_REQUIRED : WEIR_MASK_FORBIDDEN;
        if (size > 70000)
            continue;
        struct record *whole = new_record(mask, WEIR_UNLIMITED);
        feed(whole, stream, size);
        assert_int_equal(whole->frames, count);
        assert_int_equal(whole->payload_ends, count);
        for (size_t i = 0; i < count; i++)
            assert_heads_equal(&whole->heads[i], &heads[i]);
        struct record *cut = new_record(mask, WEIR_UNLIMITED);
        for (size_t at = 0; at < size;) {
            size_t chunk = 1 + next_random() % (round % 3 == 0 ? 3 : 700);
            chunk = chunk < size - at ? chunk : size - at;
            feed(cut, stream + at, chunk);
            at += chunk;
        }
        assert_int_equal(cut->frames, count);
        assert_int_equal(cut->eaten, whole->eaten);
        assert_int_equal(cut->payload_size, whole->payload_size);
        assert_memory_equal(cut->payload, whole->payload, whole->payload_size);
        for (size_t i = 0; i < count; i++)
            assert_heads_equal(&cut->heads[i], &heads[i]);
        free(whole);
        free(cut);
    }
    free(stream);
}

static void noise_gives_the_same_fault_however_it_is_cut(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t noise[64];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(next_random() & next_random() >> 4);
        noise[0] |= (uint8_t)(round % 2 != 0 ? 0x81 : 0);
        enum weir_parser_mask mask = (enum weir_parser_mask)(round % 3);
        struct record *whole = new_record(mask, 2000);
        struct record *cut = new_record(mask, 2000);
        feed(whole, noise, sizeof noise);
        feed_chunks(cut, noise, sizeof noise, 1 + next_random() % 5);
        assert_int_equal(cut->status, whole->status);
        assert_int_equal(cut->eaten, whole->eaten);
        assert_int_equal(cut->parser.rule, whole->parser.rule);
        assert_int_equal(cut->payload_size, whole->payload_size);
        assert_memory_equal(cut->payload, whole->payload, whole->payload_size);
        free(whole);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unmasked_hello_of_the_model),
        cmocka_unit_test(masked_hello_of_the_model),
        cmocka_unit_test(fragments_carry_the_type_of_their_message),
        cmocka_unit_test(control_frames_between_fragments_do_not_touch_their_type),
        cmocka_unit_test(a_63_bit_length_is_read_and_left_to_the_limit),
        cmocka_unit_test(an_empty_frame_gives_one_empty_payload),
        cmocka_unit_test(the_keys_of_zeros_and_ones_are_ordinary),
        cmocka_unit_test(each_rule_fails_at_the_earliest_byte_that_proves_it),
        cmocka_unit_test(what_is_just_within_a_rule_is_taken),
        cmocka_unit_test(a_watcher_takes_either_mask_bit),
        cmocka_unit_test(allowed_reserved_bits_stand_on_first_data_frames_alone),
        cmocka_unit_test(what_is_written_is_read_the_same_however_it_is_cut),
        cmocka_unit_test(noise_gives_the_same_fault_however_it_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
