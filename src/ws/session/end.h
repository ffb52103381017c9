/* ws/session/end.h - how an end is told. Single-threaded. */
#ifndef WEIR_WS_SESSION_END_H
#define WEIR_WS_SESSION_END_H

#include <weir/close.h>
#include <weir/session.h>

/* What receivers get after the last frame; WEIR_OK: it has not ended. */
int weir__end_status(const weir_end *end);

#endif
