/* wire/close.h - close reasons on their way into a frame, and what the kind of an end says by
 * itself. Private to the library. */
#ifndef WEIR_WIRE_CLOSE_H
#define WEIR_WIRE_CLOSE_H

#include "wire/head.h"

#include <weir/close.h>

/* Whether a reason may be sent. */
bool weir__close_reason_is_sendable(const weir_close_reason *reason);

/* Writes the payload of a Close frame (RFC 6455 5.5.1). Returns its size: 0 for code 1005, which
 * stands for an empty payload. */
size_t weir__close_payload_write(uint8_t out[WEIR__CONTROL_MAX], unsigned code, const char *message,
                                 size_t size);

/* The end of which only the kind is known: its status is the one that fits the kind. Lends a
 * constant. */
const weir_end *weir__end_plain(enum weir_end_kind kind);

#endif
