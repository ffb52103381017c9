/* The collector against a plain buffer: frames are started, fed in pieces, joined and taken in any
 * order of calls. */
#include "support/fuzz.h"

#include <weir/collector.h>
#include <weir/mask.h>

#include <stdlib.h>
#include <string.h>

struct model {
    weir_buffer collected;
    uint64_t remaining;
};

static void start(weir_collector *collector, struct model *model, uint64_t size)
{
    int status = weir_collector_start(collector, size);
    if (model->remaining > 0) {
        FUZZ_CHECK(status == WEIR_ESTATE);
    } else if (status == WEIR_OK) {
        model->remaining = size;
    } else {
        FUZZ_CHECK(status == WEIR_ETOOBIG && size > SIZE_MAX / 4);
    }
}

static void feed(weir_collector *collector, struct model *model, struct fuzz_input *input,
                 size_t wanted)
{
    size_t size = wanted < input->size ? wanted : input->size;
    size_t expected = model->remaining < size ? (size_t)model->remaining : size;
    size_t eaten;
    uint8_t *copy = fuzz_copy(input->data, size);
    FUZZ_CHECK(weir_collector_feed(collector, copy, size, &eaten) == WEIR_OK && eaten == expected);
    free(copy);
    fuzz_log(&model->collected, input->data, eaten);
    model->remaining -= eaten;
    input->data += size;
    input->size -= size;
}

static void take(weir_collector *collector, struct model *model, bool masked)
{
    static const uint8_t key[4] = {1, 2, 3, 250};
    weir_frame frame;
    int status = weir_collector_take(&frame, collector, masked ? key : NULL);
    FUZZ_CHECK(status == (model->remaining > 0 ? WEIR_ESTATE : WEIR_OK));
    if (status != WEIR_OK)
        return;
    if (masked)
        weir_mask(model->collected.data, model->collected.size, key, 0);
    FUZZ_CHECK(frame.fin && frame.size == model->collected.size);
    FUZZ_CHECK(frame.size == 0 || memcmp(frame.data, model->collected.data, frame.size) == 0);
    weir_frame_release(&frame);
    model->collected.size = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    weir_collector collector;
    struct model model = {0};
    weir_collector_init(&collector, NULL);
    while (input.size > 0) {
        uint8_t what = fuzz_take(&input);
        uint8_t operand = fuzz_take(&input);
        if (what % 4 == 0)
            start(&collector, &model,
                  what == 0xFC ? UINT64_MAX - operand : operand * (uint64_t)(1 + what / 4));
        else if (what % 4 < 3)
            feed(&collector, &model, &input, operand);
        else
            take(&collector, &model, (operand & 1) != 0);
        FUZZ_CHECK(weir_collector_has_remaining(&collector) == (model.remaining > 0));
        FUZZ_CHECK(collector.size == model.collected.size &&
                   collector.remaining == model.remaining);
    }
    weir_collector_fini(&collector);
    weir_buffer_fini(&model.collected);
    return 0;
}
