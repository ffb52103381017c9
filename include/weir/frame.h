/** @file
 * weir/frame.h - a WebSocket frame as a value: its type, its bytes, and who releases them (RFC 6455 5.2, 5.5, 5.6).
 *
 * Not the bytes on the wire: the parser and the serializer know those. Frames are values, not thread-safe; the functions
 * here touch nothing but their arguments. */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include <weir/base.h>
#include <weir/close.h>
#include <weir/view.h>

WEIR_BEGIN_DECLS

/** The most bytes that a frame's payload, or a message, may have where no other limit is set. */
#define WEIR_MAX_SIZE_DEFAULT ((uint64_t)1024 * 1024)

/** Which end of the connection one is: a client masks what it sends, a server does not (RFC 6455 5.3). */
enum weir_role {
    WEIR_ROLE_SERVER = 0, /**< the end that was connected to */
    WEIR_ROLE_CLIENT = 1, /**< the end that connected */
};

/** What a frame is. The values are the opcodes (RFC 6455 5.2); 0, continuation, is no type. */
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
    WEIR_COMPRESS_NEVER, /**< it would not shrink, or a secret stands beside what an attacker chose */
};

/** One frame. It owns its bytes through release: weir_frame_release() calls release(owner) once. A frame whose release is
 * NULL only borrows its bytes: they must stay valid for the call it is handed to; whoever has to keep it longer copies it.
 * Data frames may carry fin = false (a fragment); control frames are always whole. There is no continuation type: a
 * fragment carries the type of its message, and opcode 0 is the serializer's affair. */
typedef struct weir_frame {
    uint8_t *data;                /**< payload, unmasked; may be NULL when size is 0 */
    size_t size;                  /**< bytes of payload */
    void (*release)(void *owner); /**< NULL: nothing to release */
    void *owner;                  /**< handed to release */
    uint8_t type;                 /**< enum weir_frame_type */
    bool fin;                     /**< last (or only) fragment of its message */
    /** Reserved bits 0..7 (RSV1 = 4, RSV2 = 2, RSV3 = 1); non-zero on raw sessions only. */
    uint8_t rsv;
    uint8_t compress; /**< enum weir_compress, to be sent; of fragments the first decides */
} weir_frame;

/** Whether a type is a control frame (Close, Ping, Pong; RFC 6455 5.5). */
WEIR_API bool weir_frame_type_is_control(enum weir_frame_type type);

/** The type that an opcode stands for; -1 for 0 (continuation), reserved opcodes and anything over 15. */
WEIR_API int weir_frame_type_from_opcode(unsigned opcode);

/** "TEXT", "BINARY", "CLOSE", "PING", "PONG", or "UNKNOWN". Lends a string that stays valid for ever. */
WEIR_API const char *weir_frame_type_name(int type);

/** Whole frames (fin = true) that borrow the given bytes. A control payload may have at most 125 bytes: that is checked when
 * the frame is sent (WEIR_EINVAL). That text is UTF-8 is the caller's promise: nothing checks it on the way out. */
WEIR_API weir_frame weir_frame_text(const void *data, size_t size);
WEIR_API weir_frame weir_frame_binary(const void *data, size_t size);
WEIR_API weir_frame weir_frame_ping(const void *data, size_t size);
WEIR_API weir_frame weir_frame_pong(const void *data, size_t size);

/** A frame of any type, borrowing the bytes; fin is forced to true for control types. */
WEIR_API weir_frame weir_frame_by_type(bool fin, enum weir_frame_type type, const void *data,
                                       size_t size);

/** A Close frame for a reason (reason NULL: empty payload). Allocates its payload through allocator (NULL: malloc); the frame
 * owns it. Errors: WEIR_EINVAL when the code may not be on the wire (weir_close_code_is_sendable), or the message is over
 * 123 bytes or not UTF-8; WEIR_ENOMEM. On failure *out is an empty frame that needs no release. */
WEIR_API WEIR_MUST_USE int weir_frame_close(weir_frame *out, const weir_close_reason *reason,
                                            const weir_allocator *allocator);

/** A copy that owns its own bytes; the release hook of the source is not copied. allocator NULL: malloc. The
 * allocator must outlive the copy. Errors: WEIR_ENOMEM, and *out is then an empty frame. */
WEIR_API WEIR_MUST_USE int weir_frame_copy(weir_frame *out, const weir_frame *frame,
                                           const weir_allocator *allocator);

/** Releases the bytes and empties *frame; does nothing on an empty or zeroed one. */
WEIR_API void weir_frame_release(weir_frame *frame);

/** The payload of a whole text frame. Lends *out until the frame is released. On failure *out is absent.
 * Errors: WEIR_EINVAL when it is no text frame, or a fragment. */
WEIR_API WEIR_MUST_USE int weir_frame_text_get(weir_view *out, const weir_frame *frame);

/** The payload of any frame: Lends it until the frame is released. */
WEIR_API const uint8_t *weir_frame_bytes(const weir_frame *frame, size_t *size);

/** The reason inside a Close frame, copied. Errors: WEIR_CLOSED when the payload is empty (no reason was given; *out then has
 * code 1005), WEIR_EINVAL when it is no Close frame, WEIR_EPROTOCOL when the payload is malformed. */
WEIR_API WEIR_MUST_USE int weir_frame_close_reason_get(weir_close_reason *out,
                                                       const weir_frame *frame);

/** Writes "Frame TEXT (fin=true, size=5)" to out. Cuts and returns the length
 * as base.h says of all weir_TYPE_describe(). */
WEIR_API size_t weir_frame_describe(char *out, size_t capacity, const weir_frame *frame);

WEIR_END_DECLS
#endif
