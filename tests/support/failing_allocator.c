#include "support/failing_allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The requested size stands before the block, so that a wrong old_size is noticed. */
#define HEADER_SIZE 16

static size_t size_of(const void *block)
{
    size_t size;
    memcpy(&size, (const uint8_t *)block - HEADER_SIZE, sizeof size);
    return size;
}

static void check_old_size(const void *block, size_t old_size)
{
    size_t size = block != NULL ? size_of(block) : 0;
    if (size == old_size)
        return;
    fprintf(stderr, "allocator: old_size is %zu, was %zu\n", old_size, size);
    abort();
}

static void account(failing_allocator *self, size_t old_size, size_t new_size)
{
    self->live_bytes = self->live_bytes - old_size + new_size;
    if (self->live_bytes > self->peak_bytes)
        self->peak_bytes = self->live_bytes;
    if (new_size > self->largest)
        self->largest = new_size;
}

static bool fails_now(failing_allocator *self)
{
    self->calls++;
    bool fails = self->fail_at != 0 &&
                 (self->fail_after ? self->calls >= self->fail_at : self->calls == self->fail_at);
    self->failed = self->failed || fails;
    return fails;
}

/* Always moves, so that a stale pointer is found by AddressSanitizer. */
static void *resize(void *block, size_t old_size, size_t new_size, void *arg)
{
    failing_allocator *self = arg;
    check_old_size(block, old_size);
    uint8_t *moved = NULL;
    if (new_size > 0) {
        if (fails_now(self) || new_size > SIZE_MAX - HEADER_SIZE)
            return NULL;
        moved = malloc(HEADER_SIZE + new_size);
        if (moved == NULL)
            return NULL;
        memcpy(moved, &new_size, sizeof new_size);
        moved += HEADER_SIZE;
        memset(moved, 0xA5, new_size);
        if (block != NULL)
            memcpy(moved, block, old_size < new_size ? old_size : new_size);
        self->live_blocks++;
    }
    if (block != NULL) {
        free((uint8_t *)block - HEADER_SIZE);
        self->live_blocks--;
    }
    account(self, old_size, new_size);
    return moved;
}

void failing_allocator_init(failing_allocator *self, size_t fail_at)
{
    *self = (failing_allocator){.allocator = {.resize = resize, .arg = self}, .fail_at = fail_at};
}

bool failing_allocator_is_clean(const failing_allocator *self)
{
    return self->live_bytes == 0 && self->live_blocks == 0;
}
