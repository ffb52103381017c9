#include "rt/backlog.h"

#include <string.h>

/* Up to this part of a buffer is copied. */
#define COPIED_PART 8

void weir__backlog_keep(struct weir__backlog *backlog, weir__buf *buf, uint8_t *data, size_t size)
{
    weir__buf *copy = size <= buf->size / COPIED_PART ? weir__buf_new(buf->loop, size) : NULL;
    if (copy != NULL)
        *backlog = (struct weir__backlog){copy, memcpy(copy->data, data, size), size};
    else
        *backlog = (struct weir__backlog){weir__buf_ref(buf), data, size};
}

size_t weir__backlog_read(struct weir__backlog *backlog, void *out, size_t size)
{
    if (weir__backlog_is_empty(backlog) || size == 0)
        return 0;
    size_t got = backlog->size < size ? backlog->size : size;
    memcpy(out, backlog->data, got);
    backlog->data += got;
    backlog->size -= got;
    if (backlog->size == 0)
        weir__backlog_release(backlog);
    return got;
}

int weir__backlog_put_front(struct weir__backlog *backlog, weir_loop *loop, const void *data,
                            size_t size)
{
    if (size == 0)
        return WEIR_OK;
    weir__buf *buf = weir__buf_new(loop, size + backlog->size);
    if (buf == NULL)
        return WEIR_ENOMEM;
    memcpy(buf->data, data, size);
    size_t all = size + weir__backlog_read(backlog, buf->data + size, backlog->size);
    *backlog = (struct weir__backlog){buf, buf->data, all};
    return WEIR_OK;
}

void weir__backlog_release(struct weir__backlog *backlog)
{
    if (!weir__backlog_is_empty(backlog))
        weir__buf_unref(backlog->buf);
    *backlog = (struct weir__backlog){.buf = NULL};
}
