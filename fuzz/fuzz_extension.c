/* Sec-WebSocket-Extensions: what is read, written again and read again has the same parts. */
#include "support/fuzz.h"

#include <weir/extension.h>

#include <stdlib.h>
#include <string.h>

#define PARAMETERS 8

static void log_view(weir_buffer *log, weir_view view)
{
    fuzz_log_number(log, view.data != NULL ? view.size : UINT64_MAX);
    fuzz_log(log, view.data, view.size);
}

/* As text that ends with NUL, in memory of its own. */
static char *text_of(weir_view view)
{
    if (view.data == NULL)
        return NULL;
    char *text = malloc(view.size + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, view.data, view.size);
    text[view.size] = '\0';
    return text;
}

/* Writes one extension and reads it back. */
static void check_round_trip(const weir_extension *extension, const weir_extension_param *params,
                             size_t count)
{
    weir_extension_setting settings[PARAMETERS];
    for (size_t i = 0; i < count; i++)
        settings[i] = (weir_extension_setting){text_of(params[i].name), text_of(params[i].value)};
    char *name = text_of(extension->name);
    const weir_extension_offer offer = {name, settings, count};
    char out[2048];
    int size = weir_extension_write(out, sizeof out, &offer, 1);
    /* Too long for the room, or a quoted value that is no token. */
    bool quoted = false;
    for (size_t i = 0; i < count; i++)
        quoted = quoted || params[i].quoted;
    FUZZ_CHECK(size > 0 || size == WEIR_ETOOBIG || (quoted && size == WEIR_EINVAL));
    if (size > 0) {
        weir_view rest = {out, (size_t)size};
        weir_extension again;
        FUZZ_CHECK(weir_extension_next(&again, &rest) == 1);
        FUZZ_CHECK(weir_view_equal(again.name, name));
        for (size_t i = 0; i < count; i++) {
            weir_extension_param param;
            FUZZ_CHECK(weir_extension_param_next(&param, &again.params) == 1);
            FUZZ_CHECK(weir_view_equal(param.name, settings[i].name));
            FUZZ_CHECK((param.value.data != NULL) == (settings[i].value != NULL));
            FUZZ_CHECK(param.value.data == NULL || weir_view_equal(param.value, settings[i].value));
        }
        weir_extension_param none;
        FUZZ_CHECK(weir_extension_param_next(&none, &again.params) == 0 &&
                   weir_extension_next(&again, &rest) == 0);
    }
    for (size_t i = 0; i < count; i++) {
        free((char *)settings[i].name);
        free((char *)settings[i].value);
    }
    free(name);
}

static void read_parameters(const weir_extension *extension, weir_buffer *log)
{
    weir_extension_param params[PARAMETERS];
    weir_view rest = extension->params;
    size_t count = 0;
    bool all = true;
    weir_extension_param param;
    int more;
    while ((more = weir_extension_param_next(&param, &rest)) == 1) {
        FUZZ_CHECK(param.name.size > 0);
        int number = weir_extension_param_number(&param, 15);
        FUZZ_CHECK((number >= 0 && number <= 15) || number == WEIR_EPROTOCOL);
        log_view(log, param.name);
        log_view(log, param.value);
        all = count < PARAMETERS;
        if (all)
            params[count++] = param;
    }
    FUZZ_CHECK(more == 0); /* they were checked with the extension */
    if (all)
        check_round_trip(extension, params, count);
}

/* Reads a field's value; the same as one head's field gives the same. */
static int read_list(weir_view value, weir_buffer *log)
{
    weir_extension extension;
    int more;
    while ((more = weir_extension_next(&extension, &value)) == 1) {
        FUZZ_CHECK(extension.name.size > 0);
        log_view(log, extension.name);
        read_parameters(&extension, log);
    }
    return more;
}

static int read_field(weir_view value, weir_buffer *log)
{
    weir_http_field field = {weir_view_of("sec-websocket-extensions"), value};
    weir_http_head head = {.fields = &field, .field_count = 1, .field_capacity = 1};
    weir_http_cursor cursor = {0};
    weir_extension extension;
    int more;
    while ((more = weir_extension_head_next(&extension, &head, &cursor)) == 1) {
        log_view(log, extension.name);
        read_parameters(&extension, log);
    }
    return more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_buffer list = {0};
    weir_buffer field = {0};
    char *text = (char *)fuzz_copy(data, size);
    weir_view value = {text != NULL ? text : "", size};
    FUZZ_CHECK(read_list(value, &list) == read_field(value, &field));
    fuzz_compare(&list, &field);
    free(text);
    return 0;
}
