/* wire/sha1.h - SHA-1 (FIPS 180-4), for Sec-WebSocket-Accept alone: there it is a checksum, not
 * a secret. Private to the library. */
#ifndef WEIR_WIRE_SHA1_H
#define WEIR_WIRE_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define WEIR__SHA1_SIZE 20

typedef struct weir__sha1 {
    uint32_t hash[5];
    uint64_t size;     /* bytes fed */
    uint8_t block[64]; /* the first size % 64 of these wait to be whole */
} weir__sha1;

void weir__sha1_init(weir__sha1 *sha1);
void weir__sha1_feed(weir__sha1 *sha1, const void *data, size_t size);

/* Writes the digest; *sha1 must not be fed afterwards. */
void weir__sha1_end(weir__sha1 *sha1, uint8_t out[WEIR__SHA1_SIZE]);

#endif
