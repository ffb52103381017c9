/* tests/ws/two_loops.h - a server and a client in one thread, each on a loop of its own over the
 * kernel's sockets. So a test that injects faults into system calls knows which of the two makes
 * them. The conversation uses most kinds of calls. Include it after session_rig.h. */
#ifndef WEIR_TESTS_TWO_LOOPS_H
#define WEIR_TESTS_TWO_LOOPS_H

#include "rt/sys.h"
#include "support/descriptors.h"

#include <stdio.h>
#include <stdlib.h>

#define HANG_MS    20000 /* only a hang takes longer */
#define NOT_YET    12345 /* a status that no call returns */
#define LARGE_SIZE ((size_t)100000)

struct side {
    const char *name;
    weir_loop *loop;
    failing_allocator memory;
    weir_session *session; /* while it is there */
    weir_end end;          /* of the last session */
};

struct stage {
    struct side server;
    struct side client;
    weir_server *listening;
    size_t descriptors;
    int start_status; /* of the server */
    bool large;       /* a large message is part of the conversation */
    /* Of the current conversation. */
    unsigned served; /* sessions that the server has opened, and that have ended */
    unsigned ended;
    int open_status;
    int talk_status;
    unsigned pings;
    bool over;
};

/* Whose turn it is. */
static struct side *acting;

static inline weir_session_options talkative_options(void)
{
    weir_session_options options = {.close_timeout_ms = 2000};
#ifdef WEIR_HAVE_DEFLATE
    options.deflate = (weir_deflate_options){.enabled = true, .compress_min = 64};
#endif
    return options;
}

/* A large message is not compressed, so that it is written from where it lies. */
static inline uint8_t compress_by_size(size_t size)
{
    return size == LARGE_SIZE ? WEIR_COMPRESS_NEVER : WEIR_COMPRESS_DEFAULT;
}

/* --- the server --- */

static inline int echo_all(weir_session *session, void *arg)
{
    struct stage *stage = arg;
    weir_frame frame;
    int status;
    stage->server.session = session;
    stage->served++;
    while ((status = weir_receive(session, &frame)) == WEIR_OK) {
        frame.compress = compress_by_size(frame.size);
        if ((status = weir_send(session, &frame)) != WEIR_OK)
            break;
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static inline void note_server_end(weir_session *session, const weir_end *end, void *arg)
{
    struct stage *stage = arg;
    (void)session;
    stage->server.session = NULL;
    stage->server.end = *end;
    stage->ended++;
}

static inline void count_ping(weir_session *session, const weir_frame *frame, void *arg)
{
    struct stage *stage = arg;
    (void)session;
    stage->pings += frame->type == WEIR_FRAME_PING;
}

static inline int start_server(void *arg)
{
    struct stage *stage = arg;
    weir_serve_options options = {.url = "ws://127.0.0.1:0/talk",
                                  .handler = echo_all,
                                  .on_close = note_server_end,
                                  .arg = stage,
                                  .session = talkative_options()};
    options.session.observer = (weir_observer){.frame_in = count_ping, .arg = stage};
    stage->start_status =
        weir_server_start(&stage->listening, weir_loop_scope(stage->server.loop), &options);
    return WEIR_OK;
}

/* --- the client --- */

static inline int expect_answer(weir_session *session, const void *data, size_t size)
{
    weir_frame frame;
    int status = weir_receive(session, &frame);
    if (status != WEIR_OK)
        return status;
    assert_int_equal(frame.size, size);
    assert_memory_equal(frame.data, data, size);
    weir_frame_release(&frame);
    return WEIR_OK;
}

static inline int say_text(weir_session *session, const char *text)
{
    int status = weir_send_text(session, text);
    return status == WEIR_OK ? expect_answer(session, text, strlen(text)) : status;
}

static inline int say_in_fragments(weir_session *session)
{
    weir_message message;
    int status = weir_message_begin(&message, session, WEIR_FRAME_TEXT);
    if (status != WEIR_OK)
        return status;
    status = weir_message_write(&message, "one, ", 5);
    if (status == WEIR_OK)
        status = weir_message_write(&message, "two", 3);
    int ended = weir_message_end(&message);
    if (status == WEIR_OK)
        status = ended;
    return status == WEIR_OK ? expect_answer(session, "one, two", 8) : status;
}

static inline int say_binary(weir_session *session, size_t size)
{
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i / 7 * (i / 1000 + 1));
    weir_frame frame = weir_frame_binary(data, size);
    frame.compress = compress_by_size(size);
    int status = weir_send(session, &frame);
    if (status == WEIR_OK)
        status = expect_answer(session, data, size);
    free(data);
    return status;
}

static inline int talk(const struct stage *stage, weir_session *session)
{
    int status = say_text(session, "hello");
    if (status == WEIR_OK)
        status = say_in_fragments(session);
    if (status == WEIR_OK)
        status = weir_send_ping(session, "?", 1);
    if (status == WEIR_OK)
        status = say_binary(session, 200);
    if (status == WEIR_OK && stage->large)
        status = say_binary(session, LARGE_SIZE);
    return status;
}

static inline int run_client(void *arg)
{
    struct stage *stage = arg;
    struct side *side = &stage->client;
    weir_connect_options options = {.url = weir_server_url(stage->listening),
                                    .session = talkative_options()};
    stage->open_status = weir_client_open(&side->session, weir_scope_current(), &options);
    if (stage->open_status == WEIR_OK) {
        stage->talk_status = talk(stage, side->session);
        int closed = weir_close(side->session, WEIR_CLOSE_NORMAL, "done");
        if (stage->talk_status == WEIR_OK)
            stage->talk_status = closed;
        (void)!weir_session_join(side->session);
        weir_session_end_get(&side->end, side->session);
        weir_session_free(side->session);
        side->session = NULL;
    }
    stage->over = true;
    return WEIR_OK;
}

/* --- the stage --- */

static inline int open_side(struct side *side, const char *name)
{
    side->name = name;
    failing_allocator_init(&side->memory, 0);
    acting = side;
    return weir_loop_new(&side->loop, &(weir_loop_options){.read_buffer_size = 4096,
                                                           .allocator = side->memory.allocator});
}

static inline bool close_side(struct side *side)
{
    acting = side;
    weir_loop_free(side->loop);
    side->loop = NULL;
    if (!failing_allocator_is_clean(&side->memory))
        print_error("%s: %zu bytes left\n", side->name, side->memory.live_bytes);
    return failing_allocator_is_clean(&side->memory);
}

/* Whether nothing is left. */
static inline bool close_stage(struct stage *stage)
{
    acting = &stage->server;
    weir_server_free(stage->listening);
    bool clean = close_side(&stage->client);
    clean = close_side(&stage->server) && clean;
    acting = NULL;
    return clean && count_descriptors() == stage->descriptors;
}

/* Gets what a turn returned. */
typedef void turn_hook(const struct side *side, int status);

static inline void take_turn_of(struct side *side, int64_t timeout_ms, turn_hook *on_turn)
{
    acting = side;
    on_turn(side, weir_loop_turn(side->loop, timeout_ms));
}

/* Returns WEIR_OK, or why the stage cannot be opened; then nothing is left. */
static inline int open_stage(struct stage *stage, turn_hook *on_turn)
{
    *stage = (struct stage){.start_status = NOT_YET, .descriptors = count_descriptors()};
    int status = open_side(&stage->server, "server");
    if (status == WEIR_OK)
        status = open_side(&stage->client, "client");
    acting = &stage->server;
    if (status == WEIR_OK)
        status = weir_go(weir_loop_scope(stage->server.loop), "start", start_server, stage);
    while (status == WEIR_OK && stage->start_status == NOT_YET)
        take_turn_of(&stage->server, 0, on_turn);
    if (status == WEIR_OK)
        status = stage->start_status;
    if (status != WEIR_OK)
        assert_true(close_stage(stage));
    return status;
}

static inline bool is_quiet(const struct stage *stage)
{
    return stage->over && stage->served == stage->ended &&
           weir_server_session_count(stage->listening) == 0 &&
           weir_loop_coroutine_count(stage->server.loop) == 0 &&
           weir_loop_coroutine_count(stage->client.loop) == 0;
}

/* Runs turns of both loops, one after the other, until both are done. False: it hangs. */
static inline bool hold_conversation(struct stage *stage, turn_hook *on_turn)
{
    uint64_t limit_ms = weir__sys_clock_ms() + HANG_MS;
    stage->served = stage->ended = stage->pings = 0;
    stage->open_status = stage->talk_status = NOT_YET;
    stage->over = false;
    memset(&stage->server.end, 0, sizeof stage->server.end);
    memset(&stage->client.end, 0, sizeof stage->client.end);
    acting = &stage->client;
    assert_ok(weir_go(weir_loop_scope(stage->client.loop), "client", run_client, stage));
    for (unsigned turns = 0; !is_quiet(stage); turns++) {
        if (weir__sys_clock_ms() > limit_ms)
            return false;
        take_turn_of(&stage->client, 0, on_turn);
        take_turn_of(&stage->server, turns > 1000 ? 1 : 0, on_turn);
    }
    return true;
}

/* Whether the conversation was whole, and both ends have seen that. */
static inline bool was_whole(const struct stage *stage)
{
    return stage->open_status == WEIR_OK && stage->talk_status == WEIR_OK && stage->pings == 1 &&
           stage->client.end.kind == WEIR_END_CLEAN && stage->server.end.kind == WEIR_END_CLEAN &&
           stage->client.end.ours.code == WEIR_CLOSE_NORMAL &&
           stage->server.end.theirs.code == WEIR_CLOSE_NORMAL && stage->served == 1;
}

#endif
