/* ws/flow/flush.h - waiting until what was sent before has been handed to the kernel.
 *
 * A flusher waits in three steps:
 * 1. until the frames that were queued before it are serialized;
 * 2. until the transport has taken their bytes;
 * 3. until the transport has passed those on.
 * Single-threaded. */
#ifndef WEIR_WS_FLOW_FLUSH_H
#define WEIR_WS_FLOW_FLUSH_H

#include "rt/io.h"
#include "rt/list.h"

struct weir__flush {
    weir__node *waiting; /* a chain of struct flusher, in order */
    uint64_t taken;      /* bytes that the transport has taken so far */
    uint32_t pushed;     /* frames serialized so far: a count that wraps */
};

void weir__flush_init(struct weir__flush *flush);

/* Its memory is freed: nothing waits in it any more. */
void weir__flush_fini(struct weir__flush *flush);

static inline bool weir__flush_is_awaited(const struct weir__flush *flush)
{
    return flush->waiting != NULL;
}

/* Suspends. queued: frames that are not serialized yet; unsent: bytes that are, and not taken. */
WEIR_MUST_USE int weir__flush_wait(struct weir__flush *flush, weir__io *io, size_t queued,
                                   size_t unsent);

/* More was serialized or taken; unsent: bytes that are serialized and not taken. */
void weir__flush_advance(struct weir__flush *flush, weir__io *io, size_t unsent);

/* The transport takes no more. A flusher does not wait any longer for a frame that was not
 * serialized: it was dropped. */
void weir__flush_all_taken(struct weir__flush *flush, weir__io *io);

/* The io's on_drained. */
void weir__flush_on_drained(struct weir__flush *flush, weir__io *io, int status);

/* Wakes all with status. */
void weir__flush_end(struct weir__flush *flush, int status);

#endif
