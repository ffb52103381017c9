#include "wire/endpoint_parts.h"

#include "wire/mask.h"
#include "wire/parser.h"
#include "wire/utf8.h"

/* A message of this size is unmasked and checked in one pass. */
#define SMALL_MIN 16
#define SMALL_MAX 256

/* Data frames in. The parser unmasks the bytes of a message; then they are checked as text and
 * delivered. Compressed messages take the way through endpoint_codec.c. */

int weir__endpoint_on_data_head(weir_endpoint *endpoint, const weir_frame_head *head,
                                weir_event *event)
{
    endpoint->head_type = head->type;
    endpoint->head_rsv = head->rsv;
    endpoint->head_fin = head->fin;
    endpoint->head_starts = head->opcode != 0;
    if (endpoint->head_starts) {
        endpoint->delivery = endpoint->next_delivery;
        endpoint->message_size = 0;
        endpoint->piece_given = false;
        endpoint->utf8 = (weir_utf8){0};
        endpoint->in_coded =
            (head->rsv & WEIR__RSV_CODED) != 0; /* the parser allows it with a codec only */
    }
    if (endpoint->in_coded) /* its size is counted when it is inflated */
        return WEIR__GO_ON;
    if (head->size > endpoint->max_frame_size)
        return weir__endpoint_report(endpoint, event, WEIR__RULE_FRAME_SIZE,
                                     endpoint->parser.offset);
    uint64_t limit = endpoint->max_message_size;
    bool too_big = endpoint->message_size > limit || head->size > limit - endpoint->message_size;
    if (too_big && endpoint->delivery != WEIR_DELIVER_FRAMES)
        return weir__endpoint_report(endpoint, event, WEIR__RULE_MESSAGE_SIZE,
                                     endpoint->parser.offset);
    endpoint->message_size = weir__add_capped(endpoint->message_size, head->size);
    return WEIR__GO_ON;
}

static void fill_frame_event(weir_event *event, const weir_endpoint *endpoint,
                             const weir_parser_event *piece)
{
    *event = (weir_event){
        .kind = WEIR_EVENT_FRAME,
        .frame = {.data = piece->data,
                  .size = piece->size,
                  .type = endpoint->head_type,
                  .fin = endpoint->head_fin,
                  .rsv = endpoint->head_rsv},
        .first = endpoint->head_starts,
        .last = endpoint->head_fin,
    };
}

static int collect(weir_endpoint *endpoint, const weir_parser_event *piece)
{
    if (piece->size == 0)
        return WEIR_OK;
    struct weir__endpoint_rare *rare = weir__endpoint_rare(endpoint);
    if (rare == NULL)
        return WEIR_ENOMEM;
    weir_collector *collector = &rare->collector;
    /* A size that no memory can hold is out of memory, too. */
    if (piece->first &&
        weir_collector_start(collector, piece->size + endpoint->parser.left) != WEIR_OK)
        return WEIR_ENOMEM;
    return weir_collector_feed(collector, piece->data, piece->size, NULL);
}

/* Delivers what was collected. */
static int take_collected(weir_endpoint *endpoint, const weir_parser_event *piece,
                          weir_event *event)
{
    fill_frame_event(event, endpoint, piece);
    weir_frame joined = {0};
    if (endpoint->rare != NULL) {
        int status = weir_collector_take(&joined, &endpoint->rare->collector, NULL);
        if (status != WEIR_OK)
            return status;
    }
    event->frame.data = joined.data;
    event->frame.size = joined.size;
    event->frame.release = joined.release;
    event->frame.owner = joined.owner;
    return WEIR_OK;
}

/* Delivers a whole message: where it lies in the input if all of it is in this piece, else
 * joined. */
static int deliver_message(weir_endpoint *endpoint, const weir_parser_event *piece,
                           weir_event *event)
{
    bool ends = piece->last && endpoint->head_fin;
    int status = WEIR_OK;
    if (ends && endpoint->message_size == piece->size) {
        fill_frame_event(event, endpoint, piece);
    } else {
        status = collect(endpoint, piece);
        if (status == WEIR_OK && !ends)
            return WEIR__GO_ON;
        if (status == WEIR_OK)
            status = take_collected(endpoint, piece, event);
    }
    event->first = true;
    return status;
}

/* Delivers a piece where it lies in the input. An empty one is delivered only to end a message
 * whose end was not known at the piece before. */
static int deliver_piece(weir_endpoint *endpoint, const weir_parser_event *piece, weir_event *event)
{
    bool ends = piece->last && endpoint->head_fin;
    if (piece->size == 0 && !ends)
        return WEIR__GO_ON;
    fill_frame_event(event, endpoint, piece);
    event->first = !endpoint->piece_given;
    event->last = ends;
    event->frame.fin = ends;
    endpoint->piece_given = true;
    return WEIR_OK;
}

static int deliver_frame(weir_endpoint *endpoint, const weir_parser_event *piece, weir_event *event)
{
    if (piece->first && piece->last) {
        fill_frame_event(event, endpoint, piece);
        return WEIR_OK;
    }
    int status = collect(endpoint, piece);
    if (status != WEIR_OK || !piece->last)
        return status == WEIR_OK ? WEIR__GO_ON : status;
    return take_collected(endpoint, piece, event);
}

static int deliver(weir_endpoint *endpoint, const weir_parser_event *piece, weir_event *event)
{
    switch ((enum weir_delivery)endpoint->delivery) {
    case WEIR_DELIVER_MESSAGES:
        return deliver_message(endpoint, piece, event);
    case WEIR_DELIVER_PIECES:
        return deliver_piece(endpoint, piece, event);
    case WEIR_DELIVER_FRAMES:
        return deliver_frame(endpoint, piece, event);
    }
    return WEIR__GO_ON;
}

/* *valid: how much of the piece is right. */
static enum weir__rule check_text(weir_endpoint *endpoint, const weir_parser_event *piece,
                                  size_t *valid)
{
    if (weir_utf8_feed(&endpoint->utf8, piece->data, piece->size, valid) != WEIR_OK)
        return WEIR__RULE_TEXT_UTF8;
    bool ends = piece->last && endpoint->head_fin;
    return ends && !weir_utf8_is_complete(&endpoint->utf8) ? WEIR__RULE_TEXT_CUT : WEIR__RULE_NONE;
}

int weir__endpoint_on_data(weir_endpoint *endpoint, const weir_parser_event *piece,
                           weir_event *event)
{
    uint64_t offset = endpoint->parser.offset;
    weir__endpoint_ping_defer(endpoint);
    if (endpoint->in_coded && endpoint->delivery != WEIR_DELIVER_FRAMES) {
        weir__endpoint_await_codec(endpoint, piece);
        return WEIR__GO_ON;
    }
    if (endpoint->head_type == WEIR_FRAME_TEXT && !endpoint->in_coded) {
        size_t valid;
        enum weir__rule rule = check_text(endpoint, piece, &valid);
        if (rule != WEIR__RULE_NONE)
            return weir__endpoint_report(endpoint, event, rule, offset - piece->size + valid);
    }
    int status = deliver(endpoint, piece, event);
    if (status == WEIR_ENOMEM)
        return weir__endpoint_report(endpoint, event, WEIR__RULE_MEMORY, offset);
    return status;
}

/* Returns the size of the next frame's header if the frame lies whole in the input, is an
 * unfragmented message of under 64 KiB, and breaks no rule of headers; else 0. */
static inline size_t plain_head(const weir_endpoint *endpoint, size_t key_size, size_t *size)
{
    const uint8_t *in = endpoint->in;
    if (endpoint->in_size < 2 || !weir__parser_is_idle(&endpoint->parser) ||
        (in[0] != 0x81 && in[0] != 0x82))
        return 0;
    size_t length = in[1] ^ (key_size != 0 ? 0x80u : 0);
    size_t head_size = 2 + key_size;
    if (length > 125) {
        if (length != 126 || endpoint->in_size < 4)
            return 0;
        length = (size_t)in[2] << 8 | in[3];
        head_size += 2;
        if (length < 126)
            return 0;
    }
    if (endpoint->in_size < head_size + length || length > endpoint->max_frame_size ||
        length > endpoint->max_message_size)
        return 0;
    *size = length;
    return head_size;
}

/* Takes the frame of such a message, still masked. False: it is no such message. */
static inline bool take_plain(weir_endpoint *endpoint, size_t key_size, weir_frame *frame)
{
    size_t size;
    size_t head_size = plain_head(endpoint, key_size, &size);
    if (head_size == 0)
        return false;
    uint8_t *data = endpoint->in + head_size;
    uint8_t type = endpoint->in[0] & 15;
    *frame = (weir_frame){.data = data, .size = size, .type = type, .fin = true};
    endpoint->in = data + size;
    endpoint->in_size -= head_size + size;
    endpoint->parser.offset += head_size + size;
    return true;
}

/* Checks the text of a whole message; *valid: how much of it is right. */
static enum weir__rule check_whole_text(const uint8_t *data, size_t size, size_t *valid)
{
    weir_utf8 utf8 = {0};
    if (weir_utf8_feed(&utf8, data, size, valid) != WEIR_OK)
        return WEIR__RULE_TEXT_UTF8;
    return weir_utf8_is_complete(&utf8) ? WEIR__RULE_NONE : WEIR__RULE_TEXT_CUT;
}

/* Checks the text of a message; if it is wrong, the endpoint fails. */
static __attribute__((noinline)) enum weir__whole judge_text(weir_endpoint *endpoint,
                                                             const weir_frame *frame)
{
    size_t valid;
    enum weir__rule rule = check_whole_text(frame->data, frame->size, &valid);
    if (rule == WEIR__RULE_NONE)
        return WEIR__WHOLE;
    weir__endpoint_fail(endpoint, rule, endpoint->parser.offset - frame->size + valid);
    return WEIR__BROKEN;
}

/* Unmasks 16 to 256 bytes and returns whether they are ASCII then: in one pass, without a call. The
 * last vector may overlap the one before it: it is loaded before the others and stored after
 * them. */
static inline bool unmask_small(uint8_t *data, size_t size, const uint8_t key[4])
{
    uint64_t word = weir__mask_word(key);
    const weir__words plain = {0, 0};
    const weir__words keys = plain + word;
    uint8_t *end = data + size - sizeof plain;
    weir__words last = *(weir__words *)end ^ (plain + weir__mask_turn(word, size));
    weir__words all = last;
    for (; data < end; data += sizeof plain) {
        weir__words words = *(weir__words *)data ^ keys;
        *(weir__words *)data = words;
        all |= words;
    }
    *(weir__words *)end = last;
    return !weir__has_high_bits(all);
}

/* Unmasks and checks a message of another size, in two passes. */
static __attribute__((noinline)) enum weir__whole finish_whole(weir_endpoint *endpoint,
                                                               weir_frame *frame)
{
    if (!endpoint->client)
        weir_mask(frame->data, frame->size, frame->data - 4, 0);
    bool plain = frame->type == WEIR_FRAME_BINARY ||
                 (frame->size <= SMALL_MAX && weir__is_ascii(frame->data, frame->size));
    return plain ? WEIR__WHOLE : judge_text(endpoint, frame);
}

/* As weir__endpoint_take_whole(), for a message of a server, or while a pong is awaited. */
static __attribute__((noinline)) enum weir__whole take_unusual(weir_endpoint *endpoint,
                                                               weir_frame *frame)
{
    if (endpoint->in_decoding || !take_plain(endpoint, endpoint->client ? 0 : 4, frame))
        return WEIR__NOT_WHOLE;
    weir__endpoint_ping_defer(endpoint);
    return finish_whole(endpoint, frame);
}

enum weir__whole weir__endpoint_take_whole(weir_endpoint *endpoint, weir_frame *frame)
{
    if (endpoint->in_decoding || endpoint->client || endpoint->pong_awaited)
        return take_unusual(endpoint, frame);
    if (!take_plain(endpoint, 4, frame))
        return WEIR__NOT_WHOLE;
    if (frame->size < SMALL_MIN || frame->size > SMALL_MAX)
        return finish_whole(endpoint, frame);
    bool ascii = unmask_small(frame->data, frame->size, frame->data - 4);
    return ascii || frame->type == WEIR_FRAME_BINARY ? WEIR__WHOLE : judge_text(endpoint, frame);
}
