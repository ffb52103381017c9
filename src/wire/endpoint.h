/* wire/endpoint.h - the endpoint's struct, so that a session can hold it inside its own block.
 * Private to the library. Code outside src/wire does not touch the fields: it uses
 * <weir/endpoint.h>. */
#ifndef WEIR_WIRE_ENDPOINT_H
#define WEIR_WIRE_ENDPOINT_H

#include "wire/head.h"
#include "wire/parser.h"

#include <weir/endpoint.h>
#include <weir/utf8.h>

#include <string.h>

/* The closing handshake: which side still owes a Close frame, and when the stream may be closed
 * (RFC 6455 7.1). Input is read in the states up to CLOSE_SENT. */
enum weir__close_state {
    WEIR__CLOSE_OPEN = 0, /* neither side has sent Close */
    WEIR__CLOSE_SENT,     /* ours is out, theirs is awaited; data may still arrive */
    WEIR__CLOSE_RECEIVED, /* theirs arrived; in FRAMES the user sends the answer */
    WEIR__CLOSE_OWED,     /* theirs arrived, our answer is not yet in the output */
    WEIR__CLOSE_FAILED,   /* failed with a cause; our Close is not yet in the output */
    WEIR__CLOSE_DONE,     /* no Close is owed; the peer's end of stream is awaited */
    WEIR__CLOSE_GONE,     /* nothing more comes or goes */
};

/* No limit, for a time that is kept in 32 bits. The longest such time is 49 days. */
#define WEIR__NO_MS UINT32_MAX

struct weir_endpoint {
    /* Bytes that were fed and are not yet consumed; in_size is 0 once the input has ended. */
    uint8_t *in;
    size_t in_size;
    weir_parser parser; /* after weir__endpoint_fail(): also the cause and its offset */
    weir_codec *codec;  /* ours; NULL: messages are as they are */
    size_t coded_size;  /* bytes at the front of in: parsed, and not yet consumed by the codec */
    const weir_endpoint_options *options; /* for allocator, random and close_timeout_ms */
    struct weir__endpoint_rare *rare;     /* NULL while none of it is needed */
    uint64_t max_frame_size; /* with a codec the parser's is larger: see set_frame_limit() */
    uint64_t max_message_size;
    uint64_t message_size; /* bytes of the message in progress that its headers have declared */
    uint64_t now_ms;       /* the time of the last call that had one */
    /* WEIR_UNLIMITED: none. 0: it is set by the next call that has a time. Its purpose follows from
     * close_state and pong_awaited. While held and a pong is awaited: the time that is left. */
    uint64_t deadline_ms;
    uint32_t ping_interval_ms; /* WEIR__NO_MS: none are sent */
    uint32_t ping_timeout_ms;  /* WEIR__NO_MS: none */
    uint32_t ping_sent_ms;     /* low bits of the time */
    uint32_t round_trip_ms;    /* UINT32_MAX: none yet */
    uint8_t ping_nonce[8];     /* of the last ping */
    int32_t io_status;         /* of WEIR_END_IO */
    uint16_t ours;             /* code of the Close we sent; 0: none, 1005: an empty one */
    uint16_t theirs;           /* code of theirs, in the same way */
    weir_utf8 utf8;            /* of the text message in progress, or of a Close reason */
    uint8_t end_kind;          /* enum weir_end_kind */
    uint8_t delivery;          /* enum weir_delivery of the message in progress */
    uint8_t next_delivery;     /* of those that follow */
    uint8_t head_type;         /* enum weir_frame_type of the frame whose payload is being eaten */
    uint8_t head_rsv;
    /* Read together before each frame that is sent. */
    uint8_t close_state; /* enum weir__close_state */
    uint8_t out_type;    /* type of the message we are sending in fragments; 0: none */
    bool head_fin : 1;
    bool in_coded : 1;    /* the message in progress is compressed */
    bool in_decoding : 1; /* a part of it awaits the codec: coded_size bytes, perhaps 0 */
    bool part_last : 1;   /* that part ends the message */
    bool out_coded : 1;   /* the message we are sending in fragments is compressed */
    bool head_starts : 1; /* that frame begins its message */
    bool piece_given : 1; /* PIECES: the first piece of the message was delivered */
    bool client : 1;
    bool masking : 1;
    bool held : 1;            /* the driver does not read */
    bool pong_awaited : 1;    /* our last ping is unanswered */
    bool ping_owed : 1;       /* ... and not yet written: the output was busy when it was due */
    bool ping_grace_used : 1; /* ... and its time was given once more: see grant_grace() */
    bool pong_owed : 1;       /* the peer's last ping is unanswered */
    bool by_peer : 1;         /* the peer's Close came before ours was sent */
    bool eof : 1;             /* the peer's orderly end of stream */
    bool shutdown : 1;        /* this side ends the stream first (7.1.1) */
    bool ours_is_cause : 1;   /* the text of our Close is that of the cause */
};

/* As weir_endpoint_new(), in memory of the caller's. Allocates nothing. Keeps options (with their
 * allocator) until weir__endpoint_fini(). Many endpoints may share them: nothing is written there.
 * Errors: WEIR_EINVAL. */
WEIR_MUST_USE int weir__endpoint_init(weir_endpoint *endpoint, const weir_endpoint_options *options,
                                      uint64_t now_ms);

/* The state of an endpoint between two messages, while nothing is owed, awaited or ended. An
 * endpoint in other memory can go on from it. */
struct weir__endpoint_parked {
    weir_codec *codec;
    uint64_t offset; /* of the input */
    uint64_t deadline_ms;
    uint64_t max_frame_size;
    uint32_t ping_interval_ms;
    uint32_t ping_timeout_ms;
    uint32_t round_trip_ms;
    bool masking;
};

/* Fills *out; the endpoint must not be used afterwards. False: the endpoint has more state than
 * *out can hold, and is unchanged. */
bool weir__endpoint_park(weir_endpoint *endpoint, struct weir__endpoint_parked *out);

/* Makes an endpoint of a parked one. options: those that it had. More than one may be made of the
 * same *parked, to read it; what the last one is parked to counts. */
void weir__endpoint_unpark(weir_endpoint *endpoint, const weir_endpoint_options *options,
                           const struct weir__endpoint_parked *parked, uint64_t now_ms);

/* What weir_endpoint_next() tries first, for callers that need no event. */
enum weir__whole {
    WEIR__NOT_WHOLE, /* no whole, unfragmented, small message is next: nothing was done */
    WEIR__WHOLE,     /* *frame is that message */
    WEIR__BROKEN,    /* that message breaks a rule: the endpoint has failed */
};
enum weir__whole weir__endpoint_take_whole(weir_endpoint *endpoint, weir_frame *frame);

/* Appends a frame that goes out as it is, behind a header without a mask: a whole message of a
 * server, of at most size_max bytes, while nothing else is in progress. head_size follows from
 * size_max. False: it is no such frame, or out has no room for it yet; nothing was done. */
static inline bool weir__endpoint_send_plain(const weir_endpoint *endpoint, const weir_frame *frame,
                                             weir_buffer *out, size_t size_max, size_t head_size)
{
    if ((frame->type != WEIR_FRAME_TEXT && frame->type != WEIR_FRAME_BINARY) || !frame->fin ||
        frame->rsv != 0 || frame->compress != WEIR_COMPRESS_DEFAULT || frame->data == NULL ||
        frame->size > size_max || endpoint->close_state != WEIR__CLOSE_OPEN ||
        endpoint->out_type != 0 || endpoint->masking || endpoint->codec != NULL ||
        out->capacity - out->size < frame->size + head_size)
        return false;
    uint8_t *to = out->data + out->size;
    const weir_frame_head head = {.size = frame->size, .opcode = frame->type, .fin = true};
    out->size += head_size + frame->size;
    memcpy(to + weir__head_write(to, &head), frame->data, frame->size);
    return true;
}

/* Whether weir_endpoint_send() of a whole data frame would write its header without a mask, and the
 * payload as it is. */
static inline bool weir__endpoint_sends_plain(const weir_endpoint *endpoint,
                                              const weir_frame *frame)
{
    return endpoint->close_state == WEIR__CLOSE_OPEN && endpoint->out_type == 0 &&
           !endpoint->masking && !weir_endpoint_compresses(endpoint, frame);
}

/* What weir_endpoint_send() tries first: such a frame with the smallest header. */
static inline bool weir__endpoint_send_small(const weir_endpoint *endpoint, const weir_frame *frame,
                                             weir_buffer *out)
{
    return weir__endpoint_send_plain(endpoint, frame, out, 125, 2);
}

/* As weir_endpoint_send(), for a frame that weir__endpoint_send_small() has not appended. */
WEIR_MUST_USE int weir__endpoint_send_any(weir_endpoint *endpoint, const weir_frame *frame,
                                          weir_buffer *out);

/* The present limits of a frame and of a message. */
static inline uint64_t weir__endpoint_max_frame_size(const weir_endpoint *endpoint)
{
    return endpoint->max_frame_size;
}

static inline uint64_t weir__endpoint_max_message_size(const weir_endpoint *endpoint)
{
    return endpoint->max_message_size;
}

/* Whether both sides are open and nothing is owed: then weir_endpoint_wants() is 0, and it has not
 * ended. */
static inline bool weir__endpoint_is_idle(const weir_endpoint *endpoint)
{
    return endpoint->close_state == WEIR__CLOSE_OPEN && !endpoint->pong_owed &&
           !endpoint->ping_owed;
}

/* As weir_endpoint_deadline(). */
static inline uint64_t weir__endpoint_deadline(const weir_endpoint *endpoint)
{
    return endpoint->held && endpoint->pong_awaited ? WEIR_UNLIMITED : endpoint->deadline_ms;
}

/* Whether all input is consumed and no message or frame is in the middle. An input of whole
 * messages ends so. */
static inline bool weir__endpoint_input_drained(const weir_endpoint *endpoint)
{
    return endpoint->in_size == 0 && weir__parser_is_idle(&endpoint->parser) &&
           !endpoint->in_decoding && endpoint->close_state <= WEIR__CLOSE_SENT &&
           endpoint->rare == NULL;
}

/* Releases what the endpoint holds; a zeroed one is allowed. Delivered frames stay valid. */
void weir__endpoint_fini(weir_endpoint *endpoint);

#endif
