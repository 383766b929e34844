/*
 * Asking on the terminal.
 *
 * While the echo is off, signals that would end or stop the program are held back and watched
 * for with a signalfd.  When one comes, the terminal is put in order first and then the signal is
 * let through to whoever handles it; if the program lives on (it was stopped and continued), it
 * asks again.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "unlock.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "tozai/util/banned.h"

enum outcome { FAILED = -1, ANSWERED = 0, SIGNALLED = 1 };

struct terminal {
    int fd;
    struct termios before;
    sigset_t mask_before;
    int signals; /* signalfd */
};

bool tz_unlock_has_terminal(void)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd >= 0;
}

static int hush(struct terminal *terminal, struct tz_error *err)
{
    static const int watched[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < TZ_COUNT(watched); i++)
        (void)sigaddset(&set, watched[i]);
    terminal->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (terminal->signals < 0)
        return tz_fail_errno(err, errno, "watch for signals");
    if (tcgetattr(terminal->fd, &terminal->before))
        return tz_fail_errno(err, errno, "ask the terminal");
    struct termios quiet = terminal->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    (void)pthread_sigmask(SIG_BLOCK, &set, &terminal->mask_before);
    if (tcsetattr(terminal->fd, TCSAFLUSH, &quiet)) {
        int number = errno;
        (void)pthread_sigmask(SIG_SETMASK, &terminal->mask_before, NULL);
        return tz_fail_errno(err, number, "turn the terminal's echo off");
    }
    return 0;
}

/* A signal that was held back arrives at the end of this. */
static void restore(struct terminal *terminal)
{
    (void)tcsetattr(terminal->fd, TCSAFLUSH, &terminal->before);
    static const char line_end = '\n'; /* the user's own was not shown */
    if (write(terminal->fd, &line_end, 1) < 0)
        tz_debug("the terminal takes no line end");
    (void)pthread_sigmask(SIG_SETMASK, &terminal->mask_before, NULL);
}

/* Read a line, or find out that a signal waits. */
static enum outcome read_line(const struct terminal *terminal, char *line, size_t size,
                              size_t *ret_len, struct tz_error *err)
{
    struct pollfd polled[] = {{.fd = terminal->fd, .events = POLLIN},
                              {.fd = terminal->signals, .events = POLLIN}};
    size_t len = 0;
    for (;;) {
        if (poll(polled, TZ_COUNT(polled), -1) < 0) {
            if (errno == EINTR)
                continue;
            return tz_fail_errno(err, errno, "wait for the terminal");
        }
        if (polled[1].revents)
            return SIGNALLED;
        ssize_t got = read(terminal->fd, line + len, size - len);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return tz_fail_errno(err, errno, "read from the terminal");
        len += (size_t)got;
        if (got == 0 || len == size || line[len - 1] == '\n')
            break;
    }
    *ret_len = len && line[len - 1] == '\n' ? len - 1 : len;
    return ANSWERED;
}

/* The question comes when the echo is off, so that an answer may come at once. */
static enum outcome ask_quietly(struct terminal *terminal, const char *text, char *line,
                                size_t size, size_t *ret_len, struct tz_error *err)
{
    if (hush(terminal, err))
        return FAILED;
    enum outcome outcome = FAILED;
    if (!tz_write_all(terminal->fd, text, strlen(text), err) &&
        !tz_write_all(terminal->fd, ": ", 2, err))
        outcome = read_line(terminal, line, size, ret_len, err);
    restore(terminal);
    return outcome;
}

static int ask(struct tz_unlock *ret, int fd, const char *text, struct tz_error *err)
{
    const size_t size = TZ_PASSPHRASE_MAX + 2;
    TZ_SCOPED(tz_scoped_secret_text) char *line = tz_secret_alloc(size);
    if (!line)
        return tz_fail_nomem(err);
    for (;;) {
        size_t len = 0;
        struct terminal terminal = {.fd = fd, .signals = -1};
        enum outcome outcome = ask_quietly(&terminal, text, line, size, &len, err);
        if (terminal.signals >= 0)
            (void)close(terminal.signals);
        if (outcome == FAILED)
            return tz_while(err, "ask for the passphrase");
        if (tz_interrupt_check(err))
            return -1;
        if (outcome == ANSWERED)
            return tz_unlock_set(ret, TZ_UNLOCK_PASSPHRASE, line, len, "terminal", err);
    }
}

int tz_unlock_prompt(struct tz_unlock *ret, const char *text, bool confirm, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_fd) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return tz_fail_errno(err, errno, "open the terminal");
    TZ_SCOPED(tz_scoped_unlock) struct tz_unlock first = {0}, second = {0};
    if (ask(&first, fd, text ? text : "Passphrase", err))
        return -1;
    if (confirm) {
        if (ask(&second, fd, "The same again", err))
            return -1;
        if (first.len != second.len || !tz_equal_secret(first.secret, second.secret, first.len))
            return tz_fail(err, TZ_INVALID, "the two passphrases are not the same");
    }
    *ret = first;
    first = (struct tz_unlock){0};
    return 0;
}
