#include "bench_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <weir/endpoint.h>

/* Small messages differ from one another, so that a compressor does not see the same one again and
 * again. */
#define MESSAGES_MAX    64
#define MESSAGES_MEMORY ((size_t)256 * 1024)

void bench_random(void *out, size_t size, void *arg)
{
    (void)arg;
    while (size > 0) {
        ssize_t got = getrandom(out, size, 0);
        if (got > 0) {
            out = (uint8_t *)out + got;
            size -= (size_t)got;
        }
    }
}

static uint32_t next_number(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Records in JSON with the same names and other values, cut at size. */
static void write_text(uint8_t *out, size_t size, uint32_t *state)
{
    char text[128];
    size_t at = 0;
    while (at < size) {
        int length = snprintf(
            text, sizeof text, "{\"id\":%u,\"price\":%u.%02u,\"size\":%u,\"side\":\"%s\"},",
            next_number(state), next_number(state) % 5000, next_number(state) % 100,
            next_number(state) % 64, next_number(state) % 2 != 0 ? "buy" : "sell");
        size_t part = (size_t)length < size - at ? (size_t)length : size - at;
        memcpy(out + at, text, part);
        at += part;
    }
}

static void write_messages(bench_ring *ring)
{
    uint32_t state = 1;
    if (ring->type == WEIR_FRAME_BINARY)
        for (size_t i = 0; i < ring->count * ring->message_size; i++)
            ring->messages[i] = (uint8_t)next_number(&state);
    else
        for (size_t i = 0; i < ring->count; i++)
            write_text(ring->messages + i * ring->message_size, ring->message_size, &state);
}

/* A client's endpoint does what it always does: it masks, and compresses if there is a codec. Each
 * message has an endpoint of its own. So no message refers to an earlier one, and each can be sent
 * again and again, on any connection. Takes codec. */
static int write_frame(bench_ring *ring, size_t index, weir_codec *codec)
{
    const weir_endpoint_options options = {.role = WEIR_ROLE_CLIENT, .random = bench_random};
    weir_endpoint *endpoint;
    int status = weir_endpoint_new(&endpoint, &options, 0);
    if (status != WEIR_OK) {
        if (codec != NULL)
            codec->ops->free(codec);
        return status;
    }
    if (codec != NULL)
        weir_endpoint_set_codec(endpoint, codec);
    size_t before = ring->frames.size;
    weir_frame frame =
        weir_frame_by_type(true, (enum weir_frame_type)ring->type,
                           ring->messages + index * ring->message_size, ring->message_size);
    status = weir_endpoint_send(endpoint, &frame, &ring->frames);
    ring->sizes[index] = ring->frames.size - before;
    weir_endpoint_free(endpoint);
    return status;
}

static int write_frames(bench_ring *ring, const bench_deflate *deflate)
{
    /* The terms allow takeover, so that each message ends with a flush: some servers do not
     * understand a final block (RFC 7692 7.2.3.4). */
    const weir_deflate_terms terms = {.client_max_window_bits =
                                          deflate->terms.client_max_window_bits};
    int status = WEIR_OK;
    for (size_t i = 0; i < ring->count && status == WEIR_OK; i++) {
        weir_codec *codec = NULL;
        if (deflate->options.enabled)
            status = weir_deflate_codec_new(&codec, deflate->codecs, WEIR_ROLE_CLIENT,
                                            &deflate->options, &terms);
        if (status == WEIR_OK)
            status = write_frame(ring, i, codec);
    }
    ring->wire_size = ring->frames.size;
    return status;
}

/* Appends the first frames again, so that depth frames from any place on are one piece. */
static int repeat_frames(bench_ring *ring, size_t depth)
{
    size_t size = 0;
    for (size_t i = 0; i + 1 < depth; i++)
        size += ring->sizes[i % ring->count];
    uint8_t *end = weir_buffer_reserve(&ring->frames, size);
    if (end == NULL && size > 0)
        return WEIR_ENOMEM;
    for (size_t i = 0; i < size; i++)
        end[i] = ring->frames.data[i % ring->wire_size];
    ring->frames.size += size;
    return WEIR_OK;
}

int bench_ring_init(bench_ring *ring, size_t depth, const bench_deflate *deflate)
{
    ring->count = ring->message_size == 0 ? 1 : MESSAGES_MEMORY / ring->message_size;
    ring->count = ring->count < 1 ? 1 : ring->count;
    ring->count = ring->count > MESSAGES_MAX ? MESSAGES_MAX : ring->count;
    ring->sizes = calloc(ring->count, sizeof *ring->sizes);
    ring->messages = malloc(ring->count * ring->message_size + 1);
    if (ring->sizes == NULL || ring->messages == NULL)
        return WEIR_ENOMEM;
    write_messages(ring);
    int status = write_frames(ring, deflate);
    return status == WEIR_OK ? repeat_frames(ring, depth) : status;
}

void bench_ring_fini(bench_ring *ring)
{
    weir_buffer_fini(&ring->frames);
    free(ring->sizes);
    free(ring->messages);
}
