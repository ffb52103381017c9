#include "wire/endpoint_parts.h"

#include "wire/parser.h"

/* How long a stream that this side has ended first is drained (RFC 6455 7.1.1: a server ends TCP
 * first). */
#define LINGER_MS 1000

static uint64_t close_timeout(const weir_endpoint *endpoint)
{
    uint64_t timeout = endpoint->options->close_timeout_ms;
    return timeout != 0 ? timeout : WEIR_CLOSE_TIMEOUT_DEFAULT_MS;
}

uint64_t weir__endpoint_close_period(const weir_endpoint *endpoint)
{
    uint64_t timeout = close_timeout(endpoint);
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_SENT:
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
        return timeout;
    case WEIR__CLOSE_DONE:
        return endpoint->shutdown && timeout > LINGER_MS ? LINGER_MS : timeout;
    case WEIR__CLOSE_OPEN:
    case WEIR__CLOSE_RECEIVED:
    case WEIR__CLOSE_GONE:
        break;
    }
    return WEIR_UNLIMITED;
}

static void drop_message(weir_endpoint *endpoint)
{
    if (endpoint->rare != NULL)
        weir_collector_fini(&endpoint->rare->collector);
}

static void enter(weir_endpoint *endpoint, enum weir__close_state state)
{
    endpoint->close_state = (uint8_t)state;
    endpoint->pong_awaited = false;
    endpoint->ping_owed = false;
    endpoint->deadline_ms =
        weir__add_capped(endpoint->now_ms, weir__endpoint_close_period(endpoint));
    if (state == WEIR__CLOSE_SENT || state >= WEIR__CLOSE_DONE)
        endpoint->pong_owed = false;
    if (!weir__endpoint_input_alive(endpoint)) {
        endpoint->in_size = 0;
        drop_message(endpoint);
    }
}

/* The first end counts. */
static void end_as(weir_endpoint *endpoint, enum weir_end_kind kind)
{
    if (endpoint->end_kind == WEIR_END_NONE)
        endpoint->end_kind = (uint8_t)kind;
}

static void end_with_status(weir_endpoint *endpoint, int status)
{
    if (endpoint->end_kind == WEIR_END_NONE)
        endpoint->io_status = status;
    end_as(endpoint, WEIR_END_IO);
}

static void await_end_of_stream(weir_endpoint *endpoint, bool shutdown)
{
    endpoint->shutdown = shutdown;
    enter(endpoint, endpoint->eof ? WEIR__CLOSE_GONE : WEIR__CLOSE_DONE);
}

void weir__endpoint_on_close(weir_endpoint *endpoint)
{
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
        endpoint->by_peer = true;
        enter(endpoint,
              endpoint->delivery == WEIR_DELIVER_FRAMES ? WEIR__CLOSE_RECEIVED : WEIR__CLOSE_OWED);
        break;
    case WEIR__CLOSE_SENT:
        end_as(endpoint, WEIR_END_CLEAN);
        await_end_of_stream(endpoint, !endpoint->client);
        break;
    case WEIR__CLOSE_RECEIVED: /* the input has ended: no Close can arrive */
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
    case WEIR__CLOSE_DONE:
    case WEIR__CLOSE_GONE:
        break;
    }
}

void weir__endpoint_on_close_sent(weir_endpoint *endpoint, unsigned code)
{
    endpoint->ours = (uint16_t)code;
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
        enter(endpoint, WEIR__CLOSE_SENT);
        break;
    case WEIR__CLOSE_RECEIVED:
    case WEIR__CLOSE_OWED:
        end_as(endpoint, WEIR_END_CLEAN);
        await_end_of_stream(endpoint, !endpoint->client);
        break;
    case WEIR__CLOSE_FAILED: /* 7.1.7: what the peer still sends is discarded, in either role */
        endpoint->ours_is_cause = true;
        await_end_of_stream(endpoint, true);
        break;
    case WEIR__CLOSE_SENT: /* one Close a side */
    case WEIR__CLOSE_DONE:
    case WEIR__CLOSE_GONE:
        break;
    }
}

static void end_by_rule(weir_endpoint *endpoint, enum weir__rule rule)
{
    switch (weir__rule_status(rule)) {
    case WEIR_ENOMEM:
        end_with_status(endpoint, WEIR_ENOMEM);
        break;
    case WEIR_ETIMEDOUT:
        end_as(endpoint, WEIR_END_PING_TIMEOUT);
        break;
    case WEIR_ETOOBIG:
        end_as(endpoint, WEIR_END_TOO_BIG);
        break;
    default:
        end_as(endpoint, WEIR_END_PROTOCOL);
        break;
    }
}

static void keep_cause(weir_endpoint *endpoint, enum weir__rule rule, uint64_t offset)
{
    endpoint->parser.state = WEIR__PARSER_FAILED;
    endpoint->parser.rule = (uint8_t)rule;
    endpoint->parser.offset = offset;
}

void weir__endpoint_fail(weir_endpoint *endpoint, enum weir__rule rule, uint64_t offset)
{
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
        keep_cause(endpoint, rule, offset);
        end_by_rule(endpoint, rule);
        enter(endpoint, WEIR__CLOSE_FAILED);
        break;
    case WEIR__CLOSE_SENT: /* one Close a side: the peer does not get this cause */
        keep_cause(endpoint, rule, offset);
        end_by_rule(endpoint, rule);
        await_end_of_stream(endpoint, true);
        break;
    case WEIR__CLOSE_RECEIVED: /* the input has ended: no rule can be broken */
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
    case WEIR__CLOSE_DONE:
    case WEIR__CLOSE_GONE:
        break;
    }
}

int weir__endpoint_report(weir_endpoint *endpoint, weir_event *event, enum weir__rule rule,
                          uint64_t offset)
{
    weir__endpoint_fail(endpoint, rule, offset);
    if (rule == WEIR__RULE_MEMORY)
        return WEIR_ENOMEM;
    *event = (weir_event){.kind = WEIR_EVENT_FAULT};
    return WEIR_OK;
}

void weir__endpoint_on_eof(weir_endpoint *endpoint, int status)
{
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_OPEN:
    case WEIR__CLOSE_SENT:
        if (status == WEIR_OK)
            end_as(endpoint, WEIR_END_LOST);
        else
            end_with_status(endpoint, status);
        enter(endpoint, WEIR__CLOSE_GONE);
        break;
    case WEIR__CLOSE_RECEIVED: /* a peer that ended only its write side can read our Close */
    case WEIR__CLOSE_OWED:
    case WEIR__CLOSE_FAILED:
        endpoint->eof = true;
        if (status == WEIR_OK)
            break;
        end_with_status(endpoint, status);
        enter(endpoint, WEIR__CLOSE_GONE);
        break;
    case WEIR__CLOSE_DONE:
        enter(endpoint, WEIR__CLOSE_GONE);
        break;
    case WEIR__CLOSE_GONE:
        break;
    }
}

void weir__endpoint_on_close_timeout(weir_endpoint *endpoint)
{
    switch ((enum weir__close_state)endpoint->close_state) {
    case WEIR__CLOSE_SENT: /* no answer came */
    case WEIR__CLOSE_OWED: /* ours could not be written */
        end_as(endpoint, WEIR_END_CLOSE_TIMEOUT);
        enter(endpoint, WEIR__CLOSE_GONE);
        break;
    case WEIR__CLOSE_FAILED:
    case WEIR__CLOSE_DONE:
        enter(endpoint, WEIR__CLOSE_GONE);
        break;
    case WEIR__CLOSE_OPEN: /* these have no deadline of this kind */
    case WEIR__CLOSE_RECEIVED:
    case WEIR__CLOSE_GONE:
        break;
    }
}

void weir__endpoint_on_ping_timeout(weir_endpoint *endpoint)
{
    keep_cause(endpoint, WEIR__RULE_PING, endpoint->parser.offset);
    end_by_rule(endpoint, WEIR__RULE_PING);
    endpoint->ours = (uint16_t)weir__rule_close_code(WEIR__RULE_PING);
    endpoint->ours_is_cause = true;
    enter(endpoint, WEIR__CLOSE_GONE);
}

void weir__endpoint_on_terminate(weir_endpoint *endpoint)
{
    end_as(endpoint, WEIR_END_CANCELLED);
    enter(endpoint, WEIR__CLOSE_GONE);
}
