#include <weir/head.h>

#include <string.h>

#define FIN_BIT  0x80u
#define MASK_BIT 0x80u

static uint8_t *put_big_endian(uint8_t *out, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        *out++ = (uint8_t)(value >> (8 * bytes));
    return out;
}

size_t weir_frame_head_write(uint8_t out[WEIR_FRAME_HEAD_MAX], const weir_frame_head *head)
{
    uint8_t *at = out;
    unsigned mask_bit = head->masked ? MASK_BIT : 0;
    *at++ = (uint8_t)((head->fin ? FIN_BIT : 0) | (head->rsv & 7u) << 4 | (head->opcode & 15u));
    if (head->size < 126) {
        *at++ = (uint8_t)(mask_bit | (unsigned)head->size);
    } else if (head->size <= UINT16_MAX) {
        *at++ = (uint8_t)(mask_bit | 126);
        at = put_big_endian(at, head->size, 2);
    } else {
        *at++ = (uint8_t)(mask_bit | 127);
        at = put_big_endian(at, head->size, 8);
    }
    if (head->masked) {
        memcpy(at, head->key, 4);
        at += 4;
    }
    return (size_t)(at - out);
}
