#include "ws/flow/segments.h"

/* What the buffer of messages begins with, so that the small ones of one turn find room without growing it. Of many sessions at once each has one until the turn ends. */
#define FIRST_SIZE ((size_t)2304)

static void free_buffer(weir_loop *loop, weir_buffer *buffer)
{
    if (buffer->capacity == FIRST_SIZE)
        weir__loop_free(loop, buffer->data, FIRST_SIZE);
    else if (buffer->data != NULL)
        weir_buffer_fini(buffer);
}

struct weir__output *weir__output_take(weir_loop *loop)
{
    const weir_allocator *allocator = weir__loop_allocator(loop);
    struct weir__output *output = weir__loop_alloc(loop, sizeof *output);
    if (output == NULL)
        return NULL;
    *output = (struct weir__output){.in_flight = {.allocator = allocator},
                                    .out = {.allocator = allocator}};
    weir__list_init(&output->flushers);
    return output;
}

void weir__output_give(weir_loop *loop, struct weir__output *output)
{
    if (output->large_open)
        weir__output_close_large(output);
    weir__list_fini(&output->flushers);
    free_buffer(loop, &output->in_flight);
    free_buffer(loop, &output->out);
    weir__loop_free(loop, output, sizeof *output);
}

void weir__output_make_room(weir_loop *loop, struct weir__output *output)
{
    if (output->out.data != NULL)
        return;
    output->out.data = weir__loop_alloc(loop, FIRST_SIZE);
    output->out.capacity = output->out.data != NULL ? FIRST_SIZE : 0;
}

void weir__output_close_large(struct weir__output *output)
{
    output->large_open = false;
    output->large_begun = false;
    weir_frame_release(&output->large);
}
