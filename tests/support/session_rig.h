/* tests/support/session_rig.h - a session at one end of a stream, and the bytes of the wire at the
 * other: over a stream in memory, and over sockets, simulated or the kernel's. When the environment
 * variable WEIR_TEST_TRANSPORT is "cutting", sessions are over the transport that cuts. Each test
 * body runs as a coroutine on a loop whose allocator counts. Afterwards no coroutine, byte or
 * descriptor may be left. */
#ifndef WEIR_TESTS_SESSION_RIG_H
#define WEIR_TESTS_SESSION_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "support/cutting_transport.h"
#include "support/failing_allocator.h"

#include <weir/client.h>
#include <weir/server.h>
#include <weir/sim.h>
#include <weir/stream.h>

struct rig {
    weir_loop *loop;
    weir_session *session; /* the end under test */
    weir_stream *wire;     /* the other end, as bytes */
};

/* Runs body as a coroutine on a simulated loop, its rigs over streams in memory, and checks that
 * nothing is left. */
void rig_run(int (*body)(void *arg), void *arg);

/* The same over sockets, on the loop that WEIR_LOOP or the default chooses. */
void rig_run_real(int (*body)(void *arg), void *arg);

/* The same in memory, over simulated sockets and over the kernel's. */
void rig_run_everywhere(int (*body)(void *arg), void *arg);

/* For tests that make their own servers: simulated and on the kernel. */
void rig_run_over_sockets(int (*body)(void *arg), void *arg);

/* Whether time is the kernel's: an upper bound of it means nothing on a busy machine. */
bool rig_is_real(void);

/* Expects that at least so many ms have passed since start, and in the simulated world not many
 * more. */
void rig_expect_passed(uint64_t start, uint64_t least_ms, uint64_t slack_ms);

/* A handler that sends back whatever comes, until the session ends. */
int rig_echo(weir_session *session, void *arg);

/* The allocator of the running test's loop, to check what must not grow. */
const failing_allocator *rig_memory(void);

/* Takes all memory from the running loop, also what it has kept; or lets it allocate again. */
void rig_starve(bool starve);

/* Opens a session of a role over a pair; options may be NULL. */
void rig_open(struct rig *rig, enum weir_role role, const weir_session_options *options);
void rig_open_raw(struct rig *rig, enum weir_role role, const weir_session_options *options);

/* The streams alone: the end of a role, and the wire. */
void rig_open_streams(struct rig *rig, enum weir_role role, weir_stream **end);

/* Frees the session and closes the wire. */
void rig_close(struct rig *rig);

/* Starts a default session of the other role on the wire. Bytes cannot be read or written there
 * afterwards. */
void rig_open_peer(struct rig *rig, weir_session **peer, const weir_session_options *options);

/* Puts bytes, or a frame (masked when the session is a server), on the wire. */
void rig_put(struct rig *rig, const void *data, size_t size);
void rig_put_frame(struct rig *rig, uint8_t first, const void *payload, size_t size);
void rig_put_text(struct rig *rig, const char *text);

/* Takes the next frame off the wire, unmasked: its first byte and payload. Returns its size. Fails
 * the test when the stream ends. */
size_t rig_take_frame(struct rig *rig, uint8_t *first, void *payload, size_t room);

/* Expects exactly this frame next. */
void rig_expect_frame(struct rig *rig, uint8_t first, const void *payload, size_t size);
void rig_expect_close(struct rig *rig, unsigned code);
void rig_expect_end(struct rig *rig);

/* Waits for the close reason, and expects that the session has ended like this. Codes are as in
 * weir_end; 0: none. */
void rig_expect_ended(struct rig *rig, enum weir_end_kind kind, unsigned ours, unsigned theirs);

/* Expects a message from the session. */
void rig_expect_received(struct rig *rig, enum weir_frame_type type, const void *payload,
                         size_t size);

/* cmocka's assertions, with the name of the status. */
void expect_status(int got, int expected, const char *what, const char *file, int line);
#define assert_status(call, expected) expect_status((call), (expected), #call, __FILE__, __LINE__)
#define assert_ok(call)               assert_status(call, WEIR_OK)

/* The next that a session receives is this whole message. */
void expect_message(weir_session *session, enum weir_frame_type type, const void *data,
                    size_t size);
void expect_text(weir_session *session, const char *text);

/* Waits until a condition holds; fails the test when that takes 20 s. */
#define assert_eventually(condition)                                                               \
    do {                                                                                           \
        for (int waited_ms = 0;; waited_ms++) {                                                    \
            if (condition)                                                                         \
                break;                                                                             \
            assert_true(waited_ms < 20000);                                                        \
            assert_ok(weir_sleep(1));                                                              \
        }                                                                                          \
    } while (0)

/* A cmocka test body_ that runs body everywhere. */
#define RUN(body)                                                                                  \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run_everywhere(body, NULL);                                                            \
    }

#define RUN_OVER_SOCKETS(body)                                                                     \
    static void body##_(void **state)                                                              \
    {                                                                                              \
        (void)state;                                                                               \
        rig_run_over_sockets(body, NULL);                                                          \
    }

#endif
