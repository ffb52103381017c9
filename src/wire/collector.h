/* wire/collector.h - a collector's room, for the endpoint. Private to the library. */
#ifndef WEIR_WIRE_COLLECTOR_H
#define WEIR_WIRE_COLLECTOR_H

#include <weir/collector.h>

/* Where the caller may write the next bytes of the frame itself. Returns how many there is room
 * for; 0 (*room NULL): no memory is allocated yet. Bytes fed from there are not copied. Lends *room
 * until the next call that changes the collector. */
size_t weir__collector_room(const weir_collector *collector, uint8_t **room);

#endif
