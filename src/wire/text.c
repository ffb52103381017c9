#include "wire/text.h"

#include <limits.h>
#include <string.h>

void weir__text_put(weir__text *text, const void *data, size_t size)
{
    if (size > SIZE_MAX - text->size) {
        text->size = SIZE_MAX;
        return;
    }
    size_t end = text->size + size;
    if (size > 0 && text->out != NULL && end <= text->capacity)
        memcpy(text->out + text->size, data, size);
    text->size = end;
}

void weir__text_put_view(weir__text *text, weir_view view)
{
    weir__text_put(text, view.data, view.size);
}

void weir__text_put_string(weir__text *text, const char *string)
{
    weir__text_put(text, string, strlen(string));
}

void weir__text_put_number(weir__text *text, uint64_t number)
{
    char digits[20]; /* of UINT64_MAX */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    weir__text_put(text, digits + at, sizeof digits - at);
}

void weir__text_put_field(weir__text *text, const char *name, const char *value)
{
    weir__text_put_string(text, name);
    weir__text_put_string(text, ": ");
    weir__text_put_string(text, value);
    weir__text_put_string(text, "\r\n");
}

int weir__text_end(weir__text *text)
{
    if (text->size > INT_MAX)
        return WEIR_ETOOBIG;
    if (text->out != NULL) {
        if (text->size >= text->capacity)
            return WEIR_ETOOBIG;
        text->out[text->size] = '\0';
    }
    return (int)text->size;
}
