/* A session's options: which are allowed, and what follows from them for its endpoint. */
#include "ws/session/session.h"

#define CAPACITY_MAX ((size_t)1 << 20)

bool weir__session_options_are_valid(const weir_session_options *options)
{
    return options->incoming_capacity <= CAPACITY_MAX &&
           options->outgoing_capacity <= CAPACITY_MAX &&
           (unsigned)options->incoming_overflow <= WEIR_OVERFLOW_DROP_OLDEST &&
           (unsigned)options->outgoing_overflow <= WEIR_OVERFLOW_DROP_OLDEST &&
           options->user_size <= UINT32_MAX;
}

static void random_of_loop(void *context, void *out, size_t size)
{
    weir_loop_random(context, out, size);
}

void weir__session_endpoint_options(weir_endpoint_options *out, weir_loop *loop,
                                    enum weir_role role, bool raw,
                                    const weir_session_options *options)
{
    *out = (weir_endpoint_options){
        .role = role,
        .delivery = raw               ? WEIR_DELIVER_FRAMES
                    : options->pieces ? WEIR_DELIVER_PIECES
                                      : WEIR_DELIVER_MESSAGES,
        .max_frame_size = options->max_frame_size,
        .max_message_size = options->max_message_size,
        .ping_interval_ms = options->ping_interval_ms,
        .ping_timeout_ms = options->ping_timeout_ms,
        .close_timeout_ms = options->close_timeout_ms != 0 ? options->close_timeout_ms
                                                           : WEIR_CLOSE_TIMEOUT_DEFAULT_MS,
        .allocator = *weir__loop_allocator(loop),
        .random = random_of_loop,
        .random_context = loop,
    };
}

static uint32_t capacity_of(size_t frames)
{
    return (uint32_t)(frames != 0 ? frames : WEIR__DEFAULT_CAPACITY);
}

void weir__session_terms_init(struct weir__session_terms *out, weir_loop *loop, enum weir_role role,
                              bool raw, const weir_session_options *options)
{
    *out = (struct weir__session_terms){
        .incoming_capacity = capacity_of(options->incoming_capacity),
        .outgoing_capacity = capacity_of(options->outgoing_capacity),
        .high_water = weir__high_water(options->high_water),
        .incoming_overflow = (uint8_t)options->incoming_overflow,
        .outgoing_overflow = (uint8_t)options->outgoing_overflow,
    };
    weir__session_endpoint_options(&out->endpoint, loop, role, raw, options);
}
