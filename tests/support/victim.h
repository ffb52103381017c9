/* tests/support/victim.h - a server in a process of its own, to be attacked, so that its costs are
 * separate from the attackers'. Those are plain blocking sockets that send any bytes. Every
 * function here fails the running test when it does not work. */
#ifndef WEIR_TESTS_VICTIM_H
#define WEIR_TESTS_VICTIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

#include <weir/server.h>

struct victim_memory; /* shared with the process */

struct victim {
    pid_t process;
    int lifeline; /* it ends when this is closed, also by the end of this process */
    unsigned port;
    struct victim_memory *memory;
};

/* Forks a server on a free port of 127.0.0.1 (options.url is ignored) on the loop that WEIR_LOOP or
 * the default chooses, and waits until it listens. descriptors: how many it may open at most; 0: as
 * many as this process. */
void victim_start(struct victim *victim, const weir_serve_options *options, unsigned descriptors);

/* Stops it: its sessions close, and it must have freed every byte. */
void victim_stop(struct victim *victim);

/* Sends every message back: for options.handler, and for options.on_message. */
int victim_echo(weir_session *session, void *arg);
int victim_echo_message(weir_session *session, weir_frame *frame, void *arg);

/* Bytes of its allocator in use now; the most since victim_mark(), and how much that is above the
 * bytes at the mark; the largest block asked for since. */
size_t victim_bytes(const struct victim *victim);
void victim_mark(struct victim *victim);
size_t victim_growth(const struct victim *victim);
size_t victim_largest(const struct victim *victim);

/* Its open descriptors, used processor time and resident memory, all from the kernel. */
size_t victim_descriptors(const struct victim *victim);
uint64_t victim_cpu_ms(const struct victim *victim);
size_t victim_resident_kib(const struct victim *victim);

/* --- attackers --- */

/* Opens a connection on which no call may take longer than 30 s. Returns -1 with errno on
 * failure. */
int attacker_try_connect(const struct victim *victim);
int attacker_connect(const struct victim *victim);

/* Opens a connection and does the opening handshake; or does it on an open one. */
int attacker_open(const struct victim *victim);
void attacker_finish_opening(int fd);

/* A request that opens a WebSocket. */
extern const char attacker_request[];

void attacker_send(int fd, const void *data, size_t size);

/* The same, but it stops when the peer does not read for wait_ms, or is gone. Returns how many
 * bytes were sent. */
size_t attacker_push(int fd, const void *data, size_t size, int wait_ms);

/* Writes a frame to out, masked by zeros. out has room for 14 bytes more than the payload. payload
 * NULL: the header alone. Returns its size. */
size_t attacker_frame(uint8_t *out, uint8_t first, const void *payload, uint64_t size);
void attacker_send_frame(int fd, uint8_t first, const void *payload, uint64_t size);

/* Reads the next frame from the server: its first byte and at most room bytes of payload. Returns
 * its size; -1: the connection has ended. */
int64_t attacker_take_frame(int fd, uint8_t *first, void *payload, size_t room);

/* Expects that a text comes back. */
void attacker_expect_echo(int fd, const char *text);

/* Skips everything until the server's Close, and expects its code. */
void attacker_expect_close(int fd, unsigned code);

/* Reads all that comes until the connection ends in any way, and appends NUL. Returns its size. */
size_t attacker_read_all(int fd, char *out, size_t room);

uint64_t attacker_now_ms(void);
void attacker_sleep_ms(unsigned ms);

/* Waits until a condition holds; fails the test when that takes 30 s. */
#define assert_soon(condition)                                                                     \
    do {                                                                                           \
        for (int waited_ms = 0; !(condition); waited_ms += 10) {                                   \
            assert_true(waited_ms < 30000);                                                        \
            attacker_sleep_ms(10);                                                                 \
        }                                                                                          \
    } while (0)

#endif
