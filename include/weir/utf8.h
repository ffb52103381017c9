/** @file
 * weir/utf8.h - UTF-8, checked as it arrives (RFC 3629; RFC 6455 8.1). Overlong forms, surrogates
 * and what is over U+10FFFF are errors. An error is found at its first impossible byte. Values;
 * thread-safe; allocates nothing. */
#ifndef WEIR_UTF8_H
#define WEIR_UTF8_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** The state of a check in the middle of a text. Zeroed: at its start. After an error it is
 * undefined: zero it. */
typedef struct weir_utf8 {
    uint8_t wanted; /**< continuation bytes still to come */
    uint8_t lower;  /**< the range of the next one, when wanted is not 0 */
    uint8_t upper;  /**< see lower */
} weir_utf8;

/** Checks the next size bytes of a text. Borrows data. *valid_size is the number of bytes before
 * the first bad one; valid_size may be NULL.
 *
 * Returns WEIR_OK: the text is UTF-8 so far, and may end inside a character. WEIR_EUTF8: the byte
 * at *valid_size must not stand there. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_utf8_feed(weir_utf8 *state, const void *data, size_t size,
                                                   size_t *valid_size);

/** Whether the text may end here: it is not inside a character. */
WEIR_INTERNAL_API bool weir_utf8_is_complete(const weir_utf8 *state);

/** Whether all of a text is UTF-8 and ends with a whole character. data may be NULL when size is 0.
 * Borrows data. */
WEIR_API bool weir_utf8_is_valid(const void *data, size_t size);

/** Where to shorten a valid text: the most bytes, at most limit, that do not cut a character.
 * Borrows data. */
WEIR_API size_t weir_utf8_cut(const void *data, size_t size, size_t limit);

WEIR_END_DECLS
#endif
