/* weir bench: a run, its loads and its connections, and how far each of them is.
 *
 * One thread around epoll on plain sockets, not a session: the yardstick beside WebSocket is a raw
 * TCP echo of the very same bytes, and a session does not talk to that. Frames are made and masked
 * before the clock runs. What comes back goes through weir_parser, so that every header is checked.
 * The first message of each connection is compared byte by byte; of the others, type and size. */
#ifndef WEIR_CLI_BENCH_STATE_H
#define WEIR_CLI_BENCH_STATE_H

#include "bench_meter.h"
#include "bench_ring.h"
#include "cli.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <weir/handshake.h>
#include <weir/parser.h>
#include <weir/url.h>

#define BENCH_NAME "bench"

/* What epoll reports of each connection, once each time that it begins. */
#define BENCH_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

#define BENCH_INPUT_SIZE ((size_t)512 * 1024)

/* Connections that do the same. The command line sets the first block. */
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
    size_t left;        /* bytes that are to be sent now; 0: no frame is half sent */
    size_t next_frame;  /* index in the ring: the next to be sent */
    size_t next_answer; /* index in the ring: the next to come back */
    size_t in_flight;   /* messages */
    size_t times_at;    /* when the messages in flight were sent: the oldest */
    uint64_t *times_ns; /* depth of them */

    uint64_t received;    /* bytes of the message (raw: of the frame) that is coming back */
    weir_codec *codec;    /* inflates the first message; NULL: nothing is compressed */
    bool compressed;      /* the message that is coming back is */
    bool fin;             /* the frame that is coming back is the message's last */
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
    char *tcp_url;   /* raw: the text that the views of url point into */
    bool raw;        /* tcp: the same bytes, no WebSocket */
    bool handshakes; /* connect, upgrade, one message, close, again and again */
    bench_deflate deflate;
    uint64_t seconds;
    uint64_t pid; /* of the server; 0: not to be measured */
    bench_load loads[BENCH_LOADS];

    /* How far it is. */
    struct sockaddr_storage address;
    socklen_t address_size;
    char host[WEIR_URL_HOST_HEADER_ROOM];
    char offer[WEIR_DEFLATE_TEXT_ROOM];
    size_t request_size; /* bytes of the request: the same for all */
    bool rings_ready;
    int epoll;
    uint8_t *input; /* BENCH_INPUT_SIZE bytes */
    bench_connection *connections;
    size_t connection_count;
    size_t opened;   /* connections begun */
    size_t opening;  /* of these, not yet warm */
    uint64_t now_ns; /* when the latest event was looked at */
    bool measuring;  /* the clock runs */
    int failed;      /* exit status; 0: all is well. A complaint was printed. */

    /* What came of it. */
    uint64_t start_ns, end_ns;
    uint64_t looking_ns;    /* time spent looking for events that were not there */
    uint64_t busy_ns;       /* our processor time while the clock ran, without that */
    bench_usage before;     /* the server, without connections */
    bench_usage open;       /* with them */
    bench_usage start, end; /* around the time measured */
} bench_run;

/* Allocates what the loads ask for. Returns false after bench_fail(). */
bool bench_state_init(bench_run *run);

/* Closes all connections and releases everything. It has to follow bench_state_init(), also one
 * that failed. */
void bench_state_fini(bench_run *run);

/* Closes one connection: its state is BENCH_CLOSED, and it can be opened again. */
void bench_close(bench_run *run, bench_connection *connection);

/* Complains and makes the run end with an exit status, unless it failed already. */
void bench_fail(bench_run *run, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
