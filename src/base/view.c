#include "base/view.h"

#include <string.h>

weir_view weir_view_of(const char *text)
{
    return (weir_view){text, text != NULL ? strlen(text) : 0};
}

bool weir_view_equal(weir_view view, const char *text)
{
    return view.data != NULL && text != NULL && weir__view_same(view, weir_view_of(text));
}

bool weir_view_equal_nocase(weir_view view, const char *text)
{
    return view.data != NULL && text != NULL && weir__view_same_nocase(view, weir_view_of(text));
}

weir_view weir__view_first(weir_view view, size_t size)
{
    return (weir_view){view.data, size};
}

weir_view weir__view_after(weir_view view, size_t size)
{
    return (weir_view){view.data + size, view.size - size};
}

size_t weir__view_find(weir_view view, char c)
{
    const char *found = view.size > 0 ? memchr(view.data, c, view.size) : NULL;
    return found != NULL ? (size_t)(found - view.data) : view.size;
}

bool weir__view_same(weir_view a, weir_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool weir__view_same_nocase(weir_view a, weir_view b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (weir__to_lower(a.data[i]) != weir__to_lower(b.data[i]))
            return false;
    return true;
}
