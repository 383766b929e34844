#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"

#include "core/place/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* In the tree that is being made: where, and what went wrong. */
struct maker {
    int root;
    FILE *notes;
    bool failed;
};

static void left_out(const struct maker *m, const char *what)
{
    if (m->notes)
        (void)fprintf(m->notes, "left out: %s: %s\n", what, strerrordesc_np(errno));
}

/* Something that any user can make on any file system. */
static void must(struct maker *m, const char *what, int status)
{
    if (status == 0)
        return;
    m->failed = true;
    if (m->notes)
        (void)fprintf(m->notes, "cannot make %s: %s\n", what, strerrordesc_np(errno));
}

/* Bytes that depend on the offset and on seed, and do not compress to nothing. */
static void fill(uint8_t *data, size_t len, uint64_t seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < len; i++) {
        x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        data[i] = (uint8_t)(x >> 56);
    }
}

static int put_at(int dir, const char *name, const void *data, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, data, len);
    return close(fd) || n != (ssize_t)len ? -1 : 0;
}

static int put(const struct maker *m, const char *path, size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len + 1);
    if (!data)
        return -1;
    fill(data, len, seed);
    int status = put_at(m->root, path, data, len);
    free(data);
    return status;
}

static void make_directory(struct maker *m, const char *path)
{
    must(m, path, mkdirat(m->root, path, 0755));
}

static void make_names(struct maker *m)
{
    static const char *const odd[] = {
        " ",
        "...",
        "..a",
        ".hidden",
        "-rf",
        "a\nb",
        "\n",
        "trailing ",
        " leading",
        "*?[x]\\",
        "quote'\"`$(x)",
        "#comment",
        "!not",
        "\xff\xfe",
        "\xc3\x28",
        "\xe6\x9d\xb1",
        "a",
        "a.b",
        "a-b",
        "\xf0\x9f\x98\x80",
        "tab\there",
        "cr\rhere",
        "con",
        "name:stream",
    };
    char name[256];

    make_directory(m, "names");
    int dir = openat(m->root, "names", O_RDONLY | O_DIRECTORY);
    for (unsigned byte = 1; byte <= 0xff; byte++) {
        if (byte == '/')
            continue;
        name[0] = 'b';
        name[1] = (char)byte;
        name[2] = '\0';
        must(m, "a name of odd bytes", put_at(dir, name, name, 2));
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        must(m, odd[i], put_at(dir, odd[i], odd[i], strlen(odd[i])));
    memset(name, 'n', 255);
    name[255] = '\0';
    must(m, "a name of 255 bytes", put_at(dir, name, name, 255));
    (void)close(dir);

    /* Where the order by bytes and the order of a walk differ. */
    make_directory(m, "order");
    make_directory(m, "order/a");
    must(m, "order/a/z", put(m, "order/a/z", 1, 1));
    must(m, "order/a-b", put(m, "order/a-b", 2, 2));
    must(m, "order/a.b", put(m, "order/a.b", 3, 3));
    must(m, "order/a0", put(m, "order/a0", 4, 4));
    must(m, "order/a\x01", put(m, "order/a\x01", 5, 5));
}

/* 200 directories with names of 200 bytes: the path is ten times as long as the kernel takes. */
static void make_depth(struct maker *m)
{
    char name[201];
    int dir = dup(m->root);

    for (int i = 0; i < 200 && dir >= 0; i++) {
        memset(name, 'a' + i % 26, 200);
        name[200] = '\0';
        if (mkdirat(dir, name, 0755)) {
            must(m, "a deep directory", -1);
            break;
        }
        if (i % 50 == 49)
            must(m, "a deep file", put_at(dir, "file", name, 200));
        int next = openat(dir, name, O_RDONLY | O_DIRECTORY);
        (void)close(dir);
        dir = next;
    }
    must(m, "the deepest file", put_at(dir, "bottom", "bottom", 6));
    if (dir >= 0)
        (void)close(dir);
}

static void make_sizes(struct maker *m)
{
    static const size_t sizes[] = {0,       1,       511,     512,    4095,   4096,
                                   4097,    65535,   65536,   65537,  262143, 262144,
                                   1048575, 1048576, 1048577, 3145728};
    char path[64];

    make_directory(m, "sizes");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)snprintf(path, sizeof(path), "sizes/%zu", sizes[i]);
        must(m, path, put(m, path, sizes[i], i));
    }
}

static void make_directories(struct maker *m)
{
    char path[64];

    make_directory(m, "empty");
    make_directory(m, "big");
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(path, sizeof(path), "big/%d", i * 7919 % 5000);
        must(m, path, put(m, path, (size_t)(i % 10), (uint64_t)i));
    }
}

static void make_sparse_file(struct maker *m, const char *path, off_t size, off_t data_at)
{
    int fd = openat(m->root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    must(m, path, fd < 0 || ftruncate(fd, size) ? -1 : 0);
    if (fd >= 0 && data_at >= 0)
        must(m, path, pwrite(fd, "some data", 9, data_at) == 9 ? 0 : -1);
    if (fd >= 0)
        (void)close(fd);
}

static void make_sparse(struct maker *m)
{
    make_directory(m, "sparse");
    make_sparse_file(m, "sparse/all-hole", 8 << 20, -1);
    make_sparse_file(m, "sparse/data-first", 8 << 20, 0);
    make_sparse_file(m, "sparse/data-in-the-middle", 64 << 20, 33333333);
    make_sparse_file(m, "sparse/data-last", (8 << 20) + 5, (8 << 20) - 4);
    make_sparse_file(m, "sparse/small", 10000, 9000);
}

static void make_links(struct maker *m)
{
    char target[4001];

    make_directory(m, "links");
    make_directory(m, "links/below");
    must(m, "links/z-first", put(m, "links/z-first", 100000, 42));
    must(m, "a hard link", linkat(m->root, "links/z-first", m->root, "links/below/second", 0));
    must(m, "a hard link", linkat(m->root, "links/z-first", m->root, "links/a-third", 0));
    must(m, "a hard link", linkat(m->root, "links/z-first", m->root, "zz-outside", 0));
    must(m, "an empty file", put(m, "links/empty", 0, 0));
    must(m, "a hard link", linkat(m->root, "links/empty", m->root, "links/empty-too", 0));

    memset(target, 't', 4000);
    for (int i = 100; i < 4000; i += 100)
        target[i] = '/';
    target[4000] = '\0';
    must(m, "symlink", symlinkat("nowhere", m->root, "links/dangling"));
    must(m, "symlink", symlinkat("/etc/passwd", m->root, "links/absolute"));
    must(m, "symlink", symlinkat("../../..", m->root, "links/up"));
    must(m, "symlink", symlinkat("below", m->root, "links/to-directory"));
    must(m, "symlink", symlinkat("loop", m->root, "links/loop"));
    must(m, "symlink", symlinkat("\xff\n \x01", m->root, "links/odd-target"));
    if (symlinkat(target, m->root, "links/long"))
        left_out(m, "a symbolic link of 4000 bytes");
    if (linkat(m->root, "links/dangling", m->root, "links/dangling-too", 0))
        left_out(m, "a hard link to a symbolic link");
}

static void make_special(struct maker *m)
{
    make_directory(m, "special");
    must(m, "a fifo", mknodat(m->root, "special/fifo", S_IFIFO | 0644, 0));
    if (linkat(m->root, "special/fifo", m->root, "special/fifo-too", 0))
        left_out(m, "a hard link to a fifo");
    if (mknodat(m->root, "special/socket", S_IFSOCK | 0600, 0))
        left_out(m, "a socket");
    if (mknodat(m->root, "special/character", S_IFCHR | 0666, makedev(1, 3)))
        left_out(m, "a character device");
    if (mknodat(m->root, "special/block", S_IFBLK | 0660, makedev(7, 200)))
        left_out(m, "a block device");
    if (mknodat(m->root, "special/large-number", S_IFCHR | 0600, makedev(4000, 1000000)))
        left_out(m, "a device of large numbers");
}

static void make_modes(struct maker *m)
{
    static const mode_t modes[] = {0000, 0200, 0400, 0444, 0640, 0777, 01644, 02755, 04755, 07777};
    char path[64];

    make_directory(m, "modes");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        (void)snprintf(path, sizeof(path), "modes/file-%04o", modes[i]);
        must(m, path, put(m, path, i, i));
        if (geteuid() == 0 || (modes[i] & 0400)) /* what one may not read cannot be backed up */
            must(m, path, fchmodat(m->root, path, modes[i], 0));
        (void)snprintf(path, sizeof(path), "modes/directory-%04o", modes[i]);
        make_directory(m, path);
        if (geteuid() == 0 || (modes[i] & 0700) == 0700) { /* with something in it */
            (void)snprintf(path, sizeof(path), "modes/directory-%04o/inside", modes[i]);
            must(m, path, put(m, path, i, i));
            (void)snprintf(path, sizeof(path), "modes/directory-%04o", modes[i]);
        }
        if (geteuid() == 0 || (modes[i] & 0500) == 0500)
            must(m, path, fchmodat(m->root, path, modes[i], 0));
    }
}

static void make_owner(struct maker *m, const char *path, uid_t uid, gid_t gid, mode_t mode)
{
    must(m, path, put(m, path, 10, uid));
    if (fchownat(m->root, path, uid, gid, 0)) {
        left_out(m, path);
        return;
    }
    must(m, path, fchmodat(m->root, path, mode, 0));
}

static void make_owners(struct maker *m)
{
    make_directory(m, "owners");
    make_owner(m, "owners/daemon", 1, 1, 0644);
    make_owner(m, "owners/without-name", 123456, 654321, 0600);
    make_owner(m, "owners/largest", 4294967294U, 4294967294U, 0600);
    make_owner(m, "owners/setuid", 1, 2, 06755);
    make_directory(m, "owners/directory");
    if (fchownat(m->root, "owners/directory", 1, 2, 0) == 0) {
        must(m, "owners/directory", fchmodat(m->root, "owners/directory", 02775, 0));
        must(m, "owners/directory/inside", put(m, "owners/directory/inside", 3, 3));
    } else {
        left_out(m, "a directory of another owner");
    }
    must(m, "symlink", symlinkat("x", m->root, "owners/link"));
    if (fchownat(m->root, "owners/link", 1, 2, AT_SYMLINK_NOFOLLOW))
        left_out(m, "a symbolic link of another owner");
}

static int set_xattr(const struct maker *m, const char *path, const char *name, const void *value,
                     size_t len)
{
    char proc[64];
    int fd = openat(m->root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    int status = setxattr(proc, name, value, len, 0);
    int number = errno;
    (void)close(fd);
    errno = number;
    return status;
}

static void make_xattr(struct maker *m, const char *path, const char *name, const void *value,
                       size_t len)
{
    char what[128];

    (void)snprintf(what, sizeof(what), "extended attribute %.60s of %.40s", name, path);
    if (set_xattr(m, path, name, value, len))
        left_out(m, what);
}

static void make_xattrs(struct maker *m)
{
    uint8_t value[3000];
    char name[128];
    /* VFS_CAP_REVISION_2 with the effective bit; CAP_NET_RAW permitted. */
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};

    make_directory(m, "xattrs");
    must(m, "xattrs/file", put(m, "xattrs/file", 10, 1));
    make_xattr(m, "xattrs/file", "user.text", "value", 5);
    make_xattr(m, "xattrs/file", "user.empty", "", 0);
    make_xattr(m, "xattrs/file", "user.binary", "a\0b\xff\n", 5);
    make_xattr(m, "xattrs/file", "user.\xe6\x9d\xb1", "east", 4);
    make_xattr(m, "xattrs/file", "trusted.text", "trusted", 7);
    make_xattr(m, "xattrs/file", "security.test", "secure", 6);

    must(m, "xattrs/large", put(m, "xattrs/large", 10, 2));
    fill(value, sizeof(value), 3);
    make_xattr(m, "xattrs/large", "user.large", value, sizeof(value));
    must(m, "xattrs/many", put(m, "xattrs/many", 10, 2));
    for (int i = 0; i < 30; i++) {
        (void)snprintf(name, sizeof(name), "user.%d-a-name-that-is-rather-long-for-a-name", i);
        make_xattr(m, "xattrs/many", name, &i, sizeof(i));
    }
    make_directory(m, "xattrs/directory");
    make_xattr(m, "xattrs/directory", "user.text", "of a directory", 14);
    must(m, "symlink", symlinkat("nowhere", m->root, "xattrs/link"));
    make_xattr(m, "xattrs/link", "trusted.text", "of a link", 9);
    must(m, "fifo", mknodat(m->root, "xattrs/fifo", S_IFIFO | 0600, 0));
    make_xattr(m, "xattrs/fifo", "trusted.text", "of a fifo", 9);
    must(m, "xattrs/read-only", put(m, "xattrs/read-only", 10, 4));
    make_xattr(m, "xattrs/read-only", "user.text", "kept", 4);
    must(m, "xattrs/read-only", fchmodat(m->root, "xattrs/read-only", 0444, 0));

    must(m, "xattrs/capable", put(m, "xattrs/capable", 100, 5));
    make_owner(m, "xattrs/capable-of-another", 1, 1, 0755);
    make_xattr(m, "xattrs/capable", "security.capability", capability, sizeof(capability));
    make_xattr(m, "xattrs/capable-of-another", "security.capability", capability,
               sizeof(capability));
}

struct acl_entry {
    uint16_t tag, permissions;
    uint32_t id;
};

/* In the form that the kernel takes: version 2, then the entries, little-endian. */
static size_t encode_acl(uint8_t *out, const struct acl_entry *entries, size_t count)
{
    size_t len = 4;

    memcpy(out, "\2\0\0\0", 4);
    for (size_t i = 0; i < count; i++) {
        const uint32_t id = entries[i].id;
        const uint8_t bytes[8] = {(uint8_t)entries[i].tag,
                                  0,
                                  (uint8_t)entries[i].permissions,
                                  0,
                                  (uint8_t)id,
                                  (uint8_t)(id >> 8),
                                  (uint8_t)(id >> 16),
                                  (uint8_t)(id >> 24)};
        memcpy(out + len, bytes, sizeof(bytes));
        len += sizeof(bytes);
    }
    return len;
}

static void make_acls(struct maker *m)
{
    static const uint32_t none = UINT32_MAX;
    const struct acl_entry some[] = {{0x01, 7, none}, {0x02, 4, 1}, {0x02, 7, 1234567},
                                     {0x04, 4, none}, {0x08, 5, 2}, {0x10, 7, none},
                                     {0x20, 0, none}};
    const struct acl_entry tight[] = {
        {0x01, 6, none}, {0x02, 6, 2}, {0x04, 6, none}, {0x10, 4, none}, {0x20, 0, none}};
    uint8_t acl[64];

    make_directory(m, "acls");
    must(m, "acls/file", put(m, "acls/file", 10, 1));
    size_t len = encode_acl(acl, some, 7);
    make_xattr(m, "acls/file", "system.posix_acl_access", acl, len);
    make_directory(m, "acls/directory");
    make_directory(m, "acls/directory/made-before");
    must(m, "a file", put(m, "acls/directory/file-made-before", 10, 1));
    make_xattr(m, "acls/directory", "system.posix_acl_access", acl, len);
    make_xattr(m, "acls/directory", "system.posix_acl_default", acl, len);
    make_directory(m, "acls/directory/made-after");
    must(m, "a file", put(m, "acls/directory/file-made-after", 10, 1));
    must(m, "acls/tight", put(m, "acls/tight", 10, 1));
    make_xattr(m, "acls/tight", "system.posix_acl_access", acl, encode_acl(acl, tight, 5));
}

static void make_flags(struct maker *m, const char *path, int flags)
{
    int now = 0, fd = openat(m->root, path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &now)) {
        left_out(m, path);
    } else {
        now |= flags;
        if (ioctl(fd, FS_IOC_SETFLAGS, &now))
            left_out(m, path);
    }
    if (fd >= 0)
        (void)close(fd);
}

/* The last thing to be made: nothing can be changed afterwards. */
static void make_inode_flags(struct maker *m)
{
    make_directory(m, "flags");
    must(m, "flags/append", put(m, "flags/append", 10, 1));
    must(m, "flags/immutable", put(m, "flags/immutable", 100000, 2));
    must(m, "flags/linked", put(m, "flags/linked", 10, 2));
    must(m, "a hard link", linkat(m->root, "flags/linked", m->root, "flags/linked-too", 0));
    must(m, "flags/several", put(m, "flags/several", 10, 3));
    must(m, "flags/nodump", put(m, "flags/nodump", 10, 3));
    make_directory(m, "flags/directory");
    make_directory(m, "flags/locked");
    must(m, "flags/locked/inside", put(m, "flags/locked/inside", 10, 4));
    make_directory(m, "flags/appending");
    must(m, "flags/appending/inside", put(m, "flags/appending/inside", 10, 5));

    make_flags(m, "flags/append", FS_APPEND_FL);
    make_flags(m, "flags/immutable", FS_IMMUTABLE_FL);
    make_flags(m, "flags/linked", FS_IMMUTABLE_FL);
    make_flags(m, "flags/several", FS_NOATIME_FL | FS_SYNC_FL);
    make_flags(m, "flags/nodump", FS_NODUMP_FL);
    make_flags(m, "flags/directory", FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_NOATIME_FL);
    make_flags(m, "flags/locked", FS_IMMUTABLE_FL);
    make_flags(m, "flags/appending", FS_APPEND_FL);
}

static void set_time(struct maker *m, const char *path, int64_t s, long ns)
{
    const struct timespec times[2] = {{.tv_sec = 1700000000}, {.tv_sec = s, .tv_nsec = ns}};
    struct stat st;

    must(m, path, utimensat(m->root, path, times, AT_SYMLINK_NOFOLLOW));
    if (fstatat(m->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtim.tv_sec != s) {
        errno = EOVERFLOW; /* it was cut off to what the file system can keep */
        left_out(m, path);
    }
}

static void make_times(struct maker *m)
{
    static const struct {
        const char *name;
        int64_t s;
        long ns;
    } times[] = {
        {"times/epoch", 0, 0},
        {"times/just-before-1970", -1, 999999999},
        {"times/1940", -946771200, 1},
        {"times/1901", -2147483647, 123456789},
        {"times/2038", 2147483647, 999999999},
        {"times/after-2038", 2147483648, 1},
        {"times/2106", 4294967296, 500000000},
        {"times/2400", 13569465600, 7},
    };

    make_directory(m, "times");
    make_directory(m, "times/directory");
    must(m, "symlink", symlinkat("nowhere", m->root, "times/link"));
    must(m, "fifo", mknodat(m->root, "times/fifo", S_IFIFO | 0600, 0));
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        must(m, times[i].name, put(m, times[i].name, 1, 1));
        set_time(m, times[i].name, times[i].s, times[i].ns);
    }
    set_time(m, "times/directory", -1234567, 89);
    set_time(m, "times/link", 3333333333, 333333333);
    set_time(m, "times/fifo", 1111111111, 111111111);
    set_time(m, "empty", 1000000000, 1);
    set_time(m, "times", 999999999, 999999999);
}

int tz_odd_tree_make(const char *directory, FILE *notes)
{
    struct maker m = {.root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .notes = notes};
    static void (*const makers[])(struct maker *) = {
        make_names, make_depth,   make_sizes,       make_directories, make_sparse,
        make_links, make_special, make_modes,       make_owners,      make_xattrs,
        make_acls,  make_times,   make_inode_flags,
    };
    mode_t old = umask(022);

    must(&m, directory, m.root < 0 ? -1 : 0);
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]) && !m.failed; i++)
        makers[i](&m);
    (void)umask(old);
    if (m.root >= 0)
        (void)close(m.root);
    return m.failed ? -1 : 0;
}

int tz_odd_tree_remove(const char *directory)
{
    return tz_remove_at(AT_FDCWD, directory, NULL);
}

char *tz_odd_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = NULL;

    if (asprintf(&folder, "%s/tozai-test-XXXXXX", base && *base ? base : "/tmp") < 0 ||
        !mkdtemp(folder)) {
        perror("temporary folder");
        exit(1);
    }
    return folder;
}

void tz_odd_folder_remove(char *folder)
{
    if (!folder)
        return;
    if (tz_odd_tree_remove(folder))
        perror(folder);
    free(folder);
}
