/* Compressed messages in. What is parsed stays in the input until the codec has consumed it: the
 * driver keeps it as it keeps what is not parsed yet. What the codec lends is checked for size and
 * UTF-8 like a plain message, and copied for the user. */
#include "wire/endpoint_parts.h"

void weir__endpoint_await_codec(weir_endpoint *endpoint, const weir_parser_event *piece)
{
    endpoint->in_size += piece->size;
    if (piece->size > 0)
        endpoint->in = piece->data;
    endpoint->coded_size = piece->size;
    endpoint->in_decoding = true;
    endpoint->part_last = piece->last && endpoint->head_fin;
}

static void eat(weir_endpoint *endpoint, size_t size)
{
    if (size == 0)
        return;
    endpoint->in += size;
    endpoint->in_size -= size;
    endpoint->coded_size -= size;
}

/* Checks size and text. Of two faults the one that is earlier in the message counts, however its
 * bytes arrive. */
static enum weir__rule check_decoded(weir_endpoint *endpoint, const weir_codec_incoming *part,
                                     bool ends)
{
    uint64_t limit = endpoint->max_message_size;
    uint64_t room = limit > endpoint->message_size ? limit - endpoint->message_size : 0;
    bool fits = part->out_size <= room;
    size_t size = fits ? part->out_size : (size_t)room;
    if (endpoint->head_type == WEIR_FRAME_TEXT) {
        if (weir_utf8_feed(&endpoint->utf8, part->out, size, NULL) != WEIR_OK)
            return WEIR__RULE_TEXT_UTF8;
        if (fits && ends && !weir_utf8_is_complete(&endpoint->utf8))
            return WEIR__RULE_TEXT_CUT;
    }
    endpoint->message_size += size;
    return fits ? WEIR__RULE_NONE : WEIR__RULE_MESSAGE_SIZE;
}

static int collect_decoded(weir_endpoint *endpoint, const weir_codec_incoming *part)
{
    if (part->out_size == 0)
        return WEIR_OK;
    struct weir__endpoint_rare *rare = weir__endpoint_rare(endpoint);
    if (rare == NULL || weir_collector_start(&rare->collector, part->out_size) != WEIR_OK)
        return WEIR_ENOMEM;
    return weir_collector_feed(&rare->collector, part->out, part->out_size, NULL);
}

/* Delivers what was collected: a whole message, or a piece of one. */
static int deliver_collected(weir_endpoint *endpoint, bool ends, weir_event *event)
{
    *event = (weir_event){.kind = WEIR_EVENT_FRAME, .last = ends};
    event->first = endpoint->delivery == WEIR_DELIVER_MESSAGES || !endpoint->piece_given;
    endpoint->piece_given = true;
    if (endpoint->rare != NULL) {
        int status = weir_collector_take(&event->frame, &endpoint->rare->collector, NULL);
        if (status != WEIR_OK)
            return status;
    }
    event->frame.type = endpoint->head_type;
    event->frame.fin = ends;
    return WEIR_OK;
}

static int take_decoded(weir_endpoint *endpoint, const weir_codec_incoming *part, bool ends,
                        weir_event *event)
{
    enum weir__rule rule = check_decoded(endpoint, part, ends);
    if (rule == WEIR__RULE_NONE && collect_decoded(endpoint, part) != WEIR_OK)
        rule = WEIR__RULE_MEMORY;
    if (rule != WEIR__RULE_NONE)
        return weir__endpoint_report(endpoint, event, rule,
                                     endpoint->parser.offset - endpoint->coded_size);
    bool is_piece = endpoint->delivery == WEIR_DELIVER_PIECES && part->out_size > 0;
    return ends || is_piece ? deliver_collected(endpoint, ends, event) : WEIR__GO_ON;
}

int weir__endpoint_decode(weir_endpoint *endpoint, weir_event *event)
{
    weir_codec_incoming part = {
        .data = endpoint->in, .size = endpoint->coded_size, .last = endpoint->part_last};
    int status = endpoint->codec->ops->decode(endpoint->codec, &part);
    if (status != WEIR_OK)
        return weir__endpoint_report(endpoint, event,
                                     status == WEIR_ENOMEM ? WEIR__RULE_MEMORY : WEIR__RULE_CODED,
                                     endpoint->parser.offset - endpoint->coded_size);
    eat(endpoint, part.eaten);
    endpoint->in_decoding = part.eaten < part.size;
    return take_decoded(endpoint, &part, part.last && !endpoint->in_decoding, event);
}
