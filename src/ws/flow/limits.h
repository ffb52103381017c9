/* ws/flow/limits.h - what follows from a session's options for its two channels and its endpoint.
 *
 * Options are checked and converted here, once; the sessions of a server share the result. */
#ifndef WEIR_WS_FLOW_LIMITS_H
#define WEIR_WS_FLOW_LIMITS_H

#include "rt/loop.h"

#include <weir/endpoint.h>
#include <weir/limits.h>

#define WEIR__DEFAULT_CAPACITY   8
#define WEIR__DEFAULT_HIGH_WATER (1024 * 1024)

struct weir__limits {
    weir_endpoint_options endpoint;
    uint32_t incoming_capacity;
    uint32_t outgoing_capacity;
    uint32_t high_water;
    uint8_t incoming_overflow; /* enum weir_overflow */
    uint8_t outgoing_overflow; /* the same */
};

/* Errors: WEIR_EINVAL (a value out of range). */
WEIR_MUST_USE int weir__limits_init(struct weir__limits *out, weir_loop *loop, enum weir_role role,
                                    bool raw, const weir_session_options *options);

/* What follows from valid options for the endpoint alone. */
weir_endpoint_options weir__endpoint_options_for(weir_loop *loop, enum weir_role role, bool raw,
                                                 const weir_session_options *options);

/* The limit of bytes that options ask for (0: the default). Beyond 4 GiB there is none. */
static inline uint32_t weir__high_water(size_t bytes)
{
    if (bytes == 0)
        return WEIR__DEFAULT_HIGH_WATER;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* The number of frames that options ask for (0: the default). */
static inline uint32_t weir__capacity(size_t frames)
{
    return (uint32_t)(frames != 0 ? frames : WEIR__DEFAULT_CAPACITY);
}

#endif
