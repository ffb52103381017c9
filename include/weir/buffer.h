/** @file
 * weir/buffer.h - bytes appended at the end, in memory that grows: what every encoder of weir writes to. Not thread-safe. */
#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Invariants: size <= capacity; data is NULL exactly when capacity is 0. A zeroed one is empty and uses malloc. */
typedef struct weir_buffer {
    uint8_t *data;                   /**< the bytes; NULL: no memory is held */
    size_t size;                     /**< bytes appended and not consumed */
    size_t capacity;                 /**< bytes at data that may be written */
    const weir_allocator *allocator; /**< NULL: the C library's; must outlive the buffer */
} weir_buffer;

/** Makes room for size more bytes, doubling the capacity as needed, and returns where they go; NULL: no memory, nothing
 * changed. The caller writes there and adds to buffer->size. */
WEIR_API WEIR_MUST_USE uint8_t *weir_buffer_reserve(weir_buffer *buffer, size_t size);

/** Appends a copy of size bytes. Errors: WEIR_ENOMEM, nothing changed. */
WEIR_API WEIR_MUST_USE int weir_buffer_append(weir_buffer *buffer, const void *data, size_t size);

/** Drops the first size bytes (at most all), keeping the memory. */
WEIR_API void weir_buffer_consume(weir_buffer *buffer, size_t size);

/** Gives the memory back; the buffer is empty and usable again. */
WEIR_API void weir_buffer_fini(weir_buffer *buffer);

WEIR_END_DECLS
#endif
