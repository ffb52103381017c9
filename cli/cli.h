/* The command: what its subcommands share. It knows only the public headers of weir. */
#ifndef WEIR_CLI_H
#define WEIR_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weir/deflate.h>
#include <weir/loop.h>

/* Exit statuses. The help lists them, so they are an interface. */
enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILED = 1,    /* no connection, cannot listen, a step of the demo failed */
    CLI_EXIT_USAGE = 2,     /* the command line makes no sense */
    CLI_EXIT_ABNORMAL = 3,  /* the connection was lost, or something took too long */
    CLI_EXIT_REFUSED = 4,   /* the server answered with an HTTP status other than 101 */
    CLI_EXIT_PROTOCOL = 5,  /* the peer broke the protocol or a limit */
    CLI_EXIT_CLOSED = 6,    /* a clean close, with a code that means trouble */
    CLI_EXIT_LOCAL = 7,     /* standard input or output failed */
    CLI_EXIT_SIGNALED = 128 /* plus the signal's number */
};

/* A subcommand. argv[0] is the first argument after its name. Returns the exit status of the
 * process. */
typedef int cli_run(int argc, char **argv);
cli_run cli_demo;
cli_run cli_echo;
cli_run cli_connect;
cli_run cli_bench;

/* --- the process: process.c --- */

/* One line on standard error: "weir NAME: ...". name NULL: "weir: ...". */
void cli_complain(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Raises the soft limit of open files to the hard one. If that fails, the limit stays as it is. */
void cli_raise_file_limit(void);

/* --- options: options.c --- */

/* Whether a text is a URL that weir understands. If not, complains. */
bool cli_check_url(const char *name, const char *text);

enum cli_kind {
    CLI_FLAG,    /* bool: the option takes no value */
    CLI_TEXT,    /* const char * */
    CLI_LIST,    /* cli_list: may be given several times */
    CLI_COUNT,   /* uint64_t in min..max */
    CLI_BYTES,   /* uint64_t, with an optional suffix K, M or G (powers of 1024) */
    CLI_LIMIT,   /* BYTES, or "none": WEIR_UNLIMITED. 0 is the default */
    CLI_TIMEOUT, /* COUNT of milliseconds, or "none": WEIR_UNLIMITED. 0 is the default */
    CLI_DEFLATE, /* weir_deflate_options: "--deflate" alone, or with "=SETTING,..." */
    CLI_BACKEND, /* enum weir_backend: "epoll" or "io_uring" */
};

/* Values in the order in which they were given. The list owns the array (cli_list_free()) and
 * borrows the texts, which are argv's. */
typedef struct cli_list {
    const char **items;
    size_t count;
} cli_list;

typedef struct cli_option {
    const char *name; /* without the dashes */
    enum cli_kind kind;
    void *target;      /* of the type that kind names; keeps its value unless the option is given */
    uint64_t min, max; /* COUNT */
    const char *value; /* the help's name of the value; NULL: a flag; "[=...]": it is optional */
    const char *help;  /* one line, or several with '\n' */
} cli_option;

/* A subcommand's command line. */
typedef struct cli_syntax {
    const char *name;     /* of the subcommand */
    const char *operand;  /* what the help calls the one operand; NULL: none is allowed */
    const char *summary;  /* one line */
    const char *epilogue; /* what the help says after the options; NULL: nothing */
    const cli_option *options;
    size_t option_count;
} cli_syntax;

/* Reads a command line: --name VALUE, --name=VALUE, -- to end options, and the operand, all in any
 * order. Returns true when the command has to run. Returns false when it has not: the help was
 * printed, or a mistake was complained about. *status is then the exit status. */
bool cli_parse(const cli_syntax *syntax, int argc, char **argv, const char **operand, int *status);

void cli_list_free(cli_list *list);

/* Enables compression with the settings "NAME[=N],...". text NULL: no settings. Returns false when
 * one is unknown or out of its range. */
bool cli_read_deflate(weir_deflate_options *deflate, const char *text);

/* What the help says of CLI_DEFLATE. */
#define CLI_DEFLATE_HELP                                                                           \
    "compress messages (permessage-deflate) when the peer can;\n"                                  \
    "settings: takeover, server-takeover, client-takeover,\n"                                      \
    "server-window=8..15, client-window=8..15, level=1..9,\n"                                      \
    "memory=1..9, min=BYTES"

#endif
