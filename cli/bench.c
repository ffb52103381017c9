/* weir bench: drives a server that echoes, and measures. */
#include "bench_open.h"
#include "bench_report.h"
#include "bench_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 1000000
#define DEPTH_MAX       65536
#define MEMORY_MAX      ((uint64_t)1 << 30) /* of frames that are made before the clock runs */

/* A streaming connection has 512 KiB in flight, and sends as fast as answers come. */
#define STREAM_SIZE  ((size_t)64 * 1024)
#define STREAM_DEPTH 8

struct settings {
    const char *url;
    uint64_t connections;
    uint64_t depth;
    uint64_t size;
    uint64_t count;
    uint64_t rate;
    uint64_t idle;
    uint64_t streams;
    bool binary;
    bool json;
};

/* tcp://HOST:PORT is a WebSocket URL but for its scheme. */
static bool read_tcp_url(bench_run *run, const char *address)
{
    size_t room = strlen(address) + sizeof "ws://";
    run->tcp_url = malloc(room);
    if (run->tcp_url == NULL)
        return false;
    int size = snprintf(run->tcp_url, room, "ws://%s", address);
    return weir_url_parse(&run->url, run->tcp_url, (size_t)size, NULL) == WEIR_OK &&
           run->url.path.size == 1;
}

static bool read_url(bench_run *run, const char *text)
{
    static const char tcp[] = "tcp://";
    run->url_text = text;
    run->raw = strncmp(text, tcp, sizeof tcp - 1) == 0;
    if (run->raw) {
        if (read_tcp_url(run, text + sizeof tcp - 1))
            return true;
        cli_complain(BENCH_NAME, "'%s' is not of the form tcp://HOST:PORT", text);
        return false;
    }
    if (!cli_check_url(BENCH_NAME, text))
        return false;
    if (weir_url_parse(&run->url, text, strlen(text), NULL) == WEIR_OK &&
        run->url.scheme != WEIR_URL_WSS)
        return true;
    cli_complain(BENCH_NAME, "'%s': TLS is not measured", text);
    return false;
}

/* Complains about settings that contradict one another. */
static bool check_settings(const struct settings *settings, const bench_run *run)
{
    const char *complaint = NULL;
    if (settings->connections + settings->idle + settings->streams == 0)
        complaint = "there is nothing to do without connections";
    else if (settings->connections + settings->idle + settings->streams > CONNECTIONS_MAX)
        complaint = "that is more than a million connections";
    else if (settings->size > MEMORY_MAX || settings->size * settings->depth > MEMORY_MAX)
        complaint = "--depth times --size is more than 1G";
    else if (run->raw && run->deflate.options.enabled)
        complaint = "--deflate: raw TCP compresses nothing";
    else if (run->handshakes && (settings->depth != 1 || settings->rate != 0 ||
                                 settings->idle + settings->streams != 0))
        complaint = "--handshakes goes with none of --depth, --rate, --idle, --streams";
    if (complaint != NULL)
        cli_complain(BENCH_NAME, "%s", complaint);
    return complaint == NULL;
}

static void make_loads(const struct settings *settings, bench_run *run)
{
    uint8_t type = settings->binary ? WEIR_FRAME_BINARY : WEIR_FRAME_TEXT;
    run->loads[BENCH_MEASURED] =
        (bench_load){.connection_count = (size_t)settings->connections,
                     .depth = (size_t)settings->depth,
                     .rate = settings->rate,
                     .quota = settings->count != 0 ? settings->count : UINT64_MAX,
                     .ring = {.message_size = (size_t)settings->size, .type = type}};
    run->loads[BENCH_STREAMING] =
        (bench_load){.connection_count = (size_t)settings->streams,
                     .depth = STREAM_DEPTH,
                     .quota = UINT64_MAX,
                     .ring = {.message_size = STREAM_SIZE, .type = WEIR_FRAME_BINARY}};
    run->loads[BENCH_IDLE] =
        (bench_load){.connection_count = (size_t)settings->idle,
                     .depth = 1,
                     .idle = true,
                     .quota = UINT64_MAX,
                     .ring = {.message_size = (size_t)settings->size, .type = type}};
}

static int measure(const struct settings *settings, bench_run *run)
{
    if (!read_url(run, settings->url) || !check_settings(settings, run))
        return CLI_EXIT_USAGE;
    make_loads(settings, run);
    cli_raise_file_limit();
    if (!bench_resolve(run))
        return CLI_EXIT_FAILED;
    int status = bench_run_all(run);
    if (status != CLI_EXIT_OK)
        return status;
    if (settings->json)
        bench_report_json(run);
    else
        bench_report(run);
    return CLI_EXIT_OK;
}

static const char epilogue[] =
    "URL is ws://HOST:PORT[/PATH], ws+unix:/SOCKET[:/PATH], or tcp://HOST:PORT for a server that\n"
    "sends back every byte: it gets the very bytes that a WebSocket server would get. What comes\n"
    "back is checked. The clock runs once every connection had its first message back.\n"
    "BYTES may end in K, M or G (1024, ...).\n\n"
    "Exit status: 0 measured, 1 no connection or no echo, 2 usage, 3 the connection was lost,\n"
    "4 refused by HTTP status, 5 the server broke the protocol, 6 it closed.\n";

int cli_bench(int argc, char **argv)
{
    struct settings settings = {.connections = 100, .depth = 1, .size = 64};
    bench_run *run = calloc(1, sizeof *run); /* its histograms are too large for a stack */
    if (run == NULL)
        return CLI_EXIT_FAILED;
    run->seconds = 5;
    const cli_option options[] = {
        {"connections", CLI_COUNT, &settings.connections, 0, CONNECTIONS_MAX, "N",
         "connections whose messages are counted (default 100)"},
        {"depth", CLI_COUNT, &settings.depth, 1, DEPTH_MAX, "N",
         "messages in flight on each of them (default 1)"},
        {"size", CLI_BYTES, &settings.size, 0, 0, "BYTES", "of each message (default 64)"},
        {"binary", CLI_FLAG, &settings.binary, 0, 0, NULL,
         "messages are binary instead of text (JSON)"},
        {"deflate", CLI_DEFLATE, &run->deflate.options, 0, 0, "[=SETTING,...]",
         "compress messages (permessage-deflate); settings: see weir connect"},
        {"seconds", CLI_COUNT, &run->seconds, 1, 86400, "N", "how long (default 5)"},
        {"count", CLI_COUNT, &settings.count, 1, UINT64_MAX, "N", "end after so many, if sooner"},
        {"rate", CLI_COUNT, &settings.rate, 1, 1000000, "N",
         "messages a second over all connections\n(default: as fast as answers come)"},
        {"handshakes", CLI_FLAG, &run->handshakes, 0, 0, NULL,
         "each connection: connect, upgrade, one message, close, and again"},
        {"idle", CLI_COUNT, &settings.idle, 0, CONNECTIONS_MAX, "N",
         "further connections that are silent after a first message"},
        {"streams", CLI_COUNT, &settings.streams, 0, CONNECTIONS_MAX, "N",
         "further connections that always have 8 messages of 64K in flight"},
        {"pid", CLI_COUNT, &run->pid, 1, INT32_MAX, "PID",
         "process of the server: measure what it uses, too"},
        {"json", CLI_FLAG, &settings.json, 0, 0, NULL, "print one line of JSON"},
    };
    const cli_syntax syntax = {BENCH_NAME, "URL",   "Drive a server that echoes, and measure it.",
                               epilogue,   options, sizeof options / sizeof *options};
    int status;
    if (cli_parse(&syntax, argc, argv, &settings.url, &status))
        status = measure(&settings, run);
    free(run->tcp_url);
    free(run);
    return status;
}
