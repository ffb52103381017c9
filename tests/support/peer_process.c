#include "support/peer_process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* posix_spawn wants strings that it may change, and does not change them. */
static bool spawn(struct peer *peer, int in, int out)
{
    char interpreter[PATH_MAX];
    char script[PATH_MAX];
    const char *root = getenv("WEIR_SOURCE_DIR");
    posix_spawn_file_actions_t actions;
    snprintf(interpreter, sizeof interpreter, "%s", peer->interpreter);
    snprintf(script, sizeof script, "%s/tests/peers/%s", root != NULL ? root : ".", peer->script);
    char *arguments[] = {interpreter, script, NULL};
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO), 0);
    int error = posix_spawnp(&peer->process, interpreter, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        printf("skipped: %s: %s\n", interpreter, strerror(error));
    return error == 0;
}

static bool read_port(struct peer *peer, int from)
{
    char line[256];
    FILE *said = fdopen(from, "r");
    assert_non_null(said);
    line[0] = '\0';
    bool serves = fgets(line, sizeof line, said) != NULL && sscanf(line, "%u", &peer->port) == 1;
    if (!serves)
        fputs(line, stdout);
    fclose(said);
    return serves;
}

bool peer_start(struct peer *peer)
{
    int in[2];
    int out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    bool started = spawn(peer, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    peer->lifeline = in[1];
    if (!started) {
        close(in[1]);
        close(out[0]);
        return false;
    }
    if (read_port(peer, out[0]))
        return true;
    assert_int_equal(peer_stop(peer), 77);
    return false;
}

int peer_stop(struct peer *peer)
{
    int status;
    close(peer->lifeline);
    assert_int_equal(waitpid(peer->process, &status, 0), peer->process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void peer_freeze(struct peer *peer)
{
    int status;
    assert_int_equal(kill(peer->process, SIGSTOP), 0);
    assert_int_equal(waitpid(peer->process, &status, WUNTRACED), peer->process);
    assert_true(WIFSTOPPED(status));
}

void peer_thaw(struct peer *peer)
{
    assert_int_equal(kill(peer->process, SIGCONT), 0);
}
