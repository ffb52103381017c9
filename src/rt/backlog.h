/* rt/backlog.h - bytes that were read and are not wanted yet. They stay in the buffer that they
 * were read into, which is kept by a reference. Few bytes are copied, so that they do not pin a
 * large buffer. A zeroed one is empty. Single-threaded. */
#ifndef WEIR_RT_BACKLOG_H
#define WEIR_RT_BACKLOG_H

#include "rt/buf.h"

struct weir__backlog {
    weir__buf *buf; /* a reference; NULL: empty */
    uint8_t *data;  /* in buf */
    size_t size;    /* more than 0 unless empty */
};

static inline bool weir__backlog_is_empty(const struct weir__backlog *backlog)
{
    return backlog->buf == NULL;
}

/* Keeps data[0..size) of buf (Borrows buf) in an empty backlog; size is more than 0. Afterwards the
 * bytes lie at backlog->data, which is another place when they were copied. Does not fail: without
 * memory for a copy the buffer is referenced. */
void weir__backlog_keep(struct weir__backlog *backlog, weir__buf *buf, uint8_t *data, size_t size);

/* Empties it. The reference that it had is the caller's. */
static inline struct weir__backlog weir__backlog_take(struct weir__backlog *backlog)
{
    struct weir__backlog taken = *backlog;
    *backlog = (struct weir__backlog){.buf = NULL};
    return taken;
}

/* Copies up to size of its first bytes to out, and drops them. Returns how many that were. */
size_t weir__backlog_read(struct weir__backlog *backlog, void *out, size_t size);

/* Puts a copy of bytes in front. Errors: WEIR_ENOMEM (it is as before). */
WEIR_MUST_USE int weir__backlog_put_front(struct weir__backlog *backlog, weir_loop *loop,
                                          const void *data, size_t size);

/* Drops all that it has. */
void weir__backlog_release(struct weir__backlog *backlog);

#endif
