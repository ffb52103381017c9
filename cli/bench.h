/* weir bench: what its parts share.
 *
 * One thread around epoll on plain sockets: the yardstick beside WebSocket is a raw TCP echo of the very same bytes, which no
 * session would take. Frames are made and masked before the clock runs; what comes back goes through weir_parser, so that
 * every header is checked; the first message of each connection is compared byte by byte, of the others type and size. */
#ifndef WEIR_CLI_BENCH_H
#define WEIR_CLI_BENCH_H

#ifndef WEIR_USE_INTERNAL_API
#define WEIR_USE_INTERNAL_API
#endif

#include "cli.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <weir/buffer.h>
#include <weir/deflate_codec.h>
#include <weir/handshake.h>
#include <weir/parser.h>
#include <weir/url.h>

#define BENCH_NAME "bench"

/* What epoll tells of each connection, each time that it begins. */
#define BENCH_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* --- measuring: bench_meter.c --- */

uint64_t bench_now_ns(void);

/* Processor time of the calling thread. */
uint64_t bench_thread_ns(void);

/* Durations in nanoseconds, each kept to within 1.6 %. */
#define BENCH_HISTOGRAM_STEPS 64 /* a power of two is split into so many */
typedef struct bench_histogram {
    uint64_t counts[64 * BENCH_HISTOGRAM_STEPS];
    uint64_t total;
    uint64_t largest_ns;
} bench_histogram;

void bench_histogram_add(bench_histogram *histogram, uint64_t ns);

/* The duration that share (0..1) of all do not exceed, in microseconds; 0 when there is none. */
double bench_histogram_quantile_us(const bench_histogram *histogram, double share);

/* What a process has used so far. */
typedef struct bench_usage {
    uint64_t cpu_ns;   /* exact, all its threads */
    uint64_t user_ns;  /* counted by the kernel in ticks of 10 ms */
    size_t memory_kib; /* resident */
} bench_usage;

/* False: there is no such process. */
bool bench_usage_of(uint64_t pid, bench_usage *out);

/* --- what is sent: bench_ring.c --- */

struct bench_run;

/* Frames of a client as they stand on the wire, sent from the first to the last and then from the first again. */
typedef struct bench_ring {
    weir_buffer
        frames; /* count frames; behind them the first ones again: any depth in a row are one piece */
    size_t *sizes; /* of each frame on the wire */
    size_t count;
    size_t wire_size; /* of all count frames */
    uint8_t
        *messages; /* their payloads: count times message_size bytes, not masked, not compressed */
    size_t message_size; /* bytes of payload */
    uint8_t type;        /* enum weir_frame_type */
} bench_ring;

/* Makes the frames, compressed when the run has agreed on that. Errors: WEIR_ENOMEM. */
int bench_ring_init(bench_ring *ring, size_t depth, const struct bench_run *run);
void bench_ring_fini(bench_ring *ring);
void bench_random(void *context, void *out, size_t size);

/* --- connections --- */

/* Connections that do the same. Set: the first block. */
typedef struct bench_load {
    size_t connection_count;
    size_t depth;   /* messages in flight on each connection */
    bool idle;      /* one message each, and then silence */
    uint64_t rate;  /* messages a second over all of them; 0: as fast as answers come */
    uint64_t quota; /* messages over all of them; UINT64_MAX: no limit */
    bench_ring ring;

    uint64_t sent;     /* of the quota */
    uint64_t answered; /* while the clock runs */
    uint64_t late;     /* messages of the rate that found their connection's depth exhausted */
    uint64_t next_ns;  /* when the next message of the rate is due */
    size_t turn;       /* which connection sends that one */
    size_t first;      /* index of the first connection in the run */
    bench_histogram latency;
} bench_load;

enum bench_state {
    BENCH_CLOSED = 0,
    BENCH_CONNECTING,
    BENCH_UPGRADING, /* the answer to the request is awaited */
    BENCH_OPEN,
    BENCH_CLOSING, /* handshakes only: the answer to our Close is awaited */
};

typedef struct bench_connection {
    bench_load *load;
    int fd;
    enum bench_state state;
    bool warm; /* its first message has come back, and was compared */
    uint8_t nonce[WEIR_HANDSHAKE_NONCE_SIZE];
    weir_buffer head; /* of the answer to the request, while it is incomplete */
    weir_parser parser;
    uint64_t opened_ns;

    size_t at;          /* in the ring's frames: the next byte to send */
    size_t left;        /* bytes that are to be sent now; 0: we stand between two frames */
    size_t next_frame;  /* index in the ring: the next to be sent */
    size_t next_answer; /* index in the ring: the next to come back */
    size_t in_flight;   /* messages */
    size_t times_at;    /* when the messages in flight were sent: the oldest */
    uint64_t *times_ns; /* depth of them */

    uint64_t received;    /* bytes of the message, raw: of the frame, that is coming back */
    weir_codec *codec;    /* inflates the first message; NULL: nothing is compressed */
    bool compressed;      /* that message is */
    bool fin;             /* and this is its last frame */
    uint8_t control[125]; /* payload of a control frame, as far as it is there */
    size_t control_size;
    uint8_t control_type; /* of the control frame that is coming; 0: it is data */
    bool pong_owed;       /* control is to be answered as soon as no frame is half sent */
} bench_connection;

enum {
    BENCH_MEASURED, /* the connections whose messages are counted */
    BENCH_STREAMING,
    BENCH_IDLE,
    BENCH_LOADS
};

typedef struct bench_run {
    /* What is wanted. */
    const char *url_text;
    weir_url url;
    char *tcp_url;   /* what the views of url lie in, if it is raw */
    bool raw;        /* tcp: the same bytes, no WebSocket */
    bool handshakes; /* connect, upgrade, one message, close, again and again */
    weir_deflate_options deflate;
    uint64_t seconds;
    uint64_t pid; /* of the server; 0: not to be measured */
    bench_load loads[BENCH_LOADS];

    /* How it stands. */
    struct sockaddr_storage address;
    socklen_t address_size;
    char host[WEIR_URL_HOST_HEADER_ROOM];
    char offer[WEIR_DEFLATE_TEXT_ROOM];
    size_t request_size;  /* bytes of the request: the same for all */
    weir_deflate *codecs; /* what codecs share */
    weir_deflate_terms terms;
    bool rings_ready;
    int epoll;
    uint8_t *input;
    bench_connection *connections;
    size_t connection_count;
    size_t opened;   /* connections begun */
    size_t opening;  /* of these, not yet warm */
    uint64_t now_ns; /* when the latest event was looked at */
    bool measuring;  /* the clock runs */
    int failed;      /* exit status; 0: all is well. It was complained about. */

    /* What came of it. */
    uint64_t start_ns, end_ns;
    uint64_t looking_ns; /* so long we have looked for events that were not there */
    uint64_t busy_ns;    /* processor time of ours while the clock ran, without that */
    bench_usage before, open, start,
        end; /* the server without connections, with them, around the time measured */
} bench_run;

/* Complains and has the run end with an exit status, unless it failed already. */
void bench_fail(bench_run *run, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* bench_open.c: from a socket to a connection that can send. */
bool bench_resolve(bench_run *run);
void bench_connect(bench_run *run, bench_connection *connection);
void bench_connected(bench_run *run, bench_connection *connection);
/* Takes the answer to the request. Returns how many bytes follow it, and *data is then where they are. */
size_t bench_upgrade(bench_run *run, bench_connection *connection, uint8_t **data, size_t size);
void bench_close(bench_run *run, bench_connection *connection);

/* bench_traffic.c: messages. */

/* Sends as many messages as depth and quota allow, and what was left unsent. */
void bench_send(bench_run *run, bench_connection *connection);
/* Takes bytes that came. */
void bench_take(bench_run *run, bench_connection *connection, uint8_t *data, size_t size);
/* Sends the messages that are due by the rate. */
void bench_pace(bench_run *run, bench_load *load);

/* bench_run.c: opens everything, lets the clock run, closes everything. Returns an exit status. */
int bench_run_all(bench_run *run);

/* bench_report.c */
void bench_report(const bench_run *run);
void bench_report_json(const bench_run *run);

#endif
