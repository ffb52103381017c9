/** @file
 * weir/parser.h - bytes of frames in, headers and pieces of payload out (RFC 6455 5.2, 5.4, 5.5).
 * The model's FrameParser. Not thread-safe.
 *
 * It buffers no payload and allocates nothing: it says where the bytes of a payload are in the
 * input, unmasked in place. It checks every rule of a header and the order of fragments. It does
 * not check UTF-8, and of a Close it checks only the length. The same bytes give the same headers,
 * payloads and fault, however the input is cut. */
#ifndef WEIR_PARSER_H
#define WEIR_PARSER_H

#include <weir/frame.h>
#include <weir/head.h>

WEIR_BEGIN_DECLS

/** What a parser expects of the mask bit. */
enum weir_parser_mask {
    WEIR_MASK_REQUIRED = 0, /**< frames come from a client */
    WEIR_MASK_FORBIDDEN,    /**< frames come from a server */
    WEIR_MASK_ANY,          /**< for tools that watch both directions */
};

/** What a parser has found. */
enum weir_parser_event_kind {
    /** A header is complete: see head. No byte of the payload was eaten yet. */
    WEIR_PARSER_HEAD = 1,
    WEIR_PARSER_PAYLOAD, /**< bytes of its payload; an empty payload gives one event of size 0 */
};

/** One thing that a parser has found. */
typedef struct weir_parser_event {
    enum weir_parser_event_kind kind; /**< which fields count */
    weir_frame_head head;             /**< HEAD */
    uint8_t *data;                    /**< PAYLOAD: in the input, unmasked */
    size_t size;                      /**< PAYLOAD: bytes at data */
    bool first;                       /**< PAYLOAD: these are the first bytes of the frame */
    bool last;                        /**< PAYLOAD: these are the last bytes of the frame */
} weir_parser_event;

/** A parser. Begin with weir_parser_init(). The fields may be read. Those that are called settable
 * may be set between two frames. */
typedef struct weir_parser {
    /** Bytes eaten so far; after a fault, of those before the byte that broke the rule. */
    uint64_t offset;
    uint64_t left; /**< in a payload: its bytes still to come; in a length: what is known of it */
    /** Most bytes of payload a data frame may declare, as they are; WEIR_UNLIMITED: none.
     * Settable. */
    uint64_t max_frame_size;
    uint8_t key[4]; /**< mask key of the current frame */
    uint8_t phase;  /**< which byte of the key is next, 0..3 */
    uint8_t state;  /**< what is awaited; private */
    uint8_t wanted; /**< bytes still to come of the length or the key */
    uint8_t bits;   /**< first byte of the current frame */
    bool masked;    /**< the current frame is masked */
    /** Type of the message in progress; 0: none. It stands apart from state: code that needs both
     * would load them together, and wait for the one that was stored last. */
    uint8_t message;
    uint8_t mask; /**< enum weir_parser_mask */
    /** Reserved bits that the first frame of a data message may have; settable. */
    uint8_t rsv_allowed;
    uint8_t rule; /**< the rule that was broken; private, see weir_parser_fault_get() */
} weir_parser;

/** Makes a parser at the start of a stream. Nothing has to be released. max_frame_size 0:
 * WEIR_MAX_SIZE_DEFAULT; WEIR_UNLIMITED: no limit. */
WEIR_INTERNAL_API void weir_parser_init(weir_parser *parser, enum weir_parser_mask mask,
                                        uint64_t max_frame_size);

/** Eats input up to the next event. Borrows in, and unmasks the payload that it reports. *eaten is
 * the number of bytes of in that are done with, perhaps 0.
 *
 * Returns:
 * - WEIR_OK: *event is filled;
 * - WEIR_EAGAIN: everything is eaten, and more is needed;
 * - WEIR_EPROTOCOL, WEIR_ETOOBIG: the byte behind the eaten ones broke a rule:
 *   weir_parser_fault_get(). Every later call returns the same and eats nothing. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_parser_feed(weir_parser *parser, void *in, size_t size,
                                                     size_t *eaten, weir_parser_event *event);

/** Whether the stream stands between two frames. */
WEIR_INTERNAL_API bool weir_parser_is_between_frames(const weir_parser *parser);

/** Fills *out with the rule that was broken, and at which byte. Zeroed when none was. */
WEIR_INTERNAL_API void weir_parser_fault_get(weir_fault *out, const weir_parser *parser);

WEIR_END_DECLS
#endif
