/** @file
 * weir/deflate_codec.h - the codec of permessage-deflate (RFC 7692 7.2), by zlib and, for messages without context takeover,
 * libdeflate.
 *
 * The sessions of weir use it by themselves; it is here for those who drive an endpoint of their own. Not thread-safe: what
 * is shared, with all its codecs, belongs to one thread. */
#ifndef WEIR_DEFLATE_CODEC_H
#define WEIR_DEFLATE_CODEC_H

#include <weir/base.h>
#include <weir/codec.h>
#include <weir/deflate.h>
#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** What the codecs of a thread share: compressors and inflaters that are at rest, and room to work in. */
typedef struct weir_deflate weir_deflate;

/** Makes it; nothing is allocated for compression before it is needed. allocator NULL: malloc; Copies it. libdeflate takes its
 * memory from malloc. Errors: WEIR_ENOMEM; WEIR_ENOTSUP (built without zlib). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_new(weir_deflate **out,
                                                     const weir_allocator *allocator);

/** Frees it, after all its codecs. NULL is allowed. */
WEIR_INTERNAL_API void weir_deflate_free(weir_deflate *shared);

/** Makes the codec of one endpoint for the terms that were agreed on. Keeps shared, Copies the rest. A direction without context
 * takeover holds a compressor or an inflater only while a message is in the middle; one with it from the first message on.
 * Errors: WEIR_EINVAL (options), WEIR_ENOMEM; WEIR_ENOTSUP (built without zlib). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_codec_new(weir_codec **out, weir_deflate *shared,
                                                           enum weir_role role,
                                                           const weir_deflate_options *options,
                                                           const weir_deflate_terms *terms);

WEIR_END_DECLS
#endif
