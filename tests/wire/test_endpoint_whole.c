/* Messages that lie whole in the input are unmasked and checked, at every length, place and key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/endpoint_rig.h"

#define SIZE_MAX_TRIED 300
#define PLACES         33
#define MARGIN         16

struct trial {
    uint8_t bytes[PLACES + 14 + SIZE_MAX_TRIED + MARGIN];
    char payload[SIZE_MAX_TRIED];
    size_t place;
    size_t size;
    size_t wire_size;
};

/* Writes a masked text message at its place; all around it is 0xEE. */
static void put_message(struct trial *trial)
{
    memset(trial->bytes, 0xEE, sizeof trial->bytes);
    struct peer_frame frame = FRAME_OF(0x81, trial->payload, trial->size);
    trial->wire_size = peer_write(trial->bytes + trial->place, &frame, true);
}

static int take(struct trial *trial, struct rig *rig, weir_event *event)
{
    assert_int_equal(
        weir_endpoint_feed(rig->endpoint, trial->bytes + trial->place, trial->wire_size, rig->now),
        WEIR_OK);
    return weir_endpoint_next(rig->endpoint, event);
}

static void expect_payload(struct trial *trial, struct rig *rig)
{
    weir_event event;
    put_message(trial);
    assert_int_equal(take(trial, rig, &event), WEIR_OK);
    assert_int_equal(event.kind, WEIR_EVENT_FRAME);
    assert_int_equal(event.frame.size, trial->size);
    assert_memory_equal(event.frame.data, trial->payload, trial->size);
    weir_frame_release(&event.frame);
    for (size_t i = 0; i < MARGIN; i++)
        assert_int_equal(trial->bytes[trial->place + trial->wire_size + i], 0xEE);
    assert_int_equal(weir_endpoint_next(rig->endpoint, &event), WEIR_EAGAIN);
}

static void the_mask_comes_off_at_every_length_and_place(void **state)
{
    struct trial trial = {.place = 0};
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    (void)state;
    for (trial.size = 0; trial.size < SIZE_MAX_TRIED; trial.size++) {
        for (size_t i = 0; i < trial.size; i++)
            trial.payload[i] = (char)(' ' + (i * 7 + trial.size) % 95);
        for (trial.place = 0; trial.place < PLACES; trial.place++)
            expect_payload(&trial, rig);
    }
    rig_free(rig);
}

static void text_that_is_not_ascii_is_taken_at_every_place(void **state)
{
    struct trial trial = {.place = 3};
    struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
    (void)state;
    for (trial.size = 2; trial.size < SIZE_MAX_TRIED; trial.size++)
        for (size_t at = 0; at + 2 <= trial.size; at++) {
            memset(trial.payload, 'a', trial.size);
            memcpy(trial.payload + at, "\xc3\xa9", 2);
            expect_payload(&trial, rig);
        }
    rig_free(rig);
}

/* A byte that stands in no text, wherever it is. */
static void a_wrong_byte_is_found_at_every_place(void **state)
{
    struct trial trial = {.place = 5};
    weir_event event;
    (void)state;
    for (trial.size = 1; trial.size < SIZE_MAX_TRIED; trial.size += 7)
        for (size_t at = 0; at < trial.size; at++) {
            struct rig *rig = rig_new(WEIR_ROLE_SERVER, WEIR_DELIVER_MESSAGES);
            memset(trial.payload, 'a', trial.size);
            memcpy(trial.payload + at, "\xff", 1);
            put_message(&trial);
            assert_int_equal(take(&trial, rig, &event), WEIR_OK);
            assert_int_equal(event.kind, WEIR_EVENT_FAULT);
            assert_int_equal(rig_end(rig).status, WEIR_EUTF8);
            size_t head_size = trial.wire_size - trial.size;
            assert_int_equal(rig_end(rig).fault.offset, head_size + at);
            rig_free(rig);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mask_comes_off_at_every_length_and_place),
        cmocka_unit_test(text_that_is_not_ascii_is_taken_at_every_place),
        cmocka_unit_test(a_wrong_byte_is_found_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
