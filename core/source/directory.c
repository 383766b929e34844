/*
 * Directory trees as a source: the configuration, and the entries one after the other.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "directory.h"

#include "meta.h"

#include "tozai/util/file.h"
#include "tozai/util/interrupt.h"
#include "tozai/util/time.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tozai/util/banned.h"

#define LINK_TARGET_SIZE 4096 /* the kernel makes none longer */

static int set_path(struct tz_directory *dir, const char *path, struct tz_error *err)
{
    tz_buf_reset(&dir->stack.path);
    return tz_buf_append(&dir->stack.path, path, strlen(path), err);
}

static bool is_never(const struct tz_directory *dir, const struct statx *st)
{
    for (size_t i = 0; i < dir->never_count; i++)
        if (dir->never[i].ino == st->stx_ino && dir->never[i].dev == tz_statx_dev(st))
            return true;
    return false;
}

/* The entry is another name of an earlier one: make it so. */
static int join_links(struct tz_directory *dir, struct tz_entry *entry, struct tz_error *err)
{
    struct tz_link_directory *none = NULL;
    struct tz_link_directory **directory =
        dir->stack.count > 0 ? &tz_dirstack_top(&dir->stack)->link_directory : &none;
    char *first = NULL;
    size_t first_len = 0;

    int failed =
        tz_links_meet(dir->links, entry->dev, entry->ino, dir->item.st.stx_nlink, entry->path,
                      entry->path_len, dir->item.name_len, directory, &first, &first_len, err);
    tz_link_directory_release(none);
    if (failed || !first)
        return failed;
    free(entry->link);
    entry->link = first;
    entry->link_len = first_len;
    entry->type = TZ_ENTRY_HARDLINK;
    entry->size = 0;
    return 0;
}

/* Read where a symbolic link leads.  *ret_gone: it is none any more. */
static int read_target(struct tz_directory *dir, struct tz_entry *entry, bool *ret_gone,
                       struct tz_error *err)
{
    char target[LINK_TARGET_SIZE + 1];
    ssize_t len = readlinkat(dir->item.at, dir->item.name, target, sizeof(target));

    *ret_gone = len <= 0 || (size_t)len == sizeof(target);
    if (*ret_gone) {
        struct tz_error why = {0};
        if (len < 0 && errno != ENOENT && errno != EINVAL) {
            (void)tz_fail_errno(&why, errno, "read symbolic link");
            tz_directory_warn(dir, &why);
        } else if (len >= 0) {
            (void)tz_fail(&why, TZ_UNSUPPORTED, "a symbolic link of impossible length");
            tz_directory_warn(dir, &why);
        }
        return 0;
    }
    free(entry->link);
    entry->link = strndup(target, (size_t)len);
    if (!entry->link)
        return tz_fail_nomem(err);
    entry->link_len = (size_t)len;
    return 0;
}

/* Make the item an entry.  *ret_given false: it vanished. */
static int give(struct tz_directory *dir, struct tz_entry *entry, bool *ret_given,
                struct tz_error *err)
{
    bool gone = false;

    if (tz_entry_set_path(entry, dir->stack.path.data, dir->stack.path.len, err))
        return -1;
    entry->flags = 0;
    tz_entry_set_stat(entry, &dir->item.st);
    if (entry->type == TZ_ENTRY_SYMLINK && read_target(dir, entry, &gone, err))
        return -1;
    *ret_given = !gone;
    if (gone || entry->type == TZ_ENTRY_DIRECTORY || dir->item.st.stx_nlink <= 1)
        return 0;
    return join_links(dir, entry, err);
}

/* statx of the item.  *ret_gone: it is not there, or cannot be asked, which was said. */
static int stat_item(struct tz_directory *dir, bool *ret_gone, struct tz_error *err)
{
    struct tz_item *item = &dir->item;
    int flags = AT_NO_AUTOMOUNT | (item->follow ? 0 : AT_SYMLINK_NOFOLLOW);

    *ret_gone = statx(item->at, item->name, flags, TZ_STATX_MASK, &item->st) != 0;
    if (!*ret_gone || errno == ENOENT)
        return 0;
    if (tz_directory_is_fatal(errno))
        return tz_fail_errno(err, errno, "stat");
    struct tz_error why = {0};
    (void)tz_fail_errno(&why, errno, "stat");
    tz_directory_warn(dir, &why);
    return 0;
}

/* Open what is known to be a file, and stat what is open: that spares the look at a name that will
 * be opened anyway.  False: it is to be looked at first, as always. */
static bool open_first(struct tz_item *item)
{
    item->fd = tz_directory_open_item(item, O_RDONLY);
    if (item->fd < 0)
        return false;
    if (statx(item->fd, "", AT_EMPTY_PATH, TZ_STATX_MASK, &item->st) == 0 &&
        S_ISREG(item->st.stx_mode))
        return true;
    tz_directory_close_item(item);
    return false;
}

/* Should the walk go into the item, a directory? */
static bool may_descend(const struct tz_directory *dir)
{
    return !dir->one_file_system || tz_statx_dev(&dir->item.st) == dir->root_dev;
}

/* The next name of the deepest directory as an entry.  *ret_given false: not this one. */
static int take_name(struct tz_directory *dir, const struct tz_listed *name, struct tz_entry *entry,
                     bool *ret_given, struct tz_error *err)
{
    struct tz_item *item = &dir->item;
    bool gone = false;
    bool stat_done = name->type == DT_UNKNOWN;
    bool is_directory = name->type == DT_DIR;

    *ret_given = false;
    tz_directory_close_item(item);
    if (tz_dirstack_path(&dir->stack, name->text, name->len, err))
        return -1;
    *item = (struct tz_item){.at = tz_dirstack_top(&dir->stack)->fd,
                             .name = name->text,
                             .name_len = name->len,
                             .fd = -1};
    if (stat_done) {
        if (stat_item(dir, &gone, err) || gone)
            return gone ? 0 : -1;
        is_directory = S_ISDIR(item->st.stx_mode);
    }
    if (tz_ignore_match(dir->ignore, (const char *)dir->stack.path.data, dir->stack.path.len,
                        is_directory))
        return 0;
    if (dir->all_new && name->type == DT_REG)
        stat_done = open_first(item);
    if (!stat_done && (stat_item(dir, &gone, err) || gone))
        return gone ? 0 : -1;

    is_directory = S_ISDIR(item->st.stx_mode);
    if (dir->exclude_nodump && (item->st.stx_attributes & STATX_ATTR_NODUMP))
        return 0;
    if (is_directory && is_never(dir, &item->st))
        return 0;
    dir->descend = is_directory && may_descend(dir);
    return give(dir, entry, ret_given, err);
}

/* The next configured path, or a directory above one.  *ret_given false: not this one. */
static int take_root(struct tz_directory *dir, struct tz_entry *entry, bool *ret_given,
                     struct tz_error *err)
{
    const struct tz_root *root = &dir->roots.items[dir->root_at++];
    bool gone = false;

    *ret_given = false;
    if (set_path(dir, root->path, err))
        return -1;
    dir->item = (struct tz_item){
        .at = AT_FDCWD, .name = root->file, .name_len = root->name_len, .follow = true, .fd = -1};
    if (stat_item(dir, &gone, err))
        return -1;
    bool is_directory = !gone && S_ISDIR(dir->item.st.stx_mode);
    if (gone || is_directory != root->is_directory)
        return tz_fail(err, TZ_NOT_FOUND, "path '%s' went away while it was being read",
                       root->file);
    if (root->implied || !is_directory) {
        if (give(dir, entry, ret_given, err))
            return -1;
        entry->flags |= root->implied ? TZ_ENTRY_IMPLIED : 0;
        return 0;
    }
    if (is_never(dir, &dir->item.st))
        return tz_fail(err, TZ_INVALID, "path '%s' is a store or the state directory", root->file);
    dir->root_dev = tz_statx_dev(&dir->item.st);
    dir->descend = true;
    return give(dir, entry, ret_given, err);
}

static int directory_next(void *state, struct tz_entry *entry, bool *ret_done, struct tz_error *err)
{
    struct tz_directory *dir = state;
    bool given = false;

    *ret_done = false;
    if (dir->descend && tz_directory_descend(dir, err))
        return -1;
    tz_directory_close_item(&dir->item);
    while (!given) {
        if (tz_interrupt_check(err))
            return -1;
        if (dir->stack.count > 0) {
            struct tz_listed name;
            bool more = false;
            if (tz_names_next(&tz_dirstack_top(&dir->stack)->names, &name, &more, err))
                return -1;
            if (more ? take_name(dir, &name, entry, &given, err) : tz_directory_ascend(dir, err))
                return -1;
        } else if (dir->root_at < dir->roots.count) {
            if (take_root(dir, entry, &given, err))
                return -1;
        } else {
            *ret_done = true;
            return 0;
        }
    }
    return 0;
}

static int directory_finish(void *state, int64_t *ret_time_ns, char **ret_position,
                            struct tz_error *err)
{
    struct tz_directory *dir = state;
    char *position = strdup("");

    if (!position)
        return tz_fail_nomem(err);
    *ret_time_ns = dir->start_ns; /* what was there then is in it */
    *ret_position = position;
    return 0;
}

static void directory_free(void *state)
{
    struct tz_directory *dir = state;

    if (!dir)
        return;
    tz_directory_close_item(&dir->item);
    tz_dirstack_clear(&dir->stack);
    tz_names_reader_clear(&dir->reader);
    tz_roots_clear(&dir->roots);
    tz_links_free(dir->links);
    tz_owners_free(dir->owners);
    tz_ignore_free(dir->ignore);
    free(dir->never);
    free(dir->scratch);
    free(dir);
}

TZ_DEFINE_SCOPED(struct tz_directory *, scoped_directory, directory_free)

static int read_never(struct tz_directory *dir, const struct tz_source_options *options,
                      struct tz_error *err)
{
    dir->never = calloc(options->never_count + 1, sizeof(*dir->never));
    if (!dir->never)
        return tz_fail_nomem(err);
    for (size_t i = 0; i < options->never_count; i++) {
        struct statx st;
        if (statx(AT_FDCWD, options->never[i], 0, STATX_INO, &st))
            continue; /* what is not there cannot be met */
        dir->never[dir->never_count++] =
            (struct tz_identity){.dev = tz_statx_dev(&st), .ino = st.stx_ino};
    }
    return 0;
}

/* The lists in files first, so that a line in the configuration can take one of theirs back. */
static int read_excludes(struct tz_directory *dir, const struct tz_config_source *config,
                         struct tz_error *err)
{
    for (size_t i = 0; i < config->exclude_files.count; i++) {
        TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
        const char *path = config->exclude_files.items[i];
        if (tz_file_read(path, TZ_IGNORE_SIZE_MAX, &text, err))
            return tz_while(err, "exclude_file '%s'", path);
        if (text.len > 0 && tz_ignore_add(dir->ignore, 0, (const char *)text.data, text.len, err))
            return -1;
    }
    for (size_t i = 0; i < config->excludes.count; i++) {
        const char *line = config->excludes.items[i];
        if (tz_ignore_add(dir->ignore, 0, line, strlen(line), err))
            return -1;
    }
    return 0;
}

static int directory_open(void **ret, const struct tz_source_options *options, struct tz_error *err)
{
    const struct tz_config_source *config = options->config;
    TZ_SCOPED(scoped_directory) struct tz_directory *dir = calloc(1, sizeof(*dir));
    if (!dir)
        return tz_fail_nomem(err);

    dir->item.fd = -1;
    dir->start_ns = tz_now();
    dir->warn = options->warn;
    dir->warn_arg = options->warn_arg;
    dir->exclude_caches = config->exclude_caches;
    dir->exclude_nodump = config->exclude_nodump;
    dir->one_file_system = config->one_file_system;
    dir->all_new = options->all_new;
    if (options->scratch) {
        dir->scratch = strdup(options->scratch);
        if (!dir->scratch)
            return tz_fail_nomem(err);
    }
    dir->reader = (struct tz_names_reader){.scratch = dir->scratch, .memory = TZ_NAMES_MEMORY};

    if (tz_roots_read(&dir->roots, &config->paths, err) || tz_links_new(&dir->links, err) ||
        tz_owners_new(&dir->owners, err) || tz_ignore_new(&dir->ignore, err) ||
        read_never(dir, options, err) || read_excludes(dir, config, err))
        return -1;
    *ret = TZ_TAKE(dir);
    return 0;
}

const struct tz_source_driver tz_source_driver_directory = {
    .type = TZ_SOURCE_DIRECTORY,
    .open = directory_open,
    .next = directory_next,
    .load = tz_directory_load,
    .finish = directory_finish,
    .free = directory_free,
};
