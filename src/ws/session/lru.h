/* ws/session/lru.h - the sessions of a loop that could be parked and are kept active for now. The
 * least recently used one is parked when its place is needed. So sessions that are always at work
 * do not pay for being parked and unparked. Single-threaded. */
#ifndef WEIR_WS_SESSION_LRU_H
#define WEIR_WS_SESSION_LRU_H

#include "ws/session/session.h"

/* Gives an active session the place of the least recently used one. Returns the session to park
 * now: the one that had the place; the new one when there is no memory for a list; NULL: none. */
weir_session *weir__lru_put(weir_session *session);

/* Takes a session out; harmless when it is not in. */
void weir__lru_remove(weir_session *session);

/* Takes any session out; NULL: there is none. */
weir_session *weir__lru_pop(weir_loop *loop);

#endif
