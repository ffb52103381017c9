/* What does the protocol core cost?
 *
 * Measured are masking and UTF-8 beside memcpy, UTF-8 beside a table-driven automaton, a header,
 * and a small message in and out of an endpoint.
 *
 * Each line: name, unit, samples, median, p99, ratio to its yardstick. */
#include "measure.h"

#include "wire/parser.h"

#include <weir/endpoint.h>
#include <weir/mask.h>
#include <weir/utf8.h>

#include <string.h>

#define ROOM (2u << 20)
/* Frames of 70 bytes, 17.5 KiB in all: they fit the first-level cache of any machine in use. */
#define MESSAGES 256
/* Small messages lie one behind the other, each behind a header, as in a buffer of received bytes.
 * The calls work on them in turns: on the same message, a call would wait for the stores of the
 * call before it. */
#define TURNS_ROOM ((size_t)16 << 10)
#define HEADER     8

struct world {
    uint8_t *source;
    uint8_t *target;
    size_t size; /* bytes the measured call works on */
    uint8_t *frames;
    size_t frames_size;
    weir_endpoint *server;
    weir_buffer out;
    uint64_t sink; /* keeps the compiler from dropping the work */
};

static void print_rate(const struct contestant *one, size_t size, double ratio)
{
    printf("%-34s %8zu B  GB/s  n=%d  median %8.2f  p99 %8.2f", one->name, size, MEASURE_ROUNDS,
           (double)size / measure_median(one),
           (double)size / one->samples[MEASURE_ROUNDS * 99 / 100]);
    if (ratio > 0)
        printf("  ratio %.2f", ratio);
    printf("\n");
}

/* Where the next small message lies. */
static size_t next_turn(const struct world *world, size_t at)
{
    at += world->size + HEADER;
    return at + world->size <= TURNS_ROOM ? at : 0;
}

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static void run_memcpy(void *context, size_t count)
{
    struct world *world = context;
    for (size_t at = 0; count-- > 0; at = next_turn(world, at)) {
        memcpy(world->target + at, world->source + at, world->size);
        __asm__ volatile("" : : "r"(world->target) : "memory");
    }
}

static void run_mask(void *context, size_t count)
{
    struct world *world = context;
    for (size_t at = 0; count-- > 0; at = next_turn(world, at))
        weir_mask(world->target + at, world->size, key, 0);
}

static void run_mask_copy(void *context, size_t count)
{
    struct world *world = context;
    for (size_t at = 0; count-- > 0; at = next_turn(world, at))
        weir_mask_copy(world->target + at, world->source + at, world->size, key, 0);
}

static void run_utf8(void *context, size_t count)
{
    struct world *world = context;
    for (; count-- > 0;) {
        weir_utf8 utf8 = {0};
        world->sink += (uint64_t)weir_utf8_feed(&utf8, world->source, world->size, NULL);
    }
}

/* The yardstick for mixed text: one table gives the class of each byte, another the next state.
 * State 0 is between characters. In the states 1 to 3, that many bytes have to come. In the states
 * 4 to 7, the second byte has a narrower range. State 8 is the end. */
enum { DFA_STATES = 9, DFA_CLASSES = 12 };
static uint8_t dfa_class[256];
static uint8_t dfa_next[DFA_STATES][DFA_CLASSES];

static unsigned class_of(unsigned byte)
{
    static const struct {
        unsigned last;
        unsigned class;
    } ranges[] = {{0x7F, 0}, {0x8F, 1}, {0x9F, 2}, {0xBF, 3}, {0xC1, 4},  {0xDF, 5},  {0xE0, 6},
                  {0xEC, 7}, {0xED, 8}, {0xEF, 7}, {0xF0, 9}, {0xF3, 10}, {0xF4, 11}, {0xFF, 4}};
    size_t i = 0;
    while (byte > ranges[i].last)
        i++;
    return ranges[i].class;
}

static void make_dfa(void)
{
    static const uint8_t starts[DFA_CLASSES] = {0, 8, 8, 8, 8, 1, 4, 2, 5, 6, 3, 7};
    for (unsigned byte = 0; byte < 256; byte++)
        dfa_class[byte] = (uint8_t)class_of(byte);
    memset(dfa_next, 8, sizeof dfa_next);
    memcpy(dfa_next[0], starts, sizeof starts);
    for (unsigned state = 1; state <= 3; state++)
        memset(&dfa_next[state][1], (int)state - 1, 3);
    dfa_next[4][3] = 1;
    memset(&dfa_next[5][1], 1, 2);
    memset(&dfa_next[6][2], 2, 2);
    dfa_next[7][1] = 2;
}

static void run_dfa(void *context, size_t count)
{
    struct world *world = context;
    for (; count-- > 0;) {
        unsigned state = 0;
        for (size_t i = 0; i < world->size; i++)
            state = dfa_next[state][dfa_class[world->source[i]]];
        world->sink += state;
    }
}

static const size_t sizes[] = {64, 1024, 65536, 1048576};

static void measure_masking(struct world *world)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t count = (4u << 20) / sizes[i];
        struct contestant all[] = {
            {.name = "memcpy", .run = run_memcpy, .context = world, .count = count},
            {.name = "mask in place / memcpy", .run = run_mask, .context = world, .count = count},
            {.name = "mask copy / memcpy", .run = run_mask_copy, .context = world, .count = count},
        };
        world->size = sizes[i];
        measure_rounds(all, 3);
        for (size_t k = 0; k < 3; k++)
            print_rate(&all[k], sizes[i], k == 0 ? 0 : 1 / all[k].ratio);
    }
}

static void fill_mixed(struct world *world)
{
    static const char text[] = "plain, gr\xc3\xbc\xc3\x9f"
                               "e, \xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5, "
                               "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x98\x80 ";
    size_t at = 0;
    for (; at + sizeof text < ROOM; at += sizeof text - 1)
        memcpy(world->source + at, text, sizeof text - 1);
    memset(world->source + at, 'x', ROOM - at);
}

static void measure_ascii(struct world *world)
{
    size_t count = (4u << 20) / world->size;
    struct contestant all[] = {
        {.name = "memcpy", .run = run_memcpy, .context = world, .count = count},
        {.name = "UTF-8 of ASCII / memcpy", .run = run_utf8, .context = world, .count = count},
    };
    memset(world->source, 'x', ROOM);
    measure_rounds(all, 2);
    print_rate(&all[1], world->size, 1 / all[1].ratio);
}

static void measure_mixed(struct world *world)
{
    size_t count = (1u << 20) / world->size;
    struct contestant all[] = {
        {.name = "table-driven UTF-8 of mixed text",
         .run = run_dfa,
         .context = world,
         .count = count},
        {.name = "UTF-8 of mixed text / table", .run = run_utf8, .context = world, .count = count},
    };
    fill_mixed(world);
    measure_rounds(all, 2);
    print_rate(&all[0], world->size, 0);
    print_rate(&all[1], world->size, 1 / all[1].ratio);
}

static void measure_utf8(struct world *world)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        world->size = sizes[i];
        measure_ascii(world);
        measure_mixed(world);
    }
}

/* Masked text frames of 64 bytes, one after the other. */
static void make_frames(struct world *world)
{
    world->frames_size = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_frame_head head = {.size = 64, .opcode = 1, .fin = true, .masked = true};
        world->frames_size += weir_frame_head_write(world->frames + world->frames_size, &head);
        memset(world->frames + world->frames_size, 'x', 64);
        world->frames_size += 64;
    }
}

/* The key is zero, so that unmasking in place leaves the frames as they are. */
static void run_parser(void *context, size_t count)
{
    struct world *world = context;
    weir_parser parser;
    weir_parser_event event;
    size_t eaten;
    weir_parser_init(&parser, WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    for (; count > 0; count -= MESSAGES)
        for (size_t at = 0; at < world->frames_size; at += eaten) {
            int status = weir_parser_feed(&parser, world->frames + at, world->frames_size - at,
                                          &eaten, &event);
            world->sink += event.kind + (unsigned)status;
        }
}

/* The yardstick of a header: a call fills in its fields, checks nothing and keeps no state. Like
 * the parser, it needs many loads and stores at a time. So it loses nearly as much, up to half,
 * when something else takes a share of the core, as on a virtual machine with shared cores. When
 * both take long, the parser is not the reason. */
static __attribute__((noinline)) void copy_head(weir_frame_head *head, const uint8_t *in)
{
    uint8_t bits = in[0];
    uint8_t length = in[1];
    head->size = length & 0x7Fu;
    memcpy(head->key, in + 2, sizeof head->key);
    head->opcode = head->type = bits & 0x0Fu;
    head->rsv = bits >> 4 & 7u;
    head->fin = bits >> 7 != 0;
    head->masked = length >> 7 != 0;
}

static void run_copies(void *context, size_t count)
{
    struct world *world = context;
    weir_frame_head head;
    uint64_t sink = 0;
    for (; count > 0; count -= MESSAGES)
        for (size_t i = 0; i < MESSAGES; i++) {
            copy_head(&head, world->frames + i * 70);
            sink += head.size;
        }
    world->sink += sink;
}

/* Parses headers of masked text frames. Before each, the parser's state is set as if the payload of
 * the one before had come. */
static void run_heads(void *context, size_t count)
{
    struct world *world = context;
    weir_parser parser;
    weir_parser_event event;
    uint64_t sink = 0;
    weir_parser_init(&parser, WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    for (; count > 0; count -= MESSAGES)
        for (size_t i = 0; i < MESSAGES; i++) {
            size_t eaten;
            parser.state = WEIR__AWAIT_BITS;
            sink += (uint64_t)weir_parser_feed(&parser, world->frames + i * 70, 70, &eaten, &event);
            sink += event.head.size + eaten;
        }
    world->sink += sink;
}

static void run_receive(void *context, size_t count)
{
    struct world *world = context;
    weir_event event;
    for (; count > 0; count -= MESSAGES) {
        world->sink +=
            (uint64_t)weir_endpoint_feed(world->server, world->frames, world->frames_size, 0);
        while (weir_endpoint_next(world->server, &event) == WEIR_OK)
            world->sink += event.frame.size;
    }
}

static void run_echo(void *context, size_t count)
{
    struct world *world = context;
    weir_event event;
    for (; count > 0; count -= MESSAGES) {
        world->out.size = 0;
        world->sink +=
            (uint64_t)weir_endpoint_feed(world->server, world->frames, world->frames_size, 0);
        while (weir_endpoint_next(world->server, &event) == WEIR_OK)
            world->sink += (uint64_t)weir_endpoint_send(world->server, &event.frame, &world->out);
    }
}

static void no_random(void *out, size_t size, void *arg)
{
    (void)arg;
    memset(out, 0, size);
}

static int measure_messages(struct world *world)
{
    static struct contestant all[] = {
        {.name = "fields of a header, unchecked", .run = run_copies},
        {.name = "header of a masked frame", .run = run_heads},
        {.name = "parser, 64 B text", .run = run_parser},
        {.name = "endpoint receives 64 B text", .run = run_receive},
        {.name = "endpoint echoes 64 B text", .run = run_echo},
    };
    weir_endpoint_options options = {.role = WEIR_ROLE_SERVER, .random = no_random};
    int status = weir_endpoint_new(&world->server, &options, 0);
    if (status != WEIR_OK)
        return status;
    make_frames(world);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i].context = world;
        all[i].count = (size_t)32 * MESSAGES;
    }
    measure_contest(all, sizeof all / sizeof *all);
    weir_endpoint_free(world->server);
    weir_buffer_fini(&world->out);
    return WEIR_OK;
}

int main(void)
{
    struct world world = {
        .source = malloc(ROOM), .target = malloc(ROOM), .frames = malloc((size_t)MESSAGES * 80)};
    int status = WEIR_ENOMEM;
    if (world.source != NULL && world.target != NULL && world.frames != NULL) {
        memset(world.source, 'x', ROOM);
        memset(world.target, 'y', ROOM);
        make_dfa();
        measure_masking(&world);
        measure_utf8(&world);
        status = measure_messages(&world);
    }
    free(world.source);
    free(world.target);
    free(world.frames);
    return status == WEIR_OK ? 0 : 1;
}
