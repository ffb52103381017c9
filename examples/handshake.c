/* examples/handshake.c - reads the request of a WebSocket client, and prints what is in it and what
 * a server has to answer. It needs only libweir-wire.a.
 *
 *     handshake [EXTENSION]... < REQUEST      the extensions (by name) that the server knows */
#define WEIR_USE_INTERNAL_API
#include <stdio.h>
#include <weir/handshake.h>

#define EXTENSIONS 8 /* the most that are chosen */

static void show_params(const weir_extension *extension)
{
    weir_view rest = extension->params;
    weir_extension_param param;
    while (weir_extension_param_next(&param, &rest) > 0) {
        int number = weir_extension_param_number(&param, 1000000);
        printf("    %.*s", (int)param.name.size, param.name.data);
        if (number >= 0)
            printf(" = the number %d", number);
        else if (param.value.data != NULL)
            printf(" = %s%.*s", param.quoted ? "quoted " : "", (int)param.value.size,
                   param.value.data);
        printf("\n");
    }
}

static void show_extensions(weir_view rest)
{
    weir_extension extension;
    while (weir_extension_next(&extension, &rest) > 0) {
        printf("  offers %.*s\n", (int)extension.name.size, extension.name.data);
        show_params(&extension);
    }
}

static bool is_of_every_handshake(weir_view name)
{
    static const char *const names[] = {"Host", "Connection", "Upgrade", "Sec-WebSocket-Key",
                                        "Sec-WebSocket-Version"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (weir_view_equal_nocase(name, names[i]))
            return true;
    return false;
}

static void show_fields(const weir_http_head *head)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const weir_http_field *field = &head->fields[i];
        if (is_of_every_handshake(field->name))
            continue;
        printf("%.*s: %.*s\n", (int)field->name.size, field->name.data, (int)field->value.size,
               field->value.data);
        if (weir_view_equal_nocase(field->name, "Sec-WebSocket-Extensions"))
            show_extensions(field->value);
    }
}

/* Writes which of the known extensions the server takes: each at most once, without parameters.
 * Returns the size (0: none) or a negative status. */
static int choose_extensions(char *out, size_t capacity, const weir_http_head *head, char **known)
{
    weir_extension_offer chosen[EXTENSIONS] = {{0}};
    size_t count = 0;
    weir_http_cursor cursor = {0};
    weir_extension extension;
    while (weir_extension_head_next(&extension, head, &cursor) > 0) {
        char **name = known;
        while (*name != NULL && !weir_view_equal(extension.name, *name))
            name++;
        bool twice = false;
        for (size_t i = 0; i < count; i++)
            twice = twice || weir_view_equal(extension.name, chosen[i].name);
        if (*name != NULL && !twice && count < EXTENSIONS)
            chosen[count++].name = *name;
    }
    return count > 0 ? weir_extension_write(out, capacity, chosen, count) : 0;
}

static int show_acceptance(const weir_handshake_request *request, char **known)
{
    char accept[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    char extensions[512];
    char answer[1024];
    int chosen = choose_extensions(extensions, sizeof extensions, &request->head, known);
    weir_handshake_acceptance acceptance = {.extensions = chosen > 0 ? extensions : NULL};
    int size = weir_handshake_response_write(answer, sizeof answer, request, &acceptance);
    if (chosen < 0 || size < 0)
        return 1;
    weir_handshake_accept_value(accept, request->key);
    printf("its key %.*s gives %s\nto be answered with:\n%s", (int)request->key.size,
           request->key.data, accept, answer);
    return 0;
}

static int show_refusal(const weir_handshake_refusal *refusal)
{
    char answer[WEIR_HANDSHAKE_REFUSAL_ROOM];
    if (weir_handshake_refusal_write(answer, sizeof answer, refusal) > 0)
        printf("byte %llu: %s\nto be answered with:\n%s", (unsigned long long)refusal->fault.offset,
               refusal->fault.rule, answer);
    return 1;
}

int main(int argc, char **argv)
{
    static char in[WEIR_HTTP_HEAD_DEFAULT];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request = {.head.fields = fields,
                                      .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_refusal refusal;
    size_t size = fread(in, 1, sizeof in, stdin);
    int head = weir_handshake_request_parse(&request, in, size, NULL, &refusal);
    if (head < 0)
        return show_refusal(&refusal);
    if (head == 0) {
        printf("more is needed\n");
        return 1;
    }
    printf("%.*s at %.*s\n", (int)request.path.size, request.path.data, (int)request.host.size,
           request.host.data);
    show_fields(&request.head);
    return show_acceptance(&request, argv + (argc > 0));
}
