/* codec/deflate_end.h - how many bits a compressed block leaves free in its last octet (RFC 1951
 * 3.2). A block that follows begins there, and libdeflate does not return it. Pure, thread-safe. */
#ifndef WEIR_CODEC_DEFLATE_END_H
#define WEIR_CODEC_DEFLATE_END_H

#include <weir/base.h>

/* in[0..size) is one whole block, filled up with zero bits. Returns their number, 0..7; -1: they
 * cannot be told from the block's own bits without inflating it (it has the fixed codes, or the
 * code of its end is all zero bits). Borrows in. */
int weir__deflate_free_bits(const uint8_t *in, size_t size);

#endif
