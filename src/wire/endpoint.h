/* wire/endpoint.h - the endpoint's struct, so that a session can hold it inside its own block. Private to the library: outside
 * src/wire the fields are not touched, use <weir/endpoint.h>. */
#ifndef WEIR_WIRE_ENDPOINT_H
#define WEIR_WIRE_ENDPOINT_H

#include "wire/head.h"
#include "wire/parser.h"

#include <weir/endpoint.h>
#include <weir/utf8.h>

#include <string.h>

/* Close: who still owes a Close frame, and when the stream may go (RFC 6455 7.1). Up to CLOSE_SENT the input is alive. */
enum weir__close_state {
    WEIR__CLOSE_OPEN = 0, /* neither side has sent Close */
    WEIR__CLOSE_SENT,     /* ours is out, theirs is awaited; data may still arrive */
    WEIR__CLOSE_RECEIVED, /* theirs arrived, and the user answers it himself (FRAMES) */
    WEIR__CLOSE_OWED,     /* theirs arrived, our answer is not yet in the output */
    WEIR__CLOSE_FAILED,   /* broken off with a cause; our Close is not yet in the output */
    WEIR__CLOSE_DONE,     /* no Close is owed; the peer's end of stream is awaited */
    WEIR__CLOSE_GONE,     /* nothing more comes or goes */
};

/* No limit, of a time that is kept in 32 bits: those end at 49 days. */
#define WEIR__NO_MS UINT32_MAX

struct weir_endpoint {
    /* What was fed and not yet eaten; in_size is 0 once the input has ended. */
    uint8_t *in;
    size_t in_size;
    weir_parser
        parser; /* also the cause and its offset once broken off: see weir__endpoint_fail() */
    weir_codec *codec; /* ours; NULL: messages are as they are */
    size_t
        coded_size; /* how much at the front of in the parser has let through, and the codec has not eaten */
    const weir_endpoint_options
        *options; /* allocator, random and close_timeout_ms are read from here */
    struct weir__endpoint_rare *rare; /* NULL while nothing rare goes on */
    uint64_t
        max_frame_size; /* the parser's is larger by what a compressed payload may have grown */
    uint64_t max_message_size;
    uint64_t message_size; /* bytes of the message in progress that its headers have declared */
    uint64_t now_ms;       /* the latest time we were told */
    /* WEIR_UNLIMITED: none; 0: begins to run at the next time we are told. What it is for follows from close_state and pong_awaited.
     * While held and a pong is awaited: what is left of the time. */
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
    /* Looked at together before each frame that is sent. */
    uint8_t close_state; /* enum weir__close_state */
    uint8_t out_type;    /* type of the message we are sending in fragments; 0: none */
    bool head_fin : 1;
    bool in_coded : 1;    /* the message in progress is compressed */
    bool in_decoding : 1; /* a part of it waits at the codec: coded_size bytes, perhaps none */
    bool part_last : 1;   /* that part ends the message */
    bool out_coded : 1;   /* the message we are sending in fragments is compressed */
    bool head_starts : 1; /* that frame begins its message */
    bool piece_given : 1; /* PIECES: the first piece of the message was delivered */
    bool client : 1;
    bool masking : 1;
    bool held : 1;            /* the driver does not read */
    bool pong_awaited : 1;    /* our last ping is unanswered */
    bool ping_owed : 1;       /* ... and not even written: the output was busy when it was due */
    bool ping_grace_used : 1; /* ... but we were away when its time passed: it has got it again */
    bool pong_owed : 1;       /* the peer's last ping is unanswered */
    bool by_peer : 1;         /* the peer's Close came before ours was sent */
    bool eof : 1;             /* the peer's orderly end of stream */
    bool shutdown : 1;        /* we are to end the stream first (7.1.1) */
    bool ours_is_cause : 1;   /* the text of our Close is that of the cause */
};

/* As weir_endpoint_new(), into memory of the caller's. Keeps options (with their allocator) until weir__endpoint_fini(); many endpoints may share
 * them: nothing is written there. Allocates nothing. Errors: WEIR_EINVAL. */
WEIR_MUST_USE int weir__endpoint_init(weir_endpoint *endpoint, const weir_endpoint_options *options,
                                      uint64_t now_ms);

/* What remains of an endpoint between two messages, when nothing is owed, awaited or ended: it can go on from there in other memory. */
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

/* Lays it down: fills *out, and the endpoint is not to be used again. False: it is not between two such messages, and as before. */
bool weir__endpoint_park(weir_endpoint *endpoint, struct weir__endpoint_parked *out);

/* Goes on, with the options that it had. Several may be taken up from one rest, to look at it: the last that is laid down counts. */
void weir__endpoint_unpark(weir_endpoint *endpoint, const weir_endpoint_options *options,
                           const struct weir__endpoint_parked *rest, uint64_t now_ms);

/* The short cut that next() takes first, for those who want no event. */
enum weir__whole {
    WEIR__NOT_WHOLE, /* no whole, unfragmented, small message is next in the input: nothing was done */
    WEIR__WHOLE,     /* it was, and *frame is it */
    WEIR__BROKEN,    /* it was, and breaks a rule: the endpoint has failed */
};
enum weir__whole weir__endpoint_take_whole(weir_endpoint *endpoint, weir_frame *frame);

/* Whether a frame goes out as it is, behind a header without a mask: a whole message of a server, while
 * nothing else is under way. */
static inline bool weir__endpoint_sends_plain(const weir_endpoint *endpoint,
                                              const weir_frame *frame)
{
    return (frame->type == WEIR_FRAME_TEXT || frame->type == WEIR_FRAME_BINARY) && frame->fin &&
           frame->rsv == 0 && frame->compress == WEIR_COMPRESS_DEFAULT && frame->data != NULL &&
           endpoint->close_state == WEIR__CLOSE_OPEN && endpoint->out_type == 0 &&
           !endpoint->masking && endpoint->codec == NULL;
}

/* Appends such a frame if the buffer has room for it already. False: nothing was done. */
static inline bool weir__append_plain(const weir_frame *frame, size_t head_size, weir_buffer *out)
{
    if (out->capacity - out->size < frame->size + head_size)
        return false;
    uint8_t *to = out->data + out->size;
    const weir_frame_head head = {.size = frame->size, .opcode = frame->type, .fin = true};
    out->size += head_size + frame->size;
    memcpy(to + weir__head_write(to, &head), frame->data, frame->size);
    return true;
}

/* The short cut that weir_endpoint_send() takes first: for a plain frame with the smallest header.
 * False: it is none, or there is no room; nothing was done. */
static inline bool weir__endpoint_send_small(const weir_endpoint *endpoint, const weir_frame *frame,
                                             weir_buffer *out)
{
    return frame->size < 126 && weir__endpoint_sends_plain(endpoint, frame) &&
           weir__append_plain(frame, 2, out);
}

/* As weir_endpoint_send(), for a frame that the above has left. */
WEIR_MUST_USE int weir__endpoint_send_any(weir_endpoint *endpoint, const weir_frame *frame,
                                          weir_buffer *out);

/* What it was made with, and its limit of a frame and of a message now. */
static inline uint64_t weir__endpoint_max_frame_size(const weir_endpoint *endpoint)
{
    return endpoint->max_frame_size;
}

static inline uint64_t weir__endpoint_max_message_size(const weir_endpoint *endpoint)
{
    return endpoint->max_message_size;
}

/* Whether both sides are open and nothing is owed: then it wants nothing, and has not ended. */
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

/* Whether all input is eaten, and nothing is half done: so ends each input of whole messages. */
static inline bool weir__endpoint_input_drained(const weir_endpoint *endpoint)
{
    return endpoint->in_size == 0 && weir__parser_is_idle(&endpoint->parser) &&
           !endpoint->in_decoding && endpoint->close_state <= WEIR__CLOSE_SENT &&
           endpoint->rare == NULL;
}

/* Releases what the endpoint holds; a zeroed one is allowed. Frames that were handed out stay valid. */
void weir__endpoint_fini(weir_endpoint *endpoint);

#endif
