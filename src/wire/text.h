/* wire/text.h - helpers over views, and a writer of text into a buffer that may turn out too
 * small. Private to the library. */
#ifndef WEIR_WIRE_TEXT_H
#define WEIR_WIRE_TEXT_H

#include <weir/view.h>

/* The first size bytes of a view, and what follows them. size must not be over the view's. */
weir_view weir__view_first(weir_view view, size_t size);
weir_view weir__view_after(weir_view view, size_t size);

/* A view without the blanks (SP, HTAB) at its ends; it stays present. */
weir_view weir__view_trim(weir_view view);

/* Index of the first byte of that value; the view's size when there is none. */
size_t weir__view_find(weir_view view, char c);

/* Equality of two views; as they are, or with ASCII letters of either case alike. */
bool weir__view_same(weir_view a, weir_view b);
bool weir__view_same_nocase(weir_view a, weir_view b);

/* Whether it is a token (RFC 9110 5.6.2): one token character or more. */
bool weir__view_is_token(weir_view view);

/* Whether it may be sent as a field's value (RFC 9110 5.5): no control characters, no blanks at
 * its ends. May be empty. */
bool weir__view_is_value(weir_view view);

/* Whether all of it is visible ASCII. */
bool weir__view_is_visible(weir_view view);

/* Text being written. It counts on when the room is used up, so that the end knows the size
 * needed. */
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
