/* wire/collector.h - a collector's room, for the endpoint. Private to the library. */
#ifndef WEIR_WIRE_COLLECTOR_H
#define WEIR_WIRE_COLLECTOR_H

#include <weir/collector.h>

/* Where the next bytes of the frame may be written by whoever has them to write: up to as many as it returns, which then are fed from there and not copied. 0 (*room NULL): no
 * memory stands ready. Lends *room until the next call that changes the collector. */
size_t weir__collector_room(const weir_collector *collector, uint8_t **room);

#endif
