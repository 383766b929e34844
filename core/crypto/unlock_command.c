#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "unlock.h"

#include "tozai/util/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "tozai/util/banned.h"

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
    /* Its errors go where ours go. */
    const struct tz_shell shell = {.command = command, .output = ends[1], .errors = -1};
    pid_t pid;
    int failed = tz_shell_start(&pid, &shell, err);
    (void)close(ends[1]);
    if (failed)
        return tz_while(err, "run the passphrase command");

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
