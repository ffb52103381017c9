/* tests/wire/exact.h - input of a parser in an allocation of exactly its size, so that
 * AddressSanitizer sees the first byte read too many. */
#ifndef WEIR_TESTS_EXACT_H
#define WEIR_TESTS_EXACT_H

#include <stdlib.h>
#include <string.h>

static inline char *exact_copy(const void *bytes, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

#endif
