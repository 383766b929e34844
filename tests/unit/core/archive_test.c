/*
 * Generations as archives: formats by name, round trips through each of them, and the file that
 * an archive becomes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "repo_fixture.h"

#include "tozai/core/archive.h"
#include "tozai/util/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

/* What was told while an archive was written. */
struct told {
    struct tz_buf lost, warnings;
};

static void note_lost(void *arg, const char *text)
{
    struct told *told = arg;
    assert_int_equal(tz_buf_printf(&told->lost, NULL, "%s\n", text), 0);
}

static void note_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    struct told *told = arg;
    assert_int_equal(
        tz_buf_printf(&told->warnings, NULL, "%.*s: %s\n", (int)path_len, path, why->message), 0);
}

static void clear_told(struct told *told)
{
    tz_buf_clear(&told->lost);
    tz_buf_clear(&told->warnings);
}

static bool has(const struct tz_buf *text, const char *part)
{
    return text->len > 0 && strstr((const char *)text->data, part) != NULL;
}

/* The latest generation of "tree" as an archive; the descriptor stands at its beginning. */
static int export_tree(struct tz_repo *repo, const char *type, struct told *told,
                       struct tz_archive_export_result *result)
{
    TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
    struct tz_error err = {0};
    struct tz_archive_export_options options = {
        .repo = repo,
        .head = &head,
        .fd = memfd_create("archive", MFD_CLOEXEC),
        .warn = note_warning,
        .warn_arg = told,
        .lost = note_lost,
        .lost_arg = told,
    };

    assert_int_equal(tz_archive_type_parse(&options.type, type, NULL, NULL), 0);
    assert_int_equal(tz_repo_find(repo, "tree", "latest", &head, NULL), 0);
    if (tz_archive_export(&options, result, &err))
        fail_msg("%s: %s", type, err.message);
    assert_int_equal(lseek(options.fd, 0, SEEK_CUR), (off_t)result->archive_bytes);
    assert_int_equal(lseek(options.fd, 0, SEEK_SET), 0);
    return options.fd;
}

static void import_archive(struct tz_repo *repo, const char *name, int fd,
                           struct tz_backup_result *ret)
{
    struct tz_archive_import_options archive = {.fd = fd, .name = "the archive"};
    const struct tz_config_source source = {.name = (char *)(uintptr_t)name};
    const struct tz_backup_options options = {
        .repo = repo,
        .source = &source,
        .open_source = tz_archive_open_source,
        .open_source_arg = &archive,
        .type = TZ_ARCHIVE_SOURCE_TYPE,
    };
    struct tz_error err = {0};

    *ret = (struct tz_backup_result){0};
    if (tz_backup(&options, ret, &err))
        fail_msg("%s", err.message);
}

static void set_time(const char *folder, const char *name, int64_t s)
{
    char path[4096];
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = s}};

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* Export, import under another name, restore, compare. */
static void round_trip(struct tz_fixture *f, struct tz_repo *repo, const char *type,
                       struct told *told, struct tz_archive_export_result *result)
{
    TZ_SCOPED(tz_scoped_fd) int fd = export_tree(repo, type, told, result);
    struct tz_backup_result imported;
    struct tz_restore_result restored;

    import_archive(repo, "imported", fd, &imported);
    assert_string_equal(imported.head.type, "archive");
    assert_int_equal(imported.warnings_total, 0);
    assert_true(imported.complete);
    tz_backup_result_clear(&imported);
    tz_fixture_restore(repo, "imported", "latest", f->target, NULL, &restored);
    assert_int_equal(restored.failed, 0);
    if (tz_odd_tree_compare(f->tree, f->target, stdout) > 0)
        fail_msg("not the same behind %s", type);
    assert_int_equal(tz_odd_tree_remove(f->target), 0);
}

static void types_are_known_by_ending_and_by_name(void **state)
{
    static const struct {
        const char *text, *file, *format, *filter;
    } types[] = {
        {NULL, "a.tar", "pax", NULL},         {NULL, "/x.zip/a.tar.zst", "pax", "zstd"},
        {NULL, "a.TGZ", "pax", "gzip"},       {NULL, "a.b.tar.bz2", "pax", "bzip2"},
        {NULL, "a.txz", "pax", "xz"},         {NULL, "a.tar.lz4", "pax", "lz4"},
        {NULL, "a.tar.Z", "pax", "compress"}, {NULL, "a.cpio", "newc", NULL},
        {NULL, "a.cpio.gz", "newc", "gzip"},  {NULL, "a.zip", "zip", NULL},
        {NULL, "a.7z", "7zip", NULL},         {"tar", "a.zip", "pax", NULL},
        {"tar+zstd", NULL, "pax", "zstd"},    {"GnuTar+gz", NULL, "gnutar", "gzip"},
        {"ustar", NULL, "ustar", NULL},       {"odc+xz", NULL, "odc", "xz"},
    };
    static const struct {
        const char *text, *file;
    } unknown[] = {
        {NULL, "a"},        {NULL, "a.gz"},      {NULL, "tar"}, {NULL, ".tar"},
        {NULL, "a.iso"},    {NULL, "zip/a"},     {"", "a.tar"}, {"tar+", NULL},
        {"+gzip", NULL},    {"tar+lrzip", NULL}, {"zst", NULL}, {"tar+zstd+gzip", NULL},
        {"mtree", "a.tar"}, {NULL, "a.tarx"},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(types); i++) {
        struct tz_archive_type type = {0};
        struct tz_error err = {0};
        if (tz_archive_type_parse(&type, types[i].text, types[i].file, &err))
            fail_msg("%s", err.message);
        assert_string_equal(type.format, types[i].format);
        assert_string_equal(type.filter ? type.filter : "", types[i].filter ? types[i].filter : "");
    }
    for (size_t i = 0; i < TZ_COUNT(unknown); i++) {
        struct tz_archive_type type = {0};
        struct tz_error err = {0};
        assert_int_equal(tz_archive_type_parse(&type, unknown[i].text, unknown[i].file, &err), -1);
        assert_int_equal(err.kind, TZ_INVALID);
        assert_true(err.hint[0] != '\0');
    }
}

static void everything_odd_survives_a_tar(void **state)
{
    static const char *const types[] = {"pax", "pax+zstd"};
    struct tz_fixture f;
    struct tz_backup_result backup;
    char path[4096];

    (void)state;
    tz_fixture_make(&f, &(struct tz_fixture_options){0});
    assert_int_equal(tz_odd_tree_make(f.tree, NULL), 0);
    /* What a tar cannot hold, and what is not backed up. */
    (void)snprintf(path, sizeof(path), "%s/special/socket", f.tree);
    assert_true(unlink(path) == 0 || errno == ENOENT);
    (void)snprintf(path, sizeof(path), "%s/flags/nodump", f.tree);
    assert_true(unlink(path) == 0 || errno == ENOENT);
    set_time(f.tree, "times/just-before-1970", -1);
    set_time(f.tree, "times/1940", -946771200);
    set_time(f.tree, "times/1901", -2147483647);
    set_time(f.tree, "times/directory", -1234567);
    tz_fixture_run(&f, &backup);
    assert_int_equal(backup.warnings_total, 0);

    for (size_t i = 0; i < TZ_COUNT(types); i++) {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, true);
        TZ_SCOPED(clear_told) struct told told = {0};
        struct tz_archive_export_result result;
        round_trip(&f, repo, types[i], &told, &result);
        assert_int_equal(result.entries, backup.head.entries);
        assert_int_equal(result.files, backup.head.files);
        assert_int_equal(result.left_out, 0);
        assert_int_equal(told.warnings.len, 0);
        assert_false(has(&told.lost, "\npax holds no fractions"));
        assert_true(i == 0 || result.archive_bytes < result.bytes / 4);
    }
    tz_backup_result_clear(&backup);
    tz_fixture_clear(&f);
}

/* What every format can hold, with times of whole seconds. */
static void make_plain_tree(const struct tz_fixture *f, bool links)
{
    static const char *const paths[] = {"a dir/deep/\xe6\x9d\xb1\xe4\xba\xac.txt",
                                        "a dir/deep",
                                        "a dir",
                                        "big",
                                        "empty",
                                        "-odd",
                                        "link",
                                        ".hidden"};
    char path[4096], other[4096];

    (void)snprintf(path, sizeof(path), "%s/a dir", f->tree);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/a dir/deep", f->tree);
    assert_int_equal(mkdir(path, 0755), 0);
    tz_fixture_write(f, paths[0], "east", 4);
    tz_fixture_fill(f, "big", 3000000, 1);
    tz_fixture_write(f, "empty", "", 0);
    tz_fixture_fill(f, "-odd", 100000, 2);
    tz_fixture_write(f, ".hidden", "x", 1);
    (void)snprintf(path, sizeof(path), "%s/empty", f->tree);
    assert_int_equal(chmod(path, 0400), 0);
    (void)snprintf(path, sizeof(path), "%s/link", f->tree);
    assert_int_equal(symlink("a dir/deep", path), 0);
    if (links) {
        (void)snprintf(path, sizeof(path), "%s/big", f->tree);
        (void)snprintf(other, sizeof(other), "%s/a dir/big-too", f->tree);
        assert_int_equal(link(path, other), 0);
    }
    for (size_t i = 0; i < TZ_COUNT(paths); i++)
        set_time(f->tree, paths[i], 1500000000 + (int64_t)i);
    set_time(f->tree, ".", 1400000000);
}

static void each_format_holds_what_it_can(void **state)
{
    static const struct {
        const char *type;
        bool links, root, owners;
    } formats[] = {
        {"paxr", true, true, true},         {"gnutar+gzip", true, true, true},
        {"ustar+bzip2", true, true, true},  {"v7tar+xz", true, true, true},
        {"newc+lz4", true, true, true},     {"odc+lzip", true, true, true},
        {"pax+lzma", true, true, true},     {"pax+compress", true, true, true},
        {"pax+uuencode", true, true, true}, {"zip", false, false, true},
        {"7zip", false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < TZ_COUNT(formats); i++) {
        struct tz_fixture f;
        struct tz_backup_result backup;
        tz_fixture_make(&f, &(struct tz_fixture_options){0});
        make_plain_tree(&f, formats[i].links);
        tz_fixture_run(&f, &backup);
        {
            TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, true);
            TZ_SCOPED(clear_told) struct told told = {0};
            struct tz_archive_export_result result;
            if (!formats[i].root) { /* the top is then what the restore made */
                assert_int_equal(mkdir(f.target, 0755), 0);
                set_time(f.target, ".", 1400000000);
            }
            TZ_SCOPED(tz_scoped_fd) int fd = export_tree(repo, formats[i].type, &told, &result);
            struct tz_backup_result imported;
            struct tz_restore_result restored;
            import_archive(repo, "imported", fd, &imported);
            assert_int_equal(imported.warnings_total, 0);
            tz_backup_result_clear(&imported);
            tz_fixture_restore(repo, "imported", "latest", f.target, NULL, &restored);
            if (!formats[i].root)
                set_time(f.target, ".", 1400000000);
            if (tz_odd_tree_compare(f.tree, f.target, stdout) > 0)
                fail_msg("not the same behind %s", formats[i].type);
            assert_int_equal(result.left_out, 0);
            assert_false(has(&told.lost, "fractions"));
            assert_false(has(&told.lost, "attributes"));
            assert_int_equal(has(&told.lost, "holds no owners"), !formats[i].owners);
        }
        tz_backup_result_clear(&backup);
        tz_fixture_clear(&f);
    }
}

static void what_a_format_cannot_hold_is_told_once_for_each_kind(void **state)
{
    struct tz_fixture f;
    struct tz_backup_result backup;
    char path[4096];

    (void)state;
    tz_fixture_make(&f, &(struct tz_fixture_options){0});
    tz_fixture_write(&f, "a", "1", 1);
    tz_fixture_write(&f, "b", "2", 1);
    tz_fixture_write(&f, "odd-\xff", "3", 1);
    (void)snprintf(path, sizeof(path), "%s/a", f.tree);
    assert_int_equal(setxattr(path, "user.x", "y", 1, 0), 0);
    (void)snprintf(path, sizeof(path), "%s/b", f.tree);
    assert_int_equal(setxattr(path, "user.x", "y", 1, 0), 0);
    (void)snprintf(path, sizeof(path), "%s/fifo", f.tree);
    assert_int_equal(mkfifo(path, 0600), 0);
    (void)snprintf(path, sizeof(path), "%s/socket", f.tree);
    assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
    tz_fixture_run(&f, &backup);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, true);
        TZ_SCOPED(clear_told) struct told told = {0};
        struct tz_archive_export_result result;
        TZ_SCOPED(tz_scoped_fd) int fd = export_tree(repo, "zip", &told, &result);
        assert_true(has(&told.lost, "zip holds no extended attributes: 2 entries have lost that, "
                                    "the first is 'a'\n"));
        assert_true(has(&told.lost, "zip holds no names that are not UTF-8"));
        assert_int_equal(result.left_out, 2);
        assert_int_equal(result.sockets, 1);
        assert_true(has(&told.warnings, "fifo: zip cannot hold named pipes\n"));
        assert_true(has(&told.warnings, "socket: no archive can hold a socket\n"));

        struct archive *zip = archive_read_new();
        struct archive_entry *entry;
        bool found = false;
        assert_int_equal(archive_read_support_format_zip(zip), ARCHIVE_OK);
        assert_int_equal(archive_read_open_fd(zip, fd, 65536), ARCHIVE_OK);
        while (archive_read_next_header(zip, &entry) == ARCHIVE_OK)
            found |= strcmp(archive_entry_pathname(entry), "odd-%FF") == 0;
        (void)archive_read_free(zip);
        assert_true(found);
    }
    tz_backup_result_clear(&backup);
    tz_fixture_clear(&f);
}

/* What the first entry of this path has in an archive. */
static void find_entry(int fd, const char *path, struct archive_entry **ret)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;

    assert_int_equal(archive_read_support_format_all(archive), ARCHIVE_OK);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(archive_read_open_fd(archive, fd, 65536), ARCHIVE_OK);
    do
        assert_int_equal(archive_read_next_header(archive, &entry), ARCHIVE_OK);
    while (strcmp(archive_entry_pathname(entry), path) != 0);
    *ret = archive_entry_clone(entry);
    (void)archive_read_free(archive);
}

static void what_other_programs_would_misread_is_not_written(void **state)
{
    struct tz_fixture f;
    struct tz_backup_result backup;
    struct archive_entry *entry;
    char path[4096], other[4096];
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {-2, 500000000}};

    (void)state;
    tz_fixture_make(&f, &(struct tz_fixture_options){0});
    tz_fixture_write(&f, "setuid", "1", 1);
    (void)snprintf(path, sizeof(path), "%s/setuid", f.tree);
    assert_int_equal(chmod(path, 06755), 0);
    assert_int_equal(setxattr(path, "user.x", "y", 1, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    (void)snprintf(path, sizeof(path), "%s/link", f.tree);
    (void)snprintf(other, sizeof(other), "%s/link-too", f.tree);
    assert_int_equal(symlink("setuid", path), 0);
    assert_int_equal(link(path, other), 0);
    tz_fixture_run(&f, &backup);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, true);
        TZ_SCOPED(clear_told) struct told told = {0};
        struct tz_archive_export_result result;
        TZ_SCOPED(tz_scoped_fd) int seven = export_tree(repo, "7zip", &told, &result);
        TZ_SCOPED(tz_scoped_fd) int cpio = export_tree(repo, "cpio", &told, &result);
        TZ_SCOPED(tz_scoped_fd) int tar = export_tree(repo, "pax", &told, &result);

        /* Setuid for whoever unpacks it. */
        find_entry(seven, "setuid", &entry);
        assert_int_equal(archive_entry_perm(entry), 0755);
        archive_entry_free(entry);
        /* A second name of a symbolic link in a cpio: nobody would make a link of it. */
        find_entry(cpio, "link-too", &entry);
        assert_int_equal(archive_entry_filetype(entry), AE_IFLNK);
        assert_string_equal(archive_entry_symlink(entry), "setuid");
        archive_entry_free(entry);
        /* A time that some take for half a second before, others behind. */
        find_entry(tar, "setuid", &entry);
        assert_int_equal(archive_entry_mtime(entry), -2);
        assert_int_equal(archive_entry_mtime_nsec(entry), 0);
        assert_int_equal(archive_entry_perm(entry), 06755);
        assert_int_equal(archive_entry_xattr_count(entry), 1); /* in one form only */
        archive_entry_free(entry);
        assert_true(has(&told.lost, "pax holds no fractions of seconds before 1970: 'setuid'"));
        assert_true(has(&told.lost, "7zip holds no setuid and setgid: 'setuid'"));
    }
    tz_backup_result_clear(&backup);
    tz_fixture_clear(&f);
}

/* An archive of a configured source goes in between two of its backups. */
static void an_import_leaves_the_next_backup_alone(void **state)
{
    struct tz_fixture f;
    struct tz_backup_result first, imported, second;
    struct tz_restore_result restored;

    (void)state;
    tz_fixture_make(&f, &(struct tz_fixture_options){0});
    make_plain_tree(&f, true);
    tz_fixture_run(&f, &first);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, true);
        TZ_SCOPED(clear_told) struct told told = {0};
        struct tz_archive_export_result result;
        TZ_SCOPED(tz_scoped_fd) int fd = export_tree(repo, "pax", &told, &result);
        import_archive(repo, "tree", fd, &imported);
        assert_int_equal(imported.head.new_bytes, 0);
        assert_string_equal(imported.head.type, "archive");
        tz_fixture_restore(repo, "tree", "latest", f.target, NULL, &restored);
        assert_int_equal(tz_odd_tree_compare(f.tree, f.target, stdout), 0);
        assert_int_equal(tz_odd_tree_remove(f.target), 0);
    }
    tz_fixture_run(&f, &second);
    assert_string_equal(second.head.type, "directory");
    assert_int_equal(second.head.new_bytes, 0);
    assert_int_equal(second.head.entries, first.head.entries);
    tz_fixture_check(&f, NULL);
    tz_backup_result_clear(&first);
    tz_backup_result_clear(&imported);
    tz_backup_result_clear(&second);
    tz_fixture_clear(&f);
}

static void a_writer_cannot_export(void **state)
{
    struct tz_fixture f;
    struct tz_backup_result backup;
    char key[4096];

    (void)state;
    tz_fixture_make(&f, &(struct tz_fixture_options){0});
    tz_fixture_write(&f, "a", "1", 1);
    tz_fixture_run(&f, &backup);
    tz_backup_result_clear(&backup);
    (void)snprintf(key, sizeof(key), "%s/writer", f.folder);
    tz_fixture_add_writer(&f, key);
    tz_fixture_configure(&f, &(struct tz_fixture_options){0}, NULL, key);
    {
        TZ_SCOPED(tz_scoped_repo) struct tz_repo *repo = tz_fixture_open(&f, false);
        TZ_SCOPED(tz_scoped_head) struct tz_head head = {0};
        TZ_SCOPED(tz_scoped_fd) int fd = memfd_create("archive", MFD_CLOEXEC);
        struct tz_archive_export_result result;
        struct tz_error err = {0};
        assert_int_equal(tz_repo_find(repo, "tree", "latest", &head, NULL), 0);
        const struct tz_archive_export_options options = {
            .repo = repo, .head = &head, .type = {.format = "pax"}, .fd = fd};
        assert_int_equal(tz_archive_export(&options, &result, &err), -1);
        assert_int_equal(err.kind, TZ_KEY);
        assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    }
    tz_fixture_clear(&f);
}

static unsigned count_names(const char *folder)
{
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(folder);
    unsigned count = 0;

    while (readdir(dir))
        count++;
    return count - 2;
}

static void an_output_appears_when_it_is_whole(void **state)
{
    char *folder = tz_odd_folder();
    struct tz_archive_output *output = NULL;
    struct tz_buf text = {0};
    struct stat st;
    char path[4096];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/x.tar", folder);
    assert_int_equal(tz_archive_output_open(&output, path, false, NULL), 0);
    assert_int_equal(tz_write_all(tz_archive_output_fd(output), "part", 4, NULL), 0);
    assert_int_equal(access(path, F_OK), -1);
    tz_archive_output_free(output);
    assert_int_equal(count_names(folder), 0);

    assert_int_equal(tz_archive_output_open(&output, path, false, NULL), 0);
    assert_int_equal(tz_write_all(tz_archive_output_fd(output), "whole", 5, NULL), 0);
    assert_int_equal(tz_archive_output_commit(output, NULL), 0);
    tz_archive_output_free(output);
    assert_int_equal(count_names(folder), 1);
    assert_int_equal(tz_file_read(path, 100, &text, NULL), 0);
    assert_int_equal(text.len, 5);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    tz_buf_clear(&text);
    tz_odd_folder_remove(folder);
}

static void an_output_takes_the_place_of_a_file_only_on_request(void **state)
{
    char *folder = tz_odd_folder();
    struct tz_archive_output *output = NULL;
    struct tz_error err = {0};
    struct tz_buf text = {0};
    struct stat st;
    char path[4096], link[4096];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/x.tar", folder);
    (void)snprintf(link, sizeof(link), "%s/link.tar", folder);
    assert_int_equal(tz_file_replace(path, "old", 3, 0644, NULL), 0);
    assert_int_equal(symlink("x.tar", link), 0);
    assert_int_equal(tz_archive_output_open(&output, path, false, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    assert_int_equal(tz_archive_output_open(&output, link, false, &err), -1);
    assert_int_equal(tz_archive_output_open(&output, folder, true, &err), -1);
    assert_int_equal(err.kind, TZ_INVALID);
    assert_int_equal(tz_archive_output_open(&output, "/dev/null", true, &err), -1);
    assert_int_equal(tz_archive_output_open(&output, "/nowhere/x.tar", true, &err), -1);

    /* Through a link: what it leads to is replaced. */
    assert_int_equal(tz_archive_output_open(&output, link, true, &err), 0);
    assert_int_equal(tz_write_all(tz_archive_output_fd(output), "new", 3, NULL), 0);
    assert_int_equal(tz_archive_output_commit(output, &err), 0);
    tz_archive_output_free(output);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(tz_file_read(path, 100, &text, NULL), 0);
    assert_memory_equal(text.data, "new", 3);
    assert_int_equal(count_names(folder), 2);

    /* One that appears meanwhile stays. */
    (void)snprintf(path, sizeof(path), "%s/y.tar", folder);
    assert_int_equal(tz_archive_output_open(&output, path, false, &err), 0);
    assert_int_equal(tz_file_replace(path, "theirs", 6, 0644, NULL), 0);
    assert_int_equal(tz_archive_output_commit(output, &err), -1);
    assert_int_equal(err.kind, TZ_EXISTS);
    tz_archive_output_free(output);
    assert_int_equal(count_names(folder), 3);
    tz_buf_clear(&text);
    tz_odd_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_known_by_ending_and_by_name),
        cmocka_unit_test(everything_odd_survives_a_tar),
        cmocka_unit_test(each_format_holds_what_it_can),
        cmocka_unit_test(what_a_format_cannot_hold_is_told_once_for_each_kind),
        cmocka_unit_test(what_other_programs_would_misread_is_not_written),
        cmocka_unit_test(an_import_leaves_the_next_backup_alone),
        cmocka_unit_test(a_writer_cannot_export),
        cmocka_unit_test(an_output_appears_when_it_is_whole),
        cmocka_unit_test(an_output_takes_the_place_of_a_file_only_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
