#include "rt/backend.h"
#include "rt/coroutine.h"

#include <stdio.h>

#define LINE_MAX_SIZE 512

static void write_line(void (*write)(const char *text, size_t size, void *arg), void *arg,
                       char *line, int size)
{
    if (size <= 0)
        return;
    size_t length = (size_t)size < LINE_MAX_SIZE ? (size_t)size : LINE_MAX_SIZE - 1;
    line[length - 1] = '\n'; /* of a line that was cut, too */
    write(line, length, arg);
}

static const char *state_of(const struct weir__coroutine *coroutine)
{
    if (coroutine->wait != NULL)
        return coroutine->wait->what;
    return coroutine->scope->loop->current == coroutine ? "running" : "ready";
}

void weir_loop_dump(weir_loop *loop, void (*write)(const char *text, size_t size, void *arg),
                    void *arg)
{
    char line[LINE_MAX_SIZE];
    int size = snprintf(line, sizeof line, "weir loop %s: %zu coroutines\n", loop->backend->name,
                        loop->coroutine_count);
    write_line(write, arg, line, size);
    for (weir__node *node = loop->coroutines.next; node != &loop->coroutines; node = node->next) {
        const struct weir__coroutine *coroutine =
            WEIR__CONTAINER(node, struct weir__coroutine, live);
        size = snprintf(line, sizeof line, "  coroutine \"%s\" in scope %p%s: %s\n",
                        coroutine->name, (void *)coroutine->scope,
                        coroutine->scope->cancelled ? " (cancelled)" : "", state_of(coroutine));
        write_line(write, arg, line, size);
    }
    for (weir__node *node = loop->dumpables.next; node != &loop->dumpables; node = node->next) {
        struct weir__dumpable *dumpable = WEIR__CONTAINER(node, struct weir__dumpable, link);
        size_t length = dumpable->describe(dumpable, line, sizeof line - 1);
        if (length > sizeof line - 2)
            length = sizeof line - 2;
        line[length] = '\n';
        write(line, length + 1, arg);
    }
}
