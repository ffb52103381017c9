#include "wire/close.h"

#include <weir/utf8.h>

#include <stdio.h>
#include <string.h>

int weir_close_reason_init(weir_close_reason *out, unsigned code, const char *message)
{
    *out = (weir_close_reason){0};
    size_t size = message != NULL ? strlen(message) : 0;
    if (code < 1000 || code > 4999 || size > WEIR_CLOSE_MESSAGE_MAX)
        return WEIR_EINVAL;
    if (!weir_utf8_is_valid(message, size))
        return WEIR_EINVAL;
    out->code = (uint16_t)code;
    out->message_size = (uint8_t)size;
    if (size > 0)
        memcpy(out->message, message, size);
    return WEIR_OK;
}

const char *weir_close_code_name(unsigned code)
{
    switch (code) {
    case WEIR_CLOSE_NORMAL:
        return "NORMAL";
    case WEIR_CLOSE_GOING_AWAY:
        return "GOING_AWAY";
    case WEIR_CLOSE_PROTOCOL_ERROR:
        return "PROTOCOL_ERROR";
    case WEIR_CLOSE_CANNOT_ACCEPT:
        return "CANNOT_ACCEPT";
    case WEIR_CLOSE_NO_STATUS:
        return "NO_STATUS";
    case WEIR_CLOSE_CLOSED_ABNORMALLY:
        return "CLOSED_ABNORMALLY";
    case WEIR_CLOSE_NOT_CONSISTENT:
        return "NOT_CONSISTENT";
    case WEIR_CLOSE_VIOLATED_POLICY:
        return "VIOLATED_POLICY";
    case WEIR_CLOSE_TOO_BIG:
        return "TOO_BIG";
    case WEIR_CLOSE_NO_EXTENSION:
        return "NO_EXTENSION";
    case WEIR_CLOSE_INTERNAL_ERROR:
        return "INTERNAL_ERROR";
    case WEIR_CLOSE_SERVICE_RESTART:
        return "SERVICE_RESTART";
    case WEIR_CLOSE_TRY_AGAIN_LATER:
        return "TRY_AGAIN_LATER";
    case WEIR_CLOSE_BAD_GATEWAY:
        return "BAD_GATEWAY";
    case WEIR_CLOSE_TLS_HANDSHAKE:
        return "TLS_HANDSHAKE";
    default:
        return NULL;
    }
}

bool weir_close_code_is_sendable(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

bool weir__close_reason_is_sendable(const weir_close_reason *reason)
{
    return weir_close_code_is_sendable(reason->code) &&
           reason->message_size <= WEIR_CLOSE_MESSAGE_MAX &&
           weir_utf8_is_valid(reason->message, reason->message_size);
}

size_t weir__close_payload_write(uint8_t out[WEIR__CONTROL_MAX], unsigned code, const char *message,
                                 size_t size)
{
    if (code == WEIR_CLOSE_NO_STATUS)
        return 0;
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (size > 0)
        memcpy(out + 2, message, size);
    return size + 2;
}

bool weir_close_reason_equal(const weir_close_reason *a, const weir_close_reason *b)
{
    return a->code == b->code && a->message_size == b->message_size &&
           memcmp(a->message, b->message, a->message_size) == 0;
}

const weir_end *weir__end_plain(enum weir_end_kind kind)
{
    static const weir_end ends[] = {
        [WEIR_END_NONE] = {.kind = WEIR_END_NONE, .status = WEIR_OK},
        [WEIR_END_CLEAN] = {.kind = WEIR_END_CLEAN, .status = WEIR_CLOSED},
        [WEIR_END_LOST] = {.kind = WEIR_END_LOST, .status = WEIR_ELOST},
        [WEIR_END_PING_TIMEOUT] = {.kind = WEIR_END_PING_TIMEOUT, .status = WEIR_ETIMEDOUT},
        [WEIR_END_CLOSE_TIMEOUT] = {.kind = WEIR_END_CLOSE_TIMEOUT, .status = WEIR_ETIMEDOUT},
        [WEIR_END_PROTOCOL] = {.kind = WEIR_END_PROTOCOL, .status = WEIR_EPROTOCOL},
        [WEIR_END_TOO_BIG] = {.kind = WEIR_END_TOO_BIG, .status = WEIR_ETOOBIG},
        [WEIR_END_CANCELLED] = {.kind = WEIR_END_CANCELLED, .status = WEIR_CANCELLED},
        [WEIR_END_IO] = {.kind = WEIR_END_IO, .status = WEIR_ELOST},
    };
    return &ends[kind];
}

const weir_close_reason *weir_end_reason(const weir_end *end)
{
    static const weir_close_reason lost = {.code = WEIR_CLOSE_CLOSED_ABNORMALLY};
    if (end->by_peer && end->theirs.code != 0)
        return &end->theirs;
    if (end->ours.code != 0)
        return &end->ours;
    return end->theirs.code != 0 ? &end->theirs : &lost;
}

const char *weir_end_kind_name(enum weir_end_kind kind)
{
    switch (kind) {
    case WEIR_END_NONE:
        return "not ended";
    case WEIR_END_CLEAN:
        return "clean";
    case WEIR_END_LOST:
        return "lost";
    case WEIR_END_PING_TIMEOUT:
        return "ping timeout";
    case WEIR_END_CLOSE_TIMEOUT:
        return "close timeout";
    case WEIR_END_PROTOCOL:
        return "protocol violation";
    case WEIR_END_TOO_BIG:
        return "too big";
    case WEIR_END_CANCELLED:
        return "cancelled";
    case WEIR_END_IO:
        return "I/O error";
    }
    return "unknown";
}

size_t weir_close_reason_describe(char *out, size_t capacity, const weir_close_reason *reason)
{
    const char *name = weir_close_code_name(reason->code);
    const char *space = reason->message_size > 0 ? " " : "";
    int wanted;
    if (name != NULL)
        wanted = snprintf(out, capacity, "%s (%u)%s%.*s", name, (unsigned)reason->code, space,
                          (int)reason->message_size, reason->message);
    else
        wanted = snprintf(out, capacity, "%u%s%.*s", (unsigned)reason->code, space,
                          (int)reason->message_size, reason->message);
    return wanted > 0 ? (size_t)wanted : 0;
}
