#include "codec/deflate_shared.h"

#include "base/alloc.h"

#include <string.h>

/* How many idle ones of each sort are kept. So many messages can be in progress at a time without
 * an allocation. */
#define IDLE_MAX 4

/* The allocator is given the size of a block when it is freed: zlib's blocks carry it in front. */
#define HEADER_SIZE ((size_t)16)

static void *allocate(void *opaque, unsigned count, unsigned size)
{
    const weir_allocator *allocator = opaque;
    size_t whole = (size_t)count * size + HEADER_SIZE;
    uint8_t *block = weir__alloc(allocator, whole);
    if (block == NULL)
        return NULL;
    memcpy(block, &whole, sizeof whole);
    return block + HEADER_SIZE;
}

static void release(void *opaque, void *data)
{
    uint8_t *block = (uint8_t *)data - HEADER_SIZE;
    size_t whole;
    memcpy(&whole, block, sizeof whole);
    weir__free(opaque, block, whole);
}

static z_stream new_stream(struct weir_deflate *shared)
{
    return (z_stream){.zalloc = allocate, .zfree = release, .opaque = &shared->allocator};
}

/* --- compressors --- */

/* zlib has no raw stream with a window of 256 bytes and takes 512 instead (deflateInit2). It never
 * uses the whole of that: a match begins at most 512 - 262 bytes back. So an inflater with 256 can
 * read the output. */
static int zlib_window(unsigned bits)
{
    return bits == 8 ? -9 : -(int)bits;
}

static struct weir__deflater *new_deflater(struct weir_deflate *shared,
                                           struct weir__deflate_kind kind)
{
    struct weir__deflater *deflater = weir__alloc(&shared->allocator, sizeof *deflater);
    if (deflater == NULL)
        return NULL;
    *deflater = (struct weir__deflater){.z = new_stream(shared), .kind = kind};
    if (deflateInit2(&deflater->z, kind.level, Z_DEFLATED, zlib_window(kind.window_bits),
                     kind.memory_level, Z_DEFAULT_STRATEGY) == Z_OK)
        return deflater;
    weir__free(&shared->allocator, deflater, sizeof *deflater);
    return NULL;
}

static void free_deflater(struct weir_deflate *shared, struct weir__deflater *deflater)
{
    deflateEnd(&deflater->z);
    weir__free(&shared->allocator, deflater, sizeof *deflater);
}

static bool is_same(struct weir__deflate_kind a, struct weir__deflate_kind b)
{
    return a.window_bits == b.window_bits && a.level == b.level && a.memory_level == b.memory_level;
}

struct weir__deflater *weir__deflater_take(struct weir_deflate *shared,
                                           struct weir__deflate_kind kind)
{
    for (struct weir__deflater **at = &shared->deflaters; *at != NULL; at = &(*at)->next) {
        struct weir__deflater *found = *at;
        if (!is_same(found->kind, kind))
            continue;
        *at = found->next;
        deflateReset(&found->z);
        return found;
    }
    return new_deflater(shared, kind);
}

void weir__deflater_give(struct weir_deflate *shared, struct weir__deflater *deflater)
{
    size_t count = 1;
    if (deflater == NULL)
        return;
    deflater->next = shared->deflaters;
    shared->deflaters = deflater;
    while (deflater->next != NULL && count++ < IDLE_MAX)
        deflater = deflater->next;
    if (deflater->next == NULL)
        return;
    free_deflater(shared, deflater->next);
    deflater->next = NULL;
}

/* --- inflaters --- */

static void free_inflater(struct weir_deflate *shared, struct weir__inflater *inflater)
{
    inflateEnd(&inflater->z);
    weir__free(&shared->allocator, inflater, sizeof *inflater);
}

struct weir__inflater *weir__inflater_take(struct weir_deflate *shared, unsigned window_bits)
{
    struct weir__inflater *inflater = shared->inflaters;
    if (inflater != NULL) {
        shared->inflaters = inflater->next;
        inflateReset2(&inflater->z, -(int)window_bits);
        return inflater;
    }
    inflater = weir__alloc(&shared->allocator, sizeof *inflater);
    if (inflater == NULL)
        return NULL;
    *inflater = (struct weir__inflater){.z = new_stream(shared)};
    if (inflateInit2(&inflater->z, -(int)window_bits) == Z_OK)
        return inflater;
    weir__free(&shared->allocator, inflater, sizeof *inflater);
    return NULL;
}

void weir__inflater_give(struct weir_deflate *shared, struct weir__inflater *inflater)
{
    size_t count = 1;
    if (inflater == NULL)
        return;
    for (const struct weir__inflater *at = shared->inflaters; at != NULL; at = at->next)
        count++;
    if (count > IDLE_MAX) {
        free_inflater(shared, inflater);
        return;
    }
    inflater->next = shared->inflaters;
    shared->inflaters = inflater;
}

/* --- life --- */

int weir_deflate_new(weir_deflate **out, const weir_allocator *allocator)
{
    *out = weir__alloc(allocator, sizeof **out);
    if (*out == NULL)
        return WEIR_ENOMEM;
    memset(*out, 0, offsetof(struct weir_deflate, room));
    if (allocator != NULL)
        (*out)->allocator = *allocator;
    return WEIR_OK;
}

void weir_deflate_free(weir_deflate *shared)
{
    if (shared == NULL)
        return;
    while (shared->deflaters != NULL) {
        struct weir__deflater *next = shared->deflaters->next;
        free_deflater(shared, shared->deflaters);
        shared->deflaters = next;
    }
    while (shared->inflaters != NULL) {
        struct weir__inflater *next = shared->inflaters->next;
        free_inflater(shared, shared->inflaters);
        shared->inflaters = next;
    }
    weir__whole_fini(shared);
    weir_allocator allocator = shared->allocator;
    weir__free(&allocator, shared, sizeof *shared);
}
