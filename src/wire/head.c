#include "wire/head.h"

size_t weir_frame_head_write(uint8_t out[WEIR_FRAME_HEAD_MAX], const weir_frame_head *head)
{
    return weir__head_write(out, head);
}
