/* codec/deflate_end.h - how many bits of its last octet a compressed block leaves free: what a block that follows has to know, and libdeflate does not tell. Pure,
 * thread-safe; RFC 1951 3.2. */
#ifndef WEIR_CODEC_DEFLATE_END_H
#define WEIR_CODEC_DEFLATE_END_H

#include <weir/base.h>

/* in[0..size) is one whole block, filled up with zero bits. Returns how many they are, 0..7; -1: they cannot be told from the end of the block without inflating it
 * (its codes are the fixed ones, or its end is all zero bits). Borrows in. */
int weir__deflate_free_bits(const uint8_t *in, size_t size);

#endif
