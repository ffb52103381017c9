#include "wire/chars.h"

weir_view weir__view_trim(weir_view view)
{
    while (view.size > 0 && weir__is_blank(view.data[0]))
        view = weir__view_after(view, 1);
    while (view.size > 0 && weir__is_blank(view.data[view.size - 1]))
        view.size--;
    return view;
}

bool weir__view_is_token(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_token_char(view.data[i]))
            return false;
    return view.size > 0;
}

bool weir__view_is_value(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_value_char(view.data[i]))
            return false;
    return view.data != NULL && weir__view_trim(view).size == view.size;
}

bool weir__view_is_visible(weir_view view)
{
    for (size_t i = 0; i < view.size; i++)
        if (!weir__is_visible(view.data[i]))
            return false;
    return true;
}
