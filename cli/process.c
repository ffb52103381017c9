/* What the subcommands share of the process: its standard error and its limit of open files. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>

/* A peer can have written a part of the text. A terminal must find no command in it, so every
 * control character is replaced, C1 (U+0080 to U+009F) included. */
static void blank_controls(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0'; at++) {
        bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f;
        if (c1)
            *at++ = '?';
        if (c1 || *at < ' ' || *at == 0x7f)
            *at = '?';
    }
}

void cli_complain(const char *name, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    blank_controls(text);
    fprintf(stderr, "weir%s%s: %s\n", name != NULL ? " " : "", name != NULL ? name : "", text);
}

void cli_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
