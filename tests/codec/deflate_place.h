/* tests/codec/deflate_place.h - an endpoint whose messages may be compressed. Include it after
 * cmocka. */
#ifndef WEIR_TESTS_DEFLATE_PLACE_H
#define WEIR_TESTS_DEFLATE_PLACE_H

#include "wire/endpoint_rig.h"

#include <weir/deflate_codec.h>

/* "Hello", compressed (RFC 7692 7.2.3.1), and the first byte of a frame that is a whole, compressed
 * message. */
#define HELLO        "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_SIZE   (sizeof HELLO - 1)
#define TEXT_CODED   0xC1
#define BINARY_CODED 0xC2

/* An endpoint whose peer may compress. */
struct place {
    struct rig *rig;
    weir_deflate *shared;
};

static const weir_deflate_terms apart = {.server_no_context_takeover = true,
                                         .client_no_context_takeover = true};
static const weir_deflate_terms together = {0};

static inline void add_codec(struct place *place, const weir_deflate_options *options,
                             const weir_deflate_terms *terms)
{
    weir_codec *codec;
    assert_int_equal(
        weir_deflate_codec_new(&codec, place->shared, place->rig->role, options, terms), WEIR_OK);
    weir_endpoint_set_codec(place->rig->endpoint, codec);
}

static inline struct place open_place(enum weir_role role, enum weir_delivery delivery,
                                      const weir_deflate_terms *terms)
{
    static const weir_deflate_options options = {.server_context_takeover = true,
                                                 .client_context_takeover = true};
    struct place place = {.rig = rig_new(role, delivery)};
    assert_int_equal(weir_deflate_new(&place.shared, &place.rig->memory.allocator), WEIR_OK);
    add_codec(&place, &options, terms);
    return place;
}

static inline void close_place(struct place *place)
{
    struct rig *rig = place->rig;
    weir_endpoint_free(rig->endpoint);
    rig->endpoint = NULL;
    weir_deflate_free(place->shared);
    rig_free(rig);
}

static inline void expect_events(struct place *place, const char *events)
{
    assert_string_equal(place->rig->events, events);
    place->rig->events[0] = 0;
}

#endif
