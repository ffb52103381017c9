/** @file
 * weir/collector.h - payload bytes in, in any pieces; one contiguous payload out. The model's SimpleFrameCollector.
 *
 * One frame is start(), feed() until nothing remains, take(). Fragments are joined by start() again before take(). Memory
 * grows with what arrived: there is room for some hundred bytes, or at most ten times as much, whatever a header promises. Not thread-safe. */
#ifndef WEIR_COLLECTOR_H
#define WEIR_COLLECTOR_H

#include <weir/frame.h>

WEIR_BEGIN_DECLS

/** Begin with weir_collector_init(), or a zeroed one for the C library's allocator. */
typedef struct weir_collector {
    const weir_allocator *allocator; /**< NULL: the C library's */
    void *block;                     /**< the memory; private */
    size_t size;                     /**< bytes collected */
    uint64_t remaining;              /**< bytes that the frames started so far still lack */
} weir_collector;

/** Keeps allocator (NULL: the C library's) until weir_collector_fini(); a taken frame keeps a copy of it. */
WEIR_INTERNAL_API void weir_collector_init(weir_collector *collector,
                                           const weir_allocator *allocator);

/** Says that size bytes of one more frame are coming. Allocates nothing. Errors: WEIR_ESTATE while bytes of the frame before are
 * missing; WEIR_ETOOBIG when the whole would not fit into memory at all. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_start(weir_collector *collector, uint64_t size);

/** Collects what belongs to the frame: *eaten is at most size (NULL: not asked). Borrows data. Errors: WEIR_ENOMEM, nothing
 * eaten. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_feed(weir_collector *collector, const void *data,
                                                        size_t size, size_t *eaten);

/** Whether bytes of the started frames are still missing. */
WEIR_INTERNAL_API bool weir_collector_has_remaining(const weir_collector *collector);

/** Hands the payload over: fills data, size, release and owner of *out (and fin = true), the type is the caller's affair. It
 * is unmasked with key when key is not NULL (for one frame: a key never spans fragments). The collector is empty afterwards.
 * Errors: WEIR_ESTATE while bytes are missing. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_collector_take(weir_frame *out, weir_collector *collector,
                                                        const uint8_t *key);

/** Drops what was collected; the collector is empty and usable again. */
WEIR_INTERNAL_API void weir_collector_fini(weir_collector *collector);

WEIR_END_DECLS
#endif
