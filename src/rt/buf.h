/* rt/buf.h - reference-counted read buffers of one loop. A back-end reads into one and lends it to
 * the receiver. A receiver that keeps bytes of it takes a reference, and the back-end goes on with
 * another buffer. Single-threaded. */
#ifndef WEIR_RT_BUF_H
#define WEIR_RT_BUF_H

#include <weir/loop.h>

typedef struct weir__buf weir__buf;
struct weir__buf {
    weir_loop *loop;
    weir__buf *next; /* in the loop's list of free buffers */
    uint32_t refs;   /* 0 only in that list */
    uint32_t size;   /* bytes of data */
    uint8_t data[];
};

/* A buffer of the loop's read_buffer_size with one reference; NULL: no memory. Its content is
 * undefined. */
weir__buf *weir__buf_take(weir_loop *loop);

/* One of another size, which is freed rather than kept. NULL: no memory. */
weir__buf *weir__buf_new(weir_loop *loop, size_t size);

static inline weir__buf *weir__buf_ref(weir__buf *buf)
{
    buf->refs++;
    return buf;
}

/* Returns a buffer without references to its loop. */
void weir__buf_give(weir__buf *buf);

/* Drops a reference; the last one gives the buffer back. */
static inline void weir__buf_unref(weir__buf *buf)
{
    if (--buf->refs == 0)
        weir__buf_give(buf);
}

#endif
