#include "tozai/util/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "tozai/util/banned.h"

/* Lock-free, so that a signal handler may touch them and every thread sees them. */
static atomic_bool stop_requested;
static atomic_bool signal_seen;
_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2, "atomic_bool must be usable in signal handlers");

static void handle_stop(int number)
{
    int saved_errno = errno;

    atomic_store(&stop_requested, true);
    if (atomic_exchange(&signal_seen, true)) {
        /* The second one: end as if there were no handler, so that the parent sees why. */
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
    errno = saved_errno;
}

/* What the parent chose to ignore (nohup) stays ignored. */
static int install_one(int number, struct tz_error *err)
{
    struct sigaction old;
    if (sigaction(number, NULL, &old))
        return tz_fail_errno(err, errno, "read the action of signal %d", number);
    if (old.sa_handler == SIG_IGN)
        return 0;

    /* No SA_RESTART: a call that waits returns with EINTR, and its caller asks for the flag. */
    struct sigaction action = {.sa_handler = handle_stop};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaddset(&action.sa_mask, SIGINT);
    (void)sigaddset(&action.sa_mask, SIGTERM);
    (void)sigaddset(&action.sa_mask, SIGHUP);
    if (sigaction(number, &action, NULL))
        return tz_fail_errno(err, errno, "handle signal %d", number);
    return 0;
}

int tz_interrupt_install(struct tz_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < TZ_COUNT(numbers); i++)
        if (install_one(numbers[i], err))
            return -1;

    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&ignore.sa_mask);
    if (sigaction(SIGPIPE, &ignore, NULL))
        return tz_fail_errno(err, errno, "ignore SIGPIPE");
    return 0;
}

void tz_interrupt_request(void)
{
    atomic_store(&stop_requested, true);
}

bool tz_interrupted(void)
{
    return atomic_load(&stop_requested);
}

int tz_interrupt_check(struct tz_error *err)
{
    if (tz_interrupted())
        return tz_fail(err, TZ_INTERRUPTED, "interrupted");
    return 0;
}
