/* Command lines: one table of options is both the syntax and the help text. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/url.h>

#define HELP_COLUMN 26

bool cli_check_url(const char *name, const char *text)
{
    weir_url url;
    weir_fault fault;
    if (weir_url_parse(&url, text, strlen(text), &fault) == WEIR_OK)
        return true;
    cli_complain(name, "'%s' is not a WebSocket URL: %s", text, fault.rule);
    return false;
}

/* --- values --- */

/* Reads digits: neither sign nor blank. *end points behind them. */
static bool read_digits(const char *text, uint64_t *out, const char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    char *stop;
    errno = 0;
    *out = strtoull(text, &stop, 10);
    *end = stop;
    return errno == 0;
}

static bool read_count(const cli_option *option, const char *text)
{
    const char *end;
    uint64_t number;
    if (!read_digits(text, &number, &end) || *end != '\0')
        return false;
    if (number < option->min || number > option->max)
        return false;
    *(uint64_t *)option->target = number;
    return true;
}

static bool read_bytes(const cli_option *option, const char *text)
{
    static const char suffixes[] = "KMG";
    const char *end;
    uint64_t number;
    if (!read_digits(text, &number, &end))
        return false;
    unsigned shift = 0;
    if (*end != '\0') {
        const char *suffix = strchr(suffixes, *end);
        if (suffix == NULL || end[1] != '\0')
            return false;
        shift = 10 * (unsigned)(suffix - suffixes + 1);
    }
    if (number > UINT64_MAX >> shift)
        return false;
    *(uint64_t *)option->target = number << shift;
    return true;
}

/* Reads "none". */
static bool read_none(const cli_option *option, const char *text)
{
    if (strcmp(text, "none") != 0)
        return false;
    *(uint64_t *)option->target = WEIR_UNLIMITED;
    return true;
}

static bool read_backend(const cli_option *option, const char *text)
{
    enum weir_backend *backend = option->target;
    if (strcmp(text, "epoll") == 0)
        *backend = WEIR_BACKEND_EPOLL;
    else if (strcmp(text, "io_uring") == 0)
        *backend = WEIR_BACKEND_IO_URING;
    else
        return false;
    return true;
}

static bool append(cli_list *list, const char *text)
{
    const char **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL)
        return false;
    items[list->count++] = text;
    list->items = items;
    return true;
}

void cli_list_free(cli_list *list)
{
    free(list->items);
    *list = (cli_list){0};
}

static bool read_value(const cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->target = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->target = text;
        return true;
    case CLI_LIST:
        return append(option->target, text);
    case CLI_COUNT:
        return read_count(option, text);
    case CLI_BYTES:
        return read_bytes(option, text);
    case CLI_LIMIT:
        return read_none(option, text) || read_bytes(option, text);
    case CLI_TIMEOUT:
        return read_none(option, text) || read_count(option, text);
    case CLI_DEFLATE:
        return cli_read_deflate(option->target, text);
    case CLI_BACKEND:
        return read_backend(option, text);
    }
    return false;
}

static void complain_of_value(const cli_syntax *syntax, const cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_COUNT:
        cli_complain(syntax->name, "--%s: '%s' is not a number of %" PRIu64 " to %" PRIu64,
                     option->name, text, option->min, option->max);
        return;
    case CLI_BYTES:
        cli_complain(syntax->name, "--%s: '%s' is not a number of bytes, such as 65536, 64K or 1G",
                     option->name, text);
        return;
    case CLI_LIMIT:
        cli_complain(syntax->name,
                     "--%s: '%s' is neither a number of bytes, such as 65536, 64K or 1G, nor none",
                     option->name, text);
        return;
    case CLI_TIMEOUT:
        cli_complain(syntax->name,
                     "--%s: '%s' is neither a number of %" PRIu64 " to %" PRIu64 " nor none",
                     option->name, text, option->min, option->max);
        return;
    case CLI_DEFLATE:
        cli_complain(syntax->name, "--%s: '%s' is no list of settings (see weir %s --help)",
                     option->name, text, syntax->name);
        return;
    case CLI_BACKEND:
        cli_complain(syntax->name, "--%s: '%s' is neither epoll nor io_uring", option->name, text);
        return;
    case CLI_FLAG:
    case CLI_TEXT:
    case CLI_LIST:
        cli_complain(syntax->name, "--%s: out of memory", option->name);
        return;
    }
}

/* --- help --- */

static void print_option(const cli_option *option)
{
    char left[64];
    const char *value = option->value != NULL ? option->value : "";
    bool apart = *value != '\0' && *value != '[';
    (void)snprintf(left, sizeof left, "--%s%s%s", option->name, apart ? " " : "", value);
    const char *line = option->help;
    for (;;) {
        const char *end = strchrnul(line, '\n');
        printf("  %-*s %.*s\n", HELP_COLUMN, left, (int)(end - line), line);
        if (*end == '\0')
            return;
        line = end + 1;
        left[0] = '\0';
    }
}

static void print_help(const cli_syntax *syntax)
{
    static const cli_option help = {.name = "help", .help = "print this"};
    printf("Usage: weir %s%s%s [OPTION]...\n%s\n\nOptions:\n", syntax->name,
           syntax->operand != NULL ? " " : "", syntax->operand != NULL ? syntax->operand : "",
           syntax->summary);
    for (size_t i = 0; i < syntax->option_count; i++)
        print_option(&syntax->options[i]);
    print_option(&help);
    if (syntax->epilogue != NULL)
        printf("\n%s", syntax->epilogue);
}

/* --- reading --- */

static const cli_option *find_option(const cli_syntax *syntax, const char *name, size_t size)
{
    for (size_t i = 0; i < syntax->option_count; i++) {
        const char *known = syntax->options[i].name;
        if (strlen(known) == size && memcmp(known, name, size) == 0)
            return &syntax->options[i];
    }
    return NULL;
}

/* Reads one option at argv[*index]. *index is then at its last argument. */
static bool take_option(const cli_syntax *syntax, int argc, char **argv, int *index)
{
    const char *argument = argv[*index];
    const char *name = argument + 2;
    size_t size = strcspn(name, "=");
    const cli_option *option =
        strncmp(argument, "--", 2) == 0 ? find_option(syntax, name, size) : NULL;
    if (option == NULL) {
        cli_complain(syntax->name, "unknown option '%s' (see weir %s --help)", argument,
                     syntax->name);
        return false;
    }
    const char *value = name[size] == '=' ? name + size + 1 : NULL;
    if (option->kind == CLI_FLAG && value != NULL) {
        cli_complain(syntax->name, "--%s takes no value", option->name);
        return false;
    }
    if (option->kind != CLI_FLAG && option->kind != CLI_DEFLATE && value == NULL) {
        if (*index + 1 >= argc) {
            cli_complain(syntax->name, "--%s needs a value: %s", option->name, option->value);
            return false;
        }
        value = argv[++*index];
    }
    if (read_value(option, value))
        return true;
    complain_of_value(syntax, option, value);
    return false;
}

static bool take_operand(const cli_syntax *syntax, const char *text, const char **operand)
{
    if (syntax->operand == NULL || *operand != NULL) {
        cli_complain(syntax->name, "unexpected argument '%s' (see weir %s --help)", text,
                     syntax->name);
        return false;
    }
    *operand = text;
    return true;
}

bool cli_parse(const cli_syntax *syntax, int argc, char **argv, const char **operand, int *status)
{
    bool options_ended = false;
    *operand = NULL;
    *status = CLI_EXIT_USAGE;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        if (options_ended || argument[0] != '-' || argument[1] == '\0') {
            if (!take_operand(syntax, argument, operand))
                return false;
        } else if (strcmp(argument, "--") == 0) {
            options_ended = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            print_help(syntax);
            *status = CLI_EXIT_OK;
            return false;
        } else if (!take_option(syntax, argc, argv, &i)) {
            return false;
        }
    }
    if (syntax->operand == NULL || *operand != NULL)
        return true;
    cli_complain(syntax->name, "no %s was given (see weir %s --help)", syntax->operand,
                 syntax->name);
    return false;
}
