/* examples/dissect.c - reads the bytes of one direction of a WebSocket connection, frame by frame.
 * It uses the low-level parts alone: parser, collector, UTF-8, serializer. It needs only
 * libweir-wire.a.
 *
 *     dissect < FILE           prints the frames, and the first rule of RFC 6455 that is broken
 *     dissect --remask < FILE  writes the same frames as a client sends them, with a key of its own
 *     dissect --sample > FILE  writes some frames to look at */
#define WEIR_USE_INTERNAL_API
#include <stdio.h>
#include <string.h>
#include <weir/close.h>
#include <weir/collector.h>
#include <weir/head.h>
#include <weir/mask.h>
#include <weir/parser.h>
#include <weir/serializer.h>
#include <weir/utf8.h>

/* A constant key: the output is made to be read, not to be sent. */
static void no_random(void *out, size_t size, void *arg)
{
    (void)arg;
    memset(out, 0x5a, size);
}

static bool enqueue_all(weir_serializer *serializer)
{
    static const weir_close_reason bye = {.code = 1000, .message = "bye", .message_size = 3};
    weir_frame frames[] = {
        weir_frame_text("a whole one", 11),
        weir_frame_binary("\xff\xfe", 2),
        weir_frame_by_type(false, WEIR_FRAME_BINARY, "two", 3),
        weir_frame_ping("!", 1),
        weir_frame_by_type(true, WEIR_FRAME_BINARY, "pieces", 6),
        {0},
    };
    if (weir_frame_close(&frames[5], &bye, NULL) != WEIR_OK)
        return false;
    for (size_t i = 0; i < 6 && weir_serializer_remaining_capacity(serializer) > 0; i++)
        if (weir_serializer_enqueue(serializer, &frames[i]) != WEIR_OK)
            return false;
    return true;
}

static int write_sample(void)
{
    weir_serializer serializer;
    weir_serializer_options options = {.capacity = 8, .masking = true, .random = no_random};
    char out[16];
    int status = weir_serializer_init(&serializer, &options);
    if (status == WEIR_OK && !enqueue_all(&serializer))
        status = WEIR_ENOMEM;
    while (status == WEIR_OK && weir_serializer_has_outstanding(&serializer))
        fwrite(out, 1, weir_serializer_write(&serializer, out, sizeof out), stdout);
    weir_serializer_fini(&serializer);
    return status == WEIR_OK ? 0 : 1;
}

static void show_close(const weir_frame *frame)
{
    char text[256];
    weir_close_reason reason;
    int status = weir_frame_close_reason_get(&reason, frame);
    if (status != WEIR_OK) {
        printf("  %s\n", weir_strerror(status));
        return;
    }
    (void)weir_close_reason_describe(text, sizeof text, &reason);
    printf("  %s%s%s\n", text,
           weir_close_code_name(reason.code) == NULL ? ", a code that is not registered" : "",
           weir_close_code_is_sendable(reason.code) ? "" : ", which may not be sent");
}

static void show_payload(const weir_frame *frame)
{
    if (frame->type == WEIR_FRAME_CLOSE)
        show_close(frame);
    else if (weir_utf8_is_valid(frame->data, frame->size))
        printf("  \"%.*s\"\n", (int)weir_utf8_cut(frame->data, frame->size, 60),
               (const char *)frame->data);
    else
        printf("  not UTF-8 by itself\n");
}

/* Text may be cut anywhere, so it is checked over all fragments of a message. */
static void check_text(const weir_frame *frame)
{
    static weir_utf8 text;
    size_t valid;
    if (frame->type != WEIR_FRAME_TEXT)
        return;
    if (weir_utf8_feed(&text, frame->data, frame->size, &valid) != WEIR_OK)
        printf("  the text is not UTF-8 at byte %zu of this frame\n", valid);
    else if (frame->fin && !weir_utf8_is_complete(&text))
        printf("  the text ends inside a character\n");
    else if (!frame->fin)
        return;
    text = (weir_utf8){0};
}

/* One frame is complete. */
static int show(const weir_frame_head *head, weir_collector *payload)
{
    static unsigned long controls;
    char text[128];
    weir_frame frame;
    int status = weir_collector_take(&frame, payload, NULL);
    if (status != WEIR_OK)
        return status;
    frame.type = head->type;
    frame.fin = head->fin;
    (void)weir_frame_describe(text, sizeof text, &frame);
    printf("%s%s%s\n", text, head->opcode == 0 ? ", continuation" : "",
           head->masked ? ", masked" : "");
    show_payload(&frame);
    check_text(&frame);
    int type = weir_frame_type_from_opcode(head->opcode);
    if (type >= 0 && weir_frame_type_is_control((enum weir_frame_type)type))
        printf("  control frame number %lu, a %s\n", ++controls, weir_frame_type_name(type));
    weir_frame_release(&frame);
    return WEIR_OK;
}

static int remask(const weir_frame_head *head, weir_collector *payload)
{
    uint8_t bytes[WEIR_FRAME_HEAD_MAX];
    weir_frame_head own = *head;
    weir_frame frame;
    int status = weir_collector_take(&frame, payload, NULL);
    if (status != WEIR_OK)
        return status;
    own.masked = true;
    no_random(own.key, sizeof own.key, NULL);
    fwrite(bytes, 1, weir_frame_head_write(bytes, &own), stdout);
    weir_mask(frame.data, frame.size, own.key, 0);
    fwrite(frame.data, 1, frame.size, stdout);
    weir_frame_release(&frame);
    return WEIR_OK;
}

/* What to do with each frame. */
static int (*use)(const weir_frame_head *head, weir_collector *payload) = show;

static int take(weir_parser *parser, weir_frame_head *head, weir_collector *payload, char *in,
                size_t size)
{
    weir_parser_event event;
    size_t eaten;
    int status;
    while ((status = weir_parser_feed(parser, in, size, &eaten, &event)) == WEIR_OK) {
        in += eaten;
        size -= eaten;
        if (event.kind == WEIR_PARSER_HEAD) {
            *head = event.head;
            status = weir_collector_start(payload, event.head.size);
        } else {
            status = weir_collector_feed(payload, event.data, event.size, NULL);
            if (status == WEIR_OK && event.last)
                status = use(head, payload);
        }
        if (status != WEIR_OK)
            return status;
    }
    return status == WEIR_EAGAIN ? WEIR_OK : status;
}

int main(int argc, char **argv)
{
    char in[4096];
    size_t size;
    weir_parser parser;
    weir_frame_head head = {0};
    weir_collector payload;
    weir_fault fault;
    int status = WEIR_OK;
    if (argc > 1 && strcmp(argv[1], "--sample") == 0)
        return write_sample();
    if (argc > 1 && strcmp(argv[1], "--remask") != 0)
        return 2;
    if (argc > 1)
        use = remask;
    weir_parser_init(&parser, WEIR_MASK_ANY, (uint64_t)1024 * 1024);
    weir_collector_init(&payload, NULL);
    while (status == WEIR_OK && (size = fread(in, 1, sizeof in, stdin)) > 0)
        status = take(&parser, &head, &payload, in, size);
    bool missing = weir_collector_has_remaining(&payload);
    weir_collector_fini(&payload);
    weir_parser_fault_get(&fault, &parser);
    if (fault.rule != NULL)
        fprintf(stderr, "byte %llu: %s\n", (unsigned long long)fault.offset, fault.rule);
    else if (!weir_parser_is_between_frames(&parser))
        fprintf(stderr, "ends inside a frame%s\n", missing ? "'s payload" : "'s header");
    return status == WEIR_OK ? 0 : 1;
}
