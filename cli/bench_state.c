#include "bench_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bench_fail(bench_run *run, int status, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (run->failed != 0)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_complain(BENCH_NAME, "%s", text);
    run->failed = status;
}

static int prepare_deflate(bench_run *run)
{
    bench_deflate *deflate = &run->deflate;
    if (!deflate->options.enabled)
        return WEIR_OK;
    int status = weir_deflate_new(&deflate->codecs, NULL);
    if (status != WEIR_OK)
        return status;
    int size = weir_deflate_offer_write(run->offer, sizeof run->offer, &deflate->options);
    return size < 0 ? size : WEIR_OK;
}

static int make_connections(bench_run *run)
{
    for (size_t i = 0; i < BENCH_LOADS; i++)
        run->connection_count += run->loads[i].connection_count;
    run->connections = calloc(run->connection_count, sizeof *run->connections);
    run->input = malloc(BENCH_INPUT_SIZE);
    bool good = run->connections != NULL && run->input != NULL;
    size_t at = 0;
    for (size_t i = 0; i < BENCH_LOADS; i++) {
        bench_load *load = &run->loads[i];
        load->first = at;
        for (size_t k = 0; k < load->connection_count && good; k++, at++) {
            run->connections[at].load = load;
            run->connections[at].times_ns = calloc(load->depth, sizeof(uint64_t));
            good = run->connections[at].times_ns != NULL;
        }
    }
    return good ? WEIR_OK : WEIR_ENOMEM;
}

bool bench_state_init(bench_run *run)
{
    int status = make_connections(run);
    if (status == WEIR_OK)
        status = prepare_deflate(run);
    run->epoll = status == WEIR_OK ? epoll_create1(EPOLL_CLOEXEC) : -1;
    if (run->epoll < 0)
        bench_fail(run, CLI_EXIT_FAILED, "%s",
                   status == WEIR_OK ? strerror(errno) : weir_strerror(status));
    return run->epoll >= 0;
}

void bench_close(bench_run *run, bench_connection *connection)
{
    if (connection->state == BENCH_CLOSED)
        return;
    if (!connection->warm)
        run->opening--;
    (void)close(connection->fd);
    weir_buffer_fini(&connection->head);
    if (connection->codec != NULL)
        connection->codec->ops->free(connection->codec);
    connection->codec = NULL;
    connection->state = BENCH_CLOSED;
    connection->warm = false;
    connection->received = 0;
    connection->at = 0;
    connection->left = 0;
    connection->next_frame = 0;
    connection->next_answer = 0;
    connection->in_flight = 0;
    connection->control_size = 0;
    connection->control_type = 0;
    connection->pong_owed = false;
}

void bench_state_fini(bench_run *run)
{
    for (size_t i = 0; i < run->connection_count && run->connections != NULL; i++) {
        bench_close(run, &run->connections[i]);
        free(run->connections[i].times_ns);
    }
    for (size_t i = 0; i < BENCH_LOADS; i++)
        bench_ring_fini(&run->loads[i].ring);
    weir_deflate_free(run->deflate.codecs);
    free(run->connections);
    free(run->input);
    if (run->epoll >= 0)
        (void)close(run->epoll);
}
