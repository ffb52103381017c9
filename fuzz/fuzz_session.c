/* A whole conversation through the endpoint, which echoes. Fed whole and fed in pieces it delivers,
 * sends and ends the same. Its peer may receive all that it sends. Text that it delivers is UTF-8.
 * It ends once the peer is gone. */
#include "support/fuzz.h"

#include <weir/deflate_codec.h>
#include <weir/endpoint.h>
#include <weir/parser.h>

#include <stdlib.h>
#include <string.h>

/* One run. */
struct run {
    weir_endpoint *endpoint;
    weir_deflate *deflate; /* NULL: nothing is compressed */
    weir_endpoint_options options;
    uint32_t random;
    uint64_t now_ms;
    bool echo;
    bool in_message; /* PIECES: the first piece has come */
    weir_buffer message;
    weir_buffer events;
    weir_buffer out;
};

/* Compression as agreed on, unless weir was built without. What the peer sends has context
 * takeover: else libdeflate would accept more streams than zlib (see fuzz_inflate.c). */
static void add_codec(struct run *run, bool takeover)
{
    weir_codec *codec;
    bool client = run->options.role == WEIR_ROLE_CLIENT;
    const weir_deflate_options options = {
        .server_context_takeover = true, .client_context_takeover = true, .compress_min = 1};
    const weir_deflate_terms terms = {.server_no_context_takeover = !client && !takeover,
                                      .client_no_context_takeover = client && !takeover};
    if (weir_deflate_new(&run->deflate, NULL) == WEIR_ENOTSUP)
        return;
    FUZZ_CHECK(weir_deflate_codec_new(&codec, run->deflate, run->options.role, &options, &terms) ==
               WEIR_OK);
    weir_endpoint_set_codec(run->endpoint, codec);
}

static void set_up(struct run *run, uint8_t mode)
{
    *run = (struct run){.random = 1, .now_ms = 1000};
    run->options = (weir_endpoint_options){
        .role = (mode & 1) != 0 ? WEIR_ROLE_CLIENT : WEIR_ROLE_SERVER,
        .delivery = (enum weir_delivery)((mode >> 1) % 3),
        .max_frame_size = (mode & 0x10) != 0 ? 200 : WEIR_UNLIMITED,
        .max_message_size = (mode & 0x20) != 0 ? 300 : WEIR_UNLIMITED,
        .ping_interval_ms = (mode & 0x40) != 0 ? 1000 : WEIR_UNLIMITED,
        .random = fuzz_random,
        .random_arg = &run->random,
    };
    run->echo = run->options.delivery != WEIR_DELIVER_PIECES;
    FUZZ_CHECK(weir_endpoint_new(&run->endpoint, &run->options, run->now_ms) == WEIR_OK);
    if ((mode & 0x80) != 0)
        add_codec(run, (mode & 8) != 0);
}

static void flush(struct run *run)
{
    if ((weir_endpoint_wants(run->endpoint) & WEIR_WANT_FLUSH) != 0)
        FUZZ_CHECK(weir_endpoint_flush(run->endpoint, run->now_ms, &run->out) == WEIR_OK);
}

static void check_text(const struct run *run, const weir_frame *frame)
{
    bool complete;
    if (run->options.delivery != WEIR_DELIVER_MESSAGES || frame->type != WEIR_FRAME_TEXT)
        return;
    FUZZ_CHECK(fuzz_utf8_prefix(frame->data, frame->size, &complete) == frame->size && complete);
}

/* A message is logged when it is whole: of one that is cut off by a fault, more or less may have
 * been delivered before. */
static void log_frame(struct run *run, const weir_event *event)
{
    const weir_frame *frame = &event->frame;
    fuzz_log(&run->message, frame->data, frame->size);
    run->in_message = !event->last;
    if (run->options.delivery == WEIR_DELIVER_PIECES && !event->last)
        return;
    const uint8_t bits[] = {'F', frame->type, frame->rsv, frame->fin};
    fuzz_log(&run->events, bits, sizeof bits);
    fuzz_log_number(&run->events, run->message.size);
    fuzz_log(&run->events, run->message.data, run->message.size);
    run->message.size = 0;
}

static void on_frame(struct run *run, weir_event *event)
{
    if (run->options.delivery == WEIR_DELIVER_PIECES)
        FUZZ_CHECK(event->first == !run->in_message && event->last == event->frame.fin);
    log_frame(run, event);
    check_text(run, &event->frame);
    if (run->echo) {
        int status = weir_endpoint_send(run->endpoint, &event->frame, &run->out);
        FUZZ_CHECK(status == WEIR_OK || status == WEIR_CLOSED);
    }
    weir_frame_release(&event->frame);
}

static void on_event(struct run *run, weir_event *event)
{
    if (event->kind == WEIR_EVENT_FRAME) {
        on_frame(run, event);
    } else {
        fuzz_log_number(&run->events, event->kind);
        fuzz_log(&run->events, event->frame.data, event->frame.size);
        FUZZ_CHECK(event->frame.release == NULL);
    }
    flush(run);
}

/* Puts input where the endpoint asks for it, if it does, else in memory of its own, which is in
 * *own. Returns how much. */
static size_t place(const struct run *run, const uint8_t *data, size_t size, uint8_t **in,
                    uint8_t **own)
{
    size_t room = weir_endpoint_room(in, run->endpoint);
    *own = room == 0 ? fuzz_copy(data, size) : NULL;
    if (room == 0) {
        *in = *own;
        return size;
    }
    size = size < room ? size : room;
    memcpy(*in, data, size);
    return size;
}

/* Returns how much was consumed. */
static size_t feed(struct run *run, const uint8_t *data, size_t size)
{
    weir_event event;
    int status;
    uint8_t *in;
    uint8_t *own;
    size = place(run, data, size, &in, &own);
    FUZZ_CHECK(weir_endpoint_feed(run->endpoint, in, size, run->now_ms) == WEIR_OK);
    while ((status = weir_endpoint_next(run->endpoint, &event)) == WEIR_OK)
        on_event(run, &event);
    FUZZ_CHECK(status == WEIR_EAGAIN || status == WEIR_CLOSED);
    FUZZ_CHECK((status == WEIR_CLOSED) == weir_endpoint_input_ended(run->endpoint));
    free(own);
    flush(run);
    return size;
}

/* The peer ends, and time passes. In whatever state the endpoint was, it ends after a few
 * deadlines. */
static void let_end(struct run *run)
{
    weir_endpoint_eof(run->endpoint, WEIR_OK, run->now_ms);
    for (int i = 0; (weir_endpoint_wants(run->endpoint) & WEIR_WANT_CLOSE) == 0; i++) {
        FUZZ_CHECK(i < 10);
        flush(run);
        if (run->options.delivery == WEIR_DELIVER_FRAMES) /* the answer to a Close is the user's */
            (void)!weir_endpoint_close(run->endpoint, NULL, run->now_ms, &run->out);
        uint64_t deadline_ms = weir_endpoint_deadline(run->endpoint);
        if (deadline_ms != WEIR_UNLIMITED && deadline_ms > run->now_ms)
            run->now_ms = deadline_ms;
        FUZZ_CHECK(weir_endpoint_tick(run->endpoint, run->now_ms, &run->out) == WEIR_OK);
    }
    weir_end end;
    weir_endpoint_end_get(&end, run->endpoint);
    FUZZ_CHECK(end.kind != WEIR_END_NONE &&
               (end.fault.rule != NULL) ==
                   (end.kind == WEIR_END_PROTOCOL || end.kind == WEIR_END_TOO_BIG));
    fuzz_log_number(&run->events, end.kind);
    fuzz_log_number(&run->events,
                    (uint64_t)end.by_peer << 32 | (uint64_t)end.ours.code << 16 | end.theirs.code);
    if (run->deflate == NULL) /* else it is where the codec stood */
        fuzz_log_number(&run->events, end.fault.offset);
    fuzz_log_number(&run->events, (uintptr_t)end.fault.rule);
}

/* All that was sent is whole frames, correct for the other role. */
static void check_output(const struct run *run)
{
    weir_parser parser;
    uint8_t *in = fuzz_copy(run->out.data, run->out.size);
    bool masked = run->options.role == WEIR_ROLE_CLIENT;
    weir_parser_init(&parser, masked ? WEIR_MASK_REQUIRED : WEIR_MASK_FORBIDDEN, WEIR_UNLIMITED);
    parser.rsv_allowed = run->deflate != NULL ? 4 : 0;
    for (size_t at = 0, eaten;; at += eaten) {
        weir_parser_event event;
        int status = weir_parser_feed(&parser, in + at, run->out.size - at, &eaten, &event);
        if (status == WEIR_EAGAIN)
            break;
        FUZZ_CHECK(status == WEIR_OK);
    }
    FUZZ_CHECK(weir_parser_is_between_frames(&parser));
    free(in);
}

static void play(struct run *run, uint8_t mode, const struct fuzz_input *input, uint8_t seed)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    set_up(run, mode);
    for (size_t at = 0; at < input->size;) {
        size_t part = fuzz_next_cut(&cuts, input->size - at);
        at += feed(run, input->data + at, part);
    }
    let_end(run);
    check_output(run);
    weir_endpoint_free(run->endpoint);
    weir_deflate_free(run->deflate);
    weir_buffer_fini(&run->message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct run whole;
    struct run cut;
    uint8_t mode = fuzz_take(&input);
    uint8_t seed = fuzz_take(&input);
    play(&whole, mode, &input, 0);
    play(&cut, mode, &input, seed | 1);
    fuzz_compare(&whole.events, &cut.events);
    fuzz_compare(&whole.out, &cut.out);
    return 0;
}
