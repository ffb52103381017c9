/** @file
 * weir/buffer.h - bytes that are appended, in memory that grows: what the encoders of weir write
 * to. Not thread-safe. */
#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** A buffer. Zeroed: empty, with the C library's allocator. Always size <= capacity; data is NULL
 * exactly when capacity is 0. */
typedef struct weir_buffer {
    uint8_t *data;                   /**< the bytes; NULL: no memory is held */
    size_t size;                     /**< bytes appended and not consumed */
    size_t capacity;                 /**< bytes at data that may be written */
    const weir_allocator *allocator; /**< NULL: the C library's; must outlive the buffer */
} weir_buffer;

/** Makes room for size more bytes and returns where they go. NULL: no memory, nothing has changed.
 * The caller writes there and adds to buffer->size. The capacity doubles as needed. Lends the room
 * until the next call that changes the buffer. */
WEIR_API WEIR_MUST_USE uint8_t *weir_buffer_reserve(weir_buffer *buffer, size_t size);

/** Appends a copy of size bytes. Borrows data. Errors: WEIR_ENOMEM: nothing has changed. */
WEIR_API WEIR_MUST_USE int weir_buffer_append(weir_buffer *buffer, const void *data, size_t size);

/** Drops the first size bytes, or all if there are fewer. Keeps the memory. */
WEIR_API void weir_buffer_consume(weir_buffer *buffer, size_t size);

/** Releases the memory. The buffer is empty and may be used again. */
WEIR_API void weir_buffer_fini(weir_buffer *buffer);

WEIR_END_DECLS
#endif
