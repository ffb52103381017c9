/** @file
 * weir/collector.h - payload bytes in, in any pieces; one contiguous payload out. The model's
 * SimpleFrameCollector. Not thread-safe.
 *
 * For one frame call start(), then feed() until no byte is missing, then take(). To join fragments,
 * call start() again before take().
 *
 * Memory grows with the bytes that have arrived, whatever size a header declares: at most some
 * hundred bytes, or ten times what has arrived, are allocated. */
#ifndef WEIR_COLLECTOR_H
#define WEIR_COLLECTOR_H

#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** A collector. Begin with weir_collector_init(), or zeroed for the C library's allocator. */
typedef struct weir_collector {
    const weir_allocator *allocator; /**< NULL: the C library's */
    void *block;                     /**< the memory; private */
    size_t size;                     /**< bytes collected */
    uint64_t remaining;              /**< bytes that the frames started so far still lack */
} weir_collector;

/** Makes a collector. Keeps allocator (NULL: the C library's) until weir_collector_fini(). A frame
 * that was taken keeps a copy of it. */
WEIR_INTERNAL_API void weir_collector_init(weir_collector *collector,
                                           const weir_allocator *allocator);

/** Says that size bytes of one more frame will come. Allocates nothing. Errors: WEIR_ESTATE: bytes
 * of the frame before are missing; WEIR_ETOOBIG: the whole could not be held in any memory. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_start(weir_collector *collector, uint64_t size);

/** Collects bytes of the frame, at most as many as are missing, and sets *eaten to their number
 * (NULL: not asked for). Borrows data. Errors: WEIR_ENOMEM: nothing was eaten. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_feed(weir_collector *collector, const void *data,
                                                        size_t size, size_t *eaten);

/** Whether bytes of the frames that were started are missing. */
WEIR_INTERNAL_API bool weir_collector_has_remaining(const weir_collector *collector);

/** Hands out the payload: fills data, size, release and owner of *out, and fin = true. The caller
 * sets the type. The collector is empty afterwards. The frame owns its bytes.
 *
 * key not NULL: the payload is unmasked with it. That is for one frame, because each fragment has a
 * key of its own. Errors: WEIR_ESTATE: bytes are missing. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_take(weir_frame *out, weir_collector *collector,
                                                        const uint8_t *key);

/** Drops what was collected. The collector is empty and may be used again. */
WEIR_INTERNAL_API void weir_collector_fini(weir_collector *collector);

WEIR_END_DECLS
#endif
