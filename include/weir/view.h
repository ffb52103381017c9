/** @file
 * weir/view.h - some characters in memory that belongs to something else: what parsers of text
 * return. Values; thread-safe.
 *
 * No NUL ends a view. Print it with `"%.*s", (int)view.size, view.data`. A view whose data is NULL
 * is absent. A view of size 0 whose data is not NULL is there, and empty. */
#ifndef WEIR_VIEW_H
#define WEIR_VIEW_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Characters from data to data + size. The owner of the memory lends them. */
typedef struct weir_view {
    const char *data; /**< NULL: absent */
    size_t size;      /**< bytes */
} weir_view;

/** The view of a string without its NUL; the absent view for NULL. Lends the string itself. */
WEIR_API weir_view weir_view_of(const char *text);

/** Whether a view has exactly the bytes of a string. False for an absent view. */
WEIR_API bool weir_view_equal(weir_view view, const char *text);

/** The same, but upper and lower case of ASCII letters are equal, as in names of HTTP. */
WEIR_API bool weir_view_equal_nocase(weir_view view, const char *text);

WEIR_END_DECLS
#endif
