#include "wire/endpoint_parts.h"

#include "base/alloc.h"
#include "wire/collector.h"
#include "wire/parser.h"

#include <string.h>

/* A tick that is late by so much shows that this process was blocked, stopped, or asleep with the
 * machine. The pong may have arrived and be unread. */
#define LATE_TICK_MS 1000

static uint64_t size_or_default(uint64_t size)
{
    return size != 0 ? size : WEIR_MAX_SIZE_DEFAULT;
}

static uint32_t to_ms32(uint64_t ms, uint32_t default_ms)
{
    if (ms == 0)
        return default_ms;
    return ms < WEIR__NO_MS ? (uint32_t)ms : WEIR__NO_MS;
}

static void set_ping(weir_endpoint *endpoint, uint64_t interval_ms, uint64_t timeout_ms)
{
    endpoint->ping_interval_ms = to_ms32(interval_ms, WEIR_PING_INTERVAL_DEFAULT_MS);
    endpoint->ping_timeout_ms = to_ms32(timeout_ms, WEIR_PING_TIMEOUT_DEFAULT_MS);
}

static void begin(weir_endpoint *endpoint, const weir_endpoint_options *options, uint64_t now_ms)
{
    bool client = options->role == WEIR_ROLE_CLIENT;
    *endpoint = (weir_endpoint){
        .options = options,
        .max_frame_size = size_or_default(options->max_frame_size),
        .max_message_size = size_or_default(options->max_message_size),
        .now_ms = now_ms,
        .round_trip_ms = UINT32_MAX,
        .delivery = (uint8_t)options->delivery,
        .next_delivery = (uint8_t)options->delivery,
        .client = client,
        .masking = client,
    };
    weir_parser_init(&endpoint->parser, client ? WEIR_MASK_FORBIDDEN : WEIR_MASK_REQUIRED,
                     endpoint->max_frame_size);
    set_ping(endpoint, options->ping_interval_ms, options->ping_timeout_ms);
}

int weir__endpoint_init(weir_endpoint *endpoint, const weir_endpoint_options *options,
                        uint64_t now_ms)
{
    if (options->random == NULL ||
        (options->role != WEIR_ROLE_CLIENT && options->role != WEIR_ROLE_SERVER) ||
        (unsigned)options->delivery > WEIR_DELIVER_FRAMES)
        return WEIR_EINVAL;
    begin(endpoint, options, now_ms);
    weir__endpoint_ping_restart(endpoint);
    return WEIR_OK;
}

/* The limit is for the payload before it was compressed. One that does not shrink grows: by a
 * hundredth at zlib's least memory level. */
static void set_frame_limit(weir_endpoint *endpoint, uint64_t size)
{
    uint64_t growth = endpoint->codec != NULL ? size / 32 + 64 : 0;
    endpoint->max_frame_size = size;
    endpoint->parser.max_frame_size = weir__add_capped(size, growth);
}

void weir_endpoint_set_codec(weir_endpoint *endpoint, weir_codec *codec)
{
    endpoint->codec = codec;
    endpoint->parser.rsv_allowed |= WEIR__RSV_CODED;
    set_frame_limit(endpoint, endpoint->max_frame_size);
}

/* Whether no message, control frame or Close is in progress, in either direction. */
static bool may_park(const weir_endpoint *endpoint)
{
    bool owes = endpoint->pong_owed || endpoint->ping_owed || endpoint->pong_awaited;
    return endpoint->close_state == WEIR__CLOSE_OPEN && endpoint->end_kind == WEIR_END_NONE &&
           !owes && !endpoint->eof && !endpoint->held && !endpoint->in_decoding &&
           endpoint->in_size == 0 && endpoint->out_type == 0 &&
           weir__parser_is_idle(&endpoint->parser) && endpoint->rare == NULL &&
           endpoint->max_message_size == size_or_default(endpoint->options->max_message_size) &&
           endpoint->next_delivery == (uint8_t)endpoint->options->delivery;
}

bool weir__endpoint_park(weir_endpoint *endpoint, struct weir__endpoint_parked *out)
{
    weir__endpoint_free_empty(endpoint);
    if (!may_park(endpoint))
        return false;
    *out = (struct weir__endpoint_parked){
        .codec = endpoint->codec,
        .offset = endpoint->parser.offset,
        .deadline_ms = endpoint->deadline_ms,
        .max_frame_size = endpoint->max_frame_size,
        .ping_interval_ms = endpoint->ping_interval_ms,
        .ping_timeout_ms = endpoint->ping_timeout_ms,
        .round_trip_ms = endpoint->round_trip_ms,
        .masking = endpoint->masking,
    };
    return true;
}

void weir__endpoint_unpark(weir_endpoint *endpoint, const weir_endpoint_options *options,
                           const struct weir__endpoint_parked *parked, uint64_t now_ms)
{
    begin(endpoint, options, now_ms);
    endpoint->parser.offset = parked->offset;
    endpoint->deadline_ms = parked->deadline_ms;
    endpoint->ping_interval_ms = parked->ping_interval_ms;
    endpoint->ping_timeout_ms = parked->ping_timeout_ms;
    endpoint->round_trip_ms = parked->round_trip_ms;
    endpoint->masking = parked->masking;
    endpoint->max_frame_size = parked->max_frame_size;
    if (parked->codec != NULL)
        weir_endpoint_set_codec(endpoint, parked->codec);
    else
        set_frame_limit(endpoint, parked->max_frame_size);
}

static void free_rare(weir_endpoint *endpoint)
{
    if (endpoint->rare == NULL)
        return;
    weir_collector_fini(&endpoint->rare->collector);
    weir__free(&endpoint->options->allocator, endpoint->rare, sizeof *endpoint->rare);
    endpoint->rare = NULL;
}

void weir__endpoint_fini(weir_endpoint *endpoint)
{
    free_rare(endpoint);
    if (endpoint->codec != NULL)
        endpoint->codec->ops->free(endpoint->codec);
    endpoint->codec = NULL;
}

/* An endpoint of weir_endpoint_new() has its options beside it. */
struct owned {
    weir_endpoint endpoint;
    weir_endpoint_options options;
};

int weir_endpoint_new(weir_endpoint **out, const weir_endpoint_options *options, uint64_t now_ms)
{
    *out = NULL;
    struct owned *owned = weir__alloc(&options->allocator, sizeof *owned);
    if (owned == NULL)
        return WEIR_ENOMEM;
    owned->options = *options;
    int status = weir__endpoint_init(&owned->endpoint, &owned->options, now_ms);
    if (status != WEIR_OK) {
        weir__free(&options->allocator, owned, sizeof *owned);
        return status;
    }
    *out = &owned->endpoint;
    return WEIR_OK;
}

void weir_endpoint_free(weir_endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    weir__endpoint_fini(endpoint);
    weir_allocator allocator = endpoint->options->allocator;
    weir__free(&allocator, endpoint, sizeof(struct owned));
}

struct weir__endpoint_rare *weir__endpoint_rare(weir_endpoint *endpoint)
{
    if (endpoint->rare != NULL)
        return endpoint->rare;
    struct weir__endpoint_rare *rare = weir__alloc(&endpoint->options->allocator, sizeof *rare);
    if (rare == NULL)
        return NULL;
    memset(rare, 0, sizeof *rare);
    weir_collector_init(&rare->collector, &endpoint->options->allocator);
    endpoint->rare = rare;
    return rare;
}

void weir__endpoint_free_empty(weir_endpoint *endpoint)
{
    const struct weir__endpoint_rare *rare = endpoint->rare;
    if (rare == NULL || endpoint->pong_owed || rare->ours_size > 0 || rare->theirs_size > 0 ||
        rare->collector.block != NULL)
        return;
    bool in_control = (endpoint->head_type & 8) != 0 &&
                      !weir_parser_is_between_frames(&endpoint->parser) &&
                      endpoint->parser.state == WEIR__IN_PAYLOAD;
    if (!in_control)
        free_rare(endpoint);
}

void weir__endpoint_clock(weir_endpoint *endpoint, uint64_t now_ms)
{
    endpoint->now_ms = now_ms;
    if (endpoint->deadline_ms == 0)
        endpoint->deadline_ms = weir__add_capped(now_ms, weir__endpoint_close_period(endpoint));
}

int weir_endpoint_feed(weir_endpoint *endpoint, void *in, size_t size, uint64_t now_ms)
{
    if (endpoint->in_size > 0)
        return WEIR_ESTATE;
    weir__endpoint_clock(endpoint, now_ms);
    endpoint->in = in;
    endpoint->in_size = weir__endpoint_input_alive(endpoint) ? size : 0;
    return WEIR_OK;
}

static int dispatch(weir_endpoint *endpoint, const weir_parser_event *parsed, weir_event *event)
{
    if (parsed->kind == WEIR_PARSER_PAYLOAD) {
        bool control = (endpoint->head_type & 8) != 0;
        return control ? weir__endpoint_on_control(endpoint, parsed, event)
                       : weir__endpoint_on_data(endpoint, parsed, event);
    }
    if ((parsed->head.type & 8) == 0)
        return weir__endpoint_on_data_head(endpoint, &parsed->head, event);
    weir__endpoint_on_control_head(endpoint, &parsed->head);
    return WEIR__GO_ON;
}

static int step(weir_endpoint *endpoint, weir_event *event)
{
    weir_parser_event parsed;
    size_t eaten;
    if (endpoint->in_decoding)
        return weir__endpoint_decode(endpoint, event);
    int status =
        weir_parser_feed(&endpoint->parser, endpoint->in, endpoint->in_size, &eaten, &parsed);
    endpoint->in_size -= eaten;
    if (eaten > 0)
        endpoint->in += eaten;
    if (status == WEIR_OK)
        return dispatch(endpoint, &parsed, event);
    if (status == WEIR_EAGAIN)
        return status;
    return weir__endpoint_report(endpoint, event, (enum weir__rule)endpoint->parser.rule,
                                 endpoint->parser.offset);
}

/* The next event where no whole small message is next. */
static __attribute__((noinline)) int next_any(weir_endpoint *endpoint, weir_event *event)
{
    int status = WEIR__GO_ON;
    while (status == WEIR__GO_ON && weir__endpoint_input_alive(endpoint))
        status = step(endpoint, event);
    if (status == WEIR_EAGAIN)
        weir__endpoint_free_empty(endpoint);
    return status == WEIR__GO_ON ? WEIR_CLOSED : status;
}

int weir_endpoint_next(weir_endpoint *endpoint, weir_event *event)
{
    enum weir__whole whole = weir__endpoint_take_whole(endpoint, &event->frame);
    if (whole == WEIR__WHOLE) {
        event->kind = WEIR_EVENT_FRAME;
        event->first = event->last = true;
        return WEIR_OK;
    }
    if (whole == WEIR__NOT_WHOLE)
        return weir__endpoint_input_drained(endpoint) ? WEIR_EAGAIN : next_any(endpoint, event);
    *event = (weir_event){.kind = WEIR_EVENT_FAULT};
    return WEIR_OK;
}

size_t weir_endpoint_pending_input(uint8_t **rest, const weir_endpoint *endpoint)
{
    *rest = endpoint->in_size > 0 ? endpoint->in : NULL;
    return endpoint->in_size;
}

size_t weir_endpoint_room(uint8_t **room, const weir_endpoint *endpoint)
{
    *room = NULL;
    if (endpoint->rare == NULL || endpoint->in_size > 0 || (endpoint->head_type & 8) != 0 ||
        endpoint->parser.state != WEIR__IN_PAYLOAD || !weir__endpoint_input_alive(endpoint))
        return 0;
    return weir__collector_room(&endpoint->rare->collector, room);
}

void weir_endpoint_move_input(weir_endpoint *endpoint, void *in)
{
    if (endpoint->in_size > 0)
        endpoint->in = in;
}

void weir_endpoint_eof(weir_endpoint *endpoint, int status, uint64_t now_ms)
{
    weir__endpoint_clock(endpoint, now_ms);
    weir__endpoint_on_eof(endpoint, status);
}

/* How much of a cause's text fits into a Close. */
static size_t cause_size(const char *text)
{
    return weir_utf8_cut(text, strlen(text), WEIR_CLOSE_MESSAGE_MAX);
}

static int flush_close(weir_endpoint *endpoint, unsigned code, const char *text, weir_buffer *out)
{
    size_t size = text != NULL ? cause_size(text) : 0;
    int status = weir__endpoint_append_close(endpoint, code, text, size, out);
    if (status == WEIR_OK)
        weir__endpoint_on_close_sent(endpoint, code);
    return status;
}

/* The answer to the peer's Close has the same code and text. */
static int flush_answer(weir_endpoint *endpoint, weir_buffer *out)
{
    struct weir__endpoint_rare *rare = endpoint->rare;
    const char *text = rare != NULL ? rare->theirs : NULL;
    size_t size = rare != NULL ? rare->theirs_size : 0;
    int status = weir__endpoint_append_close(endpoint, endpoint->theirs, text, size, out);
    if (status != WEIR_OK)
        return status;
    if (size > 0) {
        memcpy(rare->ours, rare->theirs, size);
        rare->ours_size = (uint8_t)size;
    }
    weir__endpoint_on_close_sent(endpoint, endpoint->theirs);
    return WEIR_OK;
}

int weir_endpoint_flush(weir_endpoint *endpoint, uint64_t now_ms, weir_buffer *out)
{
    weir__endpoint_clock(endpoint, now_ms);
    enum weir__rule rule = (enum weir__rule)endpoint->parser.rule;
    int status = weir__endpoint_append_pong(endpoint, out);
    if (status == WEIR_OK)
        status = weir__endpoint_append_ping(endpoint, out);
    if (status == WEIR_OK && endpoint->close_state == WEIR__CLOSE_OWED)
        status = flush_answer(endpoint, out);
    else if (status == WEIR_OK && endpoint->close_state == WEIR__CLOSE_FAILED)
        status = flush_close(endpoint, weir__rule_close_code(rule), weir__rule_text(rule), out);
    weir__endpoint_free_empty(endpoint);
    return status;
}

unsigned weir_endpoint_wants(const weir_endpoint *endpoint)
{
    if (weir__endpoint_is_idle(endpoint))
        return 0;
    unsigned flush = endpoint->pong_owed || endpoint->ping_owed ? WEIR_WANT_FLUSH : 0;
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
    case WEIR__CLOSE_SENT:
    case WEIR__CLOSE_RECEIVED:
        return flush;
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
        return WEIR_WANT_FLUSH;
    case WEIR__CLOSE_DONE:
        return endpoint->shutdown ? WEIR_WANT_SHUTDOWN : 0;
    case WEIR__CLOSE_GONE:
        break;
    }
    return WEIR_WANT_CLOSE;
}

uint64_t weir_endpoint_deadline(const weir_endpoint *endpoint)
{
    return weir__endpoint_deadline(endpoint);
}

static int end_by_ping(weir_endpoint *endpoint, weir_buffer *out)
{
    const char *text = weir__rule_text(WEIR__RULE_PING);
    int status = WEIR_OK;
    if (out != NULL)
        status = weir__endpoint_append_close(endpoint, weir__rule_close_code(WEIR__RULE_PING), text,
                                             cause_size(text), out);
    weir__endpoint_on_ping_timeout(endpoint);
    return status;
}

/* After a late tick the peer has the time for its pong again, once for each ping. */
static bool grant_grace(weir_endpoint *endpoint)
{
    if (endpoint->ping_grace_used || endpoint->now_ms - endpoint->deadline_ms < LATE_TICK_MS)
        return false;
    endpoint->ping_grace_used = true;
    weir__endpoint_ping_defer(endpoint);
    return true;
}

static int pass_ping_deadline(weir_endpoint *endpoint, weir_buffer *out)
{
    if (!endpoint->pong_awaited)
        return weir__endpoint_ping(endpoint, out);
    return grant_grace(endpoint) ? WEIR_OK : end_by_ping(endpoint, out);
}

int weir_endpoint_tick(weir_endpoint *endpoint, uint64_t now_ms, weir_buffer *out)
{
    weir__endpoint_clock(endpoint, now_ms);
    if (now_ms < weir_endpoint_deadline(endpoint))
        return WEIR_OK;
    if (endpoint->close_state == WEIR__CLOSE_OPEN)
        return pass_ping_deadline(endpoint, out);
    weir__endpoint_on_close_timeout(endpoint);
    return WEIR_OK;
}

void weir_endpoint_hold(weir_endpoint *endpoint, bool held, uint64_t now_ms)
{
    weir__endpoint_clock(endpoint, now_ms);
    if (endpoint->held == held)
        return;
    endpoint->held = held;
    if (!endpoint->pong_awaited)
        return;
    if (!held)
        endpoint->deadline_ms = weir__add_capped(now_ms, endpoint->deadline_ms);
    else if (endpoint->deadline_ms > now_ms)
        endpoint->deadline_ms -= now_ms;
    else
        endpoint->deadline_ms = 1;
}

void weir_endpoint_terminate(weir_endpoint *endpoint)
{
    weir__endpoint_on_terminate(endpoint);
}

bool weir_endpoint_input_ended(const weir_endpoint *endpoint)
{
    return !weir__endpoint_input_alive(endpoint);
}

static int status_of_end(const weir_endpoint *endpoint)
{
    enum weir_end_kind kind = (enum weir_end_kind)endpoint->end_kind;
    if (kind == WEIR_END_PROTOCOL || kind == WEIR_END_TOO_BIG)
        return weir__rule_status((enum weir__rule)endpoint->parser.rule);
    return kind == WEIR_END_IO ? endpoint->io_status : weir__end_plain(kind)->status;
}

static void fill_reason(weir_close_reason *out, unsigned code, const char *message, size_t size)
{
    out->code = (uint16_t)code;
    out->message_size = (uint8_t)size;
    if (size > 0)
        memcpy(out->message, message, size);
}

void weir_endpoint_end_get(weir_end *out, const weir_endpoint *endpoint)
{
    const struct weir__endpoint_rare *rare = endpoint->rare;
    enum weir__rule rule = (enum weir__rule)endpoint->parser.rule;
    *out = (weir_end){
        .kind = (enum weir_end_kind)endpoint->end_kind,
        .by_peer = endpoint->by_peer,
        .status = status_of_end(endpoint),
    };
    if (out->kind == WEIR_END_PROTOCOL || out->kind == WEIR_END_TOO_BIG)
        weir_parser_fault_get(&out->fault, &endpoint->parser);
    if (endpoint->ours_is_cause)
        fill_reason(&out->ours, endpoint->ours, weir__rule_text(rule),
                    cause_size(weir__rule_text(rule)));
    else
        fill_reason(&out->ours, endpoint->ours, rare != NULL ? rare->ours : NULL,
                    rare != NULL ? rare->ours_size : 0);
    fill_reason(&out->theirs, endpoint->theirs, rare != NULL ? rare->theirs : NULL,
                rare != NULL ? rare->theirs_size : 0);
}

void weir_endpoint_set_delivery(weir_endpoint *endpoint, enum weir_delivery delivery)
{
    bool was_raw = endpoint->next_delivery == WEIR_DELIVER_FRAMES;
    endpoint->next_delivery = (uint8_t)delivery;
    if (was_raw != (delivery == WEIR_DELIVER_FRAMES))
        weir__endpoint_ping_restart(endpoint);
}

void weir_endpoint_set_limits(weir_endpoint *endpoint, uint64_t max_frame_size,
                              uint64_t max_message_size)
{
    set_frame_limit(endpoint, size_or_default(max_frame_size));
    endpoint->max_message_size = size_or_default(max_message_size);
}

void weir_endpoint_set_ping(weir_endpoint *endpoint, uint64_t interval_ms, uint64_t timeout_ms,
                            uint64_t now_ms)
{
    weir__endpoint_clock(endpoint, now_ms);
    set_ping(endpoint, interval_ms, timeout_ms);
    if (!endpoint->pong_awaited || endpoint->ping_interval_ms == WEIR__NO_MS)
        weir__endpoint_ping_restart(endpoint);
}

void weir_endpoint_set_masking(weir_endpoint *endpoint, bool masking)
{
    endpoint->masking = masking;
}

bool weir_endpoint_masking(const weir_endpoint *endpoint)
{
    return endpoint->masking;
}

uint64_t weir_endpoint_round_trip_ms(const weir_endpoint *endpoint)
{
    return endpoint->round_trip_ms != UINT32_MAX ? endpoint->round_trip_ms : WEIR_UNLIMITED;
}
