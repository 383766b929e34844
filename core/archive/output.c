/*
 * The file that an export goes to: written under a temporary name beside it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tozai/core/archive.h"
#include "tozai/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "tozai/util/banned.h"

struct tz_archive_output {
    char *path;
    char *directory; /* that holds it */
    char temporary[TZ_TEMPORARY_NAME];
    int directory_fd, fd;
    bool overwrite;
};

/* A symbolic link is followed: what it leads to is replaced, not the link. */
static int find_target(struct tz_archive_output *output, const char *path, struct tz_error *err)
{
    struct stat st;

    if (lstat(path, &st)) {
        output->path = strdup(path);
        return output->path ? 0 : tz_fail_nomem(err);
    }
    if (!output->overwrite) {
        (void)tz_fail(err, TZ_EXISTS, "'%s' exists already", path);
        return tz_hint(err, "choose another name, or use --overwrite");
    }
    output->path = realpath(path, NULL);
    if (!output->path || stat(output->path, &st))
        return tz_fail_errno(err, errno, "look at '%s'", path);
    if (!S_ISREG(st.st_mode)) {
        (void)tz_fail(err, TZ_INVALID, "'%s' is not a regular file", path);
        return tz_hint(err, "write to standard output (--output -) to send it there");
    }
    return 0;
}

static int open_directory(struct tz_archive_output *output, struct tz_error *err)
{
    const char *base = tz_path_base(output->path);

    if (!*base)
        return tz_fail(err, TZ_INVALID, "'%s' is not the name of a file", output->path);
    output->directory =
        base == output->path ? strdup(".") : strndup(output->path, (size_t)(base - output->path));
    if (!output->directory)
        return tz_fail_nomem(err);
    output->directory_fd = open(output->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (output->directory_fd < 0)
        return tz_fail_errno(err, errno, "open directory '%s'", output->directory);
    return 0;
}

/* Only for the user: what is in the archive is not encrypted. */
static int create(struct tz_archive_output *output, struct tz_error *err)
{
    if (tz_temporary_name(output->temporary, err))
        return -1;
    output->fd = openat(output->directory_fd, output->temporary,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (output->fd >= 0)
        return 0;
    output->temporary[0] = '\0';
    return tz_fail_errno(err, errno, "create a file in '%s'", output->directory);
}

int tz_archive_output_open(struct tz_archive_output **ret, const char *path, bool overwrite,
                           struct tz_error *err)
{
    TZ_SCOPED(tz_scoped_archive_output)
    struct tz_archive_output *output = calloc(1, sizeof(*output));

    if (!output)
        return tz_fail_nomem(err);
    output->directory_fd = output->fd = -1;
    output->overwrite = overwrite;
    if (find_target(output, path, err) || open_directory(output, err) || create(output, err))
        return -1;
    *ret = TZ_TAKE(output);
    return 0;
}

void tz_archive_output_free(struct tz_archive_output *output)
{
    if (!output)
        return;
    if (output->fd >= 0)
        (void)close(output->fd);
    if (output->temporary[0])
        (void)unlinkat(output->directory_fd, output->temporary, 0);
    if (output->directory_fd >= 0)
        (void)close(output->directory_fd);
    free(output->directory);
    free(output->path);
    free(output);
}

int tz_archive_output_fd(const struct tz_archive_output *output)
{
    return output->fd;
}

/* Whoever made a file of this name meanwhile keeps it, where the file system can promise that. */
static int take_name(struct tz_archive_output *output, struct tz_error *err)
{
    const char *base = tz_path_base(output->path);
    int dir = output->directory_fd;
    int number = output->overwrite ? EOPNOTSUPP : tz_rename_new(dir, output->temporary, dir, base);

    if (number == EOPNOTSUPP)
        number = renameat(dir, output->temporary, dir, base) ? errno : 0;
    if (number == EEXIST)
        return tz_fail(err, TZ_EXISTS, "'%s' has been made by somebody else", output->path);
    if (number)
        return tz_fail_errno(err, number, "rename to '%s'", output->path);
    output->temporary[0] = '\0';
    return 0;
}

int tz_archive_output_commit(struct tz_archive_output *output, struct tz_error *err)
{
    if (fsync(output->fd))
        return tz_fail_errno(err, errno, "write '%s'", output->path);
    int fd = TZ_TAKE_FD(output->fd);
    if (close(fd) && errno != EINTR)
        return tz_fail_errno(err, errno, "close '%s'", output->path);
    if (take_name(output, err))
        return -1;
    if (fsync(output->directory_fd) && errno != EINVAL)
        return tz_fail_errno(err, errno, "sync directory '%s'", output->directory);
    return 0;
}
