/* Items that are counted: each that is sent must be received or dropped, once. For the tests of
 * channels and of select. */
#ifndef WEIR_TESTS_RT_TOKENS_H
#define WEIR_TESTS_RT_TOKENS_H

#include "rt/rt_rig.h"

#define TOKENS_MAX 20000

struct tokens {
    uint32_t count; /* made so far */
    uint32_t received_count;
    uint32_t dropped_count;
    uint8_t ended[TOKENS_MAX]; /* how often each was received, dropped or kept back */
};

static struct tokens tokens;

static inline void tokens_reset(void)
{
    memset(&tokens, 0, sizeof tokens);
}

static inline uint32_t token_new(void)
{
    assert_in_range(tokens.count, 0, TOKENS_MAX - 1);
    return tokens.count++;
}

static inline void token_end(uint32_t token)
{
    assert_in_range(token, 0, tokens.count - 1);
    assert_int_equal(tokens.ended[token], 0);
    tokens.ended[token]++;
}

static inline void token_received(uint32_t token)
{
    token_end(token);
    tokens.received_count++;
}

static inline void token_drop(void *item, void *arg)
{
    uint32_t token;
    memcpy(&token, item, sizeof token);
    (void)arg;
    token_end(token);
    tokens.dropped_count++;
}

static inline void tokens_check_all_ended(void)
{
    for (uint32_t i = 0; i < tokens.count; i++)
        assert_int_equal(tokens.ended[i], 1);
}

static inline weir_channel *token_channel(size_t capacity, enum weir_overflow overflow)
{
    weir_channel *channel;
    const weir_channel_options options = {.item_size = sizeof(uint32_t),
                                          .capacity = capacity,
                                          .overflow = overflow,
                                          .drop = token_drop};
    assert_int_equal(weir_channel_new(&channel, weir_loop_current(), &options), WEIR_OK);
    return channel;
}

static inline int token_send(weir_channel *channel)
{
    uint32_t token = token_new();
    return weir_channel_send(channel, &token);
}

/* A try_send that would have to wait leaves the token with its sender. */
static inline int token_try_send(weir_channel *channel)
{
    uint32_t token = token_new();
    int status = weir_channel_try_send(channel, &token);
    if (status == WEIR_EAGAIN)
        token_end(token);
    return status;
}

static inline int token_receive(weir_channel *channel, uint32_t *token)
{
    int status = weir_channel_receive(channel, token);
    if (status == WEIR_OK)
        token_received(*token);
    return status;
}

#endif
