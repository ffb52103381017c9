/* weir: a WebSocket server, a client and a demonstration on the command line. */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <weir/version.h>

struct command {
    const char *name;
    cli_run *run;
    const char *summary;
};

static const struct command commands[] = {
    {"demo", cli_demo, "a server and a client in one process, step by step"},
    {"echo", cli_echo, "serve: send every message back"},
    {"connect", cli_connect, "talk to a server: lines in, messages out"},
    {"bench", cli_bench, "drive a server that echoes, and measure it"},
};

#define COMMAND_COUNT (sizeof commands / sizeof *commands)

static int print_help(void)
{
    printf("Usage: weir COMMAND [ARGUMENT]...\n"
           "WebSocket on the command line.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\n"
           "  weir COMMAND --help   what a command does, and all its options\n"
           "  weir --version        what is built in\n");
    return CLI_EXIT_OK;
}

/* Which loops are available here, and which is the default. */
static void print_loops(void)
{
    static const struct {
        enum weir_backend backend;
        const char *name;
    } backends[] = {{WEIR_BACKEND_IO_URING, "io_uring"}, {WEIR_BACKEND_EPOLL, "epoll"}};
    weir_loop *loop;
    printf("loops here:");
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        const weir_loop_options options = {.backend = backends[i].backend};
        if (weir_loop_new(&loop, &options) == WEIR_OK)
            printf(" %s", backends[i].name);
        weir_loop_free(loop);
    }
    if (weir_loop_new(&loop, NULL) == WEIR_OK)
        printf(" (default: %s)", weir_loop_backend_name(loop));
    weir_loop_free(loop);
    printf("\n");
}

static int print_version(void)
{
    printf("weir %s\n"
           "built with: %s\n",
           weir_version(), weir_features());
    print_loops();
    return CLI_EXIT_OK;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        cli_complain(NULL, "no command was given (see weir --help)");
        return CLI_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return print_help();
    if (strcmp(name, "--version") == 0)
        return print_version();
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    cli_complain(NULL, "unknown command '%s' (see weir --help)", name);
    return CLI_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        cli_complain(NULL, "standard output could not be written");
        return status == CLI_EXIT_OK ? CLI_EXIT_LOCAL : status;
    }
    return status;
}
