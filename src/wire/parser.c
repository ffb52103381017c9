#include "wire/parser.h"

#include "wire/head.h"
#include "wire/rule.h"

#include <weir/mask.h>

#include <string.h>

#define FIN_BIT     0x80u
#define MASK_BIT    0x80u
#define OPCODE_BITS 0x0Fu

void weir_parser_init(weir_parser *parser, enum weir_parser_mask mask, uint64_t max_frame_size)
{
    *parser = (weir_parser){
        .max_frame_size = max_frame_size != 0 ? max_frame_size : WEIR_MAX_SIZE_DEFAULT,
        .mask = (uint8_t)mask,
    };
}

bool weir_parser_is_between_frames(const weir_parser *parser)
{
    return parser->state == WEIR__AWAIT_BITS;
}

void weir_parser_fault_get(weir_fault *out, const weir_parser *parser)
{
    enum weir__rule rule = (enum weir__rule)parser->rule;
    *out = (weir_fault){0};
    if (rule != WEIR__RULE_NONE)
        *out = (weir_fault){weir__rule_status(rule), parser->offset, weir__rule_text(rule)};
}

static bool is_control(unsigned bits)
{
    return (bits & 0x8u) != 0;
}

static enum weir__rule rule_of_control(unsigned bits)
{
    if (weir_frame_type_from_opcode(bits & OPCODE_BITS) < 0)
        return WEIR__RULE_OPCODE;
    if ((bits & 0x70u) != 0)
        return WEIR__RULE_RESERVED_BITS;
    return (bits & FIN_BIT) != 0 ? WEIR__RULE_NONE : WEIR__RULE_CONTROL_FRAGMENTED;
}

/* Reserved bits are allowed in a message's first frame only: the extensions use them there alone
 * (RFC 7692 6). */
static enum weir__rule rule_of_data(const weir_parser *parser, unsigned bits)
{
    unsigned opcode = bits & OPCODE_BITS;
    unsigned allowed = opcode != 0 ? parser->rsv_allowed : 0;
    if (opcode > WEIR_FRAME_BINARY)
        return WEIR__RULE_OPCODE;
    if ((bits >> 4 & 7u & ~allowed) != 0)
        return WEIR__RULE_RESERVED_BITS;
    if (opcode == 0 && parser->message == 0)
        return WEIR__RULE_NO_MESSAGE;
    if (opcode != 0 && parser->message != 0)
        return WEIR__RULE_MESSAGE_OPEN;
    return WEIR__RULE_NONE;
}

static enum weir__rule rule_of_bits(const weir_parser *parser, unsigned bits)
{
    return is_control(bits) ? rule_of_control(bits) : rule_of_data(parser, bits);
}

static enum weir__rule rule_of_mask(const weir_parser *parser, bool masked)
{
    if (parser->mask == WEIR_MASK_REQUIRED && !masked)
        return WEIR__RULE_MASK_MISSING;
    if (parser->mask == WEIR_MASK_FORBIDDEN && masked)
        return WEIR__RULE_MASK_FORBIDDEN;
    return WEIR__RULE_NONE;
}

/* The second byte. A frame limit under 126 is checked here, against a length that is whole. */
static enum weir__rule rule_of_length7(const weir_parser *parser, unsigned bits, unsigned byte)
{
    unsigned length = byte & 0x7Fu;
    enum weir__rule rule = rule_of_mask(parser, (byte & MASK_BIT) != 0);
    if (rule != WEIR__RULE_NONE)
        return rule;
    if (is_control(bits)) {
        if (length > WEIR__CONTROL_MAX)
            return WEIR__RULE_CONTROL_LENGTH;
        bool is_close = (bits & OPCODE_BITS) == WEIR_FRAME_CLOSE;
        return is_close && length == 1 ? WEIR__RULE_CLOSE_LENGTH : WEIR__RULE_NONE;
    }
    if (length < 126 && length > parser->max_frame_size)
        return WEIR__RULE_FRAME_SIZE;
    return WEIR__RULE_NONE;
}

/* A length of 16 bits whose low missing bytes have not arrived: what is known to be wrong
 * already. */
static enum weir__rule rule_of_length16(const weir_parser *parser, uint64_t known, unsigned missing)
{
    uint64_t least = known << (8 * missing);
    if (missing == 0 && least < 126)
        return WEIR__RULE_LENGTH_MINIMAL;
    if (least >= 126 && least > parser->max_frame_size)
        return WEIR__RULE_FRAME_SIZE;
    return WEIR__RULE_NONE;
}

static enum weir__rule rule_of_length64(const weir_parser *parser, uint64_t known, unsigned missing)
{
    uint64_t least = known << (8 * missing);
    if (least >> 63 != 0)
        return WEIR__RULE_LENGTH_TOP_BIT;
    if (missing <= 2 && least <= UINT16_MAX)
        return WEIR__RULE_LENGTH_MINIMAL;
    if (least > UINT16_MAX && least > parser->max_frame_size)
        return WEIR__RULE_FRAME_SIZE;
    return WEIR__RULE_NONE;
}

static void await_key_or_payload(weir_parser *parser)
{
    parser->state = parser->masked ? WEIR__AWAIT_KEY : WEIR__AWAIT_PAYLOAD;
    parser->wanted = 4;
    parser->phase = 0;
}

static enum weir__rule on_bits(weir_parser *parser, uint8_t byte)
{
    parser->bits = byte;
    parser->state = WEIR__AWAIT_LENGTH7;
    return rule_of_bits(parser, byte);
}

static enum weir__rule on_length7(weir_parser *parser, uint8_t byte)
{
    unsigned length = byte & 0x7Fu;
    parser->masked = (byte & MASK_BIT) != 0;
    parser->left = length < 126 ? length : 0;
    if (length < 126) {
        await_key_or_payload(parser);
    } else {
        parser->state = length == 126 ? WEIR__AWAIT_LENGTH16 : WEIR__AWAIT_LENGTH64;
        parser->wanted = length == 126 ? 2 : 8;
    }
    return rule_of_length7(parser, parser->bits, byte);
}

static enum weir__rule on_length(weir_parser *parser, uint8_t byte, bool wide)
{
    parser->left = parser->left << 8 | byte;
    unsigned missing = --parser->wanted;
    if (missing == 0)
        await_key_or_payload(parser);
    return wide ? rule_of_length64(parser, parser->left, missing)
                : rule_of_length16(parser, parser->left, missing);
}

static enum weir__rule on_key(weir_parser *parser, uint8_t byte)
{
    parser->key[4 - parser->wanted] = byte;
    if (--parser->wanted == 0)
        parser->state = WEIR__AWAIT_PAYLOAD;
    return WEIR__RULE_NONE;
}

static enum weir__rule step(weir_parser *parser, uint8_t byte)
{
    switch ((enum weir__parser_state)parser->state) {
    case WEIR__AWAIT_BITS:
        return on_bits(parser, byte);
    case WEIR__AWAIT_LENGTH7:
        return on_length7(parser, byte);
    case WEIR__AWAIT_LENGTH16:
        return on_length(parser, byte, false);
    case WEIR__AWAIT_LENGTH64:
        return on_length(parser, byte, true);
    case WEIR__AWAIT_KEY:
        return on_key(parser, byte);
    case WEIR__AWAIT_PAYLOAD:
    case WEIR__IN_PAYLOAD:
    case WEIR__PARSER_FAILED:
        break;
    }
    return WEIR__RULE_NONE;
}

static int report_head(weir_parser *parser, weir_parser_event *event)
{
    unsigned opcode = parser->bits & OPCODE_BITS;
    bool fin = (parser->bits & FIN_BIT) != 0;
    unsigned type = opcode != 0 ? opcode : parser->message;
    if (!is_control(parser->bits))
        parser->message = fin ? 0 : (uint8_t)type;
    event->kind = WEIR_PARSER_HEAD;
    event->head = (weir_frame_head){
        .size = parser->left,
        .opcode = (uint8_t)opcode,
        .type = (uint8_t)type,
        .rsv = parser->bits >> 4 & 7,
        .fin = fin,
        .masked = parser->masked,
    };
    if (parser->masked)
        memcpy(event->head.key, parser->key, 4);
    return WEIR_OK;
}

/* Most headers: of a data frame without reserved bits, in its place. The rules decide on others. */
static inline bool is_plain(const weir_parser *parser, unsigned bits)
{
    unsigned low = bits & 0x7Fu;
    return low <= WEIR_FRAME_BINARY && (low == 0) == (parser->message != 0);
}

static bool take_long_head(weir_parser *parser, const uint8_t *in, size_t size, size_t *eaten);

/* Takes a header that lies whole in the input and breaks no rule. False: it has to be read byte by
 * byte. */
static inline bool take_head(weir_parser *parser, const uint8_t *in, size_t size, size_t *eaten)
{
    if (size < 2 || (!is_plain(parser, in[0]) && rule_of_bits(parser, in[0]) != WEIR__RULE_NONE) ||
        rule_of_length7(parser, in[0], in[1]) != WEIR__RULE_NONE)
        return false;
    unsigned length7 = in[1] & 0x7Fu;
    bool masked = (in[1] & MASK_BIT) != 0;
    *eaten = masked ? 6 : 2;
    if (length7 > 125)
        return take_long_head(parser, in, size, eaten);
    if (size < *eaten)
        return false;
    if (masked)
        memcpy(parser->key, in + 2, 4);
    parser->left = length7;
    parser->bits = in[0];
    parser->masked = masked;
    parser->phase = 0;
    parser->state = WEIR__AWAIT_PAYLOAD;
    return true;
}

/* The same with a length of 16 or 64 bits; *eaten is the size of the header without it. */
static bool take_long_head(weir_parser *parser, const uint8_t *in, size_t size, size_t *eaten)
{
    size_t width = (in[1] & 0x7Fu) == 126 ? 2 : 8;
    if (size < *eaten + width)
        return false;
    uint64_t length = 0;
    for (size_t i = 0; i < width; i++)
        length = length << 8 | in[2 + i];
    enum weir__rule rule =
        width == 2 ? rule_of_length16(parser, length, 0) : rule_of_length64(parser, length, 0);
    if (rule != WEIR__RULE_NONE)
        return false;
    parser->masked = *eaten == 6;
    if (parser->masked)
        memcpy(parser->key, in + 2 + width, 4);
    parser->left = length;
    parser->bits = in[0];
    parser->phase = 0;
    parser->state = WEIR__AWAIT_PAYLOAD;
    *eaten += width;
    return true;
}

/* Takes the most frequent header: of an unfragmented data frame of under 126 bytes. masked: whether
 * the peer has to mask; a constant. */
static inline bool take_small_head(weir_parser *parser, const uint8_t *in, size_t size,
                                   size_t *eaten, weir_parser_event *event, bool masked)
{
    size_t head_size = masked ? 6 : 2;
    if (size < head_size || !weir__parser_is_idle(parser) || (in[0] != 0x81 && in[0] != 0x82))
        return false;
    uint32_t key = 0;
    unsigned length = in[1] ^ (masked ? MASK_BIT : 0);
    if (length > 125 || length > parser->max_frame_size)
        return false;
    if (masked)
        memcpy(&key, in + 2, sizeof key);
    memcpy(parser->key, &key, sizeof key);
    parser->left = length;
    parser->bits = in[0];
    parser->masked = masked;
    parser->phase = 0;
    parser->state = WEIR__AWAIT_PAYLOAD;
    parser->offset += head_size;
    *eaten = head_size;
    event->kind = WEIR_PARSER_HEAD;
    event->head.size = length;
    memcpy(event->head.key, &key, sizeof key);
    event->head.opcode = event->head.type = in[0] & OPCODE_BITS;
    event->head.rsv = 0;
    event->head.fin = true;
    event->head.masked = masked;
    return true;
}

static int fail(weir_parser *parser, enum weir__rule rule)
{
    parser->state = WEIR__PARSER_FAILED;
    parser->rule = (uint8_t)rule;
    return weir__rule_status(rule);
}

static int eat_head(weir_parser *parser, const uint8_t *in, size_t size, size_t *eaten)
{
    if (parser->state == WEIR__AWAIT_BITS && take_head(parser, in, size, eaten)) {
        parser->offset += *eaten;
        return WEIR_OK;
    }
    *eaten = 0;
    while (*eaten < size) {
        enum weir__rule rule = step(parser, in[*eaten]);
        if (rule != WEIR__RULE_NONE)
            return fail(parser, rule);
        ++*eaten;
        parser->offset++;
        if (parser->state == WEIR__AWAIT_PAYLOAD)
            return WEIR_OK;
    }
    return WEIR_EAGAIN;
}

static int eat_payload(weir_parser *parser, uint8_t *in, size_t size, weir_parser_event *event)
{
    if (size == 0 && parser->left > 0)
        return WEIR_EAGAIN;
    size_t taken = parser->left < size ? (size_t)parser->left : size;
    event->kind = WEIR_PARSER_PAYLOAD;
    event->data = in;
    event->size = taken;
    event->first = parser->state == WEIR__AWAIT_PAYLOAD;
    if (parser->masked) {
        weir_mask(in, taken, parser->key, parser->phase);
        parser->phase = (parser->phase + taken) & 3;
    }
    parser->left -= taken;
    parser->offset += taken;
    event->last = parser->left == 0;
    parser->state = event->last ? WEIR__AWAIT_BITS : WEIR__IN_PAYLOAD;
    return WEIR_OK;
}

/* Not inlined: weir_parser_feed() then has no registers to save. */
static __attribute__((noinline)) int feed(weir_parser *parser, void *in, size_t size, size_t *eaten,
                                          weir_parser_event *event)
{
    *eaten = 0;
    if (parser->state == WEIR__PARSER_FAILED)
        return weir__rule_status((enum weir__rule)parser->rule);
    if (parser->state >= WEIR__AWAIT_PAYLOAD) {
        int status = eat_payload(parser, in, size, event);
        *eaten = status == WEIR_OK ? event->size : 0;
        return status;
    }
    int status = eat_head(parser, in, size, eaten);
    return status == WEIR_OK ? report_head(parser, event) : status;
}

int weir_parser_feed(weir_parser *parser, void *in, size_t size, size_t *eaten,
                     weir_parser_event *event)
{
    bool taken = parser->mask == WEIR_MASK_REQUIRED
                     ? take_small_head(parser, in, size, eaten, event, true)
                     : take_small_head(parser, in, size, eaten, event, false);
    return taken ? WEIR_OK : feed(parser, in, size, eaten, event);
}
