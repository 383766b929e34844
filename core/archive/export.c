#include "writer.h"

#include "locale.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/log.h"
#include "tozai/util/time.h"

#include <errno.h>
#include <string.h>

#include "tozai/util/banned.h"

#define PROGRESS_NS (TZ_SECOND_NS / 5)

static void free_entry(struct archive_entry **entry)
{
    archive_entry_free(*entry);
}

void tz_export_report(struct export *export, bool now)
{
    const struct tz_archive_export_options *options = export->options;

    if (!options->progress || (!now && tz_monotonic() < export->next_progress))
        return;
    export->next_progress = tz_monotonic() + PROGRESS_NS;
    const struct tz_archive_progress progress = {
        .entries = export->result->entries,
        .bytes = export->result->bytes,
        .bytes_total = options->head->bytes,
    };
    options->progress(options->progress_arg, &progress);
}

int tz_export_fail(struct export *export, struct tz_error *err)
{
    const char *text = archive_error_string(export->archive);
    int number = archive_errno(export->archive);

    if (export->write_error.kind != TZ_OK) {
        if (err)
            *err = export->write_error;
        return -1;
    }
    /* Its other numbers are not those of the system, or say nothing. */
    return tz_fail(err, number == ENOSPC || number == ENOMEM ? tz_error_kind_of(number) : TZ_FAILED,
                   "%s", text ? text : "the archive cannot be written");
}

static void warn(struct export *export, const struct tz_entry *entry, const struct tz_error *why)
{
    if (export->options->warn)
        export->options->warn(export->options->warn_arg, entry->path, entry->path_len, why);
}

static void leave_out(struct export *export, const struct tz_entry *entry,
                      const struct tz_error *why)
{
    export->result->left_out++;
    export->result->sockets += entry->type == TZ_ENTRY_SOCKET;
    warn(export, entry, why);
}

/* The same for what no store has any more. */
static void lose(struct export *export, const struct tz_entry *entry, const struct tz_error *why)
{
    export->result->damaged++;
    leave_out(export, entry, why);
}

/* A long list of a file's content cannot be had: the file is left out, and links to it. */
static int lose_content(struct export *export, const struct tz_entry *entry,
                        const struct tz_error *why, struct tz_error *err)
{
    if (why->kind != TZ_CORRUPT && why->kind != TZ_NOT_FOUND && why->kind != TZ_UNAVAILABLE) {
        if (err)
            *err = *why;
        return -1;
    }
    lose(export, entry, why);
    return tz_lost_parts_add(&export->lost, entry->path, entry->path_len, entry->path,
                             entry->path_len, err);
}

static la_ssize_t write_block(struct archive *archive, void *arg, const void *data, size_t len)
{
    struct export *export = arg;

    if (export->ended || tz_write_all(export->options->fd, data, len, &export->write_error)) {
        archive_set_error(archive, EIO, "write error");
        return -1;
    }
    export->result->archive_bytes += len;
    return (la_ssize_t)len;
}

/* Nothing is written any more, such as an end mark; archive_write_fail() would leave memory behind.
 */
static void end_writing(struct export *export)
{
    export->ended = true;
    (void)archive_write_free(export->archive);
}

static void tear_down(struct export *export)
{
    end_writing(export);
    tz_chunk_reader_free(export->chunks);
    tz_link_table_free(export->links);
    tz_entry_finder_free(export->finder);
    tz_losses_clear(&export->losses);
    tz_lost_parts_clear(&export->lost);
}

static unsigned threads_of(const struct tz_config *config)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);

    return config->threads ? config->threads : online > 0 ? (unsigned)online : 1;
}

static int begin_writing(struct export *export, struct tz_error *err)
{
    const struct tz_archive_export_options *options = export->options;

    export->archive = archive_write_new();
    if (!export->archive)
        return tz_fail_nomem(err);
    if (tz_archive_type_apply(&options->type, threads_of(tz_repo_config(options->repo)),
                              export->archive, err))
        return -1;
    /* A tape wants whole blocks; files and pipes do not. */
    if (archive_write_set_bytes_in_last_block(export->archive, 1) != ARCHIVE_OK ||
        archive_write_open(export->archive, export, NULL, write_block, NULL) != ARCHIVE_OK)
        return tz_export_fail(export, err);
    return 0;
}

/* The counting of links passes over the same parts before. */
static void pass_over(void *arg, const char *from, size_t from_len, const char *to, size_t to_len,
                      const struct tz_error *why)
{
    (void)arg, (void)from, (void)from_len, (void)to, (void)to_len, (void)why;
}

static void note_lost(void *arg, const char *from, size_t from_len, const char *to, size_t to_len,
                      const struct tz_error *why)
{
    struct export *export = arg;
    const struct tz_entry entry = {.path = (char *)(uintptr_t)from, .path_len = from_len};
    struct tz_error what = *why;

    export->result->damaged++;
    if (to)
        (void)tz_while(&what, "all is lost from here to '%.*s'", (int)TZ_MIN(to_len, 200), to);
    else
        (void)tz_while(&what, "all is lost from here on");
    warn(export, &entry, &what);
    if (tz_lost_parts_add(&export->lost, from, from_len, to, to_len, &what))
        export->lost_error = what;
}

typedef int entry_fn(struct export *export, struct tz_entry *entry, struct tz_error *err);

/* chunks: who reads the content; NULL: nobody. */
static int each_entry(struct export *export, struct tz_chunk_reader *chunks, entry_fn *take,
                      tz_manifest_lost_fn *lost, struct tz_error *err)
{
    const struct tz_archive_export_options *options = export->options;
    TZ_SCOPED(tz_scoped_manifest_reader) struct tz_manifest_reader *reader = NULL;
    TZ_SCOPED(tz_scoped_upcoming) struct upcoming *upcoming = NULL;
    struct tz_entry *entry = NULL;

    if (tz_manifest_reader_new(&reader, options->repo, options->head, "", 0, err) ||
        tz_upcoming_new(&upcoming, reader, chunks, err))
        return -1;
    tz_manifest_reader_tolerate(reader, lost, export);
    export->upcoming = chunks ? upcoming : NULL;
    int failed = 0;
    while (!failed) {
        failed = tz_interrupt_check(err) || tz_upcoming_next(upcoming, &entry, err);
        if (!failed && export->lost_error.kind != TZ_OK) {
            if (err)
                *err = export->lost_error;
            failed = -1;
        }
        if (failed || !entry)
            break;
        if (take(export, entry, err))
            failed = tz_while(err, "'%s'", entry->path);
    }
    export->upcoming = NULL;
    return failed ? -1 : 0;
}

static int count_link(struct export *export, struct tz_entry *entry, struct tz_error *err)
{
    if (entry->type != TZ_ENTRY_HARDLINK)
        return 0;
    return tz_link_table_add(export->links, entry->link, entry->link_len, err);
}

/* Where each name needs the content for itself: make the entry the one that it is a name of. */
static int follow_link(struct export *export, struct tz_entry *entry, struct tz_error *err)
{
    const struct tz_archive_export_options *options = export->options;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry target = {0};
    const struct tz_entry *first = NULL;

    if (!export->finder && tz_entry_finder_new(&export->finder, options->repo, options->head, err))
        return -1;
    if (tz_entry_find_first(export->finder, entry, &first, err) ||
        tz_entry_copy(&target, first, err) ||
        tz_entry_set_path(&target, entry->path, entry->path_len, err))
        return -1;
    tz_losses_add(&export->losses, LOSS_HARDLINKS, entry);
    tz_entry_clear(entry);
    *entry = target;
    target = (struct tz_entry){0};
    return 0;
}

/* 0: go on with the content; 1: the entry is left out. */
static int write_header(struct export *export, const struct tz_entry *entry,
                        struct archive_entry *out, struct tz_error *err)
{
    struct tz_error why = {0};
    int rc = archive_write_header(export->archive, out);
    const char *text = archive_error_string(export->archive);

    if (rc == ARCHIVE_OK)
        return 0;
    if (rc != ARCHIVE_WARN && rc != ARCHIVE_FAILED)
        return tz_export_fail(export, err);
    (void)tz_fail(&why, TZ_UNSUPPORTED, "%s", text ? text : "the format cannot hold it");
    if (rc == ARCHIVE_FAILED) {
        leave_out(export, entry, &why);
        return 1;
    }
    /* A name of other bytes than UTF-8 is no loss where it is written as it is. */
    bool is_name = text && strncmp(text, "Can't translate ", strlen("Can't translate ")) == 0;
    if (!is_name || !(export->form->holds & HOLDS_BYTES))
        warn(export, entry, &why);
    return 0;
}

static int write_entry(struct export *export, const struct tz_entry *entry, struct tz_error *err)
{
    TZ_SCOPED(free_entry) struct archive_entry *out = archive_entry_new2(export->archive);
    struct tz_error why = {0};

    if (!out)
        return tz_fail_nomem(err);
    int rc = tz_export_header(export, entry, out, &why);
    if (rc > 0) {
        leave_out(export, entry, &why);
        return 0;
    }
    if (rc < 0)
        return tz_fail_nomem(err);
    if (entry->type == TZ_ENTRY_FILE && tz_export_holes(export, entry, out, &why))
        return lose_content(export, entry, &why, err);
    rc = write_header(export, entry, out, err);
    if (rc)
        return rc < 0 ? -1 : 0;
    if (entry->type == TZ_ENTRY_FILE && tz_export_content(export, entry, err))
        return -1;
    if (archive_write_finish_entry(export->archive) != ARCHIVE_OK)
        return tz_export_fail(export, err);
    export->result->entries++;
    export->result->files += entry->type == TZ_ENTRY_FILE;
    return 0;
}

/* Is the link one that the format can hold as such? */
static bool holds_link(const struct export *export, const struct tz_entry *entry)
{
    if (!(export->form->holds & HOLDS_HARDLINKS))
        return false;
    return !export->links || tz_link_table_is_file(export->links, entry->link, entry->link_len);
}

/* A link to what is not in the archive would stop those who read it. */
static bool is_lost_link(struct export *export, const struct tz_entry *entry)
{
    struct tz_error why = {0};

    if (entry->type != TZ_ENTRY_HARDLINK ||
        !tz_lost_parts_hold(&export->lost, entry->link, entry->link_len))
        return false;
    (void)tz_fail(&why, TZ_CORRUPT, "the other name of this file, '%s', is lost", entry->link);
    lose(export, entry, &why);
    return true;
}

static int take_entry(struct export *export, struct tz_entry *entry, struct tz_error *err)
{
    tz_export_report(export, false);
    if (entry->path_len == 0 && !(export->form->holds & HOLDS_ROOT))
        return 0;
    if (export->links && entry->type == TZ_ENTRY_FILE)
        tz_link_table_note_file(export->links, entry->path, entry->path_len);
    if (is_lost_link(export, entry))
        return 0;
    if (entry->type == TZ_ENTRY_HARDLINK && !holds_link(export, entry) &&
        follow_link(export, entry, err))
        return -1;
    return write_entry(export, entry, err);
}

static int run(struct export *export, struct tz_error *err)
{
    const struct tz_archive_export_options *options = export->options;

    export->form = tz_archive_form(options->type.format);
    if (tz_keys_need_operator(tz_repo_keys(options->repo), "export", err) ||
        tz_chunk_reader_new(&export->chunks, options->repo, err))
        return -1;
    if (export->form->holds & COUNTS_LINKS) {
        if (tz_link_table_new(&export->links, err) ||
            each_entry(export, NULL, count_link, pass_over, err))
            return -1;
        export->next_inode = tz_link_table_count(export->links) + 1;
    }
    if (begin_writing(export, err) ||
        each_entry(export, export->chunks, take_entry, note_lost, err))
        return -1;
    if (archive_write_close(export->archive) != ARCHIVE_OK)
        return tz_export_fail(export, err);
    return 0;
}

int tz_archive_export(const struct tz_archive_export_options *options,
                      struct tz_archive_export_result *ret, struct tz_error *err)
{
    struct tz_archive_export_result result = {0};
    struct export export = {.options = options, .result = &result};
    struct tz_archive_charset charset;

    tz_archive_charset_enter(&charset, false);
    int failed = run(&export, err);
    if (!failed) {
        tz_export_report(&export, true);
        result.healed = tz_chunk_reader_healed(export.chunks);
        if (options->lost)
            tz_losses_tell(&export.losses, export.form, options->lost, options->lost_arg);
        *ret = result;
    }
    tear_down(&export);
    tz_archive_charset_leave(&charset);
    return failed;
}
