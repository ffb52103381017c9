/* weir bench: what is sent. Messages and their frames are made once, before the clock runs. */
#ifndef WEIR_CLI_BENCH_RING_H
#define WEIR_CLI_BENCH_RING_H

#ifndef WEIR_USE_INTERNAL_API
#define WEIR_USE_INTERNAL_API
#endif

#include <stddef.h>
#include <stdint.h>
#include <weir/buffer.h>
#include <weir/deflate.h>
#include <weir/deflate_codec.h>

/* Compression: what was asked for, and what was agreed on. */
typedef struct bench_deflate {
    weir_deflate_options options;
    weir_deflate *codecs; /* what codecs share */
    weir_deflate_terms terms;
} bench_deflate;

/* A client's frames as they stand on the wire. After the last one, the first is sent again. */
typedef struct bench_ring {
    weir_buffer frames;  /* count frames, then the first ones again: any depth is one piece */
    size_t *sizes;       /* of each frame on the wire */
    size_t count;        /* of frames */
    size_t wire_size;    /* of all count frames */
    uint8_t *messages;   /* count payloads of message_size bytes: neither masked nor compressed */
    size_t message_size; /* bytes of payload */
    uint8_t type;        /* enum weir_frame_type */
} bench_ring;

/* Makes the frames from message_size and type. They are compressed if deflate is enabled.
 * Borrows deflate. Errors: WEIR_ENOMEM. */
int bench_ring_init(bench_ring *ring, size_t depth, const bench_deflate *deflate);
void bench_ring_fini(bench_ring *ring);

/* Random bytes, of the type that an endpoint's options take. */
void bench_random(void *out, size_t size, void *arg);

#endif
