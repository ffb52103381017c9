/* wire/parser.h - the states of the parser, for the endpoint, which takes whole messages past it.
 * Private to the library. */
#ifndef WEIR_WIRE_PARSER_H
#define WEIR_WIRE_PARSER_H

#include <weir/parser.h>

/* What is awaited. The order matters: up to AWAIT_KEY in a header, then in a payload. */
enum weir__parser_state {
    WEIR__AWAIT_BITS = 0, /* the first byte: FIN, RSV, opcode */
    WEIR__AWAIT_LENGTH7,  /* the second: MASK, length or its form */
    WEIR__AWAIT_LENGTH16,
    WEIR__AWAIT_LENGTH64,
    WEIR__AWAIT_KEY,
    WEIR__AWAIT_PAYLOAD, /* the header was reported, no byte of the payload yet */
    WEIR__IN_PAYLOAD,
    WEIR__PARSER_FAILED,
};

/* Between two frames and not inside a fragmented message. */
static inline bool weir__parser_is_idle(const weir_parser *parser)
{
    return parser->state == WEIR__AWAIT_BITS && parser->message == 0;
}

#endif
