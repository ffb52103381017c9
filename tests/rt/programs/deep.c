/* For a debugger and for Valgrind: a coroutine that goes deep, suspends on its way, and at the
 * bottom does what the argument says.
 *
 *     deep bottom       calls touch_bottom(), where a breakpoint may stand
 *     deep freed        reads freed memory there
 *     deep clean        many coroutines that go deep, talk and are cancelled: nothing is wrong */
#include <weir/channel.h>
#include <weir/loop.h>

#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

static volatile int sum; /* what is done after a call: none is a tail call */
static const char *task;

NOINLINE static void touch_bottom(void)
{
    sum++;
}

NOINLINE static void read_freed(void)
{
    volatile char *block = malloc(16);
    free((void *)block);
    sum += block[3];
}

NOINLINE static int dig_third(void)
{
    int status = weir_sleep(1);
    if (strcmp(task, "freed") == 0)
        read_freed();
    else
        touch_bottom();
    sum++;
    return status;
}

NOINLINE static int dig_second(void)
{
    int status = dig_third();
    sum++;
    return status;
}

NOINLINE static int dig_first(void)
{
    int status = dig_second();
    sum++;
    return status;
}

static int dig(void *arg)
{
    int status = dig_first();
    (void)arg;
    sum++;
    return status;
}

/* --- clean --- */

NOINLINE static int descend(weir_channel *channel, int depth)
{
    volatile char room[256];
    room[0] = (char)depth;
    int status = depth > 0 ? descend(channel, depth - 1) : weir_channel_send(channel, &depth);
    sum += room[0];
    return status == WEIR_OK && depth % 16 == 0 ? weir_yield() : status;
}

static int send_from_below(void *arg)
{
    return descend(arg, 64);
}

static int sleep_long(void *arg)
{
    (void)arg;
    return weir_sleep(3600000);
}

static int work(void *arg)
{
    weir_channel *channel;
    weir_scope scope;
    int item;
    const weir_channel_options options = {.item_size = sizeof item, .capacity = 2};
    (void)arg;
    int status = weir_channel_new(&channel, weir_loop_current(), &options);
    if (status != WEIR_OK)
        return status;
    status = weir_scope_open(&scope);
    if (status != WEIR_OK)
        goto done;
    for (int i = 0; i < 300 && status == WEIR_OK; i++)
        status = weir_go(&scope, "work", i % 3 == 0 ? sleep_long : send_from_below, channel);
    for (int i = 0; i < 200 && status == WEIR_OK; i++)
        status = weir_channel_receive(channel, &item);
    weir_scope_cancel(&scope);
    int joined = weir_scope_join(&scope);
    if (status == WEIR_OK && joined != WEIR_CANCELLED)
        status = joined;
done:
    weir_channel_free(channel);
    return status;
}

int main(int argc, char **argv)
{
    weir_loop *loop;
    if (argc != 2 || weir_loop_new(&loop, NULL) != WEIR_OK)
        return 2;
    task = argv[1];
    int status = weir_loop_run(loop, "digger", strcmp(task, "clean") == 0 ? work : dig, NULL);
    weir_loop_free(loop);
    return status == WEIR_OK ? 0 : 1;
}
