/* Standard input and output of a conversation, for a loop around poll(2): lines in, messages out. Nothing here waits; nothing knows of sessions. */
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
    bool in_line; /* a part of the line was given out, its end was not */
    int error;    /* errno of a read that failed; 0: none */
    size_t first; /* where the unread bytes begin */
    size_t size;  /* how many there are */
    uint8_t data[CLI_INPUT_ROOM];
} cli_input;

/* Takes what is there, if there is room. Call it when poll() says that the descriptor is readable: it must not wait. */
void cli_input_read(cli_input *input);

/* The next line, or part of one (fin = false), as a frame that borrows the bytes. Returns false when there is none yet. cli_input_pass() goes on behind it. */
bool cli_input_peek(cli_input *input, weir_frame *frame);
void cli_input_pass(cli_input *input, bool fin, size_t size);

/* All has been given out, and nothing comes any more. */
bool cli_input_is_empty(const cli_input *input);

/* Bytes on their way to a descriptor. */
typedef struct cli_output {
    int fd;
    int error;        /* errno of a write that failed; 0: none */
    size_t written;   /* of the buffer's bytes */
    weir_buffer data; /* belongs to the output: weir_buffer_fini() */
} cli_output;

/* Appends the payload, and a newline behind the last of a message; nothing once writing has failed. Errors: WEIR_ENOMEM. */
int cli_output_add(cli_output *output, const weir_frame *frame);

/* Writes as long as the descriptor takes something without waiting. */
void cli_output_write(cli_output *output);

/* Writing has failed: drops what is left. */
void cli_output_fail(cli_output *output, int error);

/* Bytes not yet written. */
size_t cli_output_pending(const cli_output *output);

#endif
