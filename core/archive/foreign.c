#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "foreign.h"

#include "acl.h"

#include "tozai/core/inode_flags.h"
#include "tozai/core/manifest.h"
#include "tozai/util/time.h"

#include <string.h>

#include "tozai/util/banned.h"

/* The limits of a manifest, which are Linux's. */
#define XATTR_NAME_LEN  255U
#define XATTR_VALUE_MAX 65536U
#define XATTR_NAMES_MAX 65536U
#define XATTRS_MAX      1024U
#define OWNER_NAME_MAX  256U
#define SYMLINK_MAX_LEN 4095U
#define NOBODY          65534U
/* Of two of them, and all that belongs to an entry, a manifest can hold the sum. */
#define PATH_LEN_MAX ((size_t)256 << 10)

bool tz_foreign_path(char *path, size_t *ret_len, bool *ret_absolute)
{
    size_t len = 0;

    *ret_absolute |= path[0] == '/';
    for (const char *at = path; *at;) {
        size_t n = strcspn(at, "/");
        if (n == 2 && memcmp(at, "..", 2) == 0)
            return false;
        if (n > 0 && !(n == 1 && at[0] == '.')) {
            if (len > 0)
                path[len++] = '/';
            memmove(path + len, at, n); /* never behind what is still to be read */
            len += n;
        }
        at += n + (at[n] == '/');
    }
    path[len] = '\0';
    *ret_len = len;
    return true;
}

static void doubt(struct tz_foreign *foreign, const char *text)
{
    if (foreign->why.kind == TZ_OK)
        (void)tz_fail(&foreign->why, TZ_FAILED, "%s", text);
}

static void leave_out(struct tz_foreign *foreign, const char *text)
{
    foreign->why.kind = TZ_OK;
    doubt(foreign, text);
    foreign->left_out = true;
}

/* A path, normalized; it may become empty. */
static int take_path(const char *text, char **ret, size_t *ret_len, struct tz_foreign *foreign,
                     struct tz_error *err)
{
    char *path = strdup(text);

    if (!path)
        return tz_fail_nomem(err);
    *ret = path;
    if (!tz_foreign_path(path, ret_len, &foreign->was_absolute)) {
        leave_out(foreign, "it is left out: its path leads upward (..)");
        *ret_len = strlen(text);
        memcpy(path, text, *ret_len + 1);
    } else if (*ret_len > PATH_LEN_MAX || !tz_path_valid(path, *ret_len)) {
        leave_out(foreign, "it is left out: its path is too long");
    }
    return 0;
}

static int take_paths(struct tz_entry *ret, struct archive_entry *in, struct tz_foreign *foreign,
                      struct tz_error *err)
{
    const char *path = archive_entry_pathname(in), *link = archive_entry_hardlink(in);

    if (!path || !*path)
        leave_out(foreign, path ? "an entry without a name is left out"
                                : "an entry is left out: its name is not in the character set that "
                                  "the archive says (see --charset)");
    if (take_path(path ? path : "", &ret->path, &ret->path_len, foreign, err))
        return -1;
    if (!link)
        return 0;
    ret->type = TZ_ENTRY_HARDLINK;
    if (take_path(link, &ret->link, &ret->link_len, foreign, err))
        return -1;
    if (!foreign->left_out && (ret->link_len == 0 || ret->path_len == 0))
        leave_out(foreign, "it is left out: a hard link to a directory");
    return 0;
}

static int take_symlink(struct tz_entry *ret, struct archive_entry *in, struct tz_foreign *foreign,
                        struct tz_error *err)
{
    const char *target = archive_entry_symlink(in);
    size_t len = target ? strlen(target) : 0;

    if (len == 0 || len > SYMLINK_MAX_LEN) {
        leave_out(foreign, "it is left out: a symbolic link that leads nowhere or too far");
        return 0;
    }
    ret->link = strdup(target);
    ret->link_len = len;
    return ret->link ? 0 : tz_fail_nomem(err);
}

static int take_type(struct tz_entry *ret, struct archive_entry *in, struct tz_foreign *foreign,
                     struct tz_error *err)
{
    if (ret->type == TZ_ENTRY_HARDLINK)
        return 0;
    switch (archive_entry_filetype(in)) {
    case AE_IFREG:
        ret->type = TZ_ENTRY_FILE;
        break;
    case AE_IFDIR:
        ret->type = TZ_ENTRY_DIRECTORY;
        return 0;
    case AE_IFLNK:
        ret->type = TZ_ENTRY_SYMLINK;
        if (take_symlink(ret, in, foreign, err))
            return -1;
        break;
    case AE_IFIFO:
        ret->type = TZ_ENTRY_FIFO;
        break;
    case AE_IFSOCK:
        ret->type = TZ_ENTRY_SOCKET;
        break;
    case AE_IFCHR:
    case AE_IFBLK:
        ret->type = archive_entry_filetype(in) == AE_IFCHR ? TZ_ENTRY_CHARACTER : TZ_ENTRY_BLOCK;
        ret->device = (uint64_t)(uint32_t)archive_entry_rdevmajor(in) << 32 |
                      (uint32_t)archive_entry_rdevminor(in);
        break;
    default:
        leave_out(foreign, "it is left out: neither a file nor anything else that is known here");
        return 0;
    }
    if (ret->path_len == 0 && !foreign->left_out)
        leave_out(foreign, "it is left out: the top is a directory, and can be nothing else");
    return 0;
}

/* UINT32_MAX means nobody to the kernel. */
static uint32_t take_id(la_int64_t id, struct tz_foreign *foreign)
{
    if (id >= 0 && id < UINT32_MAX)
        return (uint32_t)id;
    doubt(foreign, "its owner has a number that is too large; it gets 65534 instead");
    return NOBODY;
}

static int take_name(const char *name, char **ret, struct tz_error *err)
{
    size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > OWNER_NAME_MAX)
        return 0;
    *ret = strdup(name);
    return *ret ? 0 : tz_fail_nomem(err);
}

/* Nothing is setuid for the benefit of somebody it was not meant for. */
static int take_owner(struct tz_entry *ret, struct archive_entry *in, struct tz_foreign *foreign,
                      struct tz_error *err)
{
    la_int64_t uid = archive_entry_uid(in), gid = archive_entry_gid(in);

    ret->uid = take_id(uid, foreign);
    ret->gid = take_id(gid, foreign);
    ret->mode = (uint32_t)archive_entry_mode(in) & 07777;
    if (ret->uid != uid || ret->gid != gid)
        ret->mode &= 01777;
    if (ret->type == TZ_ENTRY_SYMLINK)
        ret->mode = 0777;
    return take_name(archive_entry_uname(in), &ret->user, err) ||
                   take_name(archive_entry_gname(in), &ret->group, err)
               ? -1
               : 0;
}

static void take_time(struct tz_entry *ret, struct archive_entry *in, int64_t default_time_ns)
{
    if (!archive_entry_mtime_is_set(in)) {
        ret->mtime_s = default_time_ns / TZ_SECOND_NS;
        return;
    }
    long ns = archive_entry_mtime_nsec(in);
    ret->mtime_s = archive_entry_mtime(in);
    ret->mtime_ns = ns < 0 ? 0 : (uint32_t)TZ_MIN(ns, 999999999L);
}

/* An attribute of this name replaces one that is there already.  Both are copied. */
static int set_xattr(struct tz_entry *entry, const char *name, const void *value, size_t len,
                     struct tz_error *err)
{
    struct tz_xattr *xattr = NULL;

    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        if (strcmp(entry->xattrs[i].name, name) == 0)
            xattr = &entry->xattrs[i];
    }
    if (!xattr) {
        void *fresh = realloc(entry->xattrs, (entry->xattr_count + 1) * sizeof(*entry->xattrs));
        if (!fresh)
            return tz_fail_nomem(err);
        entry->xattrs = fresh;
        xattr = &entry->xattrs[entry->xattr_count];
        *xattr = (struct tz_xattr){.name = strdup(name)};
        if (!xattr->name)
            return tz_fail_nomem(err);
        entry->xattr_count++;
    }
    uint8_t *copy = malloc(len + 1);
    if (!copy)
        return tz_fail_nomem(err);
    if (len > 0)
        memcpy(copy, value, len);
    free(xattr->value);
    xattr->value = copy;
    xattr->value_len = len;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "user.a%3Db" is what GNU tar and libarchive write for "user.a=b"; the latter does so with more.
 */
static void decode_name(char *name)
{
    char *to = name;

    for (const char *from = name; *from; from++) {
        int high = from[0] == '%' ? hex_digit(from[1]) : -1;
        int low = high >= 0 ? hex_digit(from[2]) : -1;
        if (low >= 0 && high + low > 0) {
            *to++ = (char)(high << 4 | low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static int take_xattr(struct tz_entry *ret, const char *text, const void *value, size_t len,
                      size_t *names, struct tz_foreign *foreign, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_free) char *name = strdup(text);

    if (!name)
        return tz_fail_nomem(err);
    decode_name(name);
    size_t name_len = strlen(name);
    if (name_len == 0 || name_len > XATTR_NAME_LEN || len > XATTR_VALUE_MAX ||
        ret->xattr_count >= XATTRS_MAX || *names + name_len + 1 > XATTR_NAMES_MAX) {
        doubt(foreign, "an extended attribute that no system can hold is left out");
        return 0;
    }
    *names += name_len + 1;
    return set_xattr(ret, name, value, len, err);
}

static int take_acl(struct tz_entry *ret, struct archive_entry *in, int type,
                    struct tz_foreign *foreign, struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf value = {0};
    bool is_access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS, unknown = false;
    uint32_t mask = 0;

    if (tz_acl_from_archive(in, type, &value, &mask, &unknown, err))
        return -1;
    if (unknown)
        doubt(foreign, "its access control list names somebody who is not known here; that is "
                       "left out");
    if (value.len == 0)
        return 0;
    /* What a stat shows in the place of the group's bits. */
    if (is_access)
        ret->mode = (ret->mode & ~(uint32_t)070) | mask << 3;
    return set_xattr(ret, is_access ? ACL_ACCESS_XATTR : ACL_DEFAULT_XATTR, value.data, value.len,
                     err);
}

static int compare_xattrs(const void *a, const void *b)
{
    return strcmp(((const struct tz_xattr *)a)->name, ((const struct tz_xattr *)b)->name);
}

static void drop_xattrs(struct tz_entry *entry)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
    entry->xattrs = NULL;
    entry->xattr_count = 0;
}

static int take_xattrs(struct tz_entry *ret, struct archive_entry *in, struct tz_foreign *foreign,
                       struct tz_error *err)
{
    const char *name;
    const void *value;
    size_t len, names = 0;

    (void)archive_entry_xattr_reset(in);
    while (archive_entry_xattr_next(in, &name, &value, &len) == ARCHIVE_OK) {
        if (name && take_xattr(ret, name, value, len, &names, foreign, err))
            return -1;
    }
    if (ret->type != TZ_ENTRY_SYMLINK &&
        (take_acl(ret, in, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, foreign, err) ||
         (ret->type == TZ_ENTRY_DIRECTORY &&
          take_acl(ret, in, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, foreign, err))))
        return -1;
    if (ret->xattr_count > 0)
        qsort(ret->xattrs, ret->xattr_count, sizeof(*ret->xattrs), compare_xattrs);
    if (tz_entry_size_max(ret) + PATH_LEN_MAX > TZ_CHUNK_MAX) {
        doubt(foreign, "its extended attributes are too large together, and left out");
        drop_xattrs(ret);
    }
    return 0;
}

int tz_foreign_read(struct tz_entry *ret, struct archive_entry *in, int64_t default_time_ns,
                    struct tz_foreign *foreign, struct tz_error *err)
{
    unsigned long flags = 0, cleared = 0;

    if (take_paths(ret, in, foreign, err) || take_type(ret, in, foreign, err))
        return -1;
    if (foreign->left_out)
        return 0;
    if (take_owner(ret, in, foreign, err))
        return -1;
    take_time(ret, in, default_time_ns);
    archive_entry_fflags(in, &flags, &cleared);
    if (ret->type == TZ_ENTRY_FILE || ret->type == TZ_ENTRY_DIRECTORY)
        ret->inode_flags = (uint32_t)flags & TZ_INODE_FLAGS;
    return take_xattrs(ret, in, foreign, err);
}
