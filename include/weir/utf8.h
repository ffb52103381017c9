/** @file
 * weir/utf8.h - UTF-8 checked as it streams in (RFC 3629; RFC 6455 8.1): overlong forms, surrogates and what is over U+10FFFF are
 * refused, and an error is found at its first impossible byte. Values; thread-safe; allocates nothing. */
#ifndef WEIR_UTF8_H
#define WEIR_UTF8_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Where in a character the text stands. Zeroed: at the start of one. After an error: undefined, zero it. */
typedef struct weir_utf8 {
    uint8_t wanted; /**< continuation bytes still to come */
    uint8_t lower;  /**< the range of the next one, when wanted is not 0 */
    uint8_t upper;  /**< see lower */
} weir_utf8;

/** Checks size more bytes. WEIR_OK: the text is UTF-8 so far, perhaps ending inside a character. WEIR_EUTF8: the byte at
 * *valid_size cannot stand there. *valid_size is size on success; valid_size may be NULL. Borrows data. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_utf8_feed(weir_utf8 *state, const void *data, size_t size,
                                                   size_t *valid_size);

/** Whether the text may end here. */
WEIR_INTERNAL_API bool weir_utf8_is_complete(const weir_utf8 *state);

/** Whether all of it is UTF-8, and ends with a whole character. data may be NULL when size is 0. Borrows data. */
WEIR_API bool weir_utf8_is_valid(const void *data, size_t size);

/** The size of the longest part of valid text that is at most limit bytes and does not cut a character: where to
 * shorten a text. Borrows data. */
WEIR_API size_t weir_utf8_cut(const void *data, size_t size, size_t limit);

WEIR_END_DECLS
#endif
