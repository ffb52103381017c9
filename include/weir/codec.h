/** @file
 * weir/codec.h - what stands between a message and its bytes on the wire when an extension transforms messages (RFC 6455 9): the
 * interface through which an endpoint compresses and inflates. It claims RSV1 of a message's first frame (RFC 7692 6).
 *
 * A codec serves one endpoint, which owns it. It knows no frames, only messages in parts. */
#ifndef WEIR_CODEC_H
#define WEIR_CODEC_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

typedef struct weir_codec weir_codec;

/** Some bytes of a message on its way out, and the room for what becomes of them. */
typedef struct weir_codec_outgoing {
    const uint8_t *data; /**< Borrows; the message as it is */
    size_t size;         /**< bytes of data, may be 0 */
    bool last;           /**< nothing of the message comes after */
    uint8_t *out;        /**< room for bound(size) bytes */
    size_t out_size;     /**< result: bytes written */
} weir_codec_outgoing;

/** Some bytes of a message that came, and what came out of them. */
typedef struct weir_codec_incoming {
    const uint8_t *data; /**< Borrows; as on the wire, unmasked */
    size_t size;         /**< bytes of data, may be 0 */
    bool last;           /**< nothing of the message comes after */
    size_t eaten;        /**< result: bytes of data that need not be given again */
    /** Result: Lends the message's next bytes until the next call of any codec of the thread. */
    const uint8_t *out;
    size_t out_size; /**< result: bytes of out */
} weir_codec_incoming;

/** The functions of a codec; none suspends. */
typedef struct weir_codec_ops {
    /** The most bytes that encode() writes for a part of that size. */
    size_t (*bound)(const weir_codec *codec, size_t size);

    /** Encodes the next part of the message being sent. Errors: WEIR_ENOMEM, and no state has changed. */
    int (*encode)(weir_codec *codec, weir_codec_outgoing *part);

    /** Decodes the next part of the message being received. What it has not eaten is given again, perhaps with more, until
     * all is eaten: then all that follows from it has come out (and with last the message is over). A step that gives no
     * output eats all. Errors, when nothing came out before the place: WEIR_EPROTOCOL (no message looks like that),
     * WEIR_ENOMEM. After one it is not called again. */
    int (*decode)(weir_codec *codec, weir_codec_incoming *part);

    /** Frees it. */
    void (*free)(weir_codec *codec);
} weir_codec_ops;

/** The beginning of every codec. */
struct weir_codec {
    const weir_codec_ops *ops; /**< never NULL */
    size_t
        send_min; /**< messages of fewer bytes are not encoded unless their frame asks for it; SIZE_MAX: none is, nor in fragments */
};

WEIR_END_DECLS
#endif
