/* URLs: one that is accepted and written again has the same parts, and its Host field can be sent
 * in a request. */
#include "support/fuzz.h"

#include <weir/handshake.h>
#include <weir/url.h>

#include <stdlib.h>
#include <string.h>

static bool same(weir_view a, weir_view b)
{
    return (a.data == NULL) == (b.data == NULL) && a.size == b.size &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void check_written(const weir_url *url)
{
    int size = weir_url_write(NULL, 0, url);
    FUZZ_CHECK(size > 0);
    char *text = malloc((size_t)size + 1);
    FUZZ_CHECK(text != NULL);
    FUZZ_CHECK(weir_url_write(text, (size_t)size, url) == WEIR_ETOOBIG);
    FUZZ_CHECK(weir_url_write(text, (size_t)size + 1, url) == size && strlen(text) == (size_t)size);
    weir_url again;
    FUZZ_CHECK(weir_url_parse(&again, text, (size_t)size, NULL) == WEIR_OK);
    FUZZ_CHECK(again.scheme == url->scheme && again.ipv6 == url->ipv6 && again.port == url->port);
    FUZZ_CHECK(same(again.host, url->host) && same(again.socket_path, url->socket_path));
    FUZZ_CHECK(same(again.path, url->path) && same(again.query, url->query));
    free(text);
}

/* Our server accepts a request for it, with the same path and query. */
static void check_request(const weir_url *url)
{
    char host[WEIR_URL_HOST_HEADER_ROOM];
    weir_http_field fields[10];
    weir_handshake_request request = {.head = {.fields = fields, .field_capacity = 10}};
    FUZZ_CHECK(weir_url_host_header_write(host, sizeof host, url) > 0);
    weir_handshake_offer offer = {.host = host, .path = url->path, .query = url->query};
    int size = weir_handshake_request_write(NULL, 0, &offer);
    FUZZ_CHECK(size > 0);
    char *text = malloc((size_t)size + 1);
    FUZZ_CHECK(text != NULL);
    FUZZ_CHECK(weir_handshake_request_write(text, (size_t)size + 1, &offer) == size);
    FUZZ_CHECK(weir_handshake_request_parse(&request, text, (size_t)size, NULL, NULL) == size);
    FUZZ_CHECK(same(request.path, url->path) && weir_view_equal(request.host, host));
    FUZZ_CHECK(request.query.size == url->query.size);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weir_url url;
    weir_fault fault = {0};
    char *text = (char *)fuzz_copy(data, size);
    int status = weir_url_parse(&url, text != NULL ? text : "", size, &fault);
    FUZZ_CHECK((status == WEIR_OK) == (fault.rule == NULL) && fault.offset <= size);
    if (status == WEIR_OK) {
        check_written(&url);
        if (size < 4000)
            check_request(&url);
    }
    free(text);
    return 0;
}
