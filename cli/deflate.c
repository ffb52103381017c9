/* The settings behind --deflate=. */
#include "cli.h"

#include <string.h>

/* Reads digits that are a number in 1..max. */
static bool read_number(const char *text, size_t size, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    if (size == 0 || size > 9)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *out = number;
    return number >= 1 && number <= max;
}

static bool is_named(const char *text, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(text, name, size) == 0;
}

static bool set_flag(weir_deflate_options *deflate, const char *text, size_t size)
{
    bool both = is_named(text, size, "takeover");
    bool server = both || is_named(text, size, "server-takeover");
    bool client = both || is_named(text, size, "client-takeover");
    deflate->server_context_takeover = deflate->server_context_takeover || server;
    deflate->client_context_takeover = deflate->client_context_takeover || client;
    return server || client;
}

/* The library checks the ranges. Here it is checked only that a number fits a byte. */
static bool set_number(weir_deflate_options *deflate, const char *text, size_t size, size_t name)
{
    const struct {
        const char *name;
        uint8_t *target;
    } bytes[] = {{"server-window", &deflate->server_max_window_bits},
                 {"client-window", &deflate->client_max_window_bits},
                 {"level", &deflate->level},
                 {"memory", &deflate->memory_level}};
    const char *value = text + name + 1;
    size_t value_size = size - name - 1;
    uint64_t number;
    if (is_named(text, name, "min") && read_number(value, value_size, SIZE_MAX, &number)) {
        deflate->compress_min = (size_t)number;
        return true;
    }
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        if (is_named(text, name, bytes[i].name) &&
            read_number(value, value_size, UINT8_MAX, &number)) {
            *bytes[i].target = (uint8_t)number;
            return true;
        }
    }
    return false;
}

bool cli_read_deflate(weir_deflate_options *deflate, const char *text)
{
    deflate->enabled = true;
    while (text != NULL) {
        size_t size = strcspn(text, ",");
        const char *equals = memchr(text, '=', size);
        bool known = equals != NULL ? set_number(deflate, text, size, (size_t)(equals - text))
                                    : set_flag(deflate, text, size);
        if (!known)
            return false;
        text = text[size] == ',' ? text + size + 1 : NULL;
    }
    return weir_deflate_options_is_valid(deflate);
}
