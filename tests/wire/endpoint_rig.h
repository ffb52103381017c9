/* tests/wire/endpoint_rig.h - an endpoint with its memory, clock and output, and a peer whose
 * frames a test gives one by one. Include it after cmocka.
 *
 * The code here that builds and reads frames shares nothing with the library's. What the endpoint
 * sends and delivers goes into logs of words: "81:Hello" is a frame by its first byte and payload,
 * "88:1002" a Close by its code. */
#ifndef WEIR_TESTS_ENDPOINT_RIG_H
#define WEIR_TESTS_ENDPOINT_RIG_H

#include "support/failing_allocator.h"

#include <weir/endpoint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A frame of the peer: its first byte and its payload. */
struct peer_frame {
    uint8_t bits;
    const char *payload;
    size_t size;
};

#define FRAME(bits_, text_)                                                                        \
    {                                                                                              \
        .bits = (bits_), .payload = (text_), .size = sizeof(text_) - 1                             \
    }
#define FRAME_OF(bits_, data, size_)                                                               \
    {                                                                                              \
        .bits = (bits_), .payload = (data), .size = (size_)                                        \
    }

#define LOG_SIZE 65536

struct rig {
    failing_allocator memory;
    weir_endpoint *endpoint;
    enum weir_role role;
    weir_buffer out;
    uint64_t now;
    uint32_t random;
    bool echo;     /* sends every frame back */
    bool no_flush; /* never calls flush(): what is owed stays so */
    bool stopped;  /* next() has returned WEIR_CLOSED or failed */
    int last_status;
    char events[LOG_SIZE];
    char sent[LOG_SIZE];
};

static inline void rig_random(void *out, size_t size, void *arg)
{
    uint32_t *state = arg;
    uint8_t *bytes = out;
    for (size_t i = 0; i < size; i++) {
        *state = *state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(*state >> 24);
    }
}

static inline void log_text(char *log, const char *text)
{
    size_t size = strlen(log);
    assert_true(size + strlen(text) + 1 < LOG_SIZE);
    memcpy(log + size, text, strlen(text) + 1);
}

/* Short payloads as text with escapes, long ones by size and a sum. */
static inline void log_payload(char *log, const uint8_t *data, size_t size)
{
    char word[80];
    if (size > 40) {
        uint32_t sum = 0;
        for (size_t i = 0; i < size; i++)
            sum = sum * 31 + data[i];
        snprintf(word, sizeof word, "#%zu/%08x", size, (unsigned)sum);
        log_text(log, word);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        bool plain = data[i] > ' ' && data[i] < 0x7F && data[i] != '\\';
        snprintf(word, sizeof word, plain ? "%c" : "\\%02x", data[i]);
        log_text(log, word);
    }
}

static inline void log_frame(char *log, unsigned bits, const uint8_t *data, size_t size)
{
    char word[32];
    snprintf(word, sizeof word, "%s%02x:", log[0] != 0 ? " " : "", bits);
    log_text(log, word);
    if ((bits & 15) != 8) {
        log_payload(log, data, size);
    } else if (size >= 2) {
        snprintf(word, sizeof word, "%u", (unsigned)data[0] << 8 | data[1]);
        log_text(log, word);
    }
}

/* Writes a frame as the peer sends it. out must have room for size + 14. */
static inline size_t peer_write(uint8_t *out, const struct peer_frame *frame, bool masked)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    out[at++] = frame->bits;
    size_t width = frame->size < 126 ? 0 : frame->size < 65536 ? 2 : 8;
    unsigned length7 = width == 0 ? (unsigned)frame->size : width == 2 ? 126 : 127;
    out[at++] = (uint8_t)(length7 | (masked ? 0x80 : 0));
    for (size_t i = width; i > 0; i--)
        out[at++] = (uint8_t)((uint64_t)frame->size >> (8 * (i - 1)));
    if (masked) {
        memcpy(out + at, key, 4);
        at += 4;
    }
    for (size_t i = 0; i < frame->size; i++)
        out[at++] = (uint8_t)((uint8_t)frame->payload[i] ^ (masked ? key[i & 3] : 0));
    return at;
}

/* Reads all whole frames in the output into the log, and empties it. The mask bit must be right. */
static inline void rig_read_output(struct rig *rig)
{
    size_t at = 0;
    while (at < rig->out.size) {
        uint8_t *in = rig->out.data + at;
        size_t left = rig->out.size - at;
        assert_true(left >= 2);
        bool masked = (in[1] & 0x80) != 0;
        assert_int_equal(masked, weir_endpoint_masking(rig->endpoint));
        size_t size = in[1] & 0x7F;
        size_t width = size == 126 ? 2 : size == 127 ? 8 : 0;
        assert_true(left >= 2 + width + (masked ? 4u : 0));
        if (width != 0)
            size = 0;
        for (size_t i = 0; i < width; i++)
            size = size << 8 | in[2 + i];
        uint8_t *data = in + 2 + width + (masked ? 4 : 0);
        assert_true((size_t)(data - in) + size <= left);
        for (size_t i = 0; masked && i < size; i++)
            data[i] ^= in[2 + width + (i & 3)];
        log_frame(rig->sent, in[0], data, size);
        at += (size_t)(data - in) + size;
    }
    rig->out.size = 0;
}

static inline weir_endpoint_options rig_options(struct rig *rig, enum weir_role role,
                                                enum weir_delivery delivery)
{
    rig->role = role;
    return (weir_endpoint_options){
        .role = role,
        .delivery = delivery,
        .max_frame_size = WEIR_UNLIMITED,
        .max_message_size = WEIR_UNLIMITED,
        .ping_interval_ms = WEIR_UNLIMITED,
        .allocator = rig->memory.allocator,
        .random = rig_random,
        .random_arg = &rig->random,
    };
}

static inline void rig_open(struct rig *rig, const weir_endpoint_options *options)
{
    assert_int_equal(weir_endpoint_new(&rig->endpoint, options, rig->now), WEIR_OK);
}

/* A rig at time 1000 with an endpoint of plain options. */
static inline struct rig *rig_new(enum weir_role role, enum weir_delivery delivery)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    failing_allocator_init(&rig->memory, 0);
    rig->now = 1000;
    weir_endpoint_options options = rig_options(rig, role, delivery);
    rig_open(rig, &options);
    return rig;
}

/* The same endpoint anew, with other options. */
static inline void rig_reopen(struct rig *rig, const weir_endpoint_options *options)
{
    weir_endpoint_free(rig->endpoint);
    rig_open(rig, options);
}

static inline void rig_free(struct rig *rig)
{
    weir_endpoint_free(rig->endpoint);
    weir_buffer_fini(&rig->out);
    bool clean = failing_allocator_is_clean(&rig->memory);
    free(rig);
    assert_true(clean);
}

static inline void log_event(struct rig *rig, const weir_event *event)
{
    static const char *const names[] = {"?", "frame", "ping", "pong", "close", "fault"};
    const weir_frame *frame = &event->frame;
    char *log = rig->events;
    if (event->kind != WEIR_EVENT_FRAME) {
        log_text(log, log[0] != 0 ? " " : "");
        log_text(log, names[event->kind]);
        return;
    }
    unsigned bits = (frame->fin ? 0x80u : 0) | (unsigned)frame->rsv << 4 | frame->type;
    log_frame(log, bits, frame->data, frame->size);
}

/* Does with one event what a driver does. */
static inline void rig_on_event(struct rig *rig, weir_event *event)
{
    log_event(rig, event);
    if (event->kind == WEIR_EVENT_FRAME) {
        if (rig->echo) {
            int status = weir_endpoint_send(rig->endpoint, &event->frame, &rig->out);
            /* A fragment without memory leaves its message open: the next one may then be
             * refused. */
            assert_true(status == WEIR_OK || status == WEIR_CLOSED ||
                        (rig->memory.failed && (status == WEIR_ENOMEM || status == WEIR_EINVAL)));
        }
        weir_frame_release(&event->frame);
    }
    if (!rig->no_flush && (weir_endpoint_wants(rig->endpoint) & WEIR_WANT_FLUSH) != 0)
        (void)!weir_endpoint_flush(rig->endpoint, rig->now, &rig->out);
}

/* Feeds bytes in an allocation of exactly their size, and takes all events. Returns the last status
 * of next(). */
static inline int rig_feed(struct rig *rig, const void *bytes, size_t size)
{
    uint8_t *in = malloc(size > 0 ? size : 1);
    assert_non_null(in);
    if (size > 0)
        memcpy(in, bytes, size);
    assert_int_equal(weir_endpoint_feed(rig->endpoint, in, size, rig->now), WEIR_OK);
    int status;
    weir_event event;
    while ((status = weir_endpoint_next(rig->endpoint, &event)) == WEIR_OK)
        rig_on_event(rig, &event);
    free(in);
    if (!rig->no_flush && (weir_endpoint_wants(rig->endpoint) & WEIR_WANT_FLUSH) != 0)
        (void)!weir_endpoint_flush(rig->endpoint, rig->now, &rig->out);
    rig->last_status = status;
    rig->stopped = status != WEIR_EAGAIN;
    return status;
}

/* Feeds in chunks of a size (0: all at once). */
static inline void rig_feed_chunks(struct rig *rig, const uint8_t *bytes, size_t size, size_t chunk)
{
    if (chunk == 0)
        chunk = size;
    for (size_t at = 0; at < size; at += chunk)
        rig_feed(rig, bytes + at, size - at < chunk ? size - at : chunk);
}

/* One frame of the peer. */
static inline int rig_peer(struct rig *rig, uint8_t bits, const void *payload, size_t size)
{
    uint8_t *bytes = malloc(size + 14);
    assert_non_null(bytes);
    struct peer_frame frame = FRAME_OF(bits, payload, size);
    size_t wire_size = peer_write(bytes, &frame, rig->role == WEIR_ROLE_SERVER);
    int status = rig_feed(rig, bytes, wire_size);
    free(bytes);
    return status;
}

static inline int rig_peer_text(struct rig *rig, uint8_t bits, const char *payload)
{
    return rig_peer(rig, bits, payload, strlen(payload));
}

/* The log of what was sent since the last call. */
static inline const char *rig_sent(struct rig *rig)
{
    rig->sent[0] = 0;
    rig_read_output(rig);
    return rig->sent;
}

static inline weir_end rig_end(const struct rig *rig)
{
    weir_end end;
    weir_endpoint_end_get(&end, rig->endpoint);
    return end;
}

static inline void close_with(struct rig *rig, unsigned code, const char *message)
{
    weir_close_reason reason;
    assert_int_equal(weir_close_reason_init(&reason, code, message), WEIR_OK);
    assert_int_equal(weir_endpoint_close(rig->endpoint, &reason, rig->now, &rig->out), WEIR_OK);
}

static inline void tick_at(struct rig *rig, uint64_t now)
{
    rig->now = now;
    assert_int_equal(weir_endpoint_tick(rig->endpoint, now, &rig->out), WEIR_OK);
}

static inline void eof(struct rig *rig, int status)
{
    weir_endpoint_eof(rig->endpoint, status, rig->now);
}

static inline void assert_reason(const weir_close_reason *reason, unsigned code,
                                 const char *message)
{
    assert_int_equal(reason->code, code);
    assert_int_equal(reason->message_size, strlen(message));
    assert_string_equal(reason->message, message);
}

static inline void assert_end(const struct rig *rig, enum weir_end_kind kind, int status)
{
    weir_end end = rig_end(rig);
    assert_int_equal(end.kind, kind);
    assert_int_equal(end.status, status);
}

static inline void assert_wants(const struct rig *rig, unsigned wants)
{
    assert_int_equal(weir_endpoint_wants(rig->endpoint), wants);
}

#endif
