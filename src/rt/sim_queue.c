#include "rt/sim_queue.h"

#include "rt/loop.h"

#include <string.h>

/* Small writes share a segment when they arrive in the same millisecond, so that a byte at a time
 * costs little more than a byte. */
#define SEGMENT_MIN 128

struct weir__sim_segment {
    struct weir__sim_segment *next;
    uint64_t due_ms;
    size_t capacity;
    size_t begin; /* data[begin..end) is unread */
    size_t end;
    uint8_t data[];
};

/* A place in an array of pieces. */
struct cursor {
    const struct iovec *piece;
    size_t offset;
};

static void gather(struct cursor *cursor, uint8_t *out, size_t size)
{
    while (size > 0) {
        size_t part = cursor->piece->iov_len - cursor->offset;
        if (part == 0) {
            cursor->piece++;
            cursor->offset = 0;
            continue;
        }
        if (part > size)
            part = size;
        memcpy(out, (const uint8_t *)cursor->piece->iov_base + cursor->offset, part);
        cursor->offset += part;
        out += part;
        size -= part;
    }
}

static void append(struct weir__sim_segment *segment, struct cursor *cursor, size_t size)
{
    gather(cursor, segment->data + segment->end, size);
    segment->end += size;
}

static struct weir__sim_segment *make_segment(weir_loop *loop, size_t size, uint64_t due_ms)
{
    size_t capacity = size < SEGMENT_MIN ? SEGMENT_MIN : size;
    struct weir__sim_segment *segment = weir__loop_alloc(loop, sizeof *segment + capacity);
    if (segment != NULL)
        *segment = (struct weir__sim_segment){.due_ms = due_ms, .capacity = capacity};
    return segment;
}

static void free_segment(weir_loop *loop, struct weir__sim_segment *segment)
{
    weir__loop_free(loop, segment, sizeof *segment + segment->capacity);
}

int weir__sim_queue_put(struct weir__sim_queue *queue, weir_loop *loop, const struct iovec *pieces,
                        size_t size, uint64_t due_ms)
{
    struct weir__sim_segment *last = queue->last;
    struct cursor cursor = {.piece = pieces};
    size_t shared = 0;
    if (last != NULL && last->due_ms == due_ms)
        shared = last->capacity - last->end;
    if (shared > size)
        shared = size;
    struct weir__sim_segment *added = NULL;
    if (shared < size) {
        added = make_segment(loop, size - shared, due_ms);
        if (added == NULL)
            return WEIR_ENOMEM;
    }
    if (shared > 0)
        append(last, &cursor, shared);
    if (added != NULL) {
        append(added, &cursor, size - shared);
        *(last != NULL ? &last->next : &queue->first) = added;
        queue->last = added;
    }
    queue->held += size;
    return WEIR_OK;
}

size_t weir__sim_queue_ready(const struct weir__sim_queue *queue, uint64_t now_ms, size_t most)
{
    size_t size = 0;
    const struct weir__sim_segment *segment = queue->first;
    for (; segment != NULL && segment->due_ms <= now_ms && size < most; segment = segment->next)
        size += segment->end - segment->begin;
    return size < most ? size : most;
}

void weir__sim_queue_take(struct weir__sim_queue *queue, weir_loop *loop, uint8_t *out, size_t size)
{
    struct weir__sim_segment *segment;
    queue->held -= size;
    while (size > 0 && (segment = queue->first) != NULL) {
        size_t part = segment->end - segment->begin;
        if (part > size)
            part = size;
        memcpy(out, segment->data + segment->begin, part);
        segment->begin += part;
        out += part;
        size -= part;
        if (segment->begin < segment->end)
            continue;
        queue->first = segment->next;
        if (queue->first == NULL)
            queue->last = NULL;
        free_segment(loop, segment);
    }
}

uint64_t weir__sim_queue_first_due(const struct weir__sim_queue *queue)
{
    return queue->first != NULL ? queue->first->due_ms : UINT64_MAX;
}

void weir__sim_queue_clear(struct weir__sim_queue *queue, weir_loop *loop)
{
    while (queue->first != NULL) {
        struct weir__sim_segment *segment = queue->first;
        queue->first = segment->next;
        free_segment(loop, segment);
    }
    queue->last = NULL;
    queue->held = 0;
}
