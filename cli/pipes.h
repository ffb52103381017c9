/* Standard input and output of a conversation, for a loop around poll(2): lines in, messages out.
 * No function here waits. Sessions are not known here. */
#ifndef WEIR_CLI_PIPES_H
#define WEIR_CLI_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/buffer.h>
#include <weir/frame.h>

/* Bytes read ahead of what is sent; a longer line goes out in fragments of this size. */
#define CLI_INPUT_ROOM ((size_t)64 * 1024)

/* Lines of a descriptor, each a frame, or several when it is long. */
typedef struct cli_input {
    int fd;
    uint8_t type; /* of the frames: enum weir_frame_type */
    bool ended;   /* end-of-file, or an error */
    bool in_line; /* a part of the line was passed, its end was not */
    int error;    /* errno of a read that failed; 0: none */
    size_t first; /* where the unread bytes begin */
    size_t size;  /* how many there are */
    uint8_t data[CLI_INPUT_ROOM];
} cli_input;

/* Reads what is there, if there is room. It must not wait, so call it only when poll() has reported
 * that the descriptor is readable. */
void cli_input_read(cli_input *input);

/* The next line, or a part of one (fin = false), as a frame. Lends the bytes until
 * cli_input_pass(), which moves on behind them. Returns false when there is no line yet. */
bool cli_input_peek(cli_input *input, weir_frame *frame);
void cli_input_pass(cli_input *input, bool fin, size_t size);

/* All input was passed, and no more comes. */
bool cli_input_is_empty(const cli_input *input);

/* Bytes that are to be written to a descriptor. */
typedef struct cli_output {
    int fd;
    int error;        /* errno of a write that failed; 0: none */
    size_t written;   /* of the buffer's bytes */
    weir_buffer data; /* release it with weir_buffer_fini() */
} cli_output;

/* Appends the payload, and a newline after the last frame of a message. Once writing has failed it
 * does nothing and returns WEIR_OK. Errors: WEIR_ENOMEM. */
int cli_output_add(cli_output *output, const weir_frame *frame);

/* Writes as long as the descriptor takes bytes without waiting. */
void cli_output_write(cli_output *output);

/* Writing has failed: drops what is left. */
void cli_output_fail(cli_output *output, int error);

/* Bytes not yet written. */
size_t cli_output_pending(const cli_output *output);

#endif
