#include "pipes.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <weir/base.h>

/* --- lines in --- */

void cli_input_read(cli_input *input)
{
    if (input->first > 0) {
        memmove(input->data, input->data + input->first, input->size);
        input->first = 0;
    }
    if (input->ended || input->size == sizeof input->data)
        return;
    ssize_t got = read(input->fd, input->data + input->size, sizeof input->data - input->size);
    if (got > 0) {
        input->size += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        input->error = got == 0 ? 0 : errno;
        input->ended = true;
    }
}

bool cli_input_peek(cli_input *input, weir_frame *frame)
{
    const uint8_t *start = input->data + input->first;
    const uint8_t *newline = input->size > 0 ? memchr(start, '\n', input->size) : NULL;
    size_t size = newline != NULL ? (size_t)(newline - start) : input->size;
    bool last = newline != NULL || input->ended;
    if (newline == NULL && (input->ended ? size == 0 && !input->in_line : size < CLI_INPUT_ROOM))
        return false;
    *frame = weir_frame_by_type(last, (enum weir_frame_type)input->type, start, size);
    return true;
}

void cli_input_pass(cli_input *input, bool fin, size_t size)
{
    bool newline = fin && size < input->size;
    input->first += size + newline;
    input->size -= size + newline;
    input->in_line = !fin;
}

bool cli_input_is_empty(const cli_input *input)
{
    return input->ended && input->size == 0 && !input->in_line;
}

/* --- messages out --- */

int cli_output_add(cli_output *output, const weir_frame *frame)
{
    static const uint8_t newline = '\n';
    if (output->error != 0)
        return WEIR_OK;
    int status = weir_buffer_append(&output->data, frame->data, frame->size);
    if (status == WEIR_OK && frame->fin)
        status = weir_buffer_append(&output->data, &newline, 1);
    return status;
}

size_t cli_output_pending(const cli_output *output)
{
    return output->data.size - output->written;
}

static bool is_writable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    return poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLOUT) != 0;
}

void cli_output_fail(cli_output *output, int error)
{
    output->error = error;
    output->written = 0;
    weir_buffer_fini(&output->data);
}

/* A pipe that is writable takes PIPE_BUF bytes without waiting, and promises no more. */
void cli_output_write(cli_output *output)
{
    while (output->error == 0 && cli_output_pending(output) > 0 && is_writable(output->fd)) {
        size_t size = cli_output_pending(output);
        ssize_t written = write(output->fd, output->data.data + output->written,
                                size < PIPE_BUF ? size : PIPE_BUF);
        if (written >= 0)
            output->written += (size_t)written;
        else if (errno == EAGAIN || errno == EINTR)
            break;
        else
            cli_output_fail(output, errno);
    }
    if (output->written > output->data.size / 2) {
        weir_buffer_consume(&output->data, output->written);
        output->written = 0;
    }
}
