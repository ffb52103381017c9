#include "wire/rule.h"

#include <weir/close.h>

const char *weir__rule_text(enum weir__rule rule)
{
    switch (rule) {
    case WEIR__RULE_NONE:
        return NULL;
    case WEIR__RULE_RESERVED_BITS:
        return "5.2: reserved bit set without an extension";
    case WEIR__RULE_OPCODE:
        return "5.2: reserved opcode";
    case WEIR__RULE_CONTROL_FRAGMENTED:
        return "5.5: fragmented control frame";
    case WEIR__RULE_CONTROL_LENGTH:
        return "5.5: control frame longer than 125";
    case WEIR__RULE_NO_MESSAGE:
        return "5.4: continuation with nothing to continue";
    case WEIR__RULE_MESSAGE_OPEN:
        return "5.4: new message inside a fragmented one";
    case WEIR__RULE_MASK_MISSING:
        return "5.1: frame from a client without a mask";
    case WEIR__RULE_MASK_FORBIDDEN:
        return "5.1: masked frame from a server";
    case WEIR__RULE_LENGTH_MINIMAL:
        return "5.2: length not in its shortest form";
    case WEIR__RULE_LENGTH_TOP_BIT:
        return "5.2: length with its top bit set";
    case WEIR__RULE_CLOSE_LENGTH:
        return "5.5.1: Close payload of one byte";
    case WEIR__RULE_CLOSE_CODE:
        return "7.4: close code that may not be sent";
    case WEIR__RULE_CLOSE_UTF8:
        return "5.5.1: close reason is not UTF-8";
    case WEIR__RULE_TEXT_UTF8:
        return "8.1: text is not UTF-8";
    case WEIR__RULE_TEXT_CUT:
        return "8.1: text ends inside a character";
    case WEIR__RULE_CODED:
        return "RFC 7692 7.2.2: compressed message that cannot be inflated";
    case WEIR__RULE_FRAME_SIZE:
        return "frame over the size limit";
    case WEIR__RULE_MESSAGE_SIZE:
        return "message over the size limit";
    case WEIR__RULE_MEMORY:
        return "out of memory";
    case WEIR__RULE_PING:
        return "Ping timeout";
    }
    return NULL;
}

int weir__rule_status(enum weir__rule rule)
{
    switch (rule) {
    case WEIR__RULE_NONE:
        return WEIR_OK;
    case WEIR__RULE_RESERVED_BITS:
    case WEIR__RULE_OPCODE:
    case WEIR__RULE_CONTROL_FRAGMENTED:
    case WEIR__RULE_CONTROL_LENGTH:
    case WEIR__RULE_NO_MESSAGE:
    case WEIR__RULE_MESSAGE_OPEN:
    case WEIR__RULE_MASK_MISSING:
    case WEIR__RULE_MASK_FORBIDDEN:
    case WEIR__RULE_LENGTH_MINIMAL:
    case WEIR__RULE_LENGTH_TOP_BIT:
    case WEIR__RULE_CLOSE_LENGTH:
    case WEIR__RULE_CLOSE_CODE:
    case WEIR__RULE_CODED:
        return WEIR_EPROTOCOL;
    case WEIR__RULE_CLOSE_UTF8:
    case WEIR__RULE_TEXT_UTF8:
    case WEIR__RULE_TEXT_CUT:
        return WEIR_EUTF8;
    case WEIR__RULE_FRAME_SIZE:
    case WEIR__RULE_MESSAGE_SIZE:
        return WEIR_ETOOBIG;
    case WEIR__RULE_MEMORY:
        return WEIR_ENOMEM;
    case WEIR__RULE_PING:
        return WEIR_ETIMEDOUT;
    }
    return WEIR_OK;
}

unsigned weir__rule_close_code(enum weir__rule rule)
{
    if (rule == WEIR__RULE_CODED) /* not the data that its type promises (7.4.1) */
        return WEIR_CLOSE_NOT_CONSISTENT;
    switch (weir__rule_status(rule)) {
    case WEIR_OK:
        return 0;
    case WEIR_EUTF8:
        return WEIR_CLOSE_NOT_CONSISTENT;
    case WEIR_ETOOBIG:
        return WEIR_CLOSE_TOO_BIG;
    case WEIR_EPROTOCOL:
        return WEIR_CLOSE_PROTOCOL_ERROR;
    default:
        return WEIR_CLOSE_INTERNAL_ERROR;
    }
}
