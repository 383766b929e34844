#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "tozai/util/banned.h"

extern char **environ;

static void destroy_actions(posix_spawn_file_actions_t **actions)
{
    if (*actions)
        (void)posix_spawn_file_actions_destroy(*actions);
}

static void destroy_attributes(posix_spawnattr_t **attributes)
{
    if (*attributes)
        (void)posix_spawnattr_destroy(*attributes);
}

/* Signals as any program expects them, whatever this one ignores or blocks. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, standard;
    (void)sigemptyset(&none);
    (void)sigemptyset(&standard);
    (void)sigaddset(&standard, SIGPIPE);
    (void)sigaddset(&standard, SIGINT);
    (void)sigaddset(&standard, SIGTERM);
    (void)sigaddset(&standard, SIGHUP);
    int number = posix_spawnattr_setsigmask(attributes, &none);
    if (!number)
        number = posix_spawnattr_setsigdefault(attributes, &standard);
    if (!number)
        number =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return number;
}

/* Start it with nothing to read and the pipe to write to; its errors go where ours go. */
static int start(pid_t *ret, const char *command, int output)
{
    posix_spawn_file_actions_t actions_room;
    posix_spawnattr_t attributes_room;
    int number = posix_spawn_file_actions_init(&actions_room);
    if (number)
        return number;
    TZ_SCOPED(destroy_actions) posix_spawn_file_actions_t *actions = &actions_room;
    number = posix_spawnattr_init(&attributes_room);
    if (number)
        return number;
    TZ_SCOPED(destroy_attributes) posix_spawnattr_t *attributes = &attributes_room;

    char shell[] = "sh", option[] = "-c";
    char *const arguments[] = {shell, option, (char *)(uintptr_t)command, NULL};
    number = set_signals(attributes);
    if (!number)
        number = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (!number)
        number = posix_spawn_file_actions_adddup2(actions, output, 1);
    if (!number)
        number = posix_spawn(ret, "/bin/sh", actions, attributes, arguments, environ);
    return number;
}

static int wait_for(pid_t pid, struct tz_error *err)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return tz_fail_errno(err, errno, "wait for the passphrase command");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        (void)tz_fail(err, TZ_KEY, "the passphrase command was ended by signal %d",
                      WTERMSIG(status));
    else
        (void)tz_fail(err, TZ_KEY, "the passphrase command failed with exit code %d",
                      WEXITSTATUS(status));
    return tz_hint(err, "run the command of passphrase_command by hand to see why");
}

int tz_unlock_run_command(struct tz_unlock *ret, const char *command, struct tz_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return tz_fail_errno(err, errno, "make a pipe for the passphrase command");
    TZ_SCOPED(tz_scoped_fd) int input = ends[0];
    pid_t pid;
    int number = start(&pid, command, ends[1]);
    (void)close(ends[1]);
    if (number)
        return tz_fail_errno(err, number, "run the passphrase command");

    /* A command that failed is the better explanation of a line that is not there. */
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock found = {0};
    struct tz_error read_error = {0};
    int read_status = tz_unlock_read_line(&found, input, "passphrase command", &read_error);
    if (wait_for(pid, err))
        return -1;
    if (read_status) {
        if (err)
            *err = read_error;
        return -1;
    }
    *ret = found;
    found = (struct tz_unlock){0};
    return 0;
}
