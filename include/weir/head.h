/** @file
 * weir/head.h - the header of a frame as a value, and its encoder (RFC 6455 5.2). The decoder is
 * weir/parser.h. Values; thread-safe; allocates nothing. */
#ifndef WEIR_HEAD_H
#define WEIR_HEAD_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** The most bytes that a header has: 2, a length of 8, a key of 4. */
#define WEIR_FRAME_HEAD_MAX 14

/** A header as it stands on the wire. */
typedef struct weir_frame_head {
    uint64_t size;  /**< bytes of payload, below 2^63 */
    uint8_t key[4]; /**< mask key in the order of the wire; zero when not masked */
    uint8_t opcode; /**< 0..15; 0: continuation */
    /** enum weir_frame_type; of a continuation: that of its message. The encoder ignores it. */
    uint8_t type;
    uint8_t rsv; /**< reserved bits 0..7 (RSV1 = 4, RSV2 = 2, RSV3 = 1) */
    bool fin;    /**< last (or only) fragment of its message */
    bool masked; /**< the payload is masked with key */
} weir_frame_head;

/** Writes a header in its shortest form and returns its size, 2..14. Cannot fail: out has the room.
 * Borrows head. Its fields are not checked: only their low bits are used. */
WEIR_INTERNAL_API size_t weir_frame_head_write(uint8_t out[WEIR_FRAME_HEAD_MAX],
                                               const weir_frame_head *head);

WEIR_END_DECLS
#endif
