/* wire/close.h - what the kind of an end says by itself. Private to the library. */
#ifndef WEIR_WIRE_CLOSE_H
#define WEIR_WIRE_CLOSE_H

#include <weir/close.h>

/* An end of that kind of which nothing more is known: its status is the one that fits the kind. Lends a constant. */
const weir_end *weir__end_plain(enum weir_end_kind kind);

#endif
