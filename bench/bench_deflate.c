/* bench/bench_deflate.c - what does compression cost? Bytes that a parked session holds, for each
 * setting, and messages of 1 KiB of JSON. They are compressed by zlib's streams, which are the
 * yardstick, by libdeflate, and with context takeover. */
#include "measure.h"

#ifdef WEIR_HAVE_DEFLATE

#include "codec/deflate_shared.h"

#include <weir/endpoint.h>

#include <string.h>

#define MESSAGE_SIZE 1024
#define MESSAGES     64

static void check(int status)
{
    if (status == WEIR_OK)
        return;
    fprintf(stderr, "%s\n", weir_strerror(status));
    exit(1);
}

static void *need(void *block)
{
    if (block == NULL)
        check(WEIR_ENOMEM);
    return block;
}

/* --- messages --- */

static uint8_t messages[MESSAGES][MESSAGE_SIZE];

/* Records with the same names and other values, as services send them. */
static void write_messages(void)
{
    unsigned state = 1;
    for (unsigned i = 0; i < MESSAGES; i++) {
        char text[MESSAGE_SIZE + 256];
        int at = snprintf(text, sizeof text, "{\"type\":\"update\",\"seq\":%u,\"items\":[", i);
        while (at < MESSAGE_SIZE) {
            state = state * 1664525u + 1013904223u;
            at +=
                snprintf(text + at, sizeof text - (size_t)at,
                         "{\"id\":%u,\"price\":%u.%02u,\"size\":%u,\"side\":\"%s\"},", state >> 12,
                         state >> 20, state % 100, state >> 26, state >> 31 != 0 ? "buy" : "sell");
        }
        memcpy(messages[i], text, MESSAGE_SIZE);
    }
}

/* --- memory --- */

static size_t live_bytes;

static void *count_bytes(void *block, size_t old_size, size_t new_size, void *arg)
{
    (void)arg;
    live_bytes = live_bytes - old_size + new_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

static const weir_allocator counting = {.resize = count_bytes};

/* One end. */
struct end {
    weir_deflate *shared;
    weir_codec *codec;
};

static struct end new_end(enum weir_role role, bool streams_only,
                          const weir_deflate_options *options)
{
    struct end end;
    weir_deflate_terms terms = {
        .server_no_context_takeover = !options->server_context_takeover,
        .client_no_context_takeover = !options->client_context_takeover,
        .server_max_window_bits = options->server_max_window_bits,
        .client_max_window_bits = options->client_max_window_bits,
    };
    check(weir_deflate_new(&end.shared, &counting));
    end.shared->streams_only = streams_only;
    check(weir_deflate_codec_new(&end.codec, end.shared, role, options, &terms));
    return end;
}

static void free_end(struct end *end)
{
    end->codec->ops->free(end->codec);
    weir_deflate_free(end->shared);
}

static size_t encode(struct end *end, const uint8_t *data, uint8_t *out)
{
    weir_codec_outgoing part = {.data = data, .size = MESSAGE_SIZE, .last = true, .out = out};
    check(end->codec->ops->encode(end->codec, &part));
    return part.out_size;
}

static void decode(struct end *end, const uint8_t *data, size_t size)
{
    weir_codec_incoming part = {.data = data, .size = size, .last = true};
    check(end->codec->ops->decode(end->codec, &part));
    if (part.out_size != MESSAGE_SIZE)
        check(WEIR_EPROTOCOL);
}

/* What one more session of a loop holds when it has sent and received a message and owes nothing,
 * and how long its second message is. */
static void print_memory(const char *name, const weir_deflate_options *options)
{
    uint8_t out[2 * MESSAGE_SIZE];
    struct end client = new_end(WEIR_ROLE_CLIENT, false, options);
    struct end server = new_end(WEIR_ROLE_SERVER, false, options);
    struct end further = server; /* another session of the same loop */
    struct end peer = new_end(WEIR_ROLE_CLIENT, false, options);
    weir_deflate_terms terms = {
        .server_no_context_takeover = !options->server_context_takeover,
        .client_no_context_takeover = !options->client_context_takeover,
        .server_max_window_bits = options->server_max_window_bits,
        .client_max_window_bits = options->client_max_window_bits,
    };
    decode(&server, out, encode(&client, messages[0], out));
    decode(&client, out, encode(&server, messages[0], out));
    size_t before = live_bytes;
    check(weir_deflate_codec_new(&further.codec, server.shared, WEIR_ROLE_SERVER, options, &terms));
    size_t of_peer = live_bytes;
    size_t coded = encode(&peer, messages[0], out);
    of_peer = live_bytes - of_peer;
    decode(&further, out, coded);
    size_t first = encode(&further, messages[0], out);
    size_t second = encode(&further, messages[1], out);
    printf("%-58s %8zu B a session, 1 KiB becomes %4zu B, the next %4zu B\n", name,
           live_bytes - before - of_peer, first, second);
    further.codec->ops->free(further.codec);
    free_end(&server);
    free_end(&client);
    free_end(&peer);
}

static void print_memories(void)
{
    static const uint8_t windows[] = {15, 12, 9};
    static const uint8_t memory_levels[] = {8, 5, 1};
    print_memory("no takeover", &(weir_deflate_options){0});
    print_memory("takeover from the client, window 15",
                 &(weir_deflate_options){.client_context_takeover = true});
    print_memory(
        "takeover from the client, window 9",
        &(weir_deflate_options){.client_context_takeover = true, .client_max_window_bits = 9});
    print_memory("takeover from the server",
                 &(weir_deflate_options){.server_context_takeover = true});
    for (size_t i = 0; i < 9; i++) {
        weir_deflate_options options = {.server_context_takeover = true,
                                        .server_max_window_bits = windows[i / 3],
                                        .memory_level = memory_levels[i % 3]};
        char name[80];
        snprintf(name, sizeof name, "takeover from the server, window %u, memory level %u",
                 windows[i / 3], memory_levels[i % 3]);
        print_memory(name, &options);
    }
    print_memory("takeover both ways", &(weir_deflate_options){.server_context_takeover = true,
                                                               .client_context_takeover = true});
    struct end end = new_end(WEIR_ROLE_SERVER, false, &(weir_deflate_options){0});
    printf("%-58s %8zu B\n", "one codec, and what a loop shares before it is used", live_bytes);
    free_end(&end);
}

/* --- time --- */

struct work {
    struct end end;
    weir_endpoint *server;
    uint8_t *frames; /* of a client, masked */
    size_t sizes[MESSAGES];
    size_t next;
    weir_buffer out;
};

static void compress_one(void *context, size_t count)
{
    struct work *work = context;
    uint8_t out[2 * MESSAGE_SIZE];
    for (size_t i = 0; i < count; i++)
        (void)encode(&work->end, messages[work->next++ % MESSAGES], out);
}

static void inflate_one(void *context, size_t count)
{
    struct work *work = context;
    for (size_t i = 0; i < count; i++) {
        size_t at = work->next++ % MESSAGES;
        decode(&work->end, work->frames + at * 2 * MESSAGE_SIZE, work->sizes[at]);
    }
}

static void keep_coded(struct work *work, struct end *from)
{
    work->frames = need(malloc((size_t)MESSAGES * 2 * MESSAGE_SIZE));
    for (size_t i = 0; i < MESSAGES; i++)
        work->sizes[i] = encode(from, messages[i], work->frames + i * 2 * MESSAGE_SIZE);
}

/* A message comes in and is inflated, then it is compressed and goes out. A server does this for an
 * echo, apart from system calls. */
static void echo(void *context, size_t count)
{
    struct work *work = context;
    uint8_t in[2 * MESSAGE_SIZE];
    weir_event event;
    for (size_t i = 0; i < count; i++) {
        size_t at = work->next++ % MESSAGES;
        memcpy(in, work->frames + at * 2 * MESSAGE_SIZE, work->sizes[at]);
        check(weir_endpoint_feed(work->server, in, work->sizes[at], 1));
        check(weir_endpoint_next(work->server, &event));
        check(weir_endpoint_send(work->server, &event.frame, &work->out));
        weir_frame_release(&event.frame);
        work->out.size = 0;
    }
}

static void no_random(void *out, size_t size, void *arg)
{
    (void)arg;
    memset(out, 7, size);
}

static weir_endpoint *new_endpoint(enum weir_role role, struct end *end)
{
    weir_endpoint *endpoint;
    check(weir_endpoint_new(&endpoint, &(weir_endpoint_options){.role = role, .random = no_random},
                            1));
    weir_endpoint_set_codec(endpoint, end->codec);
    return endpoint;
}

static void open_echo(struct work *work, bool streams_only)
{
    static const weir_deflate_options options;
    struct end client = new_end(WEIR_ROLE_CLIENT, streams_only, &options);
    weir_endpoint *sender = new_endpoint(WEIR_ROLE_CLIENT, &client);
    work->end = new_end(WEIR_ROLE_SERVER, streams_only, &options);
    work->server = new_endpoint(WEIR_ROLE_SERVER, &work->end);
    work->frames = need(malloc((size_t)MESSAGES * 2 * MESSAGE_SIZE));
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_frame frame = weir_frame_text(messages[i], MESSAGE_SIZE);
        check(weir_endpoint_send(sender, &frame, &work->out));
        work->sizes[i] = work->out.size;
        memcpy(work->frames + i * 2 * MESSAGE_SIZE, work->out.data, work->out.size);
        work->out.size = 0;
    }
    weir_endpoint_free(sender);
    weir_deflate_free(client.shared);
}

static void measure(void)
{
    static struct work works[7];
    static const weir_deflate_options apart;
    static const weir_deflate_options together = {.server_context_takeover = true};
    static struct contestant echoes[] = {
        {.name = "echo of 1 KiB JSON, zlib", .run = echo, .context = &works[0], .count = 8},
        /* 1.8 times as many a second */
        {.name = "echo of 1 KiB JSON, libdeflate", .run = echo, .context = &works[1], .count = 8},
    };
    static struct contestant compressions[] = {
        {.name = "compress 1 KiB, zlib", .run = compress_one, .context = &works[2], .count = 8},
        {.name = "compress 1 KiB, libdeflate",
         .run = compress_one,
         .context = &works[3],
         .count = 8},
        {.name = "compress 1 KiB, takeover", .run = compress_one, .context = &works[4], .count = 8},
    };
    static struct contestant inflations[] = {
        {.name = "inflate 1 KiB, zlib", .run = inflate_one, .context = &works[5], .count = 64},
        {.name = "inflate 1 KiB, libdeflate",
         .run = inflate_one,
         .context = &works[6],
         .count = 64},
    };
    for (size_t i = 0; i < 2; i++) {
        open_echo(&works[i], i == 0);
        works[2 + i].end = new_end(WEIR_ROLE_SERVER, i == 0, &apart);
        works[5 + i].end = new_end(WEIR_ROLE_CLIENT, i == 0, &apart);
        keep_coded(&works[5 + i], &works[2 + i].end);
    }
    works[4].end = new_end(WEIR_ROLE_SERVER, true, &together);
    measure_contest(echoes, 2);
    printf("%-44s %.2f times the messages of zlib\n", "libdeflate echoes", 1 / echoes[1].ratio);
    measure_contest(compressions, 3);
    measure_contest(inflations, 2);
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        if (works[i].server != NULL)
            weir_endpoint_free(works[i].server);
        else
            works[i].end.codec->ops->free(works[i].end.codec);
        weir_deflate_free(works[i].end.shared);
        weir_buffer_fini(&works[i].out);
        free(works[i].frames);
    }
}

int main(void)
{
    write_messages();
    print_memories();
    measure();
    return 0;
}

#else

int main(void)
{
    puts("built without zlib: nothing to measure");
    return 0;
}

#endif
