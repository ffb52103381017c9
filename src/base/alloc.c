#include "base/alloc.h"

#include <stdlib.h>

static void *resize_by_libc(void *block, size_t old_size, size_t new_size, void *arg)
{
    (void)arg;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

const weir_allocator weir__libc_allocator = {.resize = resize_by_libc};

static void *resize(const weir_allocator *allocator, void *block, size_t old_size, size_t new_size)
{
    if (allocator == NULL || allocator->resize == NULL)
        return resize_by_libc(block, old_size, new_size, NULL);
    return allocator->resize(block, old_size, new_size, allocator->arg);
}

void *weir__realloc(const weir_allocator *allocator, void *block, size_t old_size, size_t new_size)
{
    return resize(allocator, block, old_size, new_size);
}

void *weir__alloc(const weir_allocator *allocator, size_t size)
{
    return resize(allocator, NULL, 0, size);
}

void weir__free(const weir_allocator *allocator, void *block, size_t size)
{
    if (block != NULL)
        resize(allocator, block, size, 0);
}

weir__block *weir__block_resize(weir__block *block, const weir_allocator *allocator,
                                size_t capacity)
{
    size_t size;
    if (__builtin_add_overflow(sizeof(weir__block), capacity, &size) || size > PTRDIFF_MAX)
        return NULL;
    size_t old_size = block != NULL ? sizeof(weir__block) + block->capacity : 0;
    weir_allocator from = {0};
    if (block != NULL)
        from = block->allocator;
    else if (allocator != NULL)
        from = *allocator;
    weir__block *resized = weir__realloc(&from, block, old_size, size);
    if (resized == NULL)
        return NULL;
    resized->allocator = from;
    resized->capacity = capacity;
    return resized;
}

void weir__block_release(void *owner)
{
    weir__block *block = owner;
    if (block == NULL)
        return;
    weir_allocator from = block->allocator;
    weir__free(&from, block, sizeof(weir__block) + block->capacity);
}
