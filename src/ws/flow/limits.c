#include "ws/flow/limits.h"

#include "rt/channel.h"

static bool are_valid(const weir_session_options *options)
{
    return options->incoming_capacity <= WEIR__CHANNEL_CAPACITY_MAX &&
           options->outgoing_capacity <= WEIR__CHANNEL_CAPACITY_MAX &&
           (unsigned)options->incoming_overflow <= WEIR_OVERFLOW_DROP_OLDEST &&
           (unsigned)options->outgoing_overflow <= WEIR_OVERFLOW_DROP_OLDEST;
}

static void random_of_loop(void *out, size_t size, void *arg)
{
    weir_loop_random(out, size, arg);
}

weir_endpoint_options weir__endpoint_options_for(weir_loop *loop, enum weir_role role, bool raw,
                                                 const weir_session_options *options)
{
    return (weir_endpoint_options){
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
        .random_arg = loop,
    };
}

int weir__limits_init(struct weir__limits *out, weir_loop *loop, enum weir_role role, bool raw,
                      const weir_session_options *options)
{
    if (!are_valid(options))
        return WEIR_EINVAL;
    *out = (struct weir__limits){
        .endpoint = weir__endpoint_options_for(loop, role, raw, options),
        .incoming_capacity = weir__capacity(options->incoming_capacity),
        .outgoing_capacity = weir__capacity(options->outgoing_capacity),
        .high_water = weir__high_water(options->high_water),
        .incoming_overflow = (uint8_t)options->incoming_overflow,
        .outgoing_overflow = (uint8_t)options->outgoing_overflow,
    };
    return WEIR_OK;
}
