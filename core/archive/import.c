/*
 * Reading an archive into the spool.
 */
#include "import.h"

#include "foreign.h"
#include "reader.h"

#include "../config/value.h"

#include "tozai/util/time.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

#define PROGRESS_NS   (TZ_SECOND_NS / 5)
#define ENTRIES_CHECK 4096U /* for the room that they need themselves */

struct reading {
    struct import *import;
    struct tz_archive_reader *reader;
    uint64_t size;  /* of the archive; 0: unknown */
    char *absolute; /* the first absolute path */
    uint64_t absolute_count;
    uint64_t entries; /* with those left out */
    int64_t next_progress;
};

static void end_reading(struct reading *reading)
{
    tz_archive_reader_free(reading->reader);
    free(reading->absolute);
}

int tz_archive_check_source(const char *name, struct tz_error *err)
{
    if (!*name)
        return tz_fail(err, TZ_INVALID, "the name of the source is empty");
    return tz_check_name(name, err);
}

static void warn(const struct import *import, const char *path, size_t len,
                 const struct tz_error *why)
{
    import->warn(import->warn_arg, path, len, why);
}

static void report(struct reading *reading)
{
    const struct tz_archive_import_options *options = reading->import->options;

    if (!options->progress || tz_monotonic() < reading->next_progress)
        return;
    reading->next_progress = tz_monotonic() + PROGRESS_NS;
    const struct tz_archive_progress progress = {
        .entries = reading->entries,
        .bytes = tz_archive_reader_bytes(reading->reader),
        .bytes_total = reading->size,
    };
    options->progress(options->progress_arg, &progress);
}

/* What the archive has for the entry at hand; *ret_any: it has something. */
static int read_content(struct reading *reading, struct tz_archive_content *ret, bool *ret_any,
                        struct tz_error *err)
{
    struct tz_archive_spool *spool = reading->import->spool;
    const void *data = NULL;
    size_t len = 0;
    uint64_t offset = 0;

    tz_archive_spool_begin(spool);
    *ret_any = false;
    for (;;) {
        if (tz_archive_reader_data(reading->reader, &data, &len, &offset, err))
            return -1;
        if (len == 0)
            break;
        *ret_any = true;
        if (tz_archive_spool_put(spool, offset, data, len, err))
            return -1;
        report(reading);
    }
    /* Here offset is the end, which with a hole is behind the last piece. */
    return tz_archive_spool_end(spool, offset, ret, err);
}

static int read_file(struct reading *reading, struct archive_entry *in,
                     struct tz_archive_content *ret, bool *ret_any, struct tz_error *err)
{
    la_int64_t size = archive_entry_size_is_set(in) ? archive_entry_size(in) : 0;

    if (read_content(reading, ret, ret_any, err))
        return tz_while(err, "'%s'", archive_entry_pathname(in));
    if (archive_entry_hardlink(in) || size <= 0 || (uint64_t)size <= ret->size)
        return 0;
    return tz_fail(err, TZ_FAILED, "archive '%s': '%s' is shorter than it should be",
                   reading->import->options->name, archive_entry_pathname(in));
}

static int note_absolute(struct reading *reading, const char *path, struct tz_error *err)
{
    if (reading->absolute_count++ > 0)
        return 0;
    reading->absolute = strdup(path);
    return reading->absolute ? 0 : tz_fail_nomem(err);
}

static int add_entry(struct reading *reading, const struct tz_entry *entry,
                     struct archive_entry *in, struct tz_error *err)
{
    struct import *import = reading->import;
    bool is_link = entry->type == TZ_ENTRY_HARDLINK, any = false;
    struct tz_archive_content content = {0};

    if ((is_link || entry->type == TZ_ENTRY_FILE) && read_file(reading, in, &content, &any, err))
        return -1;
    if (tz_archive_roster_count(import->roster) % ENTRIES_CHECK == 0 &&
        tz_archive_spool_check_room(import->spool, err))
        return -1;
    return tz_archive_roster_add(import->roster, entry,
                                 entry->type == TZ_ENTRY_FILE || (is_link && any) ? &content : NULL,
                                 err);
}

static int take_entry(struct reading *reading, struct archive_entry *in, const char *libarchive,
                      struct tz_error *err)
{
    struct import *import = reading->import;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct tz_foreign foreign = {0};

    if (libarchive)
        (void)tz_fail(&foreign.why, TZ_FAILED, "%s", libarchive);
    if (tz_foreign_read(&entry, in, import->time_ns, &foreign, err))
        return -1;
    if (foreign.why.kind != TZ_OK)
        warn(import, entry.path, entry.path_len, &foreign.why);
    if (foreign.left_out)
        return 0;
    if (foreign.was_absolute && note_absolute(reading, entry.path, err))
        return -1;
    return add_entry(reading, &entry, in, err);
}

static int read_entries(struct reading *reading, struct tz_error *err)
{
    struct archive_entry *in = NULL;
    const char *doubt = NULL;

    for (;;) {
        report(reading);
        if (tz_archive_reader_next(reading->reader, &in, &doubt, err))
            return -1;
        if (!in)
            return 0;
        reading->entries++;
        if (take_entry(reading, in, doubt, err))
            return -1;
    }
}

/* What holds of the archive as a whole. */
static void warn_at_end(struct reading *reading)
{
    const char *name = reading->import->options->name;
    struct tz_error why = {0};

    if (reading->absolute_count > 0) {
        (void)tz_fail(&why, TZ_FAILED,
                      "its path was absolute, as those of %" PRIu64
                      " in all: leading slashes are removed",
                      reading->absolute_count);
        warn(reading->import, reading->absolute, strlen(reading->absolute), &why);
    }
    if (!tz_archive_reader_ended(reading->reader)) {
        (void)tz_fail(&why, TZ_FAILED, "it has no end mark: it may have been cut off");
        warn(reading->import, name, strlen(name), &why);
    }
}

static int finish_reading(struct reading *reading, struct tz_error *err)
{
    struct import *import = reading->import;

    warn_at_end(reading);
    if (tz_archive_roster_count(import->roster) == 0)
        return tz_fail(err, TZ_INVALID, "archive '%s': there is nothing in it%s",
                       import->options->name, reading->entries > 0 ? " that could be taken" : "");
    return tz_archive_spool_flush(import->spool, err) ||
                   tz_archive_roster_resolve(import->roster, import->warn, import->warn_arg, err)
               ? -1
               : 0;
}

int tz_import_read(struct import *import, struct tz_error *err)
{
    const struct tz_archive_import_options *options = import->options;
    TZ_SCOPED(end_reading) struct reading reading = {.import = import};
    struct stat st;

    if (fstat(options->fd, &st) == 0 && S_ISREG(st.st_mode))
        reading.size = (uint64_t)st.st_size;
    if (tz_archive_reader_open(&reading.reader, options->fd, options->name, options->charset,
                               err) ||
        read_entries(&reading, err))
        return -1;
    return finish_reading(&reading, err);
}

static void scoped_import(struct import **import)
{
    tz_import_free(*import);
}

int tz_archive_open_source(void *arg, struct tz_source **ret,
                           const struct tz_source_options *options, struct tz_error *err)
{
    TZ_SCOPED(scoped_import) struct import *import = calloc(1, sizeof(*import));

    if (!import)
        return tz_fail_nomem(err);
    import->options = arg;
    import->warn = options->warn;
    import->warn_arg = options->warn_arg;
    import->time_ns = import->options->time_ns ? import->options->time_ns : tz_now();
    if (tz_archive_spool_new(&import->spool, options->scratch, import->options->max_size, err) ||
        tz_archive_roster_new(&import->roster, options->scratch, err) ||
        tz_import_read(import, err) || tz_source_new(ret, &tz_import_driver, import, err))
        return -1;
    import = NULL;
    return 0;
}
