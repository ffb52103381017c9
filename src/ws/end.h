/* ws/end.h - the status that an end is told by. Pure. */
#ifndef WEIR_WS_END_H
#define WEIR_WS_END_H

#include <weir/close.h>

/* What receivers get after the last frame; WEIR_OK: it has not ended. */
int weir__end_status(const weir_end *end);

#endif
