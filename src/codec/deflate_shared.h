/* codec/deflate_shared.h - what the deflate codecs of a loop share: idle streams of zlib, the
 * objects of libdeflate, and room to work in. It knows no sessions and no frames.
 * Single-threaded. */
#ifndef WEIR_CODEC_DEFLATE_SHARED_H
#define WEIR_CODEC_DEFLATE_SHARED_H

#include <weir/deflate_codec.h>

#include <zlib.h>

/* Room for the output of one step of inflating, and for the largest message that libdeflate
 * inflates. */
#define WEIR__DEFLATE_ROOM ((size_t)64 * 1024)

/* What a compressor is made for. */
struct weir__deflate_kind {
    uint8_t window_bits;
    uint8_t level;
    uint8_t memory_level;
};

struct weir__deflater {
    z_stream z;
    struct weir__deflater *next; /* in the list of idle ones */
    struct weir__deflate_kind kind;
};

struct weir__inflater {
    z_stream z;
    struct weir__inflater *next; /* the same */
};

struct weir_deflate {
    weir_allocator allocator;
    struct weir__deflater *deflaters; /* idle ones, the latest first */
    struct weir__inflater *inflaters;
    void *compressors[10]; /* libdeflate's, by level; NULL: not made yet */
    void *decompressor;
    bool streams_only; /* test seam: zlib alone */
    uint8_t room[WEIR__DEFLATE_ROOM];
};

/* A compressor without context: an idle one, or a new one. NULL: no memory. */
struct weir__deflater *weir__deflater_take(struct weir_deflate *shared,
                                           struct weir__deflate_kind kind);
/* An inflater without context. NULL: no memory. */
struct weir__inflater *weir__inflater_take(struct weir_deflate *shared, unsigned window_bits);

/* Keeps one as idle, or frees it when enough are idle. NULL is allowed. */
void weir__deflater_give(struct weir_deflate *shared, struct weir__deflater *deflater);
void weir__inflater_give(struct weir_deflate *shared, struct weir__inflater *inflater);

/* --- whole messages: libdeflate, where it is built in --- */

#ifdef WEIR_HAVE_LIBDEFLATE
/* Compresses a whole message into part->out, which has room for the codec's bound(), as one block
 * that is not final. level 0: one that suits the size. False: not done (too large, or no
 * memory). */
bool weir__deflate_whole(struct weir_deflate *shared, unsigned level, weir_codec_outgoing *part);

/* Inflates a whole message of at most size_max bytes into shared->room. False: not done (larger, or
 * malformed). */
bool weir__inflate_whole(struct weir_deflate *shared, weir_codec_incoming *part, size_t size_max);

void weir__whole_fini(struct weir_deflate *shared);
#else
static inline bool weir__deflate_whole(struct weir_deflate *shared, unsigned level,
                                       weir_codec_outgoing *part)
{
    (void)shared;
    (void)level;
    (void)part;
    return false;
}

static inline bool weir__inflate_whole(struct weir_deflate *shared, weir_codec_incoming *part,
                                       size_t size_max)
{
    (void)shared;
    (void)part;
    (void)size_max;
    return false;
}

static inline void weir__whole_fini(struct weir_deflate *shared)
{
    (void)shared;
}
#endif

#endif
