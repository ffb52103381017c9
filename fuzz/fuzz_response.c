/* A server's answer to our offer: whole and byte by byte it gets the same verdict, and views lie in
 * its bytes. */
#include "support/fuzz.h"

#include <weir/handshake.h>

#include <stdlib.h>

#define FIELDS   20
#define HEAD_MAX 1500

static const char *const subprotocols[] = {"chat", "superchat"};

/* Its accept value is s3pPLMBiTxaQ9kYGzzhZRbK+xOo=. */
static const weir_handshake_offer offer = {
    .host = "example.org",
    .nonce = {'t', 'h', 'e', ' ', 's', 'a', 'm', 'p', 'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'},
    .subprotocols = subprotocols,
    .subprotocol_count = 2,
    .extensions = "permessage-deflate; client_max_window_bits, x-other",
};

static void check_view(weir_view view, const uint8_t *in, size_t size)
{
    const uint8_t *start = (const uint8_t *)view.data;
    FUZZ_CHECK(start == NULL || view.size == 0 || (start >= in && start + view.size <= in + size));
}

static void log_verdict(weir_buffer *log, int status, const weir_handshake_response *response,
                        const uint8_t *in, size_t size)
{
    fuzz_log_number(log, (uint64_t)(uint32_t)status);
    fuzz_log_number(log, response->fault.offset);
    fuzz_log_number(log, (uintptr_t)response->fault.rule);
    fuzz_log_number(log, response->head.status);
    if (status != WEIR_EREFUSED && status <= 0)
        return;
    check_view(response->head.reason, in, size);
    check_view(response->subprotocol, in, size);
    fuzz_log(log, response->subprotocol.data, response->subprotocol.size);
    fuzz_log_number(log, (uint64_t)response->content_length);
    fuzz_log_number(log, response->head.field_count);
    for (size_t i = 0; i < response->head.field_count; i++) {
        check_view(response->head.fields[i].name, in, size);
        check_view(response->head.fields[i].value, in, size);
        fuzz_log(log, response->head.fields[i].value.data, response->head.fields[i].value.size);
    }
}

static void trickle(weir_buffer *log, const struct fuzz_input *input, uint8_t seed)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    weir_http_scan scan = {.size_max = HEAD_MAX};
    weir_http_field fields[FIELDS];
    weir_handshake_response response;
    uint8_t *in = NULL;
    size_t at = 0;
    int status;
    do {
        free(in);
        at += input->size > at ? fuzz_next_cut(&cuts, input->size - at) : 0;
        in = fuzz_copy(input->data, at);
        response = (weir_handshake_response){.head = {.fields = fields, .field_capacity = FIELDS}};
        status = weir_handshake_response_parse(&response, in, at, &scan, &offer);
    } while (status == 0 && at < input->size);
    FUZZ_CHECK((response.fault.rule != NULL) ==
               (status == WEIR_EPROTOCOL || status == WEIR_ETOOBIG));
    log_verdict(log, status, &response, in, at);
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
