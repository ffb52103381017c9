/* wire/text.h - a writer of text into a buffer that may be too small. Private to the library. */
#ifndef WEIR_WIRE_TEXT_H
#define WEIR_WIRE_TEXT_H

#include <weir/view.h>

/* Text being written. Its size is counted beyond the room, so that the size needed is known at the
 * end. */
typedef struct weir__text {
    char *out;       /* NULL: only measure */
    size_t capacity; /* bytes at out */
    size_t size;     /* bytes wanted so far; SIZE_MAX once they cannot be counted */
} weir__text;

void weir__text_put(weir__text *text, const void *data, size_t size);
void weir__text_put_view(weir__text *text, weir_view view);
void weir__text_put_string(weir__text *text, const char *string);
void weir__text_put_number(weir__text *text, uint64_t number);

/* "name: value\r\n" */
void weir__text_put_field(weir__text *text, const char *name, const char *value);

/* Ends the text with a NUL. Returns its size without it; WEIR_ETOOBIG when there was no room, or
 * it is over INT_MAX. */
int weir__text_end(weir__text *text);

#endif
