/* base/view.h - helpers over views. Pure functions. Private to the library. */
#ifndef WEIR_BASE_VIEW_H
#define WEIR_BASE_VIEW_H

#include <weir/view.h>

/* ASCII only, whatever the locale. */
static inline char weir__to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* The first size bytes of a view, and what follows them. size must not be over the view's. */
weir_view weir__view_first(weir_view view, size_t size);
weir_view weir__view_after(weir_view view, size_t size);

/* Index of the first byte of that value; the view's size when there is none. */
size_t weir__view_find(weir_view view, char c);

/* Equality of two views; as they are, or with ASCII letters of either case alike. */
bool weir__view_same(weir_view a, weir_view b);
bool weir__view_same_nocase(weir_view a, weir_view b);

#endif
