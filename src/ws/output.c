#include "ws/output.h"

/* What the buffer of messages begins with, so that those of one turn find room without growing it. */
#define FIRST_SIZE ((size_t)4 * 1024)

/* Most are taken and given back within one turn, one after the other: the last one waits for the next, with its buffer. */
struct spare {
    struct weir__resident resident;
    weir_loop *loop;
    struct weir__output *output;
};

static const char kind[] = "spare output";

/* --- made and freed --- */

static void end_buffer(weir_buffer *buffer)
{
    if (buffer->data != NULL)
        weir_buffer_fini(buffer);
}

static void free_output(weir_loop *loop, struct weir__output *output)
{
    end_buffer(&output->flying);
    end_buffer(&output->out);
    weir__loop_free(loop, output, sizeof *output);
}

static struct weir__output *new_output(weir_loop *loop)
{
    const weir_allocator *allocator = weir__loop_allocator(loop);
    struct weir__output *output = weir__loop_alloc(loop, sizeof *output);
    if (output == NULL)
        return NULL;
    *output =
        (struct weir__output){.flying = {.allocator = allocator}, .out = {.allocator = allocator}};
    weir__list_init(&output->flushers);
    return output;
}

/* --- the spare one --- */

static void fini_spare(struct weir__resident *resident)
{
    struct spare *spare = WEIR__CONTAINER(resident, struct spare, resident);
    if (spare->output != NULL)
        free_output(spare->loop, spare->output);
    weir__loop_free(spare->loop, spare, sizeof *spare);
}

static struct spare *find_spare(const weir_loop *loop)
{
    struct weir__resident *resident = weir__loop_resident(loop, kind);
    return resident == NULL ? NULL : WEIR__CONTAINER(resident, struct spare, resident);
}

/* NULL: none can be kept. */
static struct spare *settle_spare(weir_loop *loop)
{
    struct spare *spare = WEIR__POOL_KEEPS ? weir__loop_alloc(loop, sizeof *spare) : NULL;
    if (spare == NULL)
        return NULL;
    *spare = (struct spare){.resident = {.kind = kind, .fini = fini_spare}, .loop = loop};
    weir__loop_settle(loop, &spare->resident);
    return spare;
}

/* As new, but for the buffer that it had. Returns whether it is worth to be kept with that. */
static bool clean(struct weir__output *output)
{
    if (output->out.capacity != FIRST_SIZE) {
        weir_buffer other = output->flying;
        output->flying = output->out;
        output->out = other;
    }
    end_buffer(&output->flying);
    output->out.size = 0;
    output->flown = 0;
    return output->out.capacity == FIRST_SIZE;
}

struct weir__output *weir__output_take(weir_loop *loop)
{
    struct spare *spare = find_spare(loop);
    if (spare == NULL || spare->output == NULL)
        return new_output(loop);
    struct weir__output *output = spare->output;
    spare->output = NULL;
    return output;
}

void weir__output_give(weir_loop *loop, struct weir__output *output)
{
    if (output->large_open)
        weir__output_close_large(output);
    struct spare *spare = find_spare(loop);
    if (spare == NULL)
        spare = settle_spare(loop);
    if (clean(output) && spare != NULL && spare->output == NULL)
        spare->output = output;
    else
        free_output(loop, output);
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
