/* base/alloc.h - memory through a weir_allocator, and blocks that a frame can own. Private to the
 * library. */
#ifndef WEIR_BASE_ALLOC_H
#define WEIR_BASE_ALLOC_H

#include <weir/base.h>

/* malloc, realloc and free: what is used where an allocator has no resize. */
extern const weir_allocator weir__libc_allocator;

/* allocator NULL, or its resize NULL: the C library's. size must not be 0. NULL: no memory. */
WEIR_MUST_USE void *weir__alloc(const weir_allocator *allocator, size_t size);

/* As weir_allocator.resize with a new_size that is not 0; on NULL the block is untouched. */
WEIR_MUST_USE void *weir__realloc(const weir_allocator *allocator, void *block, size_t old_size,
                                  size_t new_size);

/* block may be NULL; size is what was asked for. */
void weir__free(const weir_allocator *allocator, void *block, size_t size);

/* Bytes behind a header that is needed to free them. weir_frame.owner points to one, so that a
 * frame may outlive what has made it. The allocator is a copy; its arg must live as long as the
 * block. */
typedef struct weir__block {
    weir_allocator allocator;
    size_t capacity; /* bytes of data */
    _Alignas(16) uint8_t data[];
} weir__block;

/* Makes (block NULL) or resizes a block; capacity must not be 0. NULL: no memory, or the size is
 * too large; block is untouched. */
WEIR_MUST_USE weir__block *weir__block_resize(weir__block *block, const weir_allocator *allocator,
                                              size_t capacity);

/* Frees a weir__block; NULL is allowed. Has the type of weir_frame.release. */
void weir__block_release(void *block);

#endif
