/** @file
 * weir/frame.h - a WebSocket frame as a value: its type, its bytes, and how they are released (RFC
 * 6455 5.2, 5.5, 5.6).
 *
 * This is not the form that a frame has on the wire: see weir/parser.h and weir/serializer.h.
 * Nothing here suspends. A frame may be used by one thread at a time. */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include <weir/base.h>
#include <weir/close.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

/** The most bytes that a frame's payload, or a message, may have where no other limit is set. */
#define WEIR_MAX_SIZE_DEFAULT ((uint64_t)1024 * 1024)

/** Which end of the connection this is. A client masks what it sends, a server does not (RFC 6455
 * 5.3). */
enum weir_role {
    WEIR_ROLE_SERVER = 0, /**< the end that was connected to */
    WEIR_ROLE_CLIENT = 1, /**< the end that connected */
};

/** The type of a frame. The values are the opcodes (RFC 6455 5.2). 0, continuation, is not a
 * type. */
enum weir_frame_type {
    WEIR_FRAME_TEXT = 0x1,
    WEIR_FRAME_BINARY = 0x2,
    WEIR_FRAME_CLOSE = 0x8,
    WEIR_FRAME_PING = 0x9,
    WEIR_FRAME_PONG = 0xA,
};

/** Whether a message is compressed, where the session can (RFC 7692). */
enum weir_compress {
    WEIR_COMPRESS_DEFAULT = 0, /**< when it is large enough: weir_deflate_options.compress_min */
    WEIR_COMPRESS_ALWAYS,
    WEIR_COMPRESS_NEVER, /**< what does not shrink; a secret beside an attacker's text */
};

/** One frame.
 *
 * Who owns the bytes:
 * - release is not NULL: the frame owns them. weir_frame_release() calls release(owner), once.
 * - release is NULL: the frame borrows them. They must stay valid during the call that it is handed
 *   to. To keep the frame longer, copy it (weir_frame_copy()).
 *
 * A data frame with fin = false is a fragment of a message. A fragment has the type of its message,
 * also where it is a continuation on the wire. A control frame always has fin = true. */
typedef struct weir_frame {
    uint8_t *data;                /**< payload, unmasked; may be NULL when size is 0 */
    size_t size;                  /**< bytes of payload */
    void (*release)(void *owner); /**< NULL: nothing to release */
    void *owner;                  /**< handed to release */
    uint8_t type;                 /**< enum weir_frame_type */
    bool fin;                     /**< last (or only) fragment of its message */
    /** Reserved bits 0..7 (RSV1 = 4, RSV2 = 2, RSV3 = 1). Not 0 on raw sessions only. */
    uint8_t rsv;
    uint8_t compress; /**< enum weir_compress, for sending; the first fragment decides */
} weir_frame;

/** Whether a type is a control frame (Close, Ping, Pong; RFC 6455 5.5). */
WEIR_API bool weir_frame_type_is_control(enum weir_frame_type type);

/** The type that an opcode stands for. -1 for 0 (continuation), for reserved opcodes, and for
 * anything over 15. */
WEIR_API int weir_frame_type_from_opcode(unsigned opcode);

/** The name of a type: "TEXT", "BINARY", "CLOSE", "PING", "PONG", or "UNKNOWN". Lends a string that
 * stays valid for ever. */
WEIR_API const char *weir_frame_type_name(int type);

/** Make whole frames (fin = true) that borrow the given bytes. Two rules hold for what is sent:
 * - A control frame has at most 125 bytes. That is checked when it is sent (WEIR_EINVAL).
 * - A text is UTF-8. That is not checked: the caller has to know it. */
WEIR_API weir_frame weir_frame_text(const void *data, size_t size);
WEIR_API weir_frame weir_frame_binary(const void *data, size_t size);
WEIR_API weir_frame weir_frame_ping(const void *data, size_t size);
WEIR_API weir_frame weir_frame_pong(const void *data, size_t size);

/** Makes a frame of any type that borrows the bytes. A control frame always gets fin = true. */
WEIR_API weir_frame weir_frame_by_type(bool fin, enum weir_frame_type type, const void *data,
                                       size_t size);

/** Makes a Close frame with a reason. reason NULL: an empty payload.
 *
 * The frame owns its payload, which is allocated by allocator (NULL: the C library's). The
 * allocator has to outlive the frame. On failure *out is an empty frame that needs no release.
 * Errors: WEIR_EINVAL: the code must not be on the wire (weir_close_code_is_sendable()), or the
 * message is over 123 bytes or not UTF-8; WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_frame_close(weir_frame *out, const weir_close_reason *reason,
                                            const weir_allocator *allocator);

/** Makes a copy that owns its bytes, whether the source does or not. Leaves the source as it is.
 *
 * allocator NULL: the C library's. It has to outlive the copy. On failure *out is an empty frame.
 * Errors: WEIR_ENOMEM. */
WEIR_API WEIR_MUST_USE int weir_frame_copy(weir_frame *out, const weir_frame *frame,
                                           const weir_allocator *allocator);

/** Releases the bytes and empties *frame. Does nothing to an empty or a zeroed frame. */
WEIR_API void weir_frame_release(weir_frame *frame);

/** The payload of a whole text frame. Lends *out until the frame is released. On failure *out is
 * absent.
 * Errors: WEIR_EINVAL when it is no text frame, or a fragment. */
WEIR_API WEIR_MUST_USE int weir_frame_text_get(weir_view *out, const weir_frame *frame);

/** The payload of a frame of any type, and its size. Lends it until the frame is released. */
WEIR_API const uint8_t *weir_frame_bytes(const weir_frame *frame, size_t *size);

/** Fills *out with the reason that a Close frame carries, copied.
 * Errors:
 * - WEIR_CLOSED: the payload is empty, no reason was given; out->code is 1005;
 * - WEIR_EINVAL: it is not a Close frame;
 * - WEIR_EPROTOCOL: the payload is malformed. */
WEIR_API WEIR_MUST_USE int weir_frame_close_reason_get(weir_close_reason *out,
                                                       const weir_frame *frame);

/** Writes "Frame TEXT (fin=true, size=5)". Cuts and returns the length as base.h says of every
 * weir_TYPE_describe(). */
WEIR_API size_t weir_frame_describe(char *out, size_t capacity, const weir_frame *frame);

WEIR_END_DECLS
#endif
