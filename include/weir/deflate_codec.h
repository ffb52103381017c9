/** @file
 * weir/deflate_codec.h - the codec of permessage-deflate (RFC 7692 7.2): by zlib and, for messages
 * without context takeover, by libdeflate.
 *
 * Sessions use it by themselves. It is public for programs that drive an endpoint of their own. Not
 * thread-safe: a weir_deflate and all its codecs belong to one thread. */
#ifndef WEIR_DEFLATE_CODEC_H
#define WEIR_DEFLATE_CODEC_H

#include <weir/base.h>
#include <weir/codec.h>
#include <weir/deflate.h>
#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** What the codecs of a thread share: idle compressors and inflaters, and room to work in. */
typedef struct weir_deflate weir_deflate;

/** Makes what codecs share. Memory for compression is allocated when it is needed first. Copies
 * allocator (NULL: the C library's). libdeflate allocates by malloc().
 * Errors: WEIR_ENOMEM; WEIR_ENOTSUP: built without zlib. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_new(weir_deflate **out,
                                                     const weir_allocator *allocator);

/** Frees it (Takes). All its codecs must have been freed. NULL is allowed. */
WEIR_INTERNAL_API void weir_deflate_free(weir_deflate *shared);

/** Makes the codec of one endpoint, for the terms that were agreed on. Keeps shared until the codec
 * is freed. Copies the rest.
 *
 * Without context takeover, a direction holds a compressor or an inflater only in the middle of a
 * message. With it, from the first message on.
 * Errors: WEIR_EINVAL: options; WEIR_ENOMEM; WEIR_ENOTSUP: built without zlib. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_codec_new(weir_codec **out, weir_deflate *shared,
                                                           enum weir_role role,
                                                           const weir_deflate_options *options,
                                                           const weir_deflate_terms *terms);

WEIR_END_DECLS
#endif
