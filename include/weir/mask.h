/** @file
 * weir/mask.h - the masking of payloads (RFC 6455 5.3): each byte is combined with one of the four
 * of the key. Masking twice gives the original. Thread-safe; allocates nothing. */
#ifndef WEIR_MASK_H
#define WEIR_MASK_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Masks or unmasks size bytes in place. key: four bytes in the order of the wire. offset: how many
 * bytes of the payload stand before data. */
WEIR_INTERNAL_API void weir_mask(void *data, size_t size, const uint8_t key[4], uint64_t offset);

/** The same from src to dst, and src stays as it is. src and dst may be equal, but must not overlap
 * otherwise. */
WEIR_INTERNAL_API void weir_mask_copy(void *dst, const void *src, size_t size, const uint8_t key[4],
                                      uint64_t offset);

WEIR_END_DECLS
#endif
