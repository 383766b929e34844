#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "source_fixture.h"

#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void make_image(struct tz_source_fixture *f, off_t size)
{
    TZ_SCOPED(tz_scoped_free) char *path = tz_fixture_path(f, "disk.img");
    tz_fixture_file(f, "disk.img", "the beginning");
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, "the middle", 10, size / 2), 10);
    assert_int_equal(close(fd), 0);
}

static char *configure(struct tz_source_fixture *f, const char *name)
{
    f->config.type = TZ_SOURCE_IMAGE;
    f->paths[0] = tz_fixture_path(f, name);
    return f->paths[0];
}

static void read_from_disk(void *arg, const char *path, struct tz_buf *out)
{
    const struct tz_source_fixture *f = arg;
    assert_string_equal(path, "disk.img");
    assert_int_equal(tz_file_read(f->paths[0], (size_t)1 << 30, out, NULL), 0);
}

static void change_image(void *arg, const char *path)
{
    const struct tz_source_fixture *f = arg;
    (void)path;
    int fd = open(f->paths[0], O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "changed", 7, 100000), 7);
    assert_int_equal(close(fd), 0);
}

static void it_keeps_the_contract(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *path = configure(f, "disk.img");

    make_image(f, 3 << 20);
    struct tz_source_contract contract = {
        .options = f->options, .content = read_from_disk, .change = change_image, .arg = f};
    tz_source_contract_run(&contract);
    assert_non_null(path);
}

static uint32_t block_size_of(struct tz_source_fixture *f)
{
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;

    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "disk.img");
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    uint32_t size = tz_input_hints(input)->block_size;
    assert_false(tz_input_hints(input)->sequential);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
    return size;
}

static void it_is_compared_in_blocks(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *path = configure(f, "disk.img");

    make_image(f, 1 << 20);
    assert_int_equal(block_size_of(f), 4096);
    f->config.block_size = 65536;
    assert_int_equal(block_size_of(f), 65536);
    struct tz_error err;
    f->config.block_size = (uint64_t)1 << 40;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    assert_non_null(path);
}

static void a_link_to_an_image_keeps_its_own_name(void **state)
{
    struct tz_source_fixture *f = *state;
    TZ_SCOPED(tz_scoped_free) char *path = configure(f, "link");

    make_image(f, 1 << 20);
    tz_fixture_symlink(f, "disk.img", "link");
    TZ_SCOPED(tz_scoped_free) char *walk = tz_fixture_walk(f);
    assert_string_equal(walk, "- link\n");
    assert_non_null(path);
}

static void other_things_are_refused(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_error err;
    TZ_SCOPED(tz_scoped_free) char *missing = configure(f, "missing");

    assert_int_equal(tz_fixture_refused(f, &err), TZ_NOT_FOUND);
    assert_non_null(strstr(err.message, missing));
    f->paths[0] = f->source;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    f->paths[0] = (char *)"/dev/null";
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
    f->config.paths.count = 2;
    f->paths[1] = f->source;
    assert_int_equal(tz_fixture_refused(f, &err), TZ_INVALID);
}

/* It is all that there is: a generation without it would be empty. */
static void an_image_that_vanishes_is_an_error(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_error err = {0};
    TZ_SCOPED(tz_scoped_free) char *path = configure(f, "disk.img");

    make_image(f, 1 << 20);
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, "disk.img");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tz_source_load(source, &entry, &input, &err), -1);
    assert_int_equal(err.kind, TZ_NOT_FOUND);
    tz_entry_clear(&entry);
    tz_source_free(source);
}

/* Make the file a loop device; its path, or NULL where that may not be. */
static char *attach(const char *file, int *ret_fd)
{
    char *path = NULL;
    TZ_SCOPED(tz_scoped_fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    TZ_SCOPED(tz_scoped_fd) int backing = open(file, O_RDWR | O_CLOEXEC);
    int number = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;

    if (number < 0 || asprintf(&path, "/dev/loop%d", number) < 0)
        return NULL;
    *ret_fd = open(path, O_RDWR | O_CLOEXEC);
    if (*ret_fd >= 0 && ioctl(*ret_fd, LOOP_SET_FD, backing) == 0)
        return path;
    if (*ret_fd >= 0)
        (void)close(*ret_fd);
    free(path);
    return NULL;
}

static void a_block_device_becomes_a_file_of_its_size(void **state)
{
    struct tz_source_fixture *f = *state;
    struct tz_entry entry = {0};
    struct tz_input *input = NULL;
    struct tz_buf device = {0}, file = {0};
    bool changed = true;
    int fd = -1;
    TZ_SCOPED(tz_scoped_free) char *image = configure(f, "disk.img");

    make_image(f, 1 << 20);
    TZ_SCOPED(tz_scoped_free) char *path = attach(image, &fd);
    if (!path) {
        free(TZ_TAKE(image));
        skip();
    }
    assert_int_equal(tz_file_read(image, (size_t)1 << 30, &file, NULL), 0);
    f->paths[0] = path;
    struct tz_source *source = tz_test_source(&f->options);
    tz_fixture_next(source, &entry, tz_path_base(path));
    assert_int_equal(entry.type, TZ_ENTRY_FILE);
    assert_int_equal(entry.mode, 0600);
    assert_int_equal(entry.size, 1 << 20);
    assert_int_equal(entry.device, 0);
    assert_int_equal(tz_source_load(source, &entry, &input, NULL), 0);
    tz_test_read(input, 65536, &device);
    assert_int_equal(tz_input_finish(input, &entry, &changed, NULL), 0);
    assert_false(changed);
    assert_int_equal(device.len, file.len);
    assert_memory_equal(device.data, file.data, file.len);
    tz_input_free(input);
    tz_entry_clear(&entry);
    tz_source_free(source);
    tz_buf_clear(&device);
    tz_buf_clear(&file);
    assert_int_equal(ioctl(fd, LOOP_CLR_FD), 0);
    assert_int_equal(close(fd), 0);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, tz_source_fixture_set_up, tz_source_fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_keeps_the_contract),
        TEST(it_is_compared_in_blocks),
        TEST(a_link_to_an_image_keeps_its_own_name),
        TEST(other_things_are_refused),
        TEST(an_image_that_vanishes_is_an_error),
        TEST(a_block_device_becomes_a_file_of_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
