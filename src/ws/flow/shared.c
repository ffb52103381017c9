#include "ws/flow/shared.h"

#include "wire/head.h"

#include <string.h>

struct weir__shared *weir__shared_new(weir_loop *loop, const weir_frame *frame)
{
    const weir_frame_head head = {.size = frame->size, .opcode = frame->type, .fin = true};
    if (frame->size > SIZE_MAX - sizeof(struct weir__shared) - WEIR_FRAME_HEAD_MAX)
        return NULL;
    uint8_t bytes[WEIR_FRAME_HEAD_MAX];
    size_t head_size = weir__head_write(bytes, &head);
    size_t size = head_size + frame->size;
    struct weir__shared *shared = weir__loop_alloc(loop, sizeof *shared + size);
    if (shared == NULL)
        return NULL;
    *shared = (struct weir__shared){.loop = loop,
                                    .refs = 1,
                                    .head_size = (uint8_t)head_size,
                                    .type = frame->type,
                                    .compress = frame->compress,
                                    .size = size};
    memcpy(shared->bytes, bytes, head_size);
    if (frame->size > 0)
        memcpy(shared->bytes + head_size, frame->data, frame->size);
    return shared;
}

void weir__shared_release(void *shared)
{
    struct weir__shared *own = shared;
    if (--own->refs == 0)
        weir__loop_free(own->loop, own, sizeof *own + own->size);
}

weir_frame weir__shared_frame(struct weir__shared *shared)
{
    shared->refs++;
    return (weir_frame){.data = shared->bytes + shared->head_size,
                        .size = shared->size - shared->head_size,
                        .release = weir__shared_release,
                        .owner = shared,
                        .type = shared->type,
                        .fin = true,
                        .compress = shared->compress};
}
