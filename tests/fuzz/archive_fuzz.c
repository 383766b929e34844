/* Archives of any format, as an import takes them. */
#include "fuzz.h"

#include "tozai/core/archive.h"
#include "tozai/util/file.h"

#include <string.h>

static void ignore_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    (void)arg;
    check(strlen(path) == path_len);
    check(why->kind != TZ_OK);
}

static void read_content(struct tz_source *source, struct tz_entry *entry)
{
    TZ_SCOPED(tz_scoped_input) struct tz_input *input = NULL;
    uint8_t data[4096];
    uint64_t total = 0, hole = 0;
    size_t len = 0;

    check(tz_source_load(source, entry, &input, NULL) == 0);
    check((input != NULL) == (entry->type == TZ_ENTRY_FILE));
    while (input) {
        check(tz_input_read(input, data, sizeof(data), &len, &hole, NULL) == 0);
        check(len == 0 || hole == 0);
        if (len == 0 && hole == 0)
            break;
        total += len + hole;
        check(total <= entry->size);
    }
    check(!input || total == entry->size);
}

/* What a manifest and a restore rely on. */
static void check_entry(const struct tz_entry *entry, const struct tz_entry *last)
{
    check(tz_path_valid(entry->path, entry->path_len));
    check(!last->path ||
          tz_path_compare(last->path, last->path_len, entry->path, entry->path_len) < 0);
    check((entry->link != NULL) ==
          (entry->type == TZ_ENTRY_SYMLINK || entry->type == TZ_ENTRY_HARDLINK));
    check(entry->type != TZ_ENTRY_HARDLINK ||
          (tz_path_valid(entry->link, entry->link_len) &&
           tz_path_compare(entry->link, entry->link_len, entry->path, entry->path_len) < 0));
    check(entry->mode <= 07777 && entry->mtime_ns < 1000000000);
    /* What is not a directory has nothing below it. */
    check(!last->path || last->type == TZ_ENTRY_DIRECTORY ||
          !tz_path_within(entry->path, entry->path_len, last->path, last->path_len));
}

static void walk(struct tz_source *source)
{
    TZ_SCOPED(tz_scoped_entry) struct tz_entry last = {0};
    TZ_SCOPED(tz_scoped_free) char *position = NULL;
    int64_t time_ns = 0;
    bool done = false;

    for (;;) {
        struct tz_entry entry = {0};
        check(tz_source_next(source, &entry, &done, NULL) == 0);
        if (done)
            break;
        check_entry(&entry, &last);
        if (entry.type != TZ_ENTRY_HARDLINK)
            read_content(source, &entry);
        tz_entry_clear(&last);
        last = entry;
    }
    check(tz_source_finish(source, &time_ns, &position, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FILE *file = tmpfile();
    struct tz_source *source = NULL;
    const struct tz_source_options options = {.scratch = "/tmp", .warn = ignore_warning};

    check(file != NULL && fwrite(data, 1, len, file) == len && fflush(file) == 0);
    struct tz_archive_import_options archive = {
        .fd = fileno(file), .name = "fuzz", .max_size = 1 << 24, .time_ns = 1};
    check(lseek(archive.fd, 0, SEEK_SET) == 0);
    if (tz_archive_open_source(&archive, &source, &options, NULL) == 0)
        walk(source);
    tz_source_free(source);
    (void)fclose(file);
    return 0;
}
