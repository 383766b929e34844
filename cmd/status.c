/* tozai status: shows how things stand. */
#include "status.h"

#include "tozai/util/file.h"

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

int tz_status_write(const struct tz_status *status, const char *metrics, const char *page,
                    struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf html = {0};

    if (metrics && (tz_status_metrics(status, &text, err) ||
                    tz_file_replace(metrics, text.data, text.len, 0644, err)))
        return tz_while(err, "write metrics");
    if (page && (tz_status_page(status, &html, err) ||
                 tz_file_replace(page, html.data, html.len, 0644, err)))
        return tz_while(err, "write the page");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_status) struct tz_status status = {0};
    const struct tz_repo_options wanted = {.read_only = true};
    const char *metrics = tz_option_value(context, "prometheus");
    const char *page = tz_option_value(context, "html");

    if (tz_session_open(&session, context, &wanted, err) ||
        tz_status_collect(session.repo, tz_now(), &status, err) ||
        tz_status_write(&status, metrics, page, err))
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
