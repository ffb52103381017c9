/* A client's opening request: whole and byte by byte it gets the same verdict; views lie in its
 * bytes; our client reads each answer of our server as it was meant. */
#include "support/fuzz.h"

#include <weir/handshake.h>

#include <stdlib.h>
#include <string.h>

#define FIELDS   20
#define HEAD_MAX 1500

/* A verdict, in a form that can be compared. */
struct verdict {
    int status;
    weir_handshake_request request;
    weir_handshake_refusal refusal;
    weir_http_field fields[FIELDS];
};

static void judge(struct verdict *verdict, const uint8_t *in, size_t size, weir_http_scan *scan)
{
    memset(verdict, 0, sizeof *verdict);
    verdict->request.head.fields = verdict->fields;
    verdict->request.head.field_capacity = FIELDS;
    verdict->status =
        weir_handshake_request_parse(&verdict->request, in, size, scan, &verdict->refusal);
}

static void check_view(weir_view view, const uint8_t *in, size_t size)
{
    const uint8_t *start = (const uint8_t *)view.data;
    FUZZ_CHECK(start == NULL || view.size == 0 || (start >= in && start + view.size <= in + size));
}

static void log_verdict(weir_buffer *log, const struct verdict *verdict, const uint8_t *in,
                        size_t size)
{
    const weir_handshake_request *request = &verdict->request;
    fuzz_log_number(log, (uint64_t)(uint32_t)verdict->status);
    fuzz_log_number(log, verdict->refusal.http_status);
    fuzz_log_number(log, verdict->refusal.fault.offset);
    fuzz_log_number(log, (uintptr_t)verdict->refusal.fault.rule);
    if (verdict->status <= 0)
        return;
    fuzz_log_number(log, request->head.field_count);
    const weir_view views[] = {request->path, request->query, request->host, request->origin,
                               request->key};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        if (i > 0 || !weir_view_equal(request->path, "/")) /* that may be a literal */
            check_view(views[i], in, size);
        fuzz_log_number(log, views[i].data != NULL ? views[i].size : UINT64_MAX);
        fuzz_log(log, views[i].data, views[i].size);
    }
    for (size_t i = 0; i < request->head.field_count; i++) {
        check_view(request->head.fields[i].name, in, size);
        check_view(request->head.fields[i].value, in, size);
    }
}

static void check_acceptance(const struct verdict *verdict, const uint8_t *in)
{
    const weir_handshake_request *request = &verdict->request;
    char out[1024];
    weir_http_cursor cursor = {0};
    weir_view offered;
    weir_extension extension;
    while (weir_handshake_subprotocol_next(&offered, request, &cursor))
        check_view(offered, in, request->head.size);
    memset(&cursor, 0, sizeof cursor);
    int more;
    while ((more = weir_extension_head_next(&extension, &request->head, &cursor)) == 1)
        check_view(extension.name, in, request->head.size);
    FUZZ_CHECK(more == 0);
    int size = weir_handshake_response_write(out, sizeof out, request, NULL);
    FUZZ_CHECK(size > 0 && size == weir_handshake_response_write(NULL, 0, request, NULL));
    FUZZ_CHECK(memcmp(out, "HTTP/1.1 101 ", 13) == 0 && strlen(out) == (size_t)size);
}

static void check_refusal(const struct verdict *verdict)
{
    static const weir_handshake_offer offer = {.host = "example.org"};
    char out[WEIR_HANDSHAKE_REFUSAL_ROOM];
    weir_http_field fields[FIELDS];
    weir_handshake_response response = {.head = {.fields = fields, .field_capacity = FIELDS}};
    FUZZ_CHECK(verdict->refusal.fault.status == verdict->status);
    int size = weir_handshake_refusal_write(out, sizeof out, &verdict->refusal);
    FUZZ_CHECK(size > 0);
    FUZZ_CHECK(weir_handshake_response_parse(&response, out, (size_t)size, NULL, &offer) ==
               WEIR_EREFUSED);
    FUZZ_CHECK(response.head.status == verdict->refusal.http_status);
}

/* Gives more bytes at each call: all that have arrived so far, in an allocation of exactly that
 * size. */
static void trickle(weir_buffer *log, const struct fuzz_input *input, uint8_t seed)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    weir_http_scan scan = {.size_max = HEAD_MAX};
    struct verdict verdict = {0};
    uint8_t *in = NULL;
    size_t at = 0;
    do {
        free(in);
        at += input->size > at ? fuzz_next_cut(&cuts, input->size - at) : 0;
        in = fuzz_copy(input->data, at);
        judge(&verdict, in, at, &scan);
    } while (verdict.status == 0 && at < input->size);
    log_verdict(log, &verdict, in, at);
    if (verdict.status > 0)
        check_acceptance(&verdict, in);
    else if (verdict.status < 0)
        check_refusal(&verdict);
    free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    weir_buffer whole = {0};
    weir_buffer cut = {0};
    uint8_t seed = fuzz_take(&input);
    trickle(&whole, &input, 0);
    trickle(&cut, &input, seed | 1);
    fuzz_compare(&whole, &cut);
    return 0;
}
