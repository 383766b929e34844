/* tozai export: a generation as an archive. */
#include "common.h"
#include "progress.h"

#include "tozai/core/archive.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static const struct tz_option options[] = {
    {.name = "output",
     .metavar = "FILE",
     .required = true,
     .complete = TZ_COMPLETE_FILE,
     .help = "the archive, '-' for standard output; its ending tells the format"},
    {.name = "format",
     .metavar = "NAME[+FILTER]",
     .help = "the format and the compression, such as tar+zstd, where the ending does not tell"},
    {.name = "overwrite", .help = "replace the file if there is one"},
};

struct run {
    struct tz_context *context;
    struct tz_session session;
    struct tz_head head;
    struct tz_archive_type type;
    const char *path;
    bool to_stdout;
    struct tz_archive_output *output;
    struct tz_progress *progress;
    struct tz_path_warnings warnings;
    json_t *lost;
    struct tz_archive_export_result result;
    double seconds;
};

static void clear_run(struct run *run)
{
    tz_archive_output_free(run->output);
    tz_progress_finish(run->progress);
    tz_path_warnings_clear(&run->warnings);
    json_decref(run->lost);
    tz_head_clear(&run->head);
    tz_session_close(&run->session);
}

/* What can be known to be wrong before anything is done. */
static int read_options(struct run *run, struct tz_error *err)
{
    const char *format = tz_option_value(run->context, "format");

    run->path = tz_option_value(run->context, "output");
    run->to_stdout = strcmp(run->path, "-") == 0;
    if (run->to_stdout && !format) {
        (void)tz_fail(err, TZ_INVALID, "--output - needs --format");
        return tz_hint(err, "for example --format tar+zstd");
    }
    if (run->to_stdout && isatty(STDOUT_FILENO))
        return tz_fail(err, TZ_INVALID,
                       "standard output is a terminal, which can make nothing of "
                       "an archive");
    return tz_archive_type_parse(&run->type, format, run->path, err);
}

static int start(struct run *run, struct tz_error *err)
{
    struct tz_context *context = run->context;

    if (read_options(run, err) || tz_session_open_operator(&run->session, context, "export", err) ||
        tz_session_find(&run->session, context->arguments[0], &run->head, err) ||
        (!run->to_stdout && tz_archive_output_open(&run->output, run->path,
                                                   tz_option_given(context, "overwrite"), err)) ||
        tz_progress_new(&run->progress, context, err))
        return -1;
    run->lost = json_array();
    return run->lost ? 0 : tz_fail_nomem(err);
}

static void show_progress(void *arg, const struct tz_archive_progress *progress)
{
    struct run *run = arg;

    const struct tz_progress_state state = {
        .phase = "export",
        .name = run->head.source,
        .files = progress->entries,
        .bytes_done = progress->bytes,
        .bytes_total = progress->bytes_total,
    };
    tz_progress_update(run->progress, &state);
}

static void note_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    struct run *run = arg;

    tz_path_warnings_add(&run->warnings, path, path_len, why);
}

static void note_lost(void *arg, const char *text)
{
    struct run *run = arg;

    (void)json_array_append_new(run->lost, tz_json_text(text, strlen(text)));
    if (!run->context->json)
        tz_warn(run->context, "%s", text);
}

static int write_archive(struct run *run, struct tz_error *err)
{
    int64_t began = tz_monotonic();
    const struct tz_archive_export_options wanted = {
        .repo = run->session.repo,
        .head = &run->head,
        .type = run->type,
        .fd = run->to_stdout ? STDOUT_FILENO : tz_archive_output_fd(run->output),
        .progress = show_progress,
        .progress_arg = run,
        .warn = note_warning,
        .warn_arg = run,
        .lost = note_lost,
        .lost_arg = run,
    };

    int failed = tz_archive_export(&wanted, &run->result, err);
    if (!failed && run->output)
        failed = tz_archive_output_commit(run->output, err);
    run->seconds = (double)(tz_monotonic() - began) / (double)TZ_SECOND_NS;
    tz_clear_line(run->context);
    if (!run->context->json)
        tz_path_warnings_show(run->context, run->warnings.items, run->warnings.count,
                              run->warnings.total);
    return failed ? tz_while(err, "export '%s'", run->head.source) : 0;
}

static int add_counts(const struct run *run, json_t *document, struct tz_error *err)
{
    const struct tz_archive_export_result *result = &run->result;
    const struct {
        const char *key;
        uint64_t value;
    } counts[] = {
        {"entries", result->entries},   {"files", result->files},
        {"bytes", result->bytes},       {"archive_bytes", result->archive_bytes},
        {"left_out", result->left_out}, {"sockets", result->sockets},
        {"healed", result->healed},     {"damaged", result->damaged},
    };

    for (size_t i = 0; i < TZ_COUNT(counts); i++) {
        if (tz_json_set(document, counts[i].key, json_integer((json_int_t)counts[i].value), err))
            return -1;
    }
    return 0;
}

/* Where the archive goes to standard output, this goes beside it. */
static int print_json(const struct run *run, struct tz_error *err)
{
    const struct tz_head *head = &run->head;
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();

    if (!document)
        return tz_fail_nomem(err);
    if (tz_json_set(document, "source", tz_json_text(head->source, strlen(head->source)), err) ||
        tz_json_set(document, "id", tz_json_origin(head), err) ||
        tz_json_set(document, "point", tz_json_time(head->time_ns), err) ||
        tz_json_path(document, "output", run->path, strlen(run->path), err) ||
        tz_json_set(document, "format", json_string(run->type.format), err) ||
        tz_json_set(document, "filter",
                    run->type.filter ? json_string(run->type.filter) : json_null(), err) ||
        add_counts(run, document, err) ||
        tz_json_path_warnings(document, run->warnings.items, run->warnings.count, err) ||
        tz_json_set(document, "lost", json_incref(run->lost), err) ||
        tz_json_set(document, "seconds", json_real(run->seconds), err))
        return -1;
    if (!run->to_stdout)
        return tz_json_print(document, err);
    tz_json_line(run->context, TZ_TAKE(document));
    return 0;
}

static void print_text(const struct run *run)
{
    const struct tz_archive_export_result *result = &run->result;
    char id[2 * TZ_HASH_SIZE + 1], bytes[TZ_SIZE_TEXT], archive[TZ_SIZE_TEXT], time[TZ_TIME_TEXT];
    uint8_t origin[TZ_HASH_SIZE];

    if (run->to_stdout)
        return;
    tz_head_origin(&run->head, origin);
    tz_hex(id, origin, TZ_HASH_SIZE);
    tz_size_format(bytes, result->bytes);
    tz_size_format(archive, result->archive_bytes);
    tz_time_format_local(time, run->head.time_ns);
    (void)printf("%s %.*s of %s: %" PRIu64 " %s, %s to ", run->head.source, SHORT_ID, id, time,
                 result->entries, tz_plural(result->entries, "entry", "entries"), bytes);
    tz_print_name(run->path, strlen(run->path));
    (void)printf(" (%s%s%s, %s), %.1f s\n", run->type.format, run->type.filter ? "+" : "",
                 run->type.filter ? run->type.filter : "", archive, run->seconds);
    if (result->healed > 0)
        (void)printf("%" PRIu64 " %s damaged or missing in one store, and came from another: "
                     "run 'tozai verify --heal'\n",
                     result->healed, tz_plural(result->healed, "frame was", "frames were"));
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_run) struct run run = {.context = context};

    if (start(&run, err) || write_archive(&run, err) || (context->json && print_json(&run, err)))
        return -1;
    if (!context->json)
        print_text(&run);
    if (run.result.damaged > 0)
        return TZ_EXIT_DAMAGE;
    /* That sockets are not in it is no loss: who listens makes them anew. */
    return run.result.left_out > run.result.sockets ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_export = {
    .name = "export",
    .summary = "write a generation as an archive",
    .arguments = "SOURCE[@POINT]",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
