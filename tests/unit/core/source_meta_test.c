#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "core/source/meta.h"
#include "source_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

static void check_names(struct tz_owners *owners, uint32_t uid, uint32_t gid)
{
    struct tz_entry entry = {.uid = uid, .gid = gid};
    const struct passwd *user = getpwuid(uid);

    assert_int_equal(tz_owners_fill(owners, &entry, NULL), 0);
    if (user)
        assert_string_equal(entry.user, user->pw_name);
    else
        assert_null(entry.user);
    tz_entry_clear(&entry);
}

static void owners_have_their_own_names(void **state)
{
    (void)state;
    struct tz_owners *owners = NULL;
    struct tz_entry entry = {0};

    assert_int_equal(tz_owners_new(&owners, NULL), 0);
    assert_int_equal(tz_owners_fill(owners, &entry, NULL), 0);
    assert_string_equal(entry.user, "root");
    assert_string_equal(entry.group, "root");
    entry.uid = 4000000000; /* filled again, for another owner */
    assert_int_equal(tz_owners_fill(owners, &entry, NULL), 0);
    assert_null(entry.user);
    assert_string_equal(entry.group, "root");
    tz_entry_clear(&entry);

    /* More than fit into the first table, those with names among them, asked for twice. */
    for (int round = 0; round < 2; round++)
        for (uint32_t number = 0; number < 300; number++)
            check_names(owners, number, number);
    tz_owners_free(owners);
    tz_owners_free(NULL);
}

static const struct tz_xattr *find(const struct tz_entry *entry, const char *name)
{
    for (uint32_t i = 0; i < entry->xattr_count; i++)
        if (strcmp(entry->xattrs[i].name, name) == 0)
            return &entry->xattrs[i];
    return NULL;
}

static void attributes_are_read_by_every_way(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    char name[200];
    uint32_t set = 0;
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "source/a");

    tz_fixture_file(f, "source/a", "");
    for (int i = 0; i < 25; i++) { /* a list that is longer than one usually is */
        (void)snprintf(name, sizeof(name), "user.%d-%0*d", i, 80, i);
        set += setxattr(path, name, name, (size_t)i, 0) == 0;
    }
    if (set < 25)
        skip();
    TZ_SCOPED(tz_scoped_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    TZ_SCOPED(tz_scoped_fd) int path_fd = open(path, O_PATH | O_CLOEXEC);
    for (int way = 0; way < 3; way++) {
        int status = way == 0   ? tz_entry_read_xattrs(&entry, fd, NULL, NULL)
                     : way == 1 ? tz_entry_read_xattrs(&entry, -1, path, NULL)
                                : tz_entry_read_xattrs_at(&entry, path_fd, NULL);
        assert_int_equal(status, 0);
        assert_true(entry.xattr_count >= 25);
        for (uint32_t i = 1; i < entry.xattr_count; i++)
            assert_true(strcmp(entry.xattrs[i - 1].name, entry.xattrs[i].name) < 0);
        (void)snprintf(name, sizeof(name), "user.7-%0*d", 80, 7);
        assert_non_null(find(&entry, name));
        assert_int_equal(find(&entry, name)->value_len, 7);
        assert_memory_equal(find(&entry, name)->value, name, 7);
    }
    tz_entry_clear(&entry);
}

static void attributes_of_nothing_are_an_error(void **state)
{
    (void)state;
    struct tz_entry entry = {0};
    struct tz_error err = {0};

    assert_int_equal(tz_entry_read_xattrs(&entry, -1, "/nowhere/at/all", &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    assert_int_equal(entry.xattr_count, 0);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, tz_source_fixture_set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners_have_their_own_names),
        TEST(attributes_are_read_by_every_way),
        cmocka_unit_test(attributes_of_nothing_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
