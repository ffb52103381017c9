/* wire/base64.h - base64 with padding and the standard alphabet (RFC 4648 4). Private to the
 * library. */
#ifndef WEIR_WIRE_BASE64_H
#define WEIR_WIRE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters that size bytes become, without a NUL. */
#define WEIR__BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Writes WEIR__BASE64_SIZE(size) characters and a NUL. */
void weir__base64_encode(char *out, const uint8_t *in, size_t size);

/* Decodes text into at most capacity bytes. Returns their number; WEIR_EPROTOCOL when it is not
 * base64 or its padding is wrong; WEIR_ETOOBIG when it is more than capacity, which must not be
 * over INT_MAX. The bits left over before the padding are not looked at: RFC 4648 3.5 leaves
 * that open, and there are clients that make keys out of 22 random characters. */
int weir__base64_decode(uint8_t *out, size_t capacity, const char *in, size_t size);

#endif
