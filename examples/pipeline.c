/* examples/pipeline.c - the runtime by itself: coroutines, channels, select, deadlines,
 * cancellation. It uses no WebSocket.
 *
 *     pipeline      a source, two workers and a sink; then one of them hangs, and one fails */
#include <stdio.h>
#include <string.h>
#include <weir/weir.h>

struct line {
    weir_channel *numbers;
    weir_channel *squares;
    weir_channel *alarms;
};

static int make_channel(weir_channel **out, size_t capacity)
{
    weir_channel_options options = {.item_size = sizeof(long), .capacity = capacity};
    return weir_channel_new(out, weir_loop_current(), &options);
}

static int produce(void *arg)
{
    struct line *line = arg;
    int status = WEIR_OK;
    for (long i = 1; status == WEIR_OK && i <= 10; i++)
        status = weir_channel_send(line->numbers, &i); /* waits while the queue is full */
    weir_channel_close(line->numbers, WEIR_OK);
    return status;
}

static int square(void *arg)
{
    struct line *line = arg;
    long number;
    int status;
    while ((status = weir_channel_receive(line->numbers, &number)) == WEIR_OK) {
        if (number == 7 && (status = weir_channel_send(line->alarms, &number)) != WEIR_OK)
            break;
        number *= number;
        if ((status = weir_channel_send(line->squares, &number)) != WEIR_OK)
            break;
    }
    return status == WEIR_CLOSED ? WEIR_OK : status;
}

/* Runs two workers until both have ended, then closes their output. */
static int supervise(void *arg)
{
    struct line *line = arg;
    weir_scope workers;
    int status = weir_scope_open(&workers);
    if (status != WEIR_OK)
        return status;
    for (int i = 0; status == WEIR_OK && i < 2; i++)
        status = weir_go(&workers, "worker", square, line);
    int joined = weir_scope_join(&workers);
    weir_channel_close(line->squares, WEIR_OK);
    return status == WEIR_OK ? joined : status;
}

/* Adds up what comes, whichever channel it comes from. */
static int add_up(struct line *line, long *sum)
{
    long square, alarm;
    weir_select_case cases[] = {
        {.kind = WEIR_SELECT_RECEIVE, .channel = line->alarms, .item = &alarm},
        {.kind = WEIR_SELECT_RECEIVE, .channel = line->squares, .item = &square},
    };
    for (;;) {
        int chosen = weir_select(cases, 2, 1000);
        if (chosen < 0)
            return chosen;
        if (cases[chosen].status != WEIR_OK)
            return cases[chosen].status == WEIR_CLOSED ? WEIR_OK : cases[chosen].status;
        if (chosen == 0)
            printf("lucky %ld passes\n", alarm);
        else
            *sum += square;
    }
}

static int run_line(struct line *line)
{
    weir_scope scope;
    long sum = 0;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    status = weir_go(&scope, "source", produce, line);
    if (status == WEIR_OK)
        status = weir_go(&scope, "supervisor", supervise, line);
    if (status == WEIR_OK)
        status = add_up(line, &sum);
    int joined = weir_scope_join(&scope); /* no coroutine of the scope runs when this returns */
    printf("sum of squares: %ld\n", sum);
    return status == WEIR_OK ? joined : status;
}

static int hang(void *arg)
{
    return weir_channel_receive(arg, &(long){0}); /* no coroutine ever sends */
}

static int fail(void *arg)
{
    (void)arg;
    int status = weir_yield();
    return status == WEIR_OK ? WEIR_ELIMIT : status;
}

/* A child that fails cancels its sibling, and its status is what the join reports. */
static int show_failure(weir_channel *channel)
{
    weir_scope scope;
    int status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        return status;
    status = weir_go(&scope, "hangs", hang, channel);
    if (status == WEIR_OK)
        status = weir_go(&scope, "fails", fail, NULL);
    int joined = weir_scope_join(&scope);
    printf("a failure: %s; coroutines left: %zu\n", weir_status_name(joined),
           weir_loop_coroutine_count(weir_loop_current()));
    return status;
}

static void write_line(const char *text, size_t size, void *arg)
{
    fwrite(text, 1, size, arg);
}

static int run(void *arg)
{
    (void)arg;
    struct line line = {0};
    int status = make_channel(&line.numbers, 2);
    if (status == WEIR_OK)
        status = make_channel(&line.squares, 2);
    if (status == WEIR_OK)
        status = make_channel(&line.alarms, 1);
    if (status == WEIR_OK)
        status = run_line(&line);
    if (status == WEIR_OK) {
        printf("a deadline: %s\n", weir_status_name(weir_with_deadline(20, hang, line.alarms)));
        status = show_failure(line.alarms);
    }
    weir_loop_dump(weir_loop_current(), write_line, stdout);
    weir_channel_free(line.numbers);
    weir_channel_free(line.squares);
    weir_channel_free(line.alarms);
    return status;
}

int main(void)
{
    weir_loop *loop;
    int status = weir_loop_new(&loop, NULL);
    if (status == WEIR_OK) {
        status = weir_loop_run(loop, "pipeline", run, NULL);
        weir_loop_free(loop);
    }
    if (status != WEIR_OK)
        fprintf(stderr, "%s\n", weir_strerror(status));
    return status != WEIR_OK;
}
