/* tozai restore: puts a generation back. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath() */
#endif
#include "common.h"
#include "progress.h"

#include "tozai/core/notify.h"
#include "tozai/core/restore.h"
#include "tozai/util/file.h"
#include "tozai/util/hex.h"
#include "tozai/util/time.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define SHORT_ID 12

static const char *const overwrite_words[] = {"never", "changed", "always", NULL};

static const struct tz_option options[] = {
    {.name = "target",
     .metavar = "DIR",
     .required = true,
     .complete = TZ_COMPLETE_DIRECTORY,
     .help = "where to restore to; made if it is missing"},
    {.name = "overwrite",
     .metavar = "WHEN",
     .words = overwrite_words,
     .help =
         "which existing files to write to: never any, changed (those of another size or time), "
         "or always (the default: where the content differs)"},
    {.name = "verify", .help = "read everything back and compare it"},
    {.name = "dry-run", .help = "say what would be restored, and write nothing"},
};

struct run {
    struct tz_context *context;
    struct tz_session session;
    struct tz_head head;
    char **paths;
    size_t path_count;
    struct tz_progress *progress;
    struct tz_path_warnings warnings;
    struct tz_restore_options wanted;
    struct tz_restore_result result;
};

static void clear_run(struct run *run)
{
    for (size_t i = 0; i < run->path_count; i++)
        free(run->paths[i]);
    free(run->paths);
    tz_progress_finish(run->progress);
    tz_path_warnings_clear(&run->warnings);
    tz_head_clear(&run->head);
    tz_session_close(&run->session);
}

/* Cut the last component off; false if none is left. */
static bool cut_last(char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 1 && path[len - 1] != '/')
        len--;
    bool cut = len < strlen(path);
    path[len] = '\0';
    return cut;
}

static bool has_parent(const char *path)
{
    size_t len;

    for (; *path; path += len + (path[len] == '/')) {
        len = strcspn(path, "/");
        if (len == 2 && memcmp(path, "..", 2) == 0)
            return true;
    }
    return false;
}

/* The real path of something that need not exist yet: that of the part that does, and the rest. */
static int resolve(const char *path, char **ret, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *whole = NULL;
    TZ_SCOPED(tz_scoped_free) char *known = NULL;
    TZ_SCOPED(tz_scoped_free) char *real = NULL;

    if (tz_absolute_path(path, &whole, err))
        return -1;
    known = strdup(whole);
    if (!known)
        return tz_fail_nomem(err);
    while (!(real = realpath(known, NULL))) {
        if (errno != ENOENT || !cut_last(known))
            return tz_fail_errno(err, errno, "look at '%s'", path);
    }
    const char *rest = whole + strlen(known);
    if (has_parent(rest))
        return tz_fail(err, TZ_INVALID, "'%s': '..' behind a directory that does not exist", path);
    *ret = *rest ? tz_path_join(real, rest) : TZ_TAKE(real);
    return *ret ? 0 : tz_fail_nomem(err);
}

static bool is_inside(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    while (len > 0 && directory[len - 1] == '/')
        len--;
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static int keep_out(const char *target, const char *resolved, const char *directory,
                    const char *what, const char *name, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *real = NULL;

    if (resolve(directory, &real, NULL) || !is_inside(resolved, real))
        return 0;
    (void)tz_fail(err, TZ_INVALID, "target '%s' lies inside %s%s%s", target, what, name ? " " : "",
                  name ? name : "");
    return tz_hint(err, "restore to a directory that tozai does not use itself");
}

/* Nothing may be written into what the backups live on. */
static int check_target(const struct tz_config *config, const char *target, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *resolved = NULL;

    if (!target[0])
        return tz_fail(err, TZ_INVALID, "the target is empty");
    if (resolve(target, &resolved, err) ||
        keep_out(target, resolved, config->state, "the state directory", NULL, err))
        return -1;
    for (size_t i = 0; i < config->store_count; i++) {
        const char *directory = tz_local_store(&config->stores[i]);
        if (directory &&
            keep_out(target, resolved, directory, "store", config->stores[i].name, err))
            return -1;
    }
    return 0;
}

/* One file, such as a database or an image, goes to the very name that was given. */
static bool is_to_file(const struct run *run, const char *target)
{
    size_t len = strlen(target);
    struct stat st;
    bool exists = stat(target, &st) == 0;

    if (run->path_count > 0)
        return false;
    if (strcmp(run->head.type, tz_source_type_name(TZ_SOURCE_SQLITE)) == 0)
        return exists ? !S_ISDIR(st.st_mode) : target[len - 1] != '/';
    if (strcmp(run->head.type, tz_source_type_name(TZ_SOURCE_IMAGE)) == 0)
        return exists && (S_ISBLK(st.st_mode) || S_ISREG(st.st_mode));
    return false;
}

static int read_paths(struct run *run, struct tz_error *err)
{
    size_t count = run->context->argument_count - 1;

    run->paths = calloc(count + 1, sizeof(run->paths[0]));
    if (!run->paths)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < count; i++) {
        if (tz_session_path(&run->session, &run->head, run->context->arguments[i + 1],
                            &run->paths[i], err))
            return -1;
        run->path_count++;
    }
    return 0;
}

static enum tz_overwrite overwrite_of(const struct tz_context *context)
{
    const char *word = tz_option_value(context, "overwrite");

    if (word && strcmp(word, "never") == 0)
        return TZ_OVERWRITE_NEVER;
    if (word && strcmp(word, "changed") == 0)
        return TZ_OVERWRITE_CHANGED;
    return TZ_OVERWRITE_ALWAYS;
}

static void show_progress(void *arg, const struct tz_restore_progress *progress)
{
    struct run *run = arg;

    const struct tz_progress_state state = {
        .phase = "restore",
        .name = run->head.source,
        .files = progress->files,
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

/* Nothing stands there that might be what is wanted. */
static bool is_fresh(const char *target)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(target);
    const struct dirent *item;
    bool any = false;

    if (!dir)
        return errno == ENOENT;
    while (!any && (item = readdir(dir)))
        any = strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
    return !any;
}

static int start(struct run *run, struct tz_error *err)
{
    struct tz_context *context = run->context;
    const char *target = tz_option_value(context, "target");
    TZ_SCOPED(tz_scoped_config) struct tz_config *config = NULL;
    struct tz_repo_options opening = tz_session_operator(context, "restore");

    if (tz_context_config(context, &config, err) || check_target(config, target, err))
        return -1;
    opening.whole =
        context->argument_count == 1 && !tz_option_given(context, "dry-run") && is_fresh(target);
    if (tz_session_open(&run->session, context, &opening, err) ||
        tz_session_find(&run->session, context->arguments[0], &run->head, err) ||
        read_paths(run, err) || tz_progress_new(&run->progress, context, err))
        return -1;
    run->wanted = (struct tz_restore_options){
        .repo = run->session.repo,
        .head = &run->head,
        .target = target,
        .paths = (const char *const *)run->paths,
        .path_count = run->path_count,
        .overwrite = overwrite_of(context),
        .verify = tz_option_given(context, "verify"),
        .dry_run = tz_option_given(context, "dry-run"),
        .to_file = is_to_file(run, target),
        .progress = show_progress,
        .progress_arg = run,
        .warn = note_warning,
        .warn_arg = run,
    };
    return 0;
}

static int print_json(const struct run *run, struct tz_error *err)
{
    const struct tz_restore_result *result = &run->result;
    TZ_SCOPED(tz_scoped_json) json_t *document = json_object();

    if (!document)
        return tz_fail_nomem(err);
    if (tz_json_set(document, "source", tz_json_text(run->head.source, strlen(run->head.source)),
                    err) ||
        tz_json_set(document, "id", tz_json_origin(&run->head), err) ||
        tz_json_set(document, "point", tz_json_time(run->head.time_ns), err) ||
        tz_json_set(document, "dry_run", json_boolean(run->wanted.dry_run), err) ||
        tz_json_set(document, "entries", json_integer((json_int_t)result->entries), err) ||
        tz_json_set(document, "bytes", json_integer((json_int_t)result->bytes), err) ||
        tz_json_set(document, "fetched_bytes", json_integer((json_int_t)result->fetched_bytes),
                    err) ||
        tz_json_set(document, "written_bytes", json_integer((json_int_t)result->written_bytes),
                    err) ||
        tz_json_set(document, "seconds", json_real(result->seconds), err) ||
        tz_json_set(document, "verified", json_boolean(result->verified), err) ||
        tz_json_set(document, "healed", json_integer((json_int_t)result->healed), err) ||
        tz_json_set(document, "failed", json_integer((json_int_t)result->failed), err) ||
        tz_json_set(document, "damaged", json_integer((json_int_t)result->damaged), err) ||
        tz_json_path_warnings(document, run->warnings.items, run->warnings.count, err))
        return -1;
    return tz_json_print(document, err);
}

static void print_trouble(const struct tz_restore_result *result)
{
    if (result->healed > 0)
        (void)printf("%" PRIu64 " %s damaged or missing in one store, and came from another: "
                     "run 'tozai verify --heal'\n",
                     result->healed, tz_plural(result->healed, "frame was", "frames were"));
    if (result->failed > 0)
        (void)printf("%" PRIu64 " %s not as they should be\n", result->failed,
                     tz_plural(result->failed, "entry is", "entries are"));
    if (result->damaged > 0)
        (void)printf("%" PRIu64 " of them because no store has good bytes\n", result->damaged);
}

static void print_text(const struct run *run)
{
    const struct tz_restore_result *result = &run->result;
    char id[2 * TZ_HASH_SIZE + 1], bytes[TZ_SIZE_TEXT], time[TZ_TIME_TEXT];
    uint8_t origin[TZ_HASH_SIZE];

    tz_head_origin(&run->head, origin);
    tz_hex(id, origin, TZ_HASH_SIZE);
    tz_size_format(bytes, result->bytes);
    tz_time_format_local(time, run->head.time_ns);
    (void)printf("%s %.*s of %s: %" PRIu64 " %s, %s%s to ", run->head.source, SHORT_ID, id, time,
                 result->entries, tz_plural(result->entries, "entry", "entries"), bytes,
                 run->wanted.dry_run ? " would go" : "");
    tz_print_name(run->wanted.target, strlen(run->wanted.target));
    (void)printf("%s, %.1f s\n", result->verified ? ", verified" : "", result->seconds);
    print_trouble(result);
}

static enum tz_exit exit_of(const struct run *run)
{
    const struct tz_restore_result *result = &run->result;

    if (result->damaged > 0)
        return TZ_EXIT_DAMAGE;
    return result->failed > 0 || result->warnings > 0 ? TZ_EXIT_WARNINGS : TZ_EXIT_OK;
}

/* To those who want to know that somebody read a backup. */
static void tell(struct run *run)
{
    const struct tz_notifier notifier = {
        .config = run->session.config, .warn = tz_warn_text, .warn_arg = run->context};
    char id[2 * TZ_HASH_SIZE + 1], subject[256], text[1024];

    tz_hex(id, run->head.id, TZ_HASH_SIZE);
    (void)snprintf(subject, sizeof(subject), "tozai: restored: %.100s", run->head.source);
    (void)snprintf(text, sizeof(text), "%.100s, generation %s, was restored to %.600s.\n",
                   run->head.source, id, tz_option_value(run->context, "target"));
    const struct tz_notice notice = {.events = TZ_EVENT_RESTORE, .subject = subject, .text = text};
    tz_notify(&notifier, &notice);
}

static int run(struct tz_context *context, struct tz_error *err)
{
    TZ_SCOPED(clear_run) struct run run = {.context = context};

    if (start(&run, err))
        return -1;
    int failed = tz_restore(&run.wanted, &run.result, err);
    tz_clear_line(context);
    if (!context->json)
        tz_path_warnings_show(context, run.warnings.items, run.warnings.count, run.warnings.total);
    if (failed)
        return tz_while(err, "restore '%s'", run.head.source);
    if (!tz_option_given(context, "dry-run"))
        tell(&run);
    if (context->json && print_json(&run, err))
        return -1;
    if (!context->json)
        print_text(&run);
    return (int)exit_of(&run);
}

const struct tz_command tz_command_restore = {
    .name = "restore",
    .summary = "restore a source, or some paths of it, into a directory",
    .arguments = "SOURCE[@POINT] [PATH...]",
    TZ_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = TZ_MANY,
    .complete = TZ_COMPLETE_SOURCE,
    .run = run,
};
