#include "wire/endpoint_parts.h"

#include <string.h>

/* The payload of our pings: a tag, and random bytes, which the peer cannot guess. */
#define PING_TAG      "weir ping "
#define PING_TAG_SIZE (sizeof PING_TAG - 1)
#define PING_SIZE     (PING_TAG_SIZE + 16)

static void write_ping_payload(const weir_endpoint *endpoint, uint8_t out[PING_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out, PING_TAG, PING_TAG_SIZE);
    for (size_t i = 0; i < sizeof endpoint->ping_nonce; i++) {
        out[PING_TAG_SIZE + 2 * i] = (uint8_t)digits[endpoint->ping_nonce[i] >> 4];
        out[PING_TAG_SIZE + 2 * i + 1] = (uint8_t)digits[endpoint->ping_nonce[i] & 15];
    }
}

static uint64_t to_ms64(uint32_t ms)
{
    return ms != WEIR__NO_MS ? ms : WEIR_UNLIMITED;
}

void weir__endpoint_ping_restart(weir_endpoint *endpoint)
{
    if (endpoint->close_state != WEIR__CLOSE_OPEN)
        return;
    endpoint->pong_awaited = false;
    endpoint->ping_owed = false;
    uint64_t pause = endpoint->next_delivery != WEIR_DELIVER_FRAMES
                         ? to_ms64(endpoint->ping_interval_ms)
                         : WEIR_UNLIMITED;
    endpoint->deadline_ms = weir__add_capped(endpoint->now_ms, pause);
}

/* Starts the time for the pong, or starts it again. */
static void start_pong_time(weir_endpoint *endpoint)
{
    uint64_t timeout = to_ms64(endpoint->ping_timeout_ms);
    endpoint->deadline_ms = endpoint->held ? timeout : weir__add_capped(endpoint->now_ms, timeout);
}

int weir__endpoint_append_ping(weir_endpoint *endpoint, weir_buffer *out)
{
    uint8_t payload[PING_SIZE];
    if (!endpoint->ping_owed)
        return WEIR_OK;
    write_ping_payload(endpoint, payload);
    weir_frame ping = weir_frame_ping(payload, sizeof payload);
    int status = weir__endpoint_append(endpoint, &ping, WEIR_FRAME_PING, out);
    if (status != WEIR_OK)
        return status;
    endpoint->ping_owed = false;
    endpoint->ping_sent_ms = (uint32_t)endpoint->now_ms;
    start_pong_time(endpoint);
    return WEIR_OK;
}

int weir__endpoint_ping(weir_endpoint *endpoint, weir_buffer *out)
{
    endpoint->options->random(endpoint->ping_nonce, sizeof endpoint->ping_nonce,
                              endpoint->options->random_arg);
    endpoint->pong_awaited = true;
    endpoint->ping_owed = true;
    endpoint->ping_grace_used = false;
    start_pong_time(endpoint);
    int status = out == NULL ? WEIR_OK : weir__endpoint_append_ping(endpoint, out);
    if (status != WEIR_OK)
        weir__endpoint_ping_restart(endpoint);
    return status;
}

void weir__endpoint_ping_defer(weir_endpoint *endpoint)
{
    if (endpoint->pong_awaited)
        start_pong_time(endpoint);
}

bool weir__endpoint_on_pong(weir_endpoint *endpoint, const uint8_t *data, size_t size)
{
    uint8_t payload[PING_SIZE];
    if (!endpoint->pong_awaited || endpoint->ping_owed || size != sizeof payload)
        return false;
    write_ping_payload(endpoint, payload);
    if (memcmp(payload, data, sizeof payload) != 0)
        return false;
    endpoint->round_trip_ms = (uint32_t)endpoint->now_ms - endpoint->ping_sent_ms;
    weir__endpoint_ping_restart(endpoint);
    return true;
}
