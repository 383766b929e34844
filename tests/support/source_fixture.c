#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "source_fixture.h"

#include "odd_tree.h"

#include "tozai/util/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int tz_source_fixture_set_up(void **state)
{
    struct tz_source_fixture *f = calloc(1, sizeof(*f));

    f->folder = tz_odd_folder();
    f->source = tz_fixture_path(f, "source");
    f->scratch = tz_fixture_path(f, "scratch");
    f->paths[0] = f->source;
    f->config = (struct tz_config_source){.name = (char *)"test",
                                          .type = TZ_SOURCE_DIRECTORY,
                                          .paths = {.items = f->paths, .count = 1},
                                          .excludes = {.items = f->excludes},
                                          .exclude_files = {.items = f->exclude_files}};
    f->options = (struct tz_source_options){.config = &f->config,
                                            .scratch = f->scratch,
                                            .never = f->never,
                                            .warn = tz_test_warn,
                                            .warn_arg = &f->warnings};
    *state = f;
    return mkdir(f->source, 0755) || mkdir(f->scratch, 0700);
}

int tz_source_fixture_tear_down(void **state)
{
    struct tz_source_fixture *f = *state;

    free(f->source);
    free(f->scratch);
    tz_odd_folder_remove(f->folder);
    free(f);
    return 0;
}

char *tz_fixture_path(const struct tz_source_fixture *f, const char *path)
{
    char *joined = tz_path_join(f->folder, path);
    assert_non_null(joined);
    return joined;
}

void tz_fixture_directory(struct tz_source_fixture *f, const char *path)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    assert_int_equal(tz_make_dirs(full, 0755, NULL), 0);
}

void tz_fixture_file(struct tz_source_fixture *f, const char *path, const char *text)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    TZ_SCOPED(tz_scoped_free) char *above = strdup(full);

    *strrchr(above, '/') = '\0';
    assert_int_equal(tz_make_dirs(above, 0755, NULL), 0);
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

void tz_fixture_remove(struct tz_source_fixture *f, const char *path)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    assert_int_equal(tz_odd_tree_remove(full), 0);
}

void tz_fixture_rename(struct tz_source_fixture *f, const char *from, const char *to)
{
    TZ_SCOPED(tz_scoped_free) char *old = tz_fixture_path(f, from);
    TZ_SCOPED(tz_scoped_free) char *new = tz_fixture_path(f, to);
    assert_int_equal(rename(old, new), 0);
}

void tz_fixture_symlink(struct tz_source_fixture *f, const char *target, const char *path)
{
    TZ_SCOPED(tz_scoped_free) char *full = tz_fixture_path(f, path);
    assert_int_equal(symlink(target, full), 0);
}

void tz_fixture_link(struct tz_source_fixture *f, const char *from, const char *to)
{
    TZ_SCOPED(tz_scoped_free) char *old = tz_fixture_path(f, from);
    TZ_SCOPED(tz_scoped_free) char *new = tz_fixture_path(f, to);
    assert_int_equal(link(old, new), 0);
}

char *tz_fixture_walk(struct tz_source_fixture *f)
{
    struct tz_test_entries entries;
    struct tz_buf text = {0};

    tz_test_entries(&f->options, &entries);
    assert_int_equal(tz_buf_printf(&text, NULL, "%s", ""), 0);
    for (size_t i = 0; i < entries.count; i++) {
        const struct tz_entry *entry = &entries.items[i];
        assert_int_equal(tz_buf_printf(&text, NULL, "%c%s%s\n", tz_entry_type_letter(entry->type),
                                       entry->flags & TZ_ENTRY_IMPLIED ? "~" : " ", entry->path),
                         0);
    }
    tz_test_entries_clear(&entries);
    return (char *)text.data;
}

enum tz_error_kind tz_fixture_refused(struct tz_source_fixture *f, struct tz_error *ret)
{
    struct tz_source *source = NULL;

    *ret = (struct tz_error){0};
    assert_int_equal(tz_source_open(&source, &f->options, ret), -1);
    assert_null(source);
    return ret->kind;
}

void tz_fixture_next(struct tz_source *source, struct tz_entry *entry, const char *path)
{
    struct tz_error err = {0};
    bool done = false;

    for (;;) {
        tz_entry_clear(entry);
        if (tz_source_next(source, entry, &done, &err))
            fail_msg("%s", err.message);
        assert_false(done);
        if (strcmp(entry->path, path) == 0)
            return;
    }
}
