#include "ws/flow/segments.h"

#include "ws/flow/frame_ref.h"

#include <assert.h>
#include <string.h>
#include <weir/mask.h>

/* What out begins with, so that the small messages of one turn find room without growing it. Each
 * session that sends in a turn has one until the turn ends. */
#define FIRST_SIZE ((size_t)2304)
/* The header of a frame that may have come whole in a read buffer, without a mask. */
#define HEAD_SIZE 4
/* So much of a large payload is given to the kernel at once: the peer reads it while the next is
 * sent, and the kernel has less to catch up with at the end of the call. Echoes of 1 MiB were a
 * fifth faster so than in one piece, and half as fast again as in four. */
#define PIECE_MAX ((size_t)512 * 1024)
/* A payload that has to be masked is masked in pieces of this size. */
#define MASKED_PIECE ((size_t)64 * 1024)

static struct weir__segment *segment_at(const struct weir__output *output, unsigned index)
{
    return &output->ring[(output->first + index) & (output->capacity - 1u)];
}

/* --- life --- */

/* The allocator of buffers, one of which may stand in the output itself. */
static void *resize_buffer(void *block, size_t old_size, size_t new_size, void *arg)
{
    struct weir__output *output = arg;
    const weir_allocator *allocator = weir__loop_allocator(output->loop);
    if (block != output->room || output->room_size == 0)
        return allocator->resize(block, old_size, new_size, allocator->arg);
    if (new_size == 0)
        return NULL;
    void *moved = allocator->resize(NULL, 0, new_size, allocator->arg);
    if (moved != NULL)
        memcpy(moved, block, old_size < new_size ? old_size : new_size);
    return moved;
}

static void free_buffer(weir_buffer *buffer)
{
    if (buffer->data != NULL)
        weir_buffer_fini(buffer);
}

struct weir__output *weir__output_take(weir_loop *loop, bool with_room)
{
    struct weir__output *output = with_room ? weir__loop_alloc(loop, sizeof *output + FIRST_SIZE)
                                            : weir__loop_alloc(loop, sizeof *output);
    if (output == NULL)
        return NULL;
    output->loop = loop;
    output->room_size = with_room ? FIRST_SIZE : 0;
    output->allocator = (weir_allocator){resize_buffer, output};
    output->out = (weir_buffer){.data = with_room ? output->room : NULL,
                                .capacity = output->room_size,
                                .allocator = &output->allocator};
    output->ring = output->few;
    output->bytes = 0;
    output->capacity = sizeof output->few / sizeof *output->few;
    output->first = output->count = output->listed = 0;
    output->listed_out = false;
    return output;
}

static void release_segment(struct weir__segment *segment)
{
    if (segment->kind == WEIR__SEGMENT_OWN || segment->kind == WEIR__SEGMENT_MASKED)
        free_buffer(&segment->own);
    if (segment->kind != WEIR__SEGMENT_OWN)
        weir_frame_release(&segment->frame);
}

void weir__output_give(struct weir__output *output)
{
    weir_loop *loop = output->loop;
    for (unsigned i = 0; i < output->count; i++)
        release_segment(segment_at(output, i));
    if (output->ring != output->few)
        weir__loop_free(loop, output->ring, WEIR__SEGMENTS_MAX * sizeof *output->ring);
    if (output->out.data != output->room)
        free_buffer(&output->out);
    if (output->room_size != 0)
        weir__loop_free(loop, output, sizeof *output + FIRST_SIZE);
    else
        weir__loop_free(loop, output, sizeof *output);
}

void weir__output_make_room(struct weir__output *output)
{
    const uint8_t *room = weir_buffer_reserve(&output->out, FIRST_SIZE);
    (void)room;
}

bool weir__output_has_payload(const struct weir__output *output)
{
    for (unsigned i = 0; i < output->count; i++)
        if (segment_at(output, i)->kind != WEIR__SEGMENT_OWN)
            return true;
    return false;
}

/* --- segments in --- */

static int grow(struct weir__output *output)
{
    struct weir__segment *ring = weir__loop_alloc(output->loop, WEIR__SEGMENTS_MAX * sizeof *ring);
    if (ring == NULL)
        return WEIR_ENOMEM;
    for (unsigned i = 0; i < output->count; i++)
        ring[i] = *segment_at(output, i);
    output->ring = ring;
    output->first = 0;
    output->capacity = WEIR__SEGMENTS_MAX;
    return WEIR_OK;
}

int weir__output_reserve(struct weir__output *output)
{
    return output->count + 2 <= output->capacity ? WEIR_OK : grow(output);
}

static struct weir__segment *push(struct weir__output *output, enum weir__segment_kind kind)
{
    assert(output->count < output->capacity);
    struct weir__segment *segment = segment_at(output, output->count++);
    segment->kind = (uint8_t)kind;
    segment->inside = false;
    segment->sent = segment->piece_sent = 0;
    return segment;
}

/* What stands in out becomes a segment. */
static void push_out(struct weir__output *output)
{
    if (output->out.size == 0)
        return;
    push(output, WEIR__SEGMENT_OWN)->own = output->out;
    output->bytes += output->out.size;
    output->out = (weir_buffer){.allocator = output->out.allocator};
}

/* Sends a frame that was received whole in one piece: its header, alone in out, moves to where the
 * header that it was received with stands. */
static bool join_head(struct weir__output *output, weir_frame *frame, size_t head_at)
{
    size_t size = output->out.size;
    if (head_at > 0 || size > HEAD_SIZE || !weir__frame_ref_has_head_room(frame))
        return false;
    frame->data -= size;
    frame->size += size;
    memcpy(frame->data, output->out.data, size);
    output->out.size = 0;
    return true;
}

void weir__output_push_borrowed(struct weir__output *output, weir_frame *frame, size_t head_at,
                                const uint8_t *key)
{
    bool joined = key == NULL && join_head(output, frame, head_at);
    push_out(output);
    struct weir__segment *segment =
        push(output, key == NULL ? WEIR__SEGMENT_BORROWED : WEIR__SEGMENT_MASKED);
    segment->inside = !joined;
    segment->frame = *frame;
    output->bytes += frame->size;
    if (key != NULL) {
        memcpy(segment->key, key, sizeof segment->key);
        segment->own = (weir_buffer){.allocator = output->out.allocator};
    }
    *frame = (weir_frame){0};
}

void weir__output_push_shared(struct weir__output *output, struct weir__shared *shared, size_t sent)
{
    push_out(output);
    struct weir__segment *segment = push(output, WEIR__SEGMENT_SHARED);
    segment->frame = weir__shared_frame(shared);
    segment->sent = sent;
    output->bytes += shared->size - sent;
}

/* --- segments out --- */

static uint8_t *bytes_of(const struct weir__segment *segment)
{
    if (segment->kind == WEIR__SEGMENT_SHARED)
        return weir__shared_of(&segment->frame)->bytes;
    return segment->kind == WEIR__SEGMENT_OWN ? segment->own.data : segment->frame.data;
}

static size_t size_of(const struct weir__segment *segment)
{
    if (segment->kind == WEIR__SEGMENT_SHARED)
        return weir__shared_of(&segment->frame)->size;
    return segment->kind == WEIR__SEGMENT_OWN ? segment->own.size : segment->frame.size;
}

/* Bytes of it that were not taken. */
static size_t rest_of(const struct weir__segment *segment)
{
    size_t rest = size_of(segment) - segment->sent;
    if (segment->kind == WEIR__SEGMENT_MASKED)
        rest += segment->own.size - segment->piece_sent;
    return rest;
}

static void pop(struct weir__output *output)
{
    struct weir__segment *segment = segment_at(output, 0);
    release_segment(segment);
    output->first = (uint8_t)((output->first + 1u) & (output->capacity - 1u));
    output->count--;
    if (output->listed > 0)
        output->listed--;
}

/* The next piece of a payload that has to be masked, once the one before was taken. */
static int mask_piece(struct weir__segment *segment)
{
    size_t rest = segment->frame.size - segment->sent;
    size_t size = rest < MASKED_PIECE ? rest : MASKED_PIECE;
    if (segment->piece_sent < segment->own.size || size == 0)
        return WEIR_OK;
    segment->own.size = segment->piece_sent = 0;
    uint8_t *to = weir_buffer_reserve(&segment->own, size);
    if (to == NULL)
        return WEIR_ENOMEM;
    weir_mask_copy(to, segment->frame.data + segment->sent, size, segment->key, segment->sent);
    segment->own.size = size;
    segment->sent += size;
    return WEIR_OK;
}

/* Fills *piece. Returns whether more may follow in the same send. */
static bool list_segment(const struct weir__segment *segment, struct iovec *piece)
{
    if (segment->kind == WEIR__SEGMENT_MASKED) {
        *piece = (struct iovec){segment->own.data + segment->piece_sent,
                                segment->own.size - segment->piece_sent};
        return segment->sent == segment->frame.size;
    }
    size_t rest = size_of(segment) - segment->sent;
    *piece = (struct iovec){bytes_of(segment) + segment->sent, rest < PIECE_MAX ? rest : PIECE_MAX};
    return rest <= PIECE_MAX;
}

int weir__output_list(struct weir__output *output, struct iovec pieces[WEIR__SEGMENTS_MAX],
                      bool frame_only)
{
    int count = 0;
    bool goes_on = true;
    output->listed_out = false;
    while (goes_on && count < output->count) {
        struct weir__segment *segment = segment_at(output, (unsigned)count);
        if (frame_only && count > 0 && !segment->inside)
            break;
        if (segment->kind == WEIR__SEGMENT_MASKED && mask_piece(segment) != WEIR_OK)
            break;
        goes_on = list_segment(segment, &pieces[count++]);
    }
    output->listed = (uint8_t)count;
    if (count == output->count && goes_on && output->out.size > 0 && count < output->capacity &&
        !(frame_only && count > 0)) {
        pieces[count++] = (struct iovec){output->out.data, output->out.size};
        output->listed_out = true;
    }
    return count == 0 && output->count > 0 ? WEIR_ENOMEM : count;
}

void weir__output_consume(struct weir__output *output, size_t size)
{
    while (size > 0 && output->listed > 0) {
        struct weir__segment *segment = segment_at(output, 0);
        bool masked = segment->kind == WEIR__SEGMENT_MASKED;
        size_t rest = masked ? segment->own.size - segment->piece_sent : rest_of(segment);
        size_t part = size < rest ? size : rest;
        *(masked ? &segment->piece_sent : &segment->sent) += part;
        output->bytes -= part;
        size -= part;
        if (rest_of(segment) > 0)
            return; /* the rest of it is in flight, or a piece of its own */
        pop(output);
    }
    if (size == 0)
        return;
    if (size == output->out.size) {
        output->out.size = 0;
        output->listed_out = false;
        return;
    }
    push_out(output);
    segment_at(output, output->count - 1u)->sent = size;
    output->bytes -= size;
    output->listed_out = false;
    output->listed++;
}

void weir__output_freeze(struct weir__output *output)
{
    if (!output->listed_out)
        return;
    push_out(output);
    output->listed_out = false;
    output->listed++;
}

/* --- ahead of others --- */

weir_buffer *weir__output_insert(struct weir__output *output)
{
    output->inserted = false;
    if (weir__output_unsent(output) == 0)
        return &output->out;
    const struct weir__segment *head = segment_at(output, 0);
    if (output->count > 0 && (head->inside || head->sent > 0))
        return NULL; /* in the middle of a frame */
    if (output->count == output->capacity &&
        (output->capacity == WEIR__SEGMENTS_MAX || grow(output) != WEIR_OK))
        return NULL;
    output->first = (uint8_t)((output->first - 1u) & (output->capacity - 1u));
    output->count++;
    struct weir__segment *segment = segment_at(output, 0);
    *segment = (struct weir__segment){.kind = WEIR__SEGMENT_OWN,
                                      .own = {.allocator = output->out.allocator}};
    output->inserted = true;
    return &segment->own;
}

/* Drops all but the oldest segment. Returns their unsent bytes. */
static size_t drop_rest(struct weir__output *output)
{
    size_t dropped = output->out.size;
    output->out.size = 0;
    while (output->count > 1) {
        struct weir__segment *segment = segment_at(output, --output->count);
        dropped += rest_of(segment);
        output->bytes -= rest_of(segment);
        release_segment(segment);
    }
    return dropped;
}

size_t weir__output_end_insert(struct weir__output *output, bool last)
{
    if (!output->inserted)
        return 0;
    size_t size = segment_at(output, 0)->own.size;
    output->bytes += size;
    if (size == 0)
        pop(output);
    return size > 0 && last ? drop_rest(output) : 0;
}
