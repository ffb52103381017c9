/** @file
 * weir/deflate.h - permessage-deflate: its settings, and the negotiation of its parameters (RFC
 * 7692 7.1).
 *
 * The compression itself is a codec: weir/codec.h, weir/deflate_codec.h. Everything here is pure:
 * no I/O, no allocation. Nothing suspends. Thread-safe. */
#ifndef WEIR_DEFLATE_H
#define WEIR_DEFLATE_H

#include <weir/base.h>
#include <weir/http.h>

WEIR_BEGIN_DECLS

/** How one side wants to compress. Zeroed: not at all.
 *
 * Compression costs processor time. Context takeover costs memory besides, for as long as the
 * session lives. docs/compression.md has the figures. So both are off unless they are asked for. */
typedef struct weir_deflate_options {
    bool enabled; /**< a client offers it, a server takes an offer that fits */
    /** Whether a message from the server may refer to earlier ones. It makes small messages that
     * are alike much smaller, and each side then keeps a compressor or an inflater for the
     * session's life. false: each message by itself. */
    bool server_context_takeover;
    bool client_context_takeover; /**< the same, from the client */
    /** The largest window of the server's compressor, as a power of two, 8..15. 0: 15 is agreed on,
     * and our own compressor uses 14 with context takeover. A client asks for a value under 15. */
    uint8_t server_max_window_bits;
    /** The same of the client's compressor. A server with a value under 15 accepts only an offer
     * that lets it choose. */
    uint8_t client_max_window_bits;
    /** The level of our own compressor, 1 (fast) to 9 (small). 0: of zlib 5 with context takeover
     * and 6 without; of libdeflate one that is faster and compresses about as well. */
    uint8_t level;
    /** The memory level of our own compressor, 1..9: see docs/compression.md. 0: 7 with context
     * takeover, else 8. */
    uint8_t memory_level;
    /** Messages of fewer bytes are sent as they are, unless weir_frame.compress says otherwise. A
     * message that is sent in fragments counts as large. 0: 128; 1: all but empty ones are
     * compressed; WEIR_UNLIMITED: none is, unless its frame asks for it. */
    size_t compress_min;
} weir_deflate_options;

/** What both sides agreed on: the parameters of the server's answer. */
typedef struct weir_deflate_terms {
    bool server_no_context_takeover; /**< messages from the server refer to none before */
    bool client_no_context_takeover; /**< messages from the client refer to none before */
    uint8_t server_max_window_bits;  /**< 8..15; 0: not mentioned, which means 15 */
    /** 8..15; 0: not mentioned, which means 15, or what the client said itself. */
    uint8_t client_max_window_bits;
} weir_deflate_terms;

/** Room for any offer or answer, its NUL included. */
#define WEIR_DEFLATE_TEXT_ROOM 160

/** Whether every value of the options is in its range. */
WEIR_API bool weir_deflate_options_is_valid(const weir_deflate_options *options);

/** Client: writes its offer, the value of Sec-WebSocket-Extensions. Measures, returns and fails as
 * base.h says of weir_TYPE_write(); WEIR_DEFLATE_TEXT_ROOM bytes are always enough. Borrows all.
 * Errors: WEIR_EINVAL (options), WEIR_ETOOBIG. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_offer_write(char *out, size_t capacity,
                                                             const weir_deflate_options *options);

/** Server: chooses the first offer of a request that fits, and fills *out with the terms. Borrows
 * all.
 *
 * An offer does not fit, and the next one is looked at (RFC 7692 5.1), if a parameter of it is
 * unknown or is given twice, or if a value is missing, quoted, out of its range, or has a leading
 * zero.
 * Returns whether one fits; if not, *out is undefined. */
WEIR_INTERNAL_API bool weir_deflate_choose(weir_deflate_terms *out, const weir_http_head *request,
                                           const weir_deflate_options *options);

/** Server: writes the answer with the terms. Returns and fails as weir_deflate_offer_write(). */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_answer_write(char *out, size_t capacity,
                                                              const weir_deflate_terms *terms);

/** Client: parses the answer to its offer. Borrows all.
 *
 * Returns:
 * - 1: it was agreed on, and *out is filled;
 * - 0: the server does not use it;
 * - WEIR_EPROTOCOL: the answer does not fit the offer. *fault (may be NULL) says how; fault->offset
 *   counts from in, where the bytes of the head begin. */
WEIR_INTERNAL_API WEIR_MUST_USE int weir_deflate_answer_parse(weir_deflate_terms *out,
                                                              const weir_http_head *answer,
                                                              const void *in,
                                                              const weir_deflate_options *options,
                                                              weir_fault *fault);

WEIR_END_DECLS
#endif
