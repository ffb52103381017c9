#include "wire/endpoint_parts.h"

#include <string.h>

void weir__endpoint_on_control_head(weir_endpoint *endpoint, const weir_frame_head *head)
{
    endpoint->head_type = head->type;
    if (endpoint->parser.message == 0)
        endpoint->delivery = endpoint->next_delivery;
    if (endpoint->rare != NULL)
        endpoint->rare->control_size = 0;
    /* After a Close no text message goes on: its state can be used for the reason. */
    if (head->type == WEIR_FRAME_CLOSE)
        endpoint->utf8 = (weir_utf8){0};
}

/* A payload as far as it has arrived: in the input, or joined in the rare part. */
struct payload {
    const uint8_t *data;
    size_t size;
    size_t known; /* how much of it was there before this piece */
};

static int gather(weir_endpoint *endpoint, const weir_parser_event *piece, struct payload *out)
{
    *out = (struct payload){.data = piece->data, .size = piece->size};
    if (piece->first && piece->last)
        return WEIR_OK;
    struct weir__endpoint_rare *rare = weir__endpoint_rare(endpoint);
    if (rare == NULL)
        return WEIR_ENOMEM;
    out->known = rare->control_size;
    memcpy(rare->control + rare->control_size, piece->data, piece->size);
    rare->control_size = (uint8_t)(rare->control_size + piece->size);
    out->data = rare->control;
    out->size = rare->control_size;
    return WEIR_OK;
}

static bool may_begin_code(unsigned byte)
{
    for (unsigned low = 0; low < 256; low++)
        if (weir_close_code_is_sendable(byte << 8 | low))
            return true;
    return false;
}

static unsigned code_of(const struct payload *payload)
{
    return (unsigned)payload->data[0] << 8 | payload->data[1];
}

/* Which rule the new bytes of a Close's payload break; *bad: index of the first wrong byte. */
static enum weir__rule check_close(weir_endpoint *endpoint, const struct payload *payload,
                                   bool last, size_t *bad)
{
    *bad = 0;
    if (payload->known == 0 && payload->size > 0 && !may_begin_code(payload->data[0]))
        return WEIR__RULE_CLOSE_CODE;
    if (payload->size < 2)
        return WEIR__RULE_NONE;
    *bad = 1;
    if (payload->known < 2 && !weir_close_code_is_sendable(code_of(payload)))
        return WEIR__RULE_CLOSE_CODE;
    size_t from = payload->known > 2 ? payload->known : 2;
    size_t valid;
    int status =
        weir_utf8_feed(&endpoint->utf8, payload->data + from, payload->size - from, &valid);
    *bad = from + valid;
    if (status != WEIR_OK || (last && !weir_utf8_is_complete(&endpoint->utf8)))
        return WEIR__RULE_CLOSE_UTF8;
    return WEIR__RULE_NONE;
}

static void keep_their_reason(weir_endpoint *endpoint, const struct payload *payload)
{
    endpoint->theirs = WEIR_CLOSE_NO_STATUS;
    if (payload->size < 2)
        return;
    endpoint->theirs = (uint16_t)code_of(payload);
    size_t size = payload->size - 2;
    struct weir__endpoint_rare *rare = size > 0 ? weir__endpoint_rare(endpoint) : NULL;
    if (rare == NULL) /* without memory only the code is kept */
        return;
    memcpy(rare->theirs, payload->data + 2, size);
    rare->theirs_size = (uint8_t)size;
}

static int owe_pong(weir_endpoint *endpoint, const struct payload *payload)
{
    struct weir__endpoint_rare *rare = endpoint->rare;
    if (endpoint->close_state != WEIR__CLOSE_OPEN)
        return WEIR_OK;
    if (payload->size > 0) {
        rare = weir__endpoint_rare(endpoint);
        if (rare == NULL)
            return WEIR_ENOMEM;
        memcpy(rare->pong, payload->data, payload->size);
    }
    if (rare != NULL)
        rare->pong_size = (uint8_t)payload->size;
    endpoint->pong_owed = true;
    return WEIR_OK;
}

static void fill_control_event(weir_event *event, enum weir_event_kind kind,
                               const weir_endpoint *endpoint, const struct payload *payload)
{
    *event = (weir_event){
        .kind = kind,
        .frame = weir_frame_by_type(true, (enum weir_frame_type)endpoint->head_type, payload->data,
                                    payload->size),
        .first = true,
        .last = true,
    };
}

/* Delivers a control frame unchanged, to a raw session. */
static int deliver_raw(weir_endpoint *endpoint, const struct payload *payload, weir_event *event)
{
    fill_control_event(event, WEIR_EVENT_FRAME, endpoint, payload);
    if (endpoint->rare == NULL || payload->data != endpoint->rare->control)
        return WEIR_OK;
    weir_frame copy;
    if (weir_frame_copy(&copy, &event->frame, &endpoint->options->allocator) != WEIR_OK)
        return WEIR_ENOMEM;
    event->frame = copy;
    return WEIR_OK;
}

static int on_whole(weir_endpoint *endpoint, const struct payload *payload, weir_event *event)
{
    bool raw = endpoint->delivery == WEIR_DELIVER_FRAMES;
    if (endpoint->head_type == WEIR_FRAME_CLOSE)
        keep_their_reason(endpoint, payload);
    if (raw)
        return deliver_raw(endpoint, payload, event);
    if (endpoint->head_type == WEIR_FRAME_CLOSE) {
        fill_control_event(event, WEIR_EVENT_CLOSE, endpoint, payload);
        return WEIR_OK;
    }
    if (endpoint->head_type == WEIR_FRAME_PING) {
        fill_control_event(event, WEIR_EVENT_PING, endpoint, payload);
        return owe_pong(endpoint, payload);
    }
    if (!weir__endpoint_on_pong(endpoint, payload->data, payload->size))
        return WEIR__GO_ON;
    fill_control_event(event, WEIR_EVENT_PONG, endpoint, payload);
    return WEIR_OK;
}

int weir__endpoint_on_control(weir_endpoint *endpoint, const weir_parser_event *piece,
                              weir_event *event)
{
    uint64_t offset = endpoint->parser.offset;
    struct payload payload;
    if (gather(endpoint, piece, &payload) != WEIR_OK)
        return weir__endpoint_report(endpoint, event, WEIR__RULE_MEMORY, offset);
    bool is_close = endpoint->head_type == WEIR_FRAME_CLOSE;
    if (is_close) {
        size_t bad;
        enum weir__rule rule = check_close(endpoint, &payload, piece->last, &bad);
        if (rule != WEIR__RULE_NONE)
            return weir__endpoint_report(endpoint, event, rule, offset - payload.size + bad);
    }
    if (!piece->last)
        return WEIR__GO_ON;
    int status = on_whole(endpoint, &payload, event);
    if (status == WEIR_ENOMEM)
        return weir__endpoint_report(endpoint, event, WEIR__RULE_MEMORY, offset);
    if (is_close)
        weir__endpoint_on_close(endpoint);
    return status;
}
