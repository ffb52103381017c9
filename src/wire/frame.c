#include <weir/frame.h>
#include <weir/utf8.h>

#include "base/alloc.h"
#include "wire/close.h"

#include <stdio.h>
#include <string.h>

bool weir_frame_type_is_control(enum weir_frame_type type)
{
    return ((unsigned)type & 0x8u) != 0;
}

int weir_frame_type_from_opcode(unsigned opcode)
{
    switch (opcode) {
    case WEIR_FRAME_TEXT:
    case WEIR_FRAME_BINARY:
    case WEIR_FRAME_CLOSE:
    case WEIR_FRAME_PING:
    case WEIR_FRAME_PONG:
        return (int)opcode;
    default:
        return -1;
    }
}

const char *weir_frame_type_name(int type)
{
    switch (type) {
    case WEIR_FRAME_TEXT:
        return "TEXT";
    case WEIR_FRAME_BINARY:
        return "BINARY";
    case WEIR_FRAME_CLOSE:
        return "CLOSE";
    case WEIR_FRAME_PING:
        return "PING";
    case WEIR_FRAME_PONG:
        return "PONG";
    default:
        return "UNKNOWN";
    }
}

weir_frame weir_frame_by_type(bool fin, enum weir_frame_type type, const void *data, size_t size)
{
    return (weir_frame){
        .data = (uint8_t *)(uintptr_t)data,
        .size = size,
        .type = (uint8_t)type,
        .fin = fin || weir_frame_type_is_control(type),
    };
}

weir_frame weir_frame_text(const void *data, size_t size)
{
    return weir_frame_by_type(true, WEIR_FRAME_TEXT, data, size);
}

weir_frame weir_frame_binary(const void *data, size_t size)
{
    return weir_frame_by_type(true, WEIR_FRAME_BINARY, data, size);
}

weir_frame weir_frame_ping(const void *data, size_t size)
{
    return weir_frame_by_type(true, WEIR_FRAME_PING, data, size);
}

weir_frame weir_frame_pong(const void *data, size_t size)
{
    return weir_frame_by_type(true, WEIR_FRAME_PONG, data, size);
}

/* Gives the frame memory of its own for size bytes. */
static int own_bytes(weir_frame *frame, size_t size, const weir_allocator *allocator)
{
    weir__block *block = weir__block_resize(NULL, allocator, size);
    if (block == NULL)
        return WEIR_ENOMEM;
    frame->data = block->data;
    frame->size = size;
    frame->release = weir__block_release;
    frame->owner = block;
    return WEIR_OK;
}

int weir_frame_close(weir_frame *out, const weir_close_reason *reason,
                     const weir_allocator *allocator)
{
    *out = (weir_frame){0};
    if (reason != NULL) {
        if (!weir__close_reason_is_sendable(reason))
            return WEIR_EINVAL;
        uint8_t payload[WEIR__CONTROL_MAX];
        size_t size =
            weir__close_payload_write(payload, reason->code, reason->message, reason->message_size);
        if (own_bytes(out, size, allocator) != WEIR_OK)
            return WEIR_ENOMEM;
        memcpy(out->data, payload, size);
    }
    out->type = WEIR_FRAME_CLOSE;
    out->fin = true;
    return WEIR_OK;
}

int weir_frame_copy(weir_frame *out, const weir_frame *frame, const weir_allocator *allocator)
{
    weir_frame copy = {.type = frame->type, .fin = frame->fin, .rsv = frame->rsv};
    if (frame->size > 0) {
        if (own_bytes(&copy, frame->size, allocator) != WEIR_OK) {
            *out = (weir_frame){0};
            return WEIR_ENOMEM;
        }
        memcpy(copy.data, frame->data, frame->size);
    }
    *out = copy;
    return WEIR_OK;
}

void weir_frame_release(weir_frame *frame)
{
    if (frame->release != NULL)
        frame->release(frame->owner);
    *frame = (weir_frame){0};
}

int weir_frame_text_get(weir_view *out, const weir_frame *frame)
{
    *out = (weir_view){0};
    if (frame->type != WEIR_FRAME_TEXT || !frame->fin)
        return WEIR_EINVAL;
    *out = (weir_view){frame->data != NULL ? (const char *)frame->data : "", frame->size};
    return WEIR_OK;
}

const uint8_t *weir_frame_bytes(const weir_frame *frame, size_t *size)
{
    *size = frame->size;
    return frame->data;
}

int weir_frame_close_reason_get(weir_close_reason *out, const weir_frame *frame)
{
    *out = (weir_close_reason){0};
    if (frame->type != WEIR_FRAME_CLOSE)
        return WEIR_EINVAL;
    if (frame->size == 0) {
        out->code = WEIR_CLOSE_NO_STATUS;
        return WEIR_CLOSED;
    }
    if (frame->size < 2 || frame->size > WEIR_CLOSE_MESSAGE_MAX + 2)
        return WEIR_EPROTOCOL;
    unsigned code = (unsigned)frame->data[0] << 8 | frame->data[1];
    size_t message_size = frame->size - 2;
    if (!weir_close_code_is_sendable(code) || !weir_utf8_is_valid(frame->data + 2, message_size))
        return WEIR_EPROTOCOL;
    out->code = (uint16_t)code;
    out->message_size = (uint8_t)message_size;
    memcpy(out->message, frame->data + 2, message_size);
    return WEIR_OK;
}

size_t weir_frame_describe(char *out, size_t capacity, const weir_frame *frame)
{
    int wanted =
        snprintf(out, capacity, "Frame %s (fin=%s, size=%zu)", weir_frame_type_name(frame->type),
                 frame->fin ? "true" : "false", frame->size);
    return wanted > 0 ? (size_t)wanted : 0;
}
