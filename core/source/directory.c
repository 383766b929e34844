/*
 * Directory trees as a source: the walk.  What an entry holds beyond a stat is in load.c.
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

#define IGNORE_FILE      ".tozaiignore"
#define IGNORE_SIZE_MAX  ((size_t)1 << 20)
#define CACHE_TAG_FILE   "CACHEDIR.TAG"
#define CACHE_TAG        "Signature: 8a477f597d28d172789f06886806bc55"
#define LINK_TARGET_SIZE 4096 /* the kernel makes none longer */

void tz_directory_warn(struct tz_directory *dir, const struct tz_error *why)
{
    if (dir->warn)
        dir->warn(dir->warn_arg, (const char *)dir->stack.path.data, dir->stack.path.len, why);
}

/* Failures that are not the file's fault: going on would only repeat them. */
bool tz_directory_is_fatal(int number)
{
    return number == ENOMEM || number == EMFILE || number == ENFILE;
}

int tz_directory_open_item(const struct tz_item *item, int flags)
{
    int all = flags | O_CLOEXEC | O_NONBLOCK | (item->follow ? 0 : O_NOFOLLOW);
    int fd = openat(item->at, item->name, all | O_NOATIME);

    if (fd < 0 && errno == EPERM) /* only the owner may leave the access time alone */
        fd = openat(item->at, item->name, all);
    return fd;
}

static void close_item(struct tz_item *item)
{
    if (item->fd >= 0)
        (void)close(item->fd);
    item->fd = -1;
}

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

/* Is this the tag of a cache directory, and not just a file of that name? */
static bool is_cache_tag(int fd)
{
    char head[sizeof(CACHE_TAG) - 1];
    size_t len = 0;
    struct stat st;
    TZ_SCOPED(tz_scoped_fd)
    int tag = openat(fd, CACHE_TAG_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (tag < 0 || fstat(tag, &st) || !S_ISREG(st.st_mode))
        return false;
    if (tz_read_full(tag, head, sizeof(head), &len, NULL))
        return false;
    return len == sizeof(head) && memcmp(head, CACHE_TAG, len) == 0;
}

static int read_ignore_file(int fd, struct tz_buf *out, struct tz_error *err)
{
    struct stat st;
    size_t len = 0;
    TZ_SCOPED(tz_scoped_fd)
    int file = openat(fd, IGNORE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0 || fstat(file, &st))
        return tz_fail_errno(err, errno, "read its " IGNORE_FILE);
    if (!S_ISREG(st.st_mode))
        return tz_fail(err, TZ_INVALID, "its " IGNORE_FILE " is not a regular file");
    if (st.st_size > (off_t)IGNORE_SIZE_MAX)
        return tz_fail(err, TZ_INVALID, "its " IGNORE_FILE " is larger than 1 MiB");
    if (tz_buf_reserve(out, (size_t)st.st_size, err) ||
        tz_read_full(file, out->data, (size_t)st.st_size, &len, err))
        return tz_while(err, "read its " IGNORE_FILE);
    out->len = len;
    return 0;
}

/* Add the directory's own patterns; the path is that of the directory. */
static int learn_ignore_file(struct tz_directory *dir, int fd, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf text = {0};
    struct tz_error why = {0};

    if (read_ignore_file(fd, &text, &why)) {
        tz_directory_warn(dir, &why);
        return 0;
    }
    if (text.len == 0)
        return 0;
    return tz_ignore_add(dir->ignore, dir->stack.path.len, (const char *)text.data, text.len, err);
}

/* Open the item if load() has not done so.  *ret_gone: it cannot be walked; if it should be, that
 * was said. */
static int open_directory(struct tz_directory *dir, bool *ret_gone, struct tz_error *err)
{
    struct tz_item *item = &dir->item;
    struct tz_error why = {0};
    struct statx st;

    *ret_gone = false;
    if (item->fd < 0)
        item->fd = tz_directory_open_item(item, O_RDONLY | O_DIRECTORY);
    if (item->fd < 0 && (tz_directory_is_fatal(errno) || item->follow))
        return tz_fail_errno(err, errno, "open directory '%s'", item->name);
    if (item->fd < 0) {
        *ret_gone = true;
        if (errno != ENOENT) {
            (void)tz_fail_errno(&why, errno, "open directory");
            tz_directory_warn(dir, &why);
        }
        return 0;
    }
    /* What was checked on the way must hold for what is walked. */
    if (statx(item->fd, "", AT_EMPTY_PATH, STATX_INO, &st) || st.stx_ino != item->st.stx_ino ||
        tz_statx_dev(&st) != tz_statx_dev(&item->st)) {
        *ret_gone = true;
        (void)tz_fail(&why, TZ_FAILED, "the directory was replaced while it was read");
        tz_directory_warn(dir, &why);
    }
    return 0;
}

static int read_level(struct tz_directory *dir, struct tz_level *level, struct tz_error *err)
{
    struct tz_error why = {0};

    if (tz_names_read(&level->names, &dir->reader, level->fd, &why)) {
        if (why.kind == TZ_NOMEM || why.kind == TZ_INTERRUPTED || why.kind == TZ_NOSPC) {
            if (err)
                *err = why;
            return -1;
        }
        tz_directory_warn(dir, &why); /* what cannot be listed is empty */
        return 0;
    }
    bool is_root = dir->stack.count == 0;
    if (dir->exclude_caches && !is_root && level->names.has_cache_tag && is_cache_tag(level->fd))
        return tz_names_only(&level->names, CACHE_TAG_FILE, DT_REG, err);
    if (level->names.has_ignore)
        return learn_ignore_file(dir, level->fd, err);
    return 0;
}

/* Go into the item. */
static int descend(struct tz_directory *dir, struct tz_error *err)
{
    bool gone = false;

    dir->descend = false;
    if (open_directory(dir, &gone, err))
        return -1;
    if (gone) {
        close_item(&dir->item);
        return 0;
    }
    struct tz_level level = {
        .dev = tz_statx_dev(&dir->item.st),
        .ino = dir->item.st.stx_ino,
        .fd = TZ_TAKE_FD(dir->item.fd),
        .name_len = dir->item.name_len,
        .ignore_count = tz_ignore_count(dir->ignore),
    };
    if (read_level(dir, &level, err) || tz_dirstack_push(&dir->stack, &level, err)) {
        (void)close(level.fd);
        tz_names_clear(&level.names);
        return -1;
    }
    return 0;
}

/* Leave the deepest directory, and those above it that are not there any more. */
static int ascend(struct tz_directory *dir, struct tz_error *err)
{
    bool lost = false;

    do {
        tz_ignore_cut(dir->ignore, tz_dirstack_top(&dir->stack)->ignore_count);
        if (tz_dirstack_pop(&dir->stack, &lost, err))
            return -1;
        if (lost) {
            struct tz_error why = {0};
            (void)tz_fail(&why, TZ_FAILED,
                          "the directory was moved while it was read: the rest of it is missing");
            tz_directory_warn(dir, &why);
        }
    } while (lost);
    return 0;
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
    if (dir->descend && descend(dir, err))
        return -1;
    close_item(&dir->item);
    while (!given) {
        if (tz_interrupt_check(err))
            return -1;
        if (dir->stack.count > 0) {
            struct tz_listed name;
            bool more = false;
            if (tz_names_next(&tz_dirstack_top(&dir->stack)->names, &name, &more, err))
                return -1;
            if (more ? take_name(dir, &name, entry, &given, err) : ascend(dir, err))
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
    close_item(&dir->item);
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
        if (tz_file_read(path, IGNORE_SIZE_MAX, &text, err))
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
