/* libdeflate: a whole message at a time, in half the time of a stream, without the context of those
 * before. */
#include "codec/deflate_end.h"
#include "codec/deflate_shared.h"

#include <libdeflate.h>

#include <string.h>

/* Up to these sizes libdeflate writes one block: it parts none where less than 5,000 bytes would be
 * on either side, and none at all on its fastest level. */
#define ONE_BLOCK_MAX      ((size_t)9999)
#define ONE_BLOCK_MAX_FAST ((size_t)65535)

/* These levels come near the size of zlib's level 6, in half the time or less. Higher ones are
 * worth their time at no size. */
static unsigned level_for(size_t size)
{
    return size > 2048 && size <= ONE_BLOCK_MAX ? 3 : 1;
}

/* The end of a sync flush, which no message carries (7.2.1), and a final block, which libdeflate
 * needs to end at. */
static const uint8_t flush_tail[] = {0x00, 0x00, 0xff, 0xff, 0x03, 0x00};

/* Whether out[0..size) with the tail behind it inflates to plain_size bytes. There is room for the
 * tail. */
static bool is_stream(struct weir_deflate *shared, uint8_t *out, size_t size, size_t plain_size)
{
    memcpy(out + size, flush_tail, sizeof flush_tail);
    return libdeflate_deflate_decompress(shared->decompressor, out, size + sizeof flush_tail,
                                         shared->room, plain_size, NULL) == LIBDEFLATE_SUCCESS;
}

/* Whether there is room for the three bits that an empty block begins with. */
static bool has_room(struct weir_deflate *shared, uint8_t *out, size_t size, size_t plain_size)
{
    if (out[size - 1] >= 0x20)
        return false;
    int free_bits = weir__deflate_free_bits(out, size);
    return free_bits < 0 ? is_stream(shared, out, size, plain_size) : free_bits >= 3;
}

/* Makes the final block in out[0..size) one that others may follow. A message may end with a final
 * block (7.2.3.4), but not every implementation accepts it. The header of the empty block of a sync
 * flush is three zero bits: they go into the free bits of the last octet, or into another octet.
 * Returns the size. */
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
    if (size == 0 || (part->out[0] & 1) == 0) /* more than one block */
        return false;
    part->out_size = open_end(shared, part->out, size, part->size);
    return true;
}

/* --- in --- */

#define ZEROS 320

/* What is appended to a message: the octets that were cut off, and a final block, which libdeflate
 * needs to end at. Ours is a stored block of zeros.
 *
 * libdeflate returns at which octet a final block ended, not which block that was. A block that the
 * message leaves open goes on into the tail, and must not be taken for ours. These are the final
 * blocks that could end with the last octet of the tail:
 *  - A block with codes: it cannot. It begins with a one bit, so before the zeros. Its head is over
 *    after 290 zeros at the latest (16 bits, 57 for the code of the lengths, 320 lengths of 7 bits,
 *    7 of a repetition), and so is a symbol that was cut in two (48 bits). From there on the zeros
 *    are one symbol again and again: the first of them ends the block, or none does.
 *  - A stored block whose length lies in the message: then the whole tail is at the end of the
 *    output, which is_swallowed() finds.
 *  - A stored block whose length lies in the tail, or partly: it is ours. No other octets there are
 *    a length that ends there followed by its complement, and no other bits before ours begin a
 *    final block.
 * Ours begins where the message ends, as 7.2.1 asks for. */
static const uint8_t whole_tail[9 + ZEROS] = {
    0x00, 0x00, 0xff, 0xff, 0x01, ZEROS & 0xff, ZEROS >> 8, ~ZEROS & 0xff, ~ZEROS >> 8 & 0xff};

/* Whether the tail was read as data. */
static bool is_swallowed(const uint8_t *out, size_t size)
{
    return size >= sizeof whole_tail &&
           memcmp(out + size - sizeof whole_tail, whole_tail, sizeof whole_tail) == 0;
}

/* Whether the message has ended, when so many octets of in[], where it and the tail are, were
 * consumed. Cuts off the output that the tail gave. */
static bool is_over(weir_codec_incoming *part, const uint8_t *in, const uint8_t *out, size_t eaten)
{
    if (eaten == part->size + sizeof whole_tail && !is_swallowed(out, part->out_size)) {
        part->out_size -= ZEROS;
        return true;
    }
    /* Behind a final block only an empty one is left: the last octet and the four that were cut off
     * (7.2.3.4). */
    return eaten + 1 == part->size && in[eaten] == 0;
}

bool weir__inflate_whole(struct weir_deflate *shared, weir_codec_incoming *part, size_t size_max)
{
    size_t size = part->size + sizeof whole_tail;
    size_t eaten = 0;
    /* The tail has to lie behind the message: both are copied to the end of the room, and inflated
     * into what is before. */
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
