/* wire/head.h - the one encoder of frame headers. It is inline: for a caller that knows half of the
 * header, the compiler leaves out that half. Private to the library. */
#ifndef WEIR_WIRE_HEAD_H
#define WEIR_WIRE_HEAD_H

#include <weir/head.h>

#include <string.h>

/* The most bytes of a control frame's payload (RFC 6455 5.5). */
#define WEIR__CONTROL_MAX 125

static inline uint8_t *weir__put_big_endian(uint8_t *out, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *out++ = (uint8_t)(value >> (8 * bytes));
    return out;
}

/* As weir_frame_head_write(). */
static inline size_t weir__head_write(uint8_t *out, const weir_frame_head *head)
{
    uint8_t *at = out;
    unsigned fin_bit = head->fin ? 0x80 : 0;
    unsigned mask_bit = head->masked ? 0x80 : 0;
    *at++ = (uint8_t)(fin_bit | (head->rsv & 7u) << 4 | (head->opcode & 15u));
    if (head->size < 126) {
        *at++ = (uint8_t)(mask_bit | (unsigned)head->size);
    } else if (head->size <= UINT16_MAX) {
        *at++ = (uint8_t)(mask_bit | 126);
        at = weir__put_big_endian(at, head->size, 2);
    } else {
        *at++ = (uint8_t)(mask_bit | 127);
        at = weir__put_big_endian(at, head->size, 8);
    }
    if (head->masked) {
        memcpy(at, head->key, 4);
        at += 4;
    }
    return (size_t)(at - out);
}

#endif
