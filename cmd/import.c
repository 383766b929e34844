/* tozai import: an archive as a generation. */
#include "common.h"
#include "progress.h"

#include "tozai/core/archive.h"
#include "tozai/core/verify.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static const struct tz_option options[] = {
    {.name = "input",
     .metavar = "FILE",
     .required = true,
     .complete = TZ_COMPLETE_FILE,
     .help = "the archive, in any format that libarchive reads; '-' for standard input"},
    {.name = "time",
     .metavar = "TIME",
     .help = "the moment that the archive shows, as a point in time or an age (default: now)"},
    {.name = "charset",
     .metavar = "NAME",
     .help = "the character set of names where the archive does not say, such as CP932"},
    {.name = "max-size",
     .metavar = "SIZE",
     .help = "stop if the archive holds more content than this"},
    {.name = "dry-run", .help = "say what would be stored, and store nothing"},
};

struct run {
    struct tz_context *context;
    struct tz_session session;
    struct tz_config_source source;
    struct tz_archive_import_options archive;
    int fd;
    bool dry_run;
    struct tz_progress *progress;
    struct tz_backup_result result;
};

static void clear_run(struct run *run)
{
    tz_backup_result_clear(&run->result);
    tz_progress_finish(run->progress);
    tz_session_close(&run->session);
    if (run->fd > STDIN_FILENO)
        (void)close(run->fd);
}

static int read_time(struct run *run, struct tz_error *err)
{
    const char *text = tz_option_value(run->context, "time");
    int64_t now = tz_now();

    if (!text)
        return 0;
    if (tz_time_parse(text, now, &run->archive.time_ns, err)) {
        if (err)
            err->kind = TZ_INVALID;
        return tz_while(err, "--time");
    }
    if (run->archive.time_ns > now)
        return tz_fail(err, TZ_INVALID, "--time '%s' is in the future", text);
    return 0;
}

static int read_options(struct run *run, struct tz_error *err)
{
    const char *size = tz_option_value(run->context, "max-size");
    const char *name = run->context->arguments[0];

    if (tz_archive_check_source(name, err) || read_time(run, err))
        return -1;
    if (size && tz_size_parse(size, &run->archive.max_size, err)) {
        if (err)
            err->kind = TZ_INVALID;
        return tz_while(err, "--max-size");
    }
    if (size && run->archive.max_size == 0)
        return tz_fail(err, TZ_INVALID, "--max-size '%s' leaves no room for anything", size);
    run->source.name = (char *)(uintptr_t)name; /* only read */
    run->archive.charset = tz_option_value(run->context, "charset");
    run->dry_run = tz_option_given(run->context, "dry-run");
    return 0;
}

static int open_input(struct run *run, struct tz_error *err)
{
    const char *path = tz_option_value(run->context, "input");

    run->archive.name = path;
    run->fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0)
        run->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    else
        run->archive.name = "standard input";
    if (run->fd < 0)
        return tz_fail_errno(err, errno, "open '%s'", path);
    run->archive.fd = run->fd;
    return 0;
}

static void show_reading(void *arg, const struct tz_archive_progress *progress)
{
    struct run *run = arg;
    const struct tz_progress_state state = {
        .phase = "read the archive",
        .files = progress->entries,
        .bytes_done = progress->bytes,
        .bytes_total = progress->bytes_total,
    };

    tz_progress_update(run->progress, &state);
}

static void show_storing(void *arg, const struct tz_backup_progress *progress)
{
    struct run *run = arg;

    const struct tz_progress_state state = {
        .phase = "import",
        .name = progress->source,
        .files = progress->files,
        .bytes_done = progress->bytes,
    };
    tz_progress_update(run->progress, &state);
}

static int start(struct run *run, struct tz_error *err)
{
    const struct tz_repo_options wanted = {.exclusive = true, .writes = true, .spool = true};

    if (read_options(run, err) || open_input(run, err) ||
        tz_session_open(&run->session, run->context, &wanted, err) ||
        tz_progress_new(&run->progress, run->context, err))
        return -1;
    run->archive.progress = show_reading;
    run->archive.progress_arg = run;
    return 0;
}

/* As before a backup: a store that was out gets what it lacks, so that the generation can be whole
 * there. */
static void level_stores(struct run *run)
{
    const struct tz_sync_options wanted = {.repo = run->session.repo};
    struct tz_sync_result result = {0};
    struct tz_error why = {0};

    if (!run->dry_run && tz_sync(&wanted, &result, &why))
        tz_warn(run->context, "the stores could not be brought level: %s", why.message);
}

static int import(struct run *run, struct tz_error *err)
{
    const struct tz_backup_options wanted = {
        .repo = run->session.repo,
        .source = &run->source,
        .dry_run = run->dry_run,
        .progress = show_storing,
        .progress_arg = run,
        .open_source = tz_archive_open_source,
        .open_source_arg = &run->archive,
        .type = TZ_ARCHIVE_SOURCE_TYPE,
    };

    if (tz_backup(&wanted, &run->result, err))
        return -1;
    tz_clear_line(run->context);
    return 0;
}

static const char *state_of(const struct run *run)
{
    return run->dry_run ? "dry-run" : tz_state_text(&run->session, run->result.stores);
}

/* One generation, as 'backup' shows it. */
static int print_json(const struct run *run, struct tz_error *err)
{
    const struct tz_backup_result *result = &run->result;
    const struct tz_head *head = &result->head;
    TZ_SCOPED(tz_scoped_json) json_t *item = json_object();
    TZ_SCOPED(tz_scoped_json) json_t *document = json_pack("{s:[O]}", "generations", item);

    if (!item || !document)
        return tz_fail_nomem(err);
    if (tz_json_set(item, "source", json_string(head->source), err) ||
        tz_json_set(item, "id",
                    run->dry_run ? json_string("") : tz_json_hex(head->id, TZ_HASH_SIZE), err) ||
        tz_json_set(item, "type", json_string(head->type), err) ||
        tz_json_set(item, "time", tz_json_time(head->time_ns), err) ||
        tz_json_set(item, "state", json_string(state_of(run)), err) ||
        tz_json_set(item, "entries", json_integer((json_int_t)head->entries), err) ||
        tz_json_set(item, "bytes", json_integer((json_int_t)head->bytes), err) ||
        tz_json_set(item, "new_bytes", json_integer((json_int_t)head->new_bytes), err) ||
        tz_json_set(item, "stored_bytes", json_integer((json_int_t)head->stored_bytes), err) ||
        tz_json_path_warnings(item, result->warnings, result->warning_count, err) ||
        tz_json_set(item, "warnings_total", json_integer((json_int_t)result->warnings_total),
                    err) ||
        tz_json_set(item, "stores", tz_json_stores(&run->session, result->stores), err) ||
        tz_json_set(item, "seconds", json_real(result->seconds), err))
        return -1;
    return tz_json_print(document, err);
}

static int print_text(const struct run *run, struct tz_error *err)
{
    const struct tz_backup_result *result = &run->result;
    const struct tz_head *head = &result->head;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf missing = {0};
    char id[2 * TZ_HASH_SIZE + 1], bytes[TZ_SIZE_TEXT], fresh[TZ_SIZE_TEXT], time[TZ_TIME_TEXT];

    tz_path_warnings_show(run->context, result->warnings, result->warning_count,
                          result->warnings_total);
    tz_hex(id, head->id, TZ_HASH_SIZE);
    tz_size_format(bytes, head->bytes);
    tz_size_format(fresh, head->new_bytes);
    tz_time_format_local(time, head->time_ns);
    if (tz_store_names(&run->session, result->stores, false, &missing, err))
        return -1;
    (void)printf("%s: ", head->source);
    if (run->dry_run)
        (void)printf("would be ");
    else
        (void)printf("%.*s of %s, ", SHORT_ID, id, time);
    (void)printf("%" PRIu64 " %s, %s; %s new, %.1f s", head->entries,
                 tz_plural(head->entries, "entry", "entries"), bytes, fresh, result->seconds);
    if (missing.len > 0 && !run->dry_run)
        (void)printf("; %s: missing in %s", state_of(run), (const char *)missing.data);
    (void)printf("%s\n", run->dry_run ? "; nothing was stored" : "");
    return 0;
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_run) struct run run = {.context = context, .fd = -1};

    if (start(&run, err))
        return -1;
    level_stores(&run);
    if (import(&run, err) || (context->json ? print_json(&run, err) : print_text(&run, err)))
        return -1;
    bool degraded = !run.dry_run && strcmp(state_of(&run), "complete") != 0;
    return degraded || run.result.warnings_total > 0 ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

const struct tz_command tz_command_import = {
    .name = "import",
    .summary = "make a generation of an archive",
    .arguments = "SOURCE",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
