/* libdeflate: whole messages in one go, in half the time of a stream, without a memory of those before. */
#include "codec/deflate_end.h"
#include "codec/deflate_shared.h"

#include <libdeflate.h>

#include <string.h>

/* libdeflate cuts no block in two that would leave less than 5,000 bytes on either side; on its fastest level it does not look for a place at all. */
#define ONE_BLOCK_MAX      ((size_t)9999)
#define ONE_BLOCK_MAX_FAST ((size_t)65535)

/* With these levels it comes near the size of zlib's 6, in half the time and less; higher ones pay at no size. */
static unsigned level_for(size_t size)
{
    return size > 2048 && size <= ONE_BLOCK_MAX ? 3 : 1;
}

/* What a sync flush ends with and no message carries (7.2.1), and a final block to end at, which libdeflate wants. */
static const uint8_t flush_tail[] = {0x00, 0x00, 0xff, 0xff, 0x03, 0x00};

/* Whether out[0..size), with the tail behind it, is a stream of so many bytes. There is room for the tail. */
static bool is_stream(struct weir_deflate *shared, uint8_t *out, size_t size, size_t plain_size)
{
    memcpy(out + size, flush_tail, sizeof flush_tail);
    return libdeflate_deflate_decompress(shared->decompressor, out, size + sizeof flush_tail,
                                         shared->room, plain_size, NULL) == LIBDEFLATE_SUCCESS;
}

/* Whether the three bits fit that an empty block begins with. */
static bool has_room(struct weir_deflate *shared, uint8_t *out, size_t size, size_t plain_size)
{
    if (out[size - 1] >= 0x20)
        return false;
    int free_bits = weir__deflate_free_bits(out, size);
    return free_bits < 0 ? is_stream(shared, out, size, plain_size) : free_bits >= 3;
}

/* Turns the final block that out[0..size) is into one that others may follow. A message may end with a final block (7.2.3.4), but not every implementation can
 * take it. The header of the empty block of a sync flush is three bits that are zero: they go into what is left of the last octet, or take another. Returns the
 * size. */
static size_t open_end(struct weir_deflate *shared, uint8_t *out, size_t size, size_t plain_size)
{
    out[0] &= 0xfe;
    if (has_room(shared, out, size, plain_size))
        return size;
    out[size] = 0;
    return size + 1;
}

static bool prepare_whole(struct weir_deflate *shared, unsigned level)
{
    if (shared->compressors[level] == NULL)
        shared->compressors[level] = libdeflate_alloc_compressor((int)level);
    if (shared->decompressor == NULL)
        shared->decompressor = libdeflate_alloc_decompressor();
    return shared->compressors[level] != NULL && shared->decompressor != NULL;
}

bool weir__deflate_whole(struct weir_deflate *shared, unsigned level, weir_codec_outgoing *part)
{
    if (level == 0)
        level = level_for(part->size);
    if (shared->streams_only || part->size > (level == 1 ? ONE_BLOCK_MAX_FAST : ONE_BLOCK_MAX) ||
        !prepare_whole(shared, level))
        return false;
    struct libdeflate_compressor *compressor = shared->compressors[level];
    size_t room = libdeflate_deflate_compress_bound(compressor, part->size);
    size_t size = libdeflate_deflate_compress(compressor, part->data, part->size, part->out, room);
    if (size == 0 || (part->out[0] & 1) == 0) /* more than one block after all */
        return false;
    part->out_size = open_end(shared, part->out, size, part->size);
    return true;
}

/* --- in --- */

#define ZEROS 320

/* What follows a message: the octets that were cut off, and what libdeflate wants to end at, a final block; a stored one, of zeros. It says with which octet a final
 * block ended, not which block that was: one that a message leaves open goes on into the tail, and has to be told from ours. Of the blocks that end with the last octet
 * - none is of codes. A final block begins with a one, so before the zeros. After 290 of them its head is over at the latest (16 bits, 57 for the code of the lengths, 320
 *   lengths of 7 bits, 7 of a repetition), or the symbol that was cut in two (48 bits). Then zeros are the same symbol over and over: the first ends the block, or none does;
 * - a stored one that the message has the lengths of puts the whole tail at the end of what comes out;
 * - a stored one that the tail has lengths of, or a part of them, is ours: no other octets there are a length that ends there and its complement, and no other bits the head
 *   of a final block before ours.
 * Ours begins where the message ends, as 7.2.1 wants it. */
static const uint8_t whole_tail[9 + ZEROS] = {
    0x00, 0x00, 0xff, 0xff, 0x01, ZEROS & 0xff, ZEROS >> 8, ~ZEROS & 0xff, ~ZEROS >> 8 & 0xff};

/* Whether the tail was taken for data. */
static bool is_swallowed(const uint8_t *out, size_t size)
{
    return size >= sizeof whole_tail &&
           memcmp(out + size - sizeof whole_tail, whole_tail, sizeof whole_tail) == 0;
}

/* Whether a message is over, when so much of it and the tail, in in[], was eaten. Cuts off what came of the tail. */
static bool is_over(weir_codec_incoming *part, const uint8_t *in, const uint8_t *out, size_t eaten)
{
    if (eaten == part->size + sizeof whole_tail && !is_swallowed(out, part->out_size)) {
        part->out_size -= ZEROS;
        return true;
    }
    /* Behind a final block an empty one is left, of the last octet and the four that were cut off (7.2.3.4). */
    return eaten + 1 == part->size && in[eaten] == 0;
}

bool weir__inflate_whole(struct weir_deflate *shared, weir_codec_incoming *part, size_t size_max)
{
    size_t size = part->size + sizeof whole_tail;
    size_t eaten = 0;
    /* The tail needs a place behind the message: it is copied to the end of the room, and inflated into what is before. */
    if (shared->streams_only || part->size > WEIR__DEFLATE_ROOM / 4)
        return false;
    if (shared->decompressor == NULL)
        shared->decompressor = libdeflate_alloc_decompressor();
    if (shared->decompressor == NULL)
        return false;
    uint8_t *in = shared->room + WEIR__DEFLATE_ROOM - size;
    if (size_max > WEIR__DEFLATE_ROOM - size - ZEROS)
        size_max = WEIR__DEFLATE_ROOM - size - ZEROS;
    if (part->size > 0)
        memcpy(in, part->data, part->size);
    memcpy(in + part->size, whole_tail, sizeof whole_tail);
    if (libdeflate_deflate_decompress_ex(shared->decompressor, in, size, shared->room,
                                         size_max + ZEROS, &eaten,
                                         &part->out_size) != LIBDEFLATE_SUCCESS ||
        !is_over(part, in, shared->room, eaten) || part->out_size > size_max) {
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
