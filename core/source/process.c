#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "process.h"

#include "tozai/util/interrupt.h"
#include "tozai/util/shell.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define TAIL_SIZE   4096               /* bytes of standard error that are kept */
#define SHOWN_SIZE  800                /* of these in the error message */
#define DRAIN_MAX   64                 /* reads of standard error in a row */
#define WAKE_MS     200                /* how often a wish to stop is looked for */
#define PATIENCE_NS (2 * TZ_SECOND_NS) /* between asking the command to end and ending it */

struct tz_process {
    pid_t pid;
    int pid_fd; /* -1 on old kernels */
    int output, errors;
    bool output_ended, ended;
    bool lost;  /* somebody else took its status */
    int status; /* of waitpid(), once ended */
    char tail[TAIL_SIZE];
    size_t tail_len;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void set_nonblocking(int fd)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int tz_process_start(struct tz_process **ret, const char *command, struct tz_error *err)
{
    int output[2] = {-1, -1}, errors[2] = {-1, -1};
    struct tz_process *process = calloc(1, sizeof(*process));

    if (!process)
        return tz_fail_nomem(err);
    int status = pipe2(output, O_CLOEXEC) || pipe2(errors, O_CLOEXEC) ? errno : 0;
    const struct tz_shell shell = {
        .command = command, .output = output[1], .errors = errors[1], .group = true};
    int failed = status ? tz_fail_errno(err, status, "make a pipe")
                        : tz_shell_start(&process->pid, &shell, err);
    close_fd(&output[1]);
    close_fd(&errors[1]);
    if (failed) {
        close_fd(&output[0]);
        close_fd(&errors[0]);
        free(process);
        return -1;
    }
    process->output = output[0];
    process->errors = errors[0];
    set_nonblocking(process->output);
    set_nonblocking(process->errors);
    process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    *ret = process;
    return 0;
}

/* Take what standard error holds now. */
static void drain_errors(struct tz_process *process)
{
    char text[TAIL_SIZE];

    /* Bounded, as somebody may write faster than this reads. */
    for (int i = 0; i < DRAIN_MAX && process->errors >= 0; i++) {
        ssize_t len = read(process->errors, text, sizeof(text));
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0)
            close_fd(&process->errors);
        else
            tz_keep_last(process->tail, &process->tail_len, TAIL_SIZE, text, (size_t)len);
    }
}

/* Wait until one of the three can be read or has ended; poll() passes over those that are -1. */
static int wait_for(struct tz_process *process, int third, int wait_ms, struct tz_error *err)
{
    struct pollfd fds[] = {{.fd = third, .events = POLLIN},
                           {.fd = process->errors, .events = POLLIN}};

    if (poll(fds, TZ_COUNT(fds), wait_ms) < 0 && errno != EINTR)
        return tz_fail_errno(err, errno, "wait for command");
    if (fds[1].revents)
        drain_errors(process);
    return tz_interrupt_check(err);
}

int tz_process_read(struct tz_process *process, void *data, size_t len, size_t *ret_len,
                    struct tz_error *err)
{
    *ret_len = 0;
    while (!process->output_ended) {
        ssize_t got = read(process->output, data, len);
        if (got > 0) {
            *ret_len = (size_t)got;
            return 0;
        }
        if (got == 0)
            process->output_ended = true;
        else if (errno != EAGAIN && errno != EINTR)
            return tz_fail_errno(err, errno, "read output of command");
        else if (wait_for(process, process->output, WAKE_MS, err))
            return -1;
    }
    return 0;
}

static bool reap(struct tz_process *process)
{
    if (process->ended)
        return true;
    pid_t pid = waitpid(process->pid, &process->status, WNOHANG);
    process->lost = pid < 0 && errno != EINTR;
    process->ended = pid == process->pid || process->lost;
    return process->ended;
}

/* The end of standard error in one line, beginning with a whole line where it was cut. */
static void describe_tail(const struct tz_process *process, char *text, size_t size)
{
    char line[2 * TAIL_SIZE + 1];
    size_t len = 0, start = 0;

    for (size_t i = 0; i < process->tail_len; i++) {
        unsigned char byte = (unsigned char)process->tail[i];
        if (byte == '\n' && len > 0) {
            line[len++] = ';';
            line[len++] = ' ';
        } else if (byte >= ' ' && byte != 0x7f) {
            line[len++] = (char)byte;
        }
    }
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == ';'))
        len--;
    if (len >= size) {
        start = len - (size - 1);
        const char *next = memmem(line + start, len - start, "; ", 2);
        if (next)
            start = (size_t)(next - line) + 2;
    }
    memcpy(text, line + start, len - start);
    text[len - start] = '\0';
}

static int judge(const struct tz_process *process, struct tz_error *err)
{
    char text[SHOWN_SIZE];
    const char *between;

    describe_tail(process, text, sizeof(text));
    between = text[0] ? ": " : "";
    if (process->lost)
        return tz_fail(err, TZ_FAILED, "the command's exit status is not known%s%s", between, text);
    if (WIFEXITED(process->status) && WEXITSTATUS(process->status) != 0)
        return tz_fail(err, TZ_FAILED, "command failed with exit status %d%s%s",
                       WEXITSTATUS(process->status), between, text);
    if (WIFSIGNALED(process->status))
        return tz_fail(err, TZ_FAILED, "command was ended by signal %d%s%s",
                       WTERMSIG(process->status), between, text);
    return 0;
}

int tz_process_wait(struct tz_process *process, struct tz_error *err)
{
    int wait_ms = process->pid_fd >= 0 ? WAKE_MS : WAKE_MS / 10;
    bool cut_off = !process->output_ended;

    /* Who still writes to it must not wait for us for ever. */
    close_fd(&process->output);
    while (!reap(process))
        if (wait_for(process, process->pid_fd, wait_ms, err))
            return -1;
    drain_errors(process);
    if (cut_off)
        return tz_fail(err, TZ_FAILED, "the command's output was not read to its end");
    return judge(process, err);
}

/* Has it ended?  Its number stays taken, and so does that of its group. */
static bool has_ended(const struct tz_process *process)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT))
        return errno != EINTR;
    return info.si_pid == process->pid;
}

/* Ask the group to end, then end what is left of it. */
static void stop(struct tz_process *process)
{
    int64_t deadline = tz_monotonic() + PATIENCE_NS;
    const struct timespec moment = {.tv_nsec = 10000000};

    (void)kill(-process->pid, SIGTERM);
    while (!has_ended(process) && tz_monotonic() < deadline) {
        drain_errors(process);
        (void)nanosleep(&moment, NULL);
    }
    (void)kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
        continue;
}

void tz_process_free(struct tz_process *process)
{
    if (!process)
        return;
    close_fd(&process->output);
    if (!process->ended)
        stop(process);
    close_fd(&process->errors);
    close_fd(&process->pid_fd);
    free(process);
}
