/** @file
 * weir/serializer.h - frames in, bytes out (RFC 6455 5.2, 5.3): a bounded queue of frames that is
 * written into any room, and goes on at any byte. The model's Serializer. Not thread-safe. */
#ifndef WEIR_SERIALIZER_H
#define WEIR_SERIALIZER_H

#include <weir/frame.h>
#include <weir/head.h>

WEIR_BEGIN_DECLS

/** How a serializer behaves. */
typedef struct weir_serializer_options {
    /** Frames that may queue. 0: 1,024; WEIR_UNLIMITED: no limit. */
    size_t capacity;
    bool masking; /**< mask the frames, as a client does */
    void (*random)(void *out, size_t size,
                   void *arg); /**< unpredictable bytes for the keys; may be NULL without masking */
    void *random_arg;          /**< handed to random */
    weir_allocator allocator;  /**< resize NULL: the C library's */
} weir_serializer_options;

/** A serializer. Begin with weir_serializer_init(). Only masking may be set. It counts from the
 * next frame on whose header is not written yet. */
typedef struct weir_serializer {
    weir_serializer_options options; /**< as given, defaults filled in */
    bool masking;      /**< frames are masked; settable when there is a source of keys */
    uint8_t message;   /**< type of the fragmented message whose last frame was queued; 0: none */
    uint8_t head_size; /**< bytes of head; 0: the header of the first frame is not made yet */
    uint8_t key[4];    /**< mask key of the first frame */
    uint8_t head[WEIR_FRAME_HEAD_MAX]; /**< the header of the first frame */
    uint64_t written; /**< bytes of the first frame that were written, header included */
    struct weir_serializer_entry *ring; /**< private */
    size_t ring_size;                   /**< entries of ring; grows up to the capacity */
    size_t first;                       /**< index of the first frame */
    size_t count;                       /**< frames queued */
} weir_serializer;

/** Makes a serializer. Copies the options. Allocates nothing. Errors: WEIR_EINVAL: masking without
 * random. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_serializer_init(weir_serializer *serializer,
                                                         const weir_serializer_options *options);

/** Queues a frame. Takes it, except with WEIR_EAGAIN. A frame that borrows its bytes goes on
 * borrowing them: they must stay valid until they are written. A later fragment gets opcode 0,
 * whatever its type is.
 * Errors:
 * - WEIR_EAGAIN: the queue is full, and the frame is still the caller's;
 * - WEIR_EINVAL: a control frame that is over 125 bytes or not final, an unknown type, reserved
 *   bits over 7, or another data type than that of the message in progress;
 * - WEIR_ENOMEM. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_serializer_enqueue(weir_serializer *serializer,
                                                            const weir_frame *frame);

/** Writes as many bytes as are queued and fit, and returns their number. A header or a payload may
 * be cut anywhere: the next call goes on there. A frame is released when its last byte is written.
 * The bytes of the frame itself are not changed. */
WEIR_INTERNAL_API size_t weir_serializer_write(weir_serializer *serializer, void *out, size_t size);

/** Whether bytes are still to be written. */
WEIR_INTERNAL_API bool weir_serializer_has_outstanding(const weir_serializer *serializer);

/** How many more frames can be queued. */
WEIR_INTERNAL_API size_t weir_serializer_remaining_capacity(const weir_serializer *serializer);

/** Releases the frames that are left, and the memory. A zeroed serializer is allowed. */
WEIR_INTERNAL_API void weir_serializer_fini(weir_serializer *serializer);

WEIR_END_DECLS
#endif
