#include <weir/buffer.h>

#include "base/alloc.h"

#include <string.h>

/* The first capacity: a smaller one would be outgrown at once. */
#define CAPACITY_MIN 64

static bool grow(weir_buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity > CAPACITY_MIN ? buffer->capacity : CAPACITY_MIN;
    while (capacity < needed)
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    uint8_t *data = weir__realloc(buffer->allocator, buffer->data, buffer->capacity, capacity);
    if (data == NULL)
        return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *weir_buffer_reserve(weir_buffer *buffer, size_t size)
{
    size_t needed;
    if (__builtin_add_overflow(buffer->size, size, &needed) || needed > PTRDIFF_MAX)
        return NULL;
    if ((needed > buffer->capacity || buffer->data == NULL) && !grow(buffer, needed))
        return NULL;
    return buffer->data + buffer->size;
}

int weir_buffer_append(weir_buffer *buffer, const void *data, size_t size)
{
    if (size == 0)
        return WEIR_OK;
    uint8_t *room = weir_buffer_reserve(buffer, size);
    if (room == NULL)
        return WEIR_ENOMEM;
    memcpy(room, data, size);
    buffer->size += size;
    return WEIR_OK;
}

void weir_buffer_consume(weir_buffer *buffer, size_t size)
{
    if (size >= buffer->size) {
        buffer->size = 0;
        return;
    }
    buffer->size -= size;
    memmove(buffer->data, buffer->data + size, buffer->size);
}

void weir_buffer_fini(weir_buffer *buffer)
{
    weir__free(buffer->allocator, buffer->data, buffer->capacity);
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
}
