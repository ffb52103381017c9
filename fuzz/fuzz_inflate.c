/* Compressed messages in: the input is what a peer sends as DEFLATE. Two runs must give the same:
 * each message in one frame, fed whole, and inflated by libdeflate where possible; and in
 * fragments, fed in pieces, by zlib. No message is over the limit, nor the memory that it takes. */
#include "support/fuzz.h"

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_shared.h"

#include <weir/endpoint.h>

#include <stdlib.h>
#include <string.h>

/* What an endpoint may take beyond its message: itself, and what it needs for control frames. */
#define MEMORY_OF_ITS_OWN ((size_t)4096)

/* How the input is run, by its first byte. */
struct mode {
    enum weir_role role;
    enum weir_delivery delivery;
    enum weir_frame_type type;
    uint64_t limit; /* bytes of a message */
    bool forgets;   /* libdeflate may take part */
    weir_deflate_terms terms;
};

/* One run. */
struct run {
    weir_deflate *shared;
    weir_endpoint *endpoint;
    const struct mode *mode;
    uint32_t random;
    size_t live_bytes; /* of the endpoint */
    size_t peak_bytes;
    weir_buffer wire;    /* the messages as frames */
    weir_buffer message; /* what has come of the present one */
    weir_buffer events;
    weir_buffer end; /* the rule that was broken, and the Close for it */
    const char
        *complaint; /* zlib's message about the last stream; NULL: none, or it ends too early */
};

static struct mode mode_of(uint8_t bits)
{
    struct mode mode = {
        .role = (bits & 1) != 0 ? WEIR_ROLE_CLIENT : WEIR_ROLE_SERVER,
        .type = (bits & 0x20) != 0 ? WEIR_FRAME_TEXT : WEIR_FRAME_BINARY,
        .delivery = (bits & 0x40) != 0 ? WEIR_DELIVER_PIECES : WEIR_DELIVER_MESSAGES,
        .limit = (bits & 0x80) != 0 ? 300 : 100000,
        .forgets = (bits & 2) != 0,
    };
    mode.terms.server_no_context_takeover = mode.terms.client_no_context_takeover = mode.forgets;
    mode.terms.server_max_window_bits = (uint8_t)(8 + (bits >> 2 & 7));
    mode.terms.client_max_window_bits = mode.terms.server_max_window_bits;
    return mode;
}

/* --- what the peer sends --- */

/* Masked, if need be, with a key that changes nothing. */
static void put_frame(struct run *run, uint8_t bits, const uint8_t *data, size_t size)
{
    bool masked = run->mode->role == WEIR_ROLE_SERVER;
    uint8_t head[14] = {bits, (uint8_t)(masked ? 0x80 : 0)};
    size_t width = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
    head[1] |= (uint8_t)(width == 0 ? size : width == 2 ? 126 : 127);
    for (size_t i = 0; i < width; i++)
        head[2 + i] = (uint8_t)((uint64_t)size >> (8 * (width - 1 - i)));
    fuzz_log(&run->wire, head, 2 + width + (masked ? 4 : 0));
    fuzz_log(&run->wire, data, size);
}

static void put_message(struct run *run, const uint8_t *data, size_t size, struct fuzz_cuts *cuts)
{
    uint8_t first = (uint8_t)(0x40 | run->mode->type);
    size_t at = 0;
    do {
        size_t part = at < size ? fuzz_next_cut(cuts, size - at) : 0;
        uint8_t fin = at + part == size ? 0x80 : 0;
        put_frame(run, (uint8_t)(fin | (at == 0 ? first : 0)), data + at, part);
        at += part;
    } while (at < size);
}

/* Messages stand in the input behind their size in two bytes. */
static void put_messages(struct run *run, struct fuzz_input input, uint8_t seed)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    while (input.size > 0) {
        size_t size = fuzz_take(&input);
        size = size << 8 | fuzz_take(&input);
        size = size < input.size ? size : input.size;
        put_message(run, input.data, size, &cuts);
        input.data += size;
        input.size -= size;
    }
}

/* --- the endpoint --- */

static void *resize(void *block, size_t old_size, size_t new_size, void *arg)
{
    struct run *run = arg;
    void *moved = NULL;
    if (new_size == 0)
        free(block);
    else
        moved = realloc(block, new_size);
    FUZZ_CHECK(moved != NULL || new_size == 0);
    run->live_bytes += new_size - old_size;
    if (run->live_bytes > run->peak_bytes)
        run->peak_bytes = run->live_bytes;
    return moved;
}

static void set_up(struct run *run, const struct mode *mode)
{
    static const weir_deflate_options options = {0};
    weir_codec *codec;
    *run = (struct run){.random = 1, .mode = mode};
    weir_endpoint_options endpoint_options = {
        .role = mode->role,
        .delivery = mode->delivery,
        .max_frame_size = WEIR_UNLIMITED,
        .max_message_size = mode->limit,
        .ping_interval_ms = WEIR_UNLIMITED,
        .allocator = {resize, run},
        .random = fuzz_random,
        .random_arg = &run->random,
    };
    FUZZ_CHECK(weir_deflate_new(&run->shared, NULL) == WEIR_OK);
    FUZZ_CHECK(weir_endpoint_new(&run->endpoint, &endpoint_options, 0) == WEIR_OK);
    FUZZ_CHECK(weir_deflate_codec_new(&codec, run->shared, mode->role, &options, &mode->terms) ==
               WEIR_OK);
    weir_endpoint_set_codec(run->endpoint, codec);
}

static void on_frame(struct run *run, weir_event *event)
{
    const weir_frame *frame = &event->frame;
    bool complete;
    fuzz_log(&run->message, frame->data, frame->size);
    weir_frame_release(&event->frame);
    FUZZ_CHECK(run->message.size <= run->mode->limit);
    if (!event->last)
        return;
    size_t size = run->message.size;
    if (frame->type == WEIR_FRAME_TEXT)
        FUZZ_CHECK(fuzz_utf8_prefix(run->message.data, size, &complete) == size && complete);
    fuzz_log_number(&run->events, frame->type);
    fuzz_log_number(&run->events, size);
    fuzz_log(&run->events, run->message.data, size);
    run->message.size = 0;
}

static void feed(struct run *run, const uint8_t *data, size_t size)
{
    weir_event event;
    int status;
    uint8_t *in = fuzz_copy(data, size);
    FUZZ_CHECK(weir_endpoint_feed(run->endpoint, in, size, 0) == WEIR_OK);
    while ((status = weir_endpoint_next(run->endpoint, &event)) == WEIR_OK)
        if (event.kind == WEIR_EVENT_FRAME)
            on_frame(run, &event);
        else
            FUZZ_CHECK(event.kind == WEIR_EVENT_FAULT);
    FUZZ_CHECK(status == WEIR_EAGAIN || status == WEIR_CLOSED);
    free(in);
}

static void log_end(struct run *run)
{
    weir_end end;
    FUZZ_CHECK(weir_endpoint_flush(run->endpoint, 0, &run->end) == WEIR_OK);
    weir_endpoint_eof(run->endpoint, WEIR_OK, 0);
    weir_endpoint_end_get(&end, run->endpoint);
    fuzz_log_number(&run->end, end.kind);
    fuzz_log_number(&run->end, (uintptr_t)end.fault.rule);
}

/* seed 0: one frame a message, all of it fed at once. */
static void play(struct run *run, const struct mode *mode, const struct fuzz_input *input,
                 uint8_t seed, bool streams_only)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    set_up(run, mode);
    run->shared->streams_only = streams_only;
    put_messages(run, *input, seed);
    for (size_t at = 0; at < run->wire.size;) {
        size_t part = fuzz_next_cut(&cuts, run->wire.size - at);
        feed(run, run->wire.data + at, part);
        at += part;
    }
    log_end(run);
    FUZZ_CHECK(run->peak_bytes <= 2 * mode->limit + MEMORY_OF_ITS_OWN);
    weir_endpoint_free(run->endpoint);
    FUZZ_CHECK(run->live_bytes == 0);
    if (run->shared->inflaters != NULL) /* an idle one, in its last state */
        run->complaint = run->shared->inflaters->z.msg;
    weir_deflate_free(run->shared);
    weir_buffer_fini(&run->wire);
    weir_buffer_fini(&run->message);
}

static bool complains(const struct run *run, const char *text)
{
    return run->complaint != NULL && strcmp(run->complaint, text) == 0;
}

/* Faults of streams that zlib finds and libdeflate may accept: codes that RFC 1951 reserves, or to
 * which a block gives no meaning, and a repetition of lengths beyond their end. */
static bool is_only_for_libdeflate(const struct run *streams)
{
    return streams->mode->forgets && (complains(streams, "invalid literal/length code") ||
                                      complains(streams, "invalid distance code") ||
                                      complains(streams, "too many length or distance symbols") ||
                                      complains(streams, "invalid bit length repeat"));
}

/* Whether a reference goes back over the window that was agreed on: zlib notices that only beyond
 * the output of the same step. */
static bool is_over_the_window(const struct run *run)
{
    return run->mode->terms.client_max_window_bits < 15 &&
           complains(run, "invalid distance too far back");
}

/* Compares the events that both runs have reached. */
static void cut_alike(weir_buffer *a, weir_buffer *b)
{
    a->size = b->size = a->size < b->size ? a->size : b->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct mode mode = mode_of(fuzz_take(&input));
    uint8_t seed = fuzz_take(&input);
    struct run whole;
    struct run streams;
    play(&whole, &mode, &input, 0, false);
    play(&streams, &mode, &input, seed | 1, true);
    bool more = is_only_for_libdeflate(&streams);
    if (more)
        FUZZ_CHECK(whole.events.size >= streams.events.size);
    if (more || is_over_the_window(&whole) || is_over_the_window(&streams)) {
        cut_alike(&whole.events, &streams.events);
        whole.end.size = streams.end.size = 0;
    }
    fuzz_compare(&whole.events, &streams.events);
    fuzz_compare(&whole.end, &streams.end);
    return 0;
}

#else

/* Built without zlib: nothing can be inflated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    return 0;
}

#endif
