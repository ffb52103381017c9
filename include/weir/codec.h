/** @file
 * weir/codec.h - the interface by which an endpoint compresses and inflates messages, for an
 * extension that transforms them (RFC 6455 9). It claims RSV1 of the first frame of a message (RFC
 * 7692 6).
 *
 * A codec serves one endpoint, which owns it. It knows messages in parts, and no frames. */
#ifndef WEIR_CODEC_H
#define WEIR_CODEC_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

typedef struct weir_codec weir_codec;

/** A part of a message that is sent, and the room for its encoded form. */
typedef struct weir_codec_outgoing {
    const uint8_t *data; /**< Borrows; the message as it is */
    size_t size;         /**< bytes of data, may be 0 */
    bool last;           /**< it is the last part of the message */
    uint8_t *out;        /**< room for bound(size) bytes */
    size_t out_size;     /**< result: bytes written */
} weir_codec_outgoing;

/** A part of a message that was received, and what was decoded from it. */
typedef struct weir_codec_incoming {
    const uint8_t *data; /**< Borrows; as on the wire, unmasked */
    size_t size;         /**< bytes of data, may be 0 */
    bool last;           /**< it is the last part of the message */
    size_t eaten;        /**< result: bytes of data that need not be given again */
    /** Result: Lends the message's next bytes until the next call of any codec of the thread. */
    const uint8_t *out;
    size_t out_size; /**< result: bytes of out */
} weir_codec_incoming;

/** The functions of a codec; none suspends. */
typedef struct weir_codec_ops {
    /** The most bytes that encode() writes for a part of that size. */
    size_t (*bound)(const weir_codec *codec, size_t size);

    /** Encodes the next part of the message being sent. Errors: WEIR_ENOMEM, and no state has
     * changed. */
    int (*encode)(weir_codec *codec, weir_codec_outgoing *part);

    /** Decodes the next part of the message that is being received.
     *
     * Bytes that it has not eaten are given again, perhaps with more behind them, until all are
     * eaten. Then all that follows from them has come out, and with last the message is over. A
     * step without output eats everything.
     * Errors, when nothing came out before that place: WEIR_EPROTOCOL: no message looks like that;
     * WEIR_ENOMEM. After an error it is not called again. */
    int (*decode)(weir_codec *codec, weir_codec_incoming *part);

    /** Frees it. */
    void (*free)(weir_codec *codec);
} weir_codec_ops;

/** The beginning of every codec. */
struct weir_codec {
    const weir_codec_ops *ops; /**< never NULL */
    /** Messages of fewer bytes are not encoded unless their frame asks for it. SIZE_MAX: none is,
     * nor is one in fragments. */
    size_t send_min;
};

WEIR_END_DECLS
#endif
