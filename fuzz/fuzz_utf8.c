/* UTF-8 against a naive reference: whole, in pieces, and behind so much ASCII that the vector code
 * is used. */
#include "support/fuzz.h"

#include <weir/utf8.h>

#include <stdlib.h>
#include <string.h>

static size_t feed(const uint8_t *text, size_t size, uint8_t seed, bool *complete)
{
    struct fuzz_cuts cuts = fuzz_cuts_of(seed);
    weir_utf8 state = {0};
    size_t at = 0;
    while (at < size) {
        size_t part = fuzz_next_cut(&cuts, size - at);
        size_t valid;
        int status = weir_utf8_feed(&state, text + at, part, &valid);
        FUZZ_CHECK(status == (valid == part ? WEIR_OK : WEIR_EUTF8));
        at += valid;
        if (status != WEIR_OK)
            return at;
    }
    *complete = weir_utf8_is_complete(&state);
    return at;
}

static void check(const uint8_t *text, size_t size, uint8_t seed)
{
    bool expected_complete;
    bool complete = false;
    size_t expected = fuzz_utf8_prefix(text, size, &expected_complete);
    FUZZ_CHECK(feed(text, size, seed, &complete) == expected);
    FUZZ_CHECK(expected < size || complete == expected_complete);
    bool valid = expected == size && expected_complete;
    FUZZ_CHECK(weir_utf8_is_valid(text, size) == valid);
    if (!valid)
        return;
    size_t limit = size > 0 ? seed % size : 0;
    size_t cut = weir_utf8_cut(text, size, limit);
    FUZZ_CHECK(cut <= limit && limit - cut < 4);
    FUZZ_CHECK(weir_utf8_is_valid(text, cut));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t seed = fuzz_take(&input);
    size_t ahead = (size_t)fuzz_take(&input) * 2;
    uint8_t *text = malloc(ahead + input.size);
    FUZZ_CHECK(text != NULL || ahead + input.size == 0);
    if (ahead > 0)
        memset(text, 'a', ahead);
    if (input.size > 0)
        memcpy(text + ahead, input.data, input.size);
    check(text, ahead + input.size, seed);
    check(text, ahead + input.size, 0);
    free(text);
    return 0;
}
