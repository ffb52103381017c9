#include "rt/buf.h"

#include "rt/loop.h"

/* Enough for a burst of buffers to come and go without touching the allocator. */
#define WEIR__FREE_BUFS_MAX 64

weir__buf *weir__buf_new(weir_loop *loop, size_t size)
{
    weir__buf *buf = size > UINT32_MAX ? NULL : weir__loop_alloc(loop, sizeof(weir__buf) + size);
    if (buf != NULL)
        *buf = (weir__buf){.loop = loop, .refs = 1, .size = (uint32_t)size};
    return buf;
}

weir__buf *weir__buf_take(weir_loop *loop)
{
    weir__buf *buf = loop->free_bufs;
    if (buf == NULL)
        return weir__buf_new(loop, loop->read_buffer_size);
    loop->free_bufs = buf->next;
    loop->free_buf_count--;
    buf->next = NULL;
    buf->refs = 1;
    return buf;
}

void weir__buf_give(weir__buf *buf)
{
    weir_loop *loop = buf->loop;
    if (buf->size != loop->read_buffer_size || loop->free_buf_count >= WEIR__FREE_BUFS_MAX) {
        weir__loop_free(loop, buf, sizeof(weir__buf) + buf->size);
        return;
    }
    buf->next = loop->free_bufs;
    loop->free_bufs = buf;
    loop->free_buf_count++;
}
