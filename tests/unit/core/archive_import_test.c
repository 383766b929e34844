/*
 * Archives that others made, good ones and bad ones, as a source.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "odd_tree.h"
#include "source_contract.h"

#include "tozai/core/archive.h"
#include "tozai/util/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char *folder; /* scratch */
    int fd;       /* the archive */
    struct archive *archive;
    struct tz_archive_import_options options;
    struct tz_source_options source;
    struct tz_buf warnings; /* "path: message\n" */
    unsigned warning_count;
    struct tz_error error;
};

static void note_warning(void *arg, const char *path, size_t path_len, const struct tz_error *why)
{
    struct fixture *f = arg;

    f->warning_count++;
    assert_int_equal(
        tz_buf_printf(&f->warnings, NULL, "%.*s: %s\n", (int)path_len, path, why->message), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->folder = tz_odd_folder();
    f->fd = memfd_create("archive", MFD_CLOEXEC);
    f->options = (struct tz_archive_import_options){
        .fd = f->fd, .name = "test.tar", .time_ns = INT64_C(1600000000123456789)};
    f->source =
        (struct tz_source_options){.scratch = f->folder, .warn = note_warning, .warn_arg = f};
    *state = f;
    return f->fd < 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    (void)archive_write_free(f->archive);
    (void)close(f->fd);
    tz_odd_folder_remove(f->folder);
    tz_buf_clear(&f->warnings);
    free(f);
    return 0;
}

/* Begin an archive of a format that libarchive names so. */
static void begin(struct fixture *f, const char *format)
{
    f->archive = archive_write_new();
    assert_non_null(f->archive);
    assert_int_equal(archive_write_set_format_by_name(f->archive, format), ARCHIVE_OK);
    assert_int_equal(archive_write_open_fd(f->archive, f->fd), ARCHIVE_OK);
}

static struct archive_entry *make(const char *path, unsigned type)
{
    struct archive_entry *entry = archive_entry_new();

    assert_non_null(entry);
    if (path)
        archive_entry_copy_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0750 : 0640);
    archive_entry_set_uid(entry, 7);
    archive_entry_set_gid(entry, 8);
    archive_entry_set_mtime(entry, 1500000000, 0);
    archive_entry_set_size(entry, 0);
    archive_entry_set_nlink(entry, 1);
    return entry;
}

static void put(struct fixture *f, struct archive_entry *entry, const char *content)
{
    if (content)
        archive_entry_set_size(entry, (la_int64_t)strlen(content));
    assert_true(archive_write_header(f->archive, entry) >= ARCHIVE_WARN);
    if (content)
        assert_int_equal(archive_write_data(f->archive, content, strlen(content)), strlen(content));
    archive_entry_free(entry);
}

static void put_file(struct fixture *f, const char *path, const char *content)
{
    put(f, make(path, AE_IFREG), content);
}

static void put_directory(struct fixture *f, const char *path)
{
    put(f, make(path, AE_IFDIR), NULL);
}

static void put_link(struct fixture *f, const char *path, const char *target)
{
    struct archive_entry *entry = make(path, AE_IFREG);

    archive_entry_copy_hardlink(entry, target);
    put(f, entry, NULL);
}

static void put_symlink(struct fixture *f, const char *path, const char *target)
{
    struct archive_entry *entry = make(path, AE_IFLNK);

    archive_entry_copy_symlink(entry, target);
    put(f, entry, NULL);
}

static void end(struct fixture *f)
{
    assert_int_equal(archive_write_close(f->archive), ARCHIVE_OK);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
}

static struct tz_source *open_archive(struct fixture *f)
{
    struct tz_source *source = NULL;

    (void)lseek(f->options.fd, 0, SEEK_SET); /* a pipe stays where it is */
    if (tz_archive_open_source(&f->options, &source, &f->source, &f->error))
        fail_msg("%s", f->error.message);
    return source;
}

/* It is not taken: the kind of error. */
static enum tz_error_kind refused(struct fixture *f)
{
    struct tz_source *source = NULL;

    (void)lseek(f->options.fd, 0, SEEK_SET);
    if (tz_archive_open_source(&f->options, &source, &f->source, &f->error) == 0)
        fail_msg("the archive was taken");
    return f->error.kind;
}

static void list_content(struct tz_source *source, struct tz_entry *entry, struct tz_buf *out)
{
    TZ_SCOPED(tz_scoped_buf) struct tz_buf content = {0};
    TZ_SCOPED(tz_scoped_input) struct tz_input *input = NULL;

    assert_int_equal(tz_source_load(source, entry, &input, NULL), 0);
    if (entry->type != TZ_ENTRY_FILE)
        return;
    assert_non_null(input);
    tz_test_read(input, 7, &content);
    assert_int_equal(content.len, entry->size);
    assert_int_equal(tz_buf_printf(out, NULL, "=%.*s", (int)content.len, (char *)content.data), 0);
}

/*
 * "d dir~ - dir/file=content h dir/link>dir/file ", with ~ behind what was made up; to be freed.
 * What every source promises is held against it.
 */
static char *list(struct fixture *f)
{
    TZ_SCOPED(tz_scoped_source) struct tz_source *source = open_archive(f);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_buf) struct tz_buf out = {0};
    char *last = NULL, *position = NULL;
    size_t last_len = 0;
    int64_t time_ns = 0;
    bool done = false;

    for (;;) {
        tz_entry_clear(&entry);
        assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
        if (done)
            break;
        assert_true(tz_path_valid(entry.path, entry.path_len));
        assert_true(!last || tz_path_compare(last, last_len, entry.path, entry.path_len) < 0);
        assert_int_equal(tz_buf_printf(&out, NULL, "%c %s%s", tz_entry_type_letter(entry.type),
                                       entry.path, entry.flags & TZ_ENTRY_IMPLIED ? "~" : ""),
                         0);
        if (entry.link)
            assert_int_equal(tz_buf_printf(&out, NULL, ">%s", entry.link), 0);
        if (entry.type != TZ_ENTRY_HARDLINK)
            list_content(source, &entry, &out);
        assert_int_equal(tz_buf_printf(&out, NULL, " "), 0);
        free(last);
        last = strdup(entry.path);
        last_len = entry.path_len;
    }
    free(last);
    assert_int_equal(tz_source_finish(source, &time_ns, &position, NULL), 0);
    assert_int_equal(time_ns, f->options.time_ns);
    free(position);
    assert_int_equal(tz_buf_append(&out, "", 1, NULL), 0);
    return (char *)TZ_TAKE(out.data);
}

static void assert_list(struct fixture *f, const char *expected)
{
    char *text = list(f);

    assert_string_equal(text, expected);
    free(text);
}

static void assert_warning(const struct fixture *f, const char *text)
{
    if (f->warnings.len == 0 || !strstr((const char *)f->warnings.data, text))
        fail_msg("no warning '%s', but:\n%s", text,
                 f->warnings.len > 0 ? (const char *)f->warnings.data : "none");
}

/* The entry of this path, as a backup would have it. */
static void get(struct fixture *f, const char *path, struct tz_entry *ret)
{
    TZ_SCOPED(tz_scoped_source) struct tz_source *source = open_archive(f);
    TZ_SCOPED(tz_scoped_input) struct tz_input *input = NULL;
    bool done = false;

    do {
        tz_entry_clear(ret);
        assert_int_equal(tz_source_next(source, ret, &done, NULL), 0);
        assert_false(done);
    } while (strcmp(ret->path, path) != 0);
    assert_int_equal(tz_source_load(source, ret, &input, NULL), 0);
}

static const struct tz_xattr *find_xattr(const struct tz_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++) {
        if (strcmp(entry->xattrs[i].name, name) == 0)
            return &entry->xattrs[i];
    }
    return NULL;
}

static void entries_come_in_path_order(void **state)
{
    struct fixture *f = *state;

    begin(f, "pax");
    put_file(f, "b-c", "2");
    put_file(f, "b/z", "1");
    put_directory(f, "./");
    put_file(f, "a", "0");
    put_directory(f, "b");
    put_symlink(f, "b/a", "../a");
    put(f, make("c", AE_IFIFO), NULL);
    end(f);
    assert_list(f, "d  - a=0 d b l b/a>../a - b/z=1 - b-c=2 p c ");
    assert_int_equal(f->warning_count, 0);
}

static void metadata_is_kept(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct archive_entry *in = make("d/f", AE_IFREG);

    begin(f, "pax");
    archive_entry_set_perm(in, 04751);
    archive_entry_copy_uname(in, "j\xc3\xb6rg");
    archive_entry_copy_gname(in, "wheel");
    archive_entry_set_mtime(in, 1234567890, 123456789);
    archive_entry_xattr_add_entry(in, "user.zero", "\0", 1);
    archive_entry_xattr_add_entry(in, "user.a=b", "x", 1);
    archive_entry_xattr_add_entry(in, "user.\xe6\x9d\xb1", "", 0);
    archive_entry_set_fflags(in, 0x40, 0); /* nodump */
    put(f, in, "content");
    end(f);
    get(f, "d/f", &entry);
    assert_int_equal(entry.type, TZ_ENTRY_FILE);
    assert_int_equal(entry.mode, 04751);
    assert_int_equal(entry.uid, 7);
    assert_int_equal(entry.gid, 8);
    assert_string_equal(entry.user, "j\xc3\xb6rg");
    assert_string_equal(entry.group, "wheel");
    assert_int_equal(entry.size, 7);
    assert_int_equal(entry.mtime_s, 1234567890);
    assert_int_equal(entry.mtime_ns, 123456789);
    assert_int_equal(entry.inode_flags, 0x40);
    assert_int_equal(entry.xattr_count, 3); /* once each, though libarchive wrote them twice */
    assert_non_null(find_xattr(&entry, "user.a=b"));
    assert_non_null(find_xattr(&entry, "user.\xe6\x9d\xb1"));
    assert_int_equal(find_xattr(&entry, "user.zero")->value_len, 1);
    get(f, "d", &entry);
    assert_int_equal(entry.flags, TZ_ENTRY_IMPLIED);
    assert_int_equal(entry.mode, 0755);
    assert_int_equal(entry.mtime_s, 1600000000);
}

static void names_stay_byte_for_byte(void **state)
{
    struct fixture *f = *state;

    /* Composed, decomposed, and no UTF-8 at all; the first two are written as UTF-8. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    assert_true(utf8 != (locale_t)0);
    locale_t before = uselocale(utf8);
    begin(f, "pax");
    put_file(f, "caf\xc3\xa9", "1");
    put_file(f, "cafe\xcc\x81", "2");
    put_file(f, "caf\xe9", "3");
    put_symlink(f, "link", "e\xcc\x81\xff");
    end(f);
    (void)uselocale(before);
    freelocale(utf8);
    assert_list(f, "- cafe\xcc\x81=2 - caf\xc3\xa9=1 - caf\xe9=3 l link>e\xcc\x81\xff ");
    assert_int_equal(f->warning_count, 0);
}

static void absolute_paths_lose_their_slashes(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_directory(f, "/etc");
    put_file(f, "//etc//passwd", "x");
    put_link(f, "/etc/shadow", "/etc/passwd");
    end(f);
    assert_list(f, "d etc - etc/passwd=x h etc/shadow>etc/passwd ");
    assert_int_equal(f->warning_count, 1);
    assert_warning(f, "etc: its path was absolute, as those of 3 in all");
}

static void paths_that_lead_upward_are_left_out(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_file(f, "../../etc/cron.d/evil", "x");
    put_file(f, "a/../b", "x");
    put_file(f, "..", "x");
    put_file(f, "a/..", "x");
    put_link(f, "c", "../../etc/passwd");
    put_file(f, "a..b/..c/d..", "good");
    put_file(f, "././/e/.", "good");
    end(f);
    assert_list(f, "d a..b~ d a..b/..c~ - a..b/..c/d..=good - e=good ");
    assert_int_equal(f->warning_count, 5);
    assert_warning(f, "../../etc/cron.d/evil: it is left out: its path leads upward (..)");
    assert_warning(f, "c: it is left out: its path leads upward");
}

static void the_last_of_several_entries_counts(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_file(f, "twice", "old");
    put_directory(f, "dir");
    put_file(f, "./twice", "new");
    put_directory(f, "./dir/");
    put_file(f, "dir/thrice", "1");
    put_file(f, "dir/thrice", "2");
    put_symlink(f, "dir/thrice", "3");
    end(f);
    assert_list(f, "d dir l dir/thrice>3 - twice=new ");
    assert_int_equal(f->warning_count, 2); /* none for the directory */
    assert_warning(f, "twice: the archive has several entries of this name: the last one counts");
}

static void what_lies_below_of_something_else_is_left_out(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_directory(f, "d");
    put_file(f, "d/inside", "1");
    put_directory(f, "d/e");
    put_file(f, "d/e/deeper", "2");
    put_file(f, "d", "now a file");
    put_symlink(f, "s", "/etc");
    put_file(f, "s/passwd", "evil");
    put_file(f, "s-not", "good");
    end(f);
    assert_list(f, "- d=now a file l s>/etc - s-not=good ");
    assert_int_equal(f->warning_count, 5);
    assert_warning(f, "s/passwd: it is left out: what it is below of is not a directory");
}

static void the_first_name_in_path_order_is_the_file(void **state)
{
    struct fixture *f = *state;
    struct archive_entry *fifo = make("y", AE_IFIFO);

    begin(f, "pax");
    put_file(f, "z", "content");
    put_link(f, "a", "z");
    put_link(f, "m/n", "./a");
    put_link(f, "m/o", "m/n");
    put(f, fifo, NULL);
    put_link(f, "x", "y");
    end(f);
    assert_list(f, "- a=content d m~ h m/n>a h m/o>a p x h y>x h z>a ");
    assert_int_equal(f->warning_count, 0);
}

static void a_hard_link_keeps_what_it_was_a_name_of(void **state)
{
    struct fixture *f = *state;

    begin(f, "pax");
    put_file(f, "f", "first");
    put_link(f, "old", "f");
    put_file(f, "f", "second");
    put_link(f, "new", "f");
    put_link(f, "early", "later"); /* what comes only later in the archive */
    put_file(f, "later", "third");
    end(f);
    assert_list(f, "- early=third - f=second h later>early h new>f - old=first ");
}

static void hard_links_to_nothing_are_left_out(void **state)
{
    struct fixture *f = *state;

    begin(f, "pax");
    put_directory(f, "dir");
    put_link(f, "missing", "nowhere");
    put_link(f, "chain", "missing");
    put_link(f, "self", "self");
    put_link(f, "ring-1", "ring-2");
    put_link(f, "ring-2", "ring-1");
    put_link(f, "to-dir", "dir");
    put_link(f, "to-top", ".");
    put_file(f, "good", "x");
    end(f);
    assert_list(f, "d dir - good=x ");
    assert_int_equal(f->warning_count, 7);
    assert_warning(f, "missing: it is left out: a hard link to what is not in the archive");
    assert_warning(f, "to-dir: it is left out: a hard link to a directory");
}

static void content_that_stands_with_the_last_name_is_found(void **state)
{
    struct fixture *f = *state;
    /* As GNU cpio writes: only the last name of a file has its content. */
    static const char *const names[] = {"b", "a", "c"};

    begin(f, "newc");
    for (size_t i = 0; i < TZ_COUNT(names); i++) {
        struct archive_entry *entry = make(names[i], AE_IFREG);
        archive_entry_set_ino(entry, 99);
        archive_entry_set_nlink(entry, 3);
        put(f, entry, i == 2 ? "content" : NULL);
    }
    end(f);
    assert_list(f, "- a=content h b>a h c>a ");
    assert_int_equal(f->warning_count, 0);
}

static void holes_stay_holes(void **state)
{
    struct fixture *f = *state;
    struct archive_entry *in = make("sparse", AE_IFREG);
    static char content[1 << 20];
    size_t len;
    uint64_t hole;

    memset(content + 300000, 'x', 5000);
    archive_entry_set_size(in, sizeof(content));
    archive_entry_sparse_add_entry(in, 300000, 5000);
    begin(f, "pax");
    assert_int_equal(archive_write_header(f->archive, in), ARCHIVE_OK);
    assert_int_equal(archive_write_data(f->archive, content, sizeof(content)), sizeof(content));
    archive_entry_free(in);
    end(f);

    TZ_SCOPED(tz_scoped_source) struct tz_source *source = open_archive(f);
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_input) struct tz_input *input = NULL;
    bool done = false;
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_int_equal(entry.size, sizeof(content));
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    for (int i = 0; i < 2; i++) { /* and once more from the beginning */
        char data[8192];
        assert_int_equal(tz_input_read(input, data, sizeof(data), &len, &hole, NULL), 0);
        assert_int_equal(hole, 300000);
        assert_int_equal(tz_input_read(input, data, sizeof(data), &len, &hole, NULL), 0);
        assert_int_equal(len, 5000);
        assert_memory_equal(data, content + 300000, len);
        assert_int_equal(tz_input_read(input, data, sizeof(data), &len, &hole, NULL), 0);
        assert_int_equal(hole, sizeof(content) - 305000);
        assert_int_equal(tz_input_read(input, data, sizeof(data), &len, &hole, NULL), 0);
        assert_int_equal(len + hole, 0);
        assert_int_equal(tz_input_rewind(input, &entry, NULL), 0);
    }
}

static void short_holes_are_kept_as_zeros(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    TZ_SCOPED(tz_scoped_input) struct tz_input *input = NULL;
    struct archive_entry *in = make("sparse", AE_IFREG);
    static char content[5000], data[8192];
    size_t len = 0;
    uint64_t hole = 0;
    bool done = false;

    memset(content, 'x', 100);
    memset(content + 4100, 'y', 900);
    archive_entry_set_size(in, sizeof(content));
    archive_entry_sparse_add_entry(in, 0, 100);
    archive_entry_sparse_add_entry(in, 4100, 900);
    begin(f, "pax");
    assert_int_equal(archive_write_header(f->archive, in), ARCHIVE_OK);
    assert_int_equal(archive_write_data(f->archive, content, sizeof(content)), sizeof(content));
    archive_entry_free(in);
    end(f);
    TZ_SCOPED(tz_scoped_source) struct tz_source *source = open_archive(f);
    assert_int_equal(tz_source_next(source, &entry, &done, NULL), 0);
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    for (size_t at = 0; at < sizeof(content); at += len) {
        assert_int_equal(tz_input_read(input, data + at, sizeof(data) - at, &len, &hole, NULL), 0);
        assert_int_equal(hole, 0);
        assert_true(len > 0);
    }
    assert_memory_equal(data, content, sizeof(content));
    tz_input_free(TZ_TAKE(input)); /* before its source */
}

static void access_control_lists_become_attributes(void **state)
{
    static const uint8_t expected[] = {
        2,    0, 0, 0,                         /* version */
        0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* the owner: rw- */
        0x02, 0, 7, 0, 0xd2, 0x04, 0,    0,    /* user 1234: rwx */
        0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* the group: r-- */
        0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* a mask that allows all of these */
        0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others: --- */
    };
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct archive_entry *in = make("f", AE_IFREG), *dir = make("d", AE_IFDIR);

    begin(f, "pax");
    archive_entry_acl_add_entry(in, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 7, ARCHIVE_ENTRY_ACL_USER, 1234,
                                NULL);
    archive_entry_acl_add_entry(in, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 7, ARCHIVE_ENTRY_ACL_USER, -1,
                                "nobody-here-is-called-so");
    put(f, in, "");
    archive_entry_acl_add_entry(dir, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, 5, ARCHIVE_ENTRY_ACL_GROUP, -1,
                                "root");
    put(f, dir, NULL);
    end(f);
    get(f, "f", &entry);
    assert_int_equal(entry.xattr_count, 1);
    assert_string_equal(entry.xattrs[0].name, "system.posix_acl_access");
    assert_int_equal(entry.xattrs[0].value_len, sizeof(expected));
    assert_memory_equal(entry.xattrs[0].value, expected, sizeof(expected));
    assert_int_equal(entry.mode, 0670); /* the mask stands where the group's bits are */
    assert_warning(f, "f: its access control list names somebody who is not known here");
    get(f, "d", &entry);
    assert_int_equal(entry.xattr_count, 1);
    assert_string_equal(entry.xattrs[0].name, "system.posix_acl_default");
    assert_int_equal(entry.mode, 0750);
}

static void owners_that_no_system_has_become_nobody(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct archive_entry *in = make("f", AE_IFREG);

    begin(f, "pax");
    archive_entry_set_uid(in, INT64_C(1) << 40);
    archive_entry_set_perm(in, 06755);
    put(f, in, "");
    end(f);
    get(f, "f", &entry);
    assert_int_equal(entry.uid, 65534);
    assert_int_equal(entry.mode, 0755);
    assert_warning(f, "f: its owner has a number that is too large");
}

static void attributes_that_no_system_can_hold_are_left_out(void **state)
{
    struct fixture *f = *state;
    TZ_SCOPED(tz_scoped_entry) struct tz_entry entry = {0};
    struct archive_entry *in = make("f", AE_IFREG);
    static char value[70000], name[400];

    memset(name, 'n', sizeof(name) - 1);
    begin(f, "pax");
    archive_entry_xattr_add_entry(in, "user.large", value, sizeof(value));
    archive_entry_xattr_add_entry(in, name, "x", 1);
    archive_entry_xattr_add_entry(in, "user.good", "x", 1);
    put(f, in, "");
    end(f);
    get(f, "f", &entry);
    assert_int_equal(entry.xattr_count, 1);
    assert_string_equal(entry.xattrs[0].name, "user.good");
    assert_warning(f, "f: an extended attribute that no system can hold is left out");
}

static void odd_entries_are_left_out(void **state)
{
    struct fixture *f = *state;
    static char path[300001];

    memset(path, 'p', sizeof(path) - 1);
    begin(f, "pax");
    put_file(f, path, "x");
    put_file(f, ".", "the top cannot be a file");
    put_symlink(f, "empty", "");
    path[5000] = '\0';
    put_symlink(f, "far", path);
    put_file(f, "good", "x");
    end(f);
    char *text = list(f);
    assert_non_null(strstr(text, "- good=x "));
    assert_null(strstr(text, "far"));
    assert_null(strstr(text, "l empty"));
    free(text);
    assert_warning(f, "its path is too long");
    assert_warning(f, "far: it is left out: a symbolic link that leads nowhere or too far");
}

static void holes_count_for_the_limit(void **state)
{
    struct fixture *f = *state;
    struct archive_entry *in = make("bomb", AE_IFREG);
    static char content[1 << 20];

    archive_entry_set_size(in, 64 << 20);
    archive_entry_sparse_add_entry(in, (64 << 20) - 1, 1);
    begin(f, "pax");
    assert_int_equal(archive_write_header(f->archive, in), ARCHIVE_OK);
    archive_entry_free(in);
    for (int i = 0; i < 64; i++)
        assert_int_equal(archive_write_data(f->archive, content, sizeof(content)), 1 << 20);
    end(f);
    f->options.max_size = (64 << 20) - 1;
    assert_int_equal(refused(f), TZ_NOSPC);
    f->options.max_size = 64 << 20;
    tz_source_free(open_archive(f));
}

static void the_limit_is_for_all_content_together(void **state)
{
    struct fixture *f = *state;

    begin(f, "pax");
    put_file(f, "a", "12345");
    put_file(f, "b", "67890");
    end(f);
    f->options.max_size = 9;
    assert_int_equal(refused(f), TZ_NOSPC);
    assert_non_null(strstr(f->error.message, "--max-size"));
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    f->options.max_size = 10;
    assert_list(f, "- a=12345 - b=67890 ");
}

static void a_full_disk_stops_it(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, small = {.rlim_cur = 1 << 20};
    char *content = malloc((4 << 20) + 1);

    memset(content, 'x', 4 << 20);
    content[4 << 20] = '\0';
    begin(f, "pax");
    put_file(f, "large", content);
    end(f);
    free(content);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum tz_error_kind kind = refused(f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_true(kind == TZ_NOSPC || kind == TZ_IO || kind == TZ_FAILED);
}

static void nothing_is_left_in_scratch(void **state)
{
    struct fixture *f = *state;
    unsigned names = 0;

    begin(f, "pax");
    put_file(f, "a", "x");
    end(f);
    TZ_SCOPED(tz_scoped_source) struct tz_source *source = open_archive(f);
    TZ_SCOPED(tz_scoped_dir) DIR *dir = opendir(f->folder);
    while (readdir(dir))
        names++;
    assert_int_equal(names, 2); /* "." and "..": even while it is used */
    assert_non_null(source);
}

static void what_is_no_archive_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "This is a text, and not an archive.\n";

    assert_int_equal(refused(f), TZ_INVALID); /* empty */
    assert_non_null(strstr(f->error.message, "is empty"));
    assert_int_equal(write(f->fd, text, sizeof(text)), sizeof(text));
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(refused(f), TZ_INVALID);
    assert_non_null(strstr(f->error.message, "no format that is known"));
}

static void an_archive_of_nothing_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char zeros[10240];

    assert_int_equal(write(f->fd, zeros, sizeof(zeros)), sizeof(zeros));
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(refused(f), TZ_INVALID);
    assert_non_null(strstr(f->error.message, "there is nothing in it"));
}

static void a_list_of_files_of_this_system_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "#mtree\n./x type=file mode=0644 size=5 contents=/etc/passwd\n";

    assert_int_equal(write(f->fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    assert_int_equal(refused(f), TZ_INVALID);
}

static void a_cut_archive_is_refused_wherever_it_was_cut(void **state)
{
    struct fixture *f = *state;
    off_t size;

    begin(f, "pax");
    put_file(f, "first", "content");
    put_file(f, "second", "content");
    end(f);
    size = lseek(f->fd, 0, SEEK_END);
    for (off_t cut = 512 + 100; cut < size; cut += 700) {
        TZ_SCOPED(tz_scoped_fd) int copy = memfd_create("cut", MFD_CLOEXEC);
        char data[32768];
        struct tz_source *source = NULL;
        ssize_t len = pread(f->fd, data, TZ_MIN((size_t)cut, sizeof(data)), 0);
        assert_int_equal(write(copy, data, (size_t)len), len);
        assert_int_equal(lseek(copy, 0, SEEK_SET), 0);
        f->options.fd = copy;
        f->warning_count = 0;
        if (tz_archive_open_source(&f->options, &source, &f->source, &f->error)) {
            assert_int_equal(f->error.kind, TZ_FAILED);
            assert_non_null(strstr(f->error.message, "test.tar"));
        } else { /* between two entries, or in the padding behind the end mark */
            assert_true(f->warning_count == 1 || cut >= 5 * 512);
            tz_source_free(source);
        }
    }
    f->options.fd = f->fd;
}

static void a_missing_end_mark_is_said(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_file(f, "first", "content");
    put_file(f, "second", "content");
    end(f);
    assert_int_equal(ftruncate(f->fd, 4 * 512L), 0);
    assert_list(f, "- first=content - second=content ");
    assert_int_equal(f->warning_count, 1);
    assert_warning(f, "test.tar: it has no end mark: it may have been cut off");
}

static void damage_says_where(void **state)
{
    struct fixture *f = *state;

    begin(f, "ustar");
    put_file(f, "first", "content");
    put_file(f, "second", "content");
    end(f);
    assert_int_equal(pwrite(f->fd, "XXXXXXXX", 8, 1024 + 148), 8); /* the checksum */
    assert_int_equal(refused(f), TZ_FAILED);
    assert_non_null(strstr(f->error.message, "archive 'test.tar': at byte "));
    assert_non_null(strstr(f->error.message, "after 'first'"));
}

static void a_pipe_will_do(void **state)
{
    static const char *const formats[] = {"pax", "zip", "newc"};

    for (size_t i = 0; i < TZ_COUNT(formats); i++) {
        struct fixture *f = *state;
        char data[65536];
        int ends[2];
        begin(f, formats[i]);
        put_file(f, "dir/a\xc3\xa9", "content");
        end(f);
        ssize_t len = pread(f->fd, data, sizeof(data), 0);
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], data, (size_t)len), len); /* a pipe holds so much */
        (void)close(ends[1]);
        f->options.fd = ends[0];
        assert_list(f, "d dir~ - dir/a\xc3\xa9=content ");
        (void)close(ends[0]);
        (void)archive_write_free(f->archive);
        f->archive = NULL;
        assert_int_equal(ftruncate(f->fd, 0), 0);
        assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    }
}

static void every_format_that_libarchive_writes_is_read(void **state)
{
    static const char *const formats[] = {"pax", "gnutar", "ustar", "v7tar", "newc", "odc",
                                          "bin", "zip",    "7zip",  "xar",   "warc", "iso9660"};
    static const char *const filters[] = {"gzip", "bzip2", "xz",       "zstd",    "lz4",
                                          "lzip", "lzma",  "compress", "uuencode"};

    for (size_t i = 0; i < TZ_COUNT(formats) + TZ_COUNT(filters); i++) {
        struct fixture *f = *state;
        size_t filter = i - TZ_COUNT(formats);
        f->archive = archive_write_new();
        assert_int_equal(archive_write_set_format_by_name(
                             f->archive, i < TZ_COUNT(formats) ? formats[i] : "ustar"),
                         ARCHIVE_OK);
        if (i >= TZ_COUNT(formats))
            assert_int_equal(archive_write_add_filter_by_name(f->archive, filters[filter]),
                             ARCHIVE_OK);
        assert_int_equal(archive_write_open_fd(f->archive, f->fd), ARCHIVE_OK);
        put_file(f, "file", "content");
        end(f);
        f->warning_count = 0;
        char *text = list(f);
        assert_non_null(strstr(text, "file=content "));
        free(text);
        (void)archive_write_free(f->archive);
        f->archive = NULL;
        assert_int_equal(ftruncate(f->fd, 0), 0);
        assert_int_equal(lseek(f->fd, 0, SEEK_SET), 0);
    }
}

static void names_of_sources_are_checked(void **state)
{
    (void)state;
    assert_int_equal(tz_archive_check_source("wiki", NULL), 0);
    assert_int_equal(tz_archive_check_source("\xe6\x9d\xb1.2-x", NULL), 0);
    assert_int_equal(tz_archive_check_source("", NULL), -1);
    assert_int_equal(tz_archive_check_source("-x", NULL), -1);
    assert_int_equal(tz_archive_check_source("a b", NULL), -1);
    assert_int_equal(tz_archive_check_source("a@b", NULL), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_come_in_path_order),
        TEST(metadata_is_kept),
        TEST(names_stay_byte_for_byte),
        TEST(absolute_paths_lose_their_slashes),
        TEST(paths_that_lead_upward_are_left_out),
        TEST(the_last_of_several_entries_counts),
        TEST(what_lies_below_of_something_else_is_left_out),
        TEST(the_first_name_in_path_order_is_the_file),
        TEST(a_hard_link_keeps_what_it_was_a_name_of),
        TEST(hard_links_to_nothing_are_left_out),
        TEST(content_that_stands_with_the_last_name_is_found),
        TEST(holes_stay_holes),
        TEST(short_holes_are_kept_as_zeros),
        TEST(access_control_lists_become_attributes),
        TEST(owners_that_no_system_has_become_nobody),
        TEST(attributes_that_no_system_can_hold_are_left_out),
        TEST(odd_entries_are_left_out),
        TEST(holes_count_for_the_limit),
        TEST(the_limit_is_for_all_content_together),
        TEST(a_full_disk_stops_it),
        TEST(nothing_is_left_in_scratch),
        TEST(what_is_no_archive_is_refused),
        TEST(an_archive_of_nothing_is_refused),
        TEST(a_list_of_files_of_this_system_is_refused),
        TEST(a_cut_archive_is_refused_wherever_it_was_cut),
        TEST(a_missing_end_mark_is_said),
        TEST(damage_says_where),
        TEST(a_pipe_will_do),
        TEST(every_format_that_libarchive_writes_is_read),
        TEST(names_of_sources_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
