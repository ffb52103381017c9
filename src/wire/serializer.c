#include <weir/serializer.h>

#include "base/alloc.h"
#include "wire/head.h"

#include <weir/mask.h>

#include <string.h>

#define CAPACITY_DEFAULT 1024
#define RING_MIN         8

/* A queued frame with the opcode it goes out with: 0 for a continuation. */
struct weir_serializer_entry {
    weir_frame frame;
    uint8_t opcode;
};

int weir_serializer_init(weir_serializer *serializer, const weir_serializer_options *options)
{
    *serializer = (weir_serializer){0};
    if (options->masking && options->random == NULL)
        return WEIR_EINVAL;
    serializer->options = *options;
    serializer->masking = options->masking;
    if (options->capacity == 0)
        serializer->options.capacity = CAPACITY_DEFAULT;
    return WEIR_OK;
}

static struct weir_serializer_entry *entry_at(const weir_serializer *serializer, size_t index)
{
    return &serializer->ring[(serializer->first + index) % serializer->ring_size];
}

static size_t next_ring_size(const weir_serializer *serializer)
{
    size_t capacity = serializer->options.capacity;
    if (serializer->ring_size == 0)
        return capacity < RING_MIN ? capacity : RING_MIN;
    return serializer->ring_size > capacity / 2 ? capacity : serializer->ring_size * 2;
}

static int grow_ring(weir_serializer *serializer)
{
    size_t size;
    size_t ring_size = next_ring_size(serializer);
    if (__builtin_mul_overflow(ring_size, sizeof *serializer->ring, &size))
        return WEIR_ENOMEM;
    struct weir_serializer_entry *ring = weir__alloc(&serializer->options.allocator, size);
    if (ring == NULL)
        return WEIR_ENOMEM;
    for (size_t i = 0; i < serializer->count; i++)
        ring[i] = *entry_at(serializer, i);
    weir__free(&serializer->options.allocator, serializer->ring,
               serializer->ring_size * sizeof *ring);
    serializer->ring = ring;
    serializer->ring_size = ring_size;
    serializer->first = 0;
    return WEIR_OK;
}

static bool is_data(const weir_frame *frame)
{
    return frame->type == WEIR_FRAME_TEXT || frame->type == WEIR_FRAME_BINARY;
}

static int check_frame(const weir_serializer *serializer, const weir_frame *frame)
{
    if (weir_frame_type_from_opcode(frame->type) < 0 || frame->rsv > 7 ||
        (frame->size > 0 && frame->data == NULL))
        return WEIR_EINVAL;
    if (!is_data(frame))
        return frame->fin && frame->size <= WEIR__CONTROL_MAX ? WEIR_OK : WEIR_EINVAL;
    bool differs = serializer->message != 0 && serializer->message != frame->type;
    return differs ? WEIR_EINVAL : WEIR_OK;
}

static void push(weir_serializer *serializer, const weir_frame *frame)
{
    struct weir_serializer_entry *entry = entry_at(serializer, serializer->count++);
    *entry = (struct weir_serializer_entry){*frame, frame->type};
    if (!is_data(frame))
        return;
    if (serializer->message != 0)
        entry->opcode = 0;
    serializer->message = frame->fin ? 0 : frame->type;
}

int weir_serializer_enqueue(weir_serializer *serializer, const weir_frame *frame)
{
    if (weir_serializer_remaining_capacity(serializer) == 0)
        return WEIR_EAGAIN;
    int status = check_frame(serializer, frame);
    if (status == WEIR_OK && serializer->count == serializer->ring_size)
        status = grow_ring(serializer);
    if (status == WEIR_OK) {
        push(serializer, frame);
    } else {
        weir_frame taken = *frame;
        weir_frame_release(&taken);
    }
    return status;
}

static void make_head(weir_serializer *serializer, const struct weir_serializer_entry *entry)
{
    weir_frame_head head = {
        .size = entry->frame.size,
        .opcode = entry->opcode,
        .rsv = entry->frame.rsv,
        .fin = entry->frame.fin,
        .masked = serializer->masking && serializer->options.random != NULL,
    };
    if (head.masked)
        serializer->options.random(head.key, sizeof head.key, serializer->options.random_arg);
    memcpy(serializer->key, head.key, sizeof head.key);
    serializer->head_size = (uint8_t)weir_frame_head_write(serializer->head, &head);
}

static size_t write_head(weir_serializer *serializer, uint8_t *out, size_t size)
{
    if (serializer->written >= serializer->head_size)
        return 0;
    size_t from = (size_t)serializer->written;
    size_t left = serializer->head_size - from;
    size_t taken = left < size ? left : size;
    memcpy(out, serializer->head + from, taken);
    serializer->written += taken;
    return taken;
}

/* In a frame that is not masked the key is zero, which changes nothing. */
static size_t write_payload(weir_serializer *serializer, const weir_frame *frame, uint8_t *out,
                            size_t size)
{
    if (serializer->written < serializer->head_size)
        return 0;
    size_t from = (size_t)(serializer->written - serializer->head_size);
    size_t left = frame->size - from;
    size_t taken = left < size ? left : size;
    if (taken > 0)
        weir_mask_copy(out, frame->data + from, taken, serializer->key, from);
    serializer->written += taken;
    return taken;
}

static void pop(weir_serializer *serializer)
{
    weir_frame_release(&entry_at(serializer, 0)->frame);
    serializer->first = (serializer->first + 1) % serializer->ring_size;
    serializer->count--;
    serializer->head_size = 0;
    serializer->written = 0;
}

size_t weir_serializer_write(weir_serializer *serializer, void *out, size_t size)
{
    uint8_t *to = out;
    size_t done = 0;
    while (serializer->count > 0 && done < size) {
        const struct weir_serializer_entry *entry = entry_at(serializer, 0);
        if (serializer->head_size == 0)
            make_head(serializer, entry);
        done += write_head(serializer, to + done, size - done);
        done += write_payload(serializer, &entry->frame, to + done, size - done);
        if (serializer->written == (uint64_t)serializer->head_size + entry->frame.size)
            pop(serializer);
    }
    return done;
}

bool weir_serializer_has_outstanding(const weir_serializer *serializer)
{
    return serializer->count > 0;
}

size_t weir_serializer_remaining_capacity(const weir_serializer *serializer)
{
    return serializer->options.capacity - serializer->count;
}

void weir_serializer_fini(weir_serializer *serializer)
{
    while (serializer->count > 0)
        pop(serializer);
    weir__free(&serializer->options.allocator, serializer->ring,
               serializer->ring_size * sizeof *serializer->ring);
    *serializer = (weir_serializer){0};
}
