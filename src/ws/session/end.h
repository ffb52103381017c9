/* ws/session/end.h - how an end is told. Single-threaded. */
#ifndef WEIR_WS_SESSION_END_H
#define WEIR_WS_SESSION_END_H

#include <weir/close.h>
#include <weir/session.h>

/* Tells the end of a session that has no memory to say more. */
void weir__end_without_memory(weir_session *session);

#endif
