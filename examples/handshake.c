/* examples/handshake.c - reads the request of a WebSocket client and says what is in it, and what a server has to answer: a magnifying glass for opening handshakes. Needs libweir-wire.a alone.
 *
 *     handshake < REQUEST */
#define WEIR_USE_INTERNAL_API
#include <stdio.h>
#include <weir/handshake.h>

static void show_params(const weir_extension *extension)
{
    weir_view rest = extension->params;
    weir_extension_param param;
    while (weir_extension_param_next(&rest, &param) > 0) {
        int number = weir_extension_param_number(&param, 1000000);
        printf("  %.*s", (int)param.name.size, param.name.data);
        if (number >= 0)
            printf(" = the number %d\n", number);
        else if (param.value.data != NULL)
            printf(" = %s%.*s\n", param.quoted ? "quoted " : "", (int)param.value.size,
                   param.value.data);
        else
            printf("\n");
    }
}

static void show_extensions(const weir_http_head *head)
{
    weir_http_cursor cursor = {0};
    weir_extension extension;
    while (weir_extension_head_next(head, &cursor, &extension) > 0) {
        printf("extension %.*s\n", (int)extension.name.size, extension.name.data);
        show_params(&extension);
    }
}

/* A counter-offer, written and read again. */
static void show_own_offer(void)
{
    static const weir_extension_setting settings[] = {{"depth", "16"}, {"fast", NULL}};
    static const weir_extension_offer offer = {"x-colour", settings, 2};
    char text[64];
    int size = weir_extension_write(text, sizeof text, &offer, 1);
    weir_view rest = {text, size > 0 ? (size_t)size : 0};
    weir_extension extension;
    printf("an offer of ours: %s\n", size > 0 ? text : "");
    while (weir_extension_next(&rest, &extension) > 0)
        show_params(&extension);
}

static void show_fields(const weir_http_head *head)
{
    size_t unusual = 0;
    for (size_t i = 0; i < head->field_count; i++)
        if (weir_view_equal_nocase(head->fields[i].name, "Cookie"))
            unusual++;
    printf("%zu fields, %zu of them cookies\n", head->field_count, unusual);
}

int main(void)
{
    static char in[WEIR_HTTP_HEAD_DEFAULT];
    char accept[WEIR_HANDSHAKE_ACCEPT_SIZE + 1];
    char answer[WEIR_HANDSHAKE_REFUSAL_ROOM];
    weir_http_field fields[WEIR_HTTP_FIELDS_DEFAULT];
    weir_handshake_request request = {.head.fields = fields,
                                      .head.field_capacity = WEIR_HTTP_FIELDS_DEFAULT};
    weir_handshake_refusal refusal;
    size_t size = fread(in, 1, sizeof in, stdin);
    int head = weir_handshake_request_parse(&request, in, size, NULL, &refusal);
    if (head < 0) {
        int length = weir_handshake_refusal_write(answer, sizeof answer, &refusal);
        printf("byte %llu: %s\nto be answered with:\n%.*s",
               (unsigned long long)refusal.fault.offset, refusal.fault.rule, length, answer);
        return 1;
    }
    if (head == 0) {
        printf("more is needed\n");
        return 1;
    }
    weir_handshake_accept_key(accept, request.key);
    printf("%.*s at %.*s\n", (int)request.path.size, request.path.data, (int)request.host.size,
           request.host.data);
    printf("to be accepted with %s\n", accept);
    show_fields(&request.head);
    show_extensions(&request.head);
    show_own_offer();
    return 0;
}
