/* tozai status: shows how things stand. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath() */
#endif
#include "status.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tozai/util/banned.h"

static const struct tz_option options[] = {
    {.name = "html",
     .metavar = "F",
     .complete = TZ_COMPLETE_FILE,
     .help = "write it as a page for a browser to this file"},
    {.name = "prometheus",
     .metavar = "F",
     .complete = TZ_COMPLETE_FILE,
     .help = "write it as metrics for Prometheus to this file"},
};

/* Into a pipe or a terminal; not into a disk. */
static int write_through(const char *path, mode_t type, const struct tz_buf *text,
                         struct tz_error *err)
{
    if (!S_ISCHR(type) && !S_ISFIFO(type))
        return tz_fail(err, TZ_INVALID, "'%s' is not a file", path);
    /* A pipe that nobody reads must not stop a run. */
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fcntl(fd, F_SETFL, 0))
        return tz_fail_errno(err, errno, "open '%s'", path);
    for (size_t done = 0; done < text->len;) {
        ssize_t len = write(fd, text->data + done, text->len - done);
        if (len < 0 && errno != EINTR)
            return tz_fail_errno(err, errno, "write '%s'", path);
        done += len > 0 ? (size_t)len : 0;
    }
    return 0;
}

/* Only a file may be replaced by another one: not /dev/stdout, and not a link to the file. */
static int write_file(const char *path, const struct tz_buf *text, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *real = NULL;
    struct stat st;

    if (stat(path, &st) == 0) {
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            return write_through(path, st.st_mode, text, err);
        real = realpath(path, NULL);
    }
    return tz_file_replace(real ? real : path, text->data, text->len, 0644, err);
}

int tz_status_write(const struct tz_status *status, const char *metrics, const char *page,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf html = {0};

    if (metrics && (tz_status_metrics(status, &text, err) || write_file(metrics, &text, err)))
        return tz_while(err, "write metrics");
    if (page && (tz_status_page(status, &html, err) || write_file(page, &html, err)))
        return tz_while(err, "write the page");
    return 0;
}

int tz_status_write_unknown(const char *why, const char *metrics, const char *page,
                            struct tz_error *err)
{
    struct tz_status status = {.now_ns = tz_now(), .warn = true};

    (void)snprintf(status.unknown, sizeof(status.unknown), "%s", why);
    return tz_status_write(&status, metrics, page, err);
}

/* Wrong usage changes nothing, and a wish to stop says nothing. */
static int fail(struct tz_context *context, const struct tz_error *err, const char *metrics,
                const char *page)
{
    struct tz_error why = {0};

    if (err->kind != TZ_INVALID && err->kind != TZ_INTERRUPTED &&
        tz_status_write_unknown(err->message, metrics, page, &why))
        tz_warn(context, "%s", why.message);
    return -1;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_status) struct tz_status status = {0};
    const struct tz_repo_options wanted = {.read_only = true, .offline = true};
    const char *metrics = tz_option_value(context, "prometheus");
    const char *page = tz_option_value(context, "html");

    if (tz_session_open(&session, context, &wanted, err) ||
        tz_status_collect(session.repo, tz_now(), &status, err))
        return fail(context, err, metrics, page);
    if (tz_status_write(&status, metrics, page, err))
        return -1;
    if (context->json) {
        TZ_SCOPED(tz_scoped_json) json_t *document = tz_status_json(&status);
        if (tz_json_print(document, err))
            return -1;
    } else if (!metrics && !page) {
        tz_status_print(&status);
    }
    return status.warn ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_status = {
    .name = "status",
    .summary = "show recovery points, what is due, and the stores",
    .arguments = "",
    TZ_OPTIONS(options),
    .run = run,
};
