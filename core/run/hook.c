#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "hook.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/shell.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define WAKE_MS     50
#define READ_SIZE   65536
#define PATIENCE_NS (5 * TZ_SECOND_NS) /* between asking it to end and ending it */
#define READS_MAX   64                 /* in a row, before the clock is looked at */

extern char **environ;

struct running {
    pid_t pid;
    int output; /* -1 once ended */
    bool ended;
    int status;
    struct tz_hook_result *result;
};

/* Is this "NAME=..." one that must not, or will not, go on as it is? */
static bool is_replaced(const char *text, const char *const *variables)
{
    static const char secret[] = "TOZAI_PASSPHRASE=";
    size_t len = strcspn(text, "=") + 1;

    for (const char *const *at = variables; at && *at; at++)
        if (strncmp(*at, text, len) == 0)
            return true;
    return strncmp(text, secret, strlen(secret)) == 0;
}

/* Ours without the passphrase, and the hook's; the list is to be freed, the texts are borrowed. */
static char **make_environment(const char *const *variables)
{
    size_t count = 1, n = 0;

    for (char **at = environ; at && *at; at++)
        count++;
    for (const char *const *at = variables; at && *at; at++)
        count++;
    char **list = calloc(count, sizeof(list[0]));
    for (const char *const *at = variables; list && at && *at; at++)
        list[n++] = (char *)*at; /* exec's list is not const for historical reasons */
    for (char **at = environ; list && at && *at; at++)
        if (!is_replaced(*at, variables))
            list[n++] = *at;
    return list;
}

static int start(struct running *running, const struct tz_hook *hook, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char **environment = make_environment(hook->variables);
    int ends[2];

    if (!environment)
        return tz_fail_nomem(err);
    if (pipe2(ends, O_CLOEXEC))
        return tz_fail_errno(err, errno, "make a pipe");
    TZ_SCOPED(tz_scoped_fd) int output = ends[0];
    const struct tz_shell shell = {.command = hook->command,
                                   .environment = environment,
                                   .output = ends[1],
                                   .errors = ends[1],
                                   .group = true};
    int failed = tz_shell_start(&running->pid, &shell, err);
    (void)close(ends[1]);
    if (failed)
        return -1;
    if (fcntl(output, F_SETFL, O_NONBLOCK))
        return tz_fail_errno(err, errno, "prepare a pipe");
    running->output = TZ_TAKE_FD(output);
    return 0;
}

static void keep(struct tz_hook_result *result, const char *text, size_t len)
{
    result->output_total += len;
    tz_keep_last(result->output, &result->output_len, TZ_HOOK_OUTPUT, text, len);
    /* It is a text, however it came. */
    for (size_t i = result->output_len - TZ_MIN(len, result->output_len); i < result->output_len;
         i++)
        if (!result->output[i])
            result->output[i] = ' ';
    result->output[result->output_len] = '\0';
}

/* Take what is there. */
static void drain(struct running *running)
{
    char text[READ_SIZE];

    for (int i = 0; i < READS_MAX && running->output >= 0; i++) {
        ssize_t len = read(running->output, text, sizeof(text));
        if (len > 0) {
            keep(running->result, text, (size_t)len);
        } else if (len == 0 || (errno != EAGAIN && errno != EINTR)) {
            (void)close(running->output);
            running->output = -1;
        } else {
            return;
        }
    }
}

static bool reap(struct running *running)
{
    if (!running->ended) {
        pid_t pid = waitpid(running->pid, &running->status, WNOHANG);
        running->ended = pid == running->pid || (pid < 0 && errno != EINTR);
    }
    return running->ended;
}

static void wait_a_little(const struct running *running)
{
    struct pollfd output = {.fd = running->output, .events = POLLIN};

    (void)poll(&output, 1, WAKE_MS);
}

/* Until it has ended or the time is over; what it left running in the background is let alone. */
static bool wait_until(struct running *running, int64_t deadline_ns, bool uninterrupted)
{
    while (!reap(running)) {
        if (tz_monotonic() >= deadline_ns || (!uninterrupted && tz_interrupted()))
            return false;
        wait_a_little(running);
        drain(running);
    }
    drain(running);
    return true;
}

/* Ask the group to end, then end it. */
static void stop(struct running *running)
{
    (void)kill(-running->pid, SIGTERM);
    (void)wait_until(running, tz_monotonic() + PATIENCE_NS, true);
    /* Its number is taken as long as the group has a member. */
    if (!running->ended || kill(-running->pid, 0) == 0)
        (void)kill(-running->pid, SIGKILL);
    while (!running->ended && waitpid(running->pid, &running->status, 0) < 0 && errno == EINTR)
        continue;
    running->ended = true;
}

static int judge(const struct running *running, struct tz_error *err)
{
    if (WIFEXITED(running->status) && WEXITSTATUS(running->status) == 0)
        return 0;
    if (WIFSIGNALED(running->status))
        return tz_fail(err, TZ_FAILED, "ended by signal %d", WTERMSIG(running->status));
    return tz_fail(err, TZ_FAILED, "exit status %d", WEXITSTATUS(running->status));
}

int tz_hook_run(const struct tz_hook *hook, struct tz_hook_result *ret, struct tz_error *err)
{
    struct running running = {.output = -1, .result = ret};
    int64_t began = tz_monotonic();

    ret->took_ns = 0;
    ret->output_len = 0;
    ret->output_total = 0;
    ret->output[0] = '\0';
    if (start(&running, hook, err))
        return -1;
    bool ended = wait_until(&running, began + hook->limit_ns, hook->uninterrupted);
    bool interrupted = !hook->uninterrupted && tz_interrupted();
    if (!ended)
        stop(&running);
    if (running.output >= 0)
        (void)close(running.output);
    ret->took_ns = tz_monotonic() - began;
    if (!ended && interrupted)
        return tz_fail(err, TZ_INTERRUPTED, "interrupted");
    if (!ended)
        return tz_fail(err, TZ_FAILED, "it took longer than %jd s and was ended",
                       (intmax_t)(hook->limit_ns / TZ_SECOND_NS));
    return judge(&running, err);
}
