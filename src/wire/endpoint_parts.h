/* wire/endpoint_parts.h - what the files of the endpoint share. Private to src/wire/endpoint*.c.
 *
 *   endpoint.c          life, settings, the dispatch of the input, the driver's questions
 *   endpoint_message.c  data frames in: limits, UTF-8, joining, delivery
 *   endpoint_codec.c    compressed messages in: through the codec
 *   endpoint_control.c  control frames in
 *   endpoint_close.c    the closing handshake and the end of the stream
 *   endpoint_ping.c     the ping clock
 *   endpoint_send.c     frames out */
#ifndef WEIR_WIRE_ENDPOINT_PARTS_H
#define WEIR_WIRE_ENDPOINT_PARTS_H

#include "wire/close.h"
#include "wire/endpoint.h"
#include "wire/rule.h"

#include <weir/collector.h>

/* RSV1: the message is compressed (RFC 7692 6). */
#define WEIR__RSV_CODED 4

/* What most endpoints never need, and no idle one. */
struct weir__endpoint_rare {
    weir_collector collector; /* a message or raw frame that did not lie whole in the input */
    uint8_t control_size;     /* of a control payload that is cut over several inputs */
    uint8_t pong_size;
    uint8_t ours_size;
    uint8_t theirs_size;
    uint8_t control[WEIR__CONTROL_MAX];
    uint8_t pong[WEIR__CONTROL_MAX];   /* payload of the pong we owe */
    char ours[WEIR_CLOSE_MESSAGE_MAX]; /* message of our Close; its code stands in the endpoint */
    char theirs[WEIR_CLOSE_MESSAGE_MAX];
};

/* What a handler of the input returns to go on with the input. Any other value is what
 * weir_endpoint_next() returns. */
#define WEIR__GO_ON 1

/* The rare part, made when it is not there; NULL: no memory. */
struct weir__endpoint_rare *weir__endpoint_rare(weir_endpoint *endpoint);

/* Frees the rare part when it is empty. */
void weir__endpoint_free_empty(weir_endpoint *endpoint);

/* Keeps the time, and sets a deadline that could not be set without it. */
void weir__endpoint_clock(weir_endpoint *endpoint, uint64_t now_ms);

static inline bool weir__endpoint_input_alive(const weir_endpoint *endpoint)
{
    return endpoint->close_state <= WEIR__CLOSE_SENT;
}

/* a + b, at most WEIR_UNLIMITED. */
static inline uint64_t weir__add_capped(uint64_t a, uint64_t b)
{
    return a > WEIR_UNLIMITED - b ? WEIR_UNLIMITED : a + b;
}

/* endpoint_message.c */
int weir__endpoint_on_data_head(weir_endpoint *endpoint, const weir_frame_head *head,
                                weir_event *event);
int weir__endpoint_on_data(weir_endpoint *endpoint, const weir_parser_event *piece,
                           weir_event *event);

/* endpoint_codec.c */
/* Gives a piece of a compressed message, which lies in the input, to the codec. */
void weir__endpoint_await_codec(weir_endpoint *endpoint, const weir_parser_event *piece);
/* The next event out of what the codec was given; WEIR__GO_ON: all of that is consumed. */
int weir__endpoint_decode(weir_endpoint *endpoint, weir_event *event);
/* endpoint_control.c */
void weir__endpoint_on_control_head(weir_endpoint *endpoint, const weir_frame_head *head);
int weir__endpoint_on_control(weir_endpoint *endpoint, const weir_parser_event *piece,
                              weir_event *event);

/* endpoint_close.c: inputs of the close machine. */
/* Their Close has arrived whole: theirs is set. */
void weir__endpoint_on_close(weir_endpoint *endpoint);
/* Our Close is in the output. */
void weir__endpoint_on_close_sent(weir_endpoint *endpoint, unsigned code);
/* Ends the input because a rule was broken at that offset of it. Discards what is left of it. */
void weir__endpoint_fail(weir_endpoint *endpoint, enum weir__rule rule, uint64_t offset);
/* The same for weir_endpoint_next(): fills *event and returns WEIR_OK. Without memory as the cause:
 * returns WEIR_ENOMEM. */
int weir__endpoint_report(weir_endpoint *endpoint, weir_event *event, enum weir__rule rule,
                          uint64_t offset);
/* End-of-file or an error of the stream. */
void weir__endpoint_on_eof(weir_endpoint *endpoint, int status);
/* The deadline of the present state has passed. */
void weir__endpoint_on_close_timeout(weir_endpoint *endpoint);
/* No pong came in time: ends at once. */
void weir__endpoint_on_ping_timeout(weir_endpoint *endpoint);
/* Ends at once, by this side. */
void weir__endpoint_on_terminate(weir_endpoint *endpoint);
/* How long the present state may last. */
uint64_t weir__endpoint_close_period(const weir_endpoint *endpoint);

/* endpoint_ping.c */
void weir__endpoint_ping_restart(weir_endpoint *endpoint);
/* A ping is due: appends it. out NULL: it is owed, and the time for its pong runs. */
int weir__endpoint_ping(weir_endpoint *endpoint, weir_buffer *out);
/* Appends the ping that is owed, if one is. */
int weir__endpoint_append_ping(weir_endpoint *endpoint, weir_buffer *out);
/* Bytes of a message have arrived: the time for a pong starts again. */
void weir__endpoint_ping_defer(weir_endpoint *endpoint);
/* Whether a payload is that of the awaited pong; if so, the next ping gets its deadline. */
bool weir__endpoint_on_pong(weir_endpoint *endpoint, const uint8_t *data, size_t size);

/* endpoint_send.c */
/* Appends a whole frame with that opcode. Checks nothing. */
int weir__endpoint_append(weir_endpoint *endpoint, const weir_frame *frame, unsigned opcode,
                          weir_buffer *out);
/* Appends the pong that is owed, if one is. */
int weir__endpoint_append_pong(weir_endpoint *endpoint, weir_buffer *out);
/* Appends a Close frame; code 1005: an empty one. */
int weir__endpoint_append_close(weir_endpoint *endpoint, unsigned code, const char *message,
                                size_t size, weir_buffer *out);

#endif
