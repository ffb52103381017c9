/* examples/halves.c - the two halves of a raw session: a reader on the read side of a stream, a
 * writer on its write side, and a coroutine between them. This is for gateways and tools that
 * decide by themselves what to answer.
 *
 *     halves      echoes in capitals over a pair of streams in memory */
#define WEIR_USE_INTERNAL_API
#include <ctype.h>
#include <stdio.h>
#include <weir/weir.h>

static void capitalize(weir_frame *frame)
{
    for (size_t i = 0; i < frame->size; i++)
        frame->data[i] = (uint8_t)toupper(frame->data[i]);
}

/* Sends text back in capitals, and answers a Close with the same Close. */
static int echo_in_capitals(weir_reader *reader, weir_writer *writer)
{
    weir_frame frame;
    int status;
    while ((status = weir_channel_receive(weir_reader_incoming(reader), &frame)) == WEIR_OK) {
        if (frame.type == WEIR_FRAME_TEXT)
            capitalize(&frame);
        if ((status = weir_writer_send(writer, &frame)) != WEIR_OK) /* takes it */
            break;
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int serve(void *arg)
{
    weir_stream *stream = arg;
    weir_reader *reader;
    weir_writer *writer;
    weir_fault fault;
    int status = weir_reader_start(&reader, weir_scope_current(), stream, NULL);
    if (status != WEIR_OK)
        return status;
    status = weir_writer_start(&writer, weir_scope_current(), stream, NULL);
    if (status == WEIR_OK) {
        weir_reader_set_max_frame_size(reader, 1000);
        weir_writer_set_masking(writer, false); /* the default of a server */
        weir_frame greeting = weir_frame_ping("hello", 5);
        if (weir_channel_try_send(weir_writer_outgoing(writer), &greeting) != WEIR_OK)
            printf("no room for a greeting\n");
        printf("frames of up to %llu bytes, %s\n",
               (unsigned long long)weir_reader_max_frame_size(reader),
               weir_writer_masking(writer) ? "masked" : "not masked");
        status = echo_in_capitals(reader, writer);
        weir_reader_fault_get(&fault, reader);
        if (fault.rule != NULL)
            printf("the peer broke %s\n", fault.rule);
        weir_writer_shutdown(writer); /* the peer reads an end of stream */
        int flushed = weir_writer_flush(writer);
        printf("%zu bytes left to write: %s\n", weir_writer_queued_bytes(writer),
               weir_strerror(flushed));
        weir_writer_free(writer);
    }
    weir_reader_free(reader);
    weir_stream_close(stream);
    return status;
}

/* A default session at the other end. */
static int visit(weir_session *session)
{
    weir_frame answer;
    int status = weir_send_text(session, "is anybody there?");
    if (status == WEIR_OK)
        status = weir_receive_message(session, &answer);
    if (status != WEIR_OK)
        return status;
    puts((const char *)answer.data);
    weir_frame_release(&answer);
    (void)weir_close(session, WEIR_CLOSE_NORMAL, "just asking");
    status = weir_session_join(session);
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

static int run(void *arg)
{
    (void)arg;
    weir_stream *here, *there;
    weir_session *session;
    int status = weir_stream_pair(&here, &there, weir_loop_current());
    if (status == WEIR_OK)
        status = weir_go(weir_scope_current(), "serve", serve, there);
    if (status != WEIR_OK)
        return status;
    status = weir_session_start(&session, weir_scope_current(), here, WEIR_ROLE_CLIENT, NULL);
    if (status == WEIR_OK) {
        status = visit(session);
        weir_session_free(session);
    }
    return status;
}

int main(void)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "halves", run, NULL);
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
