/* tozai catalog: the local database of what is where. */
#include "common.h"

#include "tozai/core/verify.h"

#include <string.h>

#include "tozai/util/banned.h"

static const struct tz_verb verbs[] = {
    {.name = "rebuild", .arguments = "", .summary = "make the catalog anew from the stores"},
    {.name = "check",
     .arguments = "",
     .summary = "check that the catalog is whole and agrees with itself"},
    {.name = "export",
     .arguments = "FILE",
     .summary = "write a copy of the catalog, an SQLite database",
     .min_arguments = 1,
     .max_arguments = 1},
};

static const struct tz_option options[] = {
    {.name = "store",
     .metavar = "NAME",
     .verb = "rebuild",
     .complete = TZ_COMPLETE_STORE,
     .help = "rebuild from this store alone"},
};

static int rebuild(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    const struct tz_repo_options wanted = {.exclusive = true, .anew = true};
    const char *store = NULL;

    if (tz_session_open(&session, context, &wanted, err) ||
        tz_store_option(context, session.config, "store", &store, err) ||
        tz_catalog_rebuild(session.repo, store, err))
        return -1;
    if (context->json) {
        TZ_SCOPED(tz_scoped_json) json_t *document = json_pack("{s:b}", "rebuilt", 1);
        return tz_json_print(document, err) ? -1 : TZ_EXIT_OK;
    }
    (void)printf("made the catalog anew from %s%s\n", store ? "store " : "the stores",
                 store ? store : "");
    return TZ_EXIT_OK;
}

/* A line of the report to standard output, or into faults. */
static int put_fault(json_t *faults, const uint8_t *line, size_t len, struct tz_error *err)
{
    if (faults)
        return tz_json_append(faults, tz_json_text(line, len), err);
    tz_print_name(line, len);
    (void)putchar('\n');
    return 0;
}

static int put_report(json_t *faults, const struct tz_buf *report, struct tz_error *err)
{
    for (size_t at = 0; at < report->len;) {
        const uint8_t *end = memchr(report->data + at, '\n', report->len - at);
        size_t len = end ? (size_t)(end - report->data) - at : report->len - at;
        if (len > 0 && put_fault(faults, report->data + at, len, err))
            return -1;
        at += len + 1;
    }
    return 0;
}

static int print_check(const struct tz_context *context, bool ok, const struct tz_buf *report,
                       struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_json) json_t *document = NULL;
    TZ_SCOPED(tz_scoped_json) json_t *faults = NULL;

    if (context->json && !(faults = json_array()))
        return tz_fail_nomem(err);
    if (put_report(faults, report, err))
        return -1;
    if (context->json) {
        document = json_pack("{s:b, s:O}", "ok", ok, "faults", faults);
        return tz_json_print(document, err);
    }
    if (ok)
        (void)puts("the catalog is whole");
    return 0;
}

static int check(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf report = {0};
    bool ok = false;

    if (tz_session_open(&session, context, &(struct tz_repo_options){0}, err) ||
        tz_catalog_check(tz_repo_catalog(session.repo), &ok, &report, err) ||
        print_check(context, ok, &report, err))
        return -1;
    if (!ok)
        tz_warn(context, "the catalog is damaged: 'tozai catalog rebuild' makes it anew");
    return ok ? TZ_EXIT_OK : TZ_EXIT_DAMAGE;
}

static int export_copy(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_session) struct tz_session session = {0};
    const char *file = context->arguments[0];

    if (tz_session_open(&session, context, &(struct tz_repo_options){0}, err) ||
        tz_catalog_export(tz_repo_catalog(session.repo), file, err))
        return -1;
    if (!context->json)
        return TZ_EXIT_OK;
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();
    if (!document)
        return tz_fail_nomem(err);
    if (tz_json_path(document, "file", file, strlen(file), err))
        return -1;
    return tz_json_print(document, err) ? -1 : TZ_EXIT_OK;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    const char *verb = context->verb->name;

    if (strcmp(verb, "rebuild") == 0)
        return rebuild(context, err);
    return strcmp(verb, "check") == 0 ? check(context, err) : export_copy(context, err);
}

const struct tz_command tz_command_catalog = {
    .name = "catalog",
    .summary = "rebuild, check or export the local catalog",
    .arguments = "COMMAND ...",
    TZ_OPTIONS(options),
    TZ_VERBS(verbs),
    .complete = TZ_COMPLETE_FILE,
    .run = run,
};
