/* bench/echo_process.h - a `weir echo` in a process of its own, to be measured from outside. */
#ifndef WEIR_BENCH_ECHO_PROCESS_H
#define WEIR_BENCH_ECHO_PROCESS_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

struct echo_process {
    pid_t pid;
    char url[256];
};

/* The command: WEIR_BIN, or the one that was built beside this program. */
static inline void find_command(char *out, size_t size)
{
    const char *chosen = getenv("WEIR_BIN");
    if (chosen != NULL) {
        snprintf(out, size, "%s", chosen);
        return;
    }
    ssize_t length = readlink("/proc/self/exe", out, size - 16);
    if (length < 0)
        length = 0;
    out[length] = '\0';
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(out, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    strcat(out, "/weir");
}

/* Starts it with further arguments (NULL ends them) and waits until it listens. Exits the program
 * if it does not. */
static inline struct echo_process start_echo(const char *const *arguments)
{
    struct echo_process process = {0};
    char command[512];
    char line[512];
    char *argv[24] = {command, "echo", "ws://127.0.0.1:0/"};
    int pipes[2];
    find_command(command, sizeof command);
    for (int i = 0; arguments[i] != NULL && i < 20; i++)
        argv[3 + i] = (char *)(size_t)arguments[i];
    if (pipe(pipes) != 0)
        exit(1);
    process.pid = fork();
    if (process.pid == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execv(command, argv);
        _exit(127);
    }
    close(pipes[1]);
    FILE *said = fdopen(pipes[0], "r");
    if (said == NULL || fgets(line, sizeof line, said) == NULL ||
        sscanf(line, "listening on %255s", process.url) != 1) {
        fprintf(stderr, "%s does not listen\n", command);
        exit(1);
    }
    return process; /* the pipe stays open: the command may write to it */
}

static inline void stop_echo(const struct echo_process *process)
{
    int status;
    kill(process->pid, SIGTERM);
    waitpid(process->pid, &status, 0);
}

/* A line of /proc/PID/status in KiB: "VmRSS:", "VmHWM:". */
static inline size_t memory_kib(pid_t pid, const char *what)
{
    char path[64];
    char line[256];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtoul(line + strlen(what), NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib;
}

/* Raises the limit of open files to the hard one, and returns it. */
static inline size_t raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return (size_t)limit.rlim_cur;
}

#endif
