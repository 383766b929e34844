/*
 * Giving what was spooled, in path order.
 */
#include "import.h"

#include "tozai/util/time.h"

#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define IMPLIED_MODE 0755U

void tz_import_free(struct import *import)
{
    if (!import)
        return;
    tz_archive_roster_free(import->roster);
    tz_archive_spool_free(import->spool);
    free(import->directory);
    free(import->other);
    free(import);
}

static void import_free(void *state)
{
    tz_import_free(state);
}

static int import_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    (void)ret;
    (void)options;
    return tz_fail(err, TZ_UNSUPPORTED, "an archive is not a source that can be configured");
}

static int keep(char **ret, size_t *ret_len, const char *path, size_t len, struct tz_error *err)
{
    char *copy = malloc(len + 1);

    if (!copy)
        return tz_fail_nomem(err);
    if (len > 0)
        memcpy(copy, path, len);
    copy[len] = '\0';
    free(*ret);
    *ret = copy;
    *ret_len = len;
    return 0;
}

/*
 * The length of the shortest path above this one that was not given yet, 0 if all were.  Those
 * above the last directory were, and with the order of paths no others of this path's.
 */
static size_t missing_parent(const struct import *import, const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (path[i] == '/' && !(import->directory &&
                                tz_path_within(import->directory, import->directory_len, path, i)))
            return i;
    }
    return 0;
}

static int give_parent(struct import *import, size_t len, struct tz_entry *entry,
                       struct tz_error *err)
{
    const char *path = import->name.path;

    if (keep(&import->directory, &import->directory_len, path, len, err) ||
        tz_entry_set_path(entry, path, len, err))
        return -1;
    entry->type = TZ_ENTRY_DIRECTORY;
    entry->flags = TZ_ENTRY_IMPLIED;
    entry->mode = IMPLIED_MODE;
    entry->uid = geteuid();
    entry->gid = getegid();
    entry->mtime_s = import->time_ns / TZ_SECOND_NS;
    entry->mtime_ns = (uint32_t)(import->time_ns % TZ_SECOND_NS);
    return 0;
}

/* Another name of what was given already: it needs no more than that. */
static int make_link(struct tz_entry *entry, const struct tz_buf *first, struct tz_error *err)
{
    struct tz_entry link = {
        .type = TZ_ENTRY_HARDLINK,
        .mode = entry->mode,
        .uid = entry->uid,
        .gid = entry->gid,
        .mtime_s = entry->mtime_s,
        .mtime_ns = entry->mtime_ns,
    };

    link.link = malloc(first->len + 1);
    if (!link.link)
        return tz_fail_nomem(err);
    memcpy(link.link, first->data, first->len);
    link.link[first->len] = '\0';
    link.link_len = first->len;
    link.path = TZ_TAKE(entry->path);
    link.path_len = entry->path_len;
    tz_entry_clear(entry);
    *entry = link;
    return 0;
}

static int give_name(struct import *import, struct tz_entry *entry, struct tz_error *err)
{
    const struct tz_archive_name *name = &import->name;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf first = {0};

    import->has_name = false;
    if (tz_entry_set_path(entry, name->path, name->path_len, err) ||
        tz_archive_roster_get(import->roster, name->number, entry, &import->content, err))
        return -1;
    if (name->type == TZ_ENTRY_DIRECTORY)
        return keep(&import->directory, &import->directory_len, name->path, name->path_len, err);
    if (keep(&import->other, &import->other_len, name->path, name->path_len, err) ||
        (name->shared && tz_archive_roster_first_name(import->roster, name->number, name->path,
                                                      name->path_len, &first, err)))
        return -1;
    return first.len > 0 ? make_link(entry, &first, err) : 0;
}

static void warn(const struct import *import, const char *text)
{
    struct tz_error why = {0};

    (void)tz_fail(&why, TZ_FAILED, "%s", text);
    import->warn(import->warn_arg, import->name.path, import->name.path_len, &why);
}

/* Take the next name that can be given; *ret_done: there is none. */
static int find_name(struct import *import, bool *ret_done, struct tz_error *err)
{
    const struct tz_archive_name *name = &import->name;

    while (!import->has_name) {
        if (tz_archive_roster_next(import->roster, &import->name, ret_done, err))
            return -1;
        if (*ret_done)
            return 0;
        /* What is below a path comes right behind it. */
        import->has_name = !import->other || !tz_path_within(name->path, name->path_len,
                                                             import->other, import->other_len);
        if (!import->has_name)
            warn(import, "it is left out: what it is below of is not a directory in the end");
        else if (name->replaced > 0)
            warn(import, "the archive has several entries of this name: the last one counts");
    }
    return 0;
}

static int import_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct import *import = state;

    *ret_done = false;
    if (find_name(import, ret_done, err))
        return -1;
    if (*ret_done)
        return 0;
    size_t parent = missing_parent(import, import->name.path, import->name.path_len);
    return parent > 0 ? give_parent(import, parent, entry, err) : give_name(import, entry, err);
}

struct input {
    struct import *import;
    struct tz_archive_spool_reader reader;
};

static int input_read(void *state, void *data, size_t len, size_t *ret_len, uint64_t *ret_hole,
                      struct tz_error *err)
{
    struct input *input = state;

    if (tz_archive_spool_read(&input->reader, data, len, ret_len, ret_hole, err) == 0)
        return 0;
    atomic_store(&input->import->failed, true);
    return -1;
}

static int input_skip(void *state, uint64_t len, struct tz_error *err)
{
    (void)state;
    (void)len;
    return tz_fail(err, TZ_UNSUPPORTED, "the content of an archive cannot be skipped");
}

static int input_finish(void *state, struct tz_entry *entry, bool *ret_changed,
                        struct tz_error *err)
{
    (void)state;
    (void)entry;
    (void)err;
    *ret_changed = false;
    return 0;
}

static int input_rewind(void *state, struct tz_entry *entry, struct tz_error *err)
{
    struct input *input = state;

    (void)entry;
    (void)err;
    tz_archive_spool_rewind(&input->reader);
    return 0;
}

static void input_free(void *state)
{
    free(state);
}

static const struct tz_input_driver input_driver = {
    .read = input_read,
    .skip = input_skip,
    .finish = input_finish,
    .rewind = input_rewind,
    .free = input_free,
};

static int import_load(void *state, struct tz_entry *entry, struct tz_input **ret_input,
                       struct tz_error *err)
{
    static const struct tz_input_hints hints = {0};
    struct import *import = state;

    *ret_input = NULL;
    if (entry->type != TZ_ENTRY_FILE)
        return 0;
    struct input *input = calloc(1, sizeof(*input));
    if (!input)
        return tz_fail_nomem(err);
    input->import = import;
    input->reader.spool = import->spool;
    input->reader.content = import->content;
    tz_archive_spool_rewind(&input->reader);
    if (tz_input_new(ret_input, &input_driver, input, &hints, err)) {
        free(input);
        return -1;
    }
    return 0;
}

static int import_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                         struct tz_error *err)
{
    struct import *import = state;

    /* The engine takes a file that cannot be read for one that cannot be helped; here it can. */
    if (atomic_load(&import->failed))
        return tz_fail(err, TZ_IO, "what was kept of the archive could not be read back");
    *ret_position = strdup("");
    if (!*ret_position)
        return tz_fail_nomem(err);
    *ret_time_ns = import->time_ns;
    return 0;
}

const struct tz_source_driver tz_import_driver = {
    .open = import_open,
    .next = import_next,
    .load = import_load,
    .finish = import_finish,
    .free = import_free,
};
