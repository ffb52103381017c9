/* Frames through the serializer, written into rooms of any size, and through the parser, are the
 * same. */
#include "support/fuzz.h"

#include <weir/parser.h>
#include <weir/serializer.h>

#include <stdlib.h>

#define QUEUE 8

struct trip {
    weir_serializer serializer;
    weir_parser parser;
    struct fuzz_cuts cuts;
    weir_buffer sent;     /* what was queued */
    weir_buffer received; /* what came out of the parser */
    uint8_t message;      /* type of the message in progress */
};

static void log_frame(weir_buffer *log, uint8_t type, uint8_t rsv, bool fin, uint64_t size)
{
    const uint8_t bits[] = {type, rsv, fin};
    fuzz_log(log, bits, sizeof bits);
    fuzz_log_number(log, size);
}

static void take(struct trip *trip, uint8_t *in, size_t size)
{
    for (size_t at = 0, eaten;; at += eaten) {
        weir_parser_event event;
        int status = weir_parser_feed(&trip->parser, in + at, size - at, &eaten, &event);
        FUZZ_CHECK(status == WEIR_OK || status == WEIR_EAGAIN);
        if (status == WEIR_EAGAIN)
            return;
        if (event.kind == WEIR_PARSER_HEAD)
            log_frame(&trip->received, event.head.type, event.head.rsv, event.head.fin,
                      event.head.size);
        else
            fuzz_log(&trip->received, event.data, event.size);
    }
}

/* Writes until so much room is used up. */
static void write_some(struct trip *trip, size_t room)
{
    while (room > 0 && weir_serializer_has_outstanding(&trip->serializer)) {
        size_t part = fuzz_next_cut(&trip->cuts, room);
        uint8_t *out = malloc(part);
        FUZZ_CHECK(out != NULL);
        size_t written = weir_serializer_write(&trip->serializer, out, part);
        FUZZ_CHECK(written <= part);
        FUZZ_CHECK(written == part || !weir_serializer_has_outstanding(&trip->serializer));
        take(trip, out, written);
        free(out);
        room -= part;
    }
}

/* Whether the rules let this frame be queued behind those before. */
static bool is_allowed(const struct trip *trip, const weir_frame *frame)
{
    if (weir_frame_type_from_opcode(frame->type) < 0 || frame->rsv > 7)
        return false;
    if (weir_frame_type_is_control((enum weir_frame_type)frame->type))
        return frame->fin && frame->size <= 125;
    return trip->message == 0 || trip->message == frame->type;
}

static void note_queued(struct trip *trip, const weir_frame *frame)
{
    bool control = weir_frame_type_is_control((enum weir_frame_type)frame->type);
    log_frame(&trip->sent, frame->type, frame->rsv, frame->fin, frame->size);
    fuzz_log(&trip->sent, frame->data, frame->size);
    if (!control)
        trip->message = frame->fin ? 0 : frame->type;
}

static void queue(struct trip *trip, struct fuzz_input *input)
{
    uint8_t bits = fuzz_take(input);
    size_t wanted = fuzz_take(input);
    if ((bits & 0x20) != 0)
        wanted *= 300; /* beyond the limits of each form of a length */
    size_t size = wanted < input->size ? wanted : input->size;
    if ((bits & 15) == WEIR_FRAME_CLOSE && size == 1)
        size = 0; /* a Close of one byte is written, and refused by the parser */
    weir_frame frame = {.type = bits & 15, .fin = (bits & 0x80) != 0, .size = size};
    if (trip->parser.rsv_allowed == 7 && trip->message == 0 && (bits & 8) == 0)
        frame.rsv = bits >> 4 & 4;
    frame.data = fuzz_copy(input->data, size);
    frame.owner = frame.data;
    frame.release = free;
    input->data += size;
    input->size -= size;
    bool allowed = is_allowed(trip, &frame);
    bool full = weir_serializer_remaining_capacity(&trip->serializer) == 0;
    weir_frame shadow = frame;
    shadow.data = fuzz_copy(frame.data, size);
    int status = weir_serializer_enqueue(&trip->serializer, &frame);
    if (status == WEIR_EAGAIN)
        weir_frame_release(&frame);
    FUZZ_CHECK(status == WEIR_OK ? allowed && !full : full || !allowed);
    if (status == WEIR_OK)
        note_queued(trip, &shadow);
    free(shadow.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t random = 7;
    struct trip trip = {0};
    uint8_t mode = fuzz_take(&input);
    trip.cuts = fuzz_cuts_of(fuzz_take(&input));
    weir_serializer_options options = {
        .capacity = QUEUE, .masking = mode & 1, .random = fuzz_random, .random_arg = &random};
    FUZZ_CHECK(weir_serializer_init(&trip.serializer, &options) == WEIR_OK);
    weir_parser_init(&trip.parser, (mode & 1) != 0 ? WEIR_MASK_REQUIRED : WEIR_MASK_FORBIDDEN,
                     WEIR_UNLIMITED);
    trip.parser.rsv_allowed = (mode & 2) != 0 ? 7 : 0;
    while (input.size >= 2) {
        queue(&trip, &input);
        write_some(&trip, fuzz_take(&input));
    }
    write_some(&trip, (size_t)1 << 20);
    FUZZ_CHECK(weir_parser_is_between_frames(&trip.parser));
    weir_serializer_fini(&trip.serializer);
    fuzz_compare(&trip.sent, &trip.received);
    return 0;
}
