/*
 * measure RESULT COMMAND [ARGUMENT...]: runs a command and says what it cost.
 *
 * One line goes to the file RESULT, its fields separated by tabs:
 *
 *   status  seconds  user seconds  system seconds  peak KiB of all  peak KiB of the largest
 *
 * The times are the kernel's accounting of the command and everything it started.  "Peak of all"
 * is the largest sum over its processes that was seen, every 50 ms; memory that processes share
 * counts once for each.  The exit status is the command's.
 *
 * This process makes itself the parent of orphans, so that nothing the command leaves running
 * escapes: it is ended a second after the command.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE_NS     50000000L
#define LEFT_SECONDS  1.0
#define MAX_PROCESSES 65536

struct process {
    pid_t pid, parent;
    long pages;
    bool ours;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* "pid (name) state parent ...": the name may hold anything, so look behind its last bracket. */
static bool read_process(const char *number, struct process *ret)
{
    char path[300], text[2048];
    (void)snprintf(path, sizeof(path), "/proc/%s/stat", number);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[len] = '\0';

    char *at = strrchr(text, ')');
    if (!at)
        return false;
    at += 1;
    *ret = (struct process){.pid = (pid_t)strtol(number, NULL, 10)};
    /* Field 3 is the state, 4 the parent, 24 the resident pages. */
    for (int field = 3; field <= 24; field++) {
        at += strspn(at, " ");
        if (field == 4)
            ret->parent = (pid_t)strtol(at, NULL, 10);
        if (field == 24)
            ret->pages = strtol(at, NULL, 10);
        at += strcspn(at, " ");
    }
    return true;
}

static size_t read_processes(struct process *list, size_t room)
{
    size_t count = 0;
    DIR *dir = opendir("/proc");
    if (!dir)
        return 0;
    for (const struct dirent *entry; count < room && (entry = readdir(dir));)
        if (isdigit((unsigned char)entry->d_name[0]) && read_process(entry->d_name, &list[count]))
            count++;
    (void)closedir(dir);
    return count;
}

/* Mark all that descend from this process, itself excepted. */
static void find_ours(struct process *list, size_t count)
{
    const pid_t root = getpid();
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < count; i++) {
            if (list[i].ours)
                continue;
            bool ours = list[i].parent == root;
            for (size_t k = 0; !ours && k < count; k++)
                ours = list[k].ours && list[k].pid == list[i].parent;
            list[i].ours = ours;
            more = more || ours;
        }
    }
}

static long sample_kib(bool end_them)
{
    static struct process list[MAX_PROCESSES];
    size_t count = read_processes(list, MAX_PROCESSES);
    long pages = 0;

    find_ours(list, count);
    for (size_t i = 0; i < count; i++) {
        if (!list[i].ours)
            continue;
        pages += list[i].pages;
        if (end_them)
            (void)kill(list[i].pid, SIGKILL);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static pid_t start(char **command, const sigset_t *mask)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    (void)fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* Take what has ended; false when nothing is left. */
static bool reap(pid_t command, int *status, double *end)
{
    for (;;) {
        int how;
        pid_t pid = waitpid(-1, &how, WNOHANG);
        if (pid <= 0)
            return pid == 0;
        if (pid == command) {
            *status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
            *end = now();
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: measure RESULT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    FILE *result = fopen(argv[1], "we");
    if (!result) {
        perror(argv[1]);
        return 1;
    }
    sigset_t child_ended, before;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child_ended, &before);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);

    const struct timespec pause = {.tv_nsec = SAMPLE_NS};
    double begin = now(), end = 0;
    long peak = 0;
    int status = -1;
    pid_t command = start(argv + 2, &before);
    if (command < 0) {
        perror("fork");
        return 1;
    }
    while (reap(command, &status, &end)) {
        long kib = sample_kib(status >= 0 && now() - end > LEFT_SECONDS);
        if (kib > peak)
            peak = kib;
        (void)sigtimedwait(&child_ended, NULL, &pause);
    }

    struct rusage usage;
    (void)getrusage(RUSAGE_CHILDREN, &usage);
    /* Between two samples a process may have been larger. */
    if (peak < usage.ru_maxrss)
        peak = usage.ru_maxrss;
    (void)fprintf(result, "%d\t%.3f\t%.3f\t%.3f\t%ld\t%ld\n", status, end - begin,
                  (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6,
                  (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6, peak,
                  usage.ru_maxrss);
    if (fclose(result)) {
        perror(argv[1]);
        return 1;
    }
    return status;
}
