/* The parser: however a stream is cut, it gives the same headers, payloads and fault, and never
 * reads outside its input. */
#include "support/fuzz.h"

#include <weir/parser.h>

#include <stdlib.h>

static void log_head(weir_buffer *log, const weir_frame_head *head)
{
    fuzz_log(log, "head", 4);
    fuzz_log_number(log, head->size);
    fuzz_log(log, head->key, 4);
    const uint8_t bits[] = {head->opcode, head->type, head->rsv, head->fin, head->masked};
    fuzz_log(log, bits, sizeof bits);
}

/* Pieces of a payload are joined; *open: one has begun. */
static void log_payload(weir_buffer *log, const weir_parser_event *event, bool *open)
{
    FUZZ_CHECK(event->first == !*open);
    fuzz_log(log, event->data, event->size);
    if (event->last)
        fuzz_log(log, "last", 4);
    *open = !event->last;
}

/* Feeds one piece; returns the last status. */
static int feed(weir_parser *parser, uint8_t *in, size_t size, weir_buffer *log, bool *open)
{
    for (size_t at = 0;;) {
        weir_parser_event event;
        size_t eaten;
        uint64_t before = parser->offset;
        int status = weir_parser_feed(parser, in + at, size - at, &eaten, &event);
        FUZZ_CHECK(eaten <= size - at && parser->offset == before + eaten);
        FUZZ_CHECK(status != WEIR_EAGAIN || at + eaten == size);
        if (status != WEIR_OK)
            return status;
        if (event.kind == WEIR_PARSER_HEAD) {
            log_head(log, &event.head);
        } else {
            FUZZ_CHECK(event.data == in + at && event.size == eaten);
            log_payload(log, &event, open);
        }
        at += eaten;
    }
}

static void run(weir_parser parser, const struct fuzz_input *input, uint8_t seed, weir_buffer *log)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    int status = WEIR_EAGAIN;
    bool open = false;
    for (size_t at = 0; at < input->size && status == WEIR_EAGAIN;) {
        size_t part = fuzz_next_cut(&cuts, input->size - at);
        uint8_t *in = fuzz_copy(input->data + at, part);
        status = feed(&parser, in, part, log, &open);
        free(in);
        at += part;
    }
    weir_fault fault;
    weir_parser_fault_get(&fault, &parser);
    FUZZ_CHECK(fault.status == (status == WEIR_EAGAIN ? WEIR_OK : status));
    fuzz_log_number(log, (uint64_t)(uint32_t)status);
    fuzz_log_number(log, parser.offset);
    fuzz_log_number(log, (uintptr_t)fault.rule);
    fuzz_log_number(log, weir_parser_is_between_frames(&parser));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t mode = fuzz_take(&input);
    uint8_t seed = fuzz_take(&input);
    weir_parser parser;
    weir_buffer whole = {0};
    weir_buffer cut = {0};
    weir_parser_init(&parser, (enum weir_parser_mask)(mode % 3),
                     (mode & 0x80) != 0 ? 300 : WEIR_UNLIMITED);
    parser.rsv_allowed = mode >> 4 & 7;
    run(parser, &input, 0, &whole);
    run(parser, &input, seed | 1, &cut);
    fuzz_compare(&whole, &cut);
    return 0;
}
