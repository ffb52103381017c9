/** @file
 * weir/view.h - some characters that lie in someone else's memory: what parsers of text give out.
 * Values; thread-safe.
 *
 * A view is not terminated by NUL: print it with `"%.*s", (int)view.size, view.data`. A view
 * whose data is NULL says "absent", one of size 0 whose data is not NULL says "there, but
 * empty". */
#ifndef WEIR_VIEW_H
#define WEIR_VIEW_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/** Characters [data, data + size), lent by whoever owns the memory. */
typedef struct weir_view {
    const char *data; /**< NULL: absent */
    size_t size;      /**< bytes */
} weir_view;

/** The view of a string without its NUL; the absent view for NULL. Lends the string itself. */
WEIR_API weir_view weir_view_of(const char *text);

/** Whether a view has exactly the bytes of a string. False for an absent view. */
WEIR_API bool weir_view_equal(weir_view view, const char *text);

/** The same, with ASCII letters of either case alike, as names in HTTP compare. */
WEIR_API bool weir_view_equal_nocase(weir_view view, const char *text);

WEIR_END_DECLS
#endif
