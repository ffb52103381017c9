#include "wire/endpoint_parts.h"

#include "wire/head.h"

#include <weir/mask.h>

#include <string.h>

/* Frames may be sent until our Close is, also after the peer's Close or a fault: so that a message
 * that was begun before can be ended (5.5.1). */
static bool may_send(const weir_endpoint *endpoint)
{
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
    case WEIR__CLOSE_RECEIVED:
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
        return true;
    case WEIR__CLOSE_SENT:
    case WEIR__CLOSE_DONE:
    case WEIR__CLOSE_GONE:
        break;
    }
    return false;
}

bool weir_endpoint_output_ended(const weir_endpoint *endpoint)
{
    return !may_send(endpoint);
}

static void fill_head(const weir_endpoint *endpoint, const weir_frame *frame, unsigned opcode,
                      weir_frame_head *head)
{
    *head = (weir_frame_head){
        .size = frame->size,
        .opcode = (uint8_t)opcode,
        .rsv = frame->rsv,
        .fin = frame->fin,
        .masked = endpoint->masking,
    };
    if (head->masked)
        endpoint->options->random(head->key, sizeof head->key, endpoint->options->random_arg);
}

int weir__endpoint_append(weir_endpoint *endpoint, const weir_frame *frame, unsigned opcode,
                          weir_buffer *out)
{
    if (frame->size > PTRDIFF_MAX - WEIR_FRAME_HEAD_MAX)
        return WEIR_ENOMEM;
    uint8_t *to = weir_buffer_reserve(out, WEIR_FRAME_HEAD_MAX + frame->size);
    if (to == NULL)
        return WEIR_ENOMEM;
    weir_frame_head head;
    fill_head(endpoint, frame, opcode, &head);
    size_t head_size = weir__head_write(to, &head);
    if (head.masked)
        weir_mask_copy(to + head_size, frame->data, frame->size, head.key, 0);
    else if (frame->size > 0)
        memcpy(to + head_size, frame->data, frame->size);
    out->size += head_size + frame->size;
    return WEIR_OK;
}

int weir__endpoint_append_close(weir_endpoint *endpoint, unsigned code, const char *message,
                                size_t size, weir_buffer *out)
{
    uint8_t payload[WEIR__CONTROL_MAX];
    weir_frame frame = weir_frame_by_type(true, WEIR_FRAME_CLOSE, payload,
                                          weir__close_payload_write(payload, code, message, size));
    return weir__endpoint_append(endpoint, &frame, WEIR_FRAME_CLOSE, out);
}

int weir__endpoint_append_pong(weir_endpoint *endpoint, weir_buffer *out)
{
    if (!endpoint->pong_owed)
        return WEIR_OK;
    const struct weir__endpoint_rare *rare = endpoint->rare;
    weir_frame pong =
        weir_frame_pong(rare != NULL ? rare->pong : NULL, rare != NULL ? rare->pong_size : 0);
    int status = weir__endpoint_append(endpoint, &pong, WEIR_FRAME_PONG, out);
    endpoint->pong_owed = status != WEIR_OK;
    return status;
}

/* Keeps the message of our Close for weir_endpoint_end(); without memory only its code is kept. */
static void keep_our_reason(weir_endpoint *endpoint, const char *message, size_t size)
{
    struct weir__endpoint_rare *rare = size > 0 ? weir__endpoint_rare(endpoint) : NULL;
    if (rare == NULL)
        return;
    memcpy(rare->ours, message, size);
    rare->ours_size = (uint8_t)size;
}

/* Sends a Close for the user. */
static int send_reason(weir_endpoint *endpoint, const weir_close_reason *reason, weir_buffer *out)
{
    if (endpoint->close_state != WEIR__CLOSE_OPEN && endpoint->close_state != WEIR__CLOSE_RECEIVED)
        return WEIR_CLOSED;
    /* A ping that came before is answered before (5.5.2). With room for both, neither can fail. */
    if (weir_buffer_reserve(out, (size_t)2 * (WEIR_FRAME_HEAD_MAX + WEIR__CONTROL_MAX)) == NULL)
        return WEIR_ENOMEM;
    int status = weir__endpoint_append_pong(endpoint, out);
    if (status == WEIR_OK)
        status = weir__endpoint_append_close(endpoint, reason->code, reason->message,
                                             reason->message_size, out);
    if (status != WEIR_OK)
        return status;
    keep_our_reason(endpoint, reason->message, reason->message_size);
    weir__endpoint_on_close_sent(endpoint, reason->code);
    return WEIR_OK;
}

int weir_endpoint_close(weir_endpoint *endpoint, const weir_close_reason *reason, uint64_t now_ms,
                        weir_buffer *out)
{
    static const weir_close_reason none = {.code = WEIR_CLOSE_NO_STATUS};
    weir__endpoint_clock(endpoint, now_ms);
    if (reason != NULL && !weir__close_reason_is_sendable(reason))
        return WEIR_EINVAL;
    return send_reason(endpoint, reason != NULL ? reason : &none, out);
}

static int send_close_frame(weir_endpoint *endpoint, const weir_frame *frame, weir_buffer *out)
{
    weir_close_reason reason;
    int status = weir_frame_close_reason_get(&reason, frame);
    if (status != WEIR_OK && status != WEIR_CLOSED)
        return WEIR_EINVAL;
    status = send_reason(endpoint, &reason, out);
    if (status == WEIR_OK && endpoint->deadline_ms != WEIR_UNLIMITED)
        endpoint->deadline_ms = 0; /* the time is not known here */
    return status;
}

static int check_control(const weir_frame *frame, unsigned *opcode)
{
    *opcode = frame->type;
    return frame->size <= WEIR__CONTROL_MAX && frame->fin && frame->rsv == 0 ? WEIR_OK
                                                                             : WEIR_EINVAL;
}

static int check_data(const weir_endpoint *endpoint, const weir_frame *frame, unsigned *opcode)
{
    if (endpoint->out_type != 0 && endpoint->out_type != frame->type)
        return WEIR_EINVAL;
    if (frame->rsv > 7 || (frame->rsv != 0 && endpoint->next_delivery != WEIR_DELIVER_FRAMES))
        return WEIR_EINVAL;
    if (frame->compress > WEIR_COMPRESS_NEVER)
        return WEIR_EINVAL;
    *opcode = endpoint->out_type != 0 ? 0 : frame->type;
    return WEIR_OK;
}

bool weir_endpoint_compresses(const weir_endpoint *endpoint, const weir_frame *frame)
{
    if (endpoint->codec == NULL || (frame->type & 8) != 0 ||
        endpoint->next_delivery == WEIR_DELIVER_FRAMES)
        return false;
    if (endpoint->out_type != 0)
        return endpoint->out_coded;
    if (frame->compress == WEIR_COMPRESS_DEFAULT)
        return frame->size >= endpoint->codec->send_min ||
               (!frame->fin && endpoint->codec->send_min != SIZE_MAX);
    return frame->compress == WEIR_COMPRESS_ALWAYS;
}

/* Appends a data frame that the codec compresses. The size of its header is known only
 * afterwards. */
static __attribute__((noinline)) int append_coded(weir_endpoint *endpoint, const weir_frame *frame,
                                                  unsigned opcode, weir_buffer *out)
{
    const weir_codec_ops *ops = endpoint->codec->ops;
    size_t bound = ops->bound(endpoint->codec, frame->size);
    if (bound > PTRDIFF_MAX - WEIR_FRAME_HEAD_MAX)
        return WEIR_ENOMEM;
    uint8_t *to = weir_buffer_reserve(out, WEIR_FRAME_HEAD_MAX + bound);
    if (to == NULL)
        return WEIR_ENOMEM;
    weir_codec_outgoing part = {.data = frame->data,
                                .size = frame->size,
                                .last = frame->fin,
                                .out = to + WEIR_FRAME_HEAD_MAX};
    int status = ops->encode(endpoint->codec, &part);
    if (status != WEIR_OK)
        return status;
    weir_frame coded = *frame;
    weir_frame_head head;
    coded.size = part.out_size;
    coded.rsv = opcode != 0 ? WEIR__RSV_CODED : 0;
    fill_head(endpoint, &coded, opcode, &head);
    size_t head_size = weir__head_write(to, &head);
    memmove(to + head_size, part.out, part.out_size);
    if (head.masked)
        weir_mask(to + head_size, part.out_size, head.key, 0);
    out->size += head_size + part.out_size;
    return WEIR_OK;
}

static void note_data(weir_endpoint *endpoint, const weir_frame *frame, bool coded)
{
    endpoint->out_coded = coded;
    endpoint->out_type = frame->fin ? 0 : frame->type;
}

static int send_control(weir_endpoint *endpoint, const weir_frame *frame, weir_buffer *out)
{
    unsigned opcode;
    int status = check_control(frame, &opcode);
    return status == WEIR_OK ? weir__endpoint_append(endpoint, frame, opcode, out) : status;
}

static int send_data(weir_endpoint *endpoint, const weir_frame *frame, weir_buffer *out)
{
    unsigned opcode;
    int status = check_data(endpoint, frame, &opcode);
    if (status != WEIR_OK)
        return status;
    bool coded = weir_endpoint_compresses(endpoint, frame);
    status = coded ? append_coded(endpoint, frame, opcode, out)
                   : weir__endpoint_append(endpoint, frame, opcode, out);
    if (status == WEIR_OK)
        note_data(endpoint, frame, coded);
    return status;
}

/* As weir__endpoint_send_small(), for a header of four bytes. */
static __attribute__((noinline)) bool send_medium(const weir_endpoint *endpoint,
                                                  const weir_frame *frame, weir_buffer *out)
{
    return weir__endpoint_send_plain(endpoint, frame, out, UINT16_MAX, 4);
}

__attribute__((noinline)) int weir__endpoint_send_any(weir_endpoint *endpoint,
                                                      const weir_frame *frame, weir_buffer *out)
{
    if (frame->size >= 126 && frame->size <= UINT16_MAX && send_medium(endpoint, frame, out))
        return WEIR_OK;
    if (!may_send(endpoint))
        return WEIR_CLOSED;
    if (frame->size > 0 && frame->data == NULL)
        return WEIR_EINVAL;
    switch (frame->type) {
    case WEIR_FRAME_TEXT:
    case WEIR_FRAME_BINARY:
        return send_data(endpoint, frame, out);
    case WEIR_FRAME_PING:
    case WEIR_FRAME_PONG:
        return send_control(endpoint, frame, out);
    case WEIR_FRAME_CLOSE:
        return send_close_frame(endpoint, frame, out);
    default:
        return WEIR_EINVAL;
    }
}

int weir_endpoint_send(weir_endpoint *endpoint, const weir_frame *frame, weir_buffer *out)
{
    return weir__endpoint_send_small(endpoint, frame, out)
               ? WEIR_OK
               : weir__endpoint_send_any(endpoint, frame, out);
}

int weir_endpoint_send_head(weir_endpoint *endpoint, const weir_frame *frame, weir_buffer *out,
                            uint8_t key[4])
{
    unsigned opcode;
    if (!may_send(endpoint))
        return WEIR_CLOSED;
    if (frame->type != WEIR_FRAME_TEXT && frame->type != WEIR_FRAME_BINARY)
        return WEIR_EINVAL;
    int status = check_data(endpoint, frame, &opcode);
    if (status == WEIR_OK && weir_endpoint_compresses(endpoint, frame))
        status = WEIR_EINVAL;
    if (status != WEIR_OK)
        return status;
    uint8_t *to = weir_buffer_reserve(out, WEIR_FRAME_HEAD_MAX);
    if (to == NULL)
        return WEIR_ENOMEM;
    weir_frame_head head;
    fill_head(endpoint, frame, opcode, &head);
    out->size += weir__head_write(to, &head);
    memcpy(key, head.key, sizeof head.key);
    note_data(endpoint, frame, false);
    return WEIR_OK;
}
