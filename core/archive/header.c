/*
 * From an entry of a manifest to one of libarchive's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "writer.h"

#include "acl.h"

#include "tozai/core/inode_flags.h"
#include "tozai/util/utf8.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tozai/util/banned.h"

/* Who owns what nobody else can: by this number he is nobody anywhere. */
#define NOBODY 65534U

struct header {
    struct export *export;
    const struct tz_entry *entry;
    struct archive_entry *out;
};

static void lose(const struct header *header, enum loss loss)
{
    tz_losses_add(&header->export->losses, loss, header->entry);
}

static bool holds(const struct header *header, unsigned what)
{
    return (header->export->form->holds & what) != 0;
}

/* Bytes that are not UTF-8 as %XX. */
static int escape(struct tz_buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t size = tz_utf8_decode(text + i, len - i, &code);
        if (size == 0 ? tz_buf_printf(out, NULL, "%%%02X", (unsigned)(uint8_t)text[i])
                      : tz_buf_append(out, text + i, size, NULL))
            return -1;
        i += size ? size : 1;
    }
    return tz_buf_append(out, "", 1, NULL);
}

static int put_path(const struct header *header)
{
    const struct tz_entry *entry = header->entry;
    TZ_SCOPED(tz_scoped_buf) struct tz_buf name = {0};

    if (entry->path_len == 0) {
        archive_entry_copy_pathname(header->out, header->export->form->root);
        return 0;
    }
    if (holds(header, HOLDS_BYTES) || tz_utf8_valid(entry->path, entry->path_len)) {
        archive_entry_copy_pathname(header->out, entry->path);
        return 0;
    }
    lose(header, LOSS_NAMES);
    if (escape(&name, entry->path, entry->path_len))
        return -1;
    archive_entry_copy_pathname(header->out, (const char *)name.data);
    return 0;
}

static uint32_t put_owner(const struct header *header, uint32_t id, const char *name,
                          void (*set_id)(struct archive_entry *, la_int64_t),
                          void (*set_name)(struct archive_entry *, const char *))
{
    if (!holds(header, HOLDS_OWNERS))
        return id;
    if (id > header->export->form->largest_id)
        id = NOBODY;
    set_id(header->out, id);
    if (name && holds(header, HOLDS_OWNER_NAMES))
        set_name(header->out, name);
    return id;
}

/* Owners and mode: without the very owner that it was meant for nothing is setuid. */
static void put_owners(const struct header *header)
{
    const struct tz_entry *entry = header->entry;
    uint32_t mode = entry->mode & 07777;
    uint32_t uid =
        put_owner(header, entry->uid, entry->user, archive_entry_set_uid, archive_entry_copy_uname);
    uint32_t gid = put_owner(header, entry->gid, entry->group, archive_entry_set_gid,
                             archive_entry_copy_gname);
    bool others = uid != entry->uid || gid != entry->gid;
    bool is_set = entry->type != TZ_ENTRY_DIRECTORY && (mode & 06000) != 0;

    if (!holds(header, HOLDS_OWNERS))
        lose(header, LOSS_OWNERS);
    else if ((entry->user || entry->group) && !holds(header, HOLDS_OWNER_NAMES))
        lose(header, LOSS_OWNER_NAMES);
    if (others)
        lose(header, LOSS_LARGE_OWNERS);
    if (is_set && (others || !holds(header, HOLDS_SETUID))) {
        lose(header, LOSS_SETUID);
        mode &= 01777;
    }
    archive_entry_set_perm(header->out, (__LA_MODE_T)mode);
}

static void put_time(const struct header *header)
{
    const struct tz_archive_form *form = header->export->form;
    int64_t s = header->entry->mtime_s;
    uint32_t ns = TZ_MIN(header->entry->mtime_ns, 999999999U);

    if (s < form->earliest_s || s > form->latest_s) {
        s = s < form->earliest_s ? form->earliest_s : form->latest_s;
        ns = 0;
        lose(header, LOSS_TIMES);
    }
    if (ns % form->grain_ns != 0) {
        ns -= ns % form->grain_ns;
        lose(header, LOSS_FRACTIONS);
    }
    /* Readers do not agree what -1.5 is: -1 and a half, or half a second after -1. */
    if (s < 0 && ns > 0) {
        ns = 0;
        lose(header, LOSS_EARLY_FRACTIONS);
    }
    archive_entry_set_mtime(header->out, (time_t)s, (long)ns);
}

/* libarchive writes all but plain characters as %XX.  Of these GNU tar reads only "%3D" and "%25".
 */
static bool is_plain(const char *name)
{
    for (; *name; name++) {
        if (*name <= ' ' || *name > '~')
            return false;
    }
    return true;
}

static void put_xattr(const struct header *header, const struct tz_xattr *xattr)
{
    if (!is_plain(xattr->name))
        lose(header, LOSS_XATTR_NAMES);
    archive_entry_xattr_add_entry(header->out, xattr->name,
                                  xattr->value ? xattr->value : (const void *)"", xattr->value_len);
}

static int put_xattrs(const struct header *header)
{
    const struct tz_entry *entry = header->entry;
    bool lost = false, lost_acl = false;

    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        const struct tz_xattr *xattr = &entry->xattrs[i];
        bool is_acl = tz_acl_is(xattr);
        if (!holds(header, is_acl ? HOLDS_ACLS : HOLDS_XATTRS)) {
            lost |= !is_acl;
            lost_acl |= is_acl;
        } else if (!is_acl) {
            put_xattr(header, xattr);
        } else if (tz_acl_to_archive(xattr, header->out)) {
            return -1;
        }
    }
    if (lost)
        lose(header, LOSS_XATTRS);
    if (lost_acl)
        lose(header, LOSS_ACLS);
    return 0;
}

static void put_flags(const struct header *header)
{
    unsigned long flags = header->entry->inode_flags & TZ_INODE_FLAGS;

    if (flags != 0 && holds(header, HOLDS_FLAGS))
        archive_entry_set_fflags(header->out, flags, 0);
    else if (flags != 0)
        lose(header, LOSS_FLAGS);
}

/* Formats that tell hard links by inode numbers. */
static void put_inode(const struct header *header)
{
    const struct tz_entry *entry = header->entry;
    bool is_link = entry->type == TZ_ENTRY_HARDLINK;
    unsigned names = 1;
    uint32_t number = 0;

    if (!header->export->links)
        return;
    if (is_link || entry->type == TZ_ENTRY_FILE)
        names = tz_link_table_names(header->export->links, is_link ? entry->link : entry->path,
                                    is_link ? entry->link_len : entry->path_len, &number);
    archive_entry_set_nlink(header->out, names);
    archive_entry_set_ino(header->out, number ? number : header->export->next_inode++);
}

static int nothing(struct tz_error *why, const struct tz_archive_form *form, const char *what)
{
    (void)tz_fail(why, TZ_UNSUPPORTED, "%s cannot hold %s", form->name, what);
    return 1;
}

static int put_device(const struct header *header, unsigned type, struct tz_error *why)
{
    const struct tz_archive_form *form = header->export->form;
    unsigned major = (unsigned)(header->entry->device >> 32);
    unsigned minor = (unsigned)header->entry->device;

    if (!holds(header, HOLDS_DEVICES))
        return nothing(why, form, "devices");
    if (makedev(major, minor) > form->largest_device)
        return nothing(why, form, "a device of so large a number");
    archive_entry_set_filetype(header->out, type);
    archive_entry_set_rdev(header->out, makedev(major, minor));
    return 0;
}

static int put_type(const struct header *header, struct tz_error *why)
{
    const struct tz_entry *entry = header->entry;

    archive_entry_set_size(header->out, 0); /* cpio wants one of everything */
    switch (entry->type) {
    case TZ_ENTRY_FILE:
        archive_entry_set_filetype(header->out, AE_IFREG);
        archive_entry_set_size(header->out, (la_int64_t)entry->size);
        return 0;
    case TZ_ENTRY_HARDLINK:
        archive_entry_set_filetype(header->out, AE_IFREG);
        archive_entry_copy_hardlink(header->out, entry->link);
        return 0;
    case TZ_ENTRY_DIRECTORY:
        archive_entry_set_filetype(header->out, AE_IFDIR);
        return 0;
    case TZ_ENTRY_SYMLINK:
        archive_entry_set_filetype(header->out, AE_IFLNK);
        archive_entry_copy_symlink(header->out, entry->link);
        return 0;
    case TZ_ENTRY_CHARACTER:
        return put_device(header, AE_IFCHR, why);
    case TZ_ENTRY_BLOCK:
        return put_device(header, AE_IFBLK, why);
    case TZ_ENTRY_FIFO:
        if (!holds(header, HOLDS_FIFOS))
            return nothing(why, header->export->form, "named pipes");
        archive_entry_set_filetype(header->out, AE_IFIFO);
        return 0;
    case TZ_ENTRY_SOCKET:
        break;
    }
    (void)tz_fail(why, TZ_UNSUPPORTED, "no archive can hold a socket");
    return 1;
}

int tz_export_header(struct export *export, const struct tz_entry *entry, struct archive_entry *out,
                     struct tz_error *why)
{
    const struct header header = {export, entry, out};
    int rc = put_type(&header, why);

    if (rc)
        return rc;
    if (put_path(&header))
        return tz_fail_nomem(why);
    put_owners(&header);
    put_time(&header);
    put_inode(&header);
    if (entry->type == TZ_ENTRY_HARDLINK)
        return 0; /* the rest is that of its first name */
    put_flags(&header);
    return put_xattrs(&header) ? tz_fail_nomem(why) : 0;
}
