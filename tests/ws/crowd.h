/* tests/ws/crowd.h - one end of many sessions in a simulated world: what it sends and receives,
 * when, and how it ends the session; and what must hold of that. Include it after session_rig.h. */
#ifndef WEIR_TESTS_CROWD_H
#define WEIR_TESTS_CROWD_H

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS_MAX 200
#define MESSAGE_MAX ((size_t)20000)
#define HEAD_SIZE   ((size_t)12)
#define DAY_MS      UINT64_C(86400000)
#define CLOSE_MS    2000
/* Our Close may wait for a place in the queue, then for its answer, then the stream is drained. A
 * handler that gets the end late may take the same time again. */
#define ENDING_MS (3 * CLOSE_MS + 2000)

/* What happened over all seeds: a run that did nothing must not pass. */
static struct {
    uint64_t messages;
    uint64_t compressed; /* sessions */
    uint64_t whole;      /* ends that have received all that the other had sent */
    uint64_t floods;
    uint64_t failed_connects;
    uint64_t virtual_ms;
    uint32_t most_ends;
    weir_sim_stats world;
    uint64_t ends[WEIR_END_IO + 1];
} seen;

struct dice {
    uint64_t state;
};

static inline uint32_t roll(struct dice *dice, uint32_t sides)
{
    dice->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = (dice->state ^ dice->state >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((mixed ^ mixed >> 31) % sides);
}

/* A time of any order of magnitude, from 1 ms to a day. */
static inline uint64_t roll_time(struct dice *dice)
{
    uint64_t most = 1;
    for (uint32_t i = roll(dice, 9); i > 0; i--)
        most *= 10;
    return 1 + (roll(dice, 1000) * most / 1000) % DAY_MS;
}

/* How an end of a session ends it after its last message. */
enum way { WAY_STAY, WAY_CLOSE, WAY_CLOSE_NOW, WAY_CANCEL_USER, WAY_CANCEL_SESSION, WAY_TERMINATE };

struct world;

struct end {
    struct world *world;
    struct end *other;
    weir_session *session; /* from its opening to its end */
    struct dice dice;
    uint32_t index;
    uint32_t place; /* among the live ones */
    enum way way;
    bool sleeps; /* does not read for hours */
    bool floods; /* sends much without a pause */
    bool slow;   /* has made the other end wait */
    uint32_t sent;
    uint32_t received;
    bool has_closed;    /* in order, after all that was sent */
    bool is_deaf;       /* has stopped reading before the end */
    uint64_t ending_ms; /* since when its session has to end; 0: not yet */
    bool has_ended;
    weir_end end;
};

struct world {
    uint64_t seed;
    weir_loop *loop;
    failing_allocator memory;
    bool perfect; /* no fault that may end a connection */
    weir_session_options session;
    weir_server *server;
    weir_route routes[2];
    uint32_t count;
    uint32_t coroutines;                 /* of this test */
    struct end *living[2 * MEMBERS_MAX]; /* those that have a session now */
    uint32_t living_count;
    uint32_t most_living;
    struct end ends[2 * MEMBERS_MAX];
    weir_scope crowd;
};

static inline void fail_end(const struct end *end, const char *what)
{
    weir_end own = end->end;
    if (end->session != NULL)
        weir_session_end_get(&own, end->session);
    fail_msg("end %u, way %d%s%s%s, sent %u, received %u, %s: %s", end->index, (int)end->way,
             end->sleeps ? ", sleeps" : "", end->floods ? ", floods" : "",
             end->slow ? ", slow" : "", end->sent, end->received, weir_end_kind_name(own.kind),
             what);
}

/* --- messages: sender, number, and a payload that follows from both --- */

static inline size_t write_message(const struct end *end, uint32_t number, uint8_t *out)
{
    struct dice dice = {end->world->seed * 1000003 + end->index * 7919 + number};
    const uint32_t head[3] = {end->index, number, ~number};
    size_t size = HEAD_SIZE;
    switch (roll(&dice, 16)) {
    case 0:
        size += roll(&dice, MESSAGE_MAX - HEAD_SIZE);
        break;
    case 1:
    case 2:
        size += roll(&dice, 2000);
        break;
    default:
        size += roll(&dice, 150);
    }
    memcpy(out, head, HEAD_SIZE);
    for (size_t i = HEAD_SIZE; i < size; i++)
        out[i] = (uint8_t)(i % 61 < 40 ? i % 61 : roll(&dice, 256));
    return size;
}

/* After our own Close, what is not received in time is dropped. Only then may numbers be
 * missing. */
static inline void take_message(struct end *end, const weir_frame *frame)
{
    static uint8_t expected[MESSAGE_MAX];
    uint32_t head[3];
    assert_true(frame->type == WEIR_FRAME_BINARY && frame->size >= HEAD_SIZE);
    memcpy(head, frame->data, HEAD_SIZE);
    assert_int_equal(head[0], end->other->index);
    if (end->ending_ms == 0 && head[1] != end->received)
        fail_end(end, "gets messages out of order");
    assert_in_range(head[1], end->received, end->other->sent);
    assert_int_equal(write_message(end->other, head[1], expected), frame->size);
    assert_memory_equal(frame->data, expected, frame->size);
    end->received = head[1] + 1;
    seen.messages++;
}

static inline int send_message(struct end *end)
{
    uint8_t *data = malloc(MESSAGE_MAX);
    assert_non_null(data);
    weir_message message;
    size_t size = write_message(end, end->sent, data);
    size_t part = roll(&end->dice, (uint32_t)size + 1);
    int status;
    if (roll(&end->dice, 4) > 0) {
        status = weir_send_binary(end->session, data, size);
    } else {
        status = weir_message_begin(&message, end->session, WEIR_FRAME_BINARY);
        if (status == WEIR_OK) {
            status = weir_message_write(&message, data, part);
            if (status == WEIR_OK)
                status = weir_message_write(&message, data + part, size - part);
            int ended = weir_message_end(&message);
            status = status != WEIR_OK ? status : ended;
        }
    }
    end->sent += status == WEIR_OK;
    free(data);
    return status;
}

/* --- an end: one coroutine sends, one receives --- */

static inline void begin_to_end(struct end *end)
{
    if (end->ending_ms == 0)
        end->ending_ms = weir_loop_now(end->world->loop);
}

static inline void end_session(struct end *end, weir_scope *user)
{
    switch (end->way) {
    case WAY_STAY:
        return;
    case WAY_CLOSE:
        begin_to_end(end);
        end->has_closed = weir_close(end->session, WEIR_CLOSE_NORMAL, "said") == WEIR_OK;
        return;
    case WAY_CLOSE_NOW:
        weir_close_now(end->session, WEIR_CLOSE_GOING_AWAY, NULL);
        break;
    case WAY_CANCEL_USER:
        weir_scope_cancel(user);
        break;
    case WAY_CANCEL_SESSION:
        weir_scope_cancel(weir_session_scope(end->session));
        break;
    case WAY_TERMINATE:
        weir_terminate(end->session);
        break;
    }
    begin_to_end(end);
}

/* Sleeps for any time, with a few pings. */
static inline int wait_idly(struct end *end)
{
    uint64_t ms = roll_time(&end->dice);
    weir_session_set_ping(end->session, 1 + ms / 8, CLOSE_MS);
    int status = weir_sleep(ms);
    if (status == WEIR_OK)
        weir_session_set_ping(end->session, DAY_MS / 4, CLOSE_MS);
    return status;
}

static inline int speak(struct end *end)
{
    uint32_t count = end->floods ? 400 : roll(&end->dice, 12);
    int status = WEIR_OK;
    for (uint32_t i = 0; i < count && status == WEIR_OK; i++) {
        uint32_t chance = end->floods ? 9 : roll(&end->dice, 10);
        if (chance < 2)
            status = wait_idly(end);
        else if (chance < 3)
            status = weir_send_ping(end->session, "?", 1);
        if (status == WEIR_OK)
            status = send_message(end);
    }
    return status;
}

struct conversation {
    struct end *end;
    weir_scope user;
};

static inline int run_speaker(void *arg)
{
    struct conversation *conversation = arg;
    struct end *end = conversation->end;
    end->world->coroutines++;
    if (speak(end) == WEIR_OK)
        end_session(end, &conversation->user);
    end->world->coroutines--;
    return WEIR_OK;
}

/* Reads late now and then. */
static inline int dawdle(struct end *end)
{
    uint64_t ms = end->sleeps && end->received == 3 ? DAY_MS / 6
                  : roll(&end->dice, 30) == 0       ? roll(&end->dice, CLOSE_MS / 2)
                                                    : 0;
    if (ms == 0)
        return WEIR_OK;
    end->slow = true;
    return weir_sleep(ms);
}

static inline int listen_on(struct end *end)
{
    weir_frame frame = {0};
    int status;
    while ((status = weir_receive(end->session, &frame)) == WEIR_OK) {
        take_message(end, &frame);
        status = dawdle(end);
        if (status != WEIR_OK)
            break;
    }
    weir_frame_release(&frame);
    return status;
}

static inline int converse(struct end *end)
{
    struct conversation conversation = {.end = end};
    assert_ok(weir_scope_open(&conversation.user));
    int status = weir_go(&conversation.user, "speaker", run_speaker, &conversation);
    if (status == WEIR_OK)
        status = listen_on(end);
    end->is_deaf = status != WEIR_CLOSED;
    begin_to_end(end);
    weir_scope_cancel(&conversation.user);
    int joined = weir_scope_join(&conversation.user);
    return status != WEIR_CLOSED ? status : joined == WEIR_CANCELLED ? WEIR_OK : joined;
}

static inline void be_born(struct end *end, weir_session *session)
{
    struct world *world = end->world;
    assert_null(end->session);
    end->session = session;
    end->place = world->living_count;
    world->living[world->living_count++] = end;
    if (world->living_count > world->most_living)
        world->most_living = world->living_count;
}

static inline void die(struct end *end)
{
    struct world *world = end->world;
    struct end *last = world->living[--world->living_count];
    last->place = end->place;
    world->living[end->place] = last;
    end->session = NULL;
}

/* Checks an end when its session is over. */
static inline void take_end(struct end *end, const weir_end *how)
{
    const struct end *other = end->other;
    end->has_ended = true;
    if (end->session != NULL) /* a handler that was cancelled may never have begun */
        die(end);
    end->end = *how;
    assert_int_not_equal(how->kind, WEIR_END_NONE);
    assert_int_not_equal(how->kind, WEIR_END_PROTOCOL); /* both sides are ours */
    assert_int_not_equal(how->kind, WEIR_END_TOO_BIG);
    seen.ends[how->kind]++;
    if (how->kind != WEIR_END_CLEAN || !how->by_peer || end->is_deaf || !other->has_closed)
        return;
    if (end->received != other->sent)
        fail_end(end, "has not received all that was sent before an orderly Close");
    seen.whole++;
}

#endif
