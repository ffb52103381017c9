/* The codec of permessage-deflate (RFC 7692 7.2): messages in parts, to and from raw DEFLATE,
 * without the last four octets of a flush. */
#include "codec/deflate_shared.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

#define WINDOW_BITS_DEFAULT 15
#define SEND_MIN_DEFAULT    128
/* zlib counts in unsigned int. */
#define STRIDE ((size_t)1 << 30)

/* Our compressor where the options say nothing: zlib's own defaults. */
static const struct weir__deflate_kind apart = {
    .window_bits = WINDOW_BITS_DEFAULT, .level = 6, .memory_level = 8};
/* The same with context takeover.
 *
 * The level: the window is full of similar messages, so zlib compares as many places as the level
 * allows. Level 6 allows four times as many as 5: it costs up to 40 % more time, and messages are
 * 1 to 2 % smaller.
 *
 * Window and memory level: the places to compare lie all over the window, and each session has a
 * window of its own. With half of zlib's usual memory it is more often in a cache. That takes a
 * third less time with 200 sessions, and up to an eighth less with one; messages change by -1 to +5
 * %. */
static const struct weir__deflate_kind takeover = {
    .window_bits = 14, .level = 5, .memory_level = 7};

/* The end of a flush, which is cut off every message. */
static const uint8_t tail[4] = {0x00, 0x00, 0xff, 0xff};

struct codec {
    weir_codec base;
    struct weir_deflate *shared;
    struct weir__deflater *deflater; /* held within a message, or for the codec's life */
    struct weir__inflater *inflater;
    struct weir__deflate_kind kind; /* of our compressor */
    uint8_t whole_level;            /* of libdeflate; 0: by the size of the message */
    uint8_t inflate_bits;
    uint8_t tail_eaten;       /* octets of the tail of the message being received */
    bool forget_sent : 1;     /* no context takeover in what is sent */
    bool forget_received : 1; /* no context takeover in what the peer sends */
    bool sending : 1;         /* a message is in the middle */
    bool receiving : 1;
    bool owed : 1;   /* the first byte given is consumed already; output of it was left */
    bool broken : 1; /* to be reported when all output before it was taken */
};

static struct codec *codec_of(weir_codec *base)
{
    return (struct codec *)base;
}

/* --- out --- */

/* A literal takes nine bits at worst. A block takes its header, and has at least as many symbols as
 * the least memory level holds. */
static size_t bound(const weir_codec *base, size_t size)
{
    (void)base;
    if (size > PTRDIFF_MAX / 2)
        return SIZE_MAX;
    return size + size / 8 + size / 32 + 64;
}

static void deflate_part(z_stream *z, weir_codec_outgoing *part, size_t room)
{
    size_t done = 0;
    z->next_in = (Bytef *)(uintptr_t)part->data;
    while (done < part->size) {
        size_t size = part->size - done < STRIDE ? part->size - done : STRIDE;
        size_t free_room = room - part->out_size;
        z->avail_in = (uInt)size;
        z->next_out = part->out + part->out_size;
        z->avail_out = (uInt)(free_room < 2 * STRIDE ? free_room : 2 * STRIDE);
        deflate(z, done + size < part->size ? Z_NO_FLUSH : Z_SYNC_FLUSH);
        assert(z->avail_in == 0 && z->avail_out > 0); /* bound() */
        done += size;
        part->out_size = (size_t)(z->next_out - part->out);
    }
}

static void end_sent(struct codec *codec)
{
    codec->sending = false;
    if (!codec->forget_sent)
        return;
    weir__deflater_give(codec->shared, codec->deflater);
    codec->deflater = NULL;
}

/* Whether libdeflate may do it: it thinks of nothing but this message, and of windows of 32 KiB. */
static bool is_whole(const struct codec *codec, const weir_codec_outgoing *part)
{
    return codec->forget_sent && part->last && !codec->sending &&
           (codec->kind.window_bits == WINDOW_BITS_DEFAULT ||
            part->size <= (size_t)1 << codec->kind.window_bits);
}

static int encode(weir_codec *base, weir_codec_outgoing *part)
{
    struct codec *codec = codec_of(base);
    part->out_size = 0;
    if (part->size > 0 && is_whole(codec, part) &&
        weir__deflate_whole(codec->shared, codec->whole_level, part))
        return WEIR_OK;
    if (part->size > 0 && codec->deflater == NULL)
        codec->deflater = weir__deflater_take(codec->shared, codec->kind);
    if (part->size > 0 && codec->deflater == NULL)
        return WEIR_ENOMEM;
    if (part->size > 0)
        deflate_part(&codec->deflater->z, part, bound(base, part->size));
    codec->sending = true;
    if (!part->last)
        return WEIR_OK;
    if (part->size > 0)
        part->out_size -= sizeof tail;
    else
        part->out[part->out_size++] = 0; /* 7.2.3.6: an empty block without its tail */
    end_sent(codec);
    return WEIR_OK;
}

/* --- in --- */

/* Behind a final block another stream begins, which may refer back to the first (7.2.3.4).
 * Z_STREAM_END: nothing follows it yet. */
static int inflate_part(z_stream *z, const uint8_t *data, size_t size)
{
    int status;
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)size;
    while ((status = inflate(z, Z_SYNC_FLUSH)) == Z_STREAM_END) {
        inflateResetKeep(z);
        if (z->avail_in == 0 || z->avail_out == 0)
            break;
    }
    return status == Z_BUF_ERROR ? Z_OK : status;
}

/* Whether what was consumed ends with a block, on a boundary of octets. */
static bool is_at_end(const z_stream *z, int status)
{
    return status == Z_STREAM_END || (z->data_type & (128 | 63)) == 128;
}

static void end_seen(struct codec *codec)
{
    codec->receiving = false;
    if (!codec->forget_received)
        return;
    weir__inflater_give(codec->shared, codec->inflater);
    codec->inflater = NULL;
}

/* One step of zlib. *done: all input is consumed, and all output is there. */
static int inflate_step(struct codec *codec, weir_codec_incoming *part, bool *done)
{
    z_stream *z = &codec->inflater->z;
    size_t rest = part->size - codec->owed;
    size_t given = rest < STRIDE ? rest : STRIDE;
    z->next_out = codec->shared->room;
    z->avail_out = sizeof codec->shared->room;
    int status = inflate_part(z, part->data + codec->owed, given);
    part->eaten = codec->owed + given - z->avail_in;
    bool drained = z->avail_in == 0 && z->avail_out > 0 && given == rest;
    if (drained && part->last && (status == Z_OK || status == Z_STREAM_END)) {
        status = inflate_part(z, tail + codec->tail_eaten, sizeof tail - codec->tail_eaten);
        codec->tail_eaten = (uint8_t)(sizeof tail - z->avail_in);
        drained = z->avail_in == 0 && z->avail_out > 0;
        if (drained && !is_at_end(z, status))
            status = Z_DATA_ERROR;
    }
    *done = drained;
    part->out = codec->shared->room;
    part->out_size = sizeof codec->shared->room - z->avail_out;
    return status;
}

static int inflate_parts(struct codec *codec, weir_codec_incoming *part)
{
    bool done = false;
    int status = codec->broken ? Z_DATA_ERROR : inflate_step(codec, part, &done);
    if (status == Z_MEM_ERROR)
        return WEIR_ENOMEM;
    bool failed = status != Z_OK && status != Z_STREAM_END;
    if (failed && (codec->broken || part->out_size == 0 || part->size == 0))
        return WEIR_EPROTOCOL;
    codec->broken = failed;
    codec->owed = (failed || !done) && part->eaten == part->size;
    part->eaten -= codec->owed;
    if (!failed && done && part->last)
        end_seen(codec);
    return WEIR_OK;
}

/* Tries libdeflate. A message that it does not take goes through zlib, which also finds its
 * faults. */
static bool inflate_whole(struct codec *codec, weir_codec_incoming *part)
{
    return codec->forget_received && part->last &&
           weir__inflate_whole(codec->shared, part, (size_t)1 << codec->inflate_bits);
}

static int decode(weir_codec *base, weir_codec_incoming *part)
{
    struct codec *codec = codec_of(base);
    part->eaten = part->out_size = 0;
    if (!codec->receiving) {
        if (inflate_whole(codec, part))
            return WEIR_OK;
        if (codec->inflater == NULL)
            codec->inflater = weir__inflater_take(codec->shared, codec->inflate_bits);
        if (codec->inflater == NULL)
            return WEIR_ENOMEM;
        codec->receiving = true;
        codec->tail_eaten = 0;
    }
    return inflate_parts(codec, part);
}

/* --- life --- */

static void free_codec(weir_codec *base)
{
    struct codec *codec = codec_of(base);
    struct weir_deflate *shared = codec->shared;
    weir__deflater_give(shared, codec->deflater);
    weir__inflater_give(shared, codec->inflater);
    weir__free(&shared->allocator, codec, sizeof *codec);
}

static const weir_codec_ops codec_ops = {bound, encode, decode, free_codec};

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

/* What our compressor is made for: what the options ask for, within the window that was agreed on.
 * A client whose window the answer does not mention keeps to its offer. A compressor may use less
 * than was agreed on without saying so. */
static struct weir__deflate_kind own_kind(const weir_deflate_options *options, bool forgets,
                                          unsigned agreed_bits, unsigned wanted_bits)
{
    const struct weir__deflate_kind *usual = forgets ? &apart : &takeover;
    unsigned bits = or_default(wanted_bits, usual->window_bits);
    agreed_bits = or_default(agreed_bits, WINDOW_BITS_DEFAULT);
    return (struct weir__deflate_kind){
        .window_bits = (uint8_t)(agreed_bits < bits ? agreed_bits : bits),
        .level = (uint8_t)or_default(options->level, usual->level),
        .memory_level = (uint8_t)or_default(options->memory_level, usual->memory_level),
    };
}

static void set_agreed(struct codec *codec, enum weir_role role,
                       const weir_deflate_options *options, const weir_deflate_terms *terms)
{
    bool client = role == WEIR_ROLE_CLIENT;
    codec->inflate_bits =
        (uint8_t)or_default(client ? terms->server_max_window_bits : terms->client_max_window_bits,
                            WINDOW_BITS_DEFAULT);
    codec->forget_received =
        client ? terms->server_no_context_takeover : terms->client_no_context_takeover;
    codec->forget_sent =
        client ? terms->client_no_context_takeover || !options->client_context_takeover
               : terms->server_no_context_takeover || !options->server_context_takeover;
    codec->kind = client ? own_kind(options, codec->forget_sent, terms->client_max_window_bits,
                                    options->client_max_window_bits)
                         : own_kind(options, codec->forget_sent, terms->server_max_window_bits,
                                    options->server_max_window_bits);
}

int weir_deflate_codec_new(weir_codec **out, weir_deflate *shared, enum weir_role role,
                           const weir_deflate_options *options, const weir_deflate_terms *terms)
{
    *out = NULL;
    if (!weir_deflate_options_is_valid(options))
        return WEIR_EINVAL;
    struct codec *codec = weir__alloc(&shared->allocator, sizeof *codec);
    if (codec == NULL)
        return WEIR_ENOMEM;
    *codec = (struct codec){
        .base = {&codec_ops, options->compress_min != 0 ? options->compress_min : SEND_MIN_DEFAULT},
        .shared = shared,
        .whole_level = options->level,
    };
    set_agreed(codec, role, options, terms);
    *out = &codec->base;
    return WEIR_OK;
}
