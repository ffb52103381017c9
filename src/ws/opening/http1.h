/* ws/opening/http1.h - a connection in its opening handshake by HTTP/1.1 (RFC 6455 4.2). */
#ifndef WEIR_WS_OPENING_HTTP1_H
#define WEIR_WS_OPENING_HTTP1_H

#include "ws/opening/admission.h"

/* Reads the request that a connection sends, has it decided, and answers. Takes the stream. */
void weir__http1_start(struct weir__admission *admission, weir_stream *stream);

#endif
