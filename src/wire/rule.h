/* wire/rule.h - the rules that a peer can break, and the other causes for which an endpoint fails:
 * one byte each, with a status, a close code and a text. Private to the library. */
#ifndef WEIR_WIRE_RULE_H
#define WEIR_WIRE_RULE_H

#include <weir/base.h>

enum weir__rule {
    WEIR__RULE_NONE = 0,
    WEIR__RULE_RESERVED_BITS,
    WEIR__RULE_OPCODE,
    WEIR__RULE_CONTROL_FRAGMENTED,
    WEIR__RULE_CONTROL_LENGTH,
    WEIR__RULE_NO_MESSAGE,
    WEIR__RULE_MESSAGE_OPEN,
    WEIR__RULE_MASK_MISSING,
    WEIR__RULE_MASK_FORBIDDEN,
    WEIR__RULE_LENGTH_MINIMAL,
    WEIR__RULE_LENGTH_TOP_BIT,
    WEIR__RULE_CLOSE_LENGTH,
    WEIR__RULE_CLOSE_CODE,
    WEIR__RULE_CLOSE_UTF8,
    WEIR__RULE_TEXT_UTF8,
    WEIR__RULE_TEXT_CUT,
    WEIR__RULE_CODED,
    WEIR__RULE_FRAME_SIZE,
    WEIR__RULE_MESSAGE_SIZE,
    WEIR__RULE_MEMORY, /* ours, not the peer's: no memory for what it sent */
    WEIR__RULE_PING,   /* no pong came in time */
};

/* The text that goes into the Close frame and the fault; NULL for NONE. */
const char *weir__rule_text(enum weir__rule rule);

/* WEIR_EPROTOCOL, WEIR_EUTF8, WEIR_ETOOBIG, WEIR_ENOMEM, WEIR_ETIMEDOUT; WEIR_OK for NONE. */
int weir__rule_status(enum weir__rule rule);

/* The code of the Close that answers it (RFC 6455 7.4.1); 0 for NONE. */
unsigned weir__rule_close_code(enum weir__rule rule);

#endif
