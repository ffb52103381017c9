/* What does the protocol core cost? Masking and UTF-8 beside memcpy, UTF-8 beside a table-driven automaton, a header, a
 * small message in and out of an endpoint. Each line: name, unit, samples, median, p99, ratio to its yardstick. */
#include <weir/endpoint.h>
#include <weir/mask.h>
#include <weir/parser.h>
#include <weir/utf8.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SAMPLES  301
#define ROOM     (2u << 20)
#define MESSAGES 512

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

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

struct result {
    double median;
    double p99;
};

/* Nanoseconds of one call; a sample is long enough for the clock. */
static struct result measure(void (*run)(struct world *), struct world *world)
{
    static double samples[SAMPLES];
    size_t repeat = 1;
    for (;; repeat *= 2) {
        uint64_t start = now_ns();
        for (size_t i = 0; i < repeat; i++)
            run(world);
        if (now_ns() - start > 50000)
            break;
    }
    for (size_t k = 0; k < SAMPLES; k++) {
        uint64_t start = now_ns();
        for (size_t i = 0; i < repeat; i++)
            run(world);
        samples[k] = (double)(now_ns() - start) / (double)repeat;
    }
    qsort(samples, SAMPLES, sizeof *samples, compare);
    return (struct result){samples[SAMPLES / 2], samples[SAMPLES * 99 / 100]};
}

static void print_rate(const char *name, size_t size, struct result result, double yardstick)
{
    double rate = (double)size / result.median;
    printf("%-34s %8zu B  GB/s  n=%d  median %8.2f  p99 %8.2f", name, size, SAMPLES, rate,
           (double)size / result.p99);
    if (yardstick > 0)
        printf("  ratio %.2f", yardstick / result.median);
    printf("\n");
}

static void print_time(const char *name, struct result result, size_t count)
{
    printf("%-34s %8s    ns    n=%d  median %8.2f  p99 %8.2f\n", name, "", SAMPLES,
           result.median / (double)count, result.p99 / (double)count);
}

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

static void run_memcpy(struct world *world)
{
    memcpy(world->target, world->source, world->size);
    __asm__ volatile("" : : "r"(world->target) : "memory");
}

static void run_mask(struct world *world)
{
    weir_mask(world->target, world->size, key, 0);
}

static void run_mask_copy(struct world *world)
{
    weir_mask_copy(world->target, world->source, world->size, key, 0);
}

static void run_utf8(struct world *world)
{
    weir_utf8 utf8 = {0};
    world->sink += (uint64_t)weir_utf8_feed(&utf8, world->source, world->size, NULL);
}

/* The yardstick for mixed text: one look at a table for the class of each byte, one for the next state. States: 0 between
 * characters, 1 to 3 that many bytes to come, then those with a narrower second byte; 8 is the end. */
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

static void run_dfa(struct world *world)
{
    unsigned state = 0;
    for (size_t i = 0; i < world->size; i++)
        state = dfa_next[state][dfa_class[world->source[i]]];
    world->sink += state;
}

static void measure_masking(struct world *world)
{
    static const size_t sizes[] = {64, 1024, 65536, 1048576};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        world->size = sizes[i];
        struct result yardstick = measure(run_memcpy, world);
        print_rate("memcpy", world->size, yardstick, 0);
        print_rate("mask in place / memcpy", world->size, measure(run_mask, world),
                   yardstick.median);
        print_rate("mask copy / memcpy", world->size, measure(run_mask_copy, world),
                   yardstick.median);
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

static void measure_utf8(struct world *world)
{
    static const size_t sizes[] = {64, 1024, 65536, 1048576};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        world->size = sizes[i];
        memset(world->source, 'x', ROOM);
        struct result yardstick = measure(run_memcpy, world);
        print_rate("UTF-8 of ASCII / memcpy", world->size, measure(run_utf8, world),
                   yardstick.median);
        fill_mixed(world);
        yardstick = measure(run_dfa, world);
        print_rate("table-driven UTF-8 of mixed text", world->size, yardstick, 0);
        print_rate("UTF-8 of mixed text / table", world->size, measure(run_utf8, world),
                   yardstick.median);
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

/* A key of zeros lets the same frames be taken again. */
static void run_parser(struct world *world)
{
    weir_parser parser;
    weir_parser_event event;
    size_t at = 0;
    size_t eaten;
    weir_parser_init(&parser, WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    while (weir_parser_feed(&parser, world->frames + at, world->frames_size - at, &eaten, &event) ==
           WEIR_OK) {
        at += eaten;
        world->sink += event.kind;
    }
}

/* Headers alone: of masked text frames, each to a parser between two frames. */
static void run_heads(struct world *world)
{
    weir_parser fresh;
    weir_parser_event event;
    weir_parser_init(&fresh, WEIR_MASK_REQUIRED, WEIR_UNLIMITED);
    for (size_t i = 0; i < MESSAGES; i++) {
        weir_parser parser = fresh;
        size_t eaten;
        world->sink +=
            (uint64_t)weir_parser_feed(&parser, world->frames + i * 70, 70, &eaten, &event);
        world->sink += event.head.size + eaten;
    }
}

static void run_receive(struct world *world)
{
    weir_event event;
    world->sink +=
        (uint64_t)weir_endpoint_feed(world->server, world->frames, world->frames_size, 0);
    while (weir_endpoint_next(world->server, &event) == WEIR_OK)
        world->sink += event.frame.size;
}

static void run_echo(struct world *world)
{
    weir_event event;
    world->out.size = 0;
    world->sink +=
        (uint64_t)weir_endpoint_feed(world->server, world->frames, world->frames_size, 0);
    while (weir_endpoint_next(world->server, &event) == WEIR_OK)
        world->sink += (uint64_t)weir_endpoint_send(world->server, &event.frame, &world->out);
}

static void no_random(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 0, size);
}

static int measure_messages(struct world *world)
{
    weir_endpoint_options options = {.role = WEIR_ROLE_SERVER, .random = no_random};
    int status = weir_endpoint_new(&world->server, &options, 0);
    if (status != WEIR_OK)
        return status;
    make_frames(world);
    print_time("header of a masked frame", measure(run_heads, world), MESSAGES);
    print_time("parser, 64 B text", measure(run_parser, world), MESSAGES);
    print_time("endpoint receives 64 B text", measure(run_receive, world), MESSAGES);
    print_time("endpoint echoes 64 B text", measure(run_echo, world), MESSAGES);
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
