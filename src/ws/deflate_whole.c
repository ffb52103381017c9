/* libdeflate: whole messages in one go, in half the time of a stream, without a memory of those before. */
#include "ws/deflate_shared.h"

#include <libdeflate.h>

#include <string.h>

/* With these levels it comes within a tenth of the size of zlib's 6, in half the time and less; higher ones pay at no size. */
static unsigned level_for(size_t size)
{
    return size <= 2048 ? 1 : 3;
}

bool weir__deflate_whole(struct weir_deflate *shared, unsigned level, weir_codec_outgoing *part)
{
    if (level == 0)
        level = level_for(part->size);
    struct libdeflate_compressor *compressor = shared->compressors[level];
    if (shared->streams_only)
        return false;
    if (compressor == NULL)
        compressor = shared->compressors[level] = libdeflate_alloc_compressor((int)level);
    if (compressor == NULL)
        return false;
    size_t room = libdeflate_deflate_compress_bound(compressor, part->size);
    size_t size = libdeflate_deflate_compress(compressor, part->data, part->size, part->out, room);
    if (size == 0)
        return false;
    /* Its last block is final: an empty one follows, without its own last octets (7.2.3.4). */
    part->out[size] = 0;
    part->out_size = size + 1;
    return true;
}

/* The octets that were cut off, and a final block to end at: libdeflate wants one. */
static const uint8_t whole_tail[] = {0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff};

/* Whether what was not eaten, of in[0..size), is nothing but an empty block before the tail: so ends what was compressed as above. */
static bool is_over(const uint8_t *in, size_t size, size_t eaten)
{
    return eaten == size || (size - eaten == 1 + sizeof whole_tail && in[eaten] == 0);
}

bool weir__inflate_whole(struct weir_deflate *shared, weir_codec_incoming *part, size_t size_max)
{
    struct libdeflate_decompressor *decompressor = shared->decompressor;
    size_t size = part->size + sizeof whole_tail;
    size_t eaten = 0;
    /* The octets need a place behind the message: it is copied to the end of the room, and inflated into what is before. */
    if (shared->streams_only || part->size > WEIR__DEFLATE_ROOM / 4)
        return false;
    if (decompressor == NULL)
        decompressor = shared->decompressor = libdeflate_alloc_decompressor();
    if (decompressor == NULL)
        return false;
    uint8_t *in = shared->room + WEIR__DEFLATE_ROOM - size;
    if (size_max > WEIR__DEFLATE_ROOM - size)
        size_max = WEIR__DEFLATE_ROOM - size;
    if (part->size > 0)
        memcpy(in, part->data, part->size);
    memcpy(in + part->size, whole_tail, sizeof whole_tail);
    if (libdeflate_deflate_decompress_ex(decompressor, in, size, shared->room, size_max, &eaten,
                                         &part->out_size) != LIBDEFLATE_SUCCESS ||
        !is_over(in, size, eaten)) {
        part->out_size = 0;
        return false;
    }
    part->out = shared->room;
    part->eaten = part->size;
    return true;
}

void weir__whole_fini(struct weir_deflate *shared)
{
    for (size_t i = 0; i < sizeof shared->compressors / sizeof *shared->compressors; i++)
        libdeflate_free_compressor(shared->compressors[i]);
    libdeflate_free_decompressor(shared->decompressor);
}
