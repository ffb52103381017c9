#include "bench_traffic.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <weir/mask.h>

/* A masked Close with code 1000, and nothing else. */
#define CLOSE_SIZE 8

/* --- out --- */

static void add_message(bench_run *run, bench_connection *connection)
{
    bench_load *load = connection->load;
    size_t place = connection->times_at + connection->in_flight;
    connection->times_ns[place < load->depth ? place : place - load->depth] = run->now_ns;
    connection->in_flight++;
    connection->left += load->ring.sizes[connection->next_frame];
    if (++connection->next_frame == load->ring.count)
        connection->next_frame = 0;
    load->sent += run->measuring && !run->handshakes;
}

/* How many messages may be in flight now. */
static size_t depth_of(const bench_run *run, const bench_connection *connection)
{
    const bench_load *load = connection->load;
    if (!connection->warm || run->handshakes)
        return connection->state == BENCH_OPEN ? 1 : 0;
    return run->measuring && !load->idle && load->rate == 0 ? load->depth : 0;
}

/* Returns false when the kernel takes no more now. epoll reports when it does again. */
static bool send_control(bench_run *run, const bench_connection *connection,
                         enum weir_frame_type type, const uint8_t *payload, size_t size)
{
    uint8_t out[WEIR_FRAME_HEAD_MAX + 125];
    weir_frame_head head = {.size = size, .opcode = (uint8_t)type, .fin = true, .masked = true};
    bench_random(head.key, sizeof head.key, NULL);
    size_t total = weir_frame_head_write(out, &head);
    weir_mask_copy(out + total, payload, size, head.key, 0);
    total += size;
    ssize_t sent = send(connection->fd, out, total, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN)
        return false;
    if (sent != (ssize_t)total)
        bench_fail(run, CLI_EXIT_ABNORMAL, "connection lost: %s", strerror(errno));
    return true;
}

static bool send_frames(bench_run *run, bench_connection *connection)
{
    const bench_ring *ring = &connection->load->ring;
    while (connection->left > 0) {
        ssize_t sent = send(connection->fd, ring->frames.data + connection->at, connection->left,
                            MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                bench_fail(run, CLI_EXIT_ABNORMAL, "connection lost: %s", strerror(errno));
            return false;
        }
        connection->at += (size_t)sent;
        if (connection->at >= ring->wire_size)
            connection->at %= ring->wire_size;
        connection->left -= (size_t)sent;
    }
    return true;
}

/* Sends a pong that is owed if no frame is half sent: it goes ahead of further messages. Returns
 * false when the kernel takes no more now. */
static bool send_pong(bench_run *run, bench_connection *connection)
{
    if (connection->pong_owed && connection->left == 0)
        connection->pong_owed = !send_control(run, connection, WEIR_FRAME_PONG, connection->control,
                                              connection->control_size);
    return !connection->pong_owed || connection->left > 0;
}

void bench_send(bench_run *run, bench_connection *connection)
{
    size_t depth = depth_of(run, connection);
    if (!send_pong(run, connection))
        return;
    while (connection->in_flight < depth &&
           (connection->load->sent < connection->load->quota || run->handshakes))
        add_message(run, connection);
    if (connection->left > 0 && send_frames(run, connection))
        (void)send_pong(run, connection);
}

void bench_pace(bench_run *run, bench_load *load)
{
    uint64_t step_ns = UINT64_C(1000000000) / load->rate;
    for (; load->next_ns <= run->now_ns && load->sent < load->quota; load->next_ns += step_ns) {
        bench_connection *connection = &run->connections[load->first + load->turn];
        if (++load->turn == load->connection_count)
            load->turn = 0;
        if (connection->in_flight == load->depth) {
            load->late++;
            continue;
        }
        run->now_ns = bench_now_ns(); /* our own delay is no part of the latency */
        add_message(run, connection);
        bench_send(run, connection);
    }
}

/* --- in --- */

static void begin_close(bench_run *run, bench_connection *connection)
{
    static const uint8_t normal[] = {WEIR_CLOSE_NORMAL >> 8, WEIR_CLOSE_NORMAL & 0xff};
    connection->state = BENCH_CLOSING;
    if (!send_control(run, connection, WEIR_FRAME_CLOSE, normal, sizeof normal))
        bench_fail(run, CLI_EXIT_FAILED, "the Close could not be sent");
}

static void take_answer(bench_run *run, bench_connection *connection)
{
    bench_load *load = connection->load;
    connection->received = 0;
    if (run->measuring && !run->handshakes) {
        load->answered++;
        bench_histogram_add(&load->latency,
                            run->now_ns - connection->times_ns[connection->times_at]);
    }
    if (++connection->times_at == load->depth)
        connection->times_at = 0;
    if (++connection->next_answer == load->ring.count)
        connection->next_answer = 0;
    connection->in_flight--;
    if (!connection->warm) {
        connection->warm = true;
        run->opening--;
    }
    if (run->handshakes)
        begin_close(run, connection);
}

/* The Close has come back: one more handshake is complete. */
static void take_close(bench_run *run, bench_connection *connection)
{
    bench_load *load = connection->load;
    load->answered++;
    bench_histogram_add(&load->latency, run->now_ns - connection->opened_ns);
    bench_close(run, connection);
}

static void take_raw(bench_run *run, bench_connection *connection, size_t size)
{
    const bench_ring *ring = &connection->load->ring;
    connection->received += size;
    while (connection->in_flight > 0 &&
           connection->received >= ring->sizes[connection->next_answer]) {
        uint64_t rest = connection->received - ring->sizes[connection->next_answer];
        take_answer(run, connection);
        connection->received = rest;
    }
    if (connection->state == BENCH_CLOSING && connection->received >= CLOSE_SIZE)
        take_close(run, connection);
}

/* Compares the first message of a connection with what was sent. */
static bool is_as_sent(const bench_connection *connection, const uint8_t *data, size_t size)
{
    const bench_ring *ring = &connection->load->ring;
    const uint8_t *message = ring->messages + connection->next_answer * ring->message_size;
    return connection->received + size <= ring->message_size &&
           memcmp(message + connection->received, data, size) == 0;
}

static bool inflate(bench_connection *connection, const weir_parser_event *event, bool last)
{
    weir_codec_incoming part = {.data = event->data, .size = event->size, .last = last};
    do {
        if (connection->codec->ops->decode(connection->codec, &part) != WEIR_OK ||
            !is_as_sent(connection, part.out, part.out_size))
            return false;
        connection->received += part.out_size;
        part.data += part.eaten;
        part.size -= part.eaten;
    } while (part.size > 0);
    return true;
}

/* Whether a piece can be part of the answer that is due. */
static bool check_piece(bench_connection *connection, const weir_parser_event *event, bool last)
{
    if (connection->compressed && connection->warm)
        return true; /* it is not inflated, and its size says nothing */
    if (connection->compressed) {
        if (!inflate(connection, event, last))
            return false;
    } else {
        if (!connection->warm && !is_as_sent(connection, event->data, event->size))
            return false;
        connection->received += event->size;
    }
    return !last || connection->received == connection->load->ring.message_size;
}

static bool take_head(bench_connection *connection, const weir_frame_head *head)
{
    if (weir_frame_type_is_control((enum weir_frame_type)head->opcode)) {
        connection->control_type = head->opcode;
        connection->control_size = 0;
        connection->pong_owed = connection->pong_owed && head->opcode != WEIR_FRAME_PING;
        return true;
    }
    connection->control_type = 0;
    connection->fin = head->fin;
    if (head->opcode != 0)
        connection->compressed = head->rsv != 0;
    return connection->in_flight > 0 && head->type == connection->load->ring.type;
}

static void take_control(bench_run *run, bench_connection *connection,
                         const weir_parser_event *event)
{
    memcpy(connection->control + connection->control_size, event->data, event->size);
    connection->control_size += event->size;
    if (!event->last)
        return;
    if (connection->control_type == WEIR_FRAME_PING)
        connection->pong_owed = true;
    else if (connection->control_type == WEIR_FRAME_CLOSE && connection->state == BENCH_CLOSING)
        take_close(run, connection);
    else if (connection->control_type == WEIR_FRAME_CLOSE)
        bench_fail(run, CLI_EXIT_CLOSED, "the server closes the connection");
}

/* Returns false when the event is no part of what was sent. */
static bool take_event(bench_run *run, bench_connection *connection, const weir_parser_event *event)
{
    if (event->kind == WEIR_PARSER_HEAD)
        return take_head(connection, &event->head);
    if (connection->control_type != 0) {
        take_control(run, connection, event);
        return true;
    }
    bool last = event->last && connection->fin;
    if (!check_piece(connection, event, last))
        return false;
    if (last)
        take_answer(run, connection);
    return true;
}

static void take_frames(bench_run *run, bench_connection *connection, uint8_t *data, size_t size)
{
    weir_parser_event event;
    size_t eaten;
    int status = WEIR_OK;
    while (connection->state >= BENCH_OPEN && run->failed == 0) {
        status = weir_parser_feed(&connection->parser, data, size, &eaten, &event);
        if (status != WEIR_OK)
            break;
        data += eaten;
        size -= eaten;
        if (!take_event(run, connection, &event))
            bench_fail(run, CLI_EXIT_FAILED, "an answer is not what was sent: is that an echo?");
    }
    if (status < 0 && status != WEIR_EAGAIN) {
        weir_fault fault;
        weir_parser_fault_get(&fault, &connection->parser);
        bench_fail(run, CLI_EXIT_PROTOCOL, "the server broke the protocol: %s", fault.rule);
    }
}

void bench_take(bench_run *run, bench_connection *connection, uint8_t *data, size_t size)
{
    if (run->raw)
        take_raw(run, connection, size);
    else
        take_frames(run, connection, data, size);
}
