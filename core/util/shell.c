#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/util/shell.h"

#include "tozai/util/scope.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

extern char **environ;

/* What the child must not inherit from us: our signal handling. */
static int set_attributes(posix_spawnattr_t *attributes, bool group)
{
    static const int handled[] = {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD};
    const int flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t none, defaults;

    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    for (size_t i = 0; i < TZ_COUNT(handled); i++)
        (void)sigaddset(&defaults, handled[i]);
    int status =
        posix_spawnattr_setflags(attributes, (short)(flags | (group ? POSIX_SPAWN_SETPGROUP : 0)));
    if (!status)
        status = posix_spawnattr_setpgroup(attributes, 0);
    if (!status)
        status = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!status)
        status = posix_spawnattr_setsigmask(attributes, &none);
    return status;
}

static int set_files(posix_spawn_file_actions_t *actions, const struct tz_shell *shell)
{
    int status = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);

    if (!status)
        status = posix_spawn_file_actions_adddup2(actions, shell->output, 1);
    if (!status && shell->errors >= 0)
        status = posix_spawn_file_actions_adddup2(actions, shell->errors, 2);
    return status;
}

/* An errno, or 0. */
static int spawn(pid_t *ret, const struct tz_shell *shell, char *command)
{
    char name[] = "sh", option[] = "-c";
    char *const arguments[] = {name, option, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    int status = posix_spawn_file_actions_init(&actions);
    if (status)
        return status;
    status = posix_spawnattr_init(&attributes);
    if (!status) {
        status = set_attributes(&attributes, shell->group);
        if (!status)
            status = set_files(&actions, shell);
        if (!status)
            status = posix_spawn(ret, "/bin/sh", &actions, &attributes, arguments,
                                 shell->environment ? shell->environment : environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return status;
}

int tz_shell_start(pid_t *ret, const struct tz_shell *shell, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *command = strdup(shell->command);

    if (!command)
        return tz_fail_nomem(err);
    int status = spawn(ret, shell, command);
    return status ? tz_fail_errno(err, status, "start the command") : 0;
}

void tz_keep_last(char *kept, size_t *kept_len, size_t max, const char *text, size_t len)
{
    if (len > max) {
        text += len - max;
        len = max;
    }
    size_t old = TZ_MIN(*kept_len, max - len);
    memmove(kept, kept + *kept_len - old, old);
    memcpy(kept + old, text, len);
    *kept_len = old + len;
}
